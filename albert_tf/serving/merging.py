"""Puts the tensors of several requests into one batch, and takes the answers apart again.

Pure functions over arrays. Rows are counted along dimension 0.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from albert_tf.serving.errors import failed_precondition, invalid_argument

MAX_PADDED_RANK = 6
Tensors = Mapping[str, np.ndarray]


def num_rows(feeds: Tensors) -> int:
    """Returns the number of rows of a request.

    Raises:
        ServingError: a tensor has no rows, or not as many as the others.
    """
    if any(array.ndim == 0 for array in feeds.values()):
        raise invalid_argument("Batching Run() input tensors must have at least one dimension")
    sizes = {len(array) for array in feeds.values()}
    if len(sizes) > 1:
        raise invalid_argument("Batching Run() input tensors must have equal 0th-dimension size")
    return sizes.pop() if sizes else 0


def likeness(feeds: Tensors, pads: bool) -> tuple:
    """Tells which requests can share a batch: those with equal types, and equal shapes of a row.

    Args:
        pads: rows of different shape are made alike, so that only the number of their
            dimensions counts.
    """
    return tuple(
        (name, array.dtype.str, array.ndim if pads else array.shape[1:])
        for name, array in sorted(feeds.items())
    )


def row_length(feeds: Tensors) -> int:
    """Estimates what a row costs: the bytes of its text, or else its numbers; of the longest row.

    Only compared with the same number of another request to the same signature.
    """
    length = 0
    for array in feeds.values():
        if array.dtype.kind == "O":
            length += max(map(len, array.reshape(-1)), default=0)
        else:
            length += int(np.prod(array.shape[1:]))
    return length


def merge(requests: Sequence[Tensors], size: int) -> dict[str, np.ndarray]:
    """Joins requests that `likeness` calls alike.

    Args:
        requests: name -> array; rows of different shape are padded with the first element of
            their tensor, as TensorFlow Serving pads them.
        size: number of rows to fill up to, by repeating the first row of the last request.

    Returns:
        Name -> array of `size` rows.
    """
    merged = {}
    for name in requests[0]:
        arrays = [request[name] for request in requests]
        shape = np.max([array.shape[1:] for array in arrays], axis=0).astype(int)
        arrays = [_padded(array, tuple(shape)) for array in arrays]
        missing = size - sum(map(len, arrays))
        if missing:
            arrays.append(np.repeat(arrays[-1][:1], missing, axis=0))
        merged[name] = np.concatenate(arrays) if len(arrays) > 1 else arrays[0]
    return merged


def _padded(array: np.ndarray, row_shape: tuple[int, ...]) -> np.ndarray:
    if array.shape[1:] == row_shape:
        return array
    if array.ndim > MAX_PADDED_RANK:
        raise invalid_argument(f"Only tensors with rank from 1 to {MAX_PADDED_RANK} can be padded.")
    result = np.empty((len(array), *row_shape), array.dtype)
    result[...] = array.flat[0] if array.size else (b"" if array.dtype.kind == "O" else 0)
    result[tuple(slice(size) for size in array.shape)] = array
    return result


def split(outputs: Tensors, sizes: Sequence[int], size: int) -> list[dict[str, np.ndarray]]:
    """Gives every request its rows of the answer.

    Args:
        outputs: name -> array of `size` rows.
        sizes: number of rows of each request.

    Raises:
        ServingError: an output does not have a row for every row of the batch.
    """
    for array in outputs.values():
        if array.ndim == 0:
            raise failed_precondition("Batched output tensor has 0 dimensions")
        if len(array) != size:
            raise failed_precondition(
                "Batched output tensor's 0th dimension does not equal the sum of the 0th "
                "dimension sizes of the input tensors"
            )
    ends = np.cumsum(sizes).tolist()
    return [
        {name: array[end - rows : end] for name, array in outputs.items()}
        for rows, end in zip(sizes, ends, strict=True)
    ]
