"""A checkpoint that is damaged, or of something else, is one clear error that lists all of it."""

import json
import shutil

import numpy as np
import pytest

from albert_tf.checkpoints.error import CheckpointError
from albert_tf.tasks.loading import load_checkpoint
from albert_tf.tasks.saving import save_checkpoint

POOLER = "albert.pooler.weight"
QUERY = "albert.encoder.albert_layer_groups.0.albert_layers.0.attention.query.weight"


def test_all_misfits_are_listed_at_once(copy_of):
    copy = copy_of("pretraining")
    del copy.weights[POOLER], copy.weights["predictions.bias"]
    copy.weights["albert.extra"] = np.zeros((2, 3), "float32")
    copy.weights[QUERY] = np.zeros((12, 11), "float32")
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(copy.write())
    message = str(error.value)
    assert "2 missing, 1 unexpected, 1 misshapen" in message
    for line in (
        f"{POOLER} [12, 12]",
        "predictions.bias [40]",
        "albert.extra [2, 3]",
        f"{QUERY}: found [12, 11], expected [12, 12]",
    ):
        assert f"    {line}\n" in message


def test_a_missing_weight_of_a_head_is_not_a_checkpoint_without_the_head(copy_of):
    copy = copy_of("question_answering")
    del copy.weights["qa_outputs.bias"]
    with pytest.raises(CheckpointError, match=r"missing:\n +qa_outputs.bias \[2\]"):
        load_checkpoint(copy.write())


def test_a_task_does_not_excuse_weights_that_are_of_no_head(copy_of):
    copy = copy_of("pretraining")
    copy.weights["qa_output.weight"] = np.zeros(2, "float32")
    with pytest.raises(CheckpointError, match=r"unexpected:\n +qa_output.weight"):
        load_checkpoint(copy.write(), "backbone")


def test_heads_that_no_class_has_together_are_asked_about(copy_of):
    copy = copy_of("pretraining")
    copy.weights["qa_outputs.bias"] = np.zeros(2, "float32")
    with pytest.raises(CheckpointError, match="masked_lm_head, sentence_order_head, span_head"):
        load_checkpoint(copy.write())


def test_repeated_weights_may_be_there_when_they_are_equal(copy_of):
    copy = copy_of("masked_lm")
    words = copy.weights["albert.embeddings.word_embeddings.weight"]
    copy.weights["predictions.decoder.weight"] = words.copy()
    copy.weights["predictions.decoder.bias"] = copy.weights["predictions.bias"].copy()
    load_checkpoint(copy.write())
    copy.weights["predictions.decoder.weight"][3, 1] += 1
    with pytest.raises(CheckpointError, match="1 untied.*\n.*\n.*predictions.decoder.weight"):
        load_checkpoint(copy.write())


def test_a_repeated_weight_without_its_head_is_unexpected(copy_of):
    copy = copy_of("bare")
    copy.weights["predictions.decoder.bias"] = np.zeros(40, "float32")
    copy.weights["predictions.bias"] = np.zeros(40, "float32")
    with pytest.raises(CheckpointError, match="missing(.|\n)*predictions.LayerNorm.bias"):
        load_checkpoint(copy.write())
    copy.weights["predictions.decoder.weight"] = np.zeros((40, 6), "float32")
    del copy.weights["predictions.bias"], copy.weights["predictions.decoder.bias"]
    with pytest.raises(CheckpointError, match="1 unexpected(.|\n)*predictions.decoder.weight"):
        load_checkpoint(copy.write())


def test_names_of_older_transformers_are_understood(copy_of):
    copy = copy_of("masked_lm")
    copy.weights["albert.embeddings.position_ids"] = np.arange(16)[None]
    for name in [name for name in copy.weights if "LayerNorm." in name]:
        older = name.replace(".weight", ".gamma").replace(".bias", ".beta")
        copy.weights[older] = copy.weights.pop(name)
    copy.weights["predictions.decoder.bias"] = copy.weights.pop("predictions.bias")
    load_checkpoint(copy.write())


@pytest.mark.parametrize("keep", [0, 5, 3000])
def test_a_truncated_safetensors_file_is_refused(copy_of, keep):
    path = copy_of("masked_lm").directory / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="model.safetensors cannot be read as safetensors"):
        load_checkpoint(path.parent)


def test_the_shards_of_an_index_are_read_together(copy_of):
    from safetensors.numpy import save_file

    copy = copy_of("masked_lm")
    names, files = sorted(copy.weights), ("a.safetensors", "b.safetensors")
    for file, half in zip(files, (names[::2], names[1::2]), strict=True):
        save_file({name: copy.weights[name] for name in half}, copy.directory / file)
    (copy.directory / "model.safetensors").unlink()
    weight_map = {name: files[i % 2] for i, name in enumerate(names)}
    index = copy.directory / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    load_checkpoint(copy.directory)
    (copy.directory / files[1]).unlink()
    with pytest.raises(CheckpointError, match="shard .*b.safetensors is missing"):
        load_checkpoint(copy.directory)


def test_bfloat16_weights_are_read(copy_of):
    import ml_dtypes

    copy = copy_of("bare")
    copy.weights = {n: w.astype(ml_dtypes.bfloat16) for n, w in copy.weights.items()}
    model = load_checkpoint(copy.write())
    bias = copy.weights["pooler.bias"].astype("float32")
    np.testing.assert_array_equal(model.pooler.dense_layer.bias.numpy(), bias)


def test_a_bert_is_called_a_bert(copy_of):
    copy = copy_of("bare")
    copy.config["model_type"] = "bert"
    with pytest.raises(CheckpointError, match="must be an ALBERT.*model_type 'bert'"):
        load_checkpoint(copy.write())


def test_the_names_of_a_bert_are_recognized(copy_of):
    copy = copy_of("bare")
    for name in [name for name in copy.weights if "layer_groups" in name]:
        number = f"bert.encoder.layer.0.{name.split('albert_layers.0.')[1]}"
        copy.weights[number] = copy.weights.pop(name)
    with pytest.raises(CheckpointError, match="These are the names of a BERT"):
        load_checkpoint(copy.write(), "backbone")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_size": 24}, r"misshapen(.|\n)*config= or its fields override it"),
        ({"num_hidden_groups": 2}, "missing"),
        ({"vocab_size": 41}, r"found \[40, 6\], expected \[41, 6\]"),
        ({"hidden_act": "swish"}, "hidden_act must be one of"),
        ({"position_embedding_type": "relative_key"}, "must be 'absolute'"),
        ({"layer_norm_eps": 1e-5}, "layer_norm_eps must be 1e-12"),
    ],
)
def test_a_configuration_that_is_not_that_of_the_weights_is_refused(copy_of, change, message):
    copy = copy_of("bare")
    copy.config |= change
    with pytest.raises(ValueError, match=message):
        load_checkpoint(copy.write())


def test_a_configuration_is_not_completed_by_guesses(copy_of):
    copy = copy_of("bare")
    del copy.config["num_attention_heads"]
    with pytest.raises(CheckpointError, match="must state num_attention_heads"):
        load_checkpoint(copy.write())


@pytest.mark.parametrize("text", ["{", "[1, 2]", "\ud800"])
def test_a_configuration_that_is_no_json_object_is_refused(copy_of, text):
    path = copy_of("bare").directory / "config.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(CheckpointError, match="must hold a JSON object"):
        load_checkpoint(path.parent)


def test_a_path_with_nothing_is_named_with_what_was_looked_for(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no checkpoint at .*nowhere"):
        load_checkpoint(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="holds no checkpoint: looked for a preset"):
        load_checkpoint(tmp_path)


@pytest.fixture
def tf1_directory(loaded, tmp_path):
    save_checkpoint(loaded("sequence_classification"), tmp_path / "tf1", "tf1")
    return tmp_path / "tf1"


def test_a_tf1_checkpoint_is_found_by_directory_prefix_and_file(tf1_directory):
    prefix = tf1_directory / "model.ckpt-best"
    for path in (tf1_directory, prefix, f"{prefix}.index", f"{prefix}.data-00000-of-00001"):
        assert type(load_checkpoint(path)).__name__ == "AlbertTextClassifier"
    (tf1_directory / "checkpoint").unlink()
    load_checkpoint(tf1_directory)


def test_training_state_and_the_prefix_of_tf_hub_are_left_out(tf1_directory, tmp_path):
    from albert_tf.checkpoints import tf1

    arrays = {}
    for name, weight in tf1.read(tf1_directory / "model.ckpt-best").items():
        arrays[f"module/{name}"] = weight.read()
        arrays[f"module/{name}/adam_m"] = arrays[f"module/{name}/adam_v"] = weight.read() + 1
    arrays["global_step"] = np.int64(7)
    (tmp_path / "trained").mkdir()
    tf1.write(tmp_path / "trained", arrays)
    shutil.copy(tf1_directory / "albert_config.json", tmp_path / "trained")
    first, second = load_checkpoint(tf1_directory), load_checkpoint(tmp_path / "trained")
    for one, other in zip(first.weights, second.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_half_of_the_head_of_squad_2_is_not_a_checkpoint_without_it(tf1_directory):
    from albert_tf.checkpoints import tf1

    weights = tf1.read(tf1_directory / "model.ckpt-best").items()
    arrays = {name: weight.read() for name, weight in weights if name.startswith("bert/")}
    tf1.write(tf1_directory, arrays | {"start_logits/dense/kernel": np.zeros((12, 1), "float32")})
    with pytest.raises(CheckpointError, match=r"10 missing(.|\n)*answer_class/dense_1/kernel"):
        load_checkpoint(tf1_directory)
    load_checkpoint(tf1_directory, "backbone")


def test_the_file_that_names_the_latest_checkpoint_is_honoured(tf1_directory):
    for file in sorted(tf1_directory.glob("model.ckpt-best.*")):
        shutil.copy(file, tf1_directory / file.name.replace("best", "9"))
    load_checkpoint(tf1_directory)
    (tf1_directory / "checkpoint").unlink()
    with pytest.raises(CheckpointError, match="several checkpoints(.|\n)*ckpt-9.*ckpt-best"):
        load_checkpoint(tf1_directory)


def test_a_named_checkpoint_that_is_not_there_is_no_other_one(tf1_directory):
    (tf1_directory / "checkpoint").write_text('model_checkpoint_path: "/old/model.ckpt-7"\n')
    with pytest.raises(FileNotFoundError, match="model.ckpt-7"):
        load_checkpoint(tf1_directory)


@pytest.mark.parametrize("keep", [0, 100])
def test_truncated_tf1_values_are_refused(tf1_directory, keep):
    path = tf1_directory / "model.ckpt-best.data-00000-of-00001"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(tf1_directory)


def test_missing_tf1_values_and_a_damaged_index_are_refused(tf1_directory):
    (tf1_directory / "model.ckpt-best.data-00000-of-00001").unlink()
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(tf1_directory)
    index = tf1_directory / "model.ckpt-best.index"
    index.write_bytes(index.read_bytes()[:50])
    with pytest.raises(CheckpointError, match="cannot be read as a TF1 checkpoint"):
        load_checkpoint(tf1_directory)


def test_a_tf1_checkpoint_without_a_configuration_says_what_to_do(tf1_directory):
    (tf1_directory / "albert_config.json").unlink()
    with pytest.raises(FileNotFoundError, match="looked for albert_config.json"):
        load_checkpoint(tf1_directory)


def test_albert_zh_with_another_order_of_norms_is_refused(tiny_config):
    from albert_tf.checkpoints import albert_zh
    from albert_tf.config import AlbertConfig

    config = AlbertConfig.from_dict(tiny_config.to_dict() | {"ln_type": "preln"})
    with pytest.raises(CheckpointError, match="ln_type must be 'postln'"):
        albert_zh.check_config(config)
