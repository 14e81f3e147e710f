import base64
import json
import re
from html.parser import HTMLParser

import pytest

from albert_tf.metrics import answer_f1
from albert_tf.training.jobs.embeddings import Embeddings
from albert_tf.training.jobs.multiple_choice import MultipleChoice
from albert_tf.training.jobs.question_answering import QuestionAnswering
from albert_tf.training.jobs.sequence_to_sequence import SequenceToSequence
from albert_tf.training.jobs.text_classification import TextClassification
from albert_tf.training.jobs.token_classification import TokenClassification
from albert_tf.training.report import MOST_EXAMPLES, Compared
from albert_tf.training.run_directory import RunDirectory

SUMMARY = {
    "task": "own",
    "dev": {"accuracy": 0.875, "loss": 0.25},
    "baselines": {"majority": {"accuracy": 0.5}},
    "warnings": ["Too few <examples>."],
    "parameters": 12345,
}


class Cells(HTMLParser):
    """The texts of the cells of all tables, a list a row; fails on tags that do not match."""

    def __init__(self, page):
        super().__init__()
        self.rows, self._open = [], []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img"):
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


@pytest.fixture
def page_of(tmp_path):
    def write(summary, compared=()):
        run = RunDirectory(tmp_path / "run", {"learning_rate": 0.1, "note": "<b>"}, seed=3)
        run.log("train", 1, loss=0.5)
        run.finish(summary, compared)
        return (tmp_path / "run" / "report.html").read_text(encoding="utf-8")

    return write


def test_scores_stand_beside_those_that_take_no_model(page_of):
    rows = Cells(page_of(SUMMARY)).rows
    assert ["", "dev", "without a model: majority"] in rows
    assert ["accuracy", "0.875", "0.5"] in rows
    assert ["loss", "0.25", ""] in rows


def test_a_score_that_is_not_finite_leaves_the_others_in_their_table(page_of):
    rows = Cells(page_of({"dev": {"accuracy": 0.5, "loss": float("nan")}})).rows
    assert rows[:3] == [["", "dev"], ["accuracy", "0.5"], ["loss", ""]]


def test_runs_from_several_seeds_have_a_column_each(page_of):
    runs = {"seed-0": {"dev": {"f1": 0.5}, "failed": False}, "seed-1": {"dev": None, "failed": 1}}
    rows = Cells(page_of({"dev": {"f1": 0.5}, "runs": runs})).rows
    assert rows[:2] == [["", "dev", "seed-0", "seed-1 (failed)"], ["f1", "0.5", "0.5", ""]]


def test_mistakes_come_the_furthest_first_and_right_answers_evenly_out_of_all(page_of):
    wrong = [Compared(f"wrong {i}", "a", "b", i / 100) for i in range(1, 31)]
    right = [Compared(f"right {i}", "a", "a", 0.0) for i in range(100)]
    asked = [row[0] for row in Cells(page_of(SUMMARY, right + wrong)).rows if len(row) == 3]
    assert [t for t in asked if t.startswith("wrong")] == [f"wrong {i}" for i in range(30, 10, -1)]
    shown = [text for text in asked if text.startswith("right")]
    assert shown == [f"right {i}" for i in range(0, 100, 100 // MOST_EXAMPLES)]


def test_text_of_users_is_no_markup(page_of):
    page = page_of(SUMMARY, [Compared("<script>x</script>", "&", "<i>", 1.0)])
    assert ["<script>x</script>", "&", "<i>"] in Cells(page).rows
    assert "<script" not in page
    assert "Too few &lt;examples&gt;." in page


def test_the_page_needs_no_other_file(page_of, tmp_path):
    page = page_of(SUMMARY)
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    kind, _, picture = sources[0].partition(",")
    assert (len(sources), kind) == (1, "data:image/png;base64")
    assert base64.b64decode(picture) == (tmp_path / "run" / "learning_curve.png").read_bytes()


def test_it_tells_how_to_repeat_the_run(page_of, tmp_path):
    page = page_of(SUMMARY)
    settings = json.loads((tmp_path / "run" / "settings.json").read_text())
    assert [["learning_rate", "0.1"], ["note", settings["note"]]] == [
        row for row in Cells(page).rows if row[0] in settings
    ]
    assert "seed 3" in page


@pytest.mark.parametrize(
    ("job", "row", "expected"),
    [
        (
            TextClassification(),
            {"text": "x", "label": "a", "prediction": "b", "probabilities": {"a": 0.1, "b": 0.9}},
            ("x", "a", "b", 0.9),
        ),
        (
            TextClassification(problem="multi_label"),
            {"text": "x", "text_pair": "y", "label": ["a"], "prediction": [], "probabilities": {}},
            ("x | y", "a", "(none)", 1),
        ),
        (
            TextClassification(problem="regression"),
            {"text": "x", "label": 1.0, "prediction": 1.25},
            ("x", "1", "1.25", 0.25),
        ),
        (
            MultipleChoice(),
            {"question": "q", "expected": "A", "answer": "A", "choice": "c", "probabilities": {}},
            ("q", "A", "A: c", 0.0),
        ),
        (
            QuestionAnswering(),
            {"question": "q", "expected": ["the cat", "cat"], "answer": "a cat"},
            ("q", "the cat / cat", "a cat", 0.0),
        ),
        (
            QuestionAnswering(),
            {"question": "q", "expected": [], "answer": "a cat"},
            ("q", "(no answer)", "a cat", 1.0),
        ),
        (
            TokenClassification(),
            {"text": "a b", "words": ["a", "b"], "expected": ["B-x", "O"], "tags": ["O", "O"]},
            ("a b", "a B-x", "(none)", 1),
        ),
        (
            SequenceToSequence(),
            {"text": "s", "expected": "ein Hund", "prediction": "ein Hund"},
            ("s", "ein Hund", "ein Hund", 0.0),
        ),
        (
            Embeddings(),
            {"text": "s", "text_pair": "t", "cosine": 0.5, "expected": 0.75, "rank": 0},
            ("s | t", "0.75", "0.50", 0.25),
        ),
        (
            Embeddings(),
            {"text": "s", "text_pair": "t", "cosine": 0.5, "rank": 2},
            ("s | t", "none is nearer", "2 others are nearer", 2.0),
        ),
    ],
)
def test_every_kind_of_answer_can_be_compared(job, row, expected):
    assert job.compare(row) == expected


def test_the_f1_of_one_answer_is_that_of_the_nearest_right_one():
    assert answer_f1("the black cat", ["a dog", "cat"]) == pytest.approx(2 / 3)
    assert (answer_f1("", []), answer_f1("cat", [])) == (1.0, 0.0)
