"""TensorFlow Serving's REST API over the standard library's HTTP server."""

import json
import logging
import re
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import grpc
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

from albert_tf.serving import inference, json_answers, json_requests
from albert_tf.serving.errors import ServingError, invalid_argument, serving_error
from albert_tf.serving.json_values import parse
from albert_tf.serving.manager import ModelManager
from albert_tf.serving.signatures import DEFAULT_SIGNATURE

logger = logging.getLogger(__name__)

# TensorFlow Serving's default for --rest_api_timeout_in_ms; also how long a client may be silent.
TIMEOUT_SECONDS = 30.0
MAX_LINE_BYTES = 65_536

_MODEL = r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_POST = re.compile(_MODEL + r":(?P<verb>classify|regress|predict)", re.IGNORECASE)
_GET = re.compile(_MODEL + r"(?P<metadata>/metadata)?", re.IGNORECASE)

_HTTP_STATUS = {
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

    def __init__(self, manager: ModelManager):
        self._manager = manager

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
            return getattr(self, "_" + match["verb"].lower())(spec, parse(body))
        if match["metadata"]:
            with self._manager.lease(spec) as servable:
                return json_answers.metadata_answer(inference.metadata(servable))
        status = GetModelStatusResponse(model_version_status=self._manager.status(spec))
        return json_answers.message_answer(status)

    def _predict(self, spec: ModelSpec, document: dict) -> dict:
        spec.signature_name = document.get("signature_name", "")
        with self._manager.lease(spec) as servable:
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
            response = inference.predict(servable, request, TIMEOUT_SECONDS)
        return json_answers.predict_answer(response.outputs, row_form)

    def _classify(self, spec: ModelSpec, document: dict) -> dict:
        spec.signature_name = document.get("signature_name", "")
        examples = json_requests.example_input(document)
        request = ClassificationRequest(model_spec=spec, input=examples)
        with self._manager.lease(spec) as servable:
            response = inference.classify(servable, request, TIMEOUT_SECONDS)
        return json_answers.classify_answer(response.result)

    def _regress(self, spec: ModelSpec, document: dict) -> dict:
        spec.signature_name = document.get("signature_name", "")
        examples = json_requests.example_input(document)
        request = RegressionRequest(model_spec=spec, input=examples)
        with self._manager.lease(spec) as servable:
            response = inference.regress(servable, request, TIMEOUT_SECONDS)
        return json_answers.regress_answer(response.result)


def _model_spec(match: re.Match) -> ModelSpec:
    spec = ModelSpec(name=unquote(match["name"]))
    if match["version"]:
        if int(match["version"]) >= 2**63:
            raise invalid_argument(f"Failed to convert version: {match['version']} to numeric.")
        spec.version.value = int(match["version"])
    if match["label"]:
        spec.version_label = unquote(match["label"])
    return spec


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = TIMEOUT_SECONDS

    def do_GET(self) -> None:
        self._respond(b"")

    def do_POST(self) -> None:
        try:
            body = self._read_body()
        except ServingError as error:
            self._send_error(error)
        else:
            # A client that gave up half-way gets no answer.
            if body is not None:
                self._respond(body)

    def _read_body(self) -> bytes | None:
        """Returns the body, None if it ends too early; raises ServingError if it may not be."""
        if self.headers.get("Transfer-Encoding", "identity").lower() == "chunked":
            return self._read_chunks()
        length = self.headers.get("Content-Length", "0")
        if not (length.isascii() and length.isdigit()):
            raise invalid_argument(f"Content-Length must be a number: got {length!r}.")
        return self._read_exactly(int(length), already=0)

    def _read_chunks(self) -> bytes | None:
        chunks, total = [], 0
        while True:
            line = self.rfile.readline(MAX_LINE_BYTES)
            size = line.split(b";")[0].strip()
            if not re.fullmatch(rb"[0-9a-fA-F]{1,15}", size):
                raise invalid_argument("The size of a chunk must be a hexadecimal number.")
            chunk = self._read_exactly(int(size, 16), already=total)
            if chunk is None:
                return None
            if not chunk:
                break
            chunks.append(chunk)
            total += len(chunk)
            self.rfile.readline(MAX_LINE_BYTES)
        while self.rfile.readline(MAX_LINE_BYTES).strip():
            # Trailers, which mean nothing to us.
            pass
        return b"".join(chunks)

    def _read_exactly(self, length: int, already: int) -> bytes | None:
        if length + already > self.server.max_body_bytes:
            raise serving_error(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"A request may have {self.server.max_body_bytes} bytes: got {length + already}.",
            )
        data = self.rfile.read(length)
        return data if len(data) == length else None

    def _respond(self, body: bytes) -> None:
        try:
            path = urlsplit(self.path).path
            if not path.lower().startswith("/v1/"):
                raise serving_error(grpc.StatusCode.NOT_FOUND, f"Not Found: {path}")
            answer = self.server.api.answer(self.command, path, body)
        except ServingError as error:
            self._send_error(error)
        else:
            self._send(HTTPStatus.OK, answer)

    def _send_error(self, error: ServingError) -> None:
        status = _HTTP_STATUS.get(error.code, HTTPStatus.INTERNAL_SERVER_ERROR)
        self._send(status, {"error": error.message})

    def _send(self, status: HTTPStatus, answer: dict) -> None:
        payload = json.dumps(answer, indent=4).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        # One request per connection, so that a stop never waits for an idle client.
        self.send_header("Connection", "close")
        self.close_connection = True
        self.end_headers()
        self.wfile.write(payload)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Puts the standard library's own refusals into the API's form."""
        self._send(HTTPStatus(code), {"error": message or HTTPStatus(code).phrase})

    def log_message(self, format: str, *args) -> None:
        logger.debug(format, *args)


class _HttpServer(ThreadingHTTPServer):
    # Requests under way are answered before `server_close` returns.
    daemon_threads = False
    # A taken port is an error; the standard library would share it.
    allow_reuse_port = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], api: RestApi, max_body_bytes: int):
        self.api = api
        self.max_body_bytes = max_body_bytes
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def handle_error(self, request, client_address) -> None:
        # A client that went away while we read or wrote; anything else is our fault.
        logger.warning("REST request from %s failed", client_address, exc_info=True)


class RestServer:
    """Serves the API on a port from a thread of its own."""

    def __init__(self, manager: ModelManager, host: str, port: int, max_body_bytes: int):
        """Binds; raises OSError naming the address if it cannot."""
        try:
            self._http = _HttpServer((host, port), RestApi(manager), max_body_bytes)
        except OSError as error:
            raise OSError(f"Cannot listen on {host}:{port} for REST: {error}") from error
        self.port: int = self._http.server_address[1]
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.1}, name="rest-server"
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Refuses new requests and waits for those under way."""
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
