"""Rows of real text in the sizes that a TFLite file takes."""

import numpy as np


class MobileRows:
    """The ids of rows, cut and filled up to the sizes of a file.

    Args:
        feeds: of the signature `tokens` of `Requests`: name -> array, one row or more.
        batch_size, num_choices, seq_len: sizes of the file, None for any.
    """

    def __init__(self, feeds, batch_size, num_choices, seq_len):
        self._feeds = feeds
        self._sizes = (num_choices,) * (feeds["token_ids"].ndim - 2) + (seq_len,)
        self.batch_size = batch_size or 1

    def __len__(self):
        """How many batches there are."""
        return -(-len(self._feeds["token_ids"]) // self.batch_size)

    def __iter__(self):
        for number in range(len(self)):
            yield self[number]

    def __getitem__(self, number):
        """The inputs of one batch; the last one is filled up with rows from the beginning."""
        num_rows = len(self._feeds["token_ids"])
        start = number * self.batch_size
        rows = [row % num_rows for row in range(start, start + self.batch_size)]
        batch = {name: values[rows] for name, values in self._feeds.items()}
        longest = max(1, int(batch["input_length"].max()))
        sizes = [own or longest for own in self._sizes[-1:]]
        if len(self._sizes) == 2:
            sizes = [self._sizes[0] or batch["token_ids"].shape[1], *sizes]
        fitted = {}
        for name, values in batch.items():
            if name == "mask_positions":
                fitted[name] = np.minimum(values, sizes[-1] - 1)
            elif name == "input_length":
                fitted[name] = np.minimum(_fitted(values, sizes[:-1]), sizes[-1])
            else:
                fitted[name] = _fitted(values, sizes)
        return fitted


def with_lengths(ids):
    """Ids as the signature `tokens` takes them: the length of each row instead of its mask."""
    ids = {name: np.asarray(value) for name, value in ids.items()}
    return ids | {"input_length": ids.pop("padding_mask").sum(axis=-1, dtype="int32")}


def with_mask(inputs):
    """The same inputs as the Keras model takes them."""
    ids = dict(inputs)
    lengths = ids.pop("input_length")
    width = ids["token_ids"].shape[-1]
    return ids | {"padding_mask": (np.arange(width) < lengths[..., None]).astype("int32")}


def _fitted(values, sizes):
    """Cuts the last axes to `sizes`, or fills them up with 0."""
    first = values.ndim - len(sizes)
    cut = values[(slice(None),) * first + tuple(slice(size) for size in sizes)]
    missing = [(0, size - own) for size, own in zip(sizes, cut.shape[first:], strict=True)]
    return np.pad(cut, [(0, 0)] * first + missing)
