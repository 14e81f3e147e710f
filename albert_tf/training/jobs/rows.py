"""What the jobs share: batches of raw rows by length, and files of answers."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from albert_tf.staging import new_file
from albert_tf.training.batches import bucketed_order


def training_rows(lengths, take: Callable, batch_size, epochs, seed) -> tf.data.Dataset:
    """All epochs of a training as one dataset of known length, rows of similar length together.

    Args:
        lengths: int array `(num_rows,)`, of the rows in any unit.
        take: from an int tensor of indices to the raw `(x, y)` of a batch, in the graph.
        batch_size, epochs: as they say.
        seed: with the epoch's number it fixes the epoch's order.
    """
    batches = []
    for epoch in range(epochs):
        batches += bucketed_order(lengths, batch_size, np.random.default_rng((seed, epoch)))
    indices = tf.RaggedTensor.from_row_lengths(np.concatenate(batches), [len(b) for b in batches])
    return tf.data.Dataset.from_tensor_slices(indices).map(take)


def write_rows(rows, path: Path):
    """Writes dictionaries as JSON lines."""
    with new_file(path, overwrite=True) as staged, staged.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write_lines(lines, path: Path):
    """Writes lines of text."""
    with new_file(path, overwrite=True) as staged, staged.open("w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines)
