"""The verbs `evaluate` and `predict` on models of all families, none of them trained."""

import json

import keras
import pytest

from albert_tf import cli
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.tasks.loading import task_class
from albert_tf.training.evaluation import TrainedRun
from albert_tf.training.jobs.table import FAMILIES, TASKS, family_class

CONTEXT = "The cat sat on the mat, and 3, 14 or 1,000 dogs did not."
ARGUMENTS = {
    "question_answering": {},
    "token_classifier": {"num_classes": 3, "class_names": ["O", "B-animal", "I-animal"]},
    "multiple_choice": {},
    "masked_lm": {},
    "text_classifier": {"num_classes": 2, "class_names": ["negative", "positive"]},
}


@pytest.fixture(scope="module")
def saved(tiny_config, tiny_tokenizer, tmp_path_factory):
    """Word of a task -> the directory of a model of it."""
    folder = tmp_path_factory.mktemp("models")

    def save(word):
        if not (folder / word).exists():
            keras.utils.set_random_seed(3)
            cls = task_class(word)
            sizes = {"doc_stride": 8} if word == "question_answering" else {}
            preprocessor = cls.preprocessor_cls(tiny_tokenizer, sequence_length=32, **sizes)
            backbone = AlbertBackbone(tiny_config)
            model = cls(backbone, preprocessor=preprocessor, **ARGUMENTS[word])
            model.save_to_preset(folder / word)
        return folder / word

    return save


def run_cli(capsys, *argv):
    code = cli.main([str(word) for word in argv])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


ASKED = [
    # Traces long; official files, below, go the same way.
    pytest.param(
        "question_answering",
        ("--question", "Where?", "Who?", "--context", CONTEXT),
        "answer",
        marks=pytest.mark.slow,
    ),
    ("token_classifier", ("--text", "the cat sat", "a dog"), "entities"),
    ("multiple_choice", ("--choice", "a cat", "a dog", "--question", "Who sat?"), "choice"),
    ("masked_lm", ("--text", "the [MASK] sat", "a dull [MASK]"), "filled"),
    ("text_classifier", ("--text", "a film", "--text-pair", "a story"), "prediction"),
]


@pytest.mark.parametrize(("word", "flags", "key"), ASKED)
def test_every_family_answers_the_command_line(saved, capsys, word, flags, key):
    code, out, _ = run_cli(capsys, "predict", "--run", saved(word), "--format", "jsonl", *flags)
    rows = [json.loads(line) for line in out.splitlines()]
    assert (code, key in rows[0]) == (0, True)
    assert len(rows) == (1 if word in ("multiple_choice", "text_classifier") else 2)
    families = {family_class(family).model_class: family_class(family) for family in FAMILIES}
    assert "\n" not in families[word]().line(rows[0])


@pytest.mark.parametrize(
    ("word", "flags", "message"),
    [
        ("question_answering", ("--text", "x"), "asked with --question, --context: got --text"),
        (
            "question_answering",
            ("--question", "a", "b", "c", "--context", "x", "y"),
            "--context must come once, or once for each --question: got 2 for 3",
        ),
        ("multiple_choice", ("--choice", "one"), "two choices or more: got 1"),
        ("multiple_choice", ("--choice", "a", "b", "--text", "x", "y"), "one question is answered"),
        ("token_classifier", ("--choice", "a", "b"), "asked with --text: got --choice"),
    ],
)
def test_what_a_family_is_not_asked_is_refused(saved, capsys, word, flags, message):
    code, out, err = run_cli(capsys, "predict", "--run", saved(word), *flags)
    assert (code, out) == (2, "")
    assert message.lower() in err.lower()


def test_official_files_go_into_a_new_directory(saved, capsys, tmp_path):
    data = [{"title": "", "paragraphs": [{"context": CONTEXT, "qas": []}]}]
    data[0]["paragraphs"][0]["qas"] = [{"id": "q1", "question": "Where?"}]
    asked = tmp_path / "asked.json"
    asked.write_text(json.dumps({"data": data}))
    flags = ("--run", saved("question_answering"), "--file", asked, "--out", tmp_path / "answers")
    assert run_cli(capsys, "predict", *flags)[0] == 0
    assert set(json.loads((tmp_path / "answers" / "predictions.json").read_text())) == {"q1"}
    code, _, err = run_cli(capsys, "predict", *flags)
    assert (code, "answers does. Choose another name" in err) == (2, True)


@pytest.fixture
def glue(tmp_path):
    (tmp_path / "SST-2").mkdir()
    (tmp_path / "SST-2" / "dev.tsv").write_text("sentence\tlabel\nfun \t1\ndull \t0\n")
    (tmp_path / "SST-2" / "test.tsv").write_text("index\tsentence\n0\ta film\n1\ta story\n")
    return tmp_path


def test_a_submission_to_glue_has_its_name_and_its_labels(saved, capsys, glue):
    out = glue / "submission"
    flags = ("--run", saved("text_classifier"), "--task", "sst-2", "--data", glue, "--out", out)
    assert run_cli(capsys, "predict", "--split", "test", *flags)[0] == 0
    lines = (out / "SST-2.tsv").read_text().splitlines()
    assert lines[0] == "index\tprediction"
    assert [line.split("\t")[0] for line in lines[1:]] == ["0", "1"]
    assert {line.split("\t")[1] for line in lines[1:]} <= {"0", "1"}


def test_a_model_is_scored_on_the_parts_of_a_data_set(saved, capsys, glue):
    flags = ("--run", saved("text_classifier"), "--task", "sst-2", "--data", glue)
    code, out, _ = run_cli(capsys, "evaluate", *flags)
    assert (code, json.loads(out)["examples"]) == (0, 2)
    code, _, err = run_cli(capsys, "evaluate", "--split", "half", *flags)
    assert (code, "no split 'half': choose of train, dev, test" in err) == (2, True)
    code, _, err = run_cli(capsys, "evaluate", "--exit-patience", 1, *flags)
    assert (code, "needs a model with a head at every depth" in err) == (2, True)


def test_a_task_of_other_classes_is_refused(saved, capsys, glue):
    (glue / "RTE").mkdir()
    (glue / "RTE" / "dev.tsv").write_text("sentence1\tsentence2\tlabel\na\tb\tentailment\n")
    flags = ("--run", saved("text_classifier"), "--task", "rte", "--data", glue)
    code, _, err = run_cli(capsys, "evaluate", *flags)
    assert code == 2
    assert "must be those of the task, entailment, not_entailment: got negative" in err


def test_a_run_on_folders_of_its_own_reads_them_again(tmp_path):
    (tmp_path / "mine" / "high").mkdir(parents=True)
    questions = {"article": "", "questions": ["?"], "options": [["a", "b"]], "answers": ["A"]}
    (tmp_path / "mine" / "high" / "1.txt").write_text(json.dumps(questions))
    row = TASKS["race"]
    job, _ = row.job({"levels": ("high",)})
    folder = str(tmp_path / "mine")
    run = TrainedRun("run", row, job, None, {"train": folder, "dev": folder})
    assert len(run.read()) == 1
    with pytest.raises(ValueError, match="run names no test file"):
        run.read(split="test")
