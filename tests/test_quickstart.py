import json
import re
from pathlib import Path

import pytest

from albert_tf.quickstart.report import QuickstartResult
from albert_tf.quickstart.run import run
from albert_tf.quickstart.scale import Scale

# Half a minute for the whole story, small as it is.
pytestmark = pytest.mark.slow

SMALL = Scale(
    packages=("absl", "h5py", "rich", "click"),
    num_classes=3,
    vocab_size=800,
    embedding_size=16,
    hidden_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    sequence_length=24,
    pretrain_length=16,
    pretrain_steps=20,
    min_words=6,
    train_per_class=20,
    dev_per_class=5,
    test_per_class=10,
    finetune_epochs=1,
    num_asked=2,
)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return run(tmp_path_factory.mktemp("quickstart") / "story", scale=SMALL, show=False)


@pytest.fixture
def out(result):
    return Path(result.out)


def test_the_whole_story_leaves_its_files(out):
    files = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert {
        "report.md",
        "summary.json",
        "settings.json",
        "learning_curve.png",
        "data/corpus.txt",
        "data/test.jsonl",
        "vocabulary.model",
        "pretraining/model/config.json",
        "pretrained/model/config.json",
        "books_small/summary.json",
        "random_weights/summary.json",
        "served/docstrings/1/saved_model.pb",
        "docstrings.tflite",
    } <= files


def test_the_summary_holds_the_result(result, out):
    assert QuickstartResult(**json.loads((out / "summary.json").read_text())) == result
    assert result.classes == sorted(result.classes) and len(result.classes) == 3
    assert set(result.accuracy) == {"majority", "random_weights", "pretrained", "books_small"}
    assert result.exported in result.accuracy
    assert all(0 <= share <= 1 for share in result.accuracy.values())
    assert result.pretraining["masked_lm_loss"] > 0


def test_the_server_answered_with_classes_and_probabilities(result):
    assert len(result.answers) == 2
    for row in result.answers:
        assert row["answer"] in result.classes and row["package"] in result.classes
        assert 1 / 3 <= row["probability"] <= 1 and row["text"]


def test_the_report_shows_the_numbers(result, out):
    report = " ".join((out / "report.md").read_text().split())  # lines end anywhere
    for share in result.accuracy.values():
        assert f"{share:.1%}" in report
    assert f"{result.corpus['words']:,} words" in report
    assert re.search(r"Pretraining here, .* changes the accuracy by [+-]\d+\.\d points", report)
    assert all(title in report for title in result.seconds) and len(result.seconds) == 8


def test_no_test_text_is_in_the_corpus(out):
    corpus = (out / "data" / "corpus.txt").read_text()
    rows = (out / "data" / "test.jsonl").read_text().splitlines()
    first_sentences = [json.loads(row)["text"].split(". ")[0] for row in rows]
    shared = [text for text in first_sentences if len(text) > 60 and text in corpus]
    assert shared == []


def test_an_existing_directory_is_refused(out):
    with pytest.raises(FileExistsError, match="story"):
        run(out, scale=SMALL, show=False)
