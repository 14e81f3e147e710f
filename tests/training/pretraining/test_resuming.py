"""A run that is broken off and goes on must be the run that never was."""

import json

import numpy as np
import pytest

from albert_tf.training.pretraining.checkpoints import Checkpoints
from albert_tf.training.pretraining.loop import Loop
from albert_tf.training.pretraining.run import pretrain

# All that has a state or follows from the step: dropout, averages, schedules, sums of batches.
EVERYTHING = {
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
}
CLOCK = ("seconds", "tokens_per_second", "share_of_matrix_peak")


class Broken(Exception):
    pass


def break_at(step, monkeypatch):
    """Lets the loop fail right after an update, before anything of its step is written."""
    after = Loop._after

    def fail(self, done, **words):
        if done == step:
            raise Broken
        after(self, done, **words)

    monkeypatch.setattr(Loop, "_after", fail)


def measurements(run):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{name: v for name, v in row.items() if name not in CLOCK} for row in rows]


def assert_same_run(run, other):
    assert measurements(run) == measurements(other)
    ours, theirs = (Checkpoints(path / "checkpoints") for path in (run, other))
    assert ours.steps() == theirs.steps() and ours.best() == theirs.best()
    for step in ours.steps():
        (values, state), (expected, expected_state) = ours.load(step), theirs.load(step)
        assert values.keys() == expected.keys() and state == expected_state
        for name in values:
            np.testing.assert_array_equal(values[name], expected[name], err_msg=name)


@pytest.fixture(scope="module")
def eventful(settings):
    """Settings of a run in which everything that a checkpoint must hold is in use."""

    def make(out, **changes):
        config = settings(out).config | EVERYTHING
        chosen = {"micro_batches": 2, "ema": 0.8, "depth_ratio": 0.5, "layer_decay": 0.7}
        return settings(out, config=config, **chosen | changes)

    return make


@pytest.fixture(scope="module")
def uninterrupted(eventful, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "run"
    pretrain(eventful(out), show=False)
    return out


def test_a_run_that_broke_off_is_bit_equal_to_one_that_did_not(
    eventful, uninterrupted, tmp_path, monkeypatch
):
    run = tmp_path / "run"
    break_at(17, monkeypatch)
    with pytest.raises(Broken):
        pretrain(eventful(run), show=False)
    monkeypatch.undo()
    checkpoints = Checkpoints(run / "checkpoints")
    assert checkpoints.steps()[-2:] == [12, 15]
    (checkpoints.path(15) / "variables.safetensors").write_bytes(b"damaged")
    # Epochs have 8 steps: updates 13 to 17 are made again, and 17 begins the third epoch.
    with pytest.warns(UserWarning, match="damaged-step-00000015. The run goes on from step 12"):
        pretrain(eventful(run), show=False)
    assert json.loads((run / "resumed.jsonl").read_text())["step"] == 12
    assert_same_run(run, uninterrupted)
