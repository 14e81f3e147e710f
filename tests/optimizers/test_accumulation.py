"""Gradients accumulated over batches, and moving averages of the weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from albert_tf.optimizers.adamw import AdamW
from albert_tf.optimizers.lamb import Lamb
from albert_tf.optimizers.schedule import WarmupPolynomialDecay

RNG = np.random.default_rng(0)
GRADIENTS = RNG.normal(size=(6, 3)).astype("float32")


def trained(optimizer, gradients):
    """The weights after every gradient, from 1."""
    weights = keras.Variable(np.ones(3, "float32"), name="kernel")
    optimizer.build([weights])
    step = tf.function(lambda gradient: optimizer.apply([gradient]))
    path = []
    for gradient in gradients:
        step(keras.ops.convert_to_tensor(gradient))
        path.append(keras.ops.convert_to_numpy(weights))
    return np.array(path)


def schedule():
    return WarmupPolynomialDecay(0.1, total_steps=4, warmup_steps=1)


@pytest.mark.parametrize("make", [AdamW, Lamb])
@pytest.mark.parametrize("reference", [True, False])
def test_accumulated_batches_make_the_update_of_their_mean(make, reference):
    settings = dict(weight_decay=0.1, global_clipnorm=0.5, reference=reference)
    parts = trained(make(schedule(), gradient_accumulation_steps=2, **settings), GRADIENTS)
    whole = trained(make(schedule(), **settings), GRADIENTS.reshape(3, 2, 3).mean(1))
    np.testing.assert_array_equal(parts[::2], [np.ones(3), *parts[1:-1:2]])
    # One float32 addition in another order.
    np.testing.assert_allclose(parts[1::2], whole, atol=1e-6)


def averages(path, momentum):
    """By hand: the first average is the first weights."""
    average = path[0]
    for weights in path[1:]:
        average = momentum * average + (1 - momentum) * weights
    return average


@pytest.mark.parametrize("steps", [None, 2])
def test_averages_move_once_an_update(steps):
    optimizer = AdamW(
        0.1, use_ema=True, ema_momentum=0.7, gradient_accumulation_steps=steps, reference=True
    )
    path = trained(optimizer, GRADIENTS)[(steps or 1) - 1 :: steps or 1]
    [average] = optimizer._model_variables_moving_average
    np.testing.assert_allclose(average, averages(path, 0.7), rtol=1e-6)


@pytest.mark.parametrize("make", [AdamW, Lamb])
def test_evaluation_can_read_the_averages(make):
    x = RNG.normal(size=(8, 3)).astype("float32")
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(1, use_bias=False)(inputs))
    model.compile(make(0.1, use_ema=True, ema_momentum=0.9), loss="mse", run_eagerly=True)
    y = x.sum(1, keepdims=True)
    model.fit(x, y, batch_size=2, verbose=0, shuffle=False)
    [average] = model.optimizer._model_variables_moving_average
    average = keras.ops.convert_to_numpy(average)
    # `fit` leaves the averages in the model; move the weights away from them.
    model.layers[-1].kernel.assign(average + 1)
    swap = keras.callbacks.SwapEMAWeights()
    loss = model.evaluate(x, y, verbose=0, callbacks=[swap])
    assert loss == pytest.approx(float(((x @ average - y) ** 2).mean()), rel=1e-5)
    np.testing.assert_allclose(model.get_weights()[0], average + 1, rtol=1e-6)
