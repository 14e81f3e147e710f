"""Text and ids in whatever nesting a caller has them: strings, lists, arrays, tensors."""

import re

import numpy as np
import tensorflow as tf


def map_text(function, text):
    """Applies a function of string vectors to text of any rank.

    Args:
        function: takes a string tensor `(num_texts,)`, gives one ragged tensor
            `(num_texts, num_tokens)` or a tuple of them.
        text: string tensor or ragged tensor.

    Returns:
        What the function gives, with the dimensions of `text` in front.
    """
    if isinstance(text, tf.RaggedTensor):
        text = text.with_row_splits_dtype(tf.int64)
        mapped = map_text(function, text.flat_values)
        return _each(text.with_flat_values, mapped)
    rank = text.shape.rank
    if rank is None:
        raise ValueError("The number of dimensions of the text must be known: set its shape first.")
    if rank == 0:
        return _each(lambda ragged: ragged.values, function(tf.expand_dims(text, 0)))
    if rank == 1:
        return function(text)
    return map_text(function, tf.RaggedTensor.from_tensor(text, ragged_rank=rank - 1))


def _each(function, results):
    return tuple(map(function, results)) if isinstance(results, tuple) else function(results)


def map_ids(function, ids):
    """Applies a function of ragged `(num_texts, num_tokens)` to ids of any rank above 0."""
    if isinstance(ids, tf.RaggedTensor):
        if ids.ragged_rank > 1:
            return ids.with_values(map_ids(function, ids.values))
        return function(ids)
    rows = tf.reshape(ids, [-1, tf.shape(ids)[-1]])
    return tf.reshape(function(tf.RaggedTensor.from_tensor(rows)), tf.shape(ids)[:-1])


def as_text(inputs):
    """Makes a string tensor or ragged tensor of what a caller may hand in as text."""
    if not isinstance(inputs, (tf.Tensor, tf.RaggedTensor)):
        inputs = _convert(without_surrogates(inputs), tf.string)
    if inputs.dtype != tf.string:
        raise ValueError(
            f"Text must be strings: got {inputs.dtype.name} of shape {inputs.shape}. "
            "detokenize() turns ids into text."
        )
    return inputs


def as_ids(inputs):
    """Makes an int32 tensor or ragged tensor, one dimension or more, of what a caller has."""
    if not isinstance(inputs, (tf.Tensor, tf.RaggedTensor)):
        inputs = _convert(inputs, tf.int32)
    if not inputs.dtype.is_integer or inputs.shape.rank == 0:
        raise ValueError(
            f"Ids must be integers with at least one dimension: got {inputs.dtype.name} of "
            f"shape {inputs.shape}."
        )
    return tf.cast(inputs, tf.int32)


def _convert(values, dtype):
    # tf.convert_to_tensor takes [["a"], "b"] for a matrix; tf.ragged.constant does not.
    is_nested = isinstance(values, (list, tuple)) and any(map(_is_sequence, values))
    convert = tf.ragged.constant if is_nested else tf.convert_to_tensor
    try:
        return convert(values, dtype)
    except (TypeError, ValueError, tf.errors.UnimplementedError) as error:
        raise ValueError(
            f"Expected {dtype.name} values, nested evenly: got {values!r:.200}. {error}"
        ) from error


def _is_sequence(value):
    return isinstance(value, (list, tuple, np.ndarray))


def without_surrogates(text):
    """Replaces halves of surrogate pairs, which JSON can smuggle into a Python string."""
    if isinstance(text, str):
        return text if text.isascii() else re.sub("[\ud800-\udfff]", "\ufffd", text)
    if isinstance(text, (list, tuple)):
        return [without_surrogates(part) for part in text]
    if isinstance(text, np.ndarray) and text.dtype.kind in "UO":
        return np.array(without_surrogates(text.tolist()), object)
    return text
