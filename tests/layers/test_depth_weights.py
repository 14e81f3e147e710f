import keras
import numpy as np
import pytest

from albert_tf.layers.depth_weights import DepthWeightSchedule
from albert_tf.layers.training_pass import training_pass

from .gradients import HIDDEN, MASK, largest_difference, new_encoder, output_and_gradients

WEIGHTS = np.array([0.25, 1.0, 4.0], "float32")


def test_each_use_of_a_shared_weight_adds_its_gradient_times_its_weight(tiny_config):
    shared, copies = new_encoder(tiny_config), new_encoder(tiny_config, sharing="none")
    for step in range(3):
        copies.attentions[step].set_weights(shared.attentions[0].get_weights())
        copies.feed_forwards[step].set_weights(shared.feed_forwards[0].get_weights())
    output, found = output_and_gradients(shared, depth_weights=WEIGHTS)
    expected_output, by_depth = output_and_gradients(copies)
    expected = {
        name: by_depth[name]
        if name == "input"
        else sum(w * by_depth[name.replace("_0_0/", f"_{d}_0/")] for d, w in enumerate(WEIGHTS))
        for name in found
    }
    np.testing.assert_array_equal(output, expected_output)
    # Float32 sums in another order.
    assert largest_difference(expected, found) < 1e-6


@pytest.mark.parametrize("changes", [{"num_hidden_groups": 3}, {"inner_group_num": 2}], ids=str)
def test_all_layers_of_a_step_share_its_weight(tiny_config, changes):
    encoder = new_encoder(tiny_config, **changes)
    _, plain = output_and_gradients(encoder)
    _, doubled = output_and_gradients(encoder, depth_weights=np.array([2, 2, 2]))
    _, lowest = output_and_gradients(encoder, depth_weights=np.array([1, 0, 0]))
    for name in plain:
        factor = 1 if name == "input" else 2
        np.testing.assert_array_equal(doubled[name], factor * plain[name])
        higher_group = "num_hidden_groups" in changes and "_0_0/" not in name and name != "input"
        assert lowest[name].any() != higher_group, name


def test_weights_of_another_number_are_refused(tiny_config):
    encoder = new_encoder(tiny_config)
    with pytest.raises(ValueError, match=r"each of the 3 encoder steps: got the shape \(2,\)"):
        output_and_gradients(encoder, depth_weights=np.ones(2))


def test_calls_that_do_not_train_ignore_them(tiny_config):
    encoder = new_encoder(tiny_config)
    with training_pass(depth_weights=np.ones(2)):
        encoder(HIDDEN, MASK)


def test_the_weight_moves_from_the_lower_depths_to_the_higher():
    schedule = DepthWeightSchedule(3, total_steps=100, first=0.5, last=2.0)
    # Softmax in float32.
    np.testing.assert_allclose(schedule(0), [12 / 7, 6 / 7, 3 / 7], rtol=1e-6)
    np.testing.assert_allclose(schedule(50), [1, 1, 1], rtol=1e-6)
    np.testing.assert_allclose(schedule(100), [3 / 7, 6 / 7, 12 / 7], rtol=1e-6)
    np.testing.assert_array_equal(schedule(150), schedule(100))
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    np.testing.assert_array_equal(again(30), schedule(30))


def test_an_impossible_schedule_of_depths_is_refused():
    with pytest.raises(ValueError, match="last must be above 0: got -1"):
        DepthWeightSchedule(3, 100, last=-1)
    with pytest.raises(ValueError, match="total_steps must be at least 1: got 0"):
        DepthWeightSchedule(3, 0)
