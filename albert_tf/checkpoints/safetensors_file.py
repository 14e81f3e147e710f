"""Reads and writes `model.safetensors`, in one piece or in shards."""

import json

import safetensors
import safetensors.numpy

from albert_tf.checkpoints.error import CheckpointError
from albert_tf.checkpoints.weights import Stored


def read(path):
    """All tensors of a safetensors file, or of the shards that an index file names.

    Raises:
        CheckpointError: a file is damaged or missing, or a tensor stands in two shards.
    """
    if path.suffix != ".json":
        return _read_one(path)
    shards = sorted(set(json.loads(path.read_text(encoding="utf-8"))["weight_map"].values()))
    stored = {}
    for shard in shards:
        for name, weight in _read_one(path.parent / shard).items():
            if name in stored:
                raise CheckpointError(f"{path}: {name} stands in more than one shard.")
            stored[name] = weight
    return stored


def _read_one(path):
    try:
        file = safetensors.safe_open(path, framework="numpy")
    except FileNotFoundError as error:
        raise CheckpointError(f"The shard {path} is missing.") from error
    except safetensors.SafetensorError as error:
        raise CheckpointError(
            f"{path} cannot be read as safetensors: {error}. Is the file complete?"
        ) from error
    return {
        name: Stored(
            tuple(file.get_slice(name).get_shape()), lambda name=name: file.get_tensor(name)
        )
        for name in sorted(file.keys())
    }


def write(path, arrays):
    """Writes arrays so that transformers takes them for its own, for the readers of any new file.

    The library alone writes a file that nobody but its owner can read (safetensors 0.8).
    """
    path.touch()
    mode = path.stat().st_mode
    safetensors.numpy.save_file(arrays, path, metadata={"format": "pt"})
    path.chmod(mode)
