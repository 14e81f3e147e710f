"""Multi-head self-attention with residual and norm, shaped for the fastest matrix product."""

from typing import NamedTuple

import keras
from keras import ops

from albert_tf.layers.base import ConfiguredLayer, product
from albert_tf.layers.dropout import ATTENTION_MAP, ATTENTION_OUTPUT, dropout
from albert_tf.layers.layer_norm import LayerNorm, normalized

# Added to the score of a padded key. Large enough that softmax gives it exactly 0 in float32,
# small enough for float16.
PADDING_SCORE = -3e4


class AttentionKernels(NamedTuple):
    """Weights of one attention in the dtype of the products, query, key and value side by side.

    Those of the norm are float32, as the norm itself.
    """

    query_key_value: object
    query_key_value_bias: object
    output: object
    output_bias: object
    gamma: object
    beta: object


@keras.saving.register_keras_serializable("albert_tf")
class SelfAttention(ConfiguredLayer):
    """Self-attention, residual, layer norm (original: `attention_layer` in `attention_ffn_block`).

    Tokens of all rows stand in one matrix, so that each product is two-dimensional: that is what
    the matrix units and the fusion with bias and activation want. The weights come in by
    `kernels()`, made once for a whole pass: a shared layer is used many times, and to cast and
    join its weights at every use costs more than a fifth of a one-row pass in bfloat16.

    Call arguments:
        hidden: float `(batch * seq_len, hidden_size)`.
        kernels: `AttentionKernels` of this layer.
        padding_score: float `(batch, 1, 1, seq_len)`; 0 for a token, `PADDING_SCORE` for padding.
        seed: from `seed_of_use`; None for no dropout.

    Returns:
        float `(batch * seq_len, hidden_size)`, and the attention map
        `(batch, num_attention_heads, seq_len, seq_len)`: queries, then keys.
    """

    def __init__(self, config, **kwargs):
        # Everything comes in the dtype that it needs, and the norm's weights must stay float32.
        super().__init__(config, **kwargs, autocast=False)
        self.head_size = config.hidden_size // config.num_attention_heads
        self.query = self.dense(config.hidden_size, "query")
        self.key = self.dense(config.hidden_size, "key")
        self.value = self.dense(config.hidden_size, "value")
        self.output_dense = self.dense(config.hidden_size, "output")
        self.layer_norm = LayerNorm(dtype=self.dtype_policy, name="layer_norm")

    def build(self, *shapes):
        width = (None, self.config.hidden_size)
        for layer in (self.query, self.key, self.value, self.output_dense, self.layer_norm):
            layer.build(width)

    def kernels(self):
        """Weights for one pass, cast and joined once."""
        inputs = (self.query, self.key, self.value)
        joined = ops.concatenate([kernel_of(layer) for layer in inputs], axis=1)
        bias = ops.concatenate([layer.bias for layer in inputs], axis=0)
        dtype = self.compute_dtype
        return AttentionKernels(
            ops.cast(joined, dtype),
            ops.cast(bias, dtype),
            ops.cast(kernel_of(self.output_dense), dtype),
            ops.cast(self.output_dense.bias, dtype),
            *self.layer_norm.kernels(),
        )

    def call(self, hidden, kernels, padding_score, seed=None):
        config = self.config
        seq_len = ops.shape(padding_score)[-1]
        mixed = product(hidden, kernels.query_key_value, kernels.query_key_value_bias)
        shape = (-1, seq_len, 3, config.num_attention_heads, self.head_size)
        # One transposition for all three: (3, batch, heads, seq_len, head_size).
        mixed = ops.transpose(ops.reshape(mixed, shape), (2, 0, 3, 1, 4))
        # Not `mixed[0]`: the gradient of a slice is a whole array of zeros around it.
        query, key, value = ops.unstack(mixed, 3, axis=0)
        key = ops.transpose(key, (0, 1, 3, 2))
        scores = ops.matmul(query, key) * self.head_size**-0.5 + padding_score
        attention = ops.softmax(scores, axis=-1)
        kept = dropout(attention, config.attention_probs_dropout_prob, seed, ATTENTION_MAP)
        context = ops.matmul(kept, value)
        context = ops.transpose(context, (0, 2, 1, 3))
        context = ops.reshape(context, (-1, config.hidden_size))
        output = product(context, kernels.output, kernels.output_bias)
        output = dropout(output, config.hidden_dropout_prob, seed, ATTENTION_OUTPUT)
        normal = normalized(hidden + output, kernels.gamma, kernels.beta)
        return ops.cast(normal, self.compute_dtype), attention


def kernel_of(layer):
    """The float kernel of a Dense layer, with its LoRA part if it has one.

    Raises:
        ValueError: the layer was quantized; its integers mean nothing to a float product.
    """
    if layer.quantization_mode is not None:
        raise ValueError(
            f"{layer.path} must be a float layer: got {layer.quantization_mode}. Quantize at "
            "export (albert_tf.export_tflite), not the Keras model."
        )
    return layer.kernel
