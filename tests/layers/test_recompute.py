import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from .gradients import HIDDEN, MASK, largest_difference, new_encoder, output_and_gradients

SETTINGS = {"seed": 3, "step": 7, "depth_weights": np.array([0.25, 1.0, 4.0], "float32")}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        pytest.param({"sharing": "attention"}, marks=pytest.mark.slow),
        pytest.param({"sharing": "none"}, marks=pytest.mark.slow),
        pytest.param({"num_hidden_groups": 2, "inner_group_num": 2}, marks=pytest.mark.slow),
    ],
    ids=str,
)
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_gradients_are_those_of_the_plain_encoder(tiny_config, changes, dropout):
    # With dropout they can only agree if the step computed twice draws the same masks twice.
    plain = new_encoder(tiny_config, dropout=dropout, **changes)
    again = new_encoder(tiny_config, dropout=dropout, recompute=True, **changes)
    output, gradients = output_and_gradients(plain, **SETTINGS)
    found_output, found = output_and_gradients(again, graph=True, **SETTINGS)
    # Float32 in a graph fuses products and sums; outputs are about 3, and dropout scales up.
    np.testing.assert_allclose(found_output, output, atol=2e-5)
    assert largest_difference(gradients, found) < (1e-5 if dropout else 1e-6)


def test_a_loop_stands_in_the_graph_for_all_steps(tiny_config):
    def ops_of(encoder):
        function = tf.function(lambda: encoder(HIDDEN, MASK, training=True))
        graph = function.get_concrete_function().graph.as_graph_def()
        return [node.op for node in graph.node]

    assert "While" in "".join(ops_of(new_encoder(tiny_config, recompute=True)))
    assert not any("While" in op for op in ops_of(new_encoder(tiny_config)))


def test_only_training_recomputes(tiny_config):
    plain, again = new_encoder(tiny_config), new_encoder(tiny_config, recompute=True)
    np.testing.assert_array_equal(plain(HIDDEN, MASK), again(HIDDEN, MASK))
    _, states, maps = again(HIDDEN, MASK, training=True, return_all=True)
    assert (len(states), len(maps)) == (4, 3)


def test_without_a_given_seed_each_call_draws_anew(tiny_config):
    encoder = new_encoder(tiny_config, dropout=0.4, recompute=True)
    first, second = (np.array(encoder(HIDDEN, MASK, training=True)) for _ in range(2))
    assert np.abs(first - second).max() > 0.1


def test_the_choice_survives_saving(tiny_config):
    encoder = new_encoder(tiny_config, recompute=True)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(encoder))
    assert again.recompute is True


@pytest.mark.slow
def test_gradients_are_those_of_the_plain_encoder_on_jax_too(tiny_config, tmp_path):
    pytest.importorskip("jax")
    rates = {"hidden_dropout_prob": 0.4, "attention_probs_dropout_prob": 0.4}
    dataclasses.replace(tiny_config, **rates).to_json(tmp_path / "config.json")
    script = Path(__file__).with_name("jax_gradients.py")
    ran = subprocess.run(
        [sys.executable, script, tmp_path / "config.json"],
        env=os.environ | {"KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    # Float32 in two compilations.
    assert float(ran.stdout.splitlines()[-1]) < 1e-5
