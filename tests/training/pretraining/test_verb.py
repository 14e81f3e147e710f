import json

import pytest

from albert_tf import cli
from albert_tf.training.fields import as_values
from albert_tf.training.pretraining import run
from albert_tf.training.pretraining.lost_worker import WorkerLost


@pytest.fixture
def pretrain(settings, tmp_path, capsys):
    """A function that calls the verb, and gives its exit code and what it printed."""

    def call(*flags, **changes):
        recipe = tmp_path / "recipe.json"
        recipe.write_text(json.dumps(as_values(settings(tmp_path / "run", **changes))))
        code = cli.main(["pretrain", "--recipe", str(recipe), *flags])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def test_dry_run_describes_data_model_and_training(pretrain, tmp_path):
    code, printed, _ = pretrain("--dry-run", "--strategy", "multiworker", "--workers", "2")
    assert code == 0
    described = json.loads(printed)
    assert described["recipe"]["workers"] == 2
    assert described["train_rows"] == 70 and described["steps_per_epoch"] == 8
    assert described["epochs"] == 2.5
    assert (described["workers"], described["devices"], described["rows_per_device"]) == (2, 2, 4)
    assert described["parameters"] == described["trained_parameters"]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("error", "code"), [(ArithmeticError("NaN"), 2), (WorkerLost("gone"), 3), (OSError("full"), 2)]
)
def test_how_a_run_ends_is_said_in_a_sentence_and_a_code(pretrain, monkeypatch, error, code):
    def fail(settings):
        raise error

    monkeypatch.setattr(run, "pretrain", fail)
    assert pretrain()[::2] == (code, f"albert-tf pretrain: {error}\n")


def test_a_run_that_was_stopped_says_how_to_go_on(pretrain, monkeypatch):
    monkeypatch.setattr(run, "pretrain", lambda settings: None)
    code, printed, _ = pretrain()
    assert code == 1 and printed.startswith("Stopped. The same command goes on")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--workers", "2"], "--workers starts the processes of --strategy multiworker"),
        (["--restarts", "2"], "--restarts needs --workers"),
        (["--layers", "5"], "--layers deepens the model of --from"),
        (["--ema", "1"], r"ema must be in [0, 1): got 1.0"),
        (["--depth-ratio", "0"], "depth_ratio must be above 0, and finite: got 0.0"),
        (["--learning-rate", "nan"], "learning_rate must be above 0, and finite: got nan"),
        (["--clip-norm", "inf"], "clip_norm must be above 0, and finite: got inf"),
        (["--seed", "-1"], "seed must be in [0, 2^32): got -1"),
    ],
)
def test_settings_that_cannot_be_are_refused(pretrain, flags, message):
    code, _, error = pretrain(*flags)
    assert code == 2 and message in error


def test_a_cluster_that_nobody_described_is_refused(pretrain, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    code, _, error = pretrain("--strategy", "multiworker")
    assert code == 2 and "needs the environment variable TF_CONFIG" in error
