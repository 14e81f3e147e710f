import itertools

import numpy as np
import pytest

from albert_tf.layers.dropout import dropout, pass_seed, seed_generator, seed_of_use
from albert_tf.layers.training_pass import current_pass, training_pass

from .gradients import HIDDEN, MASK, new_encoder

ONES = np.ones((100, 100), "float32")


def mask(seed=1, step=5, use=0, place=0):
    with training_pass(seed=seed, step=step):
        start = pass_seed(seed_generator(0.5), training=True)
    return np.array(dropout(ONES, 0.5, seed_of_use(start, use), place)) > 0


@pytest.mark.parametrize("rate", [1.0, 1.5, -0.1])
def test_a_rate_that_is_no_share_below_1_is_refused(rate):
    with pytest.raises(ValueError, match=f"must be a share in .0, 1.: got {rate}"):
        seed_generator(0.1, rate)


def test_the_kept_share_is_scaled_to_the_same_mean():
    with training_pass(seed=0):
        dropped = np.array(dropout(ONES, 0.2, pass_seed(seed_generator(0.2), True), 0))
    assert set(np.unique(dropped)) == {0, np.float32(1.25)}
    # 10,000 draws: the standard deviation of the mean is 0.005.
    assert dropped.mean() == pytest.approx(1, abs=0.025)


def test_a_mask_is_a_function_of_seed_step_and_place_alone():
    np.testing.assert_array_equal(mask(), mask())
    others = [mask(seed=2), mask(step=6), mask(use=1), mask(place=1), mask(), mask(use=2, place=2)]
    for one, other in itertools.combinations(others, 2):
        # Two independent masks agree at half of 10,000 places, give or take 0.005.
        assert (one == other).mean() == pytest.approx(0.5, abs=0.03)


def test_a_step_that_is_run_again_gives_the_same_output(tiny_config):
    encoder = new_encoder(tiny_config, dropout=0.3)

    def output(step):
        with training_pass(seed=0, step=step):
            return np.array(encoder(HIDDEN, MASK, training=True))

    first = output(4)
    assert np.abs(output(5) - first).max() > 0.1
    np.testing.assert_array_equal(output(4), first)


def test_a_pass_ends_with_its_block_also_by_an_error():
    with pytest.raises(KeyError), training_pass(seed=1):
        with training_pass(seed=2):
            assert current_pass().seed == 2
        assert current_pass().seed == 1
        raise KeyError
    assert current_pass().seed is None


def test_nothing_is_drawn_where_nothing_is_dropped():
    assert seed_generator(0.0, 0.0) is None
    assert pass_seed(None, training=True) is None
    assert pass_seed(seed_generator(0.1), training=False) is None
    assert seed_of_use(None, 3) is None
