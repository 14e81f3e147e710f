import json
from types import SimpleNamespace

import keras
import pytest

from albert_tf.metrics import squad_scores
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.training.jobs.question_answering import QuestionAnswering

CONTEXT = "The cat sat on the mat, and 3, 14 or 1,000 dogs did not."
ASKED = {"Where?": "the mat", "How many dogs?": "1,000", "Who?": None, "Which film?": None}


def write(path, asked, context=CONTEXT):
    qas = []
    for number, (question, text) in enumerate(asked.items()):
        starts = [] if text is None else [{"text": text, "answer_start": context.index(text)}]
        qa = {"id": f"q{number}", "question": question, "answers": starts}
        qas.append(qa | {"is_impossible": text is None})
    data = [{"title": "t", "paragraphs": [{"context": context, "qas": qas}]}]
    path.write_text(json.dumps({"data": data}), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def setup(tiny_config, tiny_tokenizer, tmp_path_factory):
    """A job on four questions of 2.0: its object, the questions, and an untrained model."""
    path = write(tmp_path_factory.mktemp("squad") / "train.json", ASKED)
    job = QuestionAnswering()
    train, dev = job.read(SimpleNamespace(train=path, dev=path))
    keras.utils.set_random_seed(1)
    packing = {"tokenizer": tiny_tokenizer, "sequence_length": 32, "doc_stride": 8}
    model = job.build(AlbertBackbone(tiny_config), train, **packing)
    rows = job.answer(model, dev)
    return SimpleNamespace(job=job, train=train, dev=dev, model=model, rows=rows)


def test_the_head_is_that_of_the_original_for_the_data(setup, tiny_config, tiny_tokenizer):
    assert setup.model.is_conditional
    answered = setup.train.take([0, 1])
    packing = {"tokenizer": tiny_tokenizer, "sequence_length": 32}
    assert not setup.job.build(AlbertBackbone(tiny_config), answered, **packing).is_conditional


def test_batches_hold_every_question_with_its_first_answer(setup):
    seen = {}
    batches = setup.job.batches(setup.train, batch_size=3, epochs=2)
    assert len(batches) == 4
    for x, y in batches:
        assert set(x["context"].numpy()) == {CONTEXT.encode()}
        seen |= dict(zip(x["question"].numpy(), y["answer_text"].numpy(), strict=True))
        starts = zip(y["answer_text"].numpy(), y["answer_start"].numpy(), strict=True)
        assert all(CONTEXT[start:].startswith(text.decode()) for text, start in starts if text)
    assert seen == {q.encode(): (a or "").encode() for q, a in ASKED.items()}


def test_rows_tell_answers_that_are_parts_of_the_context(setup):
    for row, question in zip(setup.rows, ASKED, strict=True):
        assert row["question"] == question
        assert CONTEXT[row["start"] : row["end"]] == row["answer"] == row["answers"][0]["text"]
        assert sum(answer["probability"] for answer in row["answers"]) == pytest.approx(1, abs=1e-5)
    assert [row["expected"] for row in setup.rows] == [["the mat"], ["1,000"], [], []]


def test_the_threshold_of_the_dev_set_gives_the_score_that_it_was_chosen_for(setup):
    # Such odds that silence pays for the last two questions.
    rows = [
        row | {"null_odds": float(odds)} for odds, row in zip([0, 1, 2, 3], setup.rows, strict=True)
    ]
    rows[0]["answers"] = [rows[0]["answers"][0] | {"text": "mat"}]
    scores = setup.job.score(rows, setup.dev)
    assert next(iter(scores)) == "best_f1" and scores["best_f1_thresh"] == 0.0
    setup.job.finish(setup.model, scores)
    assert setup.model.null_threshold == 0.0
    answers = ["mat" if row["null_odds"] <= setup.model.null_threshold else "" for row in rows]
    silenced = [row | {"answer": answer} for row, answer in zip(rows, answers, strict=True)]
    found = setup.job.score(silenced, setup.dev)
    assert found["f1"] == scores["best_f1"] == 75.0
    setup.model.null_threshold = None


def test_data_without_unanswerable_questions_is_picked_by_f1(setup):
    answered = setup.dev.take([0, 1])
    scores = setup.job.score(setup.rows[:2], answered)
    assert next(iter(scores)) == "f1" and scores["total"] == 2
    setup.job.finish(setup.model, scores)
    assert setup.model.null_threshold is None


def test_the_files_are_those_of_the_original(setup, tmp_path):
    setup.job.write(setup.rows, tmp_path)
    read = {path.name: json.loads(path.read_text()) for path in tmp_path.glob("*.json")}
    assert set(read) == {"predictions.json", "nbest_predictions.json", "null_odds.json"}
    assert read["null_odds.json"]["q0"] == setup.rows[0]["null_odds"]
    best = read["nbest_predictions.json"]["q0"][0]
    assert set(best) == {"text", "probability", "start_log_prob", "end_log_prob"}
    found = squad_scores(setup.dev.as_squad(), read["predictions.json"])
    assert found["f1"] == setup.job.score(setup.rows, setup.dev)["f1"]
    assert len((tmp_path / "predictions.jsonl").read_text().splitlines()) == 4


def test_questions_to_answer_come_from_a_table_too(setup, tmp_path):
    path = tmp_path / "asked.tsv"
    path.write_text(f"question\tcontext\nWhere?\t{CONTEXT}\n")
    asked = setup.job.read_data(path, with_answers=False)
    rows = setup.job.answer(setup.model, asked)
    assert rows[0]["answer"] == setup.rows[0]["answer"] and "expected" not in rows[0]
