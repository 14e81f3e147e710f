import json

import keras
import numpy as np
import pytest

from albert_tf import cli

TEXTS = ["the cat sat on the mat", "", "plot the first array", "a dull story", "the cat sat"]


@pytest.fixture(scope="module")
def run_directory(tiny_config, tiny_tokenizer, tmp_path_factory):
    """An embedder as a finished run leaves it; nothing was trained."""
    from albert_tf.models.backbone import AlbertBackbone
    from albert_tf.tasks.text_embedder import AlbertTextEmbedder
    from albert_tf.tasks.text_embedder_preprocessor import AlbertTextEmbedderPreprocessor

    keras.utils.set_random_seed(0)
    preprocessor = AlbertTextEmbedderPreprocessor(tiny_tokenizer, sequence_length=24)
    path = tmp_path_factory.mktemp("runs") / "run"
    AlbertTextEmbedder(AlbertBackbone(tiny_config), preprocessor).save_to_preset(path / "model")
    return path


@pytest.fixture
def texts(tmp_path):
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS) + "\n")
    return tmp_path / "texts.txt"


def run_cli(capsys, *argv):
    code = cli.main(["search", *[str(word) for word in argv]])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.mark.slow
def test_a_text_of_the_file_is_found_by_itself(capsys, run_directory, texts):
    flags = ("--model", run_directory, "--file", texts, "--top-k", 2)
    code, out, _ = run_cli(capsys, *flags, "--query", "plot the first array")
    assert code == 0
    first, second = out.splitlines()
    score, line, text = first.split(maxsplit=2)
    assert (score, line, text) == ("1.0000", "3", "plot the first array")
    assert float(second.split()[0]) <= 1.0


def test_a_saved_index_answers_as_the_file_does(capsys, run_directory, texts, tmp_path):
    queries = ("--query", "the cat", "a story", "--format", "jsonl")
    model = ("--model", run_directory)
    index = tmp_path / "index"
    code, out, err = run_cli(capsys, *model, "--file", texts, "--save-index", index, *queries)
    assert code == 0 and f"5 texts are in {index}" in err
    first, second = map(json.loads, out.splitlines())
    again = json.loads(run_cli(capsys, *model, "--index", index, *queries)[1].splitlines()[0])
    # float32 sums, in another order.
    for hit, same in zip(first["found"], again["found"], strict=True):
        assert hit == same | {"score": pytest.approx(hit["score"], abs=1e-6)}
    assert first["query"] == "the cat" and second["query"] == "a story"
    scores = [hit["score"] for hit in first["found"]]
    assert scores == sorted(scores, reverse=True) and len(scores) == len(TEXTS)
    assert [TEXTS[hit["row"]] for hit in first["found"]] == [h["text"] for h in first["found"]]


@pytest.mark.slow
def test_an_index_is_kept_without_a_query(capsys, run_directory, texts, tmp_path):
    flags = ("--model", run_directory, "--file", texts, "--save-index", tmp_path / "index")
    code, out, _ = run_cli(capsys, *flags)
    assert code == 0 and out == ""
    code, _, err = run_cli(capsys, *flags)
    assert code == 2 and "must not exist yet" in err


def test_the_index_of_another_model_or_a_damaged_one_is_refused(
    capsys, run_directory, texts, tmp_path
):
    from albert_tf.tasks.semantic_search import TextIndex

    index = tmp_path / "index"
    TextIndex(TEXTS, np.eye(5, 24, dtype="float32"), "f" * 64).save(index)
    flags = ("--model", run_directory, "--index", index, "--query", "a")
    code, _, err = run_cli(capsys, *flags)
    assert code == 2 and "with the model that made it" in err and "ffffffffffff" in err
    (index / "texts.jsonl").write_text('"one"\n')
    code, _, err = run_cli(capsys, *flags)
    assert code == 2 and "it must hold 5 texts: got 1" in err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--query", "a"), "--file, or an index of them with --index"),
        (("--file", "a", "--index", "b"), "--file, or an index of them with --index"),
        (("--file", "missing.txt", "--query", "a"), "There is no file missing.txt"),
        (("--index", "missing", "--query", "a"), "There is no index in missing"),
        (("--file", "a", "--top-k", 0), "--top-k must be at least 1: got 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(capsys, run_directory, flags, message):
    code, _, err = run_cli(capsys, "--model", run_directory, *flags)
    assert code == 2 and message in err


@pytest.mark.slow
def test_any_model_searches_and_says_that_it_was_not_trained_to(
    capsys, tiny_config, tiny_tokenizer, texts, tmp_path
):
    from albert_tf.models.backbone import AlbertBackbone
    from albert_tf.tasks.text_classifier import AlbertTextClassifier
    from albert_tf.tasks.text_classifier_preprocessor import AlbertTextClassifierPreprocessor

    preprocessor = AlbertTextClassifierPreprocessor(tiny_tokenizer, sequence_length=24)
    AlbertTextClassifier(AlbertBackbone(tiny_config), 2, preprocessor).save_to_preset(
        tmp_path / "classifier"
    )
    flags = ("--model", tmp_path / "classifier", "--file", texts, "--query", "the cat sat")
    code, out, err = run_cli(capsys, *flags)
    assert code == 0 and "was not trained to compare texts" in err
    assert out.splitlines()[0].endswith("the cat sat")


@pytest.mark.slow
def test_a_folder_without_a_model_is_refused(capsys, texts, tmp_path):
    (tmp_path / "empty").mkdir()
    code, _, err = run_cli(
        capsys, "--model", tmp_path / "empty", "--file", texts, "--query", "the cat"
    )
    assert code == 2 and "holds no checkpoint" in err
