import dataclasses

import pytest


@pytest.fixture(scope="session")
def tiny_start(tiny_config, tiny_proto, tmp_path_factory):
    """Settings of a start from random weights that learns eight rows in a few seconds."""
    # Wide initial weights break the symmetry within a few steps.
    config = dataclasses.replace(tiny_config, num_hidden_layers=1, initializer_range=0.3)
    vocab = tmp_path_factory.mktemp("vocab") / "tiny.model"
    vocab.write_bytes(tiny_proto)
    return {
        "config": config.to_dict(),
        "vocab": vocab,
        "sequence_length": 16,
        "batch_size": 4,
        "learning_rate": 0.01,
        "dropout": 0.0,
    }
