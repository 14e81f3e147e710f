"""Echoes: whole words left out of the right segment, by even odds, within the row's length."""

import numpy as np
import pytest

from albert_tf.data.echoes import FEWEST_TOKENS, MOST_LEFT_OUT, draw_echoes
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
    assert min(len(segment) for segment, *_ in found) >= FEWEST_TOKENS


def test_the_share_is_that_of_the_rows():
    spans, echoed, _ = drawn(share=0.3)
    # 3,100 rows, nine tenths of them long enough: four standard deviations are 0.033.
    assert (echoed != spans).any(axis=1).mean() == pytest.approx(0.3, abs=0.06)


@pytest.mark.parametrize("document", [{"share": 0.0}, {"num_sentences": 4}])
def test_a_document_without_chance_or_choice_stays_as_it_is(document):
    spans, echoed, ids = drawn(**document)
    assert len(spans) and echoed is spans and len(ids) == len(IDS)


def test_an_echo_keeps_a_word_at_least():
    spans = np.array([[0, 6, 6, 12, 0], [12, 18, 18, 24, 0]])
    for seed in range(200):
        rng = np.random.default_rng(seed)
        echoed, more = draw_echoes(spans, IDS, len(IDS), np.arange(30) % 6 == 0, 1.0, rng)
        assert len(more) == 12 and (echoed[:, 4] < 2).all()
