import gzip
import json
from types import SimpleNamespace

import numpy as np
import pytest

from albert_tf.data.tables import Examples
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.tasks.writing import LengthBeamSampler
from albert_tf.training.jobs.sequence_to_sequence import SequenceToSequence, text_scores

PAIRS = [("the cat sat", "die Katze saß"), ("a dull story", "eine öde Geschichte")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("pairs")
    for side, end in enumerate(("en", "de")):
        text = "".join(pair[side] + "\n" for pair in PAIRS)
        (path / f"train.{end}").write_text(text, encoding="utf-8")
        with gzip.open(path / f"packed.{end}.gz", "wt", encoding="utf-8") as file:
            file.write(text)
    (path / "table.tsv").write_text("en\tde\n" + "\n".join("\t".join(pair) for pair in PAIRS))
    return path


@pytest.mark.parametrize("name", ["train", "packed", "table.tsv"])
def test_tables_and_pairs_of_files_are_read(folder, name):
    job = SequenceToSequence(source="en", target="de")
    train, dev = job.read(SimpleNamespace(train=folder / name, dev=None))
    assert list(zip(train.texts, train.text_pairs, strict=True)) == PAIRS and dev is None
    assert job.read_data(folder / name, with_answers=False).text_pairs is None
    assert job.texts(train) == [PAIRS[0][0], PAIRS[1][0], PAIRS[0][1], PAIRS[1][1]]


def test_files_of_unequal_length_are_refused(folder, tmp_path):
    (tmp_path / "train.en").write_text("one\ntwo\n")
    (tmp_path / "train.de").write_text("eins\n")
    with pytest.raises(ValueError, match="belong together: got 2 and 1 lines"):
        SequenceToSequence(source="en", target="de").read_data(tmp_path / "train")


def test_scores_are_those_of_sacrebleu():
    written = ["the cat sat on the mat .", "a story"]
    assert text_scores(written, written)["bleu"] == pytest.approx(100.0)
    scores = text_scores(written, ["the cat sat on a mat .", "a dull story"])
    # By hand: 1- to 4-grams right 8/9, 5/7, 3/5, 1/4 (of 9 words; "a story" has one bigram,
    # which is wrong, and none longer), and 9 words for 10.
    import math

    precisions = [8 / 9, 4 / 7, 2 / 5, 1 / 4]
    expected = 100 * math.exp(sum(map(math.log, precisions)) / 4 + 1 - 10 / 9)
    assert scores["bleu"] == pytest.approx(expected, rel=1e-6)
    assert scores["length_ratio"] == pytest.approx(0.9)
    upper = [text.upper() for text in written]
    assert text_scores(upper, written)["bleu"] < 50
    assert text_scores(upper, written, ignore_case=True)["chrf"] == pytest.approx(100.0)
    with pytest.raises(ValueError, match="got 1 texts and 0 references"):
        text_scores(["a"], [])


def test_the_source_and_its_beginning_are_the_baselines():
    train = Examples(["x"] * 2, ["two words", "here are four words"])
    dev = Examples(["the cat sat on the mat and slept"], ["the cat sat"])
    found = SequenceToSequence().baselines(train, dev)
    assert found["copy"]["length_ratio"] == pytest.approx(8 / 3)
    assert found["beginning"]["chrf"] == pytest.approx(100.0)  # three words


def test_the_first_of_the_metrics_leads():
    dev = Examples(["the cat sat"], ["the cat sat"])
    rows = [{"prediction": "the cat sat"}]
    assert list(SequenceToSequence().score(rows, dev)) == ["bleu", "chrf", "length_ratio"]
    job = SequenceToSequence(metrics=("chrf",))
    assert list(job.score(rows, dev)) == ["chrf", "bleu", "length_ratio"]
    assert list(job.baselines(dev, dev)["copy"]) == ["chrf", "bleu", "length_ratio"]
    with pytest.raises(ValueError, match="no metric 'rouge' for written texts: choose of bleu, ch"):
        SequenceToSequence(metrics=("rouge",))


def test_texts_are_answered_in_their_places(folder, tiny_config, tiny_tokenizer, tmp_path):
    job = SequenceToSequence(source="en", target="de", num_beams=2)
    pairs = job.read_data(folder / "train")
    model = job.build(
        AlbertBackbone(tiny_config),
        pairs,
        tokenizer=tiny_tokenizer,
        sequence_length=24,
        decoder_sequence_length=4,
        num_decoder_layers=1,
        share_encoder=True,
    )
    model.compile(run_eagerly=True)
    rows = job.answer(model, pairs)
    assert isinstance(model.sampler, LengthBeamSampler)
    assert [(row["text"], row["expected"]) for row in rows] == PAIRS
    assert list(job.score(rows, pairs)) == ["bleu", "chrf", "length_ratio"]
    job.write(rows, tmp_path)
    assert len((tmp_path / "predictions.txt").read_text().splitlines()) == 2
    assert json.loads((tmp_path / "predictions.jsonl").read_text().splitlines()[1]) == rows[1]
    batches = list(job.batches(pairs, batch_size=2, epochs=2))
    assert [len(x) for x, y in batches] == [2, 2]


@pytest.mark.slow
def test_a_trained_decoder_stays_and_a_new_one_starts_from_the_encoder(
    folder, tiny_config, tiny_tokenizer, tmp_path
):
    job = SequenceToSequence()
    options = {"sequence_length": 24, "tokenizer": tiny_tokenizer}
    trained = job.build(
        AlbertBackbone(tiny_config), num_decoder_layers=2, decoder_sharing="none", **options
    )
    trained.save_to_preset(tmp_path / "run")
    again = job.build(tmp_path / "run", **options)
    settings = ("num_decoder_layers", "decoder_sharing", "label_smoothing")
    assert [again.get_config()[name] for name in settings] == [2, "none", 0.1]
    trained.backbone.save_to_preset(str(tmp_path / "start"))
    fresh = job.build(tmp_path / "start", **options)
    own, theirs = fresh.decoder.stack.attentions[0], fresh.backbone.encoder.attentions[0]
    for model, kept in ((again, trained.decoder.stack.attentions[0]), (fresh, theirs)):
        layer = own if model is fresh else again.decoder.stack.attentions[0]
        for ours, expected in zip(layer.get_weights(), kept.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, expected)
