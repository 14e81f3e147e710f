"""Our models as published checkpoints: what was read is written again, byte for byte."""

import dataclasses
import json
from pathlib import Path

import keras_hub
import numpy as np
import pytest
from safetensors.numpy import load_file

from albert_tf.checkpoints.error import CheckpointError
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.pretrainer import AlbertPretrainer
from albert_tf.tasks.loading import load_checkpoint
from albert_tf.tasks.masked_lm import AlbertMaskedLM
from albert_tf.tasks.saving import save_checkpoint
from albert_tf.tasks.text_classifier import AlbertTextClassifier

FOLDER = Path(__file__).parents[1] / "golden" / "transformers"
HEADS = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())


def assert_same_weights(first, second):
    assert type(first) is type(second)
    for one, other in zip(first.weights, second.weights, strict=True):
        assert one.path == other.path
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.fixture(scope="module", params=HEADS)
def rewritten(request, loaded, tmp_path_factory):
    """A recorded model's directory, and that of what we wrote after reading it."""
    directory = tmp_path_factory.mktemp("hf") / request.param
    save_checkpoint(loaded(request.param), directory, "hf")
    return FOLDER / request.param, directory


def test_a_hugging_face_model_comes_back_byte_for_byte(rewritten):
    expected, found = (load_file(path / "model.safetensors") for path in rewritten)
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        assert tensor.tobytes() == expected[name].tobytes()


def test_the_written_configuration_says_what_that_of_transformers_says(rewritten):
    expected, found = (json.loads((path / "config.json").read_text()) for path in rewritten)
    # Of the file and the program, and what a model without that head does not keep.
    for key in ("dtype", "transformers_version", "classifier_dropout_prob"):
        expected.pop(key, None)
    assert expected.items() <= found.items()


def test_weights_can_be_read_by_whoever_reads_the_configuration(rewritten):
    modes = {(rewritten[1] / name).stat().st_mode for name in ("config.json", "model.safetensors")}
    assert len(modes) == 1


@pytest.mark.parametrize("head", [head for head in HEADS if head != "token_classification"])
def test_a_tf1_checkpoint_comes_back_with_its_head(tmp_path, head):
    model = load_checkpoint(FOLDER / head, hidden_act="relu")
    save_checkpoint(model, tmp_path / "tf1", "tf1")
    task = type(model) if head == "multiple_choice" else None
    back = load_checkpoint(tmp_path / "tf1", task)
    assert_same_weights(model, back)
    backbone, again = getattr(model, "backbone", model), getattr(back, "backbone", back)
    assert again.albert_config == backbone.albert_config


def test_albert_zh_weights_keep_their_own_layout(tmp_path, tiny_config):
    config = dataclasses.replace(tiny_config, factorized_tables="words")
    model = AlbertPretrainer(AlbertBackbone(config))
    save_checkpoint(model, tmp_path / "zh", "tf1")
    back = load_checkpoint(tmp_path / "zh")
    assert back.backbone.albert_config.factorized_tables == "words"
    assert_same_weights(model, back)
    with pytest.raises(CheckpointError, match="albert_zh's own layout"):
        save_checkpoint(model, tmp_path / "hf", "hf")


@pytest.mark.parametrize("format", ["hf", "tf1"])
def test_layers_that_share_nothing_are_written_as_groups(tmp_path, tiny_config, format):
    model = AlbertBackbone(dataclasses.replace(tiny_config, sharing="none"))
    save_checkpoint(model, tmp_path / "out", format)
    back = load_checkpoint(tmp_path / "out")
    assert back.albert_config.num_hidden_groups == tiny_config.num_hidden_layers
    assert_same_weights(model, back)


@pytest.mark.parametrize("format", ["hf", "tf1", "keras_hub"])
def test_half_shared_layers_are_refused(tmp_path, tiny_config, format):
    model = AlbertBackbone(dataclasses.replace(tiny_config, sharing="ffn"))
    with pytest.raises(CheckpointError, match="sharing='ffn' has no names"):
        save_checkpoint(model, tmp_path / "out", format)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", ["hf", "keras_hub"])
def test_equal_widths_get_an_identity_where_the_format_wants_a_product(
    tmp_path, tiny_config, format
):
    config = dataclasses.replace(tiny_config, embedding_size=tiny_config.hidden_size)
    model = AlbertBackbone(config)
    save_checkpoint(model, tmp_path / "out", format)
    assert_same_weights(model, load_checkpoint(tmp_path / "out"))


def test_a_product_of_equal_widths_that_is_no_identity_is_refused(tmp_path, tiny_config):
    from safetensors.numpy import save_file

    config = dataclasses.replace(tiny_config, embedding_size=tiny_config.hidden_size)
    save_checkpoint(AlbertBackbone(config), tmp_path / "out", "hf")
    file = tmp_path / "out" / "model.safetensors"
    weights = load_file(file)
    weights["encoder.embedding_hidden_mapping_in.weight"][0, 1] = 0.5
    save_file(weights, file)
    with pytest.raises(CheckpointError, match="ALBERT has none where they are equal"):
        load_checkpoint(tmp_path / "out")


def test_keras_hub_reads_its_preset(tmp_path, loaded, ids):
    model = loaded("bare")
    save_checkpoint(model, tmp_path / "preset", "keras_hub")
    theirs = keras_hub.models.AlbertBackbone.from_preset(str(tmp_path / "preset"))
    expected = model(ids)["sequence_output"]
    # Float32 on both sides, with sums in another order.
    np.testing.assert_allclose(theirs(ids)["sequence_output"], expected, atol=2e-5)
    assert_same_weights(model, load_checkpoint(tmp_path / "preset"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_act": "relu"}, "hidden_act must be gelu"),
        ({"hidden_dropout_prob": 0.1}, "both dropouts must be equal"),
        ({"num_hidden_groups": 2}, "must divide num_hidden_layers: got 2 and 3"),
        ({"factorized_tables": "words"}, "factorized_tables must be 'all'"),
    ],
)
def test_what_keras_hub_does_not_have_is_refused(tmp_path, tiny_config, change, message):
    model = AlbertBackbone(dataclasses.replace(tiny_config, **change))
    with pytest.raises(CheckpointError, match=message):
        save_checkpoint(model, tmp_path / "out", "keras_hub")


def test_a_head_is_not_left_out_silently(tmp_path, loaded, tiny_config):
    model = AlbertMaskedLM(AlbertBackbone(tiny_config))
    with pytest.raises(CheckpointError, match="no head: got AlbertMaskedLM. Save model.backbone"):
        save_checkpoint(model, tmp_path / "out", "keras_hub")
    labels = loaded("token_classification")
    with pytest.raises(CheckpointError, match="no head on every token"):
        save_checkpoint(labels, tmp_path / "out", "tf1")


def test_an_exact_gelu_is_not_written_as_the_original_s(tmp_path, tiny_config):
    model = AlbertBackbone(dataclasses.replace(tiny_config, hidden_act="gelu_exact"))
    with pytest.raises(CheckpointError, match="gelu_exact.*tanh form"):
        save_checkpoint(model, tmp_path / "out", "tf1")
    save_checkpoint(model, tmp_path / "hf", "hf")
    assert load_checkpoint(tmp_path / "hf").albert_config.hidden_act == "gelu_exact"


def test_low_precision_weights_are_written_whole(tmp_path, tiny_config):
    model = AlbertBackbone(tiny_config, dtype="bfloat16")
    save_checkpoint(model, tmp_path / "hf", "hf")
    back = load_checkpoint(tmp_path / "hf", dtype="bfloat16")
    for one, other in zip(model.weights, back.weights, strict=True):
        assert np.array_equal(one.numpy(), other.numpy())


def test_weights_without_a_published_name_are_listed(tmp_path, tiny_config):
    model = AlbertBackbone(tiny_config)
    model.encoder.attentions[0].query.enable_lora(2)
    with pytest.raises(CheckpointError, match="2 without a published name(.|\n)*lora_kernel_a"):
        save_checkpoint(model, tmp_path / "out", "hf")


def test_an_existing_directory_is_never_overwritten(tmp_path, tiny_config):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="must not exist yet"):
        save_checkpoint(AlbertBackbone(tiny_config), tmp_path, "hf")


def test_an_unknown_format_is_named_with_those_that_exist(tmp_path, tiny_config):
    with pytest.raises(ValueError, match="hf, tf1, keras_hub: got 'onnx'"):
        save_checkpoint(AlbertBackbone(tiny_config), tmp_path / "out", "onnx")


def test_a_model_of_another_library_is_refused(tmp_path):
    import keras

    with pytest.raises(ValueError, match="must be one of AlbertBackbone.*got Functional"):
        inputs = keras.Input((2,))
        save_checkpoint(keras.Model(inputs, inputs), tmp_path / "out", "hf")


@pytest.fixture
def classifier(tiny_config, tiny_tokenizer):
    preprocessor = AlbertTextClassifier.preprocessor_cls(tiny_tokenizer, sequence_length=16)
    return AlbertTextClassifier(
        AlbertBackbone(tiny_config), 2, preprocessor, class_names=["bad", "good"]
    )


@pytest.mark.parametrize(
    ("format", "file"), {"hf": "spiece.model", "tf1": "30k-clean.model"}.items()
)
def test_the_vocabulary_travels_along(tmp_path, classifier, format, file):
    save_checkpoint(classifier, tmp_path / "out", format)
    proto = classifier.preprocessor.tokenizer.proto
    assert (tmp_path / "out" / file).read_bytes() == proto
    back = load_checkpoint(tmp_path / "out")
    assert back.preprocessor.tokenizer.proto == proto
    # The rows may be longer now: nothing in these formats keeps the length.
    assert back.preprocessor.sequence_length == 48
    text = ["The cat sat on the mat.", "A dull story."]
    np.testing.assert_array_equal(
        back.predict(text, verbose=0), classifier.predict(text, verbose=0)
    )


def test_class_names_travel_in_hugging_face_files(tmp_path, classifier):
    save_checkpoint(classifier, tmp_path / "out", "hf")
    assert load_checkpoint(tmp_path / "out").class_names == ["bad", "good"]


def test_the_settings_of_the_tokenizer_travel_in_hugging_face_files(
    tmp_path, tiny_config, tiny_proto
):
    from albert_tf.tokenizer import AlbertTokenizer

    tokenizer = AlbertTokenizer(proto=tiny_proto, lowercase=False, keep_accents=True)
    model = AlbertTextClassifier(AlbertBackbone(tiny_config), 2)
    save_checkpoint(model, tmp_path / "out", "hf", tokenizer=tokenizer)
    back = load_checkpoint(tmp_path / "out").preprocessor.tokenizer
    assert (back.lowercase, back.keep_accents) == (False, True)


def test_keras_hub_gets_the_vocabulary_too(tmp_path, classifier):
    tokenizer = classifier.preprocessor.tokenizer
    save_checkpoint(classifier.backbone, tmp_path / "out", "keras_hub", tokenizer=tokenizer)
    theirs = keras_hub.models.AlbertTokenizer.from_preset(str(tmp_path / "out"))
    assert theirs.vocabulary_size() == tokenizer.vocabulary_size()


@pytest.mark.parametrize("place", ["own.model", "assets/30k-clean.model"])
def test_a_vocabulary_is_found_by_other_names_and_in_assets(tmp_path, classifier, place):
    save_checkpoint(classifier, tmp_path / "out", "tf1")
    target = tmp_path / "out" / place
    target.parent.mkdir(exist_ok=True)
    (tmp_path / "out" / "30k-clean.model").rename(target)
    assert load_checkpoint(tmp_path / "out").preprocessor is not None
    target.unlink()
    assert load_checkpoint(tmp_path / "out").preprocessor is None


def test_several_vocabularies_are_asked_about(tmp_path, classifier):
    save_checkpoint(classifier, tmp_path / "out", "tf1")
    file = tmp_path / "out" / "30k-clean.model"
    (tmp_path / "out" / "a.model").write_bytes(file.read_bytes())
    file.rename(tmp_path / "out" / "b.model")
    with pytest.raises(CheckpointError, match="could be the vocabulary: .*a.model, .*b.model"):
        load_checkpoint(tmp_path / "out")


def test_a_vocabulary_of_another_size_is_refused(tmp_path, tiny_config, tiny_tokenizer):
    config = dataclasses.replace(tiny_config, vocab_size=90)
    model = AlbertTextClassifier(AlbertBackbone(config), 2)
    save_checkpoint(model, tmp_path / "out", "hf", tokenizer=tiny_tokenizer)
    with pytest.raises(ValueError, match="got 88 pieces for vocab_size 90"):
        load_checkpoint(tmp_path / "out")
