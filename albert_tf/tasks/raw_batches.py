"""Batches of raw input for answers that are not one tensor: words, masked places, windows."""

from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from albert_tf.tasks.base import BATCH_SIZE


def is_dataset(x) -> bool:
    """Whether `x` deals its batches itself."""
    return isinstance(x, (tf.data.Dataset, keras.utils.PyDataset))


def raw_batches(x, batch_size=None) -> Iterator[tuple[np.ndarray, object]]:
    """Deals raw input into batches of about the same length, short ones first.

    Args:
        x: string tensor `(rows,)`, or a dictionary of tensors or ragged tensors `(rows, ...)` of
            which one string tensor, `text`, tells the length; or a dataset of batches of such,
            whose order is kept.
        batch_size: rows of a batch; not for a dataset.

    Yields:
        `(indices, batch)`: the numbers of the rows, int array, and the rows themselves.
    """
    if is_dataset(x):
        start = 0
        for batch in x:
            stop = start + _num_rows(batch)
            yield np.arange(start, stop), batch
            start = stop
        return
    text = x["text"] if isinstance(x, dict) else x
    lengths = tf.strings.length(text, unit="BYTE").numpy()
    order = np.argsort(lengths, kind="stable")
    for start in range(0, len(order), batch_size or BATCH_SIZE):
        indices = order[start : start + (batch_size or BATCH_SIZE)]
        yield indices, keras.tree.map_structure(lambda a, i=indices: tf.gather(a, i), x)


def _num_rows(batch):
    return int(keras.tree.flatten(batch)[0].shape[0])
