"""Models as directories: keras_hub's presets, which are never overwritten or left half-written."""

import json
from pathlib import Path

import keras

from albert_tf.staging import new_directory, refuse_existing


class KeptAsPreset:
    """Mixin of the models below the tasks; stands before the keras_hub class in the bases."""

    @classmethod
    def from_preset(cls, preset, load_weights=True, **kwargs):
        """Reads what `save_to_preset` wrote.

        Names of models that come with the package and published checkpoints are for
        `albert_tf.load_checkpoint(path, task)`.

        Args:
            preset: directory.
            load_weights: False for an untrained model of the same shape.
            **kwargs: arguments of the class that replace the saved ones. Without a `dtype` the
                model computes as the caller's Keras does.

        Raises:
            FileNotFoundError: there is no such preset.
            ValueError: it holds another class, or weights that do not fit.
        """
        if "://" not in str(preset) and not _is_preset(Path(preset)):
            raise FileNotFoundError(
                f"{cls.__name__}.from_preset takes a directory that save_to_preset wrote: got "
                f"{preset}. Published checkpoints, and models that come with the package, are read "
                "by albert_tf.load_checkpoint."
            )
        if kwargs.get("dtype") is None:
            kwargs["dtype"] = keras.config.dtype_policy()
        return super().from_preset(str(preset), load_weights=load_weights, **kwargs)

    def save_to_preset(self, preset_dir, max_shard_size=10):
        """Writes configuration and weights as a preset directory.

        Raises:
            FileExistsError: `preset_dir` exists and is not empty.
        """
        directory = Path(preset_dir)
        if (directory / "task.json").is_file() and not (directory / "config.json").exists():
            # keras_hub writes a task's own files and then, into the same directory, its backbone.
            super().save_to_preset(str(preset_dir), max_shard_size=max_shard_size)
            return
        refuse_existing(preset_dir)
        with new_directory(preset_dir) as staged:
            super().save_to_preset(str(staged), max_shard_size=max_shard_size)


def _is_preset(directory):
    config = directory / "config.json"
    # Hugging Face's files have this name, too.
    return config.is_file() and "registered_name" in json.loads(config.read_text(encoding="utf-8"))
