import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from albert_tf import cli
from albert_tf.data.tables import Examples
from albert_tf.optimizers.defaults import usual_learning_rate
from albert_tf.training.batches import bucketed_order
from albert_tf.training.dev_evaluation import DevEvaluation
from albert_tf.training.evaluation import load_run
from albert_tf.training.finetune import best_baseline, fine_tune, warnings_of
from albert_tf.training.jobs.logits import mean_loss
from albert_tf.training.jobs.text_classification import TextClassification
from albert_tf.training.preparation import prepare
from albert_tf.training.run_directory import RunDirectory
from albert_tf.training.settings import FineTuneSettings

GOOD = ["a wonderful film", "what a light and wonderful story", "full of light", "wonderful list"]
BAD = ["a dull story", "the cat never finds its end", "a dull, dull film", "dull numbers"]
ROWS = [(text, "good") for text in GOOD] + [(text, "bad") for text in BAD]


def write_rows(path, rows, header=("text", "label")):
    path.write_text("".join("\t".join(row) + "\n" for row in [header, *rows]))
    return path


@pytest.fixture
def settings(tiny_start, tmp_path):
    def make(rows=ROWS * 4, **changes):
        train = changes.pop("train", None) or write_rows(tmp_path / "train.tsv", rows)
        values = {"out": tmp_path / "run", "train": train, "dev": train, "epochs": 1}
        return FineTuneSettings(**tiny_start | values | changes)

    return make


@pytest.fixture(scope="session")
def finished(tiny_start, tmp_path_factory):
    """The directory and the summary of a run that has learned its rows."""
    folder = tmp_path_factory.mktemp("finished")
    header = ("review", "verdict")
    train = write_rows(folder / "train.tsv", ROWS * 16, header)
    dev = write_rows(folder / "dev.tsv", ROWS, header)
    data = {"train": train, "dev": dev, "text": "review", "label": "verdict"}
    settings = FineTuneSettings(
        **tiny_start, **data, out=folder / "run", epochs=2, metrics=("accuracy",)
    )
    return folder / "run", fine_tune(settings, show=False)


def test_a_small_model_learns_the_words_that_tell_the_classes_apart(finished):
    _, summary = finished
    assert summary["dev"]["accuracy"] == 1.0
    assert summary["baseline"] == 0.5
    assert summary["warnings"] == []


def test_the_directory_holds_all_that_a_reader_wants(finished):
    run, summary = finished
    settings = json.loads((run / "settings.json").read_text())
    assert (settings["learning_rate"], settings["from"]) == (0.01, None)
    environment = json.loads((run / "environment.json").read_text())
    assert environment["versions"]["tensorflow"] == tf.__version__
    assert json.loads((run / "summary.json").read_text()) == summary
    assert (run / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    answers = (run / "dev" / "predictions.tsv").read_text().splitlines()
    assert answers[0].split("\t")[:3] == ["text", "label", "prediction"]
    assert answers[1].split("\t")[:3] == ["a wonderful film", "good", "good"]
    assert len(answers) == 9


def test_every_update_counts_once(finished):
    """An update too many an epoch would shift the schedule (Keras on unknown cardinality)."""
    run, summary = finished
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    train = [row for row in rows if row["split"] == "train"]
    assert [row["step"] for row in train] == [32, 64]
    assert summary["total_steps"] == 64
    # The schedule is read after an update: at step 64 of 64 it has come down to zero.
    assert train[-1]["learning_rate"] == pytest.approx(0.0, abs=1e-9)


def test_tensorboard_finds_the_same_numbers(finished):
    run, summary = finished
    files = list((run / "tensorboard" / "dev").iterdir())
    records = tf.data.TFRecordDataset([str(path) for path in files]).as_numpy_iterator()
    events = [tf.compat.v1.Event.FromString(record) for record in records]
    values = [v for e in events for v in e.summary.value if v.tag == "accuracy"]
    assert values[0].metadata.plugin_data.plugin_name == "scalars"
    assert max(tf.make_ndarray(v.tensor) for v in values) == summary["dev"]["accuracy"]


def test_the_saved_model_scores_what_the_run_said(finished):
    run, summary = finished
    trained = load_run(run)
    scores, _ = trained.job.evaluate(trained.model, trained.read())
    assert scores["accuracy"] == summary["dev"]["accuracy"]
    assert scores["loss"] == pytest.approx(summary["dev"]["loss"], abs=1e-5)  # float32


def run_cli(capsys, *argv):
    code = cli.main([str(word) for word in argv])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_predict_answers_texts_as_json_lines(finished, capsys):
    texts = ("a wonderful film", "a dull story", "")
    _, out, _ = run_cli(
        capsys, "predict", "--run", finished[0], "--format", "jsonl", "--text", *texts
    )
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["prediction"] for row in rows[:2]] == ["good", "bad"]
    assert all(sum(row["probabilities"].values()) == pytest.approx(1.0) for row in rows)
    assert rows[2]["text"] == ""


def test_predict_reads_lines_and_tells_how_many_were_cut(finished, capsys, tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("wonderful\tlight\n" + "a dull story " * 20 + "\n")
    code, out, err = run_cli(capsys, "predict", "--run", finished[0], "--file", path)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["good", "bad"]
    assert "1 of 2 texts were cut at 16 tokens" in err


def test_evaluate_scores_another_file_and_writes_the_answers(finished, capsys, tmp_path):
    data = tmp_path / "other.csv"
    data.write_text('text,class\n"a wonderful, wonderful film",good\na dull story,good\n')
    _, out, _ = run_cli(
        *(capsys, "evaluate", "--run", finished[0], "--data", data, "--text", "text"),
        *("--label", "class", "--out", tmp_path / "answers.jsonl"),
    )
    assert json.loads(out)["accuracy"] == 0.5
    rows = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert [row["prediction"] for row in rows] == ["good", "bad"]


def test_evaluate_refuses_a_label_never_seen_in_training(finished, capsys, tmp_path):
    data = write_rows(
        tmp_path / "dev.tsv", [("fine", "good"), ("so so", "average")], ("review", "verdict")
    )
    code, _, err = run_cli(capsys, "evaluate", "--run", finished[0], "--data", data)
    assert code == 2
    assert "line 3: the label 'average' was never seen in training" in err
    assert "'bad', 'good'" in err


def test_a_trained_run_is_a_start_for_other_labels(finished, tmp_path):
    train = write_rows(tmp_path / "t.tsv", [(text, label[0] * 3) for text, label in ROWS])
    settings = FineTuneSettings(
        out=tmp_path / "run", train=train, from_=str(finished[0] / "model"), sequence_length=24
    )
    preparation = prepare(settings)
    assert preparation.model.class_names == ["bbb", "ggg"]
    assert preparation.model.preprocessor.sequence_length == 24
    before = load_run(finished[0]).model.backbone.get_weights()
    for ours, theirs in zip(preparation.model.backbone.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_trained_run_is_a_start_for_another_task(finished, tmp_path):
    train = tmp_path / "train.conll"
    train.write_text("the O\ncat B-animal\n\n")
    settings = FineTuneSettings(
        out=tmp_path / "run",
        task="entities",
        train=train,
        dev=train,
        from_=str(finished[0]),
        sequence_length=24,
    )
    model = prepare(settings).model
    assert model.class_names == ["O", "B-animal", "I-animal"]
    before = load_run(finished[0]).model.backbone.get_weights()
    for ours, theirs in zip(model.backbone.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
def test_pairs_and_several_labels_are_trained_too(settings, tmp_path):
    rows = [(text, text[::-1], f"{label};text") for text, label in ROWS * 16]
    train = write_rows(tmp_path / "pairs.tsv", rows, ("a", "b", "labels"))
    chosen = {"text": "a", "text_pair": "b", "label": "labels", "separator": ";"}
    summary = fine_tune(
        settings(train=train, problem="multi_label", epochs=3, sequence_length=40, **chosen),
        show=False,
    )
    assert summary["classes"] == ["bad", "good", "text"]
    assert summary["dev"]["label_micro_f1"] > 0.9
    assert summary["longest_train_example_in_tokens"] > 40


def test_regression_brings_its_own_metrics(settings):
    rows = [(text, "4.5" if label == "good" else "0.5") for text, label in ROWS]
    preparation = prepare(settings(rows, problem="regression"))
    assert preparation.model.is_regression
    scores, _ = preparation.job.evaluate(preparation.model, preparation.dev)
    assert list(scores) == ["pearson", "spearman", "mse", "loss"]


class Script:
    """Plays the epochs of a training whose dev answers are given, without training anything."""

    def __init__(self, monkeypatch, tmp_path, preparation, answers):
        self.preparation = preparation
        self.run = RunDirectory(tmp_path / "script", {}, 0)
        self.evaluation = DevEvaluation(preparation, self.run, show=False)
        self.evaluation.set_model(preparation.model)
        script = iter(answers)

        def evaluate(job, model, examples):
            given = next(script)
            return {"accuracy": float(np.mean(given == examples.labels))}, [
                {"prediction": int(answer)} for answer in given
            ]

        monkeypatch.setattr(TextClassification, "evaluate", evaluate)

    def play(self, epochs):
        self.preparation.model.stop_training = False
        for epoch in range(epochs):
            self.preparation.model.set_weights(
                [np.full_like(w, epoch) for w in self.preparation.model.get_weights()]
            )
            self.evaluation.on_epoch_end(epoch)
            if self.preparation.model.stop_training:
                return epoch + 1
        return epochs

    def warnings(self):
        prep = self.preparation
        ways = prep.job.baselines(prep.train, prep.dev, prep.model)
        return warnings_of(
            prep.job, self.evaluation, best_baseline(prep.job, ways, self.evaluation.leader)
        )


def test_the_best_epoch_is_kept_and_patience_ends_the_run(settings, monkeypatch, tmp_path):
    preparation = prepare(settings(ROWS, epochs=9, patience=2))
    right = preparation.dev.labels
    script = Script(monkeypatch, tmp_path, preparation, [1 - right, right, right, right])
    assert script.play(9) == 4
    assert script.evaluation.best_epoch == 2
    assert script.evaluation.best_weights[0].max() == 1.0  # as of the second epoch
    assert script.warnings() == []


@pytest.mark.slow
def test_dev_rows_are_scored_between_the_ends_of_epochs(settings):
    chosen = settings(ROWS * 2, epochs=1, batch_size=4, eval_steps=3)
    summary = fine_tune(chosen, show=False)
    rows = [json.loads(line) for line in (chosen.out / "metrics.jsonl").read_text().splitlines()]
    steps = [row["step"] for row in rows if row["split"] == "dev"]
    last = summary["steps_per_epoch"]
    assert steps == sorted({*range(3, last, 3), last})
    best = max((row["accuracy"], -row["step"]) for row in rows if row["split"] == "dev")
    assert (summary["dev"]["accuracy"], -summary["best_step"]) == best


@pytest.mark.parametrize(
    ("answers", "message"),
    [(lambda right: np.ones_like(right), "same answer"), (lambda right: 1 - right, "no better")],
)
def test_a_run_that_learned_nothing_says_so(settings, monkeypatch, tmp_path, answers, message):
    preparation = prepare(settings(ROWS))
    script = Script(monkeypatch, tmp_path, preparation, [answers(preparation.dev.labels)])
    script.play(1)
    assert message in script.warnings()[0]


def test_a_loss_that_is_no_number_ends_the_run_with_a_warning(settings, tmp_path):
    summary = fine_tune(settings(learning_rate=1e30, warmup_fraction=0.0, epochs=3), show=False)
    assert summary["epochs_done"] == 1
    assert "stopped being a number" in summary["warnings"][0]
    assert summary["dev"] is None
    assert not (tmp_path / "run" / "model").exists()


def test_without_a_dev_file_rows_are_held_out(settings):
    preparation = prepare(settings(dev=None, dev_fraction=0.25))
    assert (len(preparation.train), len(preparation.dev)) == (24, 8)


def test_a_limit_draws_training_rows_at_random(settings):
    train = prepare(settings(limit=10)).train
    assert len(train) == 10
    assert set(train.labels) == {0, 1}


def test_the_same_seed_starts_from_the_same_weights_and_order(settings):
    first, again, other = (prepare(settings(seed=seed)) for seed in (1, 1, 2))
    assert first.model.get_weights()[0].tolist() == again.model.get_weights()[0].tolist()
    assert first.model.get_weights()[0].tolist() != other.model.get_weights()[0].tolist()


def refusal(capsys, settings):
    """What the command line says to settings that cannot be."""
    values = {f.name.rstrip("_"): getattr(settings, f.name) for f in dataclasses.fields(settings)}
    recipe = Path(settings.out).parent / "recipe.json"
    recipe.write_text(json.dumps({k: v for k, v in values.items() if v is not None}, default=str))
    code, _, err = run_cli(capsys, "finetune", "--recipe", recipe)
    assert code == 2
    assert not Path(settings.out).exists() or list(Path(settings.out).iterdir()) != []
    return err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": "sentence"}, "no column 'sentence': it has 'text', 'label'"),
        ({"dev": Path("absent.tsv")}, "There is no file absent.tsv"),
        ({"sequence_length": 49}, "at most the 48 positions"),
        ({"metrics": ("pearson",)}, "no metric 'pearson' for classification"),
        ({"rows": []}, "has no rows"),
        ({"rows": [("x", "good")] * 8}, "at least two classes: all 8"),
        ({"dev": None, "dev_fraction": 0.01, "rows": ROWS}, "leaves 0 to evaluate on"),
        ({"vocab": Path("absent.model")}, "absent.model"),
        ({"config": "bass"}, "bass"),
        ({"config": None, "from_": "nowhere", "vocab": None}, "nowhere"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(settings, capsys, changes, message):
    bad = settings(changes.pop("rows", ROWS * 4), **changes)
    assert message in refusal(capsys, bad)
    assert not bad.out.exists()


def test_an_existing_run_is_never_overwritten(finished, capsys):
    run, _ = finished
    code, _, err = run_cli(capsys, "finetune", "--recipe", run / "settings.json")
    assert code == 2
    assert f"{run} does. Choose another name" in err


def test_a_directory_without_a_model_is_told(tmp_path, capsys):
    code, _, err = run_cli(capsys, "predict", "--run", tmp_path, "--text", "x")
    assert (code, "no trained model" in err) == (2, True)


def test_batches_hold_texts_of_like_length_and_each_example_once():
    lengths = np.random.default_rng(0).integers(3, 100, size=1003)
    batches = bucketed_order(lengths, 10, np.random.default_rng(1), batches_a_window=20)
    assert sorted(np.concatenate(batches)) == list(range(1003))
    assert sorted(len(batch) for batch in batches) == [3] + [10] * 100
    spread = np.mean([np.ptp(lengths[batch]) for batch in batches])
    assert spread < 10  # Shuffled batches of ten span about 80.


def test_epochs_differ_and_the_dataset_tells_its_length():
    examples = Examples([f"film {i}" for i in range(10)], labels=np.arange(10))
    batches = TextClassification().batches(examples, batch_size=4, epochs=2, seed=0)
    assert batches.cardinality() == 6
    seen = [labels.numpy().tolist() for _, labels in batches]
    assert sorted(sum(seen[:3], [])) == sorted(sum(seen[3:], [])) == list(range(10))
    assert seen[:3] != seen[3:]


def test_the_loss_on_dev_rows_is_the_loss_of_training():
    from albert_tf.tasks.text_classifier import AlbertTextClassifier

    rng = np.random.default_rng(0)
    logits = rng.normal(size=(6, 3)).astype("float32")
    classes, hot = rng.integers(0, 3, 6), rng.integers(0, 2, (6, 3)).astype("float32")
    for problem, labels, answers in (
        ("classification", classes, logits),
        ("multi_label", hot, logits),
        ("regression", logits[:, 1], logits[:, :1]),
    ):
        shape = type("Shape", (), {"is_regression": problem == "regression"})()
        shape.multi_label = problem == "multi_label"
        loss = AlbertTextClassifier.default_loss(shape)(labels, answers)
        assert mean_loss(problem, labels, answers) == pytest.approx(float(loss), rel=1e-5)


def test_a_rate_that_nobody_named_is_that_of_the_models_width(settings, tiny_config):
    prepared = prepare(settings(learning_rate=None)).settings
    assert prepared.learning_rate == usual_learning_rate(tiny_config)
