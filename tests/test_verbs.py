import json

import numpy as np
import pytest

from albert_tf import cli


@pytest.fixture(scope="module")
def run_directory(tiny_config, tiny_tokenizer, tmp_path_factory):
    """What a finished run leaves, as far as other verbs read it; nothing was trained."""
    from albert_tf.models.backbone import AlbertBackbone
    from albert_tf.tasks.text_classifier import AlbertTextClassifier
    from albert_tf.tasks.text_classifier_preprocessor import AlbertTextClassifierPreprocessor

    path = tmp_path_factory.mktemp("runs") / "run"
    preprocessor = AlbertTextClassifierPreprocessor(tiny_tokenizer, sequence_length=16)
    model = AlbertTextClassifier(
        AlbertBackbone(tiny_config), 2, preprocessor, class_names=["bad", "good"]
    )
    model.save_to_preset(path / "model")
    (path / "summary.json").write_text(json.dumps({"pairs": True}))
    return path


def run_cli(capsys, *argv):
    code = cli.main([str(word) for word in argv])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_quickstart_runs_the_story_in_the_directory_that_was_named(capsys, tmp_path, monkeypatch):
    from albert_tf.quickstart import run as story

    seen = []
    monkeypatch.setattr(story, "run", lambda out, seed, scale: seen.append((out, seed, scale)))
    flags = ("--out", tmp_path / "q", "--seed", 3, "--precision", "float32")
    assert run_cli(capsys, "quickstart", *flags)[0] == 0
    [(out, seed, scale)] = seen
    assert (out, seed, scale.precision) == (tmp_path / "q", 3, "float32")


def test_quickstart_refuses_a_directory_that_exists(capsys, tmp_path):
    (tmp_path / "mine.txt").write_text("keep me")
    code, _, err = run_cli(capsys, "quickstart", "--out", tmp_path)
    assert (code, "Choose another name" in err) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_vocab_trains_a_vocabulary_that_the_tokenizer_takes(capsys, tmp_path):
    from albert_tf.tokenizer import AlbertTokenizer

    text = tmp_path / "text.txt"
    text.write_text("The cat sat on the mat.\nA list of numbers, and a film full of light.\n" * 9)
    out = tmp_path / "v.model"
    code, _, err = run_cli(capsys, "vocab", "--texts", text, "--out", out, "--size", 34)
    assert (code, "18 sentences read" in err) == (0, True)
    assert AlbertTokenizer(out).vocabulary_size() == 34


def test_vocab_refuses_a_missing_file_and_leaves_nothing(capsys, tmp_path):
    out = tmp_path / "v.model"
    code, _, err = run_cli(capsys, "vocab", "--texts", tmp_path / "absent.txt", "--out", out)
    assert (code, "absent.txt" in err) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_convert_goes_to_hugging_face_and_back_with_equal_answers(run_directory, capsys, tmp_path):
    from albert_tf.training.evaluation import load_run

    there, back = tmp_path / "hf", tmp_path / "preset"
    convert = ("convert", "--checkpoint", run_directory, "--out", there, "--format", "hf")
    assert run_cli(capsys, *convert)[0] == 0
    again = ("convert", "--checkpoint", there, "--out", back, "--format", "preset")
    assert run_cli(capsys, *again)[0] == 0
    texts = np.array(["a cat", "a film full of light"])
    before, after = load_run(run_directory).model, load_run(back).model
    np.testing.assert_allclose(before.predict(texts), after.predict(texts), atol=1e-6)
    assert after.class_names == ["bad", "good"]


def test_convert_keeps_the_vocabulary_of_a_model_without_a_preprocessor(
    tiny_config, tiny_tokenizer, capsys, tmp_path
):
    from albert_tf.models.backbone import AlbertBackbone
    from albert_tf.tasks.saving import save_checkpoint

    save_checkpoint(AlbertBackbone(tiny_config), tmp_path / "hf", "hf", tiny_tokenizer)
    for source, name, format, file in (
        ("hf", "tf1", "tf1", "30k-clean.model"),
        ("hf", "preset", "preset", "assets/tokenizer/vocabulary.spm"),
        ("preset", "again", "hf", "spiece.model"),
    ):
        paths = ("--checkpoint", tmp_path / source, "--out", tmp_path / name)
        assert run_cli(capsys, "convert", *paths, "--format", format)[0] == 0
        assert (tmp_path / name / file).read_bytes() == tiny_tokenizer.proto


def test_convert_keeps_the_style_of_a_vocabulary_and_reads_no_file_of_others(
    tiny_config, tiny_proto, capsys, tmp_path
):
    from albert_tf.models.backbone import AlbertBackbone
    from albert_tf.tasks.saving import save_checkpoint
    from albert_tf.tokenizer import AlbertTokenizer

    cased = AlbertTokenizer(tiny_proto, lowercase=False, keep_accents=True)
    save_checkpoint(AlbertBackbone(tiny_config), tmp_path / "hf", "hf", cased)
    # Of transformers' fast tokenizers, which has the name of the file in a preset.
    (tmp_path / "hf" / "tokenizer.json").write_text('{"version": "1.0"}')
    paths = ("--checkpoint", tmp_path / "hf", "--out", tmp_path / "preset")
    assert run_cli(capsys, "convert", *paths, "--format", "preset")[0] == 0
    kept = AlbertTokenizer.from_preset(tmp_path / "preset")
    assert (kept.lowercase, kept.keep_accents) == (False, True)


def test_convert_refuses_what_is_no_checkpoint(capsys, tmp_path):
    code, _, err = run_cli(
        *(capsys, "convert", "--checkpoint", tmp_path / "absent", "--out", tmp_path / "out"),
        *("--format", "hf"),
    )
    assert (code, "absent" in err, "Traceback" in err) == (2, True, False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("flags", "pair"), [((), True), (("--no-pair",), False)])
def test_export_asks_for_pairs_as_the_run_was_trained(
    run_directory, capsys, tmp_path, monkeypatch, flags, pair
):
    from albert_tf.exporting import saved_model

    seen = {}

    def write(model, path, version, **options):
        seen.update(options, names=model.class_names)
        path.mkdir()
        return path

    monkeypatch.setattr(saved_model, "export_saved_model", write)
    run_cli(capsys, "export", "--run", run_directory, "--out", tmp_path / "served", *flags)
    assert (seen["pair"], seen["names"]) == (pair, ["bad", "good"])


def test_a_model_that_has_no_export_is_refused_in_words(monkeypatch, capsys, tmp_path):
    from albert_tf.tasks import loading

    monkeypatch.setattr(loading, "load_checkpoint", lambda *args, **options: object())
    flags = ("--run", tmp_path, "--out", tmp_path / "m.tflite", "--format", "tflite")
    code, _, err = run_cli(capsys, "export", *flags)
    assert (code, "takes one of AlbertTextClassifier, " in err) == (2, True)


def test_export_writes_a_tflite_file(run_directory, capsys, tmp_path):
    out = tmp_path / "m.tflite"
    flags = ("--format", "tflite", "--seq-len", 16)
    code, printed, _ = run_cli(capsys, "export", "--run", run_directory, "--out", out, *flags)
    assert (code, str(out) in printed) == (0, True)
    assert out.read_bytes()[4:8] == b"TFL3"  # the mark of the format


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--model", "name"), "must be NAME=DIR: got 'name'"),
        (("--model", "a=x", "a=y"), "a name of its own: got a, a"),
        ((), "one of them, and not both"),
        (("--model", "a=absent-directory", "--rest-port", 0), "absent-directory"),
    ],
)
def test_serve_refuses_models_that_cannot_be(capsys, flags, message):
    code, _, err = run_cli(capsys, "serve", "--embedded", "--port", 0, *flags)
    assert (code, message in err, "Traceback" in err) == (2, True, False)


def test_the_run_may_follow_the_verb_without_its_flag(capsys, tmp_path):
    for named in ([tmp_path], ["--run", tmp_path]):
        code, _, err = run_cli(capsys, "predict", *named, "--text", "a")
        assert (code, f"no trained model in {tmp_path}" in err) == (2, True)
    assert "run" in run_cli(capsys, "predict", "--text", "a")[2]


@pytest.mark.parametrize("verb", ["evaluate", "predict"])
def test_a_batch_has_a_row_at_least(capsys, tmp_path, verb):
    code, _, err = run_cli(capsys, verb, "--run", tmp_path, "--batch-size", "-1")
    assert (code, "--batch-size must be at least 1: got -1" in err) == (2, True)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--column", "review", "--num-beams", "2"], "leave --column and --num-beams out"),
        (["--no-header"], "takes columns named as its inputs: leave --no-header out"),
        (["--data", "folder"], "name the part with --split"),
    ],
)
def test_flags_that_a_tflite_file_would_not_heed_are_refused(capsys, tmp_path, flags, message):
    asked = ("predict", tmp_path / "m.tflite", "--text", "a", *flags)
    code, _, err = run_cli(capsys, *asked)
    assert (code, message in err) == (2, True)


def test_predict_wants_texts_from_one_place(capsys, tmp_path):
    both = ("--text", "x", "--file", tmp_path / "f.txt")
    code, _, err = run_cli(capsys, "predict", "--run", tmp_path, *both)
    assert (code, "not both" in err) == (2, True)
    uneven = ("--text", "x", "y", "--text-pair", "z")
    assert "got 1 for 2" in run_cli(capsys, "predict", "--run", tmp_path, *uneven)[2]
