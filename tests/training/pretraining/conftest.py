"""A small set of records, the settings of a run on it, and what makes two runs the same."""

import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from albert_tf.training.pretraining.checkpoints import Checkpoints
from albert_tf.training.pretraining.settings import PretrainSettings

FIXTURES = Path(__file__).parents[2] / "data" / "record_fixtures.py"
TINY = {
    "embedding_size": 8,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "max_position_embeddings": 24,
}
CLOCK = ("seconds", "tokens_per_second", "share_of_matrix_peak")


@pytest.fixture(scope="session")
def records(tmp_path_factory, tiny_proto):
    """Records of 70 rows to train on, of which a batch takes 8, and 12 held out."""
    fixtures = SimpleNamespace(**runpy.run_path(str(FIXTURES)))
    rows_of, directory = fixtures.rows_of, tmp_path_factory.mktemp("records")
    splits = {"train": [rows_of(41, 1), rows_of(29, 2)], "held_out": [rows_of(12, 3)]}
    style = {"lowercase": True, "keep_accents": False}
    return fixtures.write_records(directory, tiny_proto, splits, **style)


@pytest.fixture(scope="session")
def settings(records):
    """A function that makes the settings of a run in a directory."""

    def make(out, **changes):
        chosen = {
            "config": TINY,
            "steps": 20,
            "batch_size": 8,
            "optimizer": "lamb",
            "learning_rate": 0.01,
            "warmup_steps": 3,
            "max_predictions": 5,
            "log_every": 4,
            "eval_every": 6,
            "save_every": 3,
            "precision": "float32",
        }
        return PretrainSettings(records=records, out=out, **chosen | changes)

    return make


@pytest.fixture(scope="session")
def eventful(settings):
    """Settings of a run in which all that has a state or follows from the step is in use."""

    def make(out, **changes):
        chosen = {"ema": 0.8, "depth_ratio": 0.5, "layer_decay": 0.7, "clip_norm": 0.1, "keep": 9}
        return settings(out, **chosen | changes)

    return make


@pytest.fixture(scope="session")
def whole(eventful, tmp_path_factory):
    """An eventful run on one device that nothing broke."""
    from albert_tf.training.pretraining.run import pretrain

    out = tmp_path_factory.mktemp("whole") / "run"
    pretrain(eventful(out), show=False)
    return out


@pytest.fixture(scope="session")
def measurements():
    """A function that gives all rows of a run, without what the clock says."""

    def read(run):
        rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        return [{name: v for name, v in row.items() if name not in CLOCK} for row in rows]

    return read


@pytest.fixture(scope="session")
def assert_same_run(measurements):
    """A function that compares all that two runs wrote, to the bit."""

    def check(run, other):
        assert measurements(run) == measurements(other)
        ours, theirs = (Checkpoints(path / "checkpoints") for path in (run, other))
        assert ours.steps() == theirs.steps() and ours.best() == theirs.best()
        for step in ours.steps():
            (values, state), (expected, expected_state) = ours.load(step), theirs.load(step)
            assert values.keys() == expected.keys() and state == expected_state
            for name in values:
                np.testing.assert_array_equal(values[name], expected[name], err_msg=name)

    return check


@pytest.fixture(scope="session")
def assert_close_runs():
    """A function that compares the last checkpoints of two runs, to a tolerance."""

    def check(run, other, atol):
        ours, theirs = (Checkpoints(path / "checkpoints") for path in (run, other))
        assert ours.steps()[-1] == theirs.steps()[-1]
        (values, _), (expected, _) = (x.load(x.steps()[-1]) for x in (ours, theirs))
        assert values.keys() == expected.keys()
        for name in values:
            np.testing.assert_allclose(
                values[name], expected[name], rtol=0, atol=atol, err_msg=name
            )

    return check
