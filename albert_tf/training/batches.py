"""Batches of raw texts of similar length, so that little of a batch is padding."""

from math import ceil

import numpy as np
import tensorflow as tf


def token_counts(examples, tokenizer, chunk=4096) -> np.ndarray:
    """Tokens of each example, special tokens counted, before anything is cut.

    Args:
        examples: `Examples`.
        tokenizer: `AlbertTokenizer`.
        chunk: texts to tokenize at a time.

    Returns:
        int64 array `(num_examples,)`: [CLS] text [SEP], and text_pair [SEP] for pairs.
    """
    columns = [examples.texts] + ([examples.text_pairs] if examples.text_pairs else [])
    counts = np.full(len(examples), 1 + len(columns))
    for texts in columns:
        for start in range(0, len(texts), chunk):
            ids = tokenizer(tf.constant(texts[start : start + chunk]))
            counts[start : start + chunk] += ids.row_lengths().numpy()
    return counts


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


def training_batches(examples, lengths, batch_size, epochs, seed) -> tf.data.Dataset:
    """All epochs of a training as one dataset of known length.

    A dataset of unknown length would make Keras count a step more each epoch, which shifts
    the learning rate.

    Args:
        examples: `Examples` with labels.
        lengths: from `token_counts`.
        batch_size, epochs: as they say.
        seed: with the epoch's number it fixes the epoch's order.

    Returns:
        `epochs * num_batches(...)` elements (texts, labels), or ((texts, text_pairs), labels).
    """
    batches = []
    for epoch in range(epochs):
        batches += bucketed_order(lengths, batch_size, np.random.default_rng((seed, epoch)))
    return _dataset(examples, batches)


def ordered_batches(examples, lengths, batch_size):
    """Batches from short to long for prediction, and the order they are in.

    Returns:
        The dataset of texts as `training_batches` gives them, without labels, and the int array
        `order`: the i-th row that comes out is example `order[i]`.
    """
    order = np.argsort(lengths, kind="stable").astype("int32")
    cuts = range(batch_size, len(order), batch_size)
    return _dataset(examples, np.split(order, cuts), with_labels=False), order


def _dataset(examples, batches, with_labels=True):
    texts = tf.constant(examples.texts)
    pairs = tf.constant(examples.text_pairs) if examples.text_pairs else None
    labels = tf.constant(examples.labels) if with_labels else None

    def gather(indices):
        x = tf.gather(texts, indices)
        if pairs is not None:
            x = (x, tf.gather(pairs, indices))
        return (x, tf.gather(labels, indices)) if with_labels else x

    rows = tf.RaggedTensor.from_row_lengths(np.concatenate(batches), [len(b) for b in batches])
    return tf.data.Dataset.from_tensor_slices(rows).map(gather)
