import hashlib
import json
from collections import Counter

import pytest

from albert_tf import cli
from albert_tf.checkpoints.files import vocabulary_of
from albert_tf.data.preparation.progress import PreparationProgress


@pytest.fixture
def run_prepare(books, vocabulary, tmp_path, capsys):
    """Runs `albert-tf prepare` on the books: exit code, what was printed, and to where."""

    def run(*flags):
        argv = ["--texts", books, "--vocabulary", vocabulary, "--out", tmp_path / "out"]
        argv += ["--shards", 2, "--held-out", 0.5, "--workers", 1, "--sequence-length", 16, *flags]
        code = cli.main(["prepare", *map(str, argv)])
        return code, *capsys.readouterr()

    return run


def test_the_summary_tells_what_was_written(run_prepare, tmp_path):
    code, printed, shown = run_prepare()
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert code == 0
    for name, split in manifest["splits"].items():
        assert f"{name} " in printed and f"{split['rows']:,}" in printed
    assert f"{manifest['text']['tokens']:,} tokens" in printed and str(tmp_path / "out") in printed
    assert "12 documents" in shown and "tokens/s" in shown


def test_every_flag_reaches_the_manifest(run_prepare, tmp_path):
    flags = ["--objective", "nsp", "--single-sentence", "reference", "--masking", "static"]
    flags += ["--copies", 2, "--max-predictions", 3, "--no-lowercase", "--seed", 5]
    flags += ["--no-whole-words", "--sentences", "lines", "--short-prob", 0.2]
    assert run_prepare(*flags)[0] == 0
    settings = json.loads((tmp_path / "out" / "manifest.json").read_text())["settings"]
    expected = {
        "objective": "nsp", "single_sentence": "reference", "masking": "static", "copies": 2,
        "max_predictions": 3, "lowercase": False, "seed": 5, "whole_words": False,
        "sentences": "lines", "short_prob": 0.2,
        "sequence_length": 16, "held_out": 0.5,
    }  # fmt: skip
    assert settings.items() >= expected.items()


def test_the_share_of_echoes_reaches_the_manifest(run_prepare, tmp_path):
    assert run_prepare("--echoes", 0.3, "--sequence-length", 40)[0] == 0
    settings = json.loads((tmp_path / "out" / "manifest.json").read_text())["settings"]
    assert settings["echoes"] == 0.3


def test_an_existing_output_is_refused_in_one_line(run_prepare):
    assert run_prepare()[0] == 0
    code, _, error = run_prepare()
    assert code == 2 and "Choose another name" in error and "Traceback" not in error


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--beam-options", "direct_num_workers=2"], "need a --runner"),
        (["--runner", "DirectRunner"], "--workers is for a run without Beam"),
        (["--shards", "0"], "shards must be 1 or more"),
        (["--workers", "0"], "workers must be 1 or more: got 0"),
        (["--texts", "absent.md"], "absent.md gives none"),
        (["--out", "gs://bucket/records"], "got gs://bucket/records. Give a --runner"),
    ],
)
def test_what_cannot_be_meant_is_refused(run_prepare, tmp_path, flags, message):
    code, _, error = run_prepare(*flags)
    assert code == 2 and message in error
    assert list(tmp_path.iterdir()) == []


def test_beam_is_asked_for_where_it_is_absent(books, vocabulary, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    argv = ["--texts", books, "--vocabulary", vocabulary, "--out", tmp_path / "out"]
    assert cli.main(["prepare", *map(str, argv), "--runner", "SparkRunner"]) == 2
    assert "pip install 'albert-tf[data]'" in capsys.readouterr().err


@pytest.mark.parametrize("source", ["books_small", "folder"])
def test_the_vocabulary_may_be_that_of_a_checkpoint(source, run_prepare, tmp_path):
    shipped = vocabulary_of("books_small")
    named = source if source == "books_small" else shipped.parent
    assert run_prepare("--vocabulary", named)[0] == 0
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert hashlib.sha256(shipped.read_bytes()).hexdigest() in json.dumps(manifest)


def test_a_checkpoint_without_a_vocabulary_is_named(run_prepare, tmp_path, capsys):
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "model.safetensors").write_bytes(b"")
    code, _, error = run_prepare("--vocabulary", tmp_path / "bare")
    assert code == 2 and f"{tmp_path / 'bare'} has no vocabulary" in error


@pytest.mark.parametrize("width", ["60", "80", "140"])
def test_the_bar_fits_the_screen(capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", width)
    with PreparationProgress(quiet=False) as progress:
        progress.begin("reading", 4)
        progress.step(4, Counter({"documents/train": 1_234_567, "tokens": 123_456_789_012}))
    line = capsys.readouterr().err.splitlines()[0]
    assert line.startswith("reading ━") and "100% 0:00:00 1,234,567 doc" in line
    assert len(line) <= int(width)
