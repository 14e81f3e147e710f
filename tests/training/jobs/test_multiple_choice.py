import json
from types import SimpleNamespace

import numpy as np
import pytest

from albert_tf.models.backbone import AlbertBackbone
from albert_tf.training.jobs.multiple_choice import MultipleChoice


def article(level, answers):
    return {
        "article": f"{level} story " * 3,
        "questions": ["It _."] * len(answers),
        "options": [["sat", "ran"], ["a", "b", "c"]][: len(answers)],
        "answers": answers,
        "id": f"{level}.txt",
    }


@pytest.fixture(scope="module")
def job(tiny_config, tiny_tokenizer, tmp_path_factory):
    """A job on four questions of two levels, with an untrained model."""
    folder = tmp_path_factory.mktemp("race")
    for level in ("high", "middle"):
        (folder / "dev" / level).mkdir(parents=True)
        text = json.dumps(article(level, ["A", "C"]))
        (folder / "dev" / level / "1.txt").write_text(text)
    job = MultipleChoice()
    train, dev = job.read(SimpleNamespace(train=folder / "dev", dev=None))
    model = job.build(
        AlbertBackbone(tiny_config), train, tokenizer=tiny_tokenizer, sequence_length=24
    )
    return SimpleNamespace(job=job, train=train, dev=dev, model=model, folder=folder)


def test_folders_of_race_and_files_of_json_are_read(job):
    assert job.dev is None and len(job.train) == 4
    high = MultipleChoice(levels=("high",)).read_data(job.folder / "dev")
    assert high.groups == ["high", "high"]
    assert len(job.job.read_data(job.folder / "dev/high/1.txt")) == 2


def test_every_question_is_answered_in_its_place(job):
    rows = job.job.answer(job.model, job.train, batch_size=2)
    assert [row["id"] for row in rows] == job.train.ids
    assert [row["expected"] for row in rows] == ["A", "C"] * 2
    for row, choices in zip(rows, job.train.choices, strict=True):
        assert row["choice"] == choices[row["index"]] and row["answer"] == "ABC"[row["index"]]
        assert np.isclose(sum(row["probabilities"].values()), 1)


def test_accuracy_is_told_for_each_level(job):
    rows = [{"index": index} for index in (0, 2, 0, 1)]
    scores = job.job.score(rows, job.train)
    assert scores == {"accuracy": 0.75, "accuracy of middle": 1.0, "accuracy of high": 0.5}
    assert next(iter(scores)) == "accuracy"


def test_batches_hold_every_question_once_an_epoch(job):
    batches = list(job.job.batches(job.train, batch_size=3, epochs=2))
    assert [len(y) for _, y in batches].count(3) == 2
    assert sorted(np.concatenate([y for _, y in batches])) == [0] * 4 + [2] * 4


def test_files_have_the_keys_that_the_data_have(job, tmp_path):
    job.job.write([{"id": "Mercury_7", "answer": "2"}], tmp_path)
    assert (tmp_path / "predictions.csv").read_text() == "Mercury_7,2\n"
    assert json.loads((tmp_path / "predictions.jsonl").read_text())["answer"] == "2"
