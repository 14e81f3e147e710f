"""Weights on their way between a file and a model: all of them find their place, or none."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from keras import ops

from albert_tf.checkpoints.error import CheckpointError

NAMELESS = "without a published name"


class Stored(NamedTuple):
    """A weight in a file: its shape, and the function that reads its values."""

    shape: tuple
    read: Callable[[], np.ndarray]


def stored_array(array):
    """A weight that is in memory already."""
    return Stored(tuple(array.shape), lambda: np.asarray(array))


def check_fit(shapes, rows, stored, source, model):
    """Compares the weights of a model with those of a checkpoint, by name and shape.

    Args:
        shapes: path of our weight -> shape.
        rows: `Row`s that give each of them a published name.
        stored: published name -> `Stored` (or anything with a `shape`).
        source: the checkpoint, for the message.
        model: the model, for the message.

    Raises:
        CheckpointError: a weight is missing, unexpected, misshapen or has no published name.
    """
    missing, misshapen, homeless = [], [], []
    for row in rows:
        if row.ours not in shapes:
            homeless.append(f"{row.published} (ours: {row.ours})")
            continue
        expected = tuple(shapes[row.ours])[:: -1 if row.transposed else 1]
        if row.published not in stored:
            missing.append(f"{row.published} {list(expected)}")
        elif tuple(stored[row.published].shape) != expected:
            found = list(stored[row.published].shape)
            misshapen.append(f"{row.published}: found {found}, expected {list(expected)}")
    known = {row.published for row in rows}
    unexpected = [f"{name} {list(w.shape)}" for name, w in stored.items() if name not in known]
    misfits = {
        "missing": missing,
        "unexpected": unexpected,
        "misshapen": misshapen,
        "without a place in the model": homeless,
        NAMELESS: _nameless(shapes, rows),
    }
    raise_misfits(source, model, misfits)


def _nameless(shapes, rows):
    mapped = {row.ours for row in rows}
    return [f"{path} {list(shape)}" for path, shape in shapes.items() if path not in mapped]


def raise_misfits(source, model, misfits):
    """Raises one `CheckpointError` that lists all misfits, if there are any.

    Args:
        source: the checkpoint.
        model: the model.
        misfits: what is wrong -> the weights of which it is wrong, as text.
    """
    misfits = {what: sorted(names) for what, names in misfits.items() if names}
    if not misfits:
        return
    counts = ", ".join(f"{len(names)} {what}" for what, names in misfits.items())
    lines = [f"{source} does not fit {model}: {counts}."]
    for what, names in misfits.items():
        lines += [f"  {what}:"] + [f"    {name}" for name in names]
    hint = _hint(misfits)
    raise CheckpointError("\n".join([*lines, hint] if hint else lines))


def _hint(misfits):
    unexpected = misfits.get("unexpected", [])
    if any("encoder/layer_0/" in name or "encoder.layer.0." in name for name in unexpected):
        return "These are the names of a BERT, which has other weights in every layer."
    if "misshapen" in misfits:
        return "Is the configuration that of this checkpoint? config= or its fields override it."
    return ""


def place(weights, model, rows, stored, source):
    """Gives every weight its published values; none changes if one does not fit.

    Args:
        weights: Keras variables, told apart by their paths.
        model: what they belong to, for the message.
        rows: `Row`s that give each of them a published name.
        stored: published name -> `Stored`.
        source: the checkpoint, for the message.

    Raises:
        CheckpointError: see `check_fit`; or the values cannot be read.
    """
    weights = {weight.path: weight for weight in weights}
    shapes = {path: tuple(weight.shape) for path, weight in weights.items()}
    check_fit(shapes, rows, stored, source, model)
    for row in rows:
        values = stored[row.published].read()
        weights[row.ours].assign((values.T if row.transposed else values).astype("float32"))


def gather(model, rows, target):
    """The weights of `model` under their published names.

    Returns:
        Published name -> float32 array.

    Raises:
        CheckpointError: a weight of the model has no published name.
    """
    weights = {weight.path: weight for weight in model.weights}
    shapes = {path: tuple(weight.shape) for path, weight in weights.items()}
    raise_misfits(target, type(model).__name__, {NAMELESS: _nameless(shapes, rows)})
    arrays = {}
    for row in rows:
        values = ops.convert_to_numpy(ops.cast(weights[row.ours], "float32"))
        arrays[row.published] = np.ascontiguousarray(values.T if row.transposed else values)
    return arrays
