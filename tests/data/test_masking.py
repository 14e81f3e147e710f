import numpy as np
import pytest

from albert_tf.data.masking import (
    choose_masked_positions,
    hide_tokens,
    ngram_odds,
    starts_word,
    word_starts,
)

SINGLES = np.ones(126, bool)


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
    picked = choose_masked_positions(
        np.ones(num_tokens, bool), np.random.default_rng(0), max_predictions=77, num_special=3
    )
    assert len(picked) == max(1, round(0.15 * (num_tokens + 3)))
    assert (np.diff(picked) > 0).all() and picked[0] >= 0 and picked[-1] < num_tokens


def test_never_exceeds_the_maximum_number_of_predictions():
    picked = choose_masked_positions(
        np.ones(509, bool), np.random.default_rng(0), max_predictions=20
    )
    assert len(picked) == 20


def test_words_are_masked_whole_or_not_at_all():
    rng = np.random.default_rng(1)
    for _ in range(200):
        starts = rng.random(100) < 0.6
        starts[0] = True
        word = words_of(starts)
        picked = choose_masked_positions(starts, rng)
        touched = np.isin(word, word[picked])
        np.testing.assert_array_equal(np.flatnonzero(touched), picked)
        assert len(picked) <= 15


def test_a_word_longer_than_the_budget_is_left_alone():
    starts = np.zeros(10, bool)
    assert choose_masked_positions(starts, np.random.default_rng(0)).size == 0


def test_no_text_gives_no_positions():
    assert choose_masked_positions(np.zeros(0, bool), np.random.default_rng(0)).size == 0


def test_span_lengths_follow_the_odds():
    rng = np.random.default_rng(3)
    spans = np.zeros(4)
    for _ in range(300):
        picked = choose_masked_positions(
            np.ones(4000, bool), rng, mask_fraction=0.02, max_predictions=80
        )
        runs = np.split(picked, np.flatnonzero(np.diff(picked) > 1) + 1)
        for run in runs:
            spans[min(len(run), 4) - 1] += 1
    # Chance of touching neighbours is some 4 %, the last span may be cut: hence 0.03.
    np.testing.assert_allclose(spans[:3] / spans.sum(), ngram_odds(3), atol=0.03)


def test_the_same_seed_picks_the_same_positions():
    picks = [choose_masked_positions(SINGLES, np.random.default_rng(5)) for _ in range(2)]
    np.testing.assert_array_equal(*picks)
    other = choose_masked_positions(SINGLES, np.random.default_rng(6))
    assert not np.array_equal(picks[0], other)


def test_tokens_are_replaced_in_the_shares_80_10_10():
    num = 100_000
    token_ids = np.full(num, 7)
    ordinary = np.arange(100, 1100)
    hidden = hide_tokens(
        token_ids, np.arange(num), np.random.default_rng(0), mask_id=4, ordinary_ids=ordinary
    )
    shares = [(hidden == 4).mean(), np.isin(hidden, ordinary).mean(), (hidden == 7).mean()]
    # Four standard deviations of a share of 0.8 in 100,000 draws are 0.005.
    np.testing.assert_allclose(shares, [0.8, 0.1, 0.1], atol=0.005)


def test_replacement_is_decided_per_token_and_leaves_the_rest_alone():
    token_ids = np.arange(10, 70)
    positions = np.arange(0, 60, 2)
    hidden = hide_tokens(
        token_ids, positions, np.random.default_rng(0), mask_id=4, ordinary_ids=np.array([9])
    )
    np.testing.assert_array_equal(hidden[1::2], token_ids[1::2])
    assert {4, 9} < set(hidden.tolist()) and (hidden[::2] == token_ids[::2]).any()
    assert token_ids[0] == 10
