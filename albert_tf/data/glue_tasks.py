"""The GLUE tasks (paper §4.2) as rows of one table: where the text stands, how it is scored."""

import dataclasses
import difflib
from dataclasses import dataclass


@dataclass(frozen=True)
class Split:
    """Where one part of a task's data stands.

    Args:
        files: names that its file goes by in the task's folder.
        tfds: its name in tensorflow-datasets; None where it is not there.
        columns: fields of `GlueTask` that this file has otherwise.
        submission: name of the file that the GLUE server takes for it; None for labelled parts.
    """

    files: tuple[str, ...]
    tfds: str | None = None
    columns: dict = dataclasses.field(default_factory=dict)
    submission: str | None = None


def _splits(submission, *, train=("train.tsv",), dev=("dev.tsv",), test=("test.tsv",), **columns):
    """The usual three parts; `columns` are those of the test file."""
    return {
        "train": Split(train, "train"),
        "dev": Split(dev, "validation"),
        "test": Split(test, "test", columns, submission),
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
        splits: name -> `Split`.
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
    splits: dict[str, Split]
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
        splits=_splits("CoLA.tsv", text="sentence", header=True),
    ),
    "sst-2": GlueTask(
        folder="SST-2",
        text="sentence",
        text_pair=None,
        values=("0", "1"),
        class_names=("negative", "positive"),
        tfds="sst2",
        splits=_splits("SST-2.tsv"),
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
        splits=_splits(
            "MRPC.tsv",
            train=("train.tsv", "msr_paraphrase_train.txt"),
            test=("test.tsv", "msr_paraphrase_test.txt"),
        ),
    ),
    "sts-b": GlueTask(
        folder="STS-B",
        label="score",
        values=None,
        class_names=None,
        metrics=("pearson", "spearman"),
        tfds="stsb",
        splits=_splits("STS-B.tsv"),
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
        splits=_splits("QQP.tsv"),
    ),
    "mnli": GlueTask(
        folder="MNLI",
        label="gold_label",
        values=("contradiction", "entailment", "neutral"),
        class_names=("contradiction", "entailment", "neutral"),
        tfds="mnli",
        tfds_texts=("premise", "hypothesis"),
        splits={
            "train": Split(("train.tsv",), "train"),
            "dev": Split(("dev_matched.tsv",), "validation_matched"),
            "dev_mismatched": Split(("dev_mismatched.tsv",), "validation_mismatched"),
            "test": Split(("test_matched.tsv",), "test_matched", submission="MNLI-m.tsv"),
            "test_mismatched": Split(
                ("test_mismatched.tsv",), "test_mismatched", submission="MNLI-mm.tsv"
            ),
        },
    ),
    "qnli": GlueTask(
        folder="QNLI",
        text="question",
        text_pair="sentence",
        values=("entailment", "not_entailment"),
        class_names=("entailment", "not_entailment"),
        tfds="qnli",
        splits=_splits("QNLI.tsv"),
    ),
    "rte": GlueTask(
        folder="RTE",
        values=("entailment", "not_entailment"),
        class_names=("entailment", "not_entailment"),
        tfds="rte",
        splits=_splits("RTE.tsv"),
    ),
    "wnli": GlueTask(
        folder="WNLI",
        values=("0", "1"),
        class_names=("not_entailment", "entailment"),
        tfds="wnli",
        splits=_splits("WNLI.tsv"),
    ),
    # Diagnostics for a model of MNLI: nothing to train on.
    "ax": GlueTask(
        folder="diagnostic",
        values=("contradiction", "entailment", "neutral"),
        class_names=("contradiction", "entailment", "neutral"),
        metrics=("mcc", "accuracy"),
        tfds="ax",
        tfds_texts=("premise", "hypothesis"),
        splits={
            "dev": Split(
                ("diagnostic-full.tsv",),
                columns={"text": "Premise", "text_pair": "Hypothesis", "label": "Label"},
            ),
            "test": Split(("diagnostic.tsv", "AX.tsv"), "test", submission="AX.tsv"),
        },
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


def find_split(name, split) -> Split:
    """The row of a split.

    Raises:
        ValueError: the task has no such split.
    """
    splits = glue_task(name).splits
    if split not in splits:
        hint = " Train mnli, and ask that model." if (name, split) == ("ax", "train") else ""
        raise ValueError(f"{name} has no split {split!r}: choose of {', '.join(splits)}.{hint}")
    return splits[split]
