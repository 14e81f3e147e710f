"""Reading the GLUE tasks, and writing what the GLUE server takes."""

import dataclasses
from pathlib import Path

import numpy as np

from albert_tf.data.glue_tasks import find_split, glue_task
from albert_tf.data.tables import Examples, read_examples
from albert_tf.data.tfds_rows import load


def read_glue(name, split="train", folder=None, with_answers=True) -> Examples:
    """Reads one split of a GLUE task, labels under the names of `GlueTask.class_names`.

    Args:
        name: a key of `TASKS`.
        split: `train`, `dev` or `test`; of MNLI also `dev_mismatched` and `test_mismatched`.
        folder: where the GLUE files lie, or the folder of this task; None to download the task
            with tensorflow-datasets.
        with_answers: False to leave the labels unread, which test files do not have.

    Raises:
        ValueError: no such task or split, or rows that `read_examples` refuses.
        FileNotFoundError: `folder` lacks the file of the split.
        ModuleNotFoundError: `folder` is None and tensorflow-datasets is not installed.
    """
    task, where = glue_task(name), find_split(name, split)
    if folder is None:
        return _download(task, name, split, with_answers)
    task = dataclasses.replace(task, **where.columns)
    examples = read_examples(
        _find(Path(folder), task, where.files),
        text=task.text,
        text_pair=task.text_pair,
        label=task.label if with_answers else None,
        header=task.header,
        problem=task.problem,
        class_names=task.values,
        format="tsv",
    )
    if not with_answers:
        return examples
    return dataclasses.replace(examples, class_names=task.class_names)


def submission(name, split, answers) -> tuple[str, list[str]]:
    """The file that the GLUE server takes for the answers to a test split.

    Args:
        name: a key of `TASKS`.
        split: one without labels.
        answers: names of classes, or numbers, in the order of the test file.

    Returns:
        Its name, and its lines: a header, then number and label as the data files write it;
        scores of STS-B with three decimals, within 0 and 5.

    Raises:
        ValueError: the server takes nothing for this split.
    """
    task, file_name = glue_task(name), find_split(name, split).submission
    if file_name is None:
        raise ValueError(f"The GLUE server takes no answers for {split!r} of {name}.")
    if task.values is None:
        labels = [f"{min(5.0, max(0.0, answer)):.3f}" for answer in answers]
    else:
        written = dict(zip(task.class_names, task.values, strict=True))
        labels = [written[answer] for answer in answers]
    return file_name, ["index\tprediction"] + [f"{i}\t{label}" for i, label in enumerate(labels)]


def _find(folder, task, names):
    for name in names:
        for path in (folder / task.folder / name, folder / name):
            if path.is_file():
                return path
    raise FileNotFoundError(
        f"There is no {task.folder}/{names[0]} in {folder}. Unpack the GLUE files there; or name "
        "files with --train and --dev, without --dev a part of the training rows is held out; or "
        "name no folder, to download the task with tensorflow-datasets."
    )


def _download(task, name, split, with_answers):
    if task.splits[split].tfds is None:
        raise ValueError(
            f"tensorflow-datasets has no {split!r} of {name}. Name the folder of the GLUE files."
        )
    rows, info = load(f"glue/{task.tfds}", task.splits[split].tfds)
    columns = task.tfds_texts or tuple(filter(None, (task.text, task.text_pair)))
    texts, *pairs = ([row[column].decode() for row in rows] for column in columns)
    pairs = pairs[0] if pairs else None
    if not with_answers:
        return Examples(texts, pairs)
    labels = np.array([row["label"] for row in rows])
    if task.values is None:
        return Examples(texts, pairs, labels.astype("float32"))
    theirs = info.features["label"].names
    ours = np.array([task.class_names.index(name) for name in theirs], "int32")
    return Examples(texts, pairs, ours[labels], task.class_names)
