"""Rows that are longer than the model, cut into windows that overlap, in the graph."""

from typing import NamedTuple

import tensorflow as tf


class Windows(NamedTuple):
    """Windows of a batch of rows, in the order of the rows.

    Args:
        rows: int64 `(num_windows,)`, the row that each window is of; every row has one or more.
        places: int64 ragged `(num_windows, size)`, indices into the values of all rows.
        is_best: bool ragged like `places`; each place of a row is True in exactly one window, the
            one in whose middle it lies best (the original's "max context").
    """

    rows: tf.Tensor
    places: tf.RaggedTensor
    is_best: tf.RaggedTensor

    def take(self, values):
        """What `values` `(num_places, ...)` has in the windows, as a ragged tensor."""
        return self.places.with_values(tf.gather(values, self.places.values))


def cut_windows(lengths, size, overlap) -> Windows:
    """Cuts rows into windows, in the graph.

    Args:
        lengths: int64 `(batch,)`, of the rows, which lie one behind the other.
        size: most places of a window.
        overlap: places that neighbours share, less than `size`.
    """
    step = size - overlap
    too_long = tf.maximum(lengths - size, 0)
    counts = 1 + (too_long + step - 1) // step
    rows = tf.repeat(tf.range(tf.shape(counts, tf.int64)[0]), counts)
    numbers = tf.ragged.range(counts).values
    starts = numbers * step
    ends = tf.minimum(starts + size, tf.gather(lengths, rows))
    inside = tf.ragged.range(starts, ends)
    row_starts = tf.cumsum(lengths, exclusive=True)
    shifts = tf.repeat(tf.gather(row_starts, rows), inside.row_lengths())
    # Neighbours share their overlap half and half.
    best = tf.maximum(inside.values - overlap // 2, 0) // step
    last = tf.gather(counts, rows) - 1
    best = tf.minimum(best, tf.repeat(last, inside.row_lengths()))
    is_best = best == tf.repeat(numbers, inside.row_lengths())
    return Windows(rows, inside.with_values(inside.values + shifts), inside.with_values(is_best))
