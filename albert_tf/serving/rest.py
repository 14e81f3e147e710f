"""TensorFlow Serving's REST API: paths and JSON bodies in, JSON out; sockets are elsewhere."""

import re
import threading
import time
from http import HTTPStatus
from urllib.parse import unquote

import grpc
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

from albert_tf.serving import inference, json_answers, json_requests
from albert_tf.serving.errors import invalid_argument, serving_error
from albert_tf.serving.json_values import parse
from albert_tf.serving.manager import ModelManager
from albert_tf.serving.observing import Observer
from albert_tf.serving.signatures import DEFAULT_SIGNATURE

_MODEL = r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_POST = re.compile(_MODEL + r":(?P<verb>classify|regress|predict)", re.IGNORECASE)
_GET = re.compile(_MODEL + r"(?P<metadata>/metadata)?", re.IGNORECASE)

HTTP_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.FAILED_PRECONDITION: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.OUT_OF_RANGE: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    grpc.StatusCode.PERMISSION_DENIED: HTTPStatus.FORBIDDEN,
    grpc.StatusCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS: HTTPStatus.CONFLICT,
    grpc.StatusCode.ABORTED: HTTPStatus.CONFLICT,
    grpc.StatusCode.RESOURCE_EXHAUSTED: HTTPStatus.TOO_MANY_REQUESTS,
    grpc.StatusCode.UNIMPLEMENTED: HTTPStatus.NOT_IMPLEMENTED,
    grpc.StatusCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: HTTPStatus.GATEWAY_TIMEOUT,
}


class RestApi:
    """Answers requests, given as method, path and body, without knowing of sockets."""

    def __init__(
        self, manager: ModelManager, observer: Observer, num_threads: int, timeout: float = 30.0
    ):
        """Args: num_threads: requests to run at once. timeout: seconds that each may take."""
        self._manager, self._observer = manager, observer
        self._timeout = timeout
        self._turns = threading.BoundedSemaphore(num_threads)

    def answer(self, method: str, path: str, body: bytes) -> dict:
        """Returns the JSON answer.

        Raises:
            ServingError: as gRPC would answer, or the path is not one of the API's.
        """
        match = (_POST if method == "POST" else _GET).fullmatch(path)
        if match is None:
            raise invalid_argument(f"Malformed request: {method} {path}")
        spec = _model_spec(match)
        if method == "POST":
            return self._infer(match["verb"].lower(), spec, body)
        if match["metadata"]:
            with self._manager.lease(spec) as servable:
                return json_answers.metadata_answer(inference.metadata(servable))
        status = GetModelStatusResponse(model_version_status=self._manager.status(spec))
        return json_answers.message_answer(status)

    def _infer(self, verb: str, spec: ModelSpec, body: bytes) -> dict:
        deadline = time.monotonic() + self._timeout
        with self._observer.request(spec.name, verb, "REST"):
            if not self._turns.acquire(timeout=self._timeout):
                raise serving_error(grpc.StatusCode.UNAVAILABLE, "Too many requests are waiting.")
            try:
                return getattr(self, "_" + verb)(spec, parse(body), deadline)
            finally:
                self._turns.release()

    def _predict(self, spec: ModelSpec, document: dict, deadline: float) -> dict:
        spec.signature_name = document.get("signature_name", "")
        with self._observer.lease(spec, "predict") as servable:
            name = spec.signature_name or DEFAULT_SIGNATURE
            if name not in servable.signatures:
                raise invalid_argument(
                    f'Serving signature name: "{name}" not found in signature def'
                )
            infos = servable.signatures[name].inputs
            if not infos:
                raise invalid_argument(f"Failed to get input map for signature: {name}")
            inputs, row_form = json_requests.predict_inputs(document, infos)
            request = PredictRequest(model_spec=spec, inputs=inputs)
            response = inference.predict(servable, request, _left(deadline))
        return json_answers.predict_answer(response.outputs, row_form)

    def _classify(self, spec: ModelSpec, document: dict, deadline: float) -> dict:
        spec.signature_name = document.get("signature_name", "")
        examples = json_requests.example_input(document)
        request = ClassificationRequest(model_spec=spec, input=examples)
        with self._observer.lease(spec, "classify") as servable:
            response = inference.classify(servable, request, _left(deadline))
        return json_answers.classify_answer(response.result)

    def _regress(self, spec: ModelSpec, document: dict, deadline: float) -> dict:
        spec.signature_name = document.get("signature_name", "")
        examples = json_requests.example_input(document)
        request = RegressionRequest(model_spec=spec, input=examples)
        with self._observer.lease(spec, "regress") as servable:
            response = inference.regress(servable, request, _left(deadline))
        return json_answers.regress_answer(response.result)


def _left(deadline: float) -> float:
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise serving_error(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
    return seconds


def _model_spec(match: re.Match) -> ModelSpec:
    spec = ModelSpec(name=unquote(match["name"]))
    if match["version"]:
        if int(match["version"]) >= 2**63:
            raise invalid_argument(f"Failed to convert version: {match['version']} to numeric.")
        spec.version.value = int(match["version"])
    if match["label"]:
        spec.version_label = unquote(match["label"])
    return spec
