"""Weights of our own presets: read by Keras, once it is seen that nothing is left over."""

import tempfile
from collections import Counter
from pathlib import Path

import h5py
import keras

from albert_tf.checkpoints.error import CheckpointError
from albert_tf.checkpoints.weights import raise_misfits


def load_weights(directory, model, backbone):
    """Places all weights of a preset's file in the backbone, or in what a task adds to it.

    Keras raises for what a file lacks, but not for what it has too much.

    Args:
        directory: the preset.
        model: the backbone itself, or the task on it.
        backbone: the backbone.

    Raises:
        CheckpointError: the file is damaged, or lists what is missing, unexpected and misshapen.
    """
    if model is backbone:
        path, save, skipped = directory / "model.weights.h5", model.save_weights, []
        variables = model.variables
    else:
        path, save = directory / "task.weights.h5", model.save_task_weights
        # The state of a finished training is no weight; without this Keras would warn of it.
        skipped = [*backbone._flatten_layers(), model.optimizer]
        theirs = {id(variable) for variable in backbone.variables}
        variables = [v for v in model.variables if id(v) not in theirs]
    found = _shapes(path)
    if Counter(found.values()) != Counter(tuple(variable.shape) for variable in variables):
        _raise_differences(path, found, save, type(model).__name__)
    keras.saving.load_weights(model, str(path), objects_to_skip=skipped)


def _raise_differences(path, found, save, model):
    # The names in the file are Keras's own; a file of this model shows which they should be.
    with tempfile.TemporaryDirectory() as directory:
        sample = Path(directory) / path.name
        save(str(sample))
        expected = _shapes(sample)
    common = found.keys() & expected.keys()
    misshapen = [
        f"{name}: found {list(found[name])}, expected {list(expected[name])}"
        for name in common
        if found[name] != expected[name]
    ]
    misfits = {
        "missing": [f"{n} {list(s)}" for n, s in expected.items() if n not in common],
        "unexpected": [f"{n} {list(s)}" for n, s in found.items() if n not in common],
        "misshapen": misshapen,
    }
    raise_misfits(str(path), model, misfits)


def _shapes(path):
    shapes = {}

    def note(name, node):
        # The optimizer's slots are no weights of the model.
        if isinstance(node, h5py.Dataset) and not name.startswith("optimizer/"):
            shapes[name] = node.shape

    try:
        with h5py.File(path, "r") as file:
            file.visititems(note)
    except FileNotFoundError as error:
        raise CheckpointError(f"The preset lacks {path}.") from error
    except (OSError, RuntimeError, KeyError) as error:
        raise CheckpointError(
            f"{path} cannot be read as a Keras weights file: {error}. Is the file complete?"
        ) from error
    return shapes
