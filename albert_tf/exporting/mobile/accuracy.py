"""Does a quantized file still do the task? Measured on examples whose answers are known."""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from albert_tf.exporting.answers.base import fitted
from albert_tf.exporting.fresh.lite import interpreter_of
from albert_tf.exporting.mobile.requests import MobileRows, with_lengths
from albert_tf.exporting.precision import copy_in
from albert_tf.tasks.early_exit import AlbertEarlyExitClassifier

# Answers of the file that stand for the single output of a task.
SINGLE = ("logits", "score", "embedding")


class AccuracyDropError(RuntimeError):
    """A file answers so much worse than its model that it must not be published."""


@dataclasses.dataclass(frozen=True)
class AccuracyCheck:
    """How to tell whether a file is good enough.

    Args:
        score: takes a Keras task, gives a number that is larger for a better one. It asks the
            model with raw text, by `predict` and what stands on it.
        name: of the number, for people.
        max_drop: by how much the file may score less than the model.
    """

    score: Callable
    name: str = "score"
    max_drop: float = 0.01

    def __call__(self, model, path, sizes) -> tuple[float, float]:
        """Scores the model and the file: (model's, file's).

        Raises:
            AccuracyDropError: the file's is lower by more than `max_drop`, or no number.
        """
        before = float(self.score(model))
        after = float(self.score(stand_in(model, path, sizes)))
        # `not <=`, so that NaN fails.
        if not before - after <= self.max_drop:
            raise AccuracyDropError(
                f"The {self.name} of a file must not fall by more than {self.max_drop:g}: it is "
                f"{after:.4f}, and {before:.4f} for the model. Choose another quantization, or "
                "allow a larger drop."
            )
        return before, after


def stand_in(model, path, sizes):
    """A task that answers as `model`, by way of a TFLite file in place of its network.

    What comes before and behind the network, from raw text to answers, is that of the task, so
    that whatever asks a task can ask a file. The file runs on its fixed sizes, a row at a time.

    Args:
        model: task with a preprocessor.
        path: of the file.
        sizes: `TFLiteSizes` of the file.
    """
    copy = copy_in(model, "float32")
    copy.preprocessor = fitted(model.preprocessor, sizes.seq_len)
    if isinstance(model, AlbertEarlyExitClassifier):
        outputs = {
            "logits": keras.KerasTensor((None, model.num_classes), "float32"),
            "depth": keras.KerasTensor((None,), "int32"),
        }
        exits = _FileNetwork(path, sizes, outputs)
        # In place of the pass that lets rows leave.
        copy._pass_for_patience = lambda: lambda ids: tuple(exits(ids)[n] for n in outputs)
        return copy
    network = _FileNetwork(path, sizes, model.output)

    def call(inputs, training=None, **kwargs):
        return network(inputs)

    # Keras looks the method up on the instance.
    copy.call = call
    return copy


class _FileNetwork:
    """The signature `tokens` of a file as an op."""

    def __init__(self, path, sizes, outputs):
        self._runner = interpreter_of(path).get_signature_runner("tokens")
        self._sizes, self._outputs = sizes, outputs

    def __call__(self, ids):
        names = list(ids)
        flat = tf.nest.flatten(self._outputs)
        dtypes = [tf.as_dtype(output.dtype) for output in flat]
        values = tf.numpy_function(
            lambda *arrays: self._run(dict(zip(names, arrays, strict=True))),
            [tf.convert_to_tensor(ids[name]) for name in names],
            dtypes,
            stateful=True,
        )
        for value, output in zip(values, flat, strict=True):
            value.set_shape(output.shape)
        return tf.nest.pack_sequence_as(self._outputs, values)

    def _run(self, ids):
        sizes = self._sizes
        # What the second axis of the answers goes by: masks, choices or tokens.
        width = ids.get("mask_positions", ids["token_ids"]).shape[1]
        rows = MobileRows(with_lengths(ids), sizes.batch_size, sizes.num_choices, sizes.seq_len)
        found = [self._runner(**inputs) for inputs in rows]
        num_rows = len(ids["token_ids"])
        columns = []
        for name, output in self._named_outputs():
            parts = [self._value(outputs, name) for outputs in found]
            columns.append(_joined(parts, output, width)[:num_rows])
        return columns

    def _named_outputs(self):
        if isinstance(self._outputs, dict):
            return sorted(self._outputs.items())
        return [(None, self._outputs)]

    def _value(self, outputs, name):
        if name in outputs:
            return outputs[name]
        name = next(name for name in SINGLE if name in outputs)
        value = outputs[name]
        return value[:, None] if name == "score" else value


def _joined(parts, output, width):
    """Batches as one array; an open second axis as wide as what was asked about."""
    is_open = len(output.shape) > 1 and output.shape[1] is None
    widest = max(width, *(part.shape[1] for part in parts)) if is_open else 0
    if is_open:
        parts = [
            np.pad(part, [(0, 0), (0, widest - part.shape[1])] + [(0, 0)] * (part.ndim - 2))
            for part in parts
        ]
    return np.concatenate(parts)[:, :width] if is_open else np.concatenate(parts)
