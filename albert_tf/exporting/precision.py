"""A private copy of a model that computes, and stores its weights, in one dtype."""

import tempfile
import warnings
from pathlib import Path

from albert_tf.models.backbone import AlbertBackbone

DTYPES = ("float32", "bfloat16")


def copy_in(model, dtype):
    """Rebuilds a model in `dtype`, with its weights and its preprocessor.

    The copy holds each weight once, in the dtype of the products, so that a served bfloat16 model
    casts nothing; norms stay float32. What was added to train with (LoRA) is merged.

    Args:
        model: `AlbertBackbone`, or a task on one.
        dtype: one of `DTYPES`.

    Raises:
        ValueError: unknown `dtype`, or the model was quantized.
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(DTYPES)}: got {dtype!r}.")
    integers = [w.path for w in model.weights if "int" in w.dtype]
    if integers:
        raise ValueError(
            f"An export starts from a float model: got one quantized by Keras ({integers[0]} and "
            f"{len(integers) - 1} more weights hold integers). Export the model as it was before "
            "quantize(), and choose the quantization of the TFLite file."
        )
    copy = _rebuild(model, dtype)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # The moments of a model that was trained, which the copy has no use for.
        warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
        # Keras merges LoRA when it writes, and casts when it reads.
        path = Path(folder) / "copy.weights.h5"
        model.save_weights(path)
        copy.load_weights(path)
    return copy


def _rebuild(model, dtype):
    if isinstance(model, AlbertBackbone):
        return type(model).from_config(model.get_config() | {"dtype": dtype})
    backbone = _rebuild(model.backbone, dtype)
    config = model.get_config() | {"backbone": backbone, "preprocessor": None}
    copy = type(model).from_config(config)
    copy.preprocessor = model.preprocessor
    return copy
