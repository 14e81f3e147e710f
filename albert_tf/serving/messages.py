"""The client's requests and answers as messages of the API. Importing this imports TensorFlow."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import grpc
import numpy as np
from tensorflow.core.example.example_pb2 import Example
from tensorflow.core.framework import types_pb2
from tensorflow.core.framework.tensor_shape_pb2 import TensorShapeProto
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_metadata_pb2 import (
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    SignatureDefMap,
)
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest
from tensorflow_serving.apis.input_pb2 import Input
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

from albert_tf.serving import tensors


def stubs(channel: grpc.Channel):
    """Returns the stubs of `PredictionService` and `ModelService`."""
    return (
        prediction_service_pb2_grpc.PredictionServiceStub(channel),
        model_service_pb2_grpc.ModelServiceStub(channel),
    )


def model_spec(name: str, signature: str, version: int | None, label: str | None) -> ModelSpec:
    """Names a model; raises ValueError for a version and a label at once."""
    if version is not None and label is not None:
        raise ValueError(f"Ask for a version or a label: got version {version}, label {label!r}.")
    spec = ModelSpec(name=name, signature_name=signature)
    if version is not None:
        spec.version.value = version
    if label is not None:
        spec.version_label = label
    return spec


def predict_request(
    spec: ModelSpec, inputs: Mapping[str, Any], output_filter: Sequence[str]
) -> PredictRequest:
    """Raises TypeError naming the input that is no tensor."""
    request = PredictRequest(model_spec=spec, output_filter=output_filter)
    for name, value in inputs.items():
        try:
            array = tensors.as_array(value)
        except TypeError as error:
            raise TypeError(f"Input {name!r}: {error}") from error
        request.inputs[name].CopyFrom(tensors.to_proto(array))
    return request


def outputs(response: PredictResponse) -> dict[str, np.ndarray]:
    """Reads named tensors; text as str unless the name says bytes."""
    arrays = {name: tensors.from_proto(proto) for name, proto in response.outputs.items()}
    for name, array in arrays.items():
        if array.dtype.kind == "O" and not name.endswith("_bytes"):
            for index, item in np.ndenumerate(array):
                array[index] = item.decode(errors="surrogateescape")
    return arrays


def classification_request(spec: ModelSpec, examples: Iterable, context) -> ClassificationRequest:
    return ClassificationRequest(model_spec=spec, input=_example_input(examples, context))


def regression_request(spec: ModelSpec, examples: Iterable, context) -> RegressionRequest:
    return RegressionRequest(model_spec=spec, input=_example_input(examples, context))


def multi_inference_request(
    specs: Mapping[str, ModelSpec], tasks: Mapping[str, str], examples: Iterable, context
) -> MultiInferenceRequest:
    request = MultiInferenceRequest(input=_example_input(examples, context))
    for name, method in tasks.items():
        request.tasks.add(model_spec=specs[name], method_name=f"tensorflow/serving/{method}")
    return request


def metadata_request(spec: ModelSpec) -> GetModelMetadataRequest:
    return GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"])


def status_request(spec: ModelSpec) -> GetModelStatusRequest:
    return GetModelStatusRequest(model_spec=spec)


def signature_definitions(response: GetModelMetadataResponse) -> Mapping[str, SignatureDef]:
    signature_map = SignatureDefMap()
    response.metadata["signature_def"].Unpack(signature_map)
    return signature_map.signature_def


def type_name(dtype: int) -> str:
    """TensorFlow's name of a type, such as "string" or "float"."""
    return types_pb2.DataType.Name(dtype).removeprefix("DT_").lower()


def shape(proto: TensorShapeProto) -> tuple[int | None, ...] | None:
    if proto.unknown_rank:
        return None
    return tuple(None if dim.size < 0 else dim.size for dim in proto.dim)


def _example_input(examples: Iterable, context) -> Input:
    protos = [_example(example) for example in examples]
    if context is None:
        return Input(example_list={"examples": protos})
    return Input(example_list_with_context={"examples": protos, "context": _example(context)})


def _example(value) -> Example:
    """Gives an `Example`; of str, bytes, int and float, and lists of one of them, if a mapping."""
    if isinstance(value, Example):
        return value
    example = Example()
    for name, content in value.items():
        array = tensors.as_array(content).reshape(-1)
        feature = example.features.feature[name]
        if array.dtype.kind == "O":
            feature.bytes_list.value.extend(array.tolist())
        elif array.dtype.kind in "iub":
            feature.int64_list.value.extend(array.astype(np.int64).tolist())
        else:
            feature.float_list.value.extend(array.astype(np.float32).tolist())
    return example
