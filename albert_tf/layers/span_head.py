"""The head of SQuAD 2.0: an end for each likely start, and whether there is an answer at all."""

import keras
from keras import ops

from albert_tf.layers.attention import kernel_of
from albert_tf.layers.base import ConfiguredLayer
from albert_tf.layers.layer_norm import LayerNorm

# What the original puts in place of the logit of a position that no answer can be at.
IMPOSSIBLE = -1e30


@keras.saving.register_keras_serializable("albert_tf")
class ConditionalSpanHead(ConfiguredLayer):
    """Start, end conditioned on the start, and answerability (original: `create_v2_model`).

    In training the end is conditioned on the true start; in prediction on each of the `num_starts`
    likeliest, of which each gives its `num_ends` likeliest ends: a beam search of two steps.
    A position can be an answer if it is [CLS], the place of "no answer", or a piece of the second
    segment; what is no such position gets the logit -1e30 (the original's `p_mask`).

    Args:
        num_starts, num_ends: widths of the beams.
        dropout: before the answerability logit, in [0, 1).

    Call arguments:
        sequence_output: float `(batch, seq_len, hidden_size)`.
        segment_ids, padding_mask: int `(batch, seq_len)`, as the backbone takes them.
        start_positions: int `(batch,)`, the true starts; None in prediction.

    Returns: a dictionary of float32. In training `start_logits` and `end_logits`
        `(batch, seq_len)`; in prediction `start_log_probs` `(batch, num_starts)` and
        `end_log_probs` `(batch, num_starts, num_ends)`, and the positions that they belong to,
        int32 `start_index` and `end_index` of these shapes. In both `impossible_logits`
        `(batch,)`, above 0 where "no answer" is the likelier.
    """

    def __init__(self, config, num_starts=5, num_ends=5, dropout=0.1, **kwargs):
        super().__init__(config, **kwargs)
        self.num_starts, self.num_ends = num_starts, num_ends
        self.rate = dropout
        self.start = self.dense(1, "start")
        self.end_hidden = self.dense(config.hidden_size, "end_hidden")
        self.end_norm = LayerNorm(dtype=self.dtype_policy, name="end_norm")
        self.end = self.dense(1, "end")
        self.answer_hidden = self.dense(config.hidden_size, "answer_hidden")
        self.dropout = keras.layers.Dropout(dropout, dtype=self.dtype_policy)
        self.answer = self.dense(1, "answer", use_bias=False)

    def build(self, *shapes):
        width = self.config.hidden_size
        for layer in (self.start, self.end_norm, self.end, self.answer):
            layer.build((None, width))
        for layer in (self.end_hidden, self.answer_hidden):
            layer.build((None, 2 * width))

    def call(self, sequence_output, segment_ids, padding_mask, start_positions=None, training=None):
        mask = answer_mask(segment_ids, padding_mask)
        start_logits = _masked(self.start(sequence_output)[..., 0], mask)
        outputs = {
            "impossible_logits": self._impossible(sequence_output, start_logits, training),
        }
        if start_positions is not None:
            starts = ops.expand_dims(ops.cast(start_positions, "int32"), 1)
            end_logits = self._end_logits(sequence_output, starts, mask)[:, 0]
            return outputs | {"start_logits": start_logits, "end_logits": end_logits}
        start_log_probs, start_index = _best(start_logits, self.num_starts)
        end_logits = self._end_logits(sequence_output, start_index, mask)
        end_log_probs, end_index = _best(end_logits, self.num_ends)
        return outputs | {
            "start_log_probs": start_log_probs,
            "start_index": start_index,
            "end_log_probs": end_log_probs,
            "end_index": end_index,
        }

    def _end_logits(self, hidden, starts, mask):
        """Logits `(batch, num_starts, seq_len)` of every end, for int starts `(batch, num_starts)`.

        The product with [hidden; hidden at the start] is the sum of two products, of which the
        one over all positions is the same for every start.
        """
        width = self.config.hidden_size
        kernel = ops.cast(kernel_of(self.end_hidden), self.compute_dtype)
        bias = ops.cast(self.end_hidden.bias, self.compute_dtype)
        chosen = ops.equal(ops.expand_dims(starts, -1), ops.arange(ops.shape(hidden)[1]))
        start_hidden = ops.matmul(ops.cast(chosen, self.compute_dtype), hidden)
        of_position = ops.matmul(hidden, kernel[:width])
        of_start = ops.matmul(start_hidden, kernel[width:]) + bias
        features = ops.tanh(ops.expand_dims(of_position, 1) + ops.expand_dims(of_start, 2))
        features = ops.cast(self.end_norm(features), self.compute_dtype)
        return _masked(self.end(features)[..., 0], ops.expand_dims(mask, 1))

    def _impossible(self, hidden, start_logits, training):
        weights = ops.cast(ops.softmax(start_logits, axis=-1), self.compute_dtype)
        start_feature = ops.matmul(ops.expand_dims(weights, 1), hidden)[:, 0]
        features = ops.concatenate([start_feature, hidden[:, 0]], axis=-1)
        features = self.dropout(ops.tanh(self.answer_hidden(features)), training=training)
        return ops.cast(self.answer(features)[..., 0], "float32")

    def compute_output_spec(
        self, sequence_output, segment_ids, padding_mask, start_positions=None, training=None
    ):
        batch, seq_len, _ = sequence_output.shape
        outputs = {"impossible_logits": keras.KerasTensor((batch,), "float32")}
        if start_positions is not None:
            names = ("start_logits", "end_logits")
            return outputs | {n: keras.KerasTensor((batch, seq_len), "float32") for n in names}
        shapes = {"start": (self.num_starts,), "end": (self.num_starts, self.num_ends)}
        for name, shape in shapes.items():
            outputs[f"{name}_log_probs"] = keras.KerasTensor((batch, *shape), "float32")
            outputs[f"{name}_index"] = keras.KerasTensor((batch, *shape), "int32")
        return outputs

    def get_config(self):
        return super().get_config() | {
            "num_starts": self.num_starts,
            "num_ends": self.num_ends,
            "dropout": self.rate,
        }


def answer_mask(segment_ids, padding_mask):
    """Where an answer can start or end: at [CLS], and in the second segment before its [SEP].

    Args:
        segment_ids, padding_mask: int `(batch, seq_len)`.

    Returns:
        bool `(batch, seq_len)`.
    """
    is_token = ops.cast(padding_mask, "bool")
    follows = ops.cast(ops.pad(padding_mask[:, 1:], ((0, 0), (0, 1))), "bool")
    is_context = ops.equal(segment_ids, 1) & is_token & follows
    return is_context | ops.equal(ops.arange(ops.shape(segment_ids)[1]), 0)


def _masked(logits, mask):
    return ops.where(mask, ops.cast(logits, "float32"), IMPOSSIBLE)


def _best(logits, k):
    """The `k` largest log-probabilities of the last axis and their positions, which may be fewer.

    A row of fewer than `k` positions gets its last one again, at a probability of 0.
    """
    log_probs = ops.log_softmax(logits, axis=-1)
    room = [(0, 0)] * (len(logits.shape) - 1) + [(0, k)]
    values, index = ops.top_k(ops.pad(log_probs, room, constant_values=IMPOSSIBLE), k)
    return values, ops.minimum(ops.cast(index, "int32"), ops.shape(logits)[-1] - 1)
