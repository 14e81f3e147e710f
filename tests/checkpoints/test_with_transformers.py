"""transformers itself reads what we write; needs the extra [bench]."""

import os

import numpy as np
import pytest

from albert_tf.tasks.loading import load_checkpoint
from albert_tf.tasks.saving import save_checkpoint

os.environ.setdefault("HF_HUB_OFFLINE", "1")
torch = pytest.importorskip("torch", reason="needs torch, of the extra [bench]")
transformers = pytest.importorskip("transformers", reason="needs transformers, of [bench]")

CLASSES = {
    "pretraining": ("AlbertForPreTraining", "prediction_logits"),
    "masked_lm": ("AlbertForMaskedLM", "logits"),
    "sequence_classification": ("AlbertForSequenceClassification", "logits"),
    "token_classification": ("AlbertForTokenClassification", "logits"),
    "question_answering": ("AlbertForQuestionAnswering", "start_logits"),
    "bare": ("AlbertModel", "last_hidden_state"),
}


@pytest.mark.parametrize(("head", "expected"), CLASSES.items())
def test_transformers_places_every_weight_and_answers_as_before(
    golden, recorded, ids, tmp_path, head, expected
):
    name, output = expected
    save_checkpoint(load_checkpoint(golden / "transformers" / head), tmp_path / "hf", "hf")
    cls = getattr(transformers, name)
    model, report = cls.from_pretrained(tmp_path / "hf", output_loading_info=True)
    assert not any(report.values())
    names = ("input_ids", "token_type_ids", "attention_mask")
    tensors = {n: torch.tensor(v).long() for n, v in zip(names, ids.values(), strict=True)}
    with torch.no_grad():
        found = model.eval()(**tensors)[output].numpy()
    # The same program and weights; its attention is another kernel than the recorded one.
    np.testing.assert_allclose(found, recorded[f"{head}/{output}"], atol=2e-5)


def test_a_file_that_this_torch_writes_is_read_without_it(golden, tmp_path):
    from albert_tf.checkpoints import torch_zip

    path = golden / "transformers" / "pretraining"
    model = transformers.AlbertForPreTraining.from_pretrained(path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    found = torch_zip.read(tmp_path / "pytorch_model.bin")
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(found[name].read(), tensor.numpy())
