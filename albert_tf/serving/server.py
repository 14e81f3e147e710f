"""The embedded model server: TensorFlow Serving's API without TensorFlow Serving's binary."""

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from albert_tf.serving import stock
from albert_tf.serving.manager import ModelManager
from albert_tf.serving.rest import RestServer
from albert_tf.serving.services import ModelService, PredictionService
from albert_tf.serving.versions import model_config

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
MAX_MESSAGE_BYTES = 2**31 - 1
# TensorFlow Serving's health service uses short names; the empty one is the whole server.
HEALTH_NAMES = ("", "PredictionService", "ModelService")


class ModelServer:
    """Serves models over gRPC, and over REST if asked. A context manager, or `start` and `stop`.

    Attributes:
        address: "host:port" of gRPC, once started.
        rest_address: "host:port" of REST, or None.
    """

    def __init__(
        self,
        models: Mapping[str, str | Path],
        port: int = 0,
        rest_port: int | None = None,
        host: str = LOOPBACK,
        *,
        poll_seconds: float | None = 1.0,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        num_threads: int | None = None,
    ):
        """Prepares a server; nothing is loaded or bound yet.

        Args:
            models: name -> base path, whose children are the version directories.
            port: of gRPC; 0 picks a free one.
            rest_port: of REST; None for no REST, 0 picks a free one.
            host: address to bind to. The default cannot be reached from other machines.
            poll_seconds: how often to look for new versions; None for never.
            max_message_bytes: largest request of either kind.
            num_threads: requests answered at once; 4 per processor by default.
        """
        self._configs = [model_config(name, path) for name, path in models.items()]
        self._host, self._port, self._rest_port = host, port, rest_port
        self._max_message_bytes = max_message_bytes
        self._num_threads = num_threads or 4 * (os.cpu_count() or 1)
        self._manager = ModelManager(poll_seconds)
        self._health = health.HealthServicer()
        self._rest: RestServer | None = None
        self._cleanup = contextlib.ExitStack()
        self.address: str | None = None
        self.rest_address: str | None = None

    def start(self) -> None:
        """Loads the models, then opens the ports: who can connect gets answers.

        Raises:
            ServingError: a model has no version that loads.
            OSError: a port is taken.
        """
        with contextlib.ExitStack() as cleanup:
            cleanup.callback(self._manager.close)
            self._manager.start(self._configs)
            self._start_grpc(cleanup)
            if self._rest_port is not None:
                self._start_rest(cleanup)
            self._cleanup = cleanup.pop_all()

    def _start_grpc(self, cleanup: contextlib.ExitStack) -> None:
        executor = ThreadPoolExecutor(self._num_threads, thread_name_prefix="grpc-request")
        cleanup.callback(executor.shutdown)
        self._grpc = grpc.server(
            executor,
            options=[
                ("grpc.max_receive_message_length", self._max_message_bytes),
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
                # Otherwise a second server on the same port would silently share its requests.
                ("grpc.so_reuseport", 0),
            ],
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            PredictionService(self._manager), self._grpc
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            ModelService(self._manager), self._grpc
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._grpc)
        for name in HEALTH_NAMES:
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        wanted = _address(self._host, self._port)
        try:
            self.address = _address(self._host, self._grpc.add_insecure_port(wanted))
        except RuntimeError as error:
            raise OSError(f"Cannot listen on {wanted}: is another server there? {error}") from error
        self._grpc.start()
        cleanup.callback(self._stop_grpc, grace=None)

    def _start_rest(self, cleanup: contextlib.ExitStack) -> None:
        self._rest = RestServer(self._manager, self._host, self._rest_port, self._max_message_bytes)
        cleanup.callback(self._rest.stop)
        self._rest.start()
        self.rest_address = _address(self._host, self._rest.port)

    def _stop_grpc(self, grace: float | None) -> None:
        self._grpc.stop(grace).wait()

    def stop(self, grace: float | None = None) -> None:
        """Refuses new requests, answers those under way, then frees everything.

        Args:
            grace: seconds that requests under way may still take; None cuts them off.
        """
        self._health.enter_graceful_shutdown()
        if self.address is not None:
            self._stop_grpc(grace)
        self._cleanup.close()

    def __enter__(self) -> "ModelServer":
        self.start()
        return self

    def __exit__(self, *exc_info) -> None:
        self.stop()


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextlib.contextmanager
def running_server(models: Mapping[str, str | Path], port: int = 0, **options) -> Iterator[str]:
    """Serves models from this process inside a `with` block.

    Args:
        models: name -> base path.
        port: 0 picks a free one.
        options: the other arguments of `ModelServer`.

    Returns:
        The address that gRPC is bound to, such as "127.0.0.1:40123".

    Raises:
        ServingError, OSError: as `ModelServer.start`.
    """
    with ModelServer(models, port, **options) as server:
        yield server.address


def serve(
    models: Mapping[str, str | Path],
    port: int = 8500,
    rest_port: int = 8501,
    host: str | None = None,
    *,
    embedded: bool = False,
    drain_seconds: float = 10.0,
    ready: Callable[[str, str | None], None] | None = None,
) -> int:
    """Serves models until SIGTERM or SIGINT. To be called from the main thread.

    Runs `tensorflow_model_server` when it is on the PATH. That binary has no flag for an address:
    it listens on every interface. Naming a `host` therefore keeps to the embedded server.

    Args:
        models: name -> base path.
        port: of gRPC.
        rest_port: of REST; 0 for no REST, as in TensorFlow Serving.
        host: address to bind to; None leaves it to the server: loopback for the embedded one.
        embedded: use the embedded server in any case.
        drain_seconds: how long requests under way may still take after the signal.
        ready: called with the gRPC and REST addresses when requests are answered (embedded only).

    Returns:
        The exit code for the process.

    Raises:
        ServingError, OSError: as `ModelServer.start`.
    """
    binary = None if embedded or host else stock.find_binary()
    if binary is not None:
        return stock.run(binary, models, port, rest_port)
    stop = threading.Event()
    server = ModelServer(models, port, rest_port or None, host or LOOPBACK)
    with stock.signals_handled(lambda *_: stop.set()):
        server.start()
        try:
            logger.info("Serving %s on %s", ", ".join(models), server.address)
            if ready is not None:
                ready(server.address, server.rest_address)
            stop.wait()
        finally:
            server.stop(drain_seconds)
    return 0
