"""Rows of data into batches, rows of answers into files."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from albert_tf.staging import new_file
from albert_tf.training.batches import bucketed_order


def training_rows(lengths, take: Callable, batch_size, epochs, seed) -> tf.data.Dataset:
    """All epochs of a training as one dataset of known length, rows of similar length together.

    A dataset of unknown length would make Keras count a step more each epoch, which shifts the
    learning rate.

    Args:
        lengths: int array `(num_rows,)`, of the rows in any unit.
        take: from an int tensor of indices to the raw `(x, y)` of a batch, in the graph.
        batch_size, epochs: as they say.
        seed: with the epoch's number it fixes the epoch's order.
    """
    batches = []
    for epoch in range(epochs):
        batches += bucketed_order(lengths, batch_size, np.random.default_rng((seed, epoch)))
    return index_batches(batches).map(take)


def index_batches(batches) -> tf.data.Dataset:
    """A dataset of index arrays, int32 `(rows of the batch,)`."""
    indices = tf.RaggedTensor.from_row_lengths(np.concatenate(batches), [len(b) for b in batches])
    return tf.data.Dataset.from_tensor_slices(indices)


def rough_lengths(texts) -> np.ndarray:
    """Lengths to find rows of similar length by, int array: eighths of the bytes of each text.

    Not finer, or equal texts would always meet in one batch.
    """
    return np.array([len(text.encode("utf-8", "surrogatepass")) // 8 for text in texts], np.int64)


def token_counts(columns, tokenizer, chunk=4096) -> np.ndarray:
    """Tokens of each example with special tokens, before anything is cut.

    Args:
        columns: string tensors `(num_examples,)`, one for each text of an example.
        tokenizer: `AlbertTokenizer`.
        chunk: texts at a time.

    Returns:
        int64 `(num_examples,)`.
    """
    counts = np.full(len(columns[0]), 1 + len(columns))
    for texts in columns:
        for start in range(0, len(texts), chunk):
            counts[start : start + chunk] += tokenizer(texts[start : start + chunk]).row_lengths()
    return counts


def write_rows(rows, path: Path):
    """Writes dictionaries as JSON lines."""
    with new_file(path, overwrite=True) as staged, staged.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write_lines(lines, path: Path):
    """Writes lines of text."""
    with new_file(path, overwrite=True) as staged, staged.open("w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines)


def write_table(rows, path: Path):
    """Writes dictionaries as TSV, without quoting: tabs and line ends in a text become spaces.

    A dictionary inside of a row becomes a column for each of its keys, a list one cell.
    """
    flat = [_flat(row) for row in rows]
    columns = list(dict.fromkeys(name for row in flat for name in row))
    table = ["\t".join(columns)]
    write_lines(table + ["\t".join(row.get(c, "") for c in columns) for row in flat], path)


def _flat(row):
    cells = {}
    for name, value in row.items():
        if isinstance(value, dict):
            cells |= {f"{name} of {key}": _cell(inner) for key, inner in value.items()}
        else:
            cells[name] = _cell(value)
    return cells


def _cell(value):
    if isinstance(value, float):
        return f"{value:.6f}"
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return " ".join(text.replace("\t", " ").splitlines())
