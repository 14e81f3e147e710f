"""Checkpoints on the way: all that a run needs to go on as if it had never stopped.

One directory a checkpoint, `step-00001000/`, moved into place when it is whole, so that the
newest one that exists can be trusted. It holds every variable under its path: weights, moments,
averages and the count of updates. The position in the data is that count. The files belong to no
backend and no number of devices.
"""

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from albert_tf.staging import new_directory, new_file

VARIABLES_FILE = "variables.safetensors"
STATE_FILE = "state.json"
_NAME = re.compile(r"step-(\d{8,})$")


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
        """Steps of which there is a whole checkpoint, in order."""
        if not self.directory.is_dir():
            return []
        found = (_NAME.match(path.name) for path in self.directory.iterdir())
        return sorted(int(match[1]) for match in found if match)

    def path(self, step) -> Path:
        """Where the checkpoint of a step stands."""
        return self.directory / f"step-{step:08d}"

    def save(self, step, variables, state=None):
        """Writes a checkpoint, then removes those that are not kept.

        Args:
            step: number of updates so far.
            variables: path -> array, as `values_of` gives them.
            state: JSON values to keep beside them.

        Returns:
            `Path` of the directory. One that exists already is left as it is.
        """
        path = self.path(step)
        if path.is_dir():
            return path
        with new_directory(path) as staged:
            save_file(variables, staged / VARIABLES_FILE)
            digest = _sha256(staged / VARIABLES_FILE)
            values = {"step": step, "sha256": digest, **(state or {})}
            (staged / STATE_FILE).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        self._remove_old()
        return path

    def load(self, step):
        """Reads a checkpoint.

        Returns:
            The dictionaries `variables` and `state` that `save` was given.

        Raises:
            FileNotFoundError: there is none of this step.
            ValueError: the files are damaged; the message says how to go on from another one.
        """
        path = self.path(step)
        state = json.loads((path / STATE_FILE).read_text(encoding="utf-8"))
        try:
            if _sha256(path / VARIABLES_FILE) != state["sha256"]:
                raise ValueError("its content is not what was written")
            return load_file(path / VARIABLES_FILE), state
        except (ValueError, SafetensorError) as error:
            raise ValueError(
                f"The checkpoint {path} is damaged: {error}. Remove it, and the run goes on from "
                f"the one before: {[s for s in self.steps() if s < step] or 'the start'}."
            ) from error

    def mark_best(self, step, score):
        """Names the best checkpoint so far; the one named before may be removed."""
        with new_file(self.directory / "best.json", overwrite=True) as staged:
            staged.write_text(json.dumps({"step": step, "score": score}) + "\n", encoding="utf-8")

    def best(self) -> dict | None:
        """`step` and `score` of the best checkpoint, or None."""
        path = self.directory / "best.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def _remove_old(self):
        best = self.best()
        for step in self.steps()[: -self.keep]:
            if best is None or step != best["step"]:
                shutil.rmtree(self.path(step))


def values_of(variables) -> dict[str, np.ndarray]:
    """The values of Keras variables under unique names: number and path.

    The number tells apart variables of one path, and keeps the order.
    """
    return {
        f"{number:04d} {variable.path}": np.ascontiguousarray(variable.numpy())
        for number, variable in enumerate(variables)
    }


def assign_values(variables, values):
    """Puts what `values_of` gave back into the variables of an equal model and optimizer.

    Raises:
        ValueError: a value is missing, left over or misshapen: another model or optimizer.
    """
    variables = list(variables)
    names = [f"{number:04d}" for number in range(len(variables))]
    by_number = {name.partition(" ")[0]: (name, value) for name, value in values.items()}
    if sorted(by_number) != names:
        raise ValueError(
            f"The checkpoint must hold the {len(names)} variables of this run: it has "
            f"{len(values)}. Go on with the settings that it was written with."
        )
    for name, variable in zip(names, variables, strict=True):
        stored, value = by_number[name]
        if tuple(value.shape) != tuple(variable.shape):
            raise ValueError(
                f"{stored} of the checkpoint has the shape {value.shape}, and {variable.path} of "
                f"this run {tuple(variable.shape)}. Go on with the settings of the checkpoint."
            )
        variable.assign(value)


def _sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
