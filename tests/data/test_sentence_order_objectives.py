"""Next sentences, the original's lone sentences, and rows of one segment."""

import numpy as np
import pytest

from albert_tf.data.sentence_order import SentenceBounds, draw_segments

DOCUMENTS, SENTENCES, LENGTH = 5, 400, 7  # tokens a sentence: 2,800 a document


def corpus(num_documents=DOCUMENTS):
    size = SENTENCES * LENGTH
    return [SentenceBounds.of_lengths([LENGTH] * SENTENCES, size * n) for n in range(num_documents)]


def rows_of(documents, index=2, seed=0, **settings):
    settings = {"sequence_length": 64, "short_prob": 0.0} | settings
    return draw_segments(documents, index, np.random.default_rng(seed), **settings)


def document_of(position):
    return position // (SENTENCES * LENGTH)


def test_half_of_the_next_sentences_are_random_and_from_other_documents():
    rows = np.concatenate([rows_of(corpus(), seed=n, objective="nsp") for n in range(30)])
    label = rows[:, 4]
    np.testing.assert_array_equal(label, document_of(rows[:, 2]) != 2)
    assert (document_of(rows[:, 0]) == 2).all()
    # Some 1,800 rows: four standard deviations are 0.048.
    assert label.mean() == pytest.approx(0.5, abs=0.048)
    assert set(document_of(rows[label == 1, 2])) == {0, 1, 3, 4}


def test_true_next_sentences_follow_and_displaced_ones_come_again():
    rows = rows_of(corpus(), objective="nsp")
    true_next = rows[rows[:, 4] == 0]
    # Truncation takes from both ends of a segment, so that neighbours may lose their touch.
    assert (true_next[:, 2] >= true_next[:, 1]).all()
    used = np.unique(np.concatenate([np.arange(a // LENGTH, b // LENGTH) for a, b in rows[:, :2]]))
    assert len(used) > 0.5 * SENTENCES
    begins = rows[:, 0] // LENGTH
    assert (np.diff(begins) > 0).all() and np.diff(begins).max() < 12


def test_next_sentences_fill_the_row():
    rows = rows_of(corpus(), objective="nsp")
    sizes = rows[:, 1] - rows[:, 0] + rows[:, 3] - rows[:, 2]
    assert sizes.max() == 61 and np.mean(sizes == 61) > 0.8


def test_without_other_documents_next_sentences_are_all_true():
    assert rows_of(corpus(1), index=0, objective="nsp")[:, 4].sum() == 0


@pytest.mark.parametrize(("choice", "labels"), [("drop", []), ("reference", [1])])
def test_a_document_of_one_sentence_is_dropped_or_paired_as_in_the_original(choice, labels):
    documents = [SentenceBounds.of_lengths([30], 100 * n) for n in range(3)]
    rows = rows_of(documents, index=1, single_sentence=choice)
    assert rows[:, 4].tolist() == labels
    assert all(row[2] // 100 in (0, 2) for row in rows)


def test_in_the_original_a_sentence_that_fills_the_row_alone_is_never_in_order():
    long = [SentenceBounds.of_lengths([100] * 50, 5000 * n) for n in range(2)]
    rows = rows_of(long, index=0, single_sentence="reference")
    assert len(rows) == 50 and (rows[:, 4] == 1).all() and (rows[:, 2] >= 5000).all()
    ours = rows_of(long, index=0)
    assert len(ours) == 25 and 0 < ours[:, 4].sum() < 25 and ours[:, :4].max() <= 5000


def test_without_objective_a_row_is_one_segment_with_room_for_one_separator_less():
    rows = rows_of(corpus(), objective="none")
    assert (rows[:, 2] == rows[:, 3]).all() and rows[:, 4].sum() == 0
    assert (rows[:, 1] - rows[:, 0]).max() == 62
    lone = rows_of([SentenceBounds.of_lengths([30])], index=0, objective="none")
    assert lone[:, :2].tolist() == [[0, 30]]


@pytest.mark.parametrize("objective", ["sop", "nsp", "none"])
def test_no_sentences_make_no_rows(objective):
    empty = [SentenceBounds.of_lengths([]), SentenceBounds.of_lengths([3])]
    assert rows_of(empty, index=0, objective=objective).shape == (0, 5)
