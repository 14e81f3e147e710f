"""The transformer stack, with its weights shared across depth (paper §3.1)."""

import itertools
from typing import NamedTuple

import keras
from keras import ops

from albert_tf.layers.attention import PADDING_SCORE, AttentionKernels, SelfAttention
from albert_tf.layers.base import ConfiguredLayer
from albert_tf.layers.depth_weights import check_depth_weights, with_weighted_gradient
from albert_tf.layers.dropout import pass_seed, seed_generator, seed_of_use
from albert_tf.layers.feed_forward import FeedForward, FeedForwardKernels
from albert_tf.layers.recompute import repeat_recomputed
from albert_tf.layers.training_pass import current_pass


class Surroundings(NamedTuple):
    """What all uses of a pass have in common, beside their kernels."""

    padding_score: object
    seed: object
    depth_weights: object


@keras.saving.register_keras_serializable("albert_tf")
class SharedEncoder(ConfiguredLayer):
    """Applies few sets of weights many times (paper §3.1, cross-layer parameter sharing).

    `num_hidden_layers` steps are dealt over `num_hidden_groups` groups of `inner_group_num`
    layers. Both are published as 1: every step reuses one layer. `sharing` (paper Table 4) may
    leave the attention, the feed-forward block or both unshared: then each step has its own.

    In training, `albert_tf.layers.training_pass` may seed the dropout and weigh the depths.

    Args:
        recompute: whether training keeps the input of each step alone and computes the rest
            again backwards, in a loop over the steps that share their weights. A training step
            of 4 x 128 tokens, 768 wide, then takes 530 MB for 12 steps and 566 MB for 24, instead
            of 1010 and 1672, and a third more time. Steps with weights of their own save less.

    Call arguments:
        hidden: float `(batch, seq_len, hidden_size)`.
        padding_mask: int `(batch, seq_len)`; 1 for a token, 0 for padding.
        return_all: whether to give what every layer made, beside the last.

    Returns:
        float `(batch, seq_len, hidden_size)`; with `return_all` a triple of it, the list of
        hidden states (the input, then one for each layer used), and the list of attention maps
        `(batch, num_attention_heads, seq_len, seq_len)`.
    """

    def __init__(self, config, recompute=False, **kwargs):
        super().__init__(config, **kwargs)
        self.recompute = recompute
        self.attentions = self._sets(SelfAttention, "attention")
        self.feed_forwards = self._sets(FeedForward, "ffn")
        self.seed_generator = seed_generator(
            config.hidden_dropout_prob, config.attention_probs_dropout_prob
        )

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

    def runs_of_steps(self):
        """Consecutive steps on the same weights: pairs of (uses of one step, number of steps)."""
        schedule, inner = self.schedule(), self.config.inner_group_num
        steps = [tuple(schedule[i : i + inner]) for i in range(0, len(schedule), inner)]
        return [(uses, len(list(run))) for uses, run in itertools.groupby(steps)]

    def call(self, hidden, padding_mask, training=None, return_all=False):
        shape = ops.shape(hidden)
        padding = ops.cast(1 - ops.cast(padding_mask, "int32"), self.compute_dtype)
        around = Surroundings(
            padding_score=ops.expand_dims(padding * PADDING_SCORE, (1, 2)),
            seed=pass_seed(self.seed_generator, training),
            depth_weights=self._depth_weights(training),
        )
        attentions = [layer.kernels() for layer in self.attentions]
        feed_forwards = [layer.kernels() for layer in self.feed_forwards]

        hidden = ops.reshape(hidden, (-1, self.config.hidden_size))
        if training and self.recompute and not return_all:
            return ops.reshape(self._recomputed(hidden, attentions, feed_forwards, around), shape)
        states, maps = [hidden], []
        for use, (a, f) in enumerate(self.schedule()):
            kernels = attentions[a], feed_forwards[f]
            hidden, attention_map = self._use(use, (a, f), kernels, hidden, around)
            states.append(hidden)
            maps.append(attention_map)
        if not return_all:
            return ops.reshape(hidden, shape)
        states = [ops.reshape(state, shape) for state in states]
        return states[-1], states, maps

    def _use(self, use, layers, kernels, hidden, around):
        """One attention and one feed-forward block, the `use`-th of the pass."""
        if around.depth_weights is not None:
            weight = ops.take(around.depth_weights, use // self.config.inner_group_num)
            kernels = _cut(with_weighted_gradient(_joined([kernels]), weight))[0]
        seed = seed_of_use(around.seed, use)
        hidden, attention_map = self.attentions[layers[0]](
            hidden, kernels[0], around.padding_score, seed=seed
        )
        return self.feed_forwards[layers[1]](hidden, kernels[1], seed=seed), attention_map

    def _recomputed(self, hidden, attentions, feed_forwards, around):
        inner, first = self.config.inner_group_num, 0
        for uses, num_steps in self.runs_of_steps():
            kernels = [(attentions[a], feed_forwards[f]) for a, f in uses]

            def one_step(step, hidden, *tensors, uses=uses):
                for i, kernels in enumerate(_cut(tensors)):
                    hidden, _ = self._use(step * inner + i, uses[i], kernels, hidden, around)
                return hidden

            hidden = repeat_recomputed(one_step, hidden, _joined(kernels), first, num_steps)
            first += num_steps
        return hidden

    def _depth_weights(self, training):
        weights = current_pass().depth_weights if training else None
        return weights if weights is None else check_depth_weights(weights, self.config)

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

    def get_config(self):
        return super().get_config() | {"recompute": self.recompute}


def _joined(pairs):
    """The tensors of pairs of kernels, one after the other."""
    # What needs no cast is still the variable itself, which no function here may see.
    return [ops.copy(tensor) for pair in pairs for kernels in pair for tensor in kernels]


def _cut(tensors):
    """The pairs of kernels whose tensors `_joined` put side by side."""
    num_attention = len(AttentionKernels._fields)
    width = num_attention + len(FeedForwardKernels._fields)
    parts = [tensors[i : i + width] for i in range(0, len(tensors), width)]
    return [
        (AttentionKernels(*part[:num_attention]), FeedForwardKernels(*part[num_attention:]))
        for part in parts
    ]
