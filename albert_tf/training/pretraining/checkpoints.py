"""Checkpoints on the way: all that a run needs to go on as if it had never stopped.

One directory a checkpoint, `step-00001000/`, moved into place when it is whole, so that a killed
run leaves none that only looks whole; a checksum tells what went bad afterwards. The position in
the data is the count of updates, which is the step. The files belong to no backend and to no
number of devices.
"""

import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from albert_tf.checkpoints import safetensors_file
from albert_tf.staging import new_directory, new_file, refuse_existing, remove_unfinished

VARIABLES_FILE = "variables.safetensors"
STATE_FILE = "state.json"
BEST_FILE = "best.json"
_NAME = re.compile(r"step-(\d{8,})$")


class DamagedCheckpoint(ValueError):
    """The files of a checkpoint are not what was written."""


class Checkpoints:
    """The checkpoints of one run.

    Args:
        directory: where they stand; made when the first one is written.
        keep: how many of the newest to keep. The best one is kept besides.
    """

    def __init__(self, directory, keep=2):
        self.directory = Path(directory)
        self.keep = keep

    def steps(self) -> list[int]:
        """Steps of which there is a checkpoint, in order."""
        found = (_NAME.match(path.name) for path in self._entries())
        return sorted(int(match[1]) for match in found if match)

    def path(self, step) -> Path:
        """Where the checkpoint of a step stands."""
        return self.directory / f"step-{step:08d}"

    def save(self, step, values, state=None):
        """Writes a checkpoint.

        Args:
            step: number of updates so far.
            values: name -> array.
            state: JSON values to keep beside them.

        Raises:
            FileExistsError: there is one of this step.
            OSError: it could not be written, for example on a full disk; the others stay whole.
        """
        path = self.path(step)
        refuse_existing(path)
        try:
            with new_directory(path) as staged:
                _write(staged, step, values, state or {})
        except (OSError, SafetensorError) as error:
            reason = error.__cause__ or error  # `DiskFull` has advice of its own
            raise OSError(
                f"The checkpoint {path} could not be written: {reason}. The ones before it are "
                f"whole: {self.steps() or 'none yet'}. Make room, and the same command goes on "
                "from the newest."
            ) from error

    def load(self, step):
        """Reads a checkpoint.

        Returns:
            The dictionaries `values` and `state` that `save` was given.

        Raises:
            DamagedCheckpoint: a file is missing or not what was written.
        """
        path = self.path(step)
        try:
            state = json.loads((path / STATE_FILE).read_text(encoding="utf-8"))
            if _sha256(path / VARIABLES_FILE) != state["sha256"]:
                raise DamagedCheckpoint(f"{path} is damaged: its content is not what was written.")
            return load_file(path / VARIABLES_FILE), state
        except (FileNotFoundError, KeyError, json.JSONDecodeError, SafetensorError) as error:
            raise DamagedCheckpoint(f"{path} is damaged: {error!r}.") from error

    def newest_whole(self):
        """Finds the checkpoint to go on from, and moves damaged ones that are newer out of the way.

        Returns:
            `(step, damaged)`: 0 where there are no checkpoints; and the new paths of the damaged.

        Raises:
            DamagedCheckpoint: there are some, and none is whole.
        """
        if self.directory.is_dir():
            remove_unfinished(self.directory)
        damaged = []
        for step in reversed(self.steps()):
            try:
                self.load(step)
            except DamagedCheckpoint:
                damaged.append(step)
                continue
            return step, [self._put_aside(number) for number in damaged]
        if damaged:
            raise DamagedCheckpoint(
                f"{self.directory} has the checkpoints {damaged[::-1]}, and none of them is whole. "
                "Remove it to begin again at step 0, or bring back a copy."
            )
        return 0, []

    def tidy(self, best=None):
        """Removes the checkpoints that are not kept, and names the best one in `best.json`.

        Args:
            best: `(step, score)` of the best so far, or None.
        """
        steps = self.steps()
        if best is None or best[0] not in steps:
            (self.directory / BEST_FILE).unlink(missing_ok=True)
            best = (None, None)
        elif self.best() != {"step": best[0], "score": best[1]}:
            with new_file(self.directory / BEST_FILE, overwrite=True) as staged:
                text = json.dumps({"step": best[0], "score": best[1]}) + "\n"
                staged.write_text(text, encoding="utf-8")
        for step in steps[: -self.keep]:
            if step != best[0]:
                shutil.rmtree(self.path(step))

    def best(self) -> dict | None:
        """`step` and `score` of the best checkpoint, or None."""
        path = self.directory / BEST_FILE
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def _entries(self):
        return list(self.directory.iterdir()) if self.directory.is_dir() else []

    def _put_aside(self, step):
        path = self.directory / f"damaged-{self.path(step).name}"
        shutil.rmtree(path, ignore_errors=True)
        return self.path(step).rename(path)


def _write(directory, step, values, state):
    values = {name: np.asarray(value, order="C") for name, value in values.items()}
    safetensors_file.write(directory / VARIABLES_FILE, values)
    content = {"step": step, "sha256": _sha256(directory / VARIABLES_FILE), **state}
    (directory / STATE_FILE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    for name in (VARIABLES_FILE, STATE_FILE):
        # On the disk before the directory gets its name, lest a power cut leaves holes in it.
        with (directory / name).open("rb+") as file:
            os.fsync(file.fileno())


def _sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
