"""Runs the real `tensorflow_model_server` with the arguments that mean the same."""

import contextlib
import logging
import math
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from albert_tf.serving.options import ServerOptions

logger = logging.getLogger(__name__)

BINARY = "tensorflow_model_server"
SIGNAL_SECONDS = 0.05


def find_binary() -> str | None:
    """Returns the path of TensorFlow Serving's server, None if it is not on the PATH."""
    return shutil.which(BINARY)


def command(
    binary: str,
    models: Mapping[str, str | Path] | None,
    port: int,
    rest_port: int,
    options: ServerOptions,
    directory: Path,
) -> list[str]:
    """Returns the command line that serves the same; writes the model list into `directory`."""
    config = options.model_config_file
    if not config:
        config = directory / "models.config"
        config.write_text(_model_list(models), encoding="utf-8")
    flags = {"port": port, "rest_api_port": rest_port, "model_config_file": config}
    flags["file_system_poll_wait_seconds"] = _whole_seconds(options.poll_seconds)
    flags["model_config_file_poll_wait_seconds"] = _whole_seconds(options.model_config_poll_seconds)
    flags["rest_api_timeout_in_ms"] = int(options.rest_timeout * 1000)
    flags["grpc_max_threads"] = options.num_threads
    flags["allow_version_labels_for_unavailable_models"] = options.labels_for_unavailable
    flags["enable_batching"] = options.batches
    flags["batching_parameters_file"] = options.batching_parameters_file
    flags["enable_per_model_batching_parameters"] = options.per_model_batching
    flags["monitoring_config_file"] = options.monitoring_config_file
    flags["ssl_config_file"] = options.ssl_config_file
    flags["mixed_precision"] = "bfloat16" if options.bfloat16 else None
    # In the binary it is off unless asked for; in the embedded server it is always on.
    flags["enable_grpc_healthcheck_service"] = True
    if options.max_message_bytes != ServerOptions.max_message_bytes:
        flags["grpc_channel_arguments"] = (
            f"grpc.max_receive_message_length={options.max_message_bytes}"
        )
    return [binary] + [
        f"--{name}={str(value).lower() if value is True else value}"
        for name, value in flags.items()
        if value is not None and value is not False
    ]


def _whole_seconds(seconds: float | None) -> int:
    """Rounds up: the binary takes whole seconds, and 0 for never."""
    return math.ceil(seconds or 0)


def _model_list(models: Mapping[str, str | Path]) -> str:
    # Imported here: these messages bring TensorFlow with them.
    from google.protobuf import text_format
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

    from albert_tf.serving.versions import model_config

    server_config = ModelServerConfig()
    server_config.model_config_list.config.extend(model_config(*item) for item in models.items())
    return text_format.MessageToString(server_config)


def run(
    binary: str,
    models: Mapping[str, str | Path] | None,
    port: int,
    rest_port: int,
    options: ServerOptions,
) -> int:
    """Runs the server until it ends or we are told to; returns its exit code."""
    logger.warning(
        "Running %s, which listens on every interface of this machine, not on loopback only.",
        binary,
    )
    with tempfile.TemporaryDirectory(prefix="albert-tf-serve-") as directory:
        arguments = command(binary, models, port, rest_port, options, Path(directory))
        signals: list[int] = []
        with (
            signals_handled(lambda number, _: signals.append(number)),
            subprocess.Popen(arguments) as process,
        ):
            # A signal may have come before there was a child to pass it on to.
            while process.poll() is None:
                while signals:
                    process.send_signal(signals.pop(0))
                time.sleep(SIGNAL_SECONDS)
            code = process.returncode
    # A child that ended by the signal we passed on did what it was told.
    return 0 if code in (-signal.SIGTERM, -signal.SIGINT) else code


@contextlib.contextmanager
def signals_handled(handler: Callable) -> Iterator[None]:
    """Calls `handler(number, frame)` on SIGTERM and SIGINT inside the block."""
    previous = {n: signal.signal(n, handler) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, old in previous.items():
            signal.signal(number, old)
