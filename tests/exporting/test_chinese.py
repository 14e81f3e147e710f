"""Models leave with their `vocab.txt`: SavedModels of raw text, TFLite files for `LightModel`."""

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.exporting.answers.base import AnswerOptions
from albert_tf.exporting.light import entities
from albert_tf.exporting.light.model_file import LightModel, read_metadata
from albert_tf.exporting.mobile.text_graph import TextGraph
from albert_tf.exporting.saved_model import export_saved_model
from albert_tf.exporting.tasks import answers_of
from albert_tf.exporting.tflite import export_tflite
from albert_tf.tasks.masked_lm import AlbertMaskedLM
from albert_tf.tasks.masked_lm_preprocessor import AlbertMaskedLMPreprocessor
from albert_tf.tasks.text_classifier_preprocessor import AlbertTextClassifierPreprocessor
from albert_tf.text.words import word_spans
from albert_tf.tokenizer import AlbertTokenizer

CHINESE = ["我爱北京天安门。", "", "The cat（今天雨）unhello！去" * 9, "我 CATS \ufeff你\u0301！"]


@pytest.fixture(scope="module")
def reviews(make_classifier, tiny_vocab_txt):
    tokenizer = AlbertTokenizer(tiny_vocab_txt)
    preprocessor = AlbertTextClassifierPreprocessor(tokenizer, sequence_length=48)
    return make_classifier(2, preprocessor=preprocessor, class_names=["差", "好"])


def test_raw_text_inside_of_tflite_is_refused(reviews):
    with pytest.raises(ValueError, match="has a WordPiece vocab.txt.* Leave text out"):
        TextGraph(answers_of(reviews, AnswerOptions()), 48)


def test_words_on_a_device_are_those_of_the_graph():
    text = "我去上海看NBA，3.5万人！豈𠀀々"
    starts, ends = word_spans(tf.constant([text]))
    expected = list(zip(starts[0].numpy(), ends[0].numpy(), strict=True))
    assert entities.words_of(text) == expected


@pytest.mark.slow
def test_a_server_answers_raw_chinese_as_keras_does(reviews, tmp_path):
    # In a process that has nothing but TensorFlow and the ops that TF Serving has.
    path = export_saved_model(reviews, tmp_path / "zh", texts=CHINESE, fresh_process=True)
    assert (path / "assets/vocabulary.txt").read_bytes() == reviews.preprocessor.tokenizer.proto


@pytest.mark.slow
def test_a_light_model_answers_raw_chinese_as_keras_does(reviews, tmp_path):
    path = export_tflite(reviews, tmp_path / "zh.tflite", "none", seq_len=48)
    assert "vocabulary.txt" in read_metadata(path)[1]
    answers = LightModel(path).answer(text=CHINESE)
    got = [[*answer["probabilities"].values()] for answer in answers]
    expected = tf.nn.softmax(reviews.predict(CHINESE))
    np.testing.assert_allclose(got, expected, atol=1e-4)  # other kernels sum in another order


@pytest.mark.slow
def test_a_light_model_fills_masks_of_chinese_as_keras_does(backbone, tiny_vocab_txt, tmp_path):
    tokenizer = AlbertTokenizer(tiny_vocab_txt)
    model = AlbertMaskedLM(backbone, AlbertMaskedLMPreprocessor(tokenizer, sequence_length=48))
    path = export_tflite(model, tmp_path / "zh.tflite", "none", seq_len=48)
    texts = ["我[MASK]北京，[MASK]s 。", "今天[MASK][MASK]!"]
    assert [row["filled"] for row in LightModel(path).answer(text=texts)] == [
        row["filled"] for row in model.fill(texts)
    ]
