"""From the states of all tokens to one vector a text."""

import keras
from keras import ops

POOLINGS = ("cls", "mean", "max")
# Below every state, and yet a number in every dtype.
FAR_BELOW = -3e4


@keras.saving.register_keras_serializable("albert_tf")
class TextPooling(keras.layers.Layer):
    """Pools the tokens of a text, padding left out, in float32.

    Args:
        pooling: `cls` for the state of the first token, `mean` or `max` over all tokens, [CLS] and
            [SEP] among them, as sentence-transformers counts them.
        normalize: whether each vector is scaled to the length 1.

    Call arguments:
        sequence_output: float `(batch, seq_len, hidden_size)`.
        padding_mask: int `(batch, seq_len)`; 1 for a token, 0 for padding.

    Returns:
        float32 `(batch, hidden_size)`. A row of padding alone has no direction: its mean is 0.

    Raises:
        ValueError: there is no such pooling.
    """

    def __init__(self, pooling="mean", normalize=True, **kwargs):
        if pooling not in POOLINGS:
            raise ValueError(f"pooling must be one of {', '.join(POOLINGS)}: got {pooling!r}.")
        super().__init__(**{"dtype": "float32", **kwargs})
        self.pooling = pooling
        self.normalize = normalize

    def call(self, sequence_output, padding_mask):
        hidden = ops.cast(sequence_output, "float32")
        is_token = ops.expand_dims(ops.cast(padding_mask, "float32"), -1)
        if self.pooling == "cls":
            vectors = hidden[:, 0]
        elif self.pooling == "mean":
            num_tokens = ops.maximum(ops.sum(is_token, axis=1), 1.0)
            vectors = ops.sum(hidden * is_token, axis=1) / num_tokens
        else:
            vectors = ops.max(ops.where(is_token > 0, hidden, FAR_BELOW), axis=1)
        return unit_length(vectors) if self.normalize else vectors

    def compute_output_spec(self, sequence_output, padding_mask):
        batch, _, width = sequence_output.shape
        return keras.KerasTensor((batch, width), "float32")

    def get_config(self):
        return super().get_config() | {"pooling": self.pooling, "normalize": self.normalize}


def unit_length(vectors):
    """Vectors of the last axis, scaled to the length 1; the zero vector stays."""
    squared = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    return vectors * ops.rsqrt(ops.maximum(squared, 1e-24))
