"""The feed-forward block with residual and norm."""

from typing import NamedTuple

import keras
from keras import ops

from albert_tf.layers.attention import kernel_of
from albert_tf.layers.base import ConfiguredLayer, activation, product
from albert_tf.layers.dropout import FEED_FORWARD, dropout
from albert_tf.layers.layer_norm import LayerNorm, normalized


class FeedForwardKernels(NamedTuple):
    """Weights of one feed-forward block in the dtype of the products, those of its norm float32."""

    intermediate: object
    intermediate_bias: object
    output: object
    output_bias: object
    gamma: object
    beta: object


@keras.saving.register_keras_serializable("albert_tf")
class FeedForward(ConfiguredLayer):
    """H -> intermediate -> H, residual, layer norm (original: `ffn_1` in `attention_ffn_block`).

    Call arguments:
        hidden: float `(batch * seq_len, hidden_size)`.
        kernels: `FeedForwardKernels` of this layer, made once for a whole pass.
        seed: from `seed_of_use`; None for no dropout.

    Returns:
        float `(batch * seq_len, hidden_size)`.
    """

    def __init__(self, config, **kwargs):
        # Everything comes in the dtype that it needs, and the norm's weights must stay float32.
        super().__init__(config, **kwargs, autocast=False)
        self.intermediate = self.dense(config.intermediate_size, "intermediate")
        self.output_dense = self.dense(config.hidden_size, "output")
        self.layer_norm = LayerNorm(dtype=self.dtype_policy, name="layer_norm")
        self.activation = activation(config.hidden_act)

    def build(self, *shapes):
        self.intermediate.build((None, self.config.hidden_size))
        self.output_dense.build((None, self.config.intermediate_size))
        self.layer_norm.build((None, self.config.hidden_size))

    def kernels(self):
        """Weights for one pass, cast once."""
        weights = []
        for layer in (self.intermediate, self.output_dense):
            weights += [kernel_of(layer), layer.bias]
        weights = [ops.cast(w, self.compute_dtype) for w in weights]
        return FeedForwardKernels(*weights, *self.layer_norm.kernels())

    def call(self, hidden, kernels, seed=None):
        inner = product(hidden, kernels.intermediate, kernels.intermediate_bias)
        output = product(self.activation(inner), kernels.output, kernels.output_bias)
        output = dropout(output, self.config.hidden_dropout_prob, seed, FEED_FORWARD)
        normal = normalized(hidden + output, kernels.gamma, kernels.beta)
        return ops.cast(normal, self.compute_dtype)
