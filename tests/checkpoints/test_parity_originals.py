"""Parity with what the originals answered; recorded beside the repository."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from albert_tf.tasks.loading import load_checkpoint

# Float32 on both sides, with sums in another order; the largest difference seen is 2e-6.
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def original(shared):
    """Model and recorded arrays of the original's modeling.py and run_pretraining.py."""
    return load_checkpoint(shared / "goldens" / "tf1"), dict(
        np.load(shared / "goldens" / "tf1" / "golden.npz")
    )


@pytest.fixture(scope="module")
def original_ids(original):
    names = {"token_ids": "input_ids", "segment_ids": "segment_ids", "padding_mask": "input_mask"}
    return {ours: original[1][theirs] for ours, theirs in names.items()}


def test_every_layer_is_that_of_the_original(original, original_ids):
    model, golden = original
    found = model.backbone.all_outputs(original_ids)
    np.testing.assert_allclose(
        found["embedding_output"], golden["embedding_output"], atol=TOLERANCE
    )
    layers = np.stack(found["hidden_states"][1:])
    np.testing.assert_allclose(layers, golden["all_encoder_layers"], atol=TOLERANCE)
    np.testing.assert_allclose(found["pooled_output"], golden["pooled_output"], atol=TOLERANCE)


def test_both_heads_are_those_of_the_original(original, original_ids):
    model, golden = original
    found = model({**original_ids, "mask_positions": golden["masked_lm_positions"]})
    for name, logits in found.items():
        np.testing.assert_allclose(logits, golden[name], atol=TOLERANCE)


@pytest.fixture(scope="module")
def transformers_golden(shared):
    return dict(np.load(shared / "goldens" / "hf" / "golden.npz"))


@pytest.fixture(scope="module")
def transformers_ids(transformers_golden):
    names = {
        "token_ids": "input_ids",
        "segment_ids": "token_type_ids",
        "padding_mask": "attention_mask",
    }
    return {ours: transformers_golden[theirs] for ours, theirs in names.items()}


def test_every_depth_is_that_of_transformers(shared, transformers_golden, transformers_ids):
    backbone = load_checkpoint(shared / "goldens" / "hf" / "pretraining", "backbone")
    found = backbone.all_outputs(transformers_ids)
    for ours, theirs in {
        "hidden_states": "hidden_states",
        "attentions": "attentions",
        "pooled_output": "pooled",
    }.items():
        np.testing.assert_allclose(found[ours], transformers_golden[theirs], atol=TOLERANCE)


HEADS = {
    "pretraining": {"mlm_logits": "prediction_logits", "sop_logits": "sop_logits"},
    "masked_lm": {"logits": "logits"},
    "sequence_classification": {"logits": "logits"},
    "token_classification": {"logits": "logits"},
    "question_answering": {"start_logits": "start_logits", "end_logits": "end_logits"},
    "multiple_choice": {"logits": "logits"},
}


@pytest.mark.parametrize("head", HEADS)
def test_each_head_is_that_of_transformers(
    shared, transformers_golden, transformers_ids, everywhere, head
):
    model, inputs = load_checkpoint(shared / "goldens" / "hf" / head), transformers_ids
    if head in ("pretraining", "masked_lm"):
        inputs = everywhere(inputs)
    elif head == "multiple_choice":
        inputs = {name: value.reshape(2, 2, -1) for name, value in inputs.items()}
    found = model(inputs)
    found = found if isinstance(found, dict) else {"logits": found}
    for ours, theirs in HEADS[head].items():
        expected = transformers_golden[f"{head}/{theirs}"]
        np.testing.assert_allclose(found[ours], expected, atol=TOLERANCE)


@pytest.fixture(params=["model.safetensors", "model.pth"])
def trained_model(request, shared, tmp_path):
    """The trained Japanese ALBERT, from each of the two file formats."""
    source = shared / "data" / "real_checkpoint"
    (tmp_path / "config.json").write_text((source / "config.json").read_text(encoding="utf-8"))
    if request.param == "model.pth":
        (tmp_path / "model.pth").write_bytes((source / "model.pth").read_bytes())
    else:
        weights = dict(np.load(source / "model.npz"))
        save_file(weights, tmp_path / "model.safetensors")
    return load_checkpoint(tmp_path)


def test_a_trained_model_answers_as_recorded(trained_model, shared, everywhere):
    golden = np.load(shared / "data" / "real_checkpoint" / "reference_outputs.npz")
    ids = {"token_ids": golden["input_ids"], "padding_mask": golden["attention_mask"]}
    ids["segment_ids"] = np.zeros_like(ids["token_ids"])
    found = np.asarray(trained_model(everywhere(ids)))
    # The recording has zeros at padded positions.
    tokens = ids["padding_mask"] == 1
    assert (found.argmax(-1)[tokens] == golden["onnx_argmax"][tokens]).all()
    # Logits reach 60, ten times those of a random model.
    np.testing.assert_allclose(found[tokens], golden["onnx_logits"][tokens], atol=1e-3)
    states = trained_model.backbone(ids)["sequence_output"]
    expected = golden["numpy_last_hidden_state"]
    np.testing.assert_allclose(np.asarray(states)[tokens], expected[tokens], atol=1e-3)


def test_a_hugging_face_file_without_model_type_means_the_exact_gelu(trained_model, shared):
    config = json.loads((shared / "data" / "real_checkpoint" / "config.json").read_text())
    assert "model_type" not in config and config["hidden_act"] == "gelu"
    assert trained_model.backbone.albert_config.hidden_act == "gelu_exact"
