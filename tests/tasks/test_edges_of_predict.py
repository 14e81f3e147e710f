"""No row at all, a single one that is no batch, and text that no encoding knows: for every task."""

import numpy as np
import pytest

import albert_tf

NO_TEXTS = []
NO_QUESTIONS = {"text": [], "question": [], "choices": []}


@pytest.fixture(scope="module")
def task(backbone, tiny_tokenizer):
    """Gives a task of a class by its name, with a preprocessor."""

    def make(name, **arguments):
        cls = getattr(albert_tf, name)
        preprocessor = cls.preprocessor_cls(tiny_tokenizer, sequence_length=16)
        return cls(backbone, preprocessor=preprocessor, **arguments)

    return make


@pytest.mark.parametrize(
    ("name", "arguments", "nothing", "shape"),
    [
        ("AlbertTextClassifier", {"num_classes": 3}, NO_TEXTS, (0, 3)),
        ("AlbertTextClassifier", {"num_classes": 3}, ([], []), (0, 3)),
        ("AlbertTokenClassifier", {"num_classes": 3}, {"words": []}, (0,)),
        ("AlbertMultipleChoice", {}, NO_QUESTIONS, (0, 0)),
        ("AlbertMaskedLM", {}, NO_TEXTS, (0,)),
        ("AlbertTextEmbedder", {}, NO_TEXTS, (0, 24)),
        ("AlbertEarlyExitClassifier", {"num_classes": 3}, NO_TEXTS, (0, 3)),
        ("AlbertSeq2SeqLM", {}, NO_TEXTS, (0,)),
    ],
)
def test_of_no_rows_there_are_no_answers(task, name, arguments, nothing, shape):
    assert np.shape(task(name, **arguments).predict(nothing)) == shape


def test_of_no_questions_no_choice_is_made(task):
    assert task("AlbertMultipleChoice").choose({"choices": []}) == []


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("AlbertTextClassifier", {"num_classes": 3}, "Put it in a list"),
        ("AlbertTokenClassifier", {"num_classes": 3}, "come as a list"),
        ("AlbertMultipleChoice", {}, "a dictionary of choices"),
        ("AlbertMaskedLM", {}, "Put it in a list"),
        ("AlbertTextEmbedder", {}, "Put it in a list"),
        ("AlbertEarlyExitClassifier", {"num_classes": 3}, "Put it in a list"),
        ("AlbertQuestionAnswering", {}, "come with their contexts"),
    ],
)
def test_a_single_text_is_no_batch(task, name, arguments, message):
    with pytest.raises(ValueError, match=message):
        task(name, **arguments).predict("a text")


@pytest.mark.slow
def test_half_a_surrogate_pair_is_text_like_any_other(task):
    model = task("AlbertTextClassifier", num_classes=2)
    one, other = model.predict(["a \ud800 film", "a \ufffd film"], verbose=0)
    # Rows of one batch: only the order of sums may differ.
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_tokenizer_is_no_preprocessor(backbone, tiny_tokenizer):
    with pytest.raises(ValueError, match="be a AlbertTextClassifierPreprocessor.* got a AlbertTok"):
        albert_tf.AlbertTextClassifier(backbone, 2, preprocessor=tiny_tokenizer)


def test_words_for_masks_are_one_at_least(task):
    with pytest.raises(ValueError, match="top_k must be at least 1: got 0"):
        task("AlbertMaskedLM").fill(["a [MASK]"], top_k=0)
