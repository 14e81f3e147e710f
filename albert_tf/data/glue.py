"""The GLUE tasks (paper §4.2) as rows of one table: where the text stands, how it is scored."""

import dataclasses
import difflib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from albert_tf.data.tables import Examples, read_examples

PLAIN_SPLITS = {"train": ("train.tsv", "train"), "dev": ("dev.tsv", "validation")}
MNLI_SPLITS = {
    "train": ("train.tsv", "train"),
    "dev": ("dev_matched.tsv", "validation_matched"),
    "dev_mismatched": ("dev_mismatched.tsv", "validation_mismatched"),
}


@dataclass(frozen=True, kw_only=True)
class GlueTask:
    """One task of GLUE, as its files and its copy in tensorflow-datasets are laid out.

    Args:
        folder: name of the task's folder in the GLUE download.
        text, text_pair, label: columns of the files, by header name or index.
        header: whether the files name their columns.
        values: the labels as the files write them, in our order; None for regression.
        class_names: what `values` mean, in the same order, as tensorflow-datasets names them.
        metrics: names in `albert_tf.metrics`; the first one picks the best weights.
        splits: split -> (file name, split of tensorflow-datasets).
        tfds: name of the task in tensorflow-datasets' `glue`.
        tfds_texts: its one or two features of text, where they are not called as the columns.
    """

    folder: str
    text: str = "sentence1"
    text_pair: str | None = "sentence2"
    label: str = "label"
    header: bool = True
    values: tuple[str, ...] | None
    class_names: tuple[str, ...] | None
    metrics: tuple[str, ...] = ("accuracy",)
    splits: dict[str, tuple[str, str]] = dataclasses.field(default_factory=PLAIN_SPLITS.copy)
    tfds: str
    tfds_texts: tuple[str, ...] = ()

    @property
    def problem(self) -> str:
        """`classification` or `regression`, as `read_examples` names it."""
        return "regression" if self.values is None else "classification"


TASKS = {
    "cola": GlueTask(
        folder="CoLA",
        text="3",
        text_pair=None,
        label="1",
        header=False,
        values=("0", "1"),
        class_names=("unacceptable", "acceptable"),
        metrics=("mcc", "accuracy"),
        tfds="cola",
        tfds_texts=("sentence",),
    ),
    "sst-2": GlueTask(
        folder="SST-2",
        text="sentence",
        text_pair=None,
        values=("0", "1"),
        class_names=("negative", "positive"),
        tfds="sst2",
    ),
    "mrpc": GlueTask(
        folder="MRPC",
        text="#1 String",
        text_pair="#2 String",
        label="Quality",
        values=("0", "1"),
        class_names=("not_equivalent", "equivalent"),
        metrics=("f1", "accuracy"),
        tfds="mrpc",
        tfds_texts=("sentence1", "sentence2"),
    ),
    "sts-b": GlueTask(
        folder="STS-B",
        label="score",
        values=None,
        class_names=None,
        metrics=("pearson", "spearman"),
        tfds="stsb",
    ),
    "qqp": GlueTask(
        folder="QQP",
        text="question1",
        text_pair="question2",
        label="is_duplicate",
        values=("0", "1"),
        class_names=("not_duplicate", "duplicate"),
        metrics=("f1", "accuracy"),
        tfds="qqp",
    ),
    "mnli": GlueTask(
        folder="MNLI",
        label="gold_label",
        values=("contradiction", "entailment", "neutral"),
        class_names=("contradiction", "entailment", "neutral"),
        splits=MNLI_SPLITS,
        tfds="mnli",
        tfds_texts=("premise", "hypothesis"),
    ),
    "qnli": GlueTask(
        folder="QNLI",
        text="question",
        text_pair="sentence",
        values=("entailment", "not_entailment"),
        class_names=("entailment", "not_entailment"),
        tfds="qnli",
    ),
    "rte": GlueTask(
        folder="RTE",
        values=("entailment", "not_entailment"),
        class_names=("entailment", "not_entailment"),
        tfds="rte",
    ),
    "wnli": GlueTask(
        folder="WNLI",
        values=("0", "1"),
        class_names=("not_entailment", "entailment"),
        tfds="wnli",
    ),
}


def glue_task(name) -> GlueTask:
    """The row of a task, by a name such as `sst-2`, `SST-2` or `sst2`.

    Raises:
        ValueError: no such task; the message lists those that exist.
    """
    plain = {key.replace("-", ""): key for key in TASKS}
    wanted = str(name).lower().replace("-", "").replace("_", "")
    if wanted not in plain:
        close = difflib.get_close_matches(wanted, plain, n=1)
        hint = f" Did you mean {plain[close[0]]!r}?" if close else ""
        raise ValueError(f"There is no GLUE task {name!r}: choose of {', '.join(TASKS)}.{hint}")
    return TASKS[plain[wanted]]


def read_glue(name, split="train", folder=None) -> Examples:
    """Reads one split of a GLUE task, labels under the names of `GlueTask.class_names`.

    Args:
        name: a key of `TASKS`.
        split: `train` or `dev` (`dev_mismatched` for MNLI).
        folder: where the GLUE files lie, or the folder of this task; None to download the task
            with tensorflow-datasets.

    Raises:
        ValueError: no such task or split, or rows that `read_examples` refuses.
        FileNotFoundError: `folder` lacks the file of the split.
        ModuleNotFoundError: `folder` is None and tensorflow-datasets is not installed.
    """
    task = glue_task(name)
    if split not in task.splits:
        raise ValueError(f"{name} has no split {split!r}: choose of {', '.join(task.splits)}.")
    file_name, tfds_split = task.splits[split]
    if folder is None:
        return _download(task, tfds_split)
    examples = read_examples(
        _find(Path(folder), task, file_name),
        text=task.text,
        text_pair=task.text_pair,
        label=task.label,
        header=task.header,
        problem=task.problem,
        class_names=task.values,
    )
    return dataclasses.replace(examples, class_names=task.class_names)


def _find(folder, task, file_name):
    for path in (folder / task.folder / file_name, folder / file_name):
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"There is no {task.folder}/{file_name} in {folder}. Unpack the GLUE files there, or "
        "name no folder to download the task with tensorflow-datasets."
    )


def _download(task, split):
    try:
        import tensorflow_datasets
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Downloading a GLUE task needs tensorflow-datasets: install albert-tf[data], "
            "or name the folder of the GLUE files."
        ) from error
    data, info = tensorflow_datasets.load(f"glue/{task.tfds}", split=split, with_info=True)
    columns = task.tfds_texts or tuple(filter(None, (task.text, task.text_pair)))
    rows = list(tensorflow_datasets.as_numpy(data))
    texts, *pairs = ([row[column].decode() for row in rows] for column in columns)
    labels = np.array([row["label"] for row in rows])
    if task.values is None:
        return Examples(texts, pairs[0] if pairs else None, labels.astype("float32"))
    theirs = info.features["label"].names
    ours = np.array([task.class_names.index(name) for name in theirs], "int32")
    return Examples(texts, pairs[0] if pairs else None, ours[labels], task.class_names)
