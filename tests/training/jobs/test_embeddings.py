from types import SimpleNamespace

import numpy as np
import pytest

from albert_tf.models.backbone import AlbertBackbone
from albert_tf.tasks.text_embedder_losses import CosineError, InBatchNegatives
from albert_tf.training.jobs.embeddings import Embeddings

ROWS = [
    ("the cat sat", "a cat sat", 5.0),
    ("a dull story", "plot the array", 0.0),
    ("open the file", "read the file", 4.0),
]
COLUMNS = {"text": "sentence1", "text_pair": "sentence2", "label": "score"}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("sts") / "train.tsv"
    lines = ["\t".join(map(str, row)) for row in [("sentence1", "sentence2", "score"), *ROWS]]
    path.write_text("\n".join(lines) + "\n")
    return path


def settings(train, dev=None):
    return SimpleNamespace(train=train, dev=dev)


def test_contrastive_training_reads_the_pairs_that_belong_together(file):
    train, dev = Embeddings(**COLUMNS).read(settings(file, file))
    assert train.texts == ["the cat sat", "open the file"]
    np.testing.assert_allclose(dev.labels, [1.0, 0.0, 0.8])
    assert len(Embeddings(**COLUMNS, objective="cosine").read(settings(file))[0]) == 3
    every = Embeddings(text="sentence1", text_pair="sentence2").read(settings(file))[0]
    assert len(every) == 3 and every.labels is None


def test_batches_hold_scores_only_for_the_objective_that_reads_them(file):
    for objective, parts in (("contrastive", 1), ("cosine", 2)):
        job = Embeddings(**COLUMNS, objective=objective)
        batch = next(iter(job.batches(job.read_data(file), batch_size=2)))
        assert len(batch) == parts
        assert [len(column) for column in batch[0]] in ([2, 2], [1, 1])


def test_cosines_are_scored_against_people(file, tiny_config, tiny_tokenizer, tmp_path):
    job = Embeddings(**COLUMNS, objective="cosine")
    examples = job.read_data(file)
    model = job.build(
        AlbertBackbone(tiny_config), tokenizer=tiny_tokenizer, sequence_length=24, pooling="max"
    )
    rows = job.answer(model, examples)
    cosines = model.similarity(examples.texts, examples.text_pairs)
    np.testing.assert_allclose([row["cosine"] for row in rows], cosines, atol=1e-6)
    np.testing.assert_allclose([row["expected"] for row in rows], [1.0, 0.0, 0.8])
    assert list(job.score(rows, examples)) == ["spearman", "pearson"]
    assert isinstance(job.loss(model), CosineError)
    assert isinstance(Embeddings().loss(model), InBatchNegatives)
    job.write(rows, tmp_path)
    assert len((tmp_path / "predictions.jsonl").read_text().splitlines()) == 3


def test_without_scores_partners_are_looked_for(file):
    job = Embeddings(text="sentence1", text_pair="sentence2")
    rows = [{"rank": 0}, {"rank": 3}, {"rank": 12}]
    scores = job.score(rows, job.read_data(file))
    assert scores["recall_at_1"] == 1 / 3 and scores["recall_at_10"] == 2 / 3
    assert np.isclose(scores["reciprocal_rank"], (1 + 1 / 4 + 1 / 13) / 3)


def test_what_cannot_be_meant_is_refused(file):
    with pytest.raises(ValueError, match="objective must be one of"):
        Embeddings(objective="triplet")
    with pytest.raises(ValueError, match="needs scores"):
        Embeddings(objective="cosine")
    with pytest.raises(ValueError, match="between 0 and 1: got 5.*and 1 more. Set max_score"):
        Embeddings(**COLUMNS, max_score=1.0).read_data(file)
    with pytest.raises(ValueError, match="none of 3 has a score of at least 6"):
        Embeddings(**COLUMNS, min_positive=6.0).read(settings(file))


@pytest.mark.slow
def test_pairs_are_learned(file, tiny_config, tiny_tokenizer):
    job = Embeddings(text="sentence1", text_pair="sentence2")
    examples = job.read_data(file)
    model = job.build(AlbertBackbone(tiny_config), tokenizer=tiny_tokenizer, sequence_length=24)
    batches = job.batches(examples, batch_size=3, epochs=60)
    history = model.fit(batches, verbose=0).history
    assert np.isfinite(history["loss"][0])
