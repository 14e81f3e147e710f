"""A causal transformer that reads a source, with its weights shared across depth as in ALBERT."""

from typing import NamedTuple

import keras
from keras import ops

from albert_tf.layers.attention import PADDING_SCORE, SelfAttention, kernel_of
from albert_tf.layers.base import ConfiguredLayer, product
from albert_tf.layers.dropout import (
    ATTENTION_MAP,
    ATTENTION_OUTPUT,
    dropout,
    pass_seed,
    seed_generator,
    seed_of_use,
)
from albert_tf.layers.feed_forward import FeedForward
from albert_tf.layers.layer_norm import normalized

SHARINGS = ("all", "none")


class CrossKernels(NamedTuple):
    """Weights of one attention over the source, in the dtype of the products; its norm float32."""

    query: object
    query_bias: object
    key_value: object
    key_value_bias: object
    output: object
    output_bias: object
    gamma: object
    beta: object


class SourceMemory(NamedTuple):
    """What the decoder knows of the source for the whole of a text.

    Where the depths share their weights, so do their keys and values: one pair for all depths.

    Args:
        pairs: for each set of weights float `(batch, 2, num_attention_heads, source_len,
            head_size)`, keys and values.
        score: float `(batch, 1, 1, source_len)`; 0 for a token, `PADDING_SCORE` for padding.
    """

    pairs: tuple
    score: object


@keras.saving.register_keras_serializable("albert_tf")
class CrossAttention(SelfAttention):
    """Attention over the source, with residual and norm; the weights are those of an attention.

    Call arguments:
        hidden: float `(batch * seq_len, hidden_size)`.
        kernels: `CrossKernels` of this layer.
        pair: from `keys_and_values`.
        score: float `(batch, 1, 1, source_len)`.
        seed: from `seed_of_use`; None for no dropout.

    Returns:
        float `(batch * seq_len, hidden_size)`.
    """

    def kernels(self):
        """Weights for one pass, cast and joined once."""
        inputs = (self.key, self.value)
        joined = ops.concatenate([kernel_of(layer) for layer in inputs], axis=1)
        bias = ops.concatenate([layer.bias for layer in inputs], axis=0)
        parts = (kernel_of(self.query), self.query.bias, joined, bias)
        parts += (kernel_of(self.output_dense), self.output_dense.bias)
        cast = (ops.cast(part, self.compute_dtype) for part in parts)
        return CrossKernels(*cast, *self.layer_norm.kernels())

    def keys_and_values(self, source, kernels):
        """Keys and values of the source: float `(batch, 2, heads, source_len, head_size)`."""
        flat = ops.reshape(source, (-1, self.config.hidden_size))
        mixed = product(flat, kernels.key_value, kernels.key_value_bias)
        return _heads_first(mixed, ops.shape(source)[1], 2, self.config)

    def call(self, hidden, kernels, pair, score, seed=None):
        batch = ops.shape(pair)[0]
        query = product(hidden, kernels.query, kernels.query_bias)
        shape = (batch, -1, self.config.num_attention_heads, self.head_size)
        query = ops.transpose(ops.reshape(query, shape), (0, 2, 1, 3))
        key, value = ops.unstack(pair, 2, axis=1)
        context = _attend(query, key, value, score, self.config, seed)
        return _finish(context, hidden, kernels, self.config, seed)


@keras.saving.register_keras_serializable("albert_tf")
class SharedDecoder(ConfiguredLayer):
    """Depths of self-attention over the text so far, attention over the source, and feed-forward.

    Each of the three has a residual and a norm behind it, as in the encoder.

    Args:
        config: of the encoder; widths, heads and dropout are taken from it.
        num_layers: depths.
        sharing: `all` for one set of weights at every depth, `none` for one each.
        encoder: `SharedEncoder` whose self-attention and feed-forward blocks are used as well, so
            that the attention over the source alone is new; its weights stay its own. None for
            blocks of the decoder's own.

    Call arguments:
        hidden: float `(batch, seq_len, hidden_size)`, the embedded text.
        source: float `(batch, source_len, hidden_size)`, the encoder's output.
        source_mask: int `(batch, source_len)`; 1 for a token, 0 for padding.

    Returns:
        float `(batch, seq_len, hidden_size)`; position `i` depends on positions up to `i` alone.

    Raises:
        ValueError: there is no such sharing, or no depth.
    """

    def __init__(self, config, num_layers, sharing="all", encoder=None, **kwargs):
        super().__init__(config, **kwargs)
        if sharing not in SHARINGS:
            raise ValueError(f"sharing must be one of {', '.join(SHARINGS)}: got {sharing!r}.")
        if num_layers < 1:
            raise ValueError(f"A decoder needs at least one layer: got {num_layers}.")
        self.num_layers = num_layers
        self.sharing = sharing
        self._encoder = OutOfSight(encoder)
        self.crosses = self._sets(CrossAttention, "cross")
        self.attentions = [] if encoder else self._sets(SelfAttention, "attention")
        self.feed_forwards = [] if encoder else self._sets(FeedForward, "ffn")
        self.seed_generator = seed_generator(
            config.hidden_dropout_prob, config.attention_probs_dropout_prob
        )

    @property
    def num_sets(self):
        """How many sets of weights the depths are dealt over."""
        return 1 if self.sharing == "all" else self.num_layers

    def _sets(self, kind, part):
        names = [f"{part}_{i}" for i in range(self.num_sets)]
        return [kind(self.config, dtype=self.dtype_policy, name=name) for name in names]

    def build(self, hidden_shape, source_shape=None, source_mask_shape=None):
        for layer in (*self.crosses, *self.attentions, *self.feed_forwards):
            layer.build(hidden_shape)

    def blocks(self):
        """For each depth its self-attention, cross-attention and feed-forward layer."""
        encoder = self._encoder.layer
        if encoder is None:
            own = list(zip(self.attentions, self.crosses, self.feed_forwards, strict=True))
            return [own[depth % self.num_sets] for depth in range(self.num_layers)]
        uses = encoder.schedule()
        uses = [uses[depth % len(uses)] for depth in range(self.num_layers)]
        return [
            (encoder.attentions[a], self.crosses[depth % self.num_sets], encoder.feed_forwards[f])
            for depth, (a, f) in enumerate(uses)
        ]

    def kernels(self):
        """For each depth the weights of its three layers, cast and joined once for each set."""
        made = {}
        for layer in (layer for block in self.blocks() for layer in block):
            if id(layer) not in made:
                made[id(layer)] = layer.kernels()
        return [tuple(made[id(layer)] for layer in block) for block in self.blocks()]

    def remember(self, source, source_mask, kernels):
        """What the depths need of the source, computed once for a text: `SourceMemory`."""
        padding = ops.cast(1 - ops.cast(source_mask, "int32"), self.compute_dtype)
        source = ops.cast(source, self.compute_dtype)
        pairs = tuple(
            cross.keys_and_values(source, kernels[i][1]) for i, cross in enumerate(self.crosses)
        )
        return SourceMemory(pairs, ops.expand_dims(padding * PADDING_SCORE, (1, 2)))

    def empty_cache(self, batch_size, max_length):
        """Keys and values of a text without a word, one tensor a depth, batch first."""
        heads = self.config.num_attention_heads
        shape = (batch_size, 2, heads, max_length, self.config.hidden_size // heads)
        return tuple(ops.zeros(shape, self.compute_dtype) for _ in range(self.num_layers))

    def call(self, hidden, source, source_mask, training=None):
        kernels = self.kernels()
        memory = self.remember(source, source_mask, kernels)
        return self.read(hidden, kernels, memory, pass_seed(self.seed_generator, training))

    def read(self, hidden, kernels, memory, seed=None):
        """A call, for a source that is known: float `(batch, seq_len, hidden_size)`.

        Args:
            hidden: float `(batch, seq_len, hidden_size)`, the embedded text.
            kernels: from `kernels`.
            memory: from `remember`.
            seed: from `pass_seed`; None for no dropout.
        """
        places = ops.arange(ops.shape(hidden)[1])
        score = _causal_score(places, places, self.compute_dtype)
        return self._depths(hidden, kernels, memory, score, seed)[0]

    def continue_with(self, hidden, kernels, memory, cache, index):
        """Decodes the next positions of texts, of which the earlier ones stand in the cache.

        Args:
            hidden: float `(batch, num_new, hidden_size)`, the embedded new positions.
            kernels: from `kernels`.
            memory: from `remember`.
            cache: from `empty_cache`, or from the call before.
            index: int or int scalar tensor, place of the first new position.

        Returns:
            `(hidden, cache)`: float `(batch, num_new, hidden_size)`, and the cache with the new
            positions in it.
        """
        new = index + ops.arange(ops.shape(hidden)[1])
        score = _causal_score(new, ops.arange(ops.shape(cache[0])[3]), self.compute_dtype)
        return self._depths(hidden, kernels, memory, score, None, cache, index)

    def _depths(self, hidden, kernels, memory, score, seed, cache=None, index=0):
        batch, seq_len, width = ops.shape(hidden)
        hidden = ops.reshape(hidden, (-1, width))
        grown = []
        for depth, (block, weights) in enumerate(zip(self.blocks(), kernels, strict=True)):
            own_seed, cross_seed = self._seeds(seed, depth)
            mixed = product(hidden, weights[0].query_key_value, weights[0].query_key_value_bias)
            mixed = _heads_first(mixed, seq_len, 3, self.config)
            query, key, value = ops.unstack(mixed, 3, axis=1)
            if cache is not None:
                pair = ops.slice_update(
                    cache[depth], (0, 0, 0, index, 0), ops.stack([key, value], axis=1)
                )
                grown.append(pair)
                key, value = ops.unstack(pair, 2, axis=1)
            context = _attend(query, key, value, score, self.config, own_seed)
            hidden = _finish(context, hidden, weights[0], self.config, own_seed)
            pair = memory.pairs[depth % self.num_sets]
            hidden = block[1](hidden, weights[1], pair, memory.score, seed=cross_seed)
            hidden = block[2](hidden, weights[2], seed=own_seed)
        return ops.reshape(hidden, (batch, seq_len, width)), tuple(grown)

    def _seeds(self, seed, depth):
        # The encoder's uses come first, so that no mask is drawn twice.
        first = self.config.num_hidden_layers * self.config.inner_group_num + 2 * depth
        return seed_of_use(seed, first), seed_of_use(seed, first + 1)

    def compute_output_spec(self, hidden, source, source_mask, training=None):
        return keras.KerasTensor(hidden.shape, dtype=self.compute_dtype)

    def get_config(self):
        return super().get_config() | {"num_layers": self.num_layers, "sharing": self.sharing}


class OutOfSight:
    """Holds a layer that is another's, so that Keras does not save its weights twice."""

    def __init__(self, layer):
        self.layer = layer


def _heads_first(mixed, seq_len, num_parts, config):
    """`(batch * seq_len, num_parts * hidden)` to `(batch, num_parts, heads, seq_len, head)`."""
    heads = config.num_attention_heads
    shape = (-1, seq_len, num_parts, heads, config.hidden_size // heads)
    return ops.transpose(ops.reshape(mixed, shape), (0, 2, 3, 1, 4))


def _causal_score(queries, keys, dtype):
    """0 where a query may look, `PADDING_SCORE` at what comes later: `(1, 1, queries, keys)`."""
    is_later = ops.expand_dims(keys, 0) > ops.expand_dims(queries, 1)
    return ops.expand_dims(ops.cast(is_later, dtype) * PADDING_SCORE, (0, 1))


def _attend(query, key, value, score, config, seed):
    """Weighted values, float `(batch * seq_len, hidden_size)`, for tensors with heads first."""
    head_size = config.hidden_size // config.num_attention_heads
    scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) * head_size**-0.5 + score
    attention = ops.softmax(scores, axis=-1)
    attention = dropout(attention, config.attention_probs_dropout_prob, seed, ATTENTION_MAP)
    context = ops.transpose(ops.matmul(attention, value), (0, 2, 1, 3))
    return ops.reshape(context, (-1, config.hidden_size))


def _finish(context, hidden, kernels, config, seed):
    """Output product, residual and norm, as in the encoder."""
    output = product(context, kernels.output, kernels.output_bias)
    output = dropout(output, config.hidden_dropout_prob, seed, ATTENTION_OUTPUT)
    return ops.cast(normalized(hidden + output, kernels.gamma, kernels.beta), hidden.dtype)
