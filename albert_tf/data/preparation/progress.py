"""How far a preparation is, on the terminal."""

from collections import Counter

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column


class PreparationProgress:
    """A bar with documents, tokens and tokens per second.

    Args:
        quiet: shows nothing.
    """

    def __init__(self, quiet: bool):
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=8),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(elapsed_when_finished=True),
            # The one that gives way on a narrow screen.
            TextColumn("{task.fields[note]}", table_column=Column(ratio=1, no_wrap=True)),
            console=Console(stderr=True),
            disable=quiet,
            expand=True,
        )
        self._bar = None

    def __enter__(self):
        self._progress.start()
        return self

    def __exit__(self, *exception):
        self._progress.stop()

    def begin(self, description: str, total: float, done: float = 0):
        """Starts a bar: of `total` units of work, `done` were done by an earlier run."""
        self._bar = self._progress.add_task(description, total=total, completed=done, note="")

    def step(self, amount: float, counts: Counter | None = None):
        """Moves the bar; `counts` are those of this run so far."""
        self._progress.update(self._bar, advance=amount)
        if counts:
            seconds = self._progress.tasks[self._bar].elapsed or 1e-9
            documents = sum(n for name, n in counts.items() if name.startswith("documents/"))
            tokens = counts["tokens"]
            note = f"{documents:,} documents, {tokens:,} tokens, {tokens / seconds:,.0f} tokens/s"
            self._progress.update(self._bar, note=note)
