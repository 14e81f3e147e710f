"""The directory of one training run: what was set, what happened, what came out."""

import json
import math
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from albert_tf.staging import new_file, refuse_existing

PACKAGES = ("albert-tf", "keras", "keras-hub", "tensorflow", "tensorflow-text", "numpy")
SOURCE = Path(__file__).parents[2]


class RunDirectory:
    """Writes the files of a run; each is whole at any time.

    The directory exists from the first step on, so that a long run can be watched and a broken
    one keeps its record; a run that ended well has a `summary.json`.

    | file | content |
    | --- | --- |
    | `settings.json` | every setting, as a recipe that repeats the run |
    | `environment.json` | command, versions, git commit, seed, processor count |
    | `resumed.jsonl` | the same, and the step, each time that the run went on |
    | `metrics.jsonl` | one JSON object a measurement, with its `step` |
    | `tensorboard/` | the same numbers for TensorBoard |
    | `learning_curve.png` | the same numbers as a picture |
    | `summary.json` | the result, and warnings about it |

    Args:
        path: new directory, or an existing one that is empty.
        settings: JSON values.
        seed: of all chance.

    Raises:
        FileExistsError: `path` exists and is not an empty directory.
    """

    def __init__(self, path, settings: dict, seed: int):
        self.path = Path(path)
        refuse_existing(self.path)
        self.path.mkdir(parents=True, exist_ok=True)
        self._seed = seed
        self._begin([])
        self.write_json("settings.json", settings)
        self.write_json("environment.json", environment(seed))

    def _begin(self, rows):
        self.rows = rows
        self._started = time.monotonic() - (rows[-1]["seconds"] if rows else 0)
        self._boards = {}

    @classmethod
    def begin_or_go_on(cls, path, settings: dict, seed: int, free_to_change=()):
        """Opens a run: a new one, or one that was broken off with the same settings.

        Args:
            path, settings, seed: as above.
            free_to_change: names of settings that may differ when a run goes on.

        Raises:
            FileExistsError: `path` holds something else than a run, or one that is at its end.
            ValueError: `path` holds a run of other settings; the message lists them.
        """
        path = Path(path)
        if not (path / "settings.json").is_file():
            return cls(path, settings, seed)
        if (path / "summary.json").is_file():
            raise FileExistsError(
                f"The run in {path} is at its end. Choose another directory for a new one."
            )
        _check_equal(path, settings, free_to_change)
        run = cls.__new__(cls)
        run.path, run._seed = path, seed
        run.write_json("settings.json", settings)
        run._begin(_read_rows(path / "metrics.jsonl"))
        return run

    def go_on_from(self, step):
        """Forgets what was measured after `step`, since those updates are made again.

        At step 0 nothing was done before, and nothing is noted; later, the sitting is noted in
        `resumed.jsonl`.
        """
        kept = [row for row in self.rows if row["step"] <= step]
        with new_file(self.path / "metrics.jsonl", overwrite=True) as staged:
            staged.write_text("".join(_line(row) for row in kept), encoding="utf-8")
        self._begin(kept)
        if step:
            with (self.path / "resumed.jsonl").open("a", encoding="utf-8") as file:
                file.write(_line({"step": step, **environment(self._seed)}))

    def write_json(self, name, value):
        """Writes a JSON file; numbers that are not finite become null."""
        with new_file(self.path / name, overwrite=True) as staged:
            staged.write_text(json.dumps(_finite(value), indent=2) + "\n", encoding="utf-8")

    def log(self, split, step, **values):
        """Adds one measurement to `metrics.jsonl` and to TensorBoard.

        Args:
            split: `train`, `dev`, ...: a curve of its own.
            step: number of updates so far.
            **values: name -> number.
        """
        seconds = round(time.monotonic() - self._started, 3)
        row = {"split": split, "step": step, "seconds": seconds, **values}
        self.rows.append(row)
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(_line(row))
        self._log_to_tensorboard(split, step, values)

    def _log_to_tensorboard(self, split, step, values):
        import tensorflow as tf

        if split not in self._boards:
            folder = str(self.path / "tensorboard" / split)
            self._boards[split] = tf.summary.create_file_writer(folder)
        # `tf.summary.scalar` needs the tensorboard package; this writes what it writes.
        scalars = tf.compat.v1.SummaryMetadata(
            plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
        )
        with self._boards[split].as_default():
            for name, value in values.items():
                tf.summary.write(name, tf.constant(value, tf.float32), step, metadata=scalars)
        self._boards[split].flush()

    def finish(self, summary: dict):
        """Writes the learning curve and, last, the summary."""
        for board in self._boards.values():
            board.close()
        with new_file(self.path / "learning_curve.png", overwrite=True) as staged:
            draw_curves(self.rows, staged)
        self.write_json("summary.json", summary)


def _line(row):
    return json.dumps(_finite(row)) + "\n"


def _read_rows(path):
    """The rows of `metrics.jsonl`; the last line may be cut off where the machine went down."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _check_equal(path, settings, free_to_change):
    before = json.loads((path / "settings.json").read_text(encoding="utf-8"))
    settings = json.loads(json.dumps(_finite(settings)))
    names = sorted((before.keys() | settings.keys()) - set(free_to_change))
    changed = [
        f"{name} was {before.get(name)!r} and is {settings.get(name)!r}"
        for name in names
        if before.get(name) != settings.get(name)
    ]
    if changed:
        raise ValueError(
            f"A run goes on with the settings that it was begun with; in {path}, "
            f"{'; '.join(changed)}. Give the same ones, or another directory for a new run."
        )


def environment(seed) -> dict:
    """What must be known to repeat a run, besides its settings."""
    return {
        "command": sys.argv,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "seed": seed,
        "commit": _commit(),
        "versions": {name: _version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
    }


def draw_curves(rows, path):
    """Draws every quantity that was measured more than once, one panel each, over the steps.

    Args:
        rows: dicts as `RunDirectory.log` makes them.
        path: PNG file to write.
    """
    from matplotlib.figure import Figure

    curves = {}
    for row in rows:
        for name in row.keys() - {"split", "step", "seconds"}:
            if isinstance(row[name], int | float) and math.isfinite(row[name]):
                curve = curves.setdefault(name, {}).setdefault(row["split"], [])
                curve.append((row["step"], row[name]))
    names = sorted(curves, key=lambda name: (name != "loss", name))
    figure = Figure(figsize=(5 * max(1, len(names)), 3.5), layout="constrained")
    for axes, name in zip(
        np.atleast_1d(figure.subplots(1, max(1, len(names)))), names, strict=False
    ):
        for split, points in sorted(curves[name].items()):
            axes.plot(
                *zip(*points, strict=True), label=split, marker="." if len(points) < 50 else ""
            )
        axes.set(title=name.replace("_", " "), xlabel="step")
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=100)


def _finite(value):
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _version(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit():
    """The commit of our source tree, marked when files differ from it; None if installed."""
    if not (SOURCE / ".git").exists():
        return None

    def git(*words):
        return subprocess.run(
            ["git", "-C", SOURCE, *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + (" with changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
