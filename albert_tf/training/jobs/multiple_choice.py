"""Multiple choice: data, model, answers, scores and files."""

import string
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from sklearn.metrics import accuracy_score

from albert_tf.data.choice_files import LEVELS, read_choices, read_race
from albert_tf.data.choices import ChoiceQuestions
from albert_tf.tasks.multiple_choice import AlbertMultipleChoice
from albert_tf.training.jobs.job import Job
from albert_tf.training.jobs.overlap import words
from albert_tf.training.jobs.rows import training_rows, write_lines, write_rows
from albert_tf.training.jobs.starts import task_on
from albert_tf.training.report import Compared


@dataclass(frozen=True, kw_only=True)
class MultipleChoice(Job):
    """Which of several choices fits (RACE; DREAM, ARC and others as JSON).

    Args:
        levels: of RACE, `high`, `middle` or both (the original's `--high_only`, `--middle_only`).
    """

    model_class = "multiple_choice"
    answer_key = "answer"

    levels: tuple[str, ...] = LEVELS

    def read_data(self, path, with_answers=True, class_names=None) -> ChoiceQuestions:
        """Reads one JSON file, or a folder of RACE's such as `RACE/train`."""
        path = Path(path)
        if path.is_dir():
            names = {"levels": self.levels, "with_answers": with_answers}
            return read_race(path.parent, path.name, **names)
        return read_choices(path, with_answers=with_answers)

    def ask(self, *, choice, question=None, text=None) -> ChoiceQuestions:
        """One question from the command line: its choices, and what they are asked of."""
        for name, given in (("question", question), ("text", text)):
            if given is not None and len(given) > 1:
                raise ValueError(
                    f"One question is answered at a time: got {len(given)} of --{name}. Put more "
                    "of them into a file."
                )
        if len(choice) < 2:
            raise ValueError(f"--choice must name two choices or more: got {len(choice)}.")
        texts = [text[0] if text else ""], [question[0] if question else ""]
        keys = [tuple(string.ascii_uppercase[i] for i in range(len(choice)))]
        return ChoiceQuestions(*texts, [tuple(choice)], keys, ["1"])

    def texts(self, examples):
        choices = [choice for choices in examples.choices for choice in choices]
        return list(dict.fromkeys(examples.passages)) + examples.questions + choices

    def build(
        self,
        start,
        examples=None,
        *,
        tokenizer=None,
        sequence_length=512,
        max_qa_length=None,
        dropout=0.1,
        **more,
    ):
        """The model on `start`; see `task_on`. One head does for any number of choices."""
        packing = {"sequence_length": sequence_length, "max_qa_length": max_qa_length}
        return task_on(
            AlbertMultipleChoice,
            start,
            tokenizer=tokenizer,
            packing=packing,
            dropout=dropout,
            **more,
        )

    def batches(self, examples, *, batch_size, epochs=1, seed=0) -> tf.data.Dataset:
        """Raw batches for `fit`, of questions of similar length; see `training_rows`."""
        inputs, labels = examples.inputs(), tf.constant(examples.labels)

        def take(indices):
            x = {name: tf.gather(value, indices) for name, value in inputs.items()}
            return x, tf.gather(labels, indices)

        return training_rows(_lengths(examples), take, batch_size, epochs, seed)

    def answer(self, model, examples, batch_size=32) -> list[dict]:
        """What the model says of each question.

        Returns:
            Dictionaries of `id`, `question`, `answer` (the key of a choice, such as B), `choice`
            (its text), `index` (its number from 0) and `probabilities` (key -> share); and of
            `group` and `expected`, a key, where they are known.
        """
        rows = []
        for i, answer in enumerate(model.choose(examples.inputs(), batch_size)):
            keys = examples.keys[i]
            row = {
                "id": examples.ids[i],
                "question": examples.questions[i],
                "answer": keys[answer["index"]],
                "choice": answer["choice"],
                "index": answer["index"],
                "probabilities": dict(zip(keys, answer["probabilities"], strict=True)),
            }
            if examples.groups is not None:
                row["group"] = examples.groups[i]
            if examples.labels is not None:
                row["expected"] = keys[examples.labels[i]]
            rows.append(row)
        return rows

    def score(self, rows, examples) -> dict[str, float]:
        """`accuracy`, and `accuracy of <group>` where there are groups."""
        given = np.array([row["index"] for row in rows])
        scores = {"accuracy": float(accuracy_score(examples.labels, given))}
        groups = np.array(examples.groups or [])
        for group in dict.fromkeys(examples.groups or []):
            of = groups == group
            scores[f"accuracy of {group}"] = float(accuracy_score(examples.labels[of], given[of]))
        return scores

    def baselines(self, train, dev, model):
        """The most frequent key, and the choice that has most of its words in the text."""
        key = np.bincount(train.labels).argmax()
        constant = [min(int(key), len(choices) - 1) for choices in dev.choices]
        likest = []
        for passage, choices in zip(dev.passages, dev.choices, strict=True):
            known = set(words(passage))
            shares = [np.mean([w in known for w in words(c)] or [0.0]) for c in choices]
            likest.append(int(np.argmax(shares)))
        ways = {"majority": constant, "overlap": likest}
        return {way: self.score([{"index": i} for i in v], dev) for way, v in ways.items()}

    def describe(self, model, train, dev):
        return {
            "choices": sorted({len(choices) for choices in train.choices}),
            "groups": sorted(set(train.groups or ())),
        }

    def rows_an_example(self, examples):
        return max(map(len, examples.choices))

    def compare(self, row):
        """The surest mistake is the furthest."""
        true, given = row["expected"], row["answer"]
        error = 0.0 if true == given else row["probabilities"][given]
        return Compared(row["question"], true, f"{given}: {row['choice']}", error)

    def line(self, row):
        share = row["probabilities"][row["answer"]]
        return f"{row['answer']}  {share:.3f}  {row['choice']}  <-  {row['question']}"

    def write(self, rows, directory, examples=None):
        """Writes JSON lines, and `predictions.csv`: id and key of the choice, as ARC takes it."""
        write_rows(rows, Path(directory) / "predictions.jsonl")
        lines = (f"{row['id']},{row['answer']}" for row in rows)
        write_lines(lines, Path(directory) / "predictions.csv")


def _lengths(examples):
    texts = zip(examples.passages, examples.questions, examples.choices, strict=True)
    return np.array([len(p) + len(q) + max(map(len, c)) for p, q, c in texts])
