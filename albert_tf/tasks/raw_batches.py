"""Batches of raw input for answers that are not one tensor: words, masked places, windows."""

from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from albert_tf.tasks.given_rows import BATCH_SIZE, is_dataset
from albert_tf.text.nested import as_text


def raw_batches(x, batch_size=None) -> Iterator[tuple[np.ndarray, object]]:
    """Deals raw input into batches of about the same length, short ones first.

    Args:
        x: string tensor `(rows,)`, or a dictionary of tensors or ragged tensors `(rows, ...)`,
            whose strings tell the length; or a dataset of batches of such, whose order is kept.
        batch_size: rows of a batch; not for a dataset.

    Yields:
        `(indices, batch)`: the numbers of the rows, int array, and the rows themselves.

    Raises:
        ValueError: `x` is a single text, and no batch; or its columns differ in length.
    """
    if is_dataset(x):
        start = 0
        # A PyDataset has no end of its own.
        for batch in x if isinstance(x, tf.data.Dataset) else map(x.__getitem__, range(len(x))):
            stop = start + int(keras.tree.flatten(batch)[0].shape[0])
            yield np.arange(start, stop), batch
            start = stop
        return
    for column in keras.tree.flatten(x):
        if column.shape.rank == 0:
            raise ValueError(
                f"predict takes a batch: got a single value, {column.numpy()!r:.80}. Put it in a "
                "list."
            )
    sizes = [int(column.shape[0]) for column in keras.tree.flatten(x)]
    if len(set(sizes)) > 1:
        raise ValueError(f"Columns of a batch must have one length: got {sizes}.")
    order = np.argsort(sum(map(_num_bytes, keras.tree.flatten(x))), kind="stable")
    for start in range(0, len(order), batch_size or BATCH_SIZE):
        indices = order[start : start + (batch_size or BATCH_SIZE)]
        yield indices, keras.tree.map_structure(lambda a, i=indices: tf.gather(a, i), x)


def text_columns(x):
    """Texts, or a tuple or dictionary of several columns of them, as string tensors."""
    if isinstance(x, dict):
        return {name: as_text(column) for name, column in x.items()}
    return tuple(map(as_text, x)) if isinstance(x, tuple) else as_text(x)


def outputs_of(model, inputs):
    """What a model gives for one batch of arrays, as arrays, whatever strategy it was made for.

    Each replica of a strategy is handed the whole batch, and answers it; one answer is enough.
    """
    outputs = keras.Model.predict_on_batch(model, inputs)
    replicas = model.distribute_strategy.num_replicas_in_sync
    return keras.tree.map_structure(lambda rows: rows[: len(rows) // replicas], outputs)


def predict_rows(model, x, batch_size=None):
    """What a model with a preprocessor gives for raw rows, in their order.

    The preprocessor runs batch by batch: a dataset would trace it anew at each call, which takes
    longer than to answer a hundred texts.

    Args:
        model: a task whose outputs are one array `(batch, ...)`.
        x, batch_size: as in `raw_batches`.

    Returns:
        Array `(rows, ...)`; None where there are no rows.
    """
    found = {}
    for indices, batch in raw_batches(x, batch_size):
        outputs = outputs_of(model, model.preprocessor(batch))
        found |= dict(zip(indices.tolist(), outputs, strict=True))
    return np.stack([found[index] for index in range(len(found))]) if found else None


def refuse_options(options):
    """Raises for options of `keras.Model.predict` that have no meaning for raw input."""
    if options:
        raise ValueError(
            f"predict takes batch_size for raw input: got {', '.join(sorted(options))} too. Set "
            "preprocessor to None to predict on arrays."
        )


def _num_bytes(texts):
    """The length of each row of strings, int array; 0 for what is none."""
    if texts.dtype != tf.string:
        return 0
    if isinstance(texts, tf.RaggedTensor):
        lengths = texts.with_values(tf.strings.length(texts.values))
        return tf.reduce_sum(lengths, axis=1).numpy()
    return tf.strings.length(texts).numpy()
