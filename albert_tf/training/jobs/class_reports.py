"""How a classifier does on each class: a table and a picture of what is taken for what."""

import json
from pathlib import Path

import numpy as np
from sklearn.metrics import (
    classification_report,
    confusion_matrix,
    multilabel_confusion_matrix,
)

from albert_tf.staging import new_file

# Beyond that many classes numbers in the squares would not be read.
WITH_NUMBERS = 25


def write_reports(rows, directory):
    """Writes `classes.json`, and for single labels `confusion_matrix.png`.

    `classes.json` holds precision, recall, F1 and number of examples of every class, and means of
    these, as scikit-learn's `classification_report` names them; and under `confusion` the counts:
    true class -> class that was answered -> number; for several labels an example, class ->
    `true_positive`, `false_positive`, `false_negative`, `true_negative`.

    Args:
        rows: answers with `label`, `prediction` and `probabilities`.
        directory: an existing one.
    """
    directory, names = Path(directory), list(rows[0]["probabilities"])
    if isinstance(rows[0]["label"], list):
        true, given = (_hot(rows, key, names) for key in ("label", "prediction"))
        counts = multilabel_confusion_matrix(true, given)
        cells = ("true_negative", "false_positive", "false_negative", "true_positive")
        confusion = {
            name: dict(zip(cells, map(int, count.ravel()), strict=True))
            for name, count in zip(names, counts, strict=True)
        }
        labels = range(len(names))
    else:
        index_of = {name: i for i, name in enumerate(names)}
        true, given = ([index_of[row[key]] for row in rows] for key in ("label", "prediction"))
        labels = range(len(names))
        counts = confusion_matrix(true, given, labels=labels)
        confusion = {
            name: dict(zip(names, map(int, row), strict=True))
            for name, row in zip(names, counts, strict=True)
        }
        draw_confusion(counts, names, directory / "confusion_matrix.png")
    report = classification_report(
        true, given, labels=labels, target_names=names, output_dict=True, zero_division=0.0
    )
    with new_file(directory / "classes.json", overwrite=True) as staged:
        text = json.dumps({"report": report, "confusion": confusion}, indent=2, ensure_ascii=False)
        staged.write_text(text + "\n", encoding="utf-8")


def draw_confusion(counts, names, path):
    """Draws which class is taken for which.

    Args:
        counts: int array `(num_classes, num_classes)`: rows are true, columns answered.
        names: of the classes.
        path: PNG file to write.
    """
    from matplotlib.figure import Figure

    size = min(16.0, 2.5 + 0.45 * len(names))
    figure = Figure(figsize=(size, size), layout="constrained")
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    ticks = range(len(names))
    axes.set(xlabel="answered", ylabel="true", title="Share of each true class")
    axes.set_xticks(ticks, names, rotation=90)
    axes.set_yticks(ticks, names)
    if len(names) <= WITH_NUMBERS:
        for (row, column), count in np.ndenumerate(counts):
            color = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=color)
    with new_file(path, overwrite=True) as staged:
        figure.savefig(staged, format="png", dpi=120)


def _hot(rows, key, names):
    return np.array([[name in row[key] for name in names] for row in rows], int)
