"""Pretraining on masked words and sentence order (paper §3.1, §4.1), the short form: one sitting.

It keeps no checkpoints on the way and trains on one device.
"""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from albert_tf.models.objectives import MEASURES
from albert_tf.optimizers.adamw import AdamW
from albert_tf.optimizers.lamb import Lamb
from albert_tf.optimizers.schedule import WarmupPolynomialDecay

OPTIMIZERS = {"lamb": Lamb, "adamw": AdamW}
NAMES = ("loss", *MEASURES)


def pretrain(
    model,
    dataset: tf.data.Dataset,
    validation: tf.data.Dataset | None = None,
    *,
    optimizer: str = "lamb",
    learning_rate: float = 0.00176,
    warmup_fraction: float = 0.025,
    weight_decay: float = 0.01,
    jit_compile: bool | str = "auto",
    log_every: int = 50,
    log: Callable[..., None] | None = None,
    show: bool = True,
) -> dict[str, dict[str, float]]:
    """Trains an `AlbertPretrainer` on a dataset once, with warm-up and linear decay.

    The defaults are the paper's, for batches of 4096 rows; a small model on small batches learns
    more from a higher rate.

    Args:
        model: `AlbertPretrainer`; it is compiled here.
        dataset: batches from `pretraining_dataset`, all epochs in one; its length must be known.
        validation: the same of held-out text, evaluated at the end.
        optimizer: `lamb` or `adamw`.
        learning_rate: the peak.
        warmup_fraction: share of the updates in which the rate rises, in [0, 1).
        weight_decay: as in the optimizer.
        jit_compile: whether XLA compiles the step; Keras's `auto` never does on a CPU. There it
            speeds a small model in float32 up (1.6 times at 128 wide), and slows bfloat16 down.
        log_every: updates between two measurements.
        log: called as `log(split, step, **values)` for every measurement, for example
            `RunDirectory.log`; `split` is `train` or `dev`.
        show: whether to draw a progress bar on stderr.

    Returns:
        The last measurement of each split: `train`, and `dev` where there is `validation`. Each
        holds `loss`, `masked_lm_loss`, `masked_lm_accuracy`, `sentence_order_loss` and
        `sentence_order_accuracy`; those of `train` are means since the measurement before.

    Raises:
        ValueError: the length of the dataset is unknown or zero, or an argument is off its range.
        ArithmeticError: the loss stopped being a finite number.
    """
    total_steps = _num_batches(dataset)
    if optimizer not in OPTIMIZERS:
        raise ValueError(f"optimizer must be one of {', '.join(OPTIMIZERS)}: got {optimizer!r}.")
    if not 0 <= warmup_fraction < 1:
        raise ValueError(
            f"warmup_fraction is a share of the updates, in [0, 1): got {warmup_fraction}."
        )
    schedule = WarmupPolynomialDecay(
        learning_rate, total_steps, warmup_steps=int(warmup_fraction * total_steps)
    )
    model.compile(
        OPTIMIZERS[optimizer](schedule, weight_decay=weight_decay), jit_compile=jit_compile
    )
    measurements = {}

    def record(split, step, **values):
        measurements[split] = values
        if log is not None:
            log(split, step, **values)

    measuring = _Measuring(total_steps, log_every, record, show)
    model.fit(dataset, verbose=0, shuffle=False, callbacks=[measuring])
    if validation is not None:
        logs = model.evaluate(validation, verbose=0, return_dict=True)
        record("dev", total_steps, **named_by_objective(logs))
    return measurements


def named_by_objective(logs: dict) -> dict[str, float]:
    """The logs of an `AlbertPretrainer` as plain numbers, in the order of the original's log."""
    return {name: float(logs[name]) for name in NAMES}


def _num_batches(dataset):
    num_batches = int(dataset.cardinality())
    if num_batches < 1:
        raise ValueError(
            "pretrain needs a finite dataset that knows its number of batches: got cardinality "
            f"{num_batches}. Apply take(n) after repeat(), or "
            "tf.data.experimental.assert_cardinality(n)."
        )
    return num_batches


class _Measuring(keras.callbacks.Callback):
    """Shows progress, hands over the means of every `log_every` updates, stops at a broken loss."""

    def __init__(self, total_steps, log_every, record, show):
        super().__init__()
        self.total_steps, self.log_every, self.record = total_steps, log_every, record
        self.progress = Progress(
            TextColumn("pretraining"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            console=Console(stderr=True, quiet=not show),
        )
        self.bar = self.progress.add_task("", total=total_steps)

    def on_train_begin(self, logs=None):
        self.progress.start()

    def on_train_batch_end(self, batch, logs=None):
        self.progress.advance(self.bar)
        step = batch + 1
        if step % self.log_every and step != self.total_steps:
            return
        values = named_by_objective(logs)
        if not np.isfinite(values["loss"]):
            raise ArithmeticError(
                f"The training loss stopped being a number by step {step} of {self.total_steps}. "
                "Use a lower learning rate or a longer warm-up."
            )
        self.record("train", step, **values)
        self.progress.update(
            self.bar,
            description=f"masked words {values['masked_lm_accuracy']:.1%} right, "
            f"sentence order {values['sentence_order_accuracy']:.1%}",
        )
        # Keras's means run from the start of the epoch; those since here say more.
        self.model.reset_metrics()

    def on_train_end(self, logs=None):
        self.progress.stop()
