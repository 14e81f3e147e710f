"""What happens during a fine-tuning: progress is shown, dev rows are scored, the best is kept."""

import time

import keras
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from albert_tf.metrics import is_better
from albert_tf.training.answers import predict_logits, score_logits

LOG_EVERY = 50


class DevEvaluation(keras.callbacks.Callback):
    """Scores the dev rows, logs, shows progress, and keeps the best weights in memory.

    It scores at the end of each epoch, and with `eval_steps` also after every so many updates: the
    published numbers are those of the best checkpoint on dev, one every 100 updates. Stops the
    training after `patience` epochs without a better score, and at once when the loss is no longer
    a finite number.

    Args:
        preparation: `Preparation` of the run.
        run: `RunDirectory` to log into.
        show: whether to draw a progress bar and the dev scores, on stderr.

    Attributes:
        best_scores, best_logits, best_weights, best_epoch, best_step: of the best evaluation; None
            before one.
        loss_is_finite: False once the training loss was NaN or infinite.
        steps: updates so far.
    """

    def __init__(self, preparation, run, show=True):
        super().__init__()
        self.preparation, self.run = preparation, run
        self.progress = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            console=Console(stderr=True, quiet=not show),
        )
        self.bar = self.progress.add_task("", total=preparation.total_steps)
        self.best_scores = self.best_logits = self.best_weights = None
        self.best_epoch = self.best_step = None
        self.loss_is_finite = True
        self.steps = 0
        self._mark = (0, 0.0, time.monotonic())  # batch of the epoch, sum of losses, time

    def on_train_begin(self, logs=None):
        self.progress.start()

    def on_epoch_begin(self, epoch, logs=None):
        self._mark = (0, 0.0, time.monotonic())

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1
        self.progress.advance(self.bar)
        loss = logs["loss"]
        if not np.isfinite(loss):
            self.loss_is_finite = False
            self.model.stop_training = True
            self.run.log("train", self.steps, loss=loss)
            return
        if (batch + 1) % LOG_EVERY == 0 or batch + 1 == self.preparation.steps_per_epoch:
            self._log_training(batch + 1, loss)
        eval_steps = self.preparation.settings.eval_steps
        last = batch + 1 == self.preparation.steps_per_epoch  # scored at the end of the epoch
        if eval_steps is not None and self.steps % eval_steps == 0 and not last:
            self._score_dev(self.steps // self.preparation.steps_per_epoch + 1)

    def _log_training(self, batches, mean_loss):
        # Keras hands the mean since the epoch began; the mean since the last entry says more.
        seen, loss_sum, since = self._mark
        self._mark = (batches, mean_loss * batches, time.monotonic())
        recent = (mean_loss * batches - loss_sum) / (batches - seen)
        examples = (batches - seen) * self.preparation.settings.batch_size
        self.progress.update(self.bar, description=f"loss {recent:.3f}")
        self.run.log(
            "train",
            self.steps,
            loss=recent,
            learning_rate=float(self.model.optimizer.learning_rate),
            examples_per_second=examples / (self._mark[2] - since),
        )

    def on_epoch_end(self, epoch, logs=None):
        if not self.loss_is_finite:
            return
        self._score_dev(epoch + 1)
        patience = self.preparation.settings.patience
        if patience is not None and epoch + 1 - (self.best_epoch or 0) >= patience:
            self.model.stop_training = True

    def _score_dev(self, epoch):
        prep = self.preparation
        logits = predict_logits(self.model, prep.dev, prep.dev_lengths)
        scores = score_logits(prep.problem, prep.metrics, prep.dev.labels, logits)
        self.run.log("dev", self.steps, **scores)
        text = ", ".join(f"{name.replace('_', ' ')} {score:.4f}" for name, score in scores.items())
        place = f"epoch {epoch} of {prep.settings.epochs}, update {self.steps}"
        self.progress.console.print(f"{place}: dev {text}")
        leader = prep.metrics[0]
        best = self.best_scores and self.best_scores[leader]
        if is_better(leader, scores[leader], best):
            self.best_scores, self.best_logits = scores, logits
            self.best_epoch, self.best_step = epoch, self.steps
            self.best_weights = self.model.get_weights()

    def on_train_end(self, logs=None):
        self.progress.stop()
