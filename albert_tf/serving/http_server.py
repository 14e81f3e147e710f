"""The REST API and the metrics over the standard library's HTTP server, with bounds on everything.

A connection carries one request. There are at most so many connections, each has so many seconds
to bring its request, and a body has at most so many bytes.
"""

import json
import logging
import re
import socket
import sys
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import grpc

from albert_tf.serving import metrics
from albert_tf.serving.errors import ServingError, invalid_argument, serving_error
from albert_tf.serving.rest import HTTP_STATUS, RestApi

logger = logging.getLogger(__name__)

# How long a client may take to send its request, and to fetch its answer.
CLIENT_SECONDS = 30.0
MAX_LINE_BYTES = 65_536
_BUSY = json.dumps({"error": "The server has too many connections."}, indent=4).encode()
_BUSY_REPLY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(_BUSY), _BUSY)
)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = CLIENT_SECONDS

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if self.server.metrics_path and path == self.server.metrics_path:
            self._send(HTTPStatus.OK, self.server.metrics_text().encode(), metrics.CONTENT_TYPE)
        else:
            self._respond(b"")

    def do_POST(self) -> None:
        try:
            body = self._read_body()
        except ServingError as error:
            self._send_failure(error)
        else:
            # A client that gave up half-way gets no answer.
            if body is not None:
                self._respond(body)

    def _read_body(self) -> bytes | None:
        """Returns the body, None if it ends too early; raises ServingError if it may not be."""
        encoding = self.headers.get("Transfer-Encoding", "identity").lower()
        if encoding == "chunked":
            return self._read_chunks()
        if encoding != "identity":
            raise invalid_argument(f"Transfer-Encoding must be chunked: got {encoding!r}.")
        lengths = self.headers.get_all("Content-Length", ["0"])
        if len(set(lengths)) > 1 or not re.fullmatch("[0-9]{1,18}", lengths[0]):
            raise invalid_argument(f"Content-Length must be one number: got {lengths}.")
        return self._read_exactly(int(lengths[0]), already=0)

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
        self.server.has_read(self.connection)
        try:
            path = urlsplit(self.path).path
            if not path.lower().startswith("/v1/"):
                raise serving_error(grpc.StatusCode.NOT_FOUND, f"Not Found: {path}")
            answer = self.server.api.answer(self.command, path, body)
        except ServingError as error:
            self._send_failure(error)
        else:
            self._send_json(HTTPStatus.OK, answer)

    def _send_failure(self, error: ServingError) -> None:
        status = HTTP_STATUS.get(error.code, HTTPStatus.INTERNAL_SERVER_ERROR)
        self._send_json(status, {"error": error.message})

    def _send_json(self, status: HTTPStatus, answer: dict) -> None:
        self._send(status, json.dumps(answer, indent=4).encode(), "application/json")

    def _send(self, status: HTTPStatus, payload: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(payload)))
        # One request per connection, so that a stop never waits for an idle client.
        self.send_header("Connection", "close")
        self.close_connection = True
        self.end_headers()
        self.wfile.write(payload)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Puts the standard library's own refusals into the API's form."""
        self._send_json(HTTPStatus(code), {"error": message or HTTPStatus(code).phrase})

    def log_message(self, format: str, *args) -> None:
        logger.debug(format, *args)


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    # A taken port is an error; the standard library would share it.
    allow_reuse_port = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], max_connections: int):
        self._max_connections = max_connections
        # Connection -> when it must have brought its request; None once it has.
        self._connections: dict[socket.socket, float | None] = {}
        self._changed = threading.Condition()
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def process_request(self, request: socket.socket, client_address) -> None:
        with self._changed:
            is_full = len(self._connections) >= self._max_connections
            if not is_full:
                self._connections[request] = time.monotonic() + CLIENT_SECONDS
        if is_full:
            self._refuse(request)
        else:
            super().process_request(request, client_address)

    def _refuse(self, request: socket.socket) -> None:
        request.settimeout(0.1)
        try:
            request.sendall(_BUSY_REPLY)
        except OSError:
            logger.debug("A client that was refused did not wait to hear it")
        super().shutdown_request(request)

    def has_read(self, request: socket.socket) -> None:
        """Notes that a request is complete: what takes time from now on is our doing."""
        with self._changed:
            self._connections[request] = None

    def shutdown_request(self, request: socket.socket) -> None:
        with self._changed:
            self._connections.pop(request, None)
            self._changed.notify_all()
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Cuts off the clients that take too long; called several times a second."""
        self._cut_off(lambda deadline: deadline is not None and time.monotonic() > deadline)

    def drain(self, seconds: float | None) -> None:
        """Waits for the requests under way, None for as long as it takes; cuts off the rest."""
        ends = float("inf") if seconds is None else time.monotonic() + seconds
        with self._changed:
            while self._connections and time.monotonic() < ends:
                self._changed.wait(0.1)
                self.service_actions()
        self._cut_off(lambda _: True)
        with self._changed:
            self._changed.wait_for(lambda: not self._connections)

    def _cut_off(self, is_over: Callable[[float | None], bool]) -> None:
        with self._changed:
            for connection, deadline in self._connections.items():
                if is_over(deadline):
                    try:
                        connection.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        logger.debug("A client that was to be cut off had gone")

    def handle_error(self, request, client_address) -> None:
        # A client that went away while we read or wrote is no news; anything else is our fault.
        gone = isinstance(sys.exception(), (ConnectionError, TimeoutError))
        level = logging.DEBUG if gone else logging.WARNING
        logger.log(level, "REST request from %s failed", client_address, exc_info=True)


class HttpServer:
    """Serves the API on a port from a thread of its own."""

    def __init__(
        self,
        api: RestApi,
        host: str,
        port: int,
        max_body_bytes: int,
        max_connections: int,
        metrics_path: str | None = None,
        metrics_text: Callable[[], str] | None = None,
    ):
        """Binds; raises OSError naming the address if it cannot."""
        try:
            self._http = _HttpServer((host, port), max_connections)
        except OSError as error:
            raise OSError(f"Cannot listen on {host}:{port} for REST: {error}") from error
        self._http.api = api
        self._http.max_body_bytes = max_body_bytes
        self._http.metrics_path, self._http.metrics_text = metrics_path, metrics_text
        self.port: int = self._http.server_address[1]
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.1}, name="rest-server"
        )

    def start(self) -> None:
        self._thread.start()

    def refuse(self) -> None:
        """Accepts no more connections."""
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def drain(self, seconds: float | None) -> None:
        """After `refuse`: waits so long for the requests under way, then cuts them off."""
        self._http.drain(seconds)
