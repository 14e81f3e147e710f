import dataclasses
import json
from types import SimpleNamespace

import keras
import pytest

from albert_tf.data.entities import entities_of
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.training.entity_scores import entity_scores, surface_f1
from albert_tf.training.jobs.token_classification import TokenClassification

TRAIN = """the O
cat B-animal

a O
sorted B-thing
´ I-thing
list I-thing
of O
dogs B-animal
"""
DEV = "dogs B-animal\nof O\nthe O\ncat B-animal\n"


def spans(*rows):
    return [entities_of(row.split()) for row in rows]


def test_an_entity_counts_with_its_borders_and_its_type():
    expected = spans("B-a I-a O B-b", "B-a O O O")
    found = spans("B-a I-a O B-a", "B-a I-a O B-b")
    scores = entity_scores(expected, found)
    # One of three expected and of four found.
    assert scores["precision"] == pytest.approx(1 / 4)
    assert scores["recall"] == pytest.approx(1 / 3)
    assert scores["f1"] == pytest.approx(2 / 7)
    assert (scores["f1 of a"], scores["f1 of b"]) == (pytest.approx(2 / 5), 0.0)


def test_nothing_found_is_no_error():
    assert entity_scores(spans("O"), spans("O"))["f1"] == 0.0
    assert entity_scores(spans("B-a"), spans("O"))["f1"] == 0.0
    with pytest.raises(ValueError, match="got 0 for 1 texts"):
        entity_scores(spans("O"), [])


def test_the_same_name_counts_once_for_the_surface():
    assert surface_f1([("x", "a")] * 9 + [("y", "a")], [("x", "a")]) == pytest.approx(2 / 3)


def test_scores_are_those_of_seqeval():
    import random

    seqeval = pytest.importorskip("seqeval.metrics", reason="needs seqeval, to compare with")
    rng, tags = random.Random(0), ["O", "O", "B-a", "I-a", "B-b", "I-b"]
    for _ in range(50):
        expected = [rng.choices(tags, k=rng.randint(1, 9)) for _ in range(3)]
        found = [[t if rng.random() < 0.6 else rng.choice(tags) for t in row] for row in expected]
        ours = entity_scores(*([entities_of(row) for row in side] for side in (expected, found)))
        theirs = seqeval.f1_score(expected, found, zero_division=0)
        assert ours["f1"] == pytest.approx(theirs, abs=1e-12)


@pytest.fixture(scope="module")
def job(tiny_config, tiny_tokenizer, tmp_path_factory):
    """A job on two texts: its object, the texts, and an untrained model."""
    folder = tmp_path_factory.mktemp("entities")
    (folder / "train").write_text(TRAIN)
    (folder / "dev").write_text(DEV)
    job = TokenClassification()
    train, dev = job.read(SimpleNamespace(train=folder / "train", dev=folder / "dev"))
    keras.utils.set_random_seed(0)
    config = dataclasses.replace(tiny_config, num_hidden_layers=1, initializer_range=0.3)
    backbone = AlbertBackbone(config)
    packing = {"tokenizer": tiny_tokenizer, "sequence_length": 24}
    model = job.build(backbone, train, dropout=0.0, **packing)
    return SimpleNamespace(job=job, train=train, dev=dev, model=model)


def test_a_model_answers_for_the_tags_of_training(job):
    assert job.model.class_names == list(job.train.class_names) == list(job.dev.class_names)
    assert job.model.preprocessor.sequence_length == 24
    rows = job.job.answer(job.model, job.dev)
    assert [row["words"] for row in rows] == [["dogs", "of", "the", "cat"]]
    assert all(len(row["tags"]) == len(row["words"]) for row in rows)
    assert next(iter(job.job.score(rows, job.dev))) == "f1"


def test_batches_hold_every_text_once_an_epoch(job):
    batches = job.job.batches(job.train, batch_size=1, epochs=3)
    texts = [x["text"].numpy()[0] for x, _ in batches]
    assert len(texts) == 6 and all(texts.count(text) == 3 for text in texts)


@pytest.mark.slow
def test_a_small_model_finds_the_entities_it_was_shown(job):
    job.model.compile(optimizer=keras.optimizers.Adam(0.01))
    job.model.fit(job.job.batches(job.train, batch_size=2, epochs=40), verbose=0)
    scores = job.job.score(job.job.answer(job.model, job.train), job.train)
    assert scores["f1"] == scores["surface_f1"] == scores["f1 of thing"] == 1.0
    assert scores["word_accuracy"] == 1.0


def test_files_are_those_of_the_official_scorers(job, tmp_path):
    rows = [
        {"text": "a b", "words": ["a", "b"], "tags": ["B-x", "O"], "expected": ["O", "O"]},
        {"text": "c", "words": ["c"], "tags": ["O"], "expected": ["O"]},
    ]
    job.job.write(rows, tmp_path)
    lines = (tmp_path / "predictions.conll").read_text().splitlines()
    assert lines == ["a\tO\tB-x", "b\tO\tO", "", "c\tO\tO", ""]
    lines = (tmp_path / "predictions.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == rows
