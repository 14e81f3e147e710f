"""The loss of a text that is written token by token."""

import keras
from keras import ops

from albert_tf.tasks.losses import BY_WEIGHT, BatchMean


@keras.saving.register_keras_serializable("albert_tf")
class SmoothedCrossentropy(BatchMean):
    """Cross-entropy with a share of the answer spread over all tokens (Szegedy et al. 2016).

    The mean is over tokens that count, not over texts: those of all replicas together.

    Args:
        label_smoothing: share in [0, 1); 0 is the plain cross-entropy.

    Call arguments:
        y_true: int `(batch, seq_len)`.
        y_pred: float `(batch, seq_len, vocab_size)`, not normalized.

    Raises:
        ValueError: `label_smoothing` is out of its range.
    """

    def __init__(
        self,
        label_smoothing=0.0,
        reduction=BY_WEIGHT,
        name="smoothed_crossentropy",
        **kwargs,
    ):
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing must be in [0, 1): got {label_smoothing}.")
        super().__init__(name=name, reduction=reduction, **kwargs)
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        y_true = ops.cast(y_true, "int32")
        loss = ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)
        if not self.label_smoothing:
            return loss
        uniform = ops.logsumexp(y_pred, axis=-1) - ops.mean(y_pred, axis=-1)
        return (1 - self.label_smoothing) * loss + self.label_smoothing * uniform

    def get_config(self):
        return super().get_config() | {"label_smoothing": self.label_smoothing}
