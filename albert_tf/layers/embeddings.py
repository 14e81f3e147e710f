"""Factorized embeddings (paper §3.1): narrow tables, then one product up to the encoder's width."""

import keras
from keras import ops

from albert_tf.layers.base import ConfiguredLayer
from albert_tf.layers.dropout import EMBEDDINGS, dropout, pass_seed, seed_generator
from albert_tf.layers.layer_norm import LayerNorm


@keras.saving.register_keras_serializable("albert_tf")
class AlbertEmbeddings(ConfiguredLayer):
    """Sum of word, position and segment embeddings, normalized.

    The original's `embedding_postprocessor`. The tables have width E; the product E x H is the
    next layer of the backbone. Where only the words are factorized (`factorized_tables="words"`,
    albert_zh's tiny model), the product comes before the sum, and all that follows has width H.

    Call arguments:
        token_ids: int `(batch, seq_len)` in [0, vocab_size).
        segment_ids: int `(batch, seq_len)` in [0, type_vocab_size).

    Returns:
        float `(batch, seq_len, embedding_size)`, or `hidden_size` wide.
    """

    def __init__(self, config, **kwargs):
        super().__init__(config, **kwargs)
        words_only = config.factorized_tables == "words"
        self.width = config.hidden_size if words_only else config.embedding_size
        self.word_embeddings = self._table(
            config.vocab_size, config.embedding_size, "word_embeddings"
        )
        self.position_embeddings = self._table(
            config.max_position_embeddings, self.width, "position_embeddings"
        )
        self.token_type_embeddings = self._table(
            config.type_vocab_size, self.width, "token_type_embeddings"
        )
        self.word_projection = None
        if words_only and config.has_projection:
            self.word_projection = self.dense(self.width, "word_projection", use_bias=False)
        self.layer_norm = LayerNorm(dtype=self.dtype_policy, name="layer_norm")
        self.seed_generator = seed_generator(config.hidden_dropout_prob)

    def _table(self, rows, width, name):
        return keras.layers.Embedding(
            rows,
            width,
            embeddings_initializer=self.initializer(),
            dtype=self.dtype_policy,
            name=name,
        )

    def build(self, token_ids_shape, segment_ids_shape=None):
        for table in (self.word_embeddings, self.position_embeddings, self.token_type_embeddings):
            table.build(token_ids_shape)
        if self.word_projection is not None:
            self.word_projection.build((None, None, self.config.embedding_size))
        self.layer_norm.build((None, None, self.width))

    def call(self, token_ids, segment_ids, training=None):
        seq_len = token_ids.shape[1]
        # None or a symbol while the graph is built.
        if isinstance(seq_len, int) and seq_len > self.config.max_position_embeddings:
            raise ValueError(
                f"A row must have at most {self.config.max_position_embeddings} tokens "
                f"(max_position_embeddings): got {seq_len}. Cut the text; a preprocessor does."
            )
        words = self.word_embeddings(token_ids)
        if self.word_projection is not None:
            words = self.word_projection(words)
        positions = self.position_embeddings(ops.arange(ops.shape(token_ids)[1]))
        summed = words + positions[None] + self.token_type_embeddings(segment_ids)
        hidden = ops.cast(self.layer_norm(summed), self.compute_dtype)
        seed = pass_seed(self.seed_generator, training)
        return dropout(hidden, self.config.hidden_dropout_prob, seed, EMBEDDINGS)
