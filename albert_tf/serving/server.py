"""The embedded model server: TensorFlow Serving's API without TensorFlow Serving's binary."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tensorflow_serving.config.model_server_config_pb2 import ModelConfig

from albert_tf.serving import metrics, stock
from albert_tf.serving.batching_options import read_batching_options
from albert_tf.serving.config_files import MonitoringConfig, read_message, read_model_list
from albert_tf.serving.config_poller import ConfigPoller
from albert_tf.serving.errors import invalid_argument
from albert_tf.serving.grpc_server import GrpcServer
from albert_tf.serving.http_server import HttpServer
from albert_tf.serving.loading import Loader
from albert_tf.serving.manager import ModelManager
from albert_tf.serving.memory import give_large_blocks_back, graphs_collected
from albert_tf.serving.observing import Observer
from albert_tf.serving.options import ServerOptions
from albert_tf.serving.rest import RestApi
from albert_tf.serving.tls import server_credentials
from albert_tf.serving.versions import model_config

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
SIGNAL_SECONDS = 0.1


class ModelServer:
    """Serves models over gRPC, and over REST if asked. A context manager, or `start` and `stop`.

    Attributes:
        address: "host:port" of gRPC, once started.
        rest_address: "host:port" of REST, or None.
    """

    def __init__(
        self,
        models: Mapping[str, str | Path] | None = None,
        port: int = 0,
        rest_port: int | None = None,
        host: str = LOOPBACK,
        **options,
    ):
        """Prepares a server; nothing is loaded or bound yet.

        Args:
            models: name -> base path, whose children are the version directories; None with a
                `model_config_file`.
            port: of gRPC; 0 picks a free one.
            rest_port: of REST; None for no REST, 0 picks a free one.
            host: address to bind to. The default cannot be reached from other machines.
            options: the fields of `ServerOptions`.

        Raises:
            ServingError: a file that the options name cannot be read, or is wrong.
        """
        self._options = ServerOptions(**options)
        self._host, self._port, self._rest_port = host, port, rest_port
        self._configs = _model_list(models, self._options)
        self._batching = (
            read_batching_options(self._options.batching_parameters_file)
            if self._options.batches
            else None
        )
        self._metrics_path = _metrics_path(self._options)
        ssl_file = self._options.ssl_config_file
        self._credentials = None if ssl_file is None else server_credentials(ssl_file)
        self._metrics = metrics.Metrics()
        self._cleanup = contextlib.ExitStack()
        self._grpc: GrpcServer | None = None
        self._rest: HttpServer | None = None
        self.address: str | None = None
        self.rest_address: str | None = None

    def start(self) -> None:
        """Loads the models, then opens the ports: who can connect gets answers.

        Raises:
            ServingError: a model has no version that loads.
            OSError: a port is taken.
        """
        options = self._options
        loader = Loader(self._batching, options.per_model_batching, self._metrics, options.bfloat16)
        manager = ModelManager(options.poll_seconds, loader, options.labels_for_unavailable)
        observer = Observer(manager, self._metrics)
        num_threads = options.threads_for(self._batching.largest_batch if self._batching else 1)
        with contextlib.ExitStack() as cleanup:
            cleanup.callback(manager.close)
            manager.start(self._configs)
            self._start_grpc(manager, observer, num_threads)
            cleanup.callback(self._grpc.close)
            cleanup.callback(lambda: self._grpc.refuse(None).wait())
            if self._rest_port is not None:
                self._start_rest(manager, observer, num_threads)
                cleanup.callback(self._rest.drain, None)
            if options.model_config_file and options.model_config_poll_seconds > 0:
                seconds = options.model_config_poll_seconds
                poller = ConfigPoller(manager, options.model_config_file, seconds)
                cleanup.callback(poller.stop)
                poller.start()
            self._cleanup = cleanup.pop_all()

    def _start_grpc(self, manager: ModelManager, observer: Observer, num_threads: int) -> None:
        options = self._options
        self._grpc = GrpcServer(
            manager, observer, num_threads, options.max_pending, options.max_message_bytes
        )
        wanted = _address(self._host, self._port)
        try:
            self.address = _address(self._host, self._grpc.start(wanted, self._credentials))
        except OSError:
            self._grpc.close()
            raise

    def _start_rest(self, manager: ModelManager, observer: Observer, num_threads: int) -> None:
        options = self._options
        if options.ssl_config_file is not None:
            logger.warning("REST is not encrypted: TLS is for gRPC only, as in TensorFlow Serving.")
        self._rest = HttpServer(
            RestApi(manager, observer, num_threads, options.rest_timeout),
            self._host,
            self._rest_port,
            options.max_message_bytes,
            num_threads + options.max_pending,
            self._metrics_path,
            self._metrics.text,
        )
        self._rest.start()
        self.rest_address = _address(self._host, self._rest.port)

    def stop(self, grace: float | None = None) -> None:
        """Refuses new requests, answers those under way, then frees everything.

        Args:
            grace: seconds that requests under way may still take. None cuts off those of gRPC,
                and waits for those of REST.
        """
        started = time.monotonic()
        ended = self._grpc.refuse(grace) if self._grpc is not None else None
        if self._rest is not None:
            self._rest.refuse()
            self._rest.drain(grace)
        if ended is not None:
            ended.wait()
        self._cleanup.close()
        logger.info("Stopped after %.1f s", time.monotonic() - started)

    def __enter__(self) -> "ModelServer":
        self.start()
        return self

    def __exit__(self, *exc_info) -> None:
        self.stop()


def _model_list(
    models: Mapping[str, str | Path] | None, options: ServerOptions
) -> list[ModelConfig]:
    if bool(models) == bool(options.model_config_file):
        raise invalid_argument("Give models or a model_config_file: one of them, and not both.")
    if options.model_config_file:
        return read_model_list(options.model_config_file)
    return [model_config(name, path) for name, path in models.items()]


def _metrics_path(options: ServerOptions) -> str | None:
    if options.monitoring_config_file is None:
        return None
    config = read_message(options.monitoring_config_file, MonitoringConfig).prometheus_config
    return (config.path or metrics.PATH) if config.enable else None


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
    models: Mapping[str, str | Path] | None,
    port: int = 8500,
    rest_port: int = 8501,
    host: str | None = None,
    *,
    embedded: bool = False,
    drain_seconds: float = 10.0,
    ready: Callable[[str, str | None], None] | None = None,
    **options,
) -> int:
    """Serves models until SIGTERM or SIGINT. To be called from the main thread.

    Runs `tensorflow_model_server` when it is on the PATH. That binary has no flag for an address:
    it listens on every interface. Naming a `host` therefore keeps to the embedded server.

    Args:
        models: name -> base path; None with a `model_config_file`.
        port: of gRPC.
        rest_port: of REST; 0 for no REST, as in TensorFlow Serving.
        host: address to bind to; None leaves it to the server: loopback for the embedded one.
        embedded: use the embedded server in any case.
        drain_seconds: how long requests under way may still take after the signal.
        ready: called with the gRPC and REST addresses when requests are answered (embedded only).
        options: the fields of `ServerOptions`.

    Returns:
        The exit code for the process.

    Raises:
        ServingError, OSError: as `ModelServer.start`.
    """
    binary = None if embedded or host else stock.find_binary()
    if binary is not None:
        return stock.run(binary, models, port, rest_port, ServerOptions(**options))
    give_large_blocks_back()
    signals: list[int] = []
    server = ModelServer(models, port, rest_port or None, host or LOOPBACK, **options)
    handled = stock.signals_handled(lambda number, _: signals.append(number))
    with handled, graphs_collected() as collect:
        server.start()
        try:
            logger.info("Serving on %s", server.address)
            if ready is not None:
                ready(server.address, server.rest_address)
            # Not an event: a handler that sets one hangs if it interrupts the wait for it, and a
            # wait without end may miss a signal that comes just before it.
            while not signals:
                time.sleep(SIGNAL_SECONDS)
                collect()
        finally:
            server.stop(drain_seconds)
    return 0
