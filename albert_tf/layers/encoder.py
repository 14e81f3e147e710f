"""The transformer stack, with its weights shared across depth (paper §3.1)."""

import keras
from keras import ops

from albert_tf.layers.attention import PADDING_SCORE, SelfAttention
from albert_tf.layers.base import ConfiguredLayer
from albert_tf.layers.feed_forward import FeedForward


@keras.saving.register_keras_serializable("albert_tf")
class SharedEncoder(ConfiguredLayer):
    """Applies few sets of weights many times (paper §3.1, cross-layer parameter sharing).

    `num_hidden_layers` steps are dealt over `num_hidden_groups` groups of `inner_group_num`
    layers. Both are published as 1: every step reuses one layer. `sharing` (paper Table 4) may
    leave the attention, the feed-forward block or both unshared: then each step has its own.

    Call arguments:
        hidden: float `(batch, seq_len, hidden_size)`.
        padding_mask: int `(batch, seq_len)`; 1 for a token, 0 for padding.
        return_all: whether to give what every layer made, beside the last.

    Returns:
        float `(batch, seq_len, hidden_size)`; with `return_all` a triple of it, the list of
        hidden states (the input, then one for each layer used), and the list of attention maps
        `(batch, num_attention_heads, seq_len, seq_len)`.
    """

    def __init__(self, config, **kwargs):
        super().__init__(config, **kwargs)
        self.attentions = self._sets(SelfAttention, "attention")
        self.feed_forwards = self._sets(FeedForward, "ffn")

    def _sets(self, kind, part):
        inner = self.config.inner_group_num
        return [
            kind(self.config, dtype=self.dtype_policy, name=f"{part}_{i // inner}_{i % inner}")
            for i in range(self.config.num_sets(part))
        ]

    def build(self, hidden_shape, padding_mask_shape=None):
        for layer in (*self.attentions, *self.feed_forwards):
            layer.build(hidden_shape)

    def schedule(self):
        """Pairs of indices into `attentions` and `feed_forwards`, in the order of their use."""
        return [
            (self.config.set_of("attention", step, inner), self.config.set_of("ffn", step, inner))
            for step in range(self.config.num_hidden_layers)
            for inner in range(self.config.inner_group_num)
        ]

    def call(self, hidden, padding_mask, training=None, return_all=False):
        shape = ops.shape(hidden)
        padding = ops.cast(1 - ops.cast(padding_mask, "int32"), self.compute_dtype)
        padding_score = ops.expand_dims(padding * PADDING_SCORE, (1, 2))
        attention_kernels = [layer.kernels() for layer in self.attentions]
        feed_forward_kernels = [layer.kernels() for layer in self.feed_forwards]

        hidden = ops.reshape(hidden, (-1, self.config.hidden_size))
        states, maps = [hidden], []
        for a, f in self.schedule():
            hidden, attention_map = self.attentions[a](
                hidden, attention_kernels[a], padding_score, training=training
            )
            hidden = self.feed_forwards[f](hidden, feed_forward_kernels[f], training=training)
            states.append(hidden)
            maps.append(attention_map)
        if not return_all:
            return ops.reshape(hidden, shape)
        states = [ops.reshape(state, shape) for state in states]
        return states[-1], states, maps

    def compute_output_spec(self, hidden, padding_mask, training=None, return_all=False):
        state = keras.KerasTensor(hidden.shape, dtype=self.compute_dtype)
        if not return_all:
            return state
        batch, seq_len, _ = hidden.shape
        map_shape = (batch, self.config.num_attention_heads, seq_len, seq_len)
        uses = self.schedule()
        states = [keras.KerasTensor(hidden.shape, dtype=self.compute_dtype) for _ in (0, *uses)]
        maps = [keras.KerasTensor(map_shape, dtype=self.compute_dtype) for _ in uses]
        return states[-1], states, maps
