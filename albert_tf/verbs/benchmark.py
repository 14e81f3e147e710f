"""The verb that tells how fast a model is here."""

import json
from dataclasses import dataclass
from pathlib import Path

from albert_tf.training.fields import flag
from albert_tf.training.settings import PRECISIONS

COLUMNS = ("rows", "tokens", "encoder", "seconds", "tokens/s", "of matrix peak", "beside ours")


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Time an encoder on this machine, beside keras_hub's ALBERT of the same shape."""

    config: str = flag("configuration file or preset name", default="base")
    rows: tuple[int, ...] = flag("rows of a batch, each timed", default=(1, 16))
    sequence_length: tuple[int, ...] = flag("tokens of a row, each timed", default=(128,))
    training: bool = flag("time forward and backward, not forward alone", default=False)
    precision: str = flag("of the arithmetic", choices=PRECISIONS, default="auto")
    repeats: int = flag("timed calls of each", default=15)
    out: Path | None = flag("write the numbers to this new JSON file, too", default=None)

    def __post_init__(self):
        for name in ("rows", "sequence_length"):
            if not all(value >= 1 for value in getattr(self, name)):
                raise ValueError(f"{name} must be at least 1: got {getattr(self, name)}.")
        if self.repeats < 1:
            raise ValueError(f"repeats must be at least 1: got {self.repeats}.")

    def start(self):
        from albert_tf.staging import new_file, refuse_existing
        from albert_tf.training.benchmark import benchmark
        from albert_tf.training.environment import environment
        from albert_tf.training.precision import dtype_policy
        from albert_tf.training.starting_config import read_config

        if self.out is not None:
            refuse_existing(self.out)
        config, found = read_config(self.config), []
        policy = dtype_policy(self.precision)
        print(f"{self.config}: {config.num_params:,} parameters, {policy}")
        for length in self.sequence_length:
            for rows in self.rows:
                shape = {"rows": rows, "sequence_length": length}
                timed = benchmark(
                    config, **shape, policy=policy, training=self.training, repeats=self.repeats
                )
                found += [shape | row for row in timed]
        _print_table(found)
        if self.out is not None:
            report = {"environment": environment(0), "policy": policy, "rows": found}
            with new_file(self.out) as staged:
                staged.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _print_table(found):
    from rich.console import Console
    from rich.table import Table

    table = Table(*COLUMNS)
    for row in found:
        table.add_row(
            str(row["rows"]),
            str(row["sequence_length"]),
            row["encoder"],
            f"{row['seconds']:.4f}",
            f"{row['tokens_per_second']:,.0f}",
            f"{row['share_of_matrix_peak']:.0%}",
            f"{row['time_beside_ours']:.2f}",
        )
    Console().print(table)
