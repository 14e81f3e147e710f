"""Rows as a caller has them, lists, arrays or a dataset, as what Keras takes."""

import math

import keras
import numpy as np
import tensorflow as tf

from albert_tf.text.nested import without_surrogates

BATCH_SIZE = 32


def is_dataset(x) -> bool:
    """Whether `x` deals its batches itself."""
    return isinstance(x, (tf.data.Dataset, keras.utils.PyDataset))


def check_rows(x, y, needs_answers):
    """Raises `ValueError` where there is nothing to learn from, or nothing to learn."""
    if is_dataset(x):
        return
    if y is None and needs_answers:
        raise ValueError(
            "fit and evaluate need y, the answers to the rows of x, or a batched dataset of "
            "(x, y): got no y."
        )
    first = x
    while isinstance(first, (tuple, dict)) and first:
        first = next(iter(first.values())) if isinstance(first, dict) else first[0]
    # A ragged tensor has no length but a shape, a list the other way about.
    if (first.shape[:1] == (0,)) if hasattr(first, "shape") else not len(first):
        raise ValueError("fit and evaluate need rows: got none.")


def as_dataset(x, y=None, sample_weight=None, batch_size=None, shuffle=False):
    """A batched dataset; one that is given stays as it is."""
    if is_dataset(x):
        return x
    inputs = keras.utils.pack_x_y_sample_weight(*map(as_tensors, (x, y, sample_weight)))
    dataset = tf.data.Dataset.from_tensor_slices(inputs)
    if shuffle:
        dataset = dataset.shuffle(max(1, len(dataset)), reshuffle_each_iteration=True)
    return dataset.batch(batch_size or BATCH_SIZE)


def none_of(output):
    """What a model gives for no rows."""
    return np.zeros((0, *(size or 0 for size in output.shape[1:])), output.dtype)


def as_tensors(x):
    """Lists become tensors; tuples and dictionaries hold several inputs, as in keras_hub."""
    if isinstance(x, tuple):
        return tuple(map(as_tensors, x))
    if isinstance(x, dict):
        return {name: as_tensors(value) for name, value in x.items()}
    if x is None or isinstance(x, tf.RaggedTensor):
        return x
    x = tf.convert_to_tensor(without_surrogates(x))
    if not x.shape.rank:
        raise ValueError(
            f"fit, evaluate and predict take a batch: got a single value, {x.numpy()!r}. "
            "Put it in a list."
        )
    return x


def split(fraction, x, y, sample_weight):
    """Holds the last rows out: `x`, `y` and weights of the others, and a tuple of theirs."""
    arrays = tuple(map(as_tensors, (x, y, sample_weight)))
    total = _num_rows(arrays[0])
    cut = total - math.ceil(total * fraction)
    if not 0 < cut < total:
        raise ValueError(
            f"validation_split must leave rows on both sides: got {fraction} of {total} rows."
        )
    head, tail = slice(None, cut), slice(cut, None)
    return *_rows(arrays, head), _rows(arrays, tail)


def _num_rows(arrays):
    # Not len(): a ragged tensor has none.
    return int(keras.tree.flatten(arrays)[0].shape[0])


def _rows(arrays, part):
    return keras.tree.map_structure(lambda a: None if a is None else a[part], arrays)


def num_steps(dataset, kwargs) -> int:
    """Updates of the `fit` of a dataset with these arguments."""
    per_epoch = kwargs.get("steps_per_epoch")
    if per_epoch is None and isinstance(dataset, keras.utils.PyDataset):
        per_epoch = len(dataset)
    if per_epoch is None:
        per_epoch = int(dataset.cardinality())
    if per_epoch < 1:
        raise ValueError(
            "The default optimizer must know the number of steps, and this dataset does not tell "
            f"it (cardinality {per_epoch}). Give steps_per_epoch, apply "
            "tf.data.experimental.assert_cardinality(n), or compile with an optimizer of your own."
        )
    return per_epoch * (kwargs.get("epochs", 1) - kwargs.get("initial_epoch", 0))
