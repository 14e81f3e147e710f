"""`serve` until a signal, and the choice between the embedded and the real server."""

import os
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest
from google.protobuf import text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from albert_tf.serving import stock
from albert_tf.serving.client import Client
from albert_tf.serving.errors import NotFoundError
from albert_tf.serving.options import ServerOptions
from albert_tf.serving.server import serve
from albert_tf.verbs.serving import Serve

# Writes down its arguments and its model list, then waits ten seconds to be told to stop.
STUB = """#!/bin/sh
for argument in "$@"; do
  case "$argument" in --model_config_file=*) cp "${argument#*=}" "$OUT.config";; esac
done
trap 'exit 0' TERM
echo "$@" > "$OUT.part" && mv "$OUT.part" "$OUT"
for _ in $(seq 200); do sleep 0.05; done
exit 3
"""


@pytest.fixture
def no_binary(monkeypatch):
    monkeypatch.setattr(stock, "find_binary", lambda: None)


@pytest.fixture
def stub_binary(tmp_path, monkeypatch):
    """Puts a stub called `tensorflow_model_server` on the PATH; gives the file it writes."""
    folder = tmp_path / "bin"
    folder.mkdir()
    path = folder / "tensorflow_model_server"
    path.write_text(STUB)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("OUT", str(tmp_path / "arguments"))
    return tmp_path / "arguments"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_answers_until_a_signal_comes(no_binary, base_path, number):
    seen = {}

    def ask_then_stop(address):
        with Client(address, timeout=10) as client:
            seen["y"] = client.predict("scale", {"x": [1.0]})["y"].tolist()
        os.kill(os.getpid(), number)

    def ready(address, rest_address):
        seen["rest"] = rest_address
        threading.Thread(target=ask_then_stop, args=(address,)).start()

    handler = signal.getsignal(number)
    assert serve({"scale": base_path}, port=0, rest_port=0, ready=ready) == 0
    assert seen == {"y": [2.0], "rest": None}
    assert signal.getsignal(number) is handler


def test_requests_under_way_are_answered_before_the_end(no_binary, base_path):
    answers = []

    def ask(address):
        with Client(address, timeout=30) as client:
            answers.append(client.predict("scale", {"n": 200_000}, "count")["n"].item())

    def stop_soon():
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGTERM)

    def ready(address, _):
        for target, args in ((ask, (address,)), (stop_soon, ())):
            threading.Thread(target=target, args=args).start()

    serve({"scale": base_path}, port=0, rest_port=0, ready=ready)
    deadline = time.monotonic() + 10
    while not answers and time.monotonic() < deadline:
        time.sleep(0.02)
    assert answers == [200_000]


def test_serve_of_nothing_ends_with_an_error(no_binary, tmp_path):
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(NotFoundError, match="There is no directory"):
        serve({"scale": tmp_path / "nowhere"}, port=0, rest_port=0)
    assert signal.getsignal(signal.SIGTERM) is handler


def test_the_real_server_is_run_when_it_is_there(stub_binary, base_path, tmp_path):
    def stop_when_started():
        deadline = time.monotonic() + 10
        while not stub_binary.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=stop_when_started)
    thread.start()
    assert serve({"scale": base_path, 'odd "name"': tmp_path}, port=8510, rest_port=0) == 0
    thread.join()
    assert stub_binary.read_text().split()[:2] == ["--port=8510", "--rest_api_port=0"]
    config = text_format.Parse(
        stub_binary.with_suffix(".config").read_text("utf-8"), ModelServerConfig()
    )
    assert [
        (one.name, one.base_path, one.model_platform) for one in config.model_config_list.config
    ] == [
        ("scale", str(base_path), "tensorflow"),
        ('odd "name"', str(tmp_path), "tensorflow"),
    ]


def test_a_signal_during_the_start_reaches_the_real_server(stub_binary, base_path, monkeypatch):
    start = subprocess.Popen

    def start_under_fire(arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        return start(arguments)

    monkeypatch.setattr(stock.subprocess, "Popen", start_under_fire)
    assert serve({"scale": base_path}) == 0


def test_exit_code_of_the_real_server_is_passed_on(tmp_path, monkeypatch, base_path):
    binary = tmp_path / "tensorflow_model_server"
    binary.write_text("#!/bin/sh\nexit 7\n")
    binary.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert serve({"scale": base_path}) == 7


def test_a_host_keeps_to_the_embedded_server(stub_binary, base_path):
    def stop(address, _):
        assert address.startswith("127.0.0.1:")
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()

    assert serve({"scale": base_path}, 0, 0, host="127.0.0.1", ready=stop) == 0
    assert not stub_binary.exists()


def test_importing_the_client_does_not_import_tensorflow():
    code = "import sys, albert_tf.serving.client; print('tensorflow' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert run.stdout.strip() == "False", run.stderr


def test_the_real_server_gets_every_option_under_its_own_name(tmp_path):
    options = ServerOptions(
        model_config_file="models.config",
        model_config_poll_seconds=2.5,
        poll_seconds=None,
        labels_for_unavailable=True,
        batching_parameters_file="batching.txt",
        monitoring_config_file="monitoring.config",
        ssl_config_file="ssl.config",
        rest_timeout=1.5,
        max_message_bytes=4096,
        bfloat16=True,
    )
    assert stock.command("server", None, 1, 2, options, tmp_path) == [
        "server",
        "--port=1",
        "--rest_api_port=2",
        "--model_config_file=models.config",
        "--file_system_poll_wait_seconds=0",
        "--model_config_file_poll_wait_seconds=3",
        "--rest_api_timeout_in_ms=1500",
        "--allow_version_labels_for_unavailable_models=true",
        "--enable_batching=true",
        "--batching_parameters_file=batching.txt",
        "--monitoring_config_file=monitoring.config",
        "--ssl_config_file=ssl.config",
        "--mixed_precision=bfloat16",
        "--enable_grpc_healthcheck_service=true",
        "--grpc_channel_arguments=grpc.max_receive_message_length=4096",
    ]


def test_the_verb_leaves_every_option_at_its_default():
    verb = Serve(model=("scale=somewhere",))
    assert ServerOptions(**verb._options()) == ServerOptions()
