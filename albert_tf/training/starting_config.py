"""The configuration that a model with random weights is built from."""

import dataclasses
from pathlib import Path

from albert_tf.config import AlbertConfig


def starting_config(config, vocab_size) -> AlbertConfig:
    """The configuration of a model with random weights, resized to its vocabulary.

    Args:
        config: a file, the name of a preset, or the values themselves (in a recipe).
        vocab_size: rows of the word table.
    """
    if isinstance(config, dict):
        read = AlbertConfig.from_dict(config)
    elif config in AlbertConfig.presets() and not Path(config).exists():
        read = AlbertConfig.from_preset(config)
    else:
        read = AlbertConfig.from_json(config)
    return dataclasses.replace(read, vocab_size=vocab_size)
