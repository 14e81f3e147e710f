"""A small set of records, and the settings of a run on it."""

import runpy
from pathlib import Path

import pytest

from albert_tf.training.pretraining.settings import PretrainSettings

DATA = Path(__file__).parents[2] / "data" / "record_fixtures.py"
TINY = {
    "embedding_size": 8,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "max_position_embeddings": 24,
}


@pytest.fixture(scope="session")
def records(tmp_path_factory, tiny_proto):
    """Records of 70 rows to train on, 8 of each batch, and 12 held out."""
    fixtures = runpy.run_path(str(DATA))
    rows_of, directory = fixtures["rows_of"], tmp_path_factory.mktemp("records")
    splits = {"train": [rows_of(41, 1), rows_of(29, 2)], "held_out": [rows_of(12, 3)]}
    style = {"lowercase": True, "keep_accents": False}
    return fixtures["write_records"](directory, tiny_proto, splits, **style)


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
