"""Labelled texts from a table: the columns that a task needs, labels as numbers."""

import dataclasses
import json
import math
from dataclasses import dataclass

import numpy as np

from albert_tf.data.rows import Rows, read_rows

PROBLEMS = ("classification", "regression", "multi_label")


@dataclass(frozen=True)
class Examples:
    """Texts, and what is known of each.

    Args:
        texts: one text an example; may be empty.
        text_pairs: the second texts of pairs, or None.
        labels: int `(num_examples,)` indices into `class_names`; float32 `(num_examples,)` for
            regression; float32 `(num_examples, num_classes)` of 0 and 1 for multi-label; or None.
        class_names: the label of each index; None for regression and without labels.
    """

    texts: list[str]
    text_pairs: list[str] | None = None
    labels: np.ndarray | None = None
    class_names: tuple[str, ...] | None = None

    def __len__(self):
        return len(self.texts)

    @property
    def num_outputs(self) -> int:
        """Logits that a model needs for these labels: one a class, one for regression."""
        return 1 if self.class_names is None else len(self.class_names)

    def take(self, indices) -> "Examples":
        """The examples at `indices` (a slice or an int array), in that order."""
        picked = np.arange(len(self))[indices]
        pairs = self.text_pairs and [self.text_pairs[i] for i in picked]
        labels = None if self.labels is None else self.labels[picked]
        texts = [self.texts[i] for i in picked]
        return dataclasses.replace(self, texts=texts, text_pairs=pairs, labels=labels)


def read_examples(
    path,
    *,
    text="text",
    text_pair=None,
    label="label",
    problem="classification",
    class_names=None,
    separator=",",
    header=True,
    format=None,
) -> Examples:
    """Reads texts and labels from a TSV, CSV or JSON-lines file (see `read_rows`).

    Args:
        path: the file, also packed as `.gz`; or its `Rows`.
        text: name or index of the column of texts.
        text_pair: that of the second texts, or None.
        label: that of the labels, or None to read texts only.
        problem: `classification`, `regression`, or `multi_label` (several labels a row: a JSON
            list, or a text split at `separator`).
        class_names: the labels of training, to read another file by; None to collect them here,
            sorted (by value where all are whole numbers).
        separator: what stands between the labels of a multi-label row.
        header: whether a TSV or CSV file names its columns in the first row.
        format: `tsv`, `csv` or `jsonl`, where the suffix does not tell.

    Raises:
        FileNotFoundError: no such file.
        ValueError: what `read_rows` refuses, a missing column, a text that is none, a label that
            is empty, not a number (regression), or not in `class_names`.
    """
    if problem not in PROBLEMS:
        raise ValueError(f"problem must be one of {', '.join(PROBLEMS)}: got {problem!r}.")
    rows = path if isinstance(path, Rows) else read_rows(path, format=format, header=header)
    texts = _texts(rows, text)
    pairs = None if text_pair is None else _texts(rows, text_pair)
    if label is None:
        return Examples(texts, pairs)
    values = rows.column(label)
    if problem == "regression":
        return Examples(texts, pairs, _numbers(rows, values))
    if problem == "multi_label":
        sets = [_label_set(value, separator) for value in values]
        class_names = class_names or collect_classes(name for names in sets for name in names)
        return Examples(texts, pairs, _multi_hot(rows, sets, class_names), tuple(class_names))
    names = [_label_text(value) for value in values]
    class_names = class_names or collect_classes(names)
    return Examples(texts, pairs, _indices(rows, names, class_names), tuple(class_names))


def collect_classes(names) -> tuple[str, ...]:
    """The distinct names, sorted; by value where all are whole numbers."""
    distinct = set(names) - {""}
    if all(name.removeprefix("-").isdecimal() for name in distinct):
        return tuple(sorted(distinct, key=int))
    return tuple(sorted(distinct))


def _texts(rows, choice):
    values = rows.column(choice)
    for line, value in zip(rows.lines, values, strict=True):
        if not isinstance(value, str):
            raise ValueError(
                f"{rows.path}, line {line}: {choice!r} must be a text: got {json.dumps(value)}."
            )
    return values


def _label_text(value):
    return value.strip() if isinstance(value, str) else json.dumps(value)


def _label_set(value, separator):
    names = value if isinstance(value, list) else _label_text(value).split(separator)
    return [name for name in map(_label_text, names) if name]


def _numbers(rows, values):
    numbers = np.zeros(len(values), "float32")
    for i, value in enumerate(values):
        try:
            numbers[i] = float(value)
        except (TypeError, ValueError):
            numbers[i] = math.nan
        if not math.isfinite(numbers[i]):
            raise ValueError(
                f"{rows.path}, line {rows.lines[i]}: the label must be a finite number for "
                f"regression: got {value!r}."
            )
    return numbers


def _indices(rows, names, class_names):
    index_of = {name: i for i, name in enumerate(class_names)}
    return np.array(
        [_index(rows, line, name, index_of) for line, name in zip(rows.lines, names, strict=True)],
        "int32",
    )


def _multi_hot(rows, sets, class_names):
    index_of = {name: i for i, name in enumerate(class_names)}
    hot = np.zeros((len(sets), len(class_names)), "float32")
    for i, names in enumerate(sets):
        for name in names:
            hot[i, _index(rows, rows.lines[i], name, index_of)] = 1.0
    return hot


def _index(rows, line, name, index_of):
    if name in index_of:
        return index_of[name]
    if not name:
        raise ValueError(f"{rows.path}, line {line}: the label is empty.")
    known = ", ".join(map(repr, list(index_of)[:20]))
    raise ValueError(
        f"{rows.path}, line {line}: the label {name!r} was never seen in training, which had "
        f"{known}{', ...' if len(index_of) > 20 else ''}. "
        "Add an example of it to the training file, or mend the row."
    )
