"""`albert-tf export`, from a preset on disk to a file that was checked and scored."""

import json

import pytest

from albert_tf import cli
from albert_tf.exporting.light.model_file import LightModel

LINES = ["Plot the first array.", "", "What a film!", "A dull story that never finds its end."]


@pytest.fixture(scope="module")
def preset(classifier, tmp_path_factory):
    path = tmp_path_factory.mktemp("verb") / "preset"
    classifier.save_to_preset(str(path))
    return path


@pytest.fixture
def export(preset, capfd, tmp_path):
    """Runs the verb; gives the exit code and what it printed."""

    def run(*flags):
        code = cli.main(["export", "--run", str(preset), *map(str, flags)])
        printed = capfd.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def lines_file(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("\n".join(LINES), encoding="utf-8")
    return path


@pytest.mark.slow
def test_a_saved_model_is_verified_on_real_texts(export, lines_file, tmp_path):
    out = tmp_path / "films"
    code, printed, _ = export("--out", out, "--verify", "--texts", lines_file)
    assert (code, str(out / "1") in printed) == (0, True)


@pytest.mark.slow
def test_what_fails_its_check_is_not_published(export, lines_file, tmp_path, monkeypatch):
    from albert_tf.exporting import verification

    monkeypatch.setitem(verification.TOLERANCES, "float32", -1.0)
    out = tmp_path / "films"
    code, _, err = export("--out", out, "--verify", "--texts", lines_file)
    assert (code, "must answer as the Keras model does" in err, "Traceback" in err) == (
        *(2, True, False),
    )
    assert list(out.iterdir()) == []


@pytest.mark.slow
def test_a_tflite_file_is_verified_and_scored(export, classifier, lines_file, tmp_path):
    labels = classifier.predict(LINES, verbose=0).argmax(axis=1)
    names = classifier.class_names
    rows = [{"text": t, "label": names[i]} for t, i in zip(LINES, labels, strict=True)]
    data, out = tmp_path / "dev.jsonl", tmp_path / "m.tflite"
    data.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    flags = ("--format", "tflite", "--seq-len", 40, "--out", out, "--verify")
    code, printed, err = export(*flags, "--texts", lines_file, "--accuracy-data", data)
    assert code == 0, err
    assert printed.count("accuracy 1.0000 of 4 examples") == 2
    assert LightModel(out).answer(text=LINES[:1])[0]["label"] == names[labels[0]]


@pytest.mark.slow
def test_patience_needs_a_head_at_every_depth(export, tmp_path):
    code, _, err = export("--out", tmp_path / "m", "--exit-patience", 1)
    assert (code, "was trained without --early-exit" in err) == (2, True)


@pytest.mark.slow
def test_int8_wants_enough_real_text(export, lines_file, tmp_path):
    flags = ("--format", "tflite", "--seq-len", 40, "--quantization", "int8")
    code, _, err = export(*flags, "--out", tmp_path / "m", "--texts", lines_file)
    assert (code, "needs texts, 16 rows or more: got 4" in err) == (2, True)


def test_answers_score_files_only(export, tmp_path):
    code, _, err = export("--out", tmp_path / "m", "--accuracy-data", tmp_path / "dev.tsv")
    assert (code, "--accuracy-data goes with --format tflite" in err) == (2, True)
