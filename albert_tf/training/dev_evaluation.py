"""What happens during a fine-tuning: progress is shown, dev rows are scored, the best is kept."""

import time

import keras
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from albert_tf.training.model_copies import copy_of, copy_weights
from albert_tf.training.pretraining.variables import averages_in_place

LOG_EVERY = 50


class DevEvaluation(keras.callbacks.Callback):
    """Scores the dev rows, logs, shows progress, and keeps the best weights in memory.

    It scores at the end of each epoch, and with `eval_steps` also after every so many updates: the
    published numbers are those of the best checkpoint on dev, one every 100 updates. Stops the
    training after `patience` epochs without a better score, at the last update, and at once when
    the loss is no longer a finite number. With moving averages it scores and keeps these.

    Args:
        preparation: `Preparation` of the run.
        run: `RunDirectory` to log into.
        show: whether to draw a progress bar and the dev scores, on stderr.

    Attributes:
        best_scores, best_rows, best_weights, best_epoch, best_step: of the best evaluation; None
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
        self.best_scores = self.best_rows = self.best_weights = None
        self.best_epoch = self.best_step = None
        self.loss_is_finite = True
        self.steps = self._parts = 0
        self._mark = (0, 0.0, time.monotonic())  # batch of the epoch, sum of losses, time
        # What lives on several devices would answer as often.
        num_replicas = preparation.model.distribute_strategy.num_replicas_in_sync
        needs_copy = num_replicas > 1 or preparation.job.scores_a_copy
        self._scored = copy_of(preparation.model) if needs_copy else None

    @property
    def leader(self):
        """Name of the score that picks the best weights; None before the first evaluation."""
        return self.best_scores and next(iter(self.best_scores))

    def on_train_begin(self, logs=None):
        self.progress.start()

    def on_epoch_begin(self, epoch, logs=None):
        self._mark = (0, 0.0, time.monotonic())

    def on_train_batch_end(self, batch, logs=None):
        prep, loss = self.preparation, logs["loss"]
        self._parts += 1
        if not np.isfinite(loss):
            self.loss_is_finite = False
            self.model.stop_training = True
            self.run.log("train", self.steps, loss=loss)
            return
        if self._parts % prep.settings.accumulate:
            return
        self.steps += 1
        self.progress.advance(self.bar)
        of_epoch = self.steps % prep.steps_per_epoch or prep.steps_per_epoch
        ends = of_epoch == prep.steps_per_epoch or self.steps == prep.total_steps
        if of_epoch % LOG_EVERY == 0 or ends:
            self._log_training(batch + 1, loss)
        eval_steps = prep.settings.eval_steps
        if eval_steps is not None and self.steps % eval_steps == 0 and not ends:
            self._score_dev(self.steps // prep.steps_per_epoch + 1)
        if self.steps == prep.total_steps:
            self.model.stop_training = True

    def _log_training(self, batches, mean_loss):
        # Keras hands the mean since the epoch began; the mean since the last entry says more.
        seen, loss_sum, since = self._mark
        self._mark = (batches, mean_loss * batches, time.monotonic())
        recent = (mean_loss * batches - loss_sum) / (batches - seen)
        settings = self.preparation.settings
        examples = (batches - seen) * settings.batch_size / settings.accumulate
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
        with averages_in_place(self.model, self.model.optimizer):
            scores, rows = prep.job.evaluate(self._model_to_score(), prep.dev)
            self._keep_if_better(epoch, scores, rows)
        self.run.log("dev", self.steps, **scores)
        shown = list(scores.items())[:4]
        text = ", ".join(f"{name.replace('_', ' ')} {score:.4f}" for name, score in shown)
        place = f"epoch {epoch} of {prep.epochs}, update {self.steps}"
        self.progress.console.print(f"{place}: dev {text}")

    def _keep_if_better(self, epoch, scores, rows):
        leader = next(iter(scores))
        best = self.best_scores and self.best_scores[leader]
        if is_better(self.preparation.job, leader, scores[leader], best):
            self.best_scores, self.best_rows = scores, rows
            self.best_epoch, self.best_step = epoch, self.steps
            self.best_weights = self.model.get_weights()

    def _model_to_score(self):
        if self._scored is None:
            return self.model
        copy_weights(self.model, self._scored)
        return self._scored

    def on_train_end(self, logs=None):
        self.progress.stop()


def is_better(job, name, score, best) -> bool:
    """Whether a score beats the best so far; None is no score yet, and NaN beats nothing."""
    if np.isnan(score):
        return False
    if best is None:
        return True
    return score > best if job.larger_is_better(name) else score < best
