"""Rows of a data set of tensorflow-datasets, in place of a file."""

from pathlib import Path

import numpy as np

from albert_tf.data.rows import Rows

PREFIX = "tfds:"


def rows_of(path):
    """The path as it is; for `tfds:NAME:SPLIT` the `Rows` of that data set.

    `tfds:ag_news_subset:train` and `tfds:glue/cola:validation[:100]` are such names: what
    `tensorflow_datasets.load` takes, and what it calls a split. Texts are decoded, and labels that
    have names get them.

    Raises:
        ValueError: no split is named, or tensorflow-datasets does not know the data set.
        ModuleNotFoundError: tensorflow-datasets is not installed.
    """
    if not str(path).startswith(PREFIX):
        return path
    name, colon, split = str(path)[len(PREFIX) :].partition(":")
    if not name or not split:
        raise ValueError(
            f"A data set of tensorflow-datasets is named tfds:NAME:SPLIT, for example "
            f"tfds:ag_news_subset:train: got {path}."
        )
    data, info = load(name, split)
    columns = tuple(info.features)
    named = {
        column: feature.names
        for column, feature in info.features.items()
        if getattr(feature, "names", None)
    }
    cells = [{column: _plain(row[column], named.get(column)) for column in columns} for row in data]
    if not cells:
        raise ValueError(f"{path} has no rows to read. Is it the right split?")
    return Rows(Path(str(path)), columns, list(range(1, len(cells) + 1)), cells)


def load(name, split):
    """The rows of a data set as dictionaries of NumPy values, and what is known of it.

    Raises:
        ModuleNotFoundError: tensorflow-datasets is not installed.
    """
    try:
        import tensorflow_datasets
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"Downloading {name} needs tensorflow-datasets: install albert-tf[data], or name files."
        ) from error
    data, info = tensorflow_datasets.load(name, split=split, with_info=True)
    return list(tensorflow_datasets.as_numpy(data)), info


def _plain(value, names):
    """A value as a table has it: text, number, or the name of a label (-1 stands for none)."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if names is not None and np.ndim(value) == 0:
        return names[int(value)] if int(value) >= 0 else ""
    if isinstance(value, np.ndarray) and value.ndim:
        return [_plain(item, names) for item in value.tolist()]
    return value.item() if isinstance(value, np.generic) else value
