"""Questions on texts: SQuAD 1.1 and 2.0 files, and tables of a question and its context."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from albert_tf.data.rows import read_rows
from albert_tf.json_object import read_json_object


class Answer(NamedTuple):
    """One answer: its text, and the Unicode character of the context that it starts at."""

    text: str
    start: int


@dataclass(frozen=True)
class QuestionExamples:
    """Questions, the texts they are asked of, and what is known of each.

    Args:
        ids: names of the questions, all different.
        questions: one text an example; may be empty.
        contexts: the text that the answer is a part of; may be empty.
        answers: a tuple of `Answer` an example, one for each person asked; `()` for a question
            that the context does not answer; None where answers are not known.
    """

    ids: list[str]
    questions: list[str]
    contexts: list[str]
    answers: list[tuple[Answer, ...]] | None = None

    def __len__(self):
        return len(self.ids)

    @property
    def any_unanswerable(self) -> bool:
        """Whether some question is known to have no answer, as in SQuAD 2.0."""
        return self.answers is not None and not all(self.answers)

    def take(self, indices) -> "QuestionExamples":
        """The examples at `indices` (a slice or an int array), in that order."""
        picked = np.arange(len(self))[indices]
        columns = (self.ids, self.questions, self.contexts, self.answers)
        return QuestionExamples(*(column and [column[i] for i in picked] for column in columns))

    def inputs(self) -> dict[str, list[str]]:
        """Questions and contexts as `AlbertQuestionAnswering` takes them."""
        return {"question": self.questions, "context": self.contexts}

    def targets(self) -> dict[str, list]:
        """The first answer to each question as `fit` takes it; "" and -1 where there is none."""
        first = [answers[0] if answers else Answer("", -1) for answers in self.answers]
        return {
            "answer_text": [answer.text for answer in first],
            "answer_start": [answer.start for answer in first],
        }

    def as_squad(self) -> list[dict]:
        """The list `data` of a SQuAD file with these questions, for `metrics.squad_scores`."""
        known = self.answers or [()] * len(self)
        paragraphs = []
        for id, question, context, answers in zip(
            self.ids, self.questions, self.contexts, known, strict=True
        ):
            listed = [{"text": a.text, "answer_start": a.start} for a in answers]
            asked = {"id": id, "question": question, "answers": listed}
            if self.any_unanswerable:
                asked["is_impossible"] = not answers
            paragraphs.append({"context": context, "qas": [asked]})
        return [{"title": "", "paragraphs": paragraphs}]


def read_squad(path, *, labelled=True) -> QuestionExamples:
    """Reads a file in the layout of SQuAD 1.1 or 2.0.

    Args:
        path: the JSON file.
        labelled: whether answers are read; without, they need not be there.

    Raises:
        FileNotFoundError: no such file.
        ValueError: bytes that are not UTF-8, JSON that is malformed (with line and column), a
            field that is missing or of another kind, an id that comes twice, an answer that does
            not stand at its offset, or a question without an answer that is not marked
            `is_impossible`.
    """
    path = Path(path)
    file = read_json_object(path)
    rows, seen = [], set()
    for a, article in enumerate(_list(path, file, "data", "")):
        place = f"data[{a}]"
        for p, paragraph in enumerate(_list(path, article, "paragraphs", place)):
            inner = f"{place}.paragraphs[{p}]"
            context = _text(path, paragraph, "context", inner)
            for q, qa in enumerate(_list(path, paragraph, "qas", inner)):
                row = _question(path, qa, context, f"{inner}.qas[{q}]", labelled)
                if row[0] in seen:
                    raise ValueError(f"{path}: the id {row[0]!r} stands at more than one question.")
                seen.add(row[0])
                rows.append(row)
    if not rows:
        raise ValueError(f"{path} has no questions to read. Is it the right file?")
    ids, questions, contexts, answers = map(list, zip(*rows, strict=True))
    return QuestionExamples(ids, questions, contexts, answers if labelled else None)


def read_questions(path, *, question="question", context="context", id=None, header=True):
    """Reads questions without answers from a TSV, CSV or JSON-lines file (see `read_rows`).

    Args:
        path: the file.
        question, context: names or indices of the two columns.
        id: that of the ids; None numbers the questions from 1.
        header: whether a TSV or CSV file names its columns in the first row.

    Returns:
        `QuestionExamples` with `answers` None.

    Raises:
        FileNotFoundError: no such file.
        ValueError: what `read_rows` refuses, a missing column, a text that is none, or an id that
            comes twice.
    """
    rows = read_rows(path, header=header)
    columns = []
    for choice in (question, context):
        columns.append(rows.column(choice))
        for line, text in zip(rows.lines, columns[-1], strict=True):
            if not isinstance(text, str):
                raise ValueError(
                    f"{path}, line {line}: {choice!r} must be a text: got {json.dumps(text)}."
                )
    ids = [str(i + 1) for i in range(len(rows))]
    if id is not None:
        ids = [str(value) for value in rows.column(id)]
        seen = set()
        for line, value in zip(rows.lines, ids, strict=True):
            if value in seen:
                raise ValueError(f"{path}, line {line}: the id {value!r} came before.")
            seen.add(value)
    return QuestionExamples(ids, *columns)


def check_answer(context, answer, where) -> None:
    """Raises `ValueError` where an answer is empty or does not stand at its offset.

    Args:
        context: the text.
        answer: `Answer`.
        where: what to call the question in the message.
    """
    text, start = answer
    if not text.strip():
        raise ValueError(
            f"{where}: an answer must have a visible character: got {text!r}. A question "
            "without an answer has no answers at all."
        )
    found = context[start : start + len(text)] if start >= 0 else ""
    if found == text:
        return
    elsewhere = context.find(text)
    hint = "It is nowhere in the context."
    if elsewhere >= 0:
        hint = f"It stands at character {elsewhere}. Positions count Unicode characters from 0."
    raise ValueError(
        f"{where}: the answer {_short(text)} must stand at character {start} of its context: "
        f"there stands {_short(found)}. {hint}"
    )


def _question(path, qa, context, place, labelled):
    id = _text(path, qa, "id", place)
    question = _text(path, qa, "question", place)
    if not labelled:
        return id, question, context, ()
    where = f"{path}, question {id!r}"
    answers = tuple(
        Answer(
            _text(path, answer, "text", f"{place}.answers[{i}]"),
            _number(path, answer, "answer_start", f"{place}.answers[{i}]"),
        )
        for i, answer in enumerate(_list(path, qa, "answers", place))
    )
    for answer in answers:
        check_answer(context, answer, where)
    impossible = qa.get("is_impossible", False)
    if (impossible is True) == bool(answers):
        raise ValueError(
            f"{where}: a question has answers, or is_impossible is true: got {len(answers)} "
            f"answers and is_impossible {json.dumps(impossible)}."
        )
    return id, question, context, answers


def _field(path, item, name, place, kind, words):
    value = item.get(name) if isinstance(item, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        found = json.dumps(value)[:80] if isinstance(item, dict) and name in item else "none"
        raise ValueError(
            f"{path}: {place or 'the file'} must have {words} under {name!r}, as SQuAD does: got "
            f"{found}."
        )
    return value


def _list(path, item, name, place):
    return _field(path, item, name, place, list, "a list")


def _text(path, item, name, place):
    return _field(path, item, name, place, str, "a text")


def _number(path, item, name, place):
    return _field(path, item, name, place, int, "a whole number")


def _short(text):
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
