"""Prints how far recomputed gradients are from plain ones on JAX; run with KERAS_BACKEND=jax."""

import sys

import jax
import numpy as np
from keras import ops

from albert_tf.config import AlbertConfig
from albert_tf.layers.encoder import SharedEncoder
from albert_tf.layers.training_pass import training_pass

RNG = np.random.default_rng(0)
HIDDEN = RNG.normal(size=(2, 5, 24)).astype("float32")
UPSTREAM = RNG.normal(size=HIDDEN.shape).astype("float32")
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], "int32")


def gradients(encoder):
    states = [v.value for v in encoder.non_trainable_variables]

    def loss(weights, step):
        depth_weights = ops.convert_to_tensor(np.array([0.25, 1, 4], "float32"))
        with training_pass(seed=3, step=step, depth_weights=depth_weights):
            output, _ = encoder.stateless_call(weights, states, HIDDEN, MASK, training=True)
        return (output * UPSTREAM).sum()

    weights = [v.value for v in encoder.trainable_variables]
    return [np.array(gradient) for gradient in jax.jit(jax.grad(loss))(weights, 7)]


def main(config_path):
    config = AlbertConfig.from_json(config_path)
    plain, again = SharedEncoder(config), SharedEncoder(config, recompute=True)
    for encoder in (plain, again):
        encoder(HIDDEN, MASK)
        rng = np.random.default_rng(0)
        for weight in encoder.weights:
            weight.assign(rng.normal(0, 0.3, weight.shape) + weight.path.endswith("gamma"))
    pairs = list(zip(gradients(plain), gradients(again), strict=True))
    scale = max(np.abs(gradient).max() for gradient, _ in pairs)
    print(max(np.abs(one - other).max() for one, other in pairs) / scale)


if __name__ == "__main__":
    main(sys.argv[1])
