"""The JSON requests of TensorFlow Serving's REST API.

Row form is `{"instances": [...]}`, one element per example; column form is `{"inputs": ...}`, one
list per tensor. Bytes travel as `{"b64": "..."}`.
"""

import math
from collections.abc import Mapping

import numpy as np
from tensorflow.core.example.example_pb2 import Example
from tensorflow.core.example.feature_pb2 import Feature
from tensorflow.core.framework import types_pb2
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.protobuf.meta_graph_pb2 import TensorInfo
from tensorflow_serving.apis.input_pb2 import Input

from albert_tf.serving import tensors
from albert_tf.serving.errors import ServingError, invalid_argument
from albert_tf.serving.json_values import (
    dense_shape,
    flatten,
    is_base64,
    json_type,
    leaf,
    short,
)


def predict_inputs(
    document: dict, infos: Mapping[str, TensorInfo]
) -> tuple[dict[str, TensorProto], bool]:
    """Returns the tensors of a predict request, and whether it is in row form."""
    if "instances" in document and "inputs" in document:
        raise invalid_argument(
            f"JSON Value: {short(document)} Not formatted correctly expecting only one of "
            "'inputs' or 'instances' keys to exist "
        )
    if "instances" in document:
        return _row_inputs(document["instances"], infos), True
    if "inputs" in document:
        return _column_inputs(document["inputs"], infos), False
    raise invalid_argument("Missing 'inputs' or 'instances' key")


def _row_inputs(instances, infos: Mapping[str, TensorInfo]) -> dict[str, TensorProto]:
    if not isinstance(instances, list):
        raise invalid_argument(
            f"JSON Value: {short(instances)} Excepting 'instances' to be an list/array"
        )
    if not instances:
        raise invalid_argument("JSON Value: [] No values in 'instances' array")
    named = _is_named(instances[0])
    if not named and len(infos) > 1:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            "required as per tensorinfo_map"
        )
    columns = {name: [] for name in infos}
    shapes: dict[str, list[int]] = {}
    for number, element in enumerate(instances):
        if _is_named(element) != named:
            expected, got = ("object", "list") if named else ("value/list", "object")
            raise invalid_argument(
                f"Expecting {expected} but got {got} at item {number} of input list"
            )
        items = element if named else {next(iter(infos)): element}
        for name, value in items.items():
            try:
                _add_instance(name, value, infos, columns, shapes)
            except ServingError as error:
                key = f" key: {name}" if named else ""
                raise invalid_argument(
                    f"Failed to process element: {number}{key} of 'instances' list. Error: {error}"
                ) from error
        if set(items) != set(infos):
            raise invalid_argument(
                f"Failed to process element: {number} of 'instances' list. JSON object: "
                f"{short(element)} keys must be equal to: {','.join(sorted(infos))}"
            )
    return {
        name: _proto(values, [len(instances), *shapes[name]], infos[name].dtype)
        for name, values in columns.items()
    }


def _add_instance(name, value, infos, columns, shapes) -> None:
    if name not in infos:
        raise invalid_argument(f"JSON object: does not have named input: {name}")
    shape = dense_shape(value)
    flat = flatten(value, shape, infos[name].dtype)
    expected = shapes.setdefault(name, shape)
    if math.prod(expected) != len(flat):
        raise invalid_argument(f"Expecting tensor size: {math.prod(expected)} but got: {len(flat)}")
    if expected != shape:
        raise invalid_argument(
            f"Expecting shape {_bracketed(expected)} but got: {_bracketed(shape)}"
        )
    columns[name].extend(flat)


def _column_inputs(inputs, infos: Mapping[str, TensorInfo]) -> dict[str, TensorProto]:
    if not _is_named(inputs):
        if len(infos) > 1:
            raise invalid_argument(
                "inputs is a plain value/list, but expecting an object as multiple input tensors "
                "required as per tensorinfo_map"
            )
        inputs = {next(iter(infos)): inputs}
    protos = {}
    for name, info in infos.items():
        if name not in inputs:
            raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
        shape = dense_shape(inputs[name])
        protos[name] = _proto(flatten(inputs[name], shape, info.dtype), shape, info.dtype)
    return protos


def _is_named(value) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def _proto(leaves: list, shape: list[int], dtype: int) -> TensorProto:
    array = np.empty(len(leaves), dtype=tensors.NUMPY_TYPE[dtype])
    array[:] = leaves
    return tensors.to_proto(array.reshape(shape))


def example_input(document: dict) -> Input:
    """Reads the examples of a classify or regress request, and the context they share."""
    examples = document.get("examples")
    if examples is None:
        raise invalid_argument(
            f"JSON Value: {short(document)} When method is classify, key 'examples' is expected "
            "and was not found"
        )
    if not isinstance(examples, list):
        raise invalid_argument(
            f"JSON Value: {short(document)} Expecting 'examples' value to be an list/array"
        )
    if not examples:
        raise invalid_argument(f"JSON Value: {short(document)} 'examples' value is an empty array")
    protos = [_example(example) for example in examples]
    if "context" not in document:
        return Input(example_list={"examples": protos})
    context = _example(document["context"])
    return Input(example_list_with_context={"examples": protos, "context": context})


def _example(value) -> Example:
    if not isinstance(value, dict):
        raise invalid_argument(f"Example must be JSON object but got JSON {json_type(value)}")
    example = Example()
    for name, content in value.items():
        feature = example.features.feature[name]
        for item in content if isinstance(content, list) else [content]:
            _add_feature_value(name, item, feature)
    return example


def _add_feature_value(name: str, value, feature: Feature) -> None:
    if isinstance(value, str) or is_base64(value):
        kind, value = "bytes_list", leaf(value, types_pb2.DT_STRING)
    elif isinstance(value, (bool, int)):
        kind, value = "int64_list", leaf(int(value), types_pb2.DT_INT64)
    elif isinstance(value, float):
        kind, value = "float_list", leaf(value, types_pb2.DT_FLOAT)
    else:
        raise invalid_argument(
            f"Feature: {name} has element with unexpected JSON type: {json_type(value)}"
        )
    if feature.WhichOneof("kind") not in (None, kind):
        raise invalid_argument(
            f"Unexpected element type in feature: {name} expecting type: "
            f"{feature.WhichOneof('kind').removesuffix('_list')}"
        )
    getattr(feature, kind).value.append(value)


def _bracketed(shape: list[int]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"
