"""The speed of a plain `model.fit`, beside its losses."""

import keras

from albert_tf.training.pretraining.throughput import (
    Pace,
    RowCost,
    matrix_peak,
    training_flops_per_row,
)


class Throughput(keras.callbacks.Callback):
    """Adds `tokens_per_second` and `share_of_matrix_peak` to what `fit` shows of each epoch.

    The first update of a `fit` is left out, since it is compiled, and so is validation. An epoch
    of nothing else gets no speed.

    Args:
        batch_size: rows of a batch, over all replicas.
        sequence_length: tokens of a row, padding included.
        max_predictions: masked positions of a row, padding included.
        num_devices: accelerators that share a batch; the logical devices of a processor are one.
    """

    def __init__(self, batch_size, sequence_length, max_predictions, num_devices=1):
        super().__init__()
        self.batch_size, self.sequence_length = batch_size, sequence_length
        self.max_predictions, self.num_devices = max_predictions, num_devices

    def on_train_begin(self, logs=None):
        backbone = self.model.backbone
        on_accelerator = not keras.distribution.list_devices()[0].startswith("cpu")
        operations = training_flops_per_row(
            backbone.albert_config, self.sequence_length, self.max_predictions
        )
        self._pace = Pace(
            self.batch_size,
            RowCost(self.sequence_length, operations),
            self.num_devices * matrix_peak(backbone.compute_dtype, on_accelerator),
        )
        self._is_compiled = False

    def on_epoch_begin(self, epoch, logs=None):
        self._step, self._measured = 0, {}
        if self._is_compiled:
            self._pace.start(0)

    def on_train_batch_end(self, batch, logs=None):
        self._step = batch + 1  # of this epoch; with steps_per_execution it goes in leaps
        if not self._is_compiled:
            self._is_compiled = True
            self._pace.start(self._step)

    def on_test_begin(self, logs=None):
        self._measured = self._pace.measure(self._step)

    def on_epoch_end(self, epoch, logs=None):
        logs.update(self._measured or self._pace.measure(self._step))
