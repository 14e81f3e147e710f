"""What it takes no model to score, on data whose answer is known by hand."""

import numpy as np
import pytest

from albert_tf.data.choices import ChoiceQuestions
from albert_tf.data.squad import Answer, QuestionExamples
from albert_tf.data.tables import Examples
from albert_tf.data.tagged_texts import TaggedTexts
from albert_tf.training.jobs.embeddings import Embeddings
from albert_tf.training.jobs.multiple_choice import MultipleChoice
from albert_tf.training.jobs.question_answering import QuestionAnswering
from albert_tf.training.jobs.token_classification import TokenClassification


def test_a_question_gets_the_sentence_with_its_words_or_no_answer():
    context = "A cat sat. The dog ran home."
    answers = [(Answer("The dog ran home.", 11),), ()]
    examples = QuestionExamples(
        ["1", "2"], ["Where did the dog go?", "Who?"], [context] * 2, answers
    )
    found = QuestionAnswering().baselines(examples, examples, None)
    assert found["overlap"]["best_f1"] == 50.0
    assert found["no answer"] == dict.fromkeys(("f1", "exact", "best_f1", "best_exact"), 50.0)
    assert set(QuestionAnswering().baselines(None, examples.take([0]), None)) == {"overlap"}


def test_names_seen_in_training_are_found_again():
    words = [["New", "York", "is", "big"], ["I", "like", "New", "York"], ["Rome"]]
    tags = [["B-place", "I-place", "O", "O"], ["O", "O", "B-place", "I-place"], ["B-place"]]
    train = TaggedTexts.from_words(words[:1], tags[:1])
    dev = TaggedTexts.from_words(words[1:], tags[1:], train.class_names)
    found = TokenClassification().baselines(train, dev, None)
    assert (found["majority"]["f1"], found["lookup"]["precision"]) == (0.0, 1.0)
    assert found["lookup"]["recall"] == 0.5


def test_other_labels_of_words_are_learned_by_heart():
    train = TaggedTexts.from_words([["a", "cat", "a"]], [["DET", "NOUN", "DET"]])
    dev = TaggedTexts.from_words([["A", "Cat", "x"]], [["DET", "NOUN", "NOUN"]], train.class_names)
    found = TokenClassification().baselines(train, dev, None)
    assert found["lookup"]["word_accuracy"] == pytest.approx(2 / 3)
    assert found["majority"]["word_accuracy"] == pytest.approx(1 / 3)


def test_the_choice_with_words_of_the_text_and_the_most_frequent_key():
    examples = ChoiceQuestions(
        ["The cat sat."] * 3,
        ["Who sat?"] * 3,
        [("a dog", "the cat"), ("the cat", "a dog"), ("dogs", "the cat")],
        [("A", "B")] * 3,
        ["1", "2", "3"],
        labels=np.array([1, 0, 0], np.int32),
    )
    found = MultipleChoice().baselines(examples, examples, None)
    assert found["majority"]["accuracy"] == found["overlap"]["accuracy"] == pytest.approx(2 / 3)


def test_pairs_are_ranked_by_common_words():
    dev = Examples(["a b", "c d"], ["a b x", "a b"])
    found = Embeddings().baselines(dev, dev, None)
    # The first shares most with the other partner, the second equally little with both.
    assert found["overlap"]["recall_at_1"] == 0.0
