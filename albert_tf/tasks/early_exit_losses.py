"""What a classifier with a head for each depth is trained on and measured by."""

import keras
from keras import ops

from albert_tf.tasks.losses import BatchMean


@keras.saving.register_keras_serializable("albert_tf")
class DepthWeighted(BatchMean):
    """The mean of the losses of all depths, each weighted by its number (PABEE).

    Args:
        is_regression: squared errors in place of cross-entropies.

    Call arguments:
        y_true: int `(batch,)`; float for regression.
        y_pred: float `(batch, num_depths, num_classes)`, logits or numbers.
    """

    def __init__(self, is_regression=False, name="depth_weighted", **kwargs):
        super().__init__(name=name, **kwargs)
        self.is_regression = is_regression

    def call(self, y_true, y_pred):
        num_depths = y_pred.shape[1]
        y_true = ops.repeat(ops.reshape(y_true, (-1, 1)), num_depths, axis=1)
        if self.is_regression:
            losses = ops.square(y_pred[..., 0] - ops.cast(y_true, y_pred.dtype))
        else:
            losses = ops.sparse_categorical_crossentropy(
                ops.cast(y_true, "int32"), y_pred, from_logits=True
            )
        weights = ops.arange(1, num_depths + 1, dtype=losses.dtype)
        return ops.sum(losses * weights, axis=1) / ops.sum(weights)

    def get_config(self):
        return super().get_config() | {"is_regression": self.is_regression}


@keras.saving.register_keras_serializable("albert_tf")
def last_depth_accuracy(y_true, y_pred):
    """Whether the last depth gives the right class, 0 or 1 a row."""
    found = ops.argmax(y_pred[:, -1], axis=-1)
    right = ops.equal(found, ops.cast(ops.reshape(y_true, (-1,)), found.dtype))
    return ops.cast(right, "float32")


@keras.saving.register_keras_serializable("albert_tf")
def last_depth_mse(y_true, y_pred):
    """The squared error of the last depth, a row each."""
    return ops.square(y_pred[:, -1, 0] - ops.cast(ops.reshape(y_true, (-1,)), y_pred.dtype))
