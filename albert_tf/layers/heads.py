"""What stands on the encoder in pretraining, and the drop-and-project head of most tasks."""

import keras
import numpy as np
from keras import ops

from albert_tf.layers.base import ConfiguredLayer, activation
from albert_tf.layers.dropout import HEAD, dropout, pass_seed, seed_generator
from albert_tf.layers.layer_norm import LayerNorm


@keras.saving.register_keras_serializable("albert_tf")
class Pooler(ConfiguredLayer):
    """The first token, once more through a product and tanh (original: `pooled_output`).

    Call arguments:
        sequence_output: float `(batch, seq_len, hidden_size)`.

    Returns:
        float `(batch, hidden_size)`.
    """

    def __init__(self, config, **kwargs):
        super().__init__(config, **kwargs)
        self.dense_layer = self.dense(config.hidden_size, "dense")

    def build(self, sequence_output_shape):
        self.dense_layer.build((None, self.config.hidden_size))

    def call(self, sequence_output):
        return ops.tanh(self.dense_layer(sequence_output[:, 0]))


class MaskedLMHead(ConfiguredLayer):
    """Scores the vocabulary at chosen positions (paper §3.1; original: `get_masked_lm_output`).

    Product back to width E, activation, norm, then the word table itself as output weights.
    Scoring only the masked positions keeps the product with the table, the largest of all, at
    the 15 % that the loss looks at.

    Args:
        embeddings: the `AlbertEmbeddings` whose word table is used; its weights stay its own.

    Call arguments:
        sequence_output: float `(batch, seq_len, hidden_size)`.
        mask_positions: int `(batch, num_masked)`, or None for every position.

    Returns:
        float32 `(batch, num_masked, vocab_size)`, not normalized.
    """

    def __init__(self, config, embeddings, **kwargs):
        super().__init__(config, **kwargs)
        # Out of Keras's sight, or the word table would be saved twice: as the backbone's and here.
        self._embeddings = _Untracked(embeddings)
        self.width = embeddings.width
        self.transform = self.dense(self.width, "dense")
        self.layer_norm = LayerNorm(dtype=self.dtype_policy, name="layer_norm")
        self.activation = activation(config.hidden_act)

    def build(self, sequence_output_shape, mask_positions_shape=None):
        self.transform.build((None, self.config.hidden_size))
        self.layer_norm.build((None, self.width))
        self.output_bias = self.add_weight(
            (self.config.vocab_size,), initializer="zeros", name="output_bias"
        )

    def call(self, sequence_output, mask_positions=None):
        batch, seq_len, hidden_size = ops.shape(sequence_output)
        rows = ops.reshape(sequence_output, (-1, hidden_size))
        num_masked = seq_len
        if mask_positions is not None:
            num_masked = ops.shape(mask_positions)[1]
            starts = ops.expand_dims(ops.arange(batch, dtype="int32") * seq_len, 1)
            places = ops.cast(mask_positions, "int32") + starts
            rows = ops.take(rows, ops.reshape(places, (-1,)), axis=0)
        rows = ops.cast(self.layer_norm(self.activation(self.transform(rows))), self.compute_dtype)
        logits = ops.cast(ops.matmul(rows, self._output_table()), "float32")
        logits = logits + ops.cast(self.output_bias, "float32")
        return ops.reshape(logits, (-1, num_masked, self.config.vocab_size))

    def set_output_bias(self, log_frequencies):
        """Lets the scores start from how often each piece occurs.

        That is the first thing a fresh model learns, and the plateau on which it learns it is
        left at once.

        Args:
            log_frequencies: float `(vocab_size,)`, logarithms of shares or of counts; a constant
                beside them changes nothing. Count every piece at least once.

        Raises:
            ValueError: another shape, or a value that is not finite.
        """
        values = np.asarray(log_frequencies, "float32")
        if values.shape != (self.config.vocab_size,):
            raise ValueError(
                f"log_frequencies must hold one value for each of the {self.config.vocab_size} "
                f"pieces: got the shape {values.shape}."
            )
        if not np.isfinite(values).all():
            raise ValueError(
                f"log_frequencies must be finite: got {values[~np.isfinite(values)][0]} for piece "
                f"{int(np.flatnonzero(~np.isfinite(values))[0])}. Count every piece at least once."
            )
        self.output_bias.assign(values)

    def _output_table(self):
        embeddings = self._embeddings.layer
        table = ops.transpose(ops.cast(embeddings.word_embeddings.embeddings, self.compute_dtype))
        if embeddings.word_projection is None:
            return table
        up = ops.cast(embeddings.word_projection.kernel, self.compute_dtype)
        return ops.matmul(ops.transpose(up), table)

    def compute_output_spec(self, sequence_output, mask_positions=None):
        batch, seq_len, _ = sequence_output.shape
        num_masked = seq_len if mask_positions is None else mask_positions.shape[1]
        return keras.KerasTensor((batch, num_masked, self.config.vocab_size), "float32")


class _Untracked:
    """Holds a layer out of Keras's sight."""

    def __init__(self, layer):
        self.layer = layer


@keras.saving.register_keras_serializable("albert_tf")
class ProjectionHead(ConfiguredLayer):
    """Dropout, then one product: sentence order, classes, choices, labels or spans.

    Call arguments:
        features: float `(..., hidden_size)`, pooled or one row a token.

    Returns:
        float32 `(..., num_outputs)`.
    """

    def __init__(self, config, num_outputs, dropout=0.0, **kwargs):
        super().__init__(config, **kwargs)
        self.num_outputs = num_outputs
        self.rate = dropout
        self.seed_generator = seed_generator(dropout)
        self.projection = self.dense(num_outputs, "dense")

    def build(self, features_shape):
        self.projection.build((None, self.config.hidden_size))

    def call(self, features, training=None):
        features = dropout(features, self.rate, pass_seed(self.seed_generator, training), HEAD)
        return ops.cast(self.projection(features), "float32")

    def compute_output_spec(self, features, training=None):
        return keras.KerasTensor((*features.shape[:-1], self.num_outputs), "float32")

    def get_config(self):
        return super().get_config() | {"num_outputs": self.num_outputs, "dropout": self.rate}
