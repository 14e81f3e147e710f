"""The two heads of SQuAD in the original's format, and what Hugging Face's has of them."""

import keras
import numpy as np
import pytest

from albert_tf.checkpoints import tf1
from albert_tf.checkpoints.error import CheckpointError
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.tasks.loading import load_checkpoint
from albert_tf.tasks.question_answering import AlbertQuestionAnswering
from albert_tf.tasks.question_answering_preprocessor import AlbertQuestionAnsweringPreprocessor
from albert_tf.tasks.saving import save_checkpoint

PUBLISHED = {
    "independent": {"cls/squad/output_weights": [2, 24], "cls/squad/output_bias": [2]},
    "conditional": {
        "start_logits/dense/kernel": [24, 1],
        "start_logits/dense/bias": [1],
        "end_logits/dense_0/kernel": [48, 24],
        "end_logits/dense_0/bias": [24],
        "end_logits/LayerNorm/gamma": [24],
        "end_logits/LayerNorm/beta": [24],
        "end_logits/dense_1/kernel": [24, 1],
        "end_logits/dense_1/bias": [1],
        "answer_class/dense_0/kernel": [48, 24],
        "answer_class/dense_0/bias": [24],
        "answer_class/dense_1/kernel": [24, 1],
    },
}


@pytest.fixture(scope="module")
def models(tiny_config, tiny_tokenizer):
    keras.utils.set_random_seed(0)
    preprocessor = AlbertQuestionAnsweringPreprocessor(tiny_tokenizer, sequence_length=48)
    return {
        head: AlbertQuestionAnswering(AlbertBackbone(tiny_config), preprocessor, head=head)
        for head in PUBLISHED
    }


@pytest.fixture
def ids(models):
    asked = {"question": ["where?"], "context": ["The cat sat on the mat."]}
    made = models["conditional"].preprocessor(asked)
    return {name: made[name] for name in ("token_ids", "segment_ids", "padding_mask")}


@pytest.mark.parametrize("head", PUBLISHED)
def test_a_head_goes_out_and_comes_in_under_the_originals_names(models, ids, head, tmp_path):
    save_checkpoint(models[head], tmp_path / "tf1", "tf1")
    stored = tf1.read(tmp_path / "tf1" / "model.ckpt-best")
    written = {name: list(w.shape) for name, w in stored.items() if not name.startswith("bert/")}
    assert written == PUBLISHED[head]
    again = load_checkpoint(tmp_path / "tf1")
    assert isinstance(again, AlbertQuestionAnswering) and again.get_config()["head"] == head
    assert again.preprocessor is not None
    found = again(ids)
    for name, value in models[head](ids).items():
        np.testing.assert_array_equal(found[name], value)


def test_another_head_than_that_of_the_file_is_new(models, tmp_path):
    save_checkpoint(models["conditional"], tmp_path / "tf1", "tf1")
    found = AlbertQuestionAnswering.from_preset(tmp_path / "tf1", head="independent")
    words = (
        model.backbone.embeddings.word_embeddings.embeddings
        for model in (found, models["conditional"])
    )
    np.testing.assert_array_equal(*words)
    assert not found.is_conditional


def test_hugging_face_has_no_name_for_the_conditional_head(models, tmp_path):
    with pytest.raises(CheckpointError, match="conditional_span_head/start/kernel"):
        save_checkpoint(models["conditional"], tmp_path / "hf", "hf")
    save_checkpoint(models["independent"], tmp_path / "hf", "hf")
    assert isinstance(load_checkpoint(tmp_path / "hf"), AlbertQuestionAnswering)
