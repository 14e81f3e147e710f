"""Short lives of real people, to learn question answering and entities on with no download.

`samples/people.tsv` has the facts. The texts are written here out of a dozen patterns, so that a
model that has read a few hundred of them knows their form: true answers to a toy, not a corpus.
They are written in the layouts that real data comes in, and read by the readers of those.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from albert_tf.data.rows import read_rows
from albert_tf.data.squad import Answer, QuestionExamples
from albert_tf.staging import new_file

SAMPLES = Path(__file__).parents[1] / "samples"
PEOPLE = SAMPLES / "people.tsv"
PROSE = SAMPLES / "prose.json"  # five passages that no pattern wrote, with 20 questions
COLUMNS = ("name", "pronoun", "calling", "born", "birthplace", "died", "known_for")
# One pattern of each row is drawn for a person; a name in braces is a column or made of one.
SENTENCES = (
    (
        "{name} was born in {birthplace} in {born}.",
        "In {born} the {calling} {name} was born in {birthplace}.",
        "{name}, who worked as {a_calling}, was born in {born} in {birthplace}.",
        "The {calling} {name} came from {birthplace}, where {pronoun} was born in {born}.",
        "{birthplace} is the birthplace of {name}, {a_calling} born in {born}.",
    ),
    (
        "{Pronoun} is known for {known_for}.",
        "Today {pronoun} is remembered for {known_for}.",
        "{last} became famous for {known_for}.",
        "We owe to {last}, {a_calling}, {known_for}.",
    ),
    (
        "{Pronoun} died in {died}.",
        "{last} lived until {died}.",
        "The death of {last} came in {died}.",
    ),
)
QUESTIONS = {
    "born": ("When was {name} born?", "In which year was {name} born?"),
    "birthplace": ("Where was {name} born?", "In which place was {name} born?"),
    "died": ("When did {name} die?", "In which year did {name} die?"),
    "known_for": ("What is {name} known for?", "What did {name} become famous for?"),
    "name": ("Who is known for {known_for}?", "Who was born in {born}?", "Who died in {died}?"),
}
ENTITIES = {
    "name": "person",
    "last": "person",
    "birthplace": "place",
    "born": "year",
    "died": "year",
    "known_for": "deed",
}


@dataclass(frozen=True)
class Life:
    """A few sentences about somebody, and where in them the facts stand.

    Args:
        person: column -> text, a row of the file.
        text: the sentences.
        mentions: triples of start, end (exclusive, in characters) and column, in order.
    """

    person: dict[str, str]
    text: str
    mentions: list[tuple[int, int, str]]

    def place_of(self, column: str) -> int:
        """The character that the first mention of a fact begins at."""
        return next(start for start, _, name in self.mentions if name == column)


def read_people(path: str | Path = PEOPLE) -> list[dict[str, str]]:
    """Reads a file of facts: a dictionary of `COLUMNS` for each person.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a column is missing.
    """
    rows = read_rows(path)
    cells = zip(*map(rows.column, COLUMNS), strict=True)
    return [dict(zip(COLUMNS, row, strict=True)) for row in cells]


def split_people(people: list[dict], test_fraction=0.2, seed=0) -> tuple[list, list]:
    """Train and test, two lists without a name in common."""
    order = np.random.default_rng(seed).permutation(len(people))
    cut = round(test_fraction * len(people))
    return [people[i] for i in order[cut:]], [people[i] for i in order[:cut]]


def write_life(person: dict[str, str], rng: np.random.Generator) -> Life:
    """Tells of somebody in three sentences, their patterns drawn by chance."""
    words = person | {
        "last": person["name"].split()[-1],
        "Pronoun": person["pronoun"].capitalize(),
        "a_calling": ("an " if person["calling"][0] in "aeiou" else "a ") + person["calling"],
    }
    text, mentions = "", []
    for patterns in SENTENCES:
        for part in re.split(r"\{(\w+)\}", patterns[rng.integers(len(patterns))] + " "):
            if part in words:
                if part in ENTITIES:
                    mentions.append((len(text), len(text) + len(words[part]), part))
                part = words[part]
            text += part
    return Life(person, text.strip(), mentions)


def make_questions(people: list[dict], *, together=1, rounds=2, seed=0) -> QuestionExamples:
    """Texts about one or more people each, and five questions about each of them.

    Args:
        people: from `read_people`.
        together: people a text. With one, the kind of a question gives its answer; with more,
            the model has to read whom it is about.
        rounds: how often everybody is told of.
        seed: of all chance.

    Returns:
        `QuestionExamples`, each with one answer.
    """
    rng, rows = np.random.default_rng(seed), []
    for _ in range(rounds):
        order = rng.permutation(len(people))
        for group in np.array_split(order, max(1, len(people) // together)):
            lives = [write_life(people[i], rng) for i in group]
            context, begin = " ".join(life.text for life in lives), 0
            for life in lives:
                for column, forms in QUESTIONS.items():
                    question = forms[rng.integers(len(forms))].format_map(life.person)
                    answer = Answer(life.person[column], begin + life.place_of(column))
                    rows.append((f"q{len(rows) + 1}", question, context, (answer,)))
                begin += len(life.text) + 1
    return QuestionExamples(*map(list, zip(*rows, strict=True)))


def write_questions(path: str | Path, people: list[dict], **how) -> Path:
    """Writes `make_questions` as a file in SQuAD's layout.

    Raises:
        FileExistsError: there is such a file.
    """
    data = make_questions(people, **how).as_squad()
    with new_file(path) as staged:
        staged.write_text(json.dumps({"version": "people", "data": data}), encoding="utf-8")
    return Path(path)


def write_entities(path: str | Path, people: list[dict], *, rounds=2, seed=0) -> Path:
    """Writes texts with their entities (`ENTITIES`) as JSON lines, for `read_tagged_texts`.

    Args:
        path: a new file that ends in `.jsonl`.
        people: from `read_people`.
        rounds: how often everybody is told of.
        seed: of all chance.

    Raises:
        FileExistsError: there is such a file.
    """
    rng, lines = np.random.default_rng(seed), []
    for life in (write_life(person, rng) for _ in range(rounds) for person in people):
        marks = [
            {"start": s, "end": e, "label": ENTITIES[column]} for s, e, column in life.mentions
        ]
        lines.append(json.dumps({"text": life.text, "entities": marks}, ensure_ascii=False))
    with new_file(path) as staged:
        staged.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Path(path)
