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
    from albert_tf.pictures.charts import draw_confusion

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
        with new_file(directory / "confusion_matrix.png", overwrite=True) as staged:
            draw_confusion(true, given, names).savefig(staged, format="png", dpi=120)
    report = classification_report(
        true, given, labels=labels, target_names=names, output_dict=True, zero_division=0.0
    )
    with new_file(directory / "classes.json", overwrite=True) as staged:
        text = json.dumps({"report": report, "confusion": confusion}, indent=2, ensure_ascii=False)
        staged.write_text(text + "\n", encoding="utf-8")


def _hot(rows, key, names):
    return np.array([[name in row[key] for name in names] for row in rows], int)
