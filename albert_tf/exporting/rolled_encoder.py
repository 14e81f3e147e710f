"""The shared encoder as a loop in the graph, for runtimes that pay for every use of a weight."""

import itertools

import keras
import tensorflow as tf
from keras import ops

from albert_tf.layers.attention import PADDING_SCORE
from albert_tf.layers.encoder import SharedEncoder


def roll(model):
    """Gives the same model, on the same layers, with its encoder as a loop.

    TFLite's fast kernels pack a weight anew for every operator that uses it. Unrolled, that is
    +385 MB of memory for ALBERT-base; as a loop, whose body stands once in the graph, +71 MB.

    Args:
        model: a functional model; its layers get new callers, so give a private copy.
    """

    def keep_or_roll(layer):
        return RolledEncoder(layer) if isinstance(layer, SharedEncoder) else layer

    return keras.models.clone_model(model, clone_function=keep_or_roll, recursive=True)


class RolledEncoder(keras.layers.Layer):
    """`SharedEncoder` in inference, steps that use the same weights as one `tf.while_loop`.

    Args:
        encoder: the built `SharedEncoder`; it stays the owner of the weights.
    """

    def __init__(self, encoder):
        super().__init__(dtype=encoder.dtype_policy, name=encoder.name)
        self.encoder = encoder
        self.built = True

    def call(self, hidden, padding_mask):
        encoder, shape = self.encoder, ops.shape(hidden)
        padding = ops.cast(1 - ops.cast(padding_mask, "int32"), self.compute_dtype)
        padding_score = ops.expand_dims(padding * PADDING_SCORE, (1, 2))
        attention_kernels = [layer.kernels() for layer in encoder.attentions]
        feed_forward_kernels = [layer.kernels() for layer in encoder.feed_forwards]

        def step(uses, hidden):
            for a, f in uses:
                hidden, _ = encoder.attentions[a](hidden, attention_kernels[a], padding_score)
                hidden = encoder.feed_forwards[f](hidden, feed_forward_kernels[f])
            return hidden

        hidden = ops.reshape(hidden, (-1, encoder.config.hidden_size))
        for uses, num_steps in runs_of_steps(encoder):
            hidden = _repeat(lambda hidden, uses=uses: step(uses, hidden), hidden, num_steps)
        return ops.reshape(hidden, shape)

    def compute_output_spec(self, hidden, padding_mask):
        return keras.KerasTensor(hidden.shape, dtype=self.compute_dtype)


def runs_of_steps(encoder):
    """Consecutive steps that use the same weights: pairs of (uses of one step, number of steps)."""
    schedule, inner = encoder.schedule(), encoder.config.inner_group_num
    steps = [tuple(schedule[i : i + inner]) for i in range(0, len(schedule), inner)]
    return [(uses, len(list(run))) for uses, run in itertools.groupby(steps)]


def _repeat(function, hidden, num_steps):
    if num_steps == 1:
        return function(hidden)
    _, hidden = tf.while_loop(
        lambda step, hidden: step < num_steps,
        lambda step, hidden: (step + 1, tf.ensure_shape(function(hidden), hidden.shape)),
        (tf.constant(0), hidden),
        maximum_iterations=num_steps,
    )
    return hidden
