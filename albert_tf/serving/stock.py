"""Runs the real `tensorflow_model_server` with the arguments that mean the same."""

import contextlib
import logging
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

logger = logging.getLogger(__name__)

BINARY = "tensorflow_model_server"


def find_binary() -> str | None:
    """Returns the path of TensorFlow Serving's server, None if it is not on the PATH."""
    return shutil.which(BINARY)


def command(
    binary: str, models: Mapping[str, str | Path], port: int, rest_port: int, config: Path
) -> list[str]:
    """Writes the model list to `config` and returns the command line that serves it."""
    # Imported here: these messages bring TensorFlow with them.
    from google.protobuf import text_format
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

    from albert_tf.serving.versions import model_config

    server_config = ModelServerConfig()
    server_config.model_config_list.config.extend(model_config(*item) for item in models.items())
    config.write_text(text_format.MessageToString(server_config), encoding="utf-8")
    return [
        binary,
        f"--port={port}",
        f"--rest_api_port={rest_port}",
        f"--model_config_file={config}",
    ]


def run(binary: str, models: Mapping[str, str | Path], port: int, rest_port: int) -> int:
    """Runs the server until it ends or we are told to; returns its exit code."""
    logger.warning(
        "Running %s, which listens on every interface of this machine, not on loopback only.",
        binary,
    )
    with tempfile.TemporaryDirectory(prefix="albert-tf-serve-") as directory:
        config = Path(directory) / "models.config"
        arguments = command(binary, models, port, rest_port, config)
        children: list[subprocess.Popen] = []
        early: list[int] = []

        def pass_on(number, _):
            early.append(number)
            for child in children:
                child.send_signal(number)

        with signals_handled(pass_on), subprocess.Popen(arguments) as process:
            children.append(process)
            for number in early:
                process.send_signal(number)
            code = process.wait()
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
