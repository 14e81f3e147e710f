"""The loop over updates: measures, scores, saves, and stops when it is told to.

Whatever happens to the process, a run that goes on from a checkpoint does the same as one that
was never broken off. So a checkpoint is written after all else that its step asks for, and holds
what was added up for the next measurement.
"""

import math
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from albert_tf.training.pretraining.measures import Measures
from albert_tf.training.pretraining.throughput import Pace
from albert_tf.training.pretraining.variables import refuse_not_finite

SECONDS_BETWEEN_PICTURES = 60


class Loop:
    """Takes a run from the step where it stands to its end.

    Args:
        settings: `PretrainSettings`.
        backend: `TensorFlowBackend` or `JaxBackend`.
        run: `RunDirectory`, or `Rows` on workers beside the chief.
        checkpoints: `Checkpoints`; written by the chief alone.
        row_cost: `RowCost` of the model and the records, for the throughput.
        matrix_peak: operations a second that the machine can do at best.
        has_held_out: whether there are rows to score.
        show: whether to draw a progress bar on stderr.
    """

    def __init__(
        self,
        settings,
        backend,
        run,
        checkpoints,
        *,
        row_cost,
        matrix_peak,
        has_held_out,
        show=True,
    ):
        self.settings = settings
        self.backend = backend
        self.run = run
        self.checkpoints = checkpoints
        self.has_held_out = has_held_out
        self.measures = Measures()
        self.pace = Pace(settings.batch_size, row_cost, matrix_peak)
        self._drawn = time.monotonic()
        self.progress = Progress(
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            console=Console(stderr=True, quiet=not show),
            expand=True,
        )

    def go_on_from(self, step):
        """Puts the checkpoint of a step back; at 0 there is none, and all stays as it is."""
        if step:
            values, state = self.checkpoints.load(step)
            self.backend.assign(values)
            self.measures = Measures(state.get("measures"))
        if self.backend.is_chief:
            self.checkpoints.tidy(self._best())

    def train(self, step, requests) -> int:
        """Trains from a step until the last one, or until there are requests for an end.

        Args:
            step: number of updates that are done.
            requests: list that `stop_requests` fills.

        Returns:
            The number of updates that are done now; a checkpoint of it is written.

        Raises:
            ArithmeticError: the loss or a weight stopped being a finite number.
        """
        first, batches = step, iter(self.backend.train_batches(step))
        self._task = self.progress.add_task("", total=self.settings.steps, completed=step)
        with self.progress:
            while step < self.settings.steps and not self._shall_stop(requests):
                self.measures.add(self.backend.steps.train(next(batches)))
                step += 1
                self._after(step, is_first=step == first + 1)
        if step > first:
            self._save(step)
        return step

    def _shall_stop(self, requests):
        return self.backend.sum_of_workers(len(requests)) > 0

    def _after(self, step, is_first):
        settings, ends = self.settings, step == self.settings.steps
        self.progress.update(self._task, completed=step)
        if step % settings.log_every == 0 or ends:
            self._log(step)
        with self.pace.break_taken():
            if self.has_held_out and (step % settings.eval_every == 0 or ends):
                self._score(step)
            if step % settings.save_every == 0 or ends:
                self._save(step)
                self._draw_now_and_then()
        if is_first:
            self.measures.totals()  # waits until it is done
            self.pace.start(step)

    def _log(self, step):
        self._refuse_not_finite(step)
        values = self.measures.take() | self.pace.measure(step)
        self.run.log("train", step, **values)
        self.progress.update(self._task, description=in_words(values))

    def _score(self, step):
        measures = Measures()
        with self.backend.averaged():
            for batch in self.backend.held_out_batches():
                measures.add(self.backend.steps.score(batch))
        self.run.log("held_out", step, **measures.take())
        if (self._best() or (None,))[0] == step:
            self._save(step)

    def _draw_now_and_then(self):
        """Brings the picture of the curves up to date, for whoever watches a long run."""
        if time.monotonic() > self._drawn + SECONDS_BETWEEN_PICTURES:
            self.run.draw()
            self._drawn = time.monotonic()

    def _best(self):
        """Step and score of the best scores of the held-out rows; of equals the first."""
        name = self.settings.best_by
        sign = -1 if name.endswith("loss") else 1
        scored = [
            (row["step"], row[name])
            for row in self.run.rows
            if row["split"] == "held_out" and row.get(name) is not None and math.isfinite(row[name])
        ]
        return max(scored, key=lambda pair: sign * pair[1], default=None)

    def _save(self, step):
        """Writes a checkpoint of the step, and names the best one, which is kept."""
        if not self.backend.is_chief or step in self.checkpoints.steps():
            return
        self._refuse_not_finite(step)
        values = self.backend.values()
        refuse_not_finite(values, step)
        self.checkpoints.save(step, values, {"measures": self.measures.totals()})
        self.checkpoints.tidy(self._best())

    def _refuse_not_finite(self, step):
        if not self.measures.are_finite():
            raise ArithmeticError(
                f"The training loss stopped being a number by step {step} of "
                f"{self.settings.steps}. Begin a new run with a lower learning rate or a longer "
                "warm-up."
            )


def in_words(values):
    forms = {
        "masked_lm_accuracy": "words {:.1%}",
        "sentence_order_accuracy": "order {:.1%}",
        "tokens_per_second": "{:,.0f} tokens/s",
    }
    return ", ".join(form.format(values[name]) for name, form in forms.items() if name in values)
