"""Early exit on a phone: the loop over depths ends when every row has its answer."""

import tensorflow as tf
from keras import ops

from albert_tf.exporting.mobile.encoder import attend, feed_forward, shaped_as
from albert_tf.layers.attention import PADDING_SCORE
from albert_tf.layers.base import product

# No class, and no number that another one is close to.
NOTHING_SAID = {True: 3e38, False: -1}


class EarlyExitNetwork:
    """`AlbertEarlyExitClassifier` as one loop of TFLite's own operators.

    A batch is as slow as its slowest row, since no row can leave it. With one row, as an app asks,
    the time falls with the depths that are left out.

    Args:
        model: private copy of the model in float32, with the `patience` of the file.

    Attributes:
        weights, input: of the model.

    Call arguments:
        ids: dictionary of the backbone's inputs.

    Returns:
        dict of `logits`, float32 `(batch, num_classes)`, and `depth`, int32 `(batch,)`.

    Raises:
        ValueError: the model has no patience, or its depths do not share one block.
    """

    def __init__(self, model):
        if model.patience is None:
            raise ValueError(
                "A file with early exit needs patience: got None. Set model.patience to at least "
                "1, or train with --exit-patience."
            )
        runs = model.backbone.encoder.runs_of_steps()
        if len(runs) > 1:
            raise ValueError(
                f"A file with early exit needs one block for all depths: got {len(runs)} groups. "
                "Serve a SavedModel."
            )
        self.model, self.weights, self.input = model, model.weights, model.input
        ((self._uses, self._num_depths),) = runs

    def __call__(self, ids, training=False):
        model, backbone = self.model, self.model.backbone
        hidden = backbone.embeddings(ids["token_ids"], ids["segment_ids"])
        if backbone.embedding_projection is not None:
            hidden = backbone.embedding_projection(hidden)
        shape = ops.shape(hidden)
        look = self._looks(ids["padding_mask"], shape)
        rows = tf.zeros_like(ids["token_ids"][:, 0])
        nothing = NOTHING_SAID[model.is_regression]
        said = tf.zeros_like(rows, tf.float32 if model.is_regression else tf.int32) + nothing
        logits = tf.zeros((shape[0], model.num_classes))
        hidden = ops.reshape(hidden, (-1, backbone.albert_config.hidden_size))
        start = (tf.constant(0), hidden, said, rows, logits, rows)
        *_, logits, depth = tf.while_loop(
            # Who has not left has no depth yet.
            lambda *state: tf.reduce_any(tf.equal(state[-1], 0)),
            lambda *state: _in_shape(look(*state), state),
            start,
            maximum_iterations=self._num_depths,
        )
        return {"logits": logits, "depth": depth}

    def _looks(self, padding_mask, shape):
        """What a step does: one depth more, and who of the rows leaves after it."""
        model, encoder, pooler = self.model, self.model.backbone.encoder, self.model.backbone.pooler
        padding = ops.cast(1 - ops.cast(padding_mask, "int32"), "float32")
        padding_score = ops.expand_dims(padding * PADDING_SCORE, (1, 2))
        attentions = [layer.kernels() for layer in encoder.attentions]
        feed_forwards = [layer.kernels() for layer in encoder.feed_forwards]
        # All heads at once, a small product: a step cannot choose its weights.
        kernel = ops.concatenate([head.projection.kernel for head in model.heads], axis=1)
        bias = ops.concatenate([head.projection.bias for head in model.heads], axis=0)

        def look(number, hidden, said, streak, logits, depth):
            for a, f in self._uses:
                hidden = attend(encoder.attentions[a], hidden, attentions[a], padding_score)
                hidden = feed_forward(encoder.feed_forwards[f], hidden, feed_forwards[f])
            every = product(pooler(ops.reshape(hidden, shape)), kernel, bias)
            every = tf.reshape(every, (-1, self._num_depths, model.num_classes))
            found = tf.gather(every, number, axis=1)
            if model.is_regression:
                says = found[:, 0]
                agrees = tf.abs(says - said) < model.tolerance
            else:
                says = tf.argmax(found, axis=-1, output_type=tf.int32)
                agrees = tf.equal(says, said)
            streak = tf.where(agrees, streak + 1, tf.zeros_like(streak))
            waits, number = tf.equal(depth, 0), number + 1
            logits = tf.where(tf.expand_dims(waits, 1), found, logits)
            leaves = tf.logical_and(
                waits, (streak >= model.patience) | (number >= self._num_depths)
            )
            depth = tf.where(leaves, tf.zeros_like(depth) + number, depth)
            return number, hidden, says, streak, logits, depth

        return look


def _in_shape(values, state):
    return [shaped_as(value, like) for value, like in zip(values, state, strict=True)]
