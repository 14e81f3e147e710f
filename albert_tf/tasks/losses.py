"""The usual losses of the tasks: means over the batch, however many replicas share it.

Keras takes the mean over what one replica holds, and then the mean of these means. Replicas hold
unequal numbers of words, of tokens to write or of windows, and that is another loss than the mean
over the batch. So here each replica adds up its own losses and divides by what counts on all of
them: the gradients of the replicas add up to that of the batch, as in `models.objectives`.
"""

import keras
from keras import ops

from albert_tf.layers.replicas import num_replicas, sum_over_replicas

BY_WEIGHT = "mean_with_sample_weight"
MEANS = ("sum_over_batch_size", "mean", BY_WEIGHT)


class BatchMean(keras.losses.Loss):
    """Base of losses whose `call` gives a loss for each answer, float `(batch, ...)`.

    Args:
        factor: what every loss is multiplied by.
        reduction: as in Keras. `sum_over_batch_size` divides by the number of answers, whatever
            they weigh; `mean_with_sample_weight` by their weights, so that padding of weight 0 is
            not counted. These two are means over all replicas; any other is left to Keras.
        **kwargs: as in Keras.
    """

    def __init__(self, factor=1.0, reduction="sum_over_batch_size", **kwargs):
        super().__init__(reduction=reduction, **kwargs)
        self.factor = factor

    def __call__(self, y_true, y_pred, sample_weight=None):
        if self.reduction not in MEANS:
            return self.factor * super().__call__(y_true, y_pred, sample_weight)
        losses = self.call(ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred, self.dtype))
        weights = ops.ones_like(losses)
        if sample_weight is not None:
            weights = weights * _as_wide(ops.cast(sample_weight, losses.dtype), losses)
        counted = weights if self.reduction == BY_WEIGHT else ops.ones_like(losses)
        count = sum_over_replicas(ops.sum(counted))
        share = self.factor * ops.divide_no_nan(ops.sum(losses * weights), count)
        if num_replicas() == 1:
            return share
        # Its gradient is that of this replica's share, its value the same on all of them: Keras
        # shows the mean of the values, and weighs it by the rows that each has.
        equal = sum_over_replicas(ops.stop_gradient(share)) / num_replicas()
        return share + ops.stop_gradient(equal - share)

    def get_config(self):
        return super().get_config() | {"factor": self.factor}


@keras.saving.register_keras_serializable("albert_tf")
class ClassCrossentropy(BatchMean):
    """Of answers with one class each.

    Call arguments:
        y_true: int `(batch, ...)`.
        y_pred: float `(batch, ..., num_classes)`, not normalized.

    Raises:
        ValueError: rows of 0 and 1 for labels.
    """

    def call(self, y_true, y_pred):
        self.refuse_rows(tuple(y_true.shape), len(y_pred.shape), y_pred.shape[-1])
        labels = ops.cast(ops.reshape(y_true, ops.shape(y_pred)[:-1]), "int32")
        return ops.sparse_categorical_crossentropy(labels, y_pred, from_logits=True)

    @staticmethod
    def refuse_rows(shape, rank, num_classes):
        """Raises `ValueError` where labels of a shape are rows of 0 and 1.

        Args:
            shape: tuple of the labels; a length may be None in a graph.
            rank: number of dimensions of the logits.
            num_classes: the last of these.
        """
        if len(shape) == rank and num_classes > 1 and shape[-1] == num_classes:
            raise ValueError(
                "Labels must be numbers of classes, one an answer: got rows of the shape "
                f"{shape}. Give their argmax; where several classes may be right, a classifier "
                "has multi_label=True."
            )


@keras.saving.register_keras_serializable("albert_tf")
class LabelCrossentropy(BatchMean):
    """Of labels that do not exclude each other, each there or not; a row's is their mean.

    Call arguments:
        y_true: 0 or 1, `(batch, num_labels)`, or `(batch,)` for a single one.
        y_pred: float of the same shape, not normalized.
    """

    def call(self, y_true, y_pred):
        labels = ops.cast(ops.reshape(y_true, ops.shape(y_pred)), y_pred.dtype)
        losses = ops.binary_crossentropy(labels, y_pred, from_logits=True)
        return losses if len(losses.shape) == 1 else ops.mean(losses, axis=-1)


@keras.saving.register_keras_serializable("albert_tf")
class SquaredError(BatchMean):
    """Of numbers.

    Call arguments:
        y_true: float `(batch,)` or `(batch, 1)`.
        y_pred: float `(batch, 1)`.
    """

    def call(self, y_true, y_pred):
        errors = y_pred - ops.cast(ops.reshape(y_true, ops.shape(y_pred)), y_pred.dtype)
        return ops.mean(ops.square(errors), axis=-1)


def _as_wide(weights, losses):
    """Weights of rows, or of answers, with as many dimensions as the losses."""
    missing = len(losses.shape) - len(weights.shape)
    if missing < 0:
        return ops.reshape(weights, ops.shape(losses))
    return ops.reshape(weights, (*ops.shape(weights), *[1] * missing))
