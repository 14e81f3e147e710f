"""The configuration that a model with random weights is built from."""

import dataclasses
from pathlib import Path

from albert_tf.config import AlbertConfig


def read_config(config) -> AlbertConfig:
    """A configuration from a file, from the name of a preset, or from the values themselves.

    Raises:
        FileNotFoundError: neither a file nor a preset.
        ValueError: values that do not make a model.
    """
    if isinstance(config, dict):
        return AlbertConfig.from_dict(config)
    if config in AlbertConfig.presets() and not Path(config).exists():
        return AlbertConfig.from_preset(config)
    return AlbertConfig.from_json(config)


def starting_config(config, vocab_size) -> AlbertConfig:
    """The configuration of a model with random weights, resized to its vocabulary.

    Args:
        config: as `read_config` takes it.
        vocab_size: rows of the word table.
    """
    return dataclasses.replace(read_config(config), vocab_size=vocab_size)
