"""From a traced graph to the bytes of a TFLite file."""

import itertools
import tempfile
import warnings

import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.python.convert import mlir_quantize
from tensorflow.lite.python.convert_phase import ConverterError

from albert_tf.exporting.mobile.packing import packed, shorten_names, unpacked
from albert_tf.exporting.mobile.ranges import with_ranges
from albert_tf.exporting.mobile.shared_biases import share_biases

QUANTIZATIONS = ("none", "float16", "dynamic", "int8")
# Above it, the ranges that 8-bit activations are cut to say something.
LEAST_ROWS = 16
# Of tensorflow-text: what the signature `text` needs beside TFLite's own operators.
TEXT_OPERATORS = {"TFText>FastSentencepieceTokenize", "RaggedTensorToTensor"}


def convert(module, signatures, quantization, calibration=None, one_scale=False):
    """Converts signatures that share their weights.

    Args:
        module: `MobileModule`.
        signatures: name -> concrete function.
        quantization: one of `QUANTIZATIONS`.
        calibration: for `int8`: takes nothing, yields pairs of a signature's name and its inputs.
        one_scale: whether a matrix of 8-bit weights has one scale, not one for each output.

    Returns:
        bytes.

    Raises:
        ValueError: an operator of the graph is not TFLite's own, nor one of `TEXT_OPERATORS` where
            there is a signature `text`.
    """
    with tempfile.TemporaryDirectory() as folder:
        # By way of a SavedModel: that is what carries the names of the signatures into the file.
        tf.saved_model.save(module, folder, signatures=signatures)
        converter = tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=list(signatures)
        )
        if quantization != "none":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            # Else a table that is read by rows and multiplied with (masked words) is stored twice,
            # once with a scale for each row: 1.9 times the file for no better a number.
            converter._experimental_disable_per_channel_quantization_for_dense_layers = one_scale
        if quantization == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if quantization == "int8":
            # The converter makes ready what is to be quantized, and one row is enough for that.
            converter.representative_dataset = lambda: itertools.islice(calibration(), 1)
            converter._experimental_calibrate_only = True
            # Where an operator has no 8-bit kernel it stays float.
            converter.target_spec.supported_ops = [
                tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
                tf.lite.OpsSet.TFLITE_BUILTINS,
            ]
        converter.allow_custom_ops = "text" in signatures
        with warnings.catch_warnings():
            # What runs to measure ranges, and keeps all tensors for it.
            warnings.filterwarnings("ignore", ".*tf.lite.Interpreter is deprecated", UserWarning)
            warnings.filterwarnings("ignore", ".*experimental_preserve_all_tensors", UserWarning)
            try:
                content = converter.convert()
                if quantization == "int8":
                    content = mlir_quantize(
                        with_ranges(content, calibration()),
                        disable_per_channel_for_dense_layers=one_scale,
                    )
            except ConverterError as error:
                raise ValueError(
                    "A TFLite file must have TFLite's own operators alone: the converter found "
                    f"another one. {str(error)[:500]}"
                ) from error
        _check_operators(content)
    model = unpacked(content)
    if quantization == "int8":
        share_biases(model)
    shorten_names(model)
    return packed(model)


def _check_operators(content):
    """Refuses operators that only an app knows: a runtime would not load the file."""
    model = schema.Model.GetRootAs(content, 0)
    codes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
    strange = {code.CustomCode().decode() for code in codes if code.CustomCode()} - TEXT_OPERATORS
    if strange:
        raise ValueError(
            f"A TFLite file must have TFLite's own operators, and {', '.join(TEXT_OPERATORS)}: "
            f"got {', '.join(sorted(strange))}. Leave the layer out that brings it, or serve a "
            "SavedModel."
        )
