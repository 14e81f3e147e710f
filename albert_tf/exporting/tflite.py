"""A TFLite file for phones: ids in, numbers out, the shared block stored once."""

import tempfile
from pathlib import Path

import tensorflow as tf

from albert_tf.exporting.answers import answers_of
from albert_tf.exporting.mobile_encoder import for_mobile
from albert_tf.exporting.precision import copy_in
from albert_tf.exporting.serving_module import ServingModule
from albert_tf.staging import new_file, refuse_existing

QUANTIZATIONS = ("none", "float16", "dynamic")


def export_tflite(model, path, quantization="none", seq_len=128, batch_size=1, rolled=True):
    """Writes one `.tflite` file, whole or not at all.

    Its signature `tokens` takes `token_ids` and `segment_ids`, int32 `(batch_size, seq_len)`, and
    `input_length`, int32 `(batch_size,)`: how many tokens of each row count; what stands behind
    them is padding and may hold any id. A classifier answers with `logits` and `probabilities`,
    float32 `(batch_size, num_classes)`, a regression with `score` `(batch_size,)`; another model
    with its own outputs. All operators are TFLite's own.

    Text has to be cut to ids outside the file, by `model.preprocessor` or by SentencePiece on the
    device; text longer than `seq_len` has to be cut there, too.

    Args:
        model: a task of this package, `AlbertPretrainer` or `AlbertBackbone`.
        path: the file to write.
        quantization: `none` (float32), `float16` (half the size; computes in float32), or
            `dynamic`: weights as 8-bit integers, a quarter of the size and several times faster,
            for an error of one or two percent in the logits.
        seq_len: fixed number of tokens, or None for any; every new length costs the runtime a
            new plan.
        batch_size: fixed number of rows, or None for any.
        rolled: whether the encoder is a loop: as fast, and a fifth of the memory of the unrolled
            one, which some delegates need.

    Returns:
        `Path` of the file.

    Raises:
        FileExistsError: `path` exists.
        TypeError: there is no export for this class of model.
        ValueError: an argument is out of its range, or the model was quantized by Keras.
    """
    path = Path(path)
    answers = answers_of(model)
    _check(model, path, quantization, seq_len, batch_size)
    module = ServingModule(answers, for_mobile(copy_in(model, "float32"), rolled))
    with new_file(path) as staged:
        staged.write_bytes(_convert(module, quantization, seq_len, batch_size))
    return path


def _check(model, path, quantization, seq_len, batch_size):
    if quantization not in QUANTIZATIONS:
        raise ValueError(
            f"quantization must be one of {', '.join(QUANTIZATIONS)}: got {quantization!r}."
        )
    config = (getattr(model, "backbone", None) or model).albert_config
    longest = config.max_position_embeddings
    if seq_len is not None and not 2 <= seq_len <= longest:
        raise ValueError(
            f"seq_len must lie in 2 to {longest}, the positions of the model, or be None for any: "
            f"got {seq_len}."
        )
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, or None for any: got {batch_size}.")
    refuse_existing(path)
    if path.is_dir():
        raise FileExistsError(f"path must name a file: {path} is a directory.")


def _convert(module, quantization, seq_len, batch_size):
    signature = module.tokens(batch_size, seq_len, numeric=True)
    with tempfile.TemporaryDirectory() as folder:
        # By way of a SavedModel: that is what carries the name of the signature into the file.
        tf.saved_model.save(module, folder, signatures={"tokens": signature})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["tokens"])
        if quantization != "none":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if quantization == "float16":
            converter.target_spec.supported_types = [tf.float16]
        return converter.convert()
