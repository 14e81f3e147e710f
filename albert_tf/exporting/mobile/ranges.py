"""Ranges of activations for full-integer files, measured on real rows.

The converter's own calibration (TensorFlow 2.21) reads an operator's inputs once more when it has
run. By then the interpreter may have put the result in their place, as it does for sums and
products, and the input gets the range of the result as well (tensorflow/tensorflow#127842). In
ALBERT the sum before a norm has single numbers of a hundred and more, where those that are added
end at ten: they kept a twentieth of their 256 steps.
"""

import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from albert_tf.exporting.mobile.packing import packed, unpacked

SUMS = {schema.BuiltinOperator.ADD, schema.BuiltinOperator.SUB}
# Of the range of a sum: that of what is added. XNNPACK asks for 1 / 1024.
LEAST_SHARE = 1 / 512


def with_ranges(content, rows):
    """Writes the range of each activation into a float file, where the quantizer looks for it.

    Args:
        content: bytes of a TFLite file that computes in float32.
        rows: pairs of a signature's name and its inputs.

    Returns:
        bytes.
    """
    model = unpacked(content)
    graph_of = {s.signatureKey.decode(): s.subgraphIndex for s in model.signatureDefs}
    # Nothing is written in place of anything else where all is kept.
    interpreter = tf.lite.Interpreter(model_content=content, experimental_preserve_all_tensors=True)
    seen = {}
    for signature, inputs in rows:
        interpreter.get_signature_runner(signature)(**inputs)
        graph = graph_of[signature]
        for number in _activations(model, graph):
            values = interpreter.get_tensor(number, graph)
            low, high = seen.get((graph, number), (np.inf, -np.inf))
            seen[graph, number] = min(low, values.min()), max(high, values.max())
    _widen(model, seen)
    for (graph, number), extremes in seen.items():
        tensor = model.subgraphs[graph].tensors[number]
        tensor.quantization = tensor.quantization or schema.QuantizationParametersT()
        tensor.quantization.min, tensor.quantization.max = (
            np.array([value], "float32") for value in extremes
        )
    return packed(model)


def _widen(model, seen):
    """Widens what is added to a sum that is far larger, as the mean of a norm is.

    XNNPACK adds no steps that are a thousandth of the sum's; those of a five-hundredth are as good.
    """
    codes = [max(c.builtinCode, c.deprecatedBuiltinCode) for c in model.operatorCodes]
    for graph, subgraph in enumerate(model.subgraphs):
        for op in subgraph.operators:
            if codes[op.opcodeIndex] not in SUMS or (graph, op.outputs[0]) not in seen:
                continue
            least = np.ptp(seen[graph, op.outputs[0]]) * LEAST_SHARE
            for key in ((graph, number) for number in op.inputs):
                if key in seen and (missing := least - np.ptp(seen[key])) > 0:
                    low, high = seen[key]
                    seen[key] = low - missing / 2, high + missing / 2


def _activations(model, number):
    """Numbers of the float tensors that a graph takes and computes."""
    graph = model.subgraphs[number]
    for tensors in (graph.inputs, *(op.outputs for op in graph.operators)):
        for tensor in tensors:
            if graph.tensors[tensor].type == schema.TensorType.FLOAT32:
                yield int(tensor)
