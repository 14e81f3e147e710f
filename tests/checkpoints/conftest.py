"""What the tests of checkpoints share: recorded models, and copies to damage."""

import functools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from albert_tf.tasks.loading import load_checkpoint

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="session")
def golden():
    """The folder of recorded models, and what the recorded programs answered."""
    return GOLDEN


@pytest.fixture(scope="session")
def recorded():
    """Arrays of the recorded transformers models: inputs, and outputs of each head."""
    return dict(np.load(GOLDEN / "transformers" / "outputs.npz"))


@pytest.fixture(scope="session")
def ids(recorded):
    """The three inputs of the recorded models."""
    return {
        name: recorded[f"inputs/{name}"] for name in ("token_ids", "segment_ids", "padding_mask")
    }


@pytest.fixture(scope="session")
def loaded():
    """Function from the name of a recorded model to what it is loaded as; not to be changed."""
    return functools.cache(lambda name: load_checkpoint(GOLDEN / "transformers" / name))


class Copy:
    """A Hugging Face directory to change."""

    def __init__(self, source, directory):
        shutil.copytree(source, directory)
        self.directory = directory
        self.weights = load_file(directory / "model.safetensors")
        self.config = json.loads((directory / "config.json").read_text())

    def write(self):
        """Writes what was changed, and gives the directory."""
        save_file(self.weights, self.directory / "model.safetensors", metadata={"format": "pt"})
        (self.directory / "config.json").write_text(json.dumps(self.config))
        return self.directory


@pytest.fixture
def copy_of(tmp_path):
    """Function from the name of a recorded model to a `Copy` of it."""
    return lambda name: Copy(GOLDEN / "transformers" / name, tmp_path / name)


@pytest.fixture(scope="session")
def everywhere():
    """Function that adds every position as a masked one, for programs that score all of them."""

    def add(ids):
        batch, seq_len = ids["token_ids"].shape
        return {**ids, "mask_positions": np.tile(np.arange(seq_len), (batch, 1))}

    return add
