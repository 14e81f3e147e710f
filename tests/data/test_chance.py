import numpy as np
import pytest
import tensorflow as tf

from albert_tf.data import chance, masking_ops


def test_draws_are_those_of_the_published_splitmix64():
    # The first outputs for the state 1234567, as listed with the reference implementation.
    assert chance.fold(1234567, np.arange(3)).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def test_the_graph_draws_the_same_bits():
    keys = chance.fold(5, np.arange(7))[:, None]
    bits = masking_ops.fold(tf.constant(keys), tf.range(9)[None])
    np.testing.assert_array_equal(bits, chance.fold(keys, np.arange(9)))


def test_bits_are_fair_and_of_neighbouring_keys_unrelated():
    bits = chance.fold(chance.fold(0, np.arange(2000))[:, None], np.arange(8))
    ones = np.unpackbits(bits.view(np.uint8)).reshape(2000, 8, 64).astype(float)
    # Four standard deviations of 16,000 coins, but 64 and 63 of them: 4.5.
    assert abs(ones.mean((0, 1)) - 0.5).max() < 4.5 * 0.5 / np.sqrt(16_000)
    agree = (ones[1:] == ones[:-1]).mean((0, 1))
    assert abs(agree - 0.5).max() < 4.5 * 0.5 / np.sqrt(15_992)


def test_bounds_between_outcomes_are_the_odds_to_a_part_in_four_thousand_million():
    bounds = chance.thresholds([6 / 11, 3 / 11, 2 / 11])
    assert bounds == [round(6 * 2**32 / 11), round(9 * 2**32 / 11)]
    assert chance.thresholds([1.0]) == []


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_that_does_not_fit_is_refused(seed):
    with pytest.raises(ValueError, match=f"seed must be .* got {seed}"):
        chance.purpose_key(seed, chance.MASKS)
