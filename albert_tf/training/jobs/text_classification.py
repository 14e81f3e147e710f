"""Texts and pairs of texts: a class, several labels, or a number. Data, model, answers, files."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from albert_tf.data.tables import PROBLEMS, Examples, read_examples
from albert_tf.data.tfds_rows import rows_of
from albert_tf.metrics import METRICS, check_metrics
from albert_tf.tasks.early_exit import AlbertEarlyExitClassifier
from albert_tf.tasks.text_classifier import AlbertTextClassifier
from albert_tf.training.jobs.class_reports import write_reports
from albert_tf.training.jobs.class_weights import BALANCED, factors_of
from albert_tf.training.jobs.job import Job
from albert_tf.training.jobs.logits import (
    answer_rows,
    gathered,
    predict_logits,
    problem_of,
    row_lengths,
    score_logits,
    text_columns,
)
from albert_tf.training.jobs.overlap import overlap_answers
from albert_tf.training.jobs.rows import token_counts, training_rows, write_rows, write_table
from albert_tf.training.jobs.starts import saved_class, task_on
from albert_tf.training.report import Compared


@dataclass(frozen=True, kw_only=True)
class TextClassification(Job):
    """Labels of texts, and of pairs of texts.

    Args:
        text, text_pair, label: columns, by name or index; text_pair None for single texts.
        problem: `classification`, `regression` or `multi_label`.
        separator: what stands between the labels of a multi-label row.
        header: whether the first row of a TSV or CSV file names its columns.
        metrics: names in `albert_tf.metrics`, the first one picks the best weights; empty for the
            usual ones.
        class_weights: how much an example of a class counts in training: `balanced` for all
            classes alike, a dictionary class -> factor, or None for all examples alike.
        exit_patience: of a model with a head at every depth, after how many more depths that agree
            a text leaves; None for all depths.
        values, names: the labels as the files write them, and what the model shall call them; ()
            where they are the same.

    Raises:
        ValueError: a problem or a metric that does not exist, or weights for what has no classes.
    """

    model_class = "text_classifier"

    text: str = "text"
    text_pair: str | None = None
    label: str = "label"
    problem: str = "classification"
    separator: str = ","
    header: bool = True
    metrics: tuple[str, ...] = ()
    class_weights: str | dict | None = None
    exit_patience: int | None = None
    values: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def __post_init__(self):
        if self.problem not in PROBLEMS:
            raise ValueError(f"problem must be one of {', '.join(PROBLEMS)}: got {self.problem!r}.")
        check_metrics(self.metrics, self.problem)
        if self.class_weights is not None and self.problem != "classification":
            raise ValueError(
                f"class_weights are for problem classification, where each example has one class: "
                f"got {self.problem}."
            )
        if isinstance(self.class_weights, str) and self.class_weights != BALANCED:
            raise ValueError(
                f"class_weights must be {BALANCED!r}, or class -> factor in a recipe: got "
                f"{self.class_weights!r}."
            )

    def read_data(self, path, with_answers=True, class_names=None) -> Examples:
        """Reads a TSV, CSV or JSON-lines file, or `tfds:NAME:SPLIT`; see `read_examples`.

        A `.txt` file has a text a line; where another column than `text` is wanted, it is TSV, as
        Microsoft's files of MRPC are.
        """
        self.check_names(class_names)
        known = class_names if self.problem != "regression" else None
        examples = read_examples(
            rows_of(path),
            text=self.text,
            text_pair=self.text_pair,
            label=self.label if with_answers else None,
            problem=self.problem,
            class_names=self.values or known,
            separator=self.separator,
            header=self.header,
            format="tsv" if str(path).endswith(".txt") and self.text != "text" else None,
        )
        if self.names and with_answers:
            return dataclasses.replace(examples, class_names=self.names)
        return examples

    def check_names(self, class_names):
        """Raises `ValueError` where a model's classes are not those of the task."""
        if class_names is not None and self.names and tuple(class_names) != self.names:
            raise ValueError(
                f"The classes of the model must be those of the task, {', '.join(self.names)}: got "
                f"{', '.join(class_names)}. Name another --task."
            )

    def ask(self, *, text, text_pair=None) -> Examples:
        """Texts from the command line, and their second texts."""
        if text_pair is not None and len(text_pair) != len(text):
            raise ValueError(
                f"--text-pair must come once for each --text: got {len(text_pair)} for {len(text)}."
            )
        return Examples(list(text), None if text_pair is None else list(text_pair))

    def texts(self, examples):
        return examples.texts + (examples.text_pairs or [])

    def build(
        self,
        start,
        examples,
        *,
        tokenizer=None,
        sequence_length=128,
        dropout=0.1,
        early_exit=False,
        **more,
    ):
        """The classifier for the labels of `examples`, on `start`, with a new head; see `task_on`.

        Raises:
            ValueError: all examples are of one class; or several labels with `early_exit`, whose
                depths agree on one.
        """
        if self.problem == "classification" and len(np.unique(examples.labels)) < 2:
            only = examples.class_names[int(examples.labels[0])]
            raise ValueError(
                f"A classifier needs examples of at least two classes: all {len(examples)} "
                f"training examples are {only!r}. Is {self.label!r} the column of labels?"
            )
        if early_exit and self.problem == "multi_label":
            raise ValueError("--early-exit needs one answer a text: leave it out for multi_label.")
        if not early_exit:
            more["multi_label"] = self.problem == "multi_label"
        return task_on(
            AlbertEarlyExitClassifier if early_exit else AlbertTextClassifier,
            start,
            tokenizer=tokenizer,
            packing={"sequence_length": sequence_length},
            num_classes=examples.num_outputs,
            class_names=examples.class_names,
            dropout=dropout,
            **more,
        )

    def load(self, path, dtype=None):
        has_depths = saved_class(path) == "AlbertEarlyExitClassifier"
        cls = AlbertEarlyExitClassifier if has_depths else AlbertTextClassifier
        model = task_on(cls, str(path), dtype=dtype)
        if self.exit_patience is not None:
            if not has_depths:
                raise ValueError(
                    "--exit-patience needs a model with a head at every depth: this one was "
                    "trained without --early-exit."
                )
            model.patience = self.exit_patience
        return model

    def names_of(self, model):
        if model.is_regression:
            return None
        return model.class_names or [str(i) for i in range(model.num_classes)]

    def fitted_to(self, model):
        return dataclasses.replace(self, problem=problem_of(model))

    def batches(self, examples, *, batch_size, epochs=1, seed=0) -> tf.data.Dataset:
        """Raw batches for `fit`, of texts of similar length; see `training_rows`."""
        inputs, labels = text_columns(examples), tf.constant(examples.labels)
        weights = factors_of(self.class_weights, examples)

        def take(indices):
            row = (gathered(inputs, indices), tf.gather(labels, indices))
            if weights is None:
                return row
            return (*row, tf.gather(weights, tf.gather(labels, indices)))

        return training_rows(row_lengths(examples), take, batch_size, epochs, seed)

    def answer(self, model, examples, batch_size=64) -> list[dict]:
        """What the model says of each text; see `answer_rows`."""
        return answer_rows(model, examples, predict_logits(model, examples, batch_size))

    def evaluate(self, model, examples, batch_size=64):
        """Metrics and `loss` of a classifier, and its answers."""
        logits, depths = predict_logits(model, examples, batch_size, with_depths=True)
        problem = problem_of(model)
        found = score_logits(problem, check_metrics(self.metrics, problem), examples.labels, logits)
        if depths is not None:
            found["mean_depth"] = float(depths.mean())
        return found, answer_rows(model, examples, logits)

    def larger_is_better(self, name):
        return name in METRICS and METRICS[name].larger_is_better

    def baselines(self, train, dev, model):
        """The most frequent answer (or the mean), and for pairs the words that both texts share."""
        problem, names = self.problem, check_metrics(self.metrics, self.problem)
        if problem == "classification":
            constant = np.bincount(train.labels, minlength=train.num_outputs)[None]
        elif problem == "multi_label":
            constant = train.labels.mean(axis=0)[None] - 0.5
        else:
            constant = train.labels.mean(keepdims=True)[None]
        ways = {"majority": np.repeat(constant.astype("float32"), len(dev), axis=0)}
        if train.text_pairs and problem != "multi_label":
            ways["overlap"] = overlap_answers(problem, train, dev)
        found = {way: score_logits(problem, names, dev.labels, v) for way, v in ways.items()}
        for scores in found.values():
            del scores["loss"]  # These are no logits.
        return found

    def describe(self, model, train, dev):
        lengths = [
            token_counts(text_columns(part), model.preprocessor.tokenizer) for part in (train, dev)
        ]
        limit = model.preprocessor.sequence_length
        return {
            "problem": self.problem,
            "classes": list(train.class_names or ()),
            "pairs": train.text_pairs is not None,
            "longest_train_example_in_tokens": int(lengths[0].max()),
            "train_examples_cut": int((lengths[0] > limit).sum()),
            "dev_examples_cut": int((lengths[1] > limit).sum()),
        }

    def num_cut(self, model, examples):
        limit = model.preprocessor.sequence_length
        return int(
            (token_counts(text_columns(examples), model.preprocessor.tokenizer) > limit).sum()
        )

    def write(self, rows, directory, examples=None):
        """Writes `predictions.tsv` and `.jsonl`; and where labels are known, what `write_reports`
        tells of the classes."""
        directory = Path(directory)
        write_rows(rows, directory / "predictions.jsonl")
        write_table(rows, directory / "predictions.tsv")
        if rows and "label" in rows[0] and "probabilities" in rows[0]:
            write_reports(rows, directory)

    def compare(self, row):
        """The surest mistake is the furthest; of several labels, that with most labels wrong."""
        true, given = row["label"], row["prediction"]
        if isinstance(true, list):
            error = len(set(true) ^ set(given))
            true, given = (", ".join(labels) or "(none)" for labels in (true, given))
        elif "probabilities" in row:
            error = 0.0 if true == given else row["probabilities"][given]
        else:
            error = abs(true - given)
            true, given = f"{true:.4g}", f"{given:.4g}"
        return Compared(_asked(row), true, given, error)

    def line(self, row):
        text = _asked(row)
        if "probabilities" not in row:
            return f"{row['prediction']:10.4f}  {text}"
        answer = row["prediction"]
        answer = ", ".join(answer) or "(none)" if isinstance(answer, list) else answer
        ranked = sorted(row["probabilities"].items(), key=lambda item: -item[1])[:3]
        shares = " ".join(f"{name}={share:.3f}" for name, share in ranked)
        return f"{answer:20}  {shares:40}  {text}"


def _asked(row):
    return row["text"] + (f" | {row['text_pair']}" if "text_pair" in row else "")
