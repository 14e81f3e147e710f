"""What a signature asks of a request, and how its outputs become an answer.

Pure functions over `SignatureDef` and arrays, without a model or a network. The checks come in
TensorFlow Serving's order and speak its words, because clients match on them.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from tensorflow.core.framework import types_pb2
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.classification_pb2 import ClassificationResult
from tensorflow_serving.apis.input_pb2 import Input
from tensorflow_serving.apis.regression_pb2 import RegressionResult

from albert_tf.serving import tensors
from albert_tf.serving.errors import failed_precondition, invalid_argument

DEFAULT_SIGNATURE = "serving_default"
CLASSIFY_METHOD = "tensorflow/serving/classify"
REGRESS_METHOD = "tensorflow/serving/regress"


def _joined(names: Collection[str]) -> str:
    return ",".join(sorted(names))


def predict_feeds(
    signature: SignatureDef, inputs: Mapping[str, TensorProto]
) -> dict[str, np.ndarray]:
    """Reads the tensors of a Predict request.

    Returns:
        Name of a tensor in the graph -> value. Types and shapes are left to the graph, as
        TensorFlow Serving does: the first kernel that cannot use a value says why.

    Raises:
        ServingError: wrong number or names of inputs, or a tensor that cannot be read.
    """
    if len(inputs) > len(signature.inputs) or (
        len(inputs) < len(signature.inputs) and not signature.defaults
    ):
        raise invalid_argument(
            f"input size does not match signature: {len(inputs)}!={len(signature.inputs)} "
            f"len({{{_joined(inputs)}}}) != len({{{_joined(signature.inputs)}}}). "
            f"Sent extra: {{{_joined(set(inputs) - set(signature.inputs))}}}. "
            f"Missing but required: {{{_joined(set(signature.inputs) - set(inputs))}}}."
        )
    feeds = {}
    for alias in sorted(signature.inputs):
        feed_name = signature.inputs[alias].name
        if alias not in inputs and alias not in signature.defaults:
            raise invalid_argument(
                f"Signature input alias: {alias}(feed name: {feed_name}) not found in request and "
                f"no default value provided. Inputs expected to be in the request "
                f"{{{_joined(inputs)}}}, or default input alias set: {_joined(signature.defaults)}"
            )
        proto = inputs[alias] if alias in inputs else signature.defaults[alias]
        try:
            feeds[feed_name] = tensors.from_proto(proto)
        except ValueError as error:
            raise invalid_argument(f"tensor parsing error: {alias}") from error
    used = set(inputs) & set(signature.inputs)
    if len(used) != len(inputs):
        raise invalid_argument(
            f"Inputs contains invalid name. Used request inputs: {_joined(used)}, "
            f"request input: {_joined(inputs)}"
        )
    return feeds


def predict_fetches(signature: SignatureDef, output_filter: Sequence[str]) -> dict[str, str]:
    """Returns output name -> name of the tensor in the graph, for the outputs asked for."""
    fetches = {}
    for alias in output_filter:
        if alias not in signature.outputs:
            raise invalid_argument(
                f"output tensor alias not found in signature: {alias} "
                f"Outputs expected to be in the set {{{_joined(signature.outputs)}}}."
            )
        if alias in fetches:
            raise invalid_argument(f"duplicate output tensor alias: {alias}")
        fetches[alias] = signature.outputs[alias].name
    return fetches or {alias: info.name for alias, info in signature.outputs.items()}


def classify_tensors(signature: SignatureDef) -> tuple[str, list[str]]:
    """Returns the graph's name of the input of a Classify signature, and of its outputs."""
    if len(signature.inputs) != 1:
        raise invalid_argument("Expected one input Tensor.")
    if len(signature.outputs) not in (1, 2):
        raise invalid_argument(
            f"Expected one or two output Tensors, found {len(signature.outputs)}"
        )
    if "inputs" not in signature.inputs:
        raise failed_precondition(
            f"No classification inputs found in SignatureDef: {signature}".rstrip()
        )
    outputs = [signature.outputs[k].name for k in ("classes", "scores") if k in signature.outputs]
    if not outputs:
        raise failed_precondition(
            "Expected classification signature outputs to contain at least one of "
            f'"classes" or "scores". Signature was: {signature}'.rstrip()
        )
    return signature.inputs["inputs"].name, outputs


def regress_tensors(signature: SignatureDef) -> tuple[str, list[str]]:
    """Returns the graph's name of the input of a Regress signature, and of its output."""
    if len(signature.inputs) != 1:
        raise invalid_argument("Expected one input Tensor.")
    if len(signature.outputs) != 1:
        raise invalid_argument("Expected one output Tensor.")
    for part, name in (("inputs", "inputs"), ("outputs", "outputs")):
        if name not in getattr(signature, part):
            raise failed_precondition(
                f"No regression {part} found in SignatureDef: {signature}".rstrip()
            )
    return signature.inputs["inputs"].name, [signature.outputs["outputs"].name]


def num_examples(request_input: Input) -> int:
    """Counts the `tf.Example`s of a request."""
    kind = request_input.WhichOneof("kind")
    return len(getattr(request_input, kind).examples) if kind else 0


def serialized_examples(request_input: Input) -> np.ndarray:
    """Gives the `tf.Example`s of a request as an object array of bytes `(num_examples,)`."""
    kind = request_input.WhichOneof("kind")
    context, examples = b"", []
    if kind == "example_list":
        examples = request_input.example_list.examples
    elif kind == "example_list_with_context":
        # Two serialized messages in a row read as one merged message.
        context = request_input.example_list_with_context.context.SerializeToString()
        examples = request_input.example_list_with_context.examples
    if not examples:
        raise invalid_argument("Input is empty.")
    serialized = np.empty(len(examples), dtype=object)
    serialized[:] = [context + example.SerializeToString() for example in examples]
    return serialized


def classification_result(
    signature: SignatureDef, num_examples: int, outputs: Mapping[str, np.ndarray]
) -> ClassificationResult:
    """Builds the answer of Classify from `classes` and `scores` `(num_examples, num_classes)`."""
    found = {k: outputs[v.name] for k, v in signature.outputs.items() if k in ("classes", "scores")}
    for name, dtype in (("classes", types_pb2.DT_STRING), ("scores", types_pb2.DT_FLOAT)):
        if name in found:
            _check_class_matrix(name, found[name], num_examples, dtype)
    widths = {array.shape[1] for array in found.values()}
    if len(widths) > 1:
        raise invalid_argument(
            "Tensors class and score should match in dim_size(1). Got "
            f"{found['classes'].shape[1]} vs. {found['scores'].shape[1]}"
        )
    (num_classes,) = widths
    result = ClassificationResult()
    for row in range(num_examples):
        classes = result.classifications.add().classes
        for column in range(num_classes):
            one = classes.add()
            if "classes" in found:
                # The field is text: bytes that are not UTF-8 cannot travel in it.
                one.label = found["classes"][row, column].decode(errors="replace")
            if "scores" in found:
                one.score = found["scores"][row, column]
    return result


def _check_class_matrix(name: str, array: np.ndarray, num_examples: int, dtype: int) -> None:
    if array.ndim != 2:
        raise invalid_argument(
            f"Expected Tensor shape: [batch_size num_classes] but got {_shape(array)}"
        )
    _check_type(f"{name} Tensor", array, dtype)
    if array.shape[0] != num_examples:
        raise invalid_argument(
            f"Expected {name} output batch size of {num_examples}. Got: {array.shape[0]}"
        )


def regression_result(
    signature: SignatureDef, num_examples: int, outputs: Mapping[str, np.ndarray]
) -> RegressionResult:
    """Builds the answer of Regress from `outputs`, `(num_examples,)` or `(num_examples, 1)`."""
    values = outputs[signature.outputs["outputs"].name]
    if not (values.ndim == 1 or (values.ndim == 2 and values.shape[1] == 1)):
        raise invalid_argument(
            "Expected output Tensor shape to be either [batch_size] or "
            f"[batch_size, 1] but got {_shape(values)}"
        )
    if values.shape[0] != num_examples:
        raise invalid_argument(
            "Input batch size did not match output batch size: "
            f"{num_examples} vs. {values.shape[0]}"
        )
    _check_type("output Tensor", values, types_pb2.DT_FLOAT, gap="  ")
    result = RegressionResult()
    for value in values.reshape(-1).tolist():
        result.regressions.add(value=value)
    return result


def _check_type(what: str, array: np.ndarray, dtype: int, gap: str = " ") -> None:
    found = tensors.TENSOR_TYPE.get(array.dtype, types_pb2.DT_INVALID)
    if found != dtype:
        names = types_pb2.DataType.Name
        raise invalid_argument(f"Expected {what} of {names(dtype)}.{gap}Got: {names(found)}")


def _shape(array: np.ndarray) -> str:
    return "[" + ",".join(map(str, array.shape)) + "]"
