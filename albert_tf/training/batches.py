"""Batches of rows of similar length, so that little of a batch is padding."""

from math import ceil

import numpy as np


def bucketed_order(lengths, batch_size, rng, *, batches_a_window=50) -> list[np.ndarray]:
    """Deals shuffled examples into batches of similar length.

    The examples are shuffled, sorted by length inside of windows, cut into batches, and the
    batches are shuffled: chance decides who meets whom, length only among neighbours.

    Args:
        lengths: int array `(num_examples,)`.
        batch_size: examples a batch; the one batch with the remainder has fewer.
        rng: `np.random.Generator`, the only source of chance.
        batches_a_window: how many batches' worth of examples are sorted together.

    Returns:
        List of int32 index arrays; together each index once.
    """
    order = rng.permutation(len(lengths))
    window = batch_size * batches_a_window
    batches = []
    for start in range(0, len(order), window):
        part = order[start : start + window]
        part = part[np.argsort(lengths[part], kind="stable")]
        cuts = range(batch_size, len(part), batch_size)
        batches += np.split(part.astype("int32"), cuts)
    return [batches[i] for i in rng.permutation(len(batches))]


def num_batches(num_examples, batch_size) -> int:
    """Batches of one epoch."""
    return ceil(num_examples / batch_size)


def filled_up(num_examples, batch_size, rng) -> np.ndarray:
    """Indices of all examples, and of some at random once more, so that every batch is full.

    Returns:
        int array, as long as the next multiple of `batch_size`.
    """
    missing = -num_examples % batch_size
    more = rng.choice(num_examples, missing, replace=missing > num_examples)
    return np.concatenate([np.arange(num_examples), more])
