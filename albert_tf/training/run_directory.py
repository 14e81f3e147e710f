"""The directory of one training run: what was set, what happened, what came out."""

import contextlib
import json
import math
import os
import re
import shutil
import time
from pathlib import Path

from albert_tf.staging import full_disk_named, new_file, refuse_existing, remove_unfinished
from albert_tf.training.environment import environment
from albert_tf.training.event_file import EventFile
from albert_tf.training.report import write_report

SETTINGS, ENVIRONMENT = "settings.json", "environment.json"
METRICS, SUMMARY = "metrics.jsonl", "summary.json"
NO_CURVE = {"split", "step", "seconds"}
# What is written before the settings, or was going to be.
_BEGINNING = re.compile(r"environment\.json$|\.[0-9a-f]{8}\.(environment|settings)\.json$")


class Rows:
    """The measurements of a run, in memory alone: all that a worker beside the chief keeps."""

    def __init__(self):
        self._begin([])

    def _begin(self, rows):
        self.rows = rows
        self._started = time.monotonic() - (rows[-1]["seconds"] if rows else 0)

    def log(self, split, step, **values):
        """Adds one measurement.

        Args:
            split: `train`, `dev`, ...: a curve of its own.
            step: number of updates so far.
            **values: name -> number.

        Returns:
            The row, with the `seconds` since the start of the run, breaks left out.
        """
        seconds = round(time.monotonic() - self._started, 3)
        row = {"split": split, "step": step, "seconds": seconds, **values}
        self.rows.append(row)
        return row

    def draw(self):
        """Nothing: what is in memory alone has no picture."""


class RunDirectory(Rows):
    """Writes the files of a run; each is whole at any time.

    The directory exists from the first step on, so that a long run can be watched and a broken
    one keeps its record; a run that ended well has a `summary.json`.

    | file | content |
    | --- | --- |
    | `settings.json` | every setting, as a recipe that repeats the run |
    | `environment.json` | command, versions, commit, seed, processors, checksums of the data |
    | `resumed.jsonl` | the same, and the step, each time that the run went on |
    | `metrics.jsonl` | one JSON object a measurement, with its `step` |
    | `tensorboard/` | the same numbers for TensorBoard |
    | `learning_curve.png` | the same numbers as a picture |
    | `report.html` | all of it for people, as one page |
    | `summary.json` | the result, and warnings about it |

    Args:
        path: new directory, or an existing one that is empty.
        settings: JSON values.
        seed: of all chance.
        data: name -> checksum of what the run learns from.

    Raises:
        FileExistsError: `path` exists and is not an empty directory.
    """

    def __init__(self, path, settings: dict, seed: int, data=None):
        self._open(path, seed, [])
        refuse_existing(self.path)
        about = environment(seed) | {"data": data or {}}
        self.path.mkdir(parents=True, exist_ok=True)
        self.write_json(ENVIRONMENT, about)
        self.write_json(SETTINGS, settings)

    def _open(self, path, seed, rows):
        self._begin(rows)
        self.path, self._seed, self._boards = Path(path), seed, {}

    @classmethod
    @contextlib.contextmanager
    def begin_or_go_on(
        cls, path, settings: dict, seed: int, data=None, *, defaults=None, free_to_change=()
    ):
        """Opens a run: a new one, or one that was broken off with the same settings and data.

        Within the block no other process can open it, where the system has file locks.

        Args:
            path, settings, seed, data: as above.
            defaults: settings -> the value that a run had before they came into being.
            free_to_change: names of settings that may differ when a run goes on.

        Raises:
            FileExistsError: `path` holds something else than a run, or one that is at its end, or
                one that another process is writing.
            ValueError: `path` holds a run of other settings or data; the message lists them.
        """
        path = Path(path)
        if not (path / SETTINGS).is_file():
            if not _has_hardly_begun(path):
                refuse_existing(path)
            path.mkdir(parents=True, exist_ok=True)
        with _locked(path):
            if not (path / SETTINGS).is_file():
                if _has_hardly_begun(path):
                    for left in path.iterdir():
                        left.unlink()
                yield cls(path, settings, seed, data)
                return
            if (path / SUMMARY).is_file():
                raise FileExistsError(
                    f"The run in {path} is at its end. Choose another directory for a new one."
                )
            _check_settings(path, settings, defaults or {}, free_to_change)
            _check_data(path, data or {})
            remove_unfinished(path)
            run = cls.__new__(cls)
            run._open(path, seed, _read_rows(path / METRICS))
            run.write_json(SETTINGS, settings)
            yield run

    def go_on_from(self, step, **notes):
        """Forgets what was measured after `step`, since those updates are made again.

        At step 0 nothing was done before, and nothing is noted; later, the sitting is noted in
        `resumed.jsonl`.

        Args:
            step: number of updates that are done.
            **notes: JSON values for `resumed.jsonl`.
        """
        self._open(self.path, self._seed, [row for row in self.rows if row["step"] <= step])
        with new_file(self.path / METRICS, overwrite=True) as staged:
            staged.write_text("".join(map(_line, self.rows)), encoding="utf-8")
        shutil.rmtree(self.path / "tensorboard", ignore_errors=True)
        begin = time.time() - (time.monotonic() - self._started)
        for row in self.rows:
            self._log_to_tensorboard(row, begin + row["seconds"])
        if step:
            with (self.path / "resumed.jsonl").open("a", encoding="utf-8") as file:
                file.write(_line({"step": step, **notes, **environment(self._seed)}))

    def write_json(self, name, value):
        """Writes a JSON file; numbers that are not finite become null."""
        with new_file(self.path / name, overwrite=True) as staged:
            staged.write_text(json.dumps(_finite(value), indent=2) + "\n", encoding="utf-8")

    def log(self, split, step, **values):
        """Adds one measurement, also to `metrics.jsonl` and to TensorBoard; see `Rows.log`."""
        row = super().log(split, step, **values)
        path = self.path / METRICS
        with full_disk_named(path), path.open("a", encoding="utf-8") as file:
            file.write(_line(row))
        self._log_to_tensorboard(row)
        return row

    def _log_to_tensorboard(self, row, wall_time=None):
        split = row["split"]
        if split not in self._boards:
            self._boards[split] = EventFile(self.path / "tensorboard" / split)
        # Read back from JSON, what was no finite number is None.
        values = {n: v for n, v in row.items() if n not in NO_CURVE and v is not None}
        self._boards[split].add(row["step"], values, wall_time)

    def draw(self):
        """Writes the learning curve so far: all that was measured, the loss first."""
        from albert_tf.pictures.charts import draw_curves

        rows = _finite(self.rows)
        found = {name for row in rows for name in row if row[name] is not None} - NO_CURVE
        names = sorted(found, key=lambda name: (name != "loss", name))
        measures = {name: name.replace("_", " ") for name in names}
        with new_file(self.path / "learning_curve.png", overwrite=True) as staged:
            draw_curves({"": rows}, measures).savefig(staged, format="png", dpi=100)

    def finish(self, summary: dict, compared=()):
        """Writes the learning curve, the report and, last, the summary.

        Args:
            summary: JSON values.
            compared: `report.Compared`s for the report.
        """
        self.draw()
        write_report(self.path, _finite(summary), compared)
        self.write_json(SUMMARY, summary)


@contextlib.contextmanager
def _locked(path):
    """Keeps other processes out of a directory; the system opens it again when this one dies."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise FileExistsError(
            f"Another process is writing the run in {path}. Wait for its end, or end it first."
        ) from error
    else:
        yield
    finally:
        os.close(descriptor)


def _has_hardly_begun(path):
    """Whether all that is there was left by a run that was killed before it had its settings."""
    return path.is_dir() and all(_BEGINNING.match(left.name) for left in path.iterdir())


def _line(row):
    return json.dumps(_finite(row)) + "\n"


def _read_rows(path):
    """The rows of `metrics.jsonl`; the last line may be cut off where the machine went down."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _check_settings(path, settings, defaults, free_to_change):
    before = defaults | _read_json(path / SETTINGS)
    settings = json.loads(json.dumps(_finite(settings)))
    strange = sorted(before.keys() - settings.keys())
    if strange:
        raise FileExistsError(
            f"{path} holds a run of another kind: it has the settings {', '.join(strange)}. Choose "
            "another directory."
        )
    changed = [
        f"{name} was {before.get(name)!r} and is {value!r}"
        for name, value in settings.items()
        if before.get(name) != value and name not in free_to_change
    ]
    if changed:
        raise ValueError(
            f"A run goes on with the settings that it was begun with; in {path}, "
            f"{'; '.join(changed)}. Give the same ones, or another directory for a new run."
        )


def _check_data(path, data):
    before = _read_json(path / ENVIRONMENT).get("data", {})
    changed = [name for name, checksum in data.items() if before.get(name, checksum) != checksum]
    if changed:
        raise ValueError(
            f"A run goes on with the data that it was begun with; for {path} the content of "
            f"{', '.join(changed)} is another. Give the same, or another directory for a new run."
        )


def _read_json(path):
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, FileNotFoundError) as error:
        raise ValueError(
            f"A run goes on only where {path} can be read: {error}. Bring it back, or choose "
            "another directory for a new run."
        ) from error


def _finite(value):
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
