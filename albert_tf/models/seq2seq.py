"""The decoder of a sequence-to-sequence ALBERT: token ids in, scores of the next token out."""

import keras
from keras import ops

from albert_tf.layers.base import ConfiguredLayer
from albert_tf.layers.decoder import OutOfSight, SharedDecoder
from albert_tf.layers.dropout import EMBEDDINGS, dropout, pass_seed, seed_generator
from albert_tf.layers.heads import MaskedLMHead

# Where the model knows two segments, the text that is written is the second one.
TARGET_SEGMENT = 1


class AlbertDecoder(ConfiguredLayer):
    """Embeds what was written so far, reads the source, and scores the vocabulary.

    The embeddings, and the product up to the encoder's width, are those of the backbone, for both
    languages; so is the word table that scores the next token (tied embeddings). The head has the
    form of the masked-word head.

    Args:
        backbone: `AlbertBackbone`; its weights stay its own.
        num_layers: depths; None for as many as the encoder has.
        sharing: `all` or `none`; see `SharedDecoder`.
        share_encoder: whether self-attention and feed-forward blocks are the encoder's.

    Call arguments:
        token_ids: int `(batch, seq_len)`, the text with its first token.
        source: float `(batch, source_len, hidden_size)`, the encoder's output.
        source_mask: int `(batch, source_len)`; 1 for a token, 0 for padding.

    Returns:
        float32 `(batch, seq_len, vocab_size)`, not normalized: at each position the scores of the
        token behind it.
    """

    def __init__(self, backbone, num_layers=None, sharing="all", share_encoder=False, **kwargs):
        config = backbone.albert_config
        super().__init__(config, **{"dtype": backbone.dtype_policy, **kwargs})
        self._backbone = OutOfSight(backbone)
        self.stack = SharedDecoder(
            config,
            num_layers or config.num_hidden_layers,
            sharing,
            backbone.encoder if share_encoder else None,
            dtype=self.dtype_policy,
            name="stack",
        )
        self.head = MaskedLMHead(config, backbone.embeddings, dtype=self.dtype_policy, name="head")
        self.segment = min(TARGET_SEGMENT, config.type_vocab_size - 1)
        self.seed_generator = seed_generator(config.hidden_dropout_prob)

    def build(self, token_ids_shape, source_shape=None, source_mask_shape=None):
        width = (None, None, self.config.hidden_size)
        self.stack.build(width)
        self.head.build(width)

    def call(self, token_ids, source, source_mask, training=None):
        hidden = self.embed(token_ids, 0, training)
        return self.head(self.stack(hidden, source, source_mask, training=training))

    def embed(self, token_ids, index, training=False):
        """Embeds tokens that stand at `index` and behind: float `(batch, seq_len, hidden_size)`."""
        backbone = self._backbone.layer
        tables, projection = backbone.embeddings, backbone.embedding_projection
        words = tables.word_embeddings(token_ids)
        if tables.word_projection is not None:
            words = tables.word_projection(words)
        places = index + ops.arange(ops.shape(token_ids)[1])
        segment = tables.token_type_embeddings(ops.full((1, 1), self.segment, dtype="int32"))
        summed = words + tables.position_embeddings(places)[None] + segment
        hidden = ops.cast(tables.layer_norm(summed), self.compute_dtype)
        seed = pass_seed(self.seed_generator, training)
        hidden = dropout(hidden, self.config.hidden_dropout_prob, seed, EMBEDDINGS)
        return hidden if projection is None else projection(hidden)

    def continue_with(self, token_ids, kernels, memory, cache, index):
        """Scores what comes after new tokens, with the earlier ones in the cache.

        Args:
            token_ids: int `(batch, num_new)`.
            kernels, memory, cache, index: see `SharedDecoder.continue_with`.

        Returns:
            `(logits, cache)`: float32 `(batch, num_new, vocab_size)`, and the new cache.
        """
        hidden = self.embed(token_ids, index)
        hidden, cache = self.stack.continue_with(hidden, kernels, memory, cache, index)
        return self.head(hidden), cache

    def start_from_encoder(self):
        """Copies the encoder's blocks into the decoder's own, depth by depth.

        A decoder then starts from what a pretrained encoder has learned; the attention over the
        source, which an encoder does not have, stays as it was drawn (Rothe et al. 2020).
        """
        encoder = self._backbone.layer.encoder
        uses = encoder.schedule()
        for depth, block in enumerate(self.stack.blocks()[: self.stack.num_sets]):
            a, f = uses[depth % len(uses)]
            sources = (encoder.attentions[a], None, encoder.feed_forwards[f])
            for layer, source in zip(block, sources, strict=True):
                if source is not None and layer is not source:
                    layer.set_weights(source.get_weights())

    def compute_output_spec(self, token_ids, source, source_mask, training=None):
        return keras.KerasTensor((*token_ids.shape, self.config.vocab_size), "float32")
