import json

import numpy as np
import pytest

from albert_tf.data.squad import Answer, read_questions, read_squad
from albert_tf.metrics import squad_scores

CONTEXT = "Zoë paid £1,000 for it."


def question(id="q1", text="£1,000", start=9, **more):
    answers = [] if text is None else [{"text": text, "answer_start": start}]
    return {"id": id, "question": "How much?", "answers": answers} | more


def write(path, *questions, context=CONTEXT):
    data = [{"title": "t", "paragraphs": [{"context": context, "qas": list(questions)}]}]
    path.write_text(json.dumps({"version": "2.0", "data": data}), encoding="utf-8")
    return path


@pytest.fixture
def file(tmp_path):
    return tmp_path / "squad.json"


def test_questions_come_with_their_answers(file):
    none = question("q2", None, is_impossible=True)
    read = read_squad(write(file, question(is_impossible=False), none))
    assert read.ids == ["q1", "q2"] and read.contexts == [CONTEXT] * 2
    assert read.answers == [(Answer("£1,000", 9),), ()]
    assert read.any_unanswerable and not read.take([0]).any_unanswerable
    assert read.take(np.array([1])).ids == ["q2"]


def test_the_examples_are_scored_as_the_file_is(file):
    read = read_squad(write(file, question(), question("q2", "it", 20)))
    predictions = {"q1": "1,000", "q2": "it."}
    data = json.loads(file.read_text(encoding="utf-8"))["data"]
    assert squad_scores(read.as_squad(), predictions) == squad_scores(data, predictions)


def test_unlabelled_questions_need_no_answers(file):
    bare = {"id": "q1", "question": "?"}
    assert read_squad(write(file, bare), labelled=False).answers is None
    with pytest.raises(ValueError, match=r"qas\[0\] must have a list under 'answers'.*got none"):
        read_squad(file)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (question(start=8), "stand at character 8.*stands ' £1,00'. It stands at character 9"),
        (question(text="£2"), "'£2' must stand at character 9.*'£1'. It is nowhere"),
        (question(start=-3), "at character -3"),
        (question(text=" ", start=3), "visible character: got ' '"),
        (question(text=None), "got 0 answers and is_impossible false"),
        (question(is_impossible=True), "got 1 answers and is_impossible true"),
        (question(start="9"), r"answers\[0\] must have a whole number under 'answer_start'.*\"9\""),
        (question(text=5), r"answers\[0\] must have a text under 'text'.*got 5"),
        ({"id": 7, "question": "?", "answers": []}, r"qas\[0\] must have a text under 'id'"),
        ("q1", r"data\[0\].paragraphs\[0\].qas\[0\] must have a text under 'id'"),
    ],
)
def test_a_wrong_question_is_named_with_what_must_hold(file, wrong, message):
    with pytest.raises(ValueError, match=message):
        read_squad(write(file, wrong))


def test_an_id_that_comes_twice_is_refused(file):
    with pytest.raises(ValueError, match="id 'q1' stands at more than one question"):
        read_squad(write(file, question(), question()))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"data": [\n{"title": }]}', "line 2, column 11: not JSON"),
        (b'{"data": [', "not JSON.*complete"),
        (b'{"data":\n "Zo\xeb"}', r"byte 0xeb at position 13 \(line 2\) is not UTF-8"),
        (b"[]", "must hold a JSON object: got a list"),
        (b'{"date": []}', "the file must have a list under 'data'"),
        (b'{"data": []}', "has no questions"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_the_place(file, content, message):
    file.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_squad(file)
    with pytest.raises(FileNotFoundError, match="no file"):
        read_squad(file.with_name("other.json"))


def test_questions_without_answers_come_from_a_table(tmp_path):
    path = tmp_path / "asked.jsonl"
    rows = [{"question": "Who?", "context": CONTEXT, "key": "a"}, {"question": "", "context": ""}]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    read = read_questions(path)
    assert (read.ids, read.questions) == (["1", "2"], ["Who?", ""]) and read.answers is None
    with pytest.raises(ValueError, match="line 2: the row has no 'key'"):
        read_questions(path, id="key")
    path.write_text(json.dumps({"question": 5, "context": ""}), encoding="utf-8")
    with pytest.raises(ValueError, match="line 1: 'question' must be a text: got 5"):
        read_questions(path)
