"""Echoes: whole words left out of the right segment, by even odds, within the row's length."""

import numpy as np
import pytest

from albert_tf.data.echoes import MOST_LEFT_OUT, draw_echoes
from albert_tf.data.sentence_order import SentenceBounds, draw_segments

# Every token is a number of its own; of three in a row the first opens a word.
IDS = np.arange(200_000, dtype=np.int32)
WORD_STARTS = IDS % 3 == 0


def drawn(share=1.0, seed=0, num_sentences=20_000, length=9):
    """The spans of a document, those with echoes, and all ids."""
    bounds = SentenceBounds.of_lengths([length] * num_sentences)
    rng = np.random.default_rng(seed)
    spans = draw_segments([bounds], 0, rng, sequence_length=64)
    echoed, more = draw_echoes(spans, IDS, len(IDS), WORD_STARTS, share, rng)
    return spans, echoed, np.concatenate([IDS, more])


@pytest.fixture(scope="module")
def rows():
    """`(segment, echo, echo stands first, label)` of each row with one, and the plain spans."""
    spans, echoed, ids = drawn()
    found = []
    for a, b, c, d, label in echoed[(echoed != spans).any(axis=1)].tolist():
        parts = [ids[a:b], ids[c:d]]
        is_first = a >= len(IDS)
        found.append((parts[is_first], parts[1 - is_first], is_first, label))
    return found, spans


def test_what_chance_decides_is_even(rows):
    found, spans = rows
    assert len(found) > 0.8 * len(spans)
    # Some 2,800 rows: four standard deviations are 0.038.
    for value in (2, 3):
        assert np.mean([row[value] for row in found]) == pytest.approx(0.5, abs=0.038)


def test_an_echo_is_of_the_segment_beside_it_or_of_one_elsewhere(rows):
    found, _ = rows
    for segment, echo, _, label in found:
        assert (np.diff(echo) > 0).all()
        assert np.isin(echo, segment).all() != label
        assert np.isin(echo, segment).any() != label


def test_words_stay_whole_and_less_than_the_most_are_missing_in_the_mean(rows):
    left_out = []
    for segment, echo, _, label in rows[0]:
        if not label:
            inner = segment[np.flatnonzero(WORD_STARTS[segment])[0] :]
            inner = inner[: len(inner) // 3 * 3].reshape(-1, 3)
            stays = np.isin(inner, echo)
            assert (stays.all(axis=1) == stays.any(axis=1)).all()
            left_out.append(1 - stays[:, 0].mean())
    # Its odds are even between 0 and the most: standard deviation 0.2 a row, 1,400 rows.
    assert np.mean(left_out) == pytest.approx(MOST_LEFT_OUT / 2, abs=0.025)
    assert max(left_out) <= 1


def test_a_row_with_an_echo_is_no_longer_than_before(rows):
    found, spans = rows
    longest = (spans[:, 1:4:2] - spans[:, 0:4:2]).sum(axis=1).max()
    assert max(len(segment) + len(echo) for segment, echo, *_ in found) <= longest


def test_the_share_is_that_of_the_rows():
    spans, echoed, _ = drawn(share=0.3)
    # 3,100 rows, all of them long enough: four standard deviations are 0.033.
    assert (echoed != spans).any(axis=1).mean() == pytest.approx(0.3, abs=0.033)


@pytest.mark.parametrize("document", [{"share": 0.0}, {"num_sentences": 4}])
def test_a_document_without_chance_or_choice_stays_as_it_is(document):
    spans, echoed, ids = drawn(**document)
    assert len(spans) and echoed is spans and len(ids) == len(IDS)


SPANS = np.array([[0, 5, 6, 30, 0], [30, 36, 36, 60, 0], [60, 84, 84, 90, 0]])


def test_of_two_rows_that_are_long_enough_each_is_the_stranger_of_the_other():
    labels = set()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        echoed, more = draw_echoes(SPANS, IDS, len(IDS), WORD_STARTS, 1.0, rng)
        assert (echoed[0] == SPANS[0]).all()  # a segment of 5 tokens is too short
        ids = np.concatenate([IDS, more])
        for row, segment in zip(echoed[1:], [(30, 36), (84, 90)], strict=True):
            a, b, c, d, label = row.tolist()
            assert segment in ((a, b), (c, d))
            echo = ids[c:d] if segment == (a, b) else ids[a:b]
            assert np.isin(echo, IDS[slice(*segment)]).all() != label
            labels.add(label)
    assert labels == {0, 1}


def test_an_echo_keeps_a_word_at_least():
    spans = np.array([[0, 6, 6, 12, 0], [12, 18, 18, 24, 0]])
    # Words of a segment each; and a segment from within a word, where none opens.
    for word_starts in (np.arange(30) % 6 == 0, np.zeros(30, bool)):
        for seed in range(100):
            rng = np.random.default_rng(seed)
            echoed, more = draw_echoes(spans, IDS, len(IDS), word_starts, 1.0, rng)
            assert len(more) == 12 and (echoed[:, 4] < 2).all()
