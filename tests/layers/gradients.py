"""Outputs and gradients of an encoder in training, for the tests beside this file."""

import dataclasses

import numpy as np
import tensorflow as tf

from albert_tf.layers.encoder import SharedEncoder
from albert_tf.layers.training_pass import training_pass

RNG = np.random.default_rng(0)
HIDDEN = RNG.normal(size=(2, 5, 24)).astype("float32")
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], "int32")
UPSTREAM = RNG.normal(size=HIDDEN.shape).astype("float32")


def new_encoder(config, recompute=False, dropout=0.0, seed=0, **changes):
    """An encoder with wide weights, equal for equal seeds: narrow ones make it almost linear."""
    rates = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    config = dataclasses.replace(config, **rates, **changes)
    encoder = SharedEncoder(config, recompute=recompute, name="encoder")
    encoder(HIDDEN, MASK)
    rng = np.random.default_rng(seed)
    for weight in encoder.weights:
        weight.assign(rng.normal(0, 0.3, weight.shape) + weight.path.endswith("gamma"))
    return encoder


def output_and_gradients(encoder, graph=False, **settings):
    """Output, and the gradient of every weight by its path and of the input as `input`."""

    def run(hidden):
        with tf.GradientTape() as tape:
            tape.watch(hidden)
            with training_pass(**settings):
                output = encoder(hidden, MASK, training=True)
            loss = tf.reduce_sum(tf.cast(output, "float32") * UPSTREAM)
        return output, tape.gradient(loss, [*encoder.trainable_variables, hidden])

    output, gradients = (tf.function(run) if graph else run)(tf.constant(HIDDEN))
    names = [variable.path for variable in encoder.trainable_variables]
    by_name = zip([*names, "input"], gradients, strict=True)
    return np.array(output), {name: np.array(gradient) for name, gradient in by_name}


def largest_difference(gradients, others):
    """In parts of the largest entry of all."""
    scale = max(np.abs(gradient).max() for gradient in gradients.values())
    return max(np.abs(gradients[name] - others[name]).max() for name in gradients) / scale
