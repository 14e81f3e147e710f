"""Models as transformers wrote them answer as transformers answered (recorded in tests/golden)."""

import numpy as np
import pytest

from albert_tf.tasks.loading import load_checkpoint

# `pretraining` has two groups of two layers and the exact GELU, the others are plain.
# Float32 on both sides, with sums in another order; the largest difference seen is 3e-6.
TOLERANCE = 1e-4


@pytest.mark.parametrize("what", ["hidden_states", "attentions"])
def test_every_depth_is_that_of_transformers(loaded, recorded, ids, what):
    found = np.stack(loaded("pretraining").backbone.all_outputs(ids)[what])
    np.testing.assert_allclose(found, recorded[f"pretraining/{what}"], atol=TOLERANCE)


def test_both_pretraining_heads_are_those_of_transformers(loaded, recorded, ids, everywhere):
    found = loaded("pretraining")(everywhere(ids))
    expected = recorded["pretraining/prediction_logits"]
    np.testing.assert_allclose(found["mlm_logits"], expected, atol=TOLERANCE)
    expected = recorded["pretraining/sop_logits"]
    np.testing.assert_allclose(found["sop_logits"], expected, atol=TOLERANCE)


def test_masked_words_are_those_of_transformers(loaded, recorded, ids, everywhere):
    model = loaded("masked_lm")
    expected = recorded["masked_lm/logits"]
    np.testing.assert_allclose(model(everywhere(ids)), expected, atol=TOLERANCE)


@pytest.mark.parametrize("head", ["sequence_classification", "token_classification"])
def test_classes_are_those_of_transformers(loaded, recorded, ids, head):
    model = loaded(head)
    np.testing.assert_allclose(model(ids), recorded[f"{head}/logits"], atol=TOLERANCE)


def test_spans_are_those_of_transformers(loaded, recorded, ids):
    found = loaded("question_answering")(ids)
    for name, value in found.items():
        expected = recorded[f"question_answering/{name}"]
        np.testing.assert_allclose(value, expected, atol=TOLERANCE)


def test_choices_are_those_of_transformers(loaded, recorded, ids):
    model = loaded("multiple_choice")
    choices = {name: value[None] for name, value in ids.items()}
    expected = recorded["multiple_choice/logits"]
    np.testing.assert_allclose(model(choices), expected, atol=TOLERANCE)


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_a_bare_model_is_read_from_both_file_formats(golden, recorded, ids, file):
    found = load_checkpoint(golden / "transformers" / "bare" / file)(ids)
    expected = recorded["bare/last_hidden_state"]
    np.testing.assert_allclose(found["sequence_output"], expected, atol=TOLERANCE)
    expected = recorded["bare/pooler_output"]
    np.testing.assert_allclose(found["pooled_output"], expected, atol=TOLERANCE)
