"""Readers of multiple choice: RACE's folders, and JSON as RACE, DREAM, ARC and most others have it.

| layout | one value of the file |
| --- | --- |
| RACE | `{"article": "", "questions": [""], "options": [[""]], "answers": ["A"], "id": ""}` |
| DREAM | `[["a turn"], [{"question": "", "choice": [""], "answer": "its text"}], "id"]` |
| ARC | `{"id": "", "question": {"stem": "", "choices": [{"text": "", "label": "A"}]},` |
|     | `"answerKey": "A"}`; with `"choices": {"text": [""], "label": [""]}` too |
| plain | `{"text": "", "question": "", "choices": [""], "answer": 0}`; the text may be called |
|     | `passage`, `context` or `article`, and be missing, as the question may; the choices |
|     | `options` or `choice`; the answer `label` or `answerKey`: a number from 0, a letter, or |
|     | the choice itself |
"""

import string
from pathlib import Path

import numpy as np

from albert_tf.data.choices import ChoiceQuestions
from albert_tf.data.json_items import Item, read_json_items

LEVELS = ("middle", "high")


def read_race(folder, split, *, levels=LEVELS, with_answers=True) -> ChoiceQuestions:
    """Reads one split of RACE; each question belongs to the group of its level.

    Args:
        folder: the one that holds `train/`, `dev/` and `test/`, or the one around it, `RACE/`.
        split: `train`, `dev` or `test`.
        levels: `high`, `middle` or both (the original's `--high_only`, `--middle_only`).
        with_answers: False to leave the answers unread.

    Returns:
        The questions in the order of the levels and of the names of the files. Where a level has
        a file `all.txt`, it is read in place of the others.

    Raises:
        FileNotFoundError: no such folder, or no files in it.
        ValueError: a level that does not exist, or what `read_choices` refuses.
    """
    if unknown := [level for level in levels if level not in LEVELS]:
        raise ValueError(f"levels must be of {', '.join(LEVELS)}: got {unknown[0]!r}.")
    parts = []
    for level in levels:
        places = [Path(folder) / split / level, Path(folder) / "RACE" / split / level]
        files = [sorted(place.glob("*.txt")) for place in places]
        if not any(files):
            raise FileNotFoundError(
                f"There are no .txt files in {places[0]}. Name the folder that RACE was unpacked "
                "to, which holds train, dev and test."
            )
        found = next(filter(None, files))
        whole = [path for path in found if path.name == "all.txt"]
        # A few passages of RACE have no questions.
        parts += [_read(path, level, with_answers) for path in whole or found]
    return ChoiceQuestions.joined(parts)


def read_choices(path, *, group=None, with_answers=True) -> ChoiceQuestions:
    """Reads questions with choices from a JSON file of one of the layouts above.

    Args:
        path: the file; a list, or one value behind the other (JSON lines).
        group: what all of them count to, or None.
        with_answers: False to leave the answers unread.

    Raises:
        FileNotFoundError: no such file.
        ValueError: malformed JSON, a missing field, less than two choices, an answer that is none
            of the choices (the message has the line), or no questions.
    """
    found = _read(path, group, with_answers)
    if not len(found):
        raise ValueError(f"{path} holds no questions. Is it the right file?")
    return found


def _read(path, group, with_answers):
    rows = [row for item in read_json_items(path) for row in _questions(item)]
    labels = None
    if with_answers:
        labels = np.array([_label(*row) for row in rows], np.int32)
    for where, _, _, choices, *_ in rows:
        if len(choices) < 2 or not all(isinstance(choice, str) for choice in choices):
            raise ValueError(
                f"{where}: a question needs two choices or more, each a text: got {choices!r:.120}."
            )
    columns = map(list, zip(*rows, strict=True)) if rows else [[] for _ in range(7)]
    _, passages, questions, choices, keys, _, ids = columns
    groups = None if group is None else [group] * len(rows)
    return ChoiceQuestions(passages, questions, choices, keys, ids, groups, labels)


def _questions(item: Item):
    """Yields (where, passage, question, choices, keys, answer, id) of one value of a file."""
    if isinstance(item.value, list):
        yield from _dream(item)
    elif isinstance(item.value, dict) and "questions" in item.value:
        yield from _race(item)
    else:
        yield _single(item)


def _race(item):
    passage, name = item.field("article", kind=str), item.field("id", kind=str, required=False)
    questions, options = item.field("questions", kind=list), item.field("options", kind=list)
    answers = item.field("answers", kind=list, required=False) or [None] * len(questions)
    if not len(questions) == len(options) == len(answers):
        raise ValueError(
            f"{item.where}: every question needs its options and its answer: got "
            f"{len(questions)} questions, {len(options)} lists of options and {len(answers)} "
            "answers."
        )
    rows = zip(questions, options, answers, strict=True)
    for number, (question, choices, answer) in enumerate(rows):
        where = f"{item.where}, question {number + 1}"
        choices = tuple(choices)
        yield where, passage, question, choices, _letters(choices), answer, f"{name}-{number}"


def _dream(item):
    if len(item.value) != 3 or not all(isinstance(part, list) for part in item.value[:2]):
        raise ValueError(
            f"{item.where}: a list must be that of DREAM, [turns, questions, id]: got "
            f"{len(item.value)} parts."
        )
    turns, questions, name = item.value
    for number, value in enumerate(questions, start=1):
        part = Item(f"{item.where}, question {number}", value)
        choices = tuple(part.field("choice", "choices", kind=list))
        answer = part.field("answer", kind=str, required=False)
        # No letters: DREAM's answers are the texts.
        keys = tuple(str(place) for place in range(len(choices)))
        question = part.field("question", kind=str)
        row = (part.where, "\n".join(turns), question, choices, keys, answer)
        yield *row, f"{name}-{number - 1}"


def _single(item):
    question, inner = item.field("question", required=False) or "", item
    if isinstance(question, dict):
        inner = Item(item.where, question)
        question = inner.field("stem", kind=str)
    choices = inner.field("choices", "options", "choice")
    keys = None
    if isinstance(choices, dict):
        columns = Item(item.where, choices)
        keys, choices = columns.field("label", kind=list), columns.field("text", kind=list)
    elif choices and isinstance(choices[0], dict):
        parts = [Item(item.where, choice) for choice in choices]
        keys = [part.field("label", kind=str) for part in parts]
        choices = [part.field("text", kind=str) for part in parts]
    choices = tuple(choices)
    keys = _letters(choices) if keys is None else tuple(keys)
    names = ("text", "passage", "context", "article")
    passage = item.field(*names, kind=str, required=False) or ""
    answer = item.field("answer", "label", "answerKey", required=False)
    name = item.field("id", required=False)
    name = item.where.rsplit(" ", 1)[-1] if name is None else str(name)
    return item.where, passage, question, choices, keys, answer, name


def _letters(choices):
    return tuple(string.ascii_uppercase[: len(choices)])


def _label(where, passage, question, choices, keys, answer, name):
    if isinstance(answer, int) and not isinstance(answer, bool) and 0 <= answer < len(choices):
        return answer
    if answer in keys:
        return keys.index(answer)
    if answer in choices:
        return choices.index(answer)
    raise ValueError(
        f"{where}: the answer must be one of the {len(choices)} choices: got {answer!r} for "
        f"{', '.join(map(repr, keys))} ({', '.join(map(repr, choices))})."
    )
