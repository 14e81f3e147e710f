"""The loop over updates: measures, scores, saves, and stops when it is told to."""

import contextlib
import math
import signal
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from albert_tf.training.pretraining.checkpoints import assign_values, values_of
from albert_tf.training.pretraining.measures import Measures


class Loop:
    """Takes a run from the step where it stands to its end.

    Args:
        settings: `PretrainSettings`.
        steps: an object with `train(batch)` and `score(batch)`, for example `TensorFlowSteps`.
        variables: all that a checkpoint holds; the weights and the optimizer's.
        checkpoints: `Checkpoints`.
        record: called as `record(split, step, **values)` for every measurement.
        row_cost: `(tokens, operations)` of one row of a batch, for the throughput.
        matrix_peak: operations a second that the machine can do at best.
        show: whether to draw a progress bar on stderr.
    """

    def __init__(
        self, settings, steps, variables, checkpoints, record, *, row_cost, matrix_peak, show=True
    ):
        self.settings = settings
        self.steps = steps
        self.variables = variables
        self.checkpoints = checkpoints
        self.record = record
        self.row_cost = row_cost
        self.matrix_peak = matrix_peak
        self.progress = Progress(
            TextColumn("pretraining"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            console=Console(stderr=True, quiet=not show),
        )

    def restore(self) -> int:
        """Puts the newest checkpoint back; returns its step, 0 where there is none."""
        done = self.checkpoints.steps()
        if not done:
            return 0
        values, _ = self.checkpoints.load(done[-1])
        assign_values(self.variables, values)
        return done[-1]

    def run(self, first_step, batches, held_out) -> int:
        """Trains until the last step, or until SIGTERM or SIGINT asks for an end.

        Args:
            first_step: number of updates that are done.
            batches: iterable of the batches from there on.
            held_out: function giving an iterable of the batches to score; None for no scores.

        Returns:
            The number of updates that are done now; a checkpoint of it is written.

        Raises:
            ArithmeticError: the loss stopped being a finite number.
        """
        settings, step = self.settings, first_step
        measures, since = Measures(), (time.perf_counter(), first_step)
        bar = self.progress.add_task("", total=settings.steps, completed=first_step)
        with self.progress, stop_requests() as stopping:
            for batch in batches:
                if step == settings.steps or stopping:
                    break
                measures.add(self.steps.train(batch))
                step += 1
                self.progress.update(bar, completed=step)
                ends = step == settings.steps
                if step % settings.log_every == 0 or ends:
                    since = self._log(step, measures.take(), since, bar)
                if held_out is not None and (step % settings.eval_every == 0 or ends):
                    started = time.perf_counter()
                    self._score(step, held_out())
                    since = (since[0] + time.perf_counter() - started, since[1])
                if step % settings.save_every == 0 or ends:
                    self.save(step)
        if step > first_step:
            self.save(step)
        return step

    def save(self, step):
        """Writes a checkpoint of the step; one that exists already is left."""
        self.checkpoints.save(step, values_of(self.variables))

    def _log(self, step, values, since, bar):
        if not math.isfinite(values["loss"]):
            raise ArithmeticError(
                f"The training loss stopped being a number by step {step} of "
                f"{self.settings.steps}. Go back to a checkpoint with a lower learning rate or a "
                "longer warm-up."
            )
        now = time.perf_counter()
        rows = (step - since[1]) * self.settings.batch_size / (now - since[0])
        tokens, operations = self.row_cost
        values["tokens_per_second"] = rows * tokens
        values["share_of_matrix_peak"] = rows * operations / self.matrix_peak
        self.record("train", step, **values)
        order = values.get("sentence_order_accuracy")
        self.progress.update(
            bar,
            description=f"masked words {values['masked_lm_accuracy']:.1%}"
            + (f", order {order:.1%}" if order is not None else "")
            + f", {values['tokens_per_second']:,.0f} tokens/s",
        )
        return now, step

    def _score(self, step, batches):
        measures = Measures()
        for batch in batches:
            measures.add(self.steps.score(batch))
        values = measures.take()
        self.record("held_out", step, **values)
        best = self.checkpoints.best()
        if best is None or values["masked_lm_accuracy"] > best["score"]:
            self.save(step)
            self.checkpoints.mark_best(step, values["masked_lm_accuracy"])


@contextlib.contextmanager
def stop_requests():
    """Turns SIGTERM and SIGINT into a wish: the yielded list is filled when one has come.

    The step that is under way ends, and a checkpoint is written. A second SIGINT interrupts.
    """
    requests = []

    def wish(number, frame):
        if requests and number == signal.SIGINT:
            raise KeyboardInterrupt
        requests.append(number)

    previous = {number: signal.signal(number, wish) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield requests
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
