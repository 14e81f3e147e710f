import json
from types import SimpleNamespace

import pytest

from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.pretrainer import AlbertPretrainer
from albert_tf.training.jobs.fill_mask import FillMask
from albert_tf.training.jobs.sentence_order import SentenceOrder


@pytest.fixture(scope="module")
def backbone(tiny_config):
    return AlbertBackbone(tiny_config)


def test_masks_in_the_lines_of_a_file_are_filled(backbone, tiny_tokenizer, tmp_path):
    (tmp_path / "d.txt").write_text("the [MASK] sat\na [MASK] of [MASK]\n")
    job = FillMask(top_k=2)
    examples, none = job.read(SimpleNamespace(train=tmp_path / "d.txt", dev=None))
    model = job.build(backbone, tokenizer=tiny_tokenizer, sequence_length=24)
    rows = job.answer(model, examples)
    assert none is None
    assert [len(row["masks"]) for row in rows] == [1, 2]
    assert len(rows[0]["masks"][0]["words"]) == 2
    assert [row["text"] for row in job.judge(model, examples)] == examples.texts
    job.write(rows, tmp_path)
    assert json.loads((tmp_path / "predictions.jsonl").read_text().splitlines()[1]) == rows[1]


def test_batches_are_texts(tmp_path):
    (tmp_path / "d.txt").write_text("a\nb\nc\n")
    job = FillMask()
    batches = list(job.batches(job.read_data(tmp_path / "d.txt"), batch_size=2, epochs=2))
    assert sorted(len(batch) for batch in batches) == [1, 1, 2, 2]


@pytest.mark.slow
def test_texts_are_measured_and_learned(backbone, tiny_tokenizer, tmp_path):
    (tmp_path / "d.txt").write_text("the cat sat\na dull story\n" * 4)
    job = FillMask()
    examples = job.read_data(tmp_path / "d.txt")
    model = job.build(backbone, tokenizer=tiny_tokenizer, sequence_length=24)
    before = job.measure(model, examples)
    model.fit(job.batches(examples, batch_size=4, epochs=2), verbose=0)
    after = job.measure(model, examples)
    assert list(before) == ["masked_lm_accuracy", "masked_lm_loss"]
    assert after["masked_lm_loss"] < before["masked_lm_loss"]


def test_pairs_of_a_file_are_put_in_order(backbone, tiny_tokenizer, tmp_path):
    (tmp_path / "d.tsv").write_text(
        "text\ttext_pair\tlabel\nthe cat\tsat\tin_order\nsat\tthe cat\tswapped\n"
    )
    job = SentenceOrder()
    examples = job.read_data(tmp_path / "d.tsv")
    model = job.build(AlbertPretrainer(backbone), tokenizer=tiny_tokenizer)
    rows = job.answer(model, examples)
    assert [row["label"] for row in rows] == ["in_order", "swapped"]
    assert all(row["prediction"] in ("in_order", "swapped") for row in rows)
    assert job.score(rows, examples)["accuracy"] in (0.0, 0.5, 1.0)
    job.write(rows, tmp_path)
    assert len((tmp_path / "predictions.jsonl").read_text().splitlines()) == 2
    with pytest.raises(ValueError, match="the label 'next' was never seen"):
        (tmp_path / "d.tsv").write_text("text\ttext_pair\tlabel\na\tb\tnext\n")
        job.read_data(tmp_path / "d.tsv")
