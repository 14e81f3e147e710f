"""The gRPC services of TensorFlow Serving, as thin covers over `inference` and the manager."""

import contextlib
from collections.abc import Callable, Iterator

import grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigResponse
from tensorflow_serving.apis.model_pb2 import ModelSpec

from albert_tf.serving import inference
from albert_tf.serving.errors import ServingError, cut_message, invalid_argument, serving_error
from albert_tf.serving.manager import ModelManager
from albert_tf.serving.observing import Observer
from albert_tf.serving.signatures import num_examples

LONGEST_WAIT = 1e9


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict, Classify, Regress, MultiInference and GetModelMetadata."""

    def __init__(self, manager: ModelManager, observer: Observer):
        self._manager, self._observer = manager, observer

    def Predict(self, request, context):
        return self._infer("Predict", inference.predict, _model_spec, request, context)

    def Classify(self, request, context):
        return self._infer("Classify", inference.classify, _model_spec, request, context)

    def Regress(self, request, context):
        return self._infer("Regress", inference.regress, _model_spec, request, context)

    def MultiInference(self, request, context):
        return self._infer(
            "MultiInference", inference.multi_inference, _first_task_spec, request, context
        )

    def GetModelMetadata(self, request, context):
        with _errors_as_status(context):
            spec = _model_spec(request)
            inference.check_metadata_fields(request)
            with self._manager.lease(spec) as servable:
                return inference.metadata(servable)

    def _infer(self, api: str, method: Callable, spec_of: Callable, request, context):
        with _errors_as_status(context):
            examples = None if api == "Predict" else num_examples(request.input)
            name = _request_name(request)
            with self._observer.request(name, api, "GRPC", examples):
                spec = spec_of(request)
                if not context.is_active():
                    # The client went away while the request waited for a thread.
                    raise serving_error(grpc.StatusCode.CANCELLED, "Cancelled")
                with self._observer.lease(spec, api, context.is_active) as servable:
                    return method(servable, request, _seconds_left(context))


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus and HandleReloadConfigRequest."""

    def __init__(self, manager: ModelManager):
        self._manager = manager

    def GetModelStatus(self, request, context):
        with _errors_as_status(context):
            states = self._manager.status(_model_spec(request))
            return GetModelStatusResponse(model_version_status=states)

    def HandleReloadConfigRequest(self, request, context):
        with _errors_as_status(context):
            if request.config.WhichOneof("config") != "model_config_list":
                raise invalid_argument(
                    "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                    "Only ModelConfigList is currently supported"
                )
            self._manager.configure(request.config.model_config_list.config)
            response = ReloadConfigResponse()
            response.status.SetInParent()
            return response


def _model_spec(request) -> ModelSpec:
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")
    return request.model_spec


def _request_name(request) -> str:
    """Returns the name of the model that a request asks, or ""."""
    if hasattr(request, "model_spec"):
        return request.model_spec.name
    return _first_task_spec(request).name


def _first_task_spec(request) -> ModelSpec:
    """All tasks must name one model, so the first one tells which."""
    return request.tasks[0].model_spec if request.tasks else ModelSpec()


def _seconds_left(context: grpc.ServicerContext) -> float | None:
    """How long the caller still waits; None if for ever."""
    seconds = context.time_remaining()
    # A call without a deadline has one hundreds of thousands of years away.
    if seconds is None or seconds > LONGEST_WAIT:
        return None
    if seconds <= 0:
        raise serving_error(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
    return seconds


@contextlib.contextmanager
def _errors_as_status(context: grpc.ServicerContext) -> Iterator[None]:
    try:
        yield
    except ServingError as error:
        context.abort(error.code, cut_message(error.message))
