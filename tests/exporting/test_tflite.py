"""TFLite files in the light runtime, against Keras."""

import dataclasses

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from tensorflow.lite.python import schema_py_generated as schema

from albert_tf.config import AlbertConfig
from albert_tf.exporting.mobile.encoder import for_mobile
from albert_tf.exporting.tflite import export_tflite
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.pretrainer import AlbertPretrainer
from albert_tf.tasks.text_classifier import AlbertTextClassifier

# Large enough for its weights to outweigh the graph, and deep enough for a copied block to show.
SMALL = AlbertConfig(
    vocab_size=30_000,
    embedding_size=64,
    hidden_size=192,
    num_hidden_layers=6,
    num_attention_heads=3,
    intermediate_size=768,
    max_position_embeddings=32,
)
SEQ_LEN = 32
# float32: the same products in another order. float16 keeps 11 bits of a weight, int8 has 127
# steps for the largest of a matrix; logits are of size 1 or less.
QUANTIZATIONS = {"none": (4, 1e-5), "float16": (2, 2e-3), "dynamic": (1, 2e-2)}


@pytest.fixture(scope="module")
def small(as_trained):
    return as_trained(AlbertTextClassifier(AlbertBackbone(SMALL), 3))


@pytest.fixture(scope="module", params=QUANTIZATIONS)
def converted(request, small, tmp_path_factory):
    path = tmp_path_factory.mktemp("tflite") / "small.tflite"
    return request.param, export_tflite(small, path, request.param, seq_len=SEQ_LEN)


def inputs_of(config, num_rows, seq_len, seed=0):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, seq_len + 1, num_rows)
    return {
        "token_ids": rng.integers(5, config.vocab_size, (num_rows, seq_len)).astype("int32"),
        "segment_ids": rng.integers(0, 2, (num_rows, seq_len)).astype("int32"),
        "input_length": lengths.astype("int32"),
    }


def for_keras(inputs):
    ids = dict(inputs)
    lengths = ids.pop("input_length")
    seq_len = ids["token_ids"].shape[1]
    return ids | {"padding_mask": (np.arange(seq_len) < lengths[:, None]).astype("int32")}


def run(path, inputs):
    return Interpreter(model_path=str(path)).get_signature_runner("tokens")(**inputs)


def operators_of(path):
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
    return [model.operatorCodes[op.opcodeIndex] for g in model.subgraphs for op in g.operators]


def test_logits_are_those_of_keras(converted, small):
    quantization, path = converted
    tolerance = QUANTIZATIONS[quantization][1]
    for seed in range(3):
        inputs = inputs_of(SMALL, 1, SEQ_LEN, seed)
        expected = small.predict(for_keras(inputs), verbose=0)
        np.testing.assert_allclose(run(path, inputs)["logits"], expected, atol=tolerance)


def test_the_file_is_as_large_as_its_weights(converted, small):
    quantization, path = converted
    weights = small.count_params() * QUANTIZATIONS[quantization][0]
    # Six layers share one block: a second copy of it would add a fifth.
    assert path.stat().st_size == pytest.approx(weights, rel=0.03)


def test_all_operators_are_built_in(converted):
    assert [op.customCode for op in operators_of(converted[1]) if op.customCode] == []


def test_the_signature_keeps_its_names(converted):
    signatures = Interpreter(model_path=str(converted[1])).get_signature_list()
    assert {k: sorted(v) for k, v in signatures["tokens"].items()} == {
        "inputs": ["input_length", "segment_ids", "token_ids"],
        "outputs": ["logits", "probabilities"],
    }


def test_what_stands_behind_the_length_does_not_count(converted):
    inputs = inputs_of(SMALL, 1, SEQ_LEN) | {"input_length": np.array([9], "int32")}
    before = run(converted[1], inputs)
    inputs["token_ids"][:, 9:] = 17
    np.testing.assert_allclose(run(converted[1], inputs)["logits"], before["logits"], atol=1e-6)


def test_any_batch_and_any_length_fit_a_dynamic_file(classifier, tiny_config, tmp_path):
    path = export_tflite(classifier, tmp_path / "m.tflite", "none", seq_len=None, batch_size=None)
    assert [op.customCode for op in operators_of(path) if op.customCode] == []
    for num_rows, seq_len in ((1, 5), (3, 48)):
        inputs = inputs_of(tiny_config, num_rows, seq_len)
        ids = for_keras(inputs)
        expected = classifier(ids, training=False)
        np.testing.assert_allclose(run(path, inputs)["logits"], expected, atol=1e-5)


def test_a_regression_answers_with_its_score(make_classifier, tiny_config, tmp_path):
    model = make_classifier(1)
    path = tmp_path / "m.tflite"
    export_tflite(model, path, "none", seq_len=16, batch_size=2, rolled=False)
    inputs = inputs_of(tiny_config, 2, 16)
    got = run(path, inputs)
    np.testing.assert_allclose(got["score"], model(for_keras(inputs))[:, 0], atol=1e-5)
    assert list(got) == ["score"]


def test_a_pretrainer_scores_masked_words(backbone, tiny_config, tmp_path):
    model = AlbertPretrainer(backbone)
    path = export_tflite(model, tmp_path / "m.tflite", "none", seq_len=16)
    positions = {"mask_positions": np.array([[2, 5]], "int32")}
    inputs = inputs_of(tiny_config, 1, 16) | positions
    expected = model(for_keras(inputs), training=False)
    np.testing.assert_allclose(run(path, inputs)["mlm_logits"], expected["mlm_logits"], atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "runs"),
    [
        ({}, [((0, 0),)]),
        ({"inner_group_num": 2}, [((0, 0), (1, 1))]),
        ({"num_hidden_groups": 2}, [((0, 0),), ((1, 1),)]),
        ({"num_hidden_groups": 2, "inner_group_num": 2}, [((0, 0), (1, 1)), ((2, 2), (3, 3))]),
        ({"sharing": "attention"}, [((0, 0),), ((0, 1),), ((0, 2),), ((0, 3),)]),
    ],
)
def test_the_loops_give_what_the_encoder_gives(tiny_config, shape, runs, shake):
    config = dataclasses.replace(tiny_config, num_hidden_layers=4, **shape)
    backbone = shake(AlbertBackbone(config))
    uses, num_steps = zip(*backbone.encoder.runs_of_steps(), strict=True)
    assert list(uses) == runs and sum(num_steps) == 4
    ids = for_keras(inputs_of(config, 2, 7))
    expected = backbone(ids)["sequence_output"]
    # The same operations in the same order: what differs is how TensorFlow fuses them.
    for rolled in (True, False):
        got = for_mobile(backbone, rolled)(ids)["sequence_output"]
        np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_the_published_base_model_keeps_size_and_numbers(quantization, as_trained, tmp_path):
    config = AlbertConfig.from_preset("base")
    model = as_trained(AlbertTextClassifier(AlbertBackbone(config), 2))
    path = export_tflite(model, tmp_path / "m.tflite", quantization)
    num_bytes, tolerance = QUANTIZATIONS[quantization]
    assert path.stat().st_size == pytest.approx(model.count_params() * num_bytes, rel=0.03)
    inputs = inputs_of(config, 1, 128)
    expected = model.predict(for_keras(inputs), verbose=0)
    np.testing.assert_allclose(run(path, inputs)["logits"], expected, atol=tolerance)


def test_an_existing_file_is_kept(small, tmp_path):
    (tmp_path / "m.tflite").write_text("taken")
    with pytest.raises(FileExistsError, match="must not exist yet"):
        export_tflite(small, tmp_path / "m.tflite", seq_len=SEQ_LEN)
    assert (tmp_path / "m.tflite").read_text() == "taken"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"quantization": "int4"}, "none, float16, dynamic, int8: got 'int4'"),
        ({"seq_len": 33}, "2 to 32, .*: got 33"),
        ({"seq_len": 1}, "2 to 32, .*: got 1"),
        ({"batch_size": 0}, "at least 1, or None for any: got 0"),
        ({"signatures": ("text2",)}, "signatures must be tokens"),
        ({"quantization": "int8"}, "needs texts, 16 rows or more: got 0"),
        ({"quantization": "int8", "rolled": True}, "needs an unrolled encoder"),
        ({"quantization": "int8", "signatures": ("tokens", "text")}, "int8 has no signature text"),
    ],
)
def test_what_no_file_can_have_is_refused(small, tmp_path, wrong, message):
    with pytest.raises(ValueError, match=message):
        export_tflite(small, tmp_path / "m.tflite", **{"seq_len": SEQ_LEN} | wrong)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_is_no_file(small, tmp_path):
    with pytest.raises(FileExistsError, match="must name a file"):
        export_tflite(small, tmp_path, seq_len=SEQ_LEN)


def test_a_strange_model_is_refused(tmp_path):
    with pytest.raises(TypeError, match="got str"):
        export_tflite("model", tmp_path / "m.tflite")
