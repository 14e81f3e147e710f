"""Dropout whose masks are functions of a seed, so that they can be drawn twice alike.

Keras's layer moves a state on at every call. What recomputes a step in the backward pass would
then draw another mask, and its gradients would be wrong without a word; and replicas, whose
states are copies, would all draw the same. Here a pass has one seed, and a mask is a pure
function of the seed and of the place where it is used.
"""

import keras
from keras import ops

from albert_tf.layers.replicas import replica_id
from albert_tf.layers.training_pass import current_pass

# Masks drawn in one use of an encoder layer, and in the layers around the encoder.
DRAWS_PER_USE = 4
ATTENTION_MAP, ATTENTION_OUTPUT, FEED_FORWARD = range(3)
EMBEDDINGS, HEAD = range(2)


def seed_generator(*rates):
    """A generator for a layer that drops anything, else None: an unused one is still a variable.

    Raises:
        ValueError: a rate is outside of [0, 1).
    """
    for rate in rates:
        if not 0 <= rate < 1:
            raise ValueError(f"dropout must be a share in [0, 1): got {rate}.")
    return keras.random.SeedGenerator() if any(rates) else None


def pass_seed(generator, training):
    """The seed of this pass on this replica: int32 `(2,)`; None where nothing is dropped.

    Args:
        generator: what `seed_generator` gave; asked where no `training_pass` gives a seed.
        training: whether dropout acts.
    """
    if generator is None or not training:
        return None
    seed, step, _ = current_pass()
    pair = generator.next() if seed is None else ops.stack([_int(seed), _int(step)])
    # Drawn, so that seeds and steps that are neighbours lead far apart.
    start = keras.random.randint((2,), 0, 2**30, dtype="int32", seed=_Given(pair))
    return start + ops.stack([_int(replica_id()), _int(0)])


def seed_of_use(seed, use):
    """The seed of one use of an encoder layer.

    Args:
        seed: from `pass_seed`, or None.
        use: int or int tensor, counted from 0 through the depth.
    """
    if seed is None:
        return None
    return _moved(seed, (_int(use) + 1) * DRAWS_PER_USE)


def dropout(x, rate, seed, place):
    """Sets a share of `x` to 0 and scales the rest up, where there is a seed.

    Args:
        x: float tensor.
        rate: share, in [0, 1).
        seed: from `pass_seed` or `seed_of_use`; None for no dropout.
        place: one of the numbers above; another place, another mask.
    """
    if seed is None or not rate:
        return x
    return keras.random.dropout(x, rate, seed=_Given(_moved(seed, place)))


class _Given(keras.random.SeedGenerator):
    """A tensor in the one form in which Keras takes a seed that is not a number."""

    def __init__(self, seed):
        self.seed = seed

    def next(self, ordered=True):
        # JAX's keys are unsigned; elsewhere int32 is what the kernels take.
        return ops.cast(self.seed, "uint32" if keras.config.backend() == "jax" else "int32")


def _moved(seed, by):
    return seed + ops.stack([_int(0), _int(by)])


def _int(x):
    return ops.cast(x, "int32")
