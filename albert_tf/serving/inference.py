"""Answers one request with one loaded model: the five calls of `PredictionService`.

gRPC, REST and the replay of warm-up records all come through here.
"""

import grpc
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.classification_pb2 import (
    ClassificationRequest,
    ClassificationResponse,
)
from tensorflow_serving.apis.get_model_metadata_pb2 import (
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    SignatureDefMap,
)
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest, MultiInferenceResponse
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.apis.regression_pb2 import RegressionRequest, RegressionResponse

from albert_tf.serving import signatures, tensors
from albert_tf.serving.errors import failed_precondition, invalid_argument, serving_error
from albert_tf.serving.servable import Servable


def predict(servable: Servable, request: PredictRequest, timeout: float | None) -> PredictResponse:
    """Runs a signature on named tensors and returns named tensors.

    Args:
        timeout: seconds that the graph may run; None for no limit.

    Raises:
        ServingError: as TensorFlow Serving answers the same request.
    """
    name = request.model_spec.signature_name or signatures.DEFAULT_SIGNATURE
    if name not in servable.signatures:
        raise failed_precondition(f'Serving signature key "{name}" not found.')
    signature = servable.signatures[name]
    feeds = signatures.predict_feeds(signature, request.inputs)
    fetches = signatures.predict_fetches(signature, request.output_filter)
    values = servable.run(feeds, list(fetches.values()), timeout)
    response = PredictResponse(model_spec=_effective_spec(servable, request.model_spec))
    for alias, tensor_name in fetches.items():
        response.outputs[alias].CopyFrom(tensors.to_proto(values[tensor_name]))
    return response


def classify(
    servable: Servable, request: ClassificationRequest, timeout: float | None
) -> ClassificationResponse:
    """Gives classes and scores for every `tf.Example`; raises as `predict`."""
    signature = _example_signature(servable, request.model_spec)
    input_name, output_names = signatures.classify_tensors(signature)
    examples = signatures.serialized_examples(request.input)
    values = servable.run({input_name: examples}, output_names, timeout)
    return ClassificationResponse(
        result=signatures.classification_result(signature, len(examples), values),
        model_spec=_effective_spec(servable, request.model_spec),
    )


def regress(
    servable: Servable, request: RegressionRequest, timeout: float | None
) -> RegressionResponse:
    """Gives one number for every `tf.Example`; raises as `predict`."""
    signature = _example_signature(servable, request.model_spec)
    input_name, output_names = signatures.regress_tensors(signature)
    examples = signatures.serialized_examples(request.input)
    values = servable.run({input_name: examples}, output_names, timeout)
    return RegressionResponse(
        result=signatures.regression_result(signature, len(examples), values),
        model_spec=_effective_spec(servable, request.model_spec),
    )


def multi_inference(
    servable: Servable, request: MultiInferenceRequest, timeout: float | None
) -> MultiInferenceResponse:
    """Runs several Classify and Regress signatures of one model on the same examples, at once."""
    input_name, output_names = _multi_inference_tensors(servable, request)
    examples = signatures.serialized_examples(request.input)
    values = servable.run({input_name: examples}, output_names, timeout)
    response = MultiInferenceResponse()
    for task in request.tasks:
        signature = servable.signatures[_signature_name(task.model_spec)]
        result = response.results.add(model_spec=_effective_spec(servable, task.model_spec))
        if task.method_name == signatures.CLASSIFY_METHOD:
            result.classification_result.CopyFrom(
                signatures.classification_result(signature, len(examples), values)
            )
        else:
            result.regression_result.CopyFrom(
                signatures.regression_result(signature, len(examples), values)
            )
    return response


def _multi_inference_tensors(
    servable: Servable, request: MultiInferenceRequest
) -> tuple[str, list[str]]:
    model_names, seen, input_names, output_names = set(), set(), set(), set()
    for task in request.tasks:
        if not task.model_spec.name:
            raise invalid_argument("Found ModelSpec with an empty model name.")
        model_names.add(task.model_spec.name)
        if len(model_names) > 1:
            raise invalid_argument(
                "All ModelSpecs in a MultiInferenceRequest must access the same model name."
            )
        name = _signature_name(task.model_spec)
        if name in seen:
            raise invalid_argument(f"Duplicate evaluation of signature: {name}")
        seen.add(name)
        if name not in servable.signatures:
            raise invalid_argument(f"Requested signature not found in model graph: {name}")
        input_name, outputs = _task_tensors(servable.signatures[name], task.method_name)
        input_names.add(input_name)
        if len(input_names) > 1:
            raise invalid_argument("Input tensor must be the same for all Signatures.")
        output_names.update(outputs)
    return input_names.pop(), sorted(output_names)


def _task_tensors(signature: SignatureDef, method_name: str) -> tuple[str, list[str]]:
    if method_name == signatures.CLASSIFY_METHOD:
        return signatures.classify_tensors(signature)
    if method_name == signatures.REGRESS_METHOD:
        return signatures.regress_tensors(signature)
    raise serving_error(
        grpc.StatusCode.UNIMPLEMENTED, f"Unsupported signature method_name: {method_name}"
    )


def metadata(servable: Servable) -> GetModelMetadataResponse:
    """Describes the signatures of a model."""
    signature_map = SignatureDefMap()
    for name, signature in servable.signatures.items():
        signature_map.signature_def[name].CopyFrom(signature)
    response = GetModelMetadataResponse(model_spec=ModelSpec(name=servable.name))
    response.model_spec.version.value = servable.version
    response.metadata["signature_def"].Pack(signature_map)
    return response


def check_metadata_fields(request: GetModelMetadataRequest) -> None:
    """Raises unless the request asks for the one thing that can be told."""
    if not request.metadata_field:
        raise invalid_argument("GetModelMetadataRequest must specify at least one metadata_field")
    for field in request.metadata_field:
        if field != "signature_def":
            raise invalid_argument(f"Metadata field {field} is not supported")


def _signature_name(model_spec: ModelSpec) -> str:
    return model_spec.signature_name or signatures.DEFAULT_SIGNATURE


def _example_signature(servable: Servable, model_spec: ModelSpec) -> SignatureDef:
    name = _signature_name(model_spec)
    if name not in servable.signatures:
        raise invalid_argument(f"No signature was found with the name: {name}")
    return servable.signatures[name]


def _effective_spec(servable: Servable, model_spec: ModelSpec) -> ModelSpec:
    """Says which version and signature answered, under the name that the caller used."""
    spec = ModelSpec(name=model_spec.name, signature_name=_signature_name(model_spec))
    spec.version.value = servable.version
    return spec
