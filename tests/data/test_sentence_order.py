from typing import NamedTuple

import numpy as np
import pytest

from albert_tf.data.sentence_order import SentenceBounds, draw_segments


class Pair(NamedTuple):
    """The ids of both segments, and the label."""

    first: np.ndarray
    second: np.ndarray
    swapped: int


def numbered_document(num_sentences=400, length=7):
    """Sentences of consecutive numbers: every slice tells where in the document it stood."""
    return np.split(np.arange(num_sentences * length), num_sentences)


def pairs_of(document, seed=0, **settings):
    ids = np.concatenate([np.zeros(0, int), *document])
    bounds = SentenceBounds.of_lengths([len(sentence) for sentence in document])
    settings = {"sequence_length": 64} | settings
    spans = draw_segments([bounds], 0, np.random.default_rng(seed), **settings)
    return [Pair(ids[a:b], ids[c:d], swapped) for a, b, c, d, swapped in spans.tolist()]


def test_swapped_pairs_are_those_whose_first_segment_came_later():
    pairs = pairs_of(numbered_document())
    assert {pair.swapped for pair in pairs} == {0, 1}
    for pair in pairs:
        assert pair.swapped == int(pair.first[0] > pair.second[0])


def test_half_of_the_pairs_are_swapped():
    swapped = [pair.swapped for pair in pairs_of(numbered_document(20_000))]
    # Some 2,200 pairs: four standard deviations are 0.043.
    assert np.mean(swapped) == pytest.approx(0.5, abs=0.043)


def test_segments_are_neighbours_and_chunks_do_not_overlap():
    pairs = pairs_of(numbered_document(length=1), short_prob=0.0, swap_prob=0.0)
    seen = np.concatenate([np.concatenate([pair.first, pair.second]) for pair in pairs])
    np.testing.assert_array_equal(seen, np.arange(len(seen)))


def test_pairs_fit_and_mostly_fill_the_length():
    sizes = [len(p.first) + len(p.second) for p in pairs_of(numbered_document(), short_prob=0.0)]
    assert max(sizes) == 61 and np.mean(np.array(sizes) == 61) > 0.9


def test_a_tenth_of_the_chunks_aim_at_a_shorter_length():
    document = numbered_document(40_000, length=1)
    sizes = np.array([len(p.first) + len(p.second) for p in pairs_of(document)])
    # With one token a sentence a chunk is exactly as long as its target; 700 chunks.
    assert np.mean(sizes < 61) == pytest.approx(0.1, abs=0.045)


def test_a_lone_sentence_makes_no_pair():
    assert pairs_of([np.arange(10)]) == []
    assert len(pairs_of(np.split(np.arange(270), 3), short_prob=0.0)) == 1


def test_a_chunk_that_one_sentence_fills_takes_the_next_one_too():
    (pair,) = pairs_of([np.arange(90), np.arange(90, 180)], short_prob=0.0, swap_prob=0.0)
    assert (len(pair.first), len(pair.second)) == (31, 30)
    assert pair.first.max() < 90 <= pair.second.min()


def test_empty_sentences_and_documents_are_ignored():
    assert pairs_of([]) == []
    (pair,) = pairs_of([np.arange(3), np.arange(0), np.arange(4)], short_prob=0.0)
    assert len(pair.first) + len(pair.second) == 7


def test_the_cut_between_segments_is_random():
    firsts = {len(pair.first) for pair in pairs_of(numbered_document(length=5), short_prob=0.0)}
    assert len(firsts) > 5


def test_truncation_takes_from_the_longer_segment_at_either_end():
    rng = np.random.default_rng(0)
    from_front = []
    for _ in range(400):
        bounds = SentenceBounds.of_lengths([30, 10])
        (row,) = draw_segments(
            [bounds], 0, rng, sequence_length=23, short_prob=0.0, swap_prob=0.0
        ).tolist()
        first_begin, first_end, *second, label = row
        assert first_end - first_begin == 10 and second == [30, 40] and label == 0
        from_front.append(first_begin)
    # Mean of 20 fair coins; four standard errors of 400 draws are 0.45.
    assert np.mean(from_front) == pytest.approx(10, abs=0.45)


def test_the_same_seed_gives_the_same_pairs():
    first, second, other = (pairs_of(numbered_document(), seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a.first, b.first) for a, b in zip(first, second, strict=True))
    assert [p.swapped for p in first] != [p.swapped for p in other]


def test_a_length_without_room_for_two_tokens_is_refused():
    with pytest.raises(ValueError, match="sequence_length .* got 4"):
        pairs_of(numbered_document(), sequence_length=4)
