"""No row at all, a single one that is no batch, and text that no encoding knows: for every task."""

import numpy as np
import pytest
import tensorflow as tf

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


def test_columns_of_different_lengths_and_questions_without_choices_are_named(task):
    model = task("AlbertMultipleChoice")
    with pytest.raises(ValueError, match=r"must have one length: got \[2, 1\]"):
        model.predict({"choices": [["a", "b"], ["c", "d"]], "text": ["a"]})
    with pytest.raises(ValueError, match="question 1, counted from 0, has none"):
        model.choose({"choices": [["a", "b"], []]})


def test_choices_are_made_for_a_dataset_as_for_lists(task):
    model, questions = task("AlbertMultipleChoice"), {"choices": [["a", "film"], ["the", "cat"]]}
    rows = model.choose(tf.data.Dataset.from_tensor_slices(questions).batch(1))
    assert [row["choice"] for row in rows] == [row["choice"] for row in model.choose(questions)]


def test_two_texts_are_not_taken_for_lists_of_letters(task):
    with pytest.raises(ValueError, match="two lists of texts"):
        task("AlbertTextEmbedder").similarity("ab", "cd")


def test_a_sampler_that_there_is_none_of_is_refused_at_once(task):
    with pytest.raises(ValueError, match="greedy, beam, random, top_k, top_p.*got 'best'"):
        task("AlbertSeq2SeqLM").compile(sampler="best")


@pytest.mark.parametrize(
    ("name", "arguments", "x", "y", "message"),
    [
        ("AlbertTextClassifier", {"num_classes": 2}, ["a"], None, "need y, the answers"),
        ("AlbertTextClassifier", {"num_classes": 2}, [], [], "need rows: got none"),
        ("AlbertTextClassifier", {"num_classes": 2}, ["a", "b"], [1, 2], "2 classes.*2 for row 1"),
        ("AlbertTokenClassifier", {"num_classes": 2}, {"words": [["a"]]}, None, "need y"),
        ("AlbertMultipleChoice", {}, {"choices": [["a", "b"]]}, None, "need y"),
        ("AlbertQuestionAnswering", {}, {"question": ["a"], "context": ["b"]}, None, "need y"),
        ("AlbertSeq2SeqLM", {}, ["a"], None, "need y"),
        ("AlbertTextEmbedder", {}, ([], []), None, "need rows"),
    ],
)
def test_rows_and_answers_to_learn_from_must_be_there(task, name, arguments, x, y, message):
    model = task(name, **arguments)
    model.compile(run_eagerly=True)
    for use in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=message):
            use(x, y, verbose=0)


def test_a_table_of_texts_is_no_list_of_pairs(task):
    with pytest.raises(ValueError, match=r"pairs as a tuple of two: got shape \(2, 2\)"):
        task("AlbertTextClassifier", num_classes=2).preprocessor.call([["a", "b"], ["c", "d"]])


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
