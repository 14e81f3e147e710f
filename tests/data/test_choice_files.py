import json
import tarfile

import pytest

from albert_tf.data.choice_files import read_choices, read_race
from albert_tf.data.choices import ChoiceQuestions

RACE = {
    "article": "the cat sat",
    "questions": ["It _.", "Why?"],
    "options": [["sat", "ran"], ["fun", "rest", "rain"]],
    "answers": ["A", "C"],
    "id": "high1.txt",
}
DREAM = [["W: Hi.", "M: Ho."], [{"question": "Who?", "choice": ["W", "M"], "answer": "M"}], "4-1"]
ARC = {
    "id": "Mercury_7",
    "question": {
        "stem": "Why?",
        "choices": [{"text": "a", "label": "1"}, {"text": "b", "label": "2"}],
    },
    "answerKey": "2",
}
ARC_COLUMNS = {
    "id": "Mercury_7",
    "question": "Why?",
    "choices": {"text": ["a", "b"], "label": ["1", "2"]},
    "answerKey": "2",
}


@pytest.fixture
def read(tmp_path):
    def read(*values, **more):
        path = tmp_path / "d.jsonl"
        path.write_text("\n".join(map(json.dumps, values)))
        return read_choices(path, **more)

    return read


def test_race_has_several_questions_a_passage(read):
    found = read(RACE)
    assert found.passages == ["the cat sat"] * 2
    assert found.questions == ["It _.", "Why?"]
    assert found.choices == [("sat", "ran"), ("fun", "rest", "rain")]
    assert found.keys == [("A", "B"), ("A", "B", "C")]
    assert found.labels.tolist() == [0, 2]
    assert found.ids == ["high1.txt-0", "high1.txt-1"]


def test_dream_has_turns_and_answers_in_words(read):
    found = read([DREAM, DREAM])
    assert found.passages == ["W: Hi.\nM: Ho."] * 2
    assert found.labels.tolist() == [1, 1]


@pytest.mark.parametrize("value", [ARC, ARC_COLUMNS])
def test_arc_has_keys_and_no_passage(read, value):
    found = read(value)
    assert (found.passages, found.questions, found.choices) == ([""], ["Why?"], [("a", "b")])
    assert (found.keys, found.ids, found.labels.tolist()) == ([("1", "2")], ["Mercury_7"], [1])


@pytest.mark.parametrize("answer", [2, "C", "z"])
def test_plain_answers_are_numbers_letters_or_texts(read, answer):
    row = {"context": "p", "options": ["x", "y", "z"], "answer": answer}
    found = read(row)
    assert (found.passages, found.questions, found.labels.tolist()) == (["p"], [""], [2])
    assert read(row, with_answers=False).labels is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (RACE | {"answers": ["A"]}, "line 1: .*2 questions, 2 lists of options and 1 answers"),
        (RACE | {"answers": ["A", "D"]}, "line 1, question 2: .*3 choices: got 'D' for 'A', 'B'"),
        (
            RACE | {"options": [["a"], ["b", "c"]], "answers": ["A", "A"]},
            "question 1: .*two choices",
        ),
        ({"question": "q", "answer": 1}, "line 1: 'choices' or 'options' .* is missing"),
        ({"choices": ["a", "b"], "answer": 2}, "line 1: the answer must be one of the 2 .* got 2"),
        ({"choices": ["a", "b"]}, "line 1: the answer must be one of the 2 choices: got None"),
        ({"choices": ["a", 3], "answer": 0}, "line 1: .* each a text"),
        (["turns", []], "line 1|item 1"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_line(read, value, message):
    with pytest.raises(ValueError, match=message):
        read(value)


def test_levels_of_race_are_groups_to_choose_from(tmp_path):
    for level in ("high", "middle"):
        (tmp_path / "RACE/dev" / level).mkdir(parents=True)
        (tmp_path / "RACE/dev" / level / "1.txt").write_text(json.dumps(RACE))
    both = read_race(tmp_path, "dev")
    assert both.groups == ["middle"] * 2 + ["high"] * 2
    assert read_race(tmp_path / "RACE", "dev", levels=("high",)).groups == ["high"] * 2
    (tmp_path / "RACE/dev/high/all.txt").write_text(f"{json.dumps(RACE)}\n{json.dumps(RACE)}\n")
    assert len(read_race(tmp_path, "dev", levels=("high",))) == 4
    with pytest.raises(FileNotFoundError, match="holds train, dev and test"):
        read_race(tmp_path, "test")
    with pytest.raises(ValueError, match="middle, high: got 'low'"):
        read_race(tmp_path, "dev", levels=("low",))


def test_questions_are_taken_by_index_and_joined(read):
    found = read(RACE, group="high").take([1])
    assert (found.ids, found.groups, found.labels.tolist()) == (["high1.txt-1"], ["high"], [2])
    both = ChoiceQuestions.joined([found, read(ARC, with_answers=False)])
    assert (both.groups, both.labels) == (None, None)
    assert both.inputs()["choices"].to_list() == [[b"fun", b"rest", b"rain"], [b"a", b"b"]]


@pytest.mark.slow
def test_the_dev_set_of_race_is_read_whole(shared, tmp_path):
    with tarfile.open(shared / "data/race.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    found = read_race(tmp_path / "race", "dev")
    # Lai et al. 2017, Table 2.
    assert (found.groups.count("middle"), found.groups.count("high")) == (1436, 3451)
    assert len(read_race(tmp_path / "race", "train")) == 8371 + 9916
