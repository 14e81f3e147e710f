"""The shared encoder in the form that TFLite runs best; same layers, same numbers."""

import keras
import tensorflow as tf
from keras import ops

from albert_tf.layers.attention import PADDING_SCORE
from albert_tf.layers.base import product
from albert_tf.layers.encoder import SharedEncoder
from albert_tf.layers.layer_norm import EPSILON


def for_mobile(model, rolled=True, padding_score=PADDING_SCORE):
    """Gives the same model, on the same layers, with its encoder as a `MobileEncoder`.

    Args:
        model: a functional model; its layers get new callers, so give a private copy.
        rolled, padding_score: as in `MobileEncoder`.
    """

    def replace(layer):
        if not isinstance(layer, SharedEncoder):
            return layer
        return MobileEncoder(layer, rolled, padding_score)

    return keras.models.clone_model(model, clone_function=replace, recursive=True)


class MobileEncoder(keras.layers.Layer):
    """`SharedEncoder` in inference, with a loop in the graph and four-dimensional attention.

    TFLite's fast kernels pack a weight anew for every operator that uses it: 385 MB of memory for
    the twelve uses of ALBERT-base's block, but 71 MB for a loop, whose body stands in the graph
    once.

    Args:
        encoder: the built `SharedEncoder`; it stays the owner of the weights.
        rolled: whether steps that use the same weights become one `tf.while_loop`.
        padding_score: added to the score of a padded key. With 8-bit activations the range of the
            scores is cut into 256 steps, and a large one leaves no step for the others.
    """

    def __init__(self, encoder, rolled=True, padding_score=PADDING_SCORE):
        super().__init__(dtype=encoder.dtype_policy, name=encoder.name)
        self.encoder = encoder
        self.rolled = rolled
        self.padding_score = padding_score
        self.built = True

    def call(self, hidden, padding_mask):
        encoder, shape = self.encoder, ops.shape(hidden)
        padding = ops.cast(1 - ops.cast(padding_mask, "int32"), self.compute_dtype)
        padding_score = ops.expand_dims(padding * self.padding_score, (1, 2))
        attention_kernels = [layer.kernels() for layer in encoder.attentions]
        feed_forward_kernels = [layer.kernels() for layer in encoder.feed_forwards]

        def step(uses, hidden):
            for a, f in uses:
                hidden = attend(encoder.attentions[a], hidden, attention_kernels[a], padding_score)
                hidden = feed_forward(encoder.feed_forwards[f], hidden, feed_forward_kernels[f])
            return hidden

        hidden = ops.reshape(hidden, (-1, encoder.config.hidden_size))
        for uses, num_steps in encoder.runs_of_steps():
            hidden = self._repeat(lambda hidden, uses=uses: step(uses, hidden), hidden, num_steps)
        return ops.reshape(hidden, shape)

    def _repeat(self, function, hidden, num_steps):
        if not self.rolled or num_steps == 1:
            for _ in range(num_steps):
                hidden = function(hidden)
            return hidden
        _, hidden = tf.while_loop(
            lambda step, hidden: step < num_steps,
            lambda step, hidden: (step + 1, shaped_as(function(hidden), hidden)),
            (tf.constant(0), hidden),
            maximum_iterations=num_steps,
        )
        return hidden

    def compute_output_spec(self, hidden, padding_mask):
        return keras.KerasTensor(hidden.shape, dtype=self.compute_dtype)


def shaped_as(value, like):
    """Tells the static shape of a loop's value; `tf.ensure_shape` is no operator of TFLite."""
    value.set_shape(like.shape)
    return value


def attend(layer, hidden, kernels, padding_score):
    """`SelfAttention` with query, key and value cut apart before they are cut into heads.

    The layer itself transposes all three at once, in five dimensions: best on a CPU under
    TensorFlow, but a quarter of the time of an 8-bit TFLite file, which is slow at that.
    """
    seq_len, heads = ops.shape(padding_score)[-1], layer.config.num_attention_heads
    mixed = product(hidden, kernels.query_key_value, kernels.query_key_value_bias)
    query, key, value = (
        ops.transpose(ops.reshape(part, (-1, seq_len, heads, layer.head_size)), (0, 2, 1, 3))
        for part in ops.split(mixed, 3, axis=1)
    )
    scores = tf.matmul(query, key, transpose_b=True) * layer.head_size**-0.5 + padding_score
    context = ops.transpose(ops.matmul(ops.softmax(scores, axis=-1), value), (0, 2, 1, 3))
    context = ops.reshape(context, (-1, layer.config.hidden_size))
    hidden = hidden + product(context, kernels.output, kernels.output_bias)
    return normalized(hidden, *layer.layer_norm.kernels())


def feed_forward(layer, hidden, kernels):
    """`FeedForward`, with the norm of this room."""
    inner = product(hidden, kernels.intermediate, kernels.intermediate_bias)
    output = product(layer.activation(inner), kernels.output, kernels.output_bias)
    return normalized(hidden + output, kernels.gamma, kernels.beta)


def normalized(x, gamma, beta):
    """`albert_tf.layers.layer_norm.normalized`, with `gamma` out of the converter's reach.

    A product with a constant is drawn into the weights of the product behind it. The first use of
    the block has no norm before it, so that a trained file, unrolled, would hold the weights of
    query, key and value twice: 15 % of ALBERT-base. The square is a product, as of a difference and
    its square the converter makes one operator, which XNNPACK does not take in 8 bits.
    """
    centred = x - ops.mean(x, axis=-1, keepdims=True)
    variance = ops.mean(centred * centred, axis=-1, keepdims=True)
    return centred * (ops.rsqrt(variance + EPSILON) * gamma) + beta
