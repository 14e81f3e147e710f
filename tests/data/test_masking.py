import itertools
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from albert_tf.data.chance import fold
from albert_tf.data.masking import (
    MaskingLaw,
    hide_tokens,
    ngram_odds,
    pick_spans,
    starts_word,
    word_bounds,
    word_starts,
)
from albert_tf.data.masking_arrays import mask_rows

here = Path(__file__)
original = SimpleNamespace(**runpy.run_path(here.with_name("original_masking.py")))
fixtures = SimpleNamespace(**runpy.run_path(str(here.with_name("record_fixtures.py"))))
OPENS, GOES_ON = 5, 6
VOCABULARY = fixtures.masking_vocabulary(np.arange(1000) != GOES_ON)


def picks(starts, num_rows=1, seed=0, **law):
    """The masked positions of a text, counted without [CLS], drawn for so many rows of it."""
    row = np.array([2, *np.where(starts, OPENS, GOES_ON), 3], np.int32)
    lengths = np.full(num_rows, len(row))
    keys = fold(seed, np.arange(num_rows))
    ids = np.tile(row, num_rows)
    _, picked, counts = mask_rows(ids, lengths, lengths, keys, VOCABULARY, MaskingLaw(**law))
    return np.split(picked % len(row) - 1, np.cumsum(counts)[:-1])


def words_of(starts):
    """Number of its word for every token."""
    return np.cumsum(starts)


def test_shorter_ngrams_are_likelier_by_the_law_of_the_paper():
    np.testing.assert_allclose(ngram_odds(3), [6 / 11, 3 / 11, 2 / 11])


@pytest.mark.parametrize(
    ("piece", "expected"),
    [("▁the", True), ("ing", False), ("s", False), (".", True), ("<unk>", True), ("7", True)]
    + [("£", True), ("é", True), ("中", True), ("n't", True), ("▁", True)],
)
def test_words_start_where_the_original_says(piece, expected):
    assert starts_word(piece) is expected
    assert word_starts([piece]).tolist() == [expected]


@pytest.mark.parametrize("num_tokens", [1, 7, 61, 125, 509])
def test_masks_the_asked_share_of_single_piece_words(num_tokens):
    (picked,) = picks(np.ones(num_tokens, bool), max_predictions=77)
    # The original counts [CLS] and [SEP] too.
    assert len(picked) == max(1, round(0.15 * (num_tokens + 2)))
    assert (np.diff(picked) > 0).all() and picked[0] >= 0 and picked[-1] < num_tokens


def test_never_exceeds_the_maximum_number_of_predictions():
    assert [len(picked) for picked in picks(np.ones(509, bool), 9, max_predictions=20)] == [20] * 9


def test_words_are_masked_whole_or_not_at_all():
    rng = np.random.default_rng(1)
    for seed in range(50):
        starts = rng.random(100) < 0.6
        starts[0] = True
        word = words_of(starts)
        for picked in picks(starts, 4, seed):
            touched = np.isin(word, word[picked])
            np.testing.assert_array_equal(np.flatnonzero(touched), picked)
            assert len(picked) <= 15


def test_a_word_longer_than_the_budget_is_left_alone():
    assert [picked.size for picked in picks(np.zeros(10, bool), 9)] == [0] * 9


def test_no_text_gives_no_positions():
    assert picks(np.zeros(0, bool))[0].size == 0
    assert pick_spans(word_bounds(np.zeros(0, bool)), [], [], 3) == []


def test_span_lengths_follow_the_odds():
    spans = np.zeros(4)
    for picked in picks(np.ones(4000, bool), 300, mask_fraction=0.02, max_predictions=80):
        runs = np.split(picked, np.flatnonzero(np.diff(picked) > 1) + 1)
        for run in runs:
            spans[min(len(run), 4) - 1] += 1
    # Chance of touching neighbours is some 4 %, the last span may be cut: hence 0.03.
    np.testing.assert_allclose(spans[:3] / spans.sum(), ngram_odds(3), atol=0.03)


@pytest.mark.parametrize("starts", [[1, 1, 1, 1], [1, 0, 1, 1, 0], [1, 0, 0, 1], [1, 1, 0, 1, 0]])
def test_every_possible_draw_picks_what_the_original_picks(starts):
    words, bounds = original.original_words(starts), word_bounds(np.array(starts, bool))
    for budget in range(1, len(starts) + 1):
        for order in itertools.permutations(range(len(words))):
            for lengths in itertools.product((1, 2, 3), repeat=len(words)):
                expected = original.original_positions(words, order, lengths, budget, 3)
                assert pick_spans(bounds, order, lengths, budget) == expected


@pytest.mark.parametrize("fraction", [0.05, 0.15, 0.5])
def test_the_budget_is_that_of_the_original_at_every_length(fraction):
    law = MaskingLaw(mask_fraction=fraction, max_predictions=20)
    for num_tokens in range(1, 513):
        expected = original.original_budget(num_tokens, fraction, 20)
        assert law.budget(num_tokens) == expected


# By hand: three words of a token, two to be masked. The original's n-grams end with the text.
TWO_OF_THREE = {(0, 1): 1 / 3, (0, 2): 17 / 66, (1, 2): 27 / 66}


def test_the_odds_of_each_choice_are_exactly_those_of_the_law():
    odds, found = ngram_odds(3), dict.fromkeys(TWO_OF_THREE, 0.0)
    for order in itertools.permutations(range(3)):
        for lengths in itertools.product((1, 2, 3), repeat=3):
            picked = pick_spans(range(4), order, lengths, 2)
            found[tuple(picked)] += np.prod([odds[n - 1] for n in lengths]) / 6
    assert found == pytest.approx(TWO_OF_THREE, abs=1e-12)


def test_what_is_drawn_follows_the_law():
    num_draws = 20_000
    found = dict.fromkeys(TWO_OF_THREE, 0.0)
    for picked in picks(np.ones(3, bool), num_draws, mask_fraction=0.4):  # 2 of 5 tokens
        found[tuple(picked.tolist())] += 1 / num_draws
    # Four standard deviations of a share of 0.4 in 20,000 draws.
    assert found == pytest.approx(TWO_OF_THREE, abs=0.014)


@pytest.mark.parametrize("setting", [{"mask_fraction": 0}, {"max_ngram": 0}])
def test_a_law_that_cannot_be_is_refused(setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        MaskingLaw(**setting)


def test_the_same_seed_picks_the_same_positions_and_another_others():
    first, again, other = (picks(np.ones(126, bool), seed=seed)[0] for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_tokens_are_replaced_in_the_shares_80_10_10():
    num, ordinary = 100_000, np.arange(100, 1100)
    bits = fold(0, np.arange(num))
    hidden = hide_tokens(np.full(num, 7), np.arange(num), bits, mask_id=4, ordinary_ids=ordinary)
    shares = [(hidden == 4).mean(), np.isin(hidden, ordinary).mean(), (hidden == 7).mean()]
    # Four standard deviations of a share of 0.8 in 100,000 draws are 0.005.
    np.testing.assert_allclose(shares, [0.8, 0.1, 0.1], atol=0.005)


def test_replacement_is_decided_per_token_and_leaves_the_rest_alone():
    token_ids = np.arange(10, 70)
    positions = np.arange(0, 60, 2)
    bits = fold(0, positions)
    hidden = hide_tokens(token_ids, positions, bits, mask_id=4, ordinary_ids=np.array([9]))
    np.testing.assert_array_equal(hidden[1::2], token_ids[1::2])
    assert {4, 9} < set(hidden.tolist()) and (hidden[::2] == token_ids[::2]).any()
    assert token_ids[0] == 10
