"""Questions with several choices, of which one fits (RACE, DREAM, ARC)."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import tensorflow as tf


@dataclass(frozen=True)
class ChoiceQuestions:
    """Questions, what they are about, and what there is to choose from.

    Args:
        passages: the text that each question is about; "" where there is none.
        questions: may hold `_`, a blank that the choice goes into; "" where there is none.
        choices: for each question two or more texts.
        keys: for each question what its file calls the choices, such as A, B, C, D.
        ids: a name for each question, as its file has it or by its place there.
        groups: what each question counts to beside all (`high`, `middle`), or None.
        labels: int32 `(num_questions,)`, the right choices, counted from 0; or None.
    """

    passages: list[str]
    questions: list[str]
    choices: list[tuple[str, ...]]
    keys: list[tuple[str, ...]]
    ids: list[str]
    groups: list[str] | None = None
    labels: np.ndarray | None = None

    def __len__(self):
        return len(self.questions)

    def take(self, indices) -> "ChoiceQuestions":
        """The questions at `indices` (a slice or an int array), in that order."""
        picked = np.arange(len(self))[indices]
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        labels = values.pop("labels")
        taken = {name: value and [value[i] for i in picked] for name, value in values.items()}
        return ChoiceQuestions(**taken, labels=None if labels is None else labels[picked])

    def inputs(self) -> dict:
        """The questions as `AlbertMultipleChoicePreprocessor` takes them."""
        lengths = [len(choices) for choices in self.choices]
        texts = [choice for choices in self.choices for choice in choices]
        return {
            "text": tf.constant(self.passages, tf.string),
            "question": tf.constant(self.questions, tf.string),
            "choices": tf.RaggedTensor.from_row_lengths(tf.constant(texts, tf.string), lengths),
        }

    @classmethod
    def joined(cls, parts: "list[ChoiceQuestions]") -> "ChoiceQuestions":
        """The questions of several files; a field that one of them lacks is lacking."""
        values = {f.name: [getattr(p, f.name) for p in parts] for f in dataclasses.fields(cls)}
        labels = values.pop("labels")
        whole = {
            name: None if None in value else [row for rows in value for row in rows]
            for name, value in values.items()
        }
        return cls(**whole, labels=_whole(labels))


def _whole(parts):
    return None if any(part is None for part in parts) else np.concatenate(parts)
