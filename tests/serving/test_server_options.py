"""What an operator can ask of a server: model list, batching, metrics, TLS, bounds, drain."""

import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.request

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from albert_tf.serving import http_server
from albert_tf.serving.client import Client
from albert_tf.serving.errors import (
    InvalidRequestError,
    NotFoundError,
    ServerUnavailableError,
    ServingError,
)
from albert_tf.serving.http_server import HttpServer
from albert_tf.serving.server import ModelServer, running_server


def until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()


def model_list(*models):
    configs = [f'config {{ name: "{n}" base_path: "{p}" {more} }}' for n, p, more in models]
    text = f"model_config_list {{ {' '.join(configs)} }}"
    return text.replace("config {", 'config { model_platform: "tensorflow"')


def answer(client, model="scale", **which):
    return client.predict(model, {"x": [1.0]}, **which)["y"].tolist()


@pytest.fixture
def config_file(tmp_path, base_path, publish):
    """A model list with both versions of `base_path`, and a label for each."""
    publish(base_path, 2, factor=3)
    more = (
        "model_version_policy { specific { versions: 1 versions: 2 } } "
        'version_labels { key: "stable" value: 1 } version_labels { key: "canary" value: 2 }'
    )
    path = tmp_path / "models.config"
    path.write_text(model_list(("scale", base_path, more)))
    return path


def test_a_model_list_gives_models_policies_and_labels(config_file):
    options = {"model_config_file": config_file, "poll_seconds": None}
    with running_server(None, **options) as address, Client(address) as client:
        assert [answer(client, label=label) for label in ("stable", "canary")] == [[2.0], [3.0]]


def test_a_model_list_that_changes_is_followed(config_file, base_path):
    options = {"model_config_file": config_file, "model_config_poll_seconds": 0.02}
    with running_server(None, **options) as address, Client(address) as client:
        config_file.write_text("model_config_list { config { nam")
        time.sleep(0.1)
        assert answer(client) == [3.0]
        config_file.write_text(model_list(("other", base_path, "")))
        until(lambda: not knows(client, "scale"))
        assert answer(client, "other") == [3.0]


def knows(client, model):
    try:
        client.status(model)
    except NotFoundError:
        return False
    return True


def test_labels_of_absent_versions_are_accepted_if_that_is_allowed(config_file, base_path):
    more = 'version_labels { key: "stable" value: 9 }'
    config_file.write_text(model_list(("scale", base_path, more)))
    options = {"model_config_file": config_file, "poll_seconds": None}
    with (
        pytest.raises(InvalidRequestError, match="label stable to version 9 of model scale, which"),
        running_server(None, **options),
    ):
        pass
    options["labels_for_unavailable"] = True
    with running_server(None, **options) as address, Client(address) as client:
        assert answer(client) == [3.0]
        with pytest.raises(NotFoundError, match="Specific"):
            answer(client, label="stable")


def test_a_model_list_wants_absolute_paths(tmp_path):
    path = tmp_path / "models.config"
    path.write_text(model_list(("scale", "models/scale", "")))
    server = ModelServer(model_config_file=path)
    with pytest.raises(InvalidRequestError, match="have an absolute path or URI; got base_path"):
        server.start()


def test_models_come_from_one_place(base_path):
    with pytest.raises(InvalidRequestError, match="one of them, and not both"):
        ModelServer({"scale": base_path}, model_config_file="x")
    with pytest.raises(InvalidRequestError, match="one of them, and not both"):
        ModelServer()


@pytest.fixture(scope="module")
def batching_server(tmp_path_factory, publish):
    folder = tmp_path_factory.mktemp("batching")
    (folder / "scale").mkdir()
    publish(folder / "scale", 1, factor=2)
    (folder / "parameters").write_text("max_batch_size { value: 8 } batch_timeout_micros {value:9}")
    (folder / "monitoring").write_text('prometheus_config { enable: true path: "/numbers" }')
    options = {
        "batching_parameters_file": folder / "parameters",
        "monitoring_config_file": folder / "monitoring",
        "poll_seconds": None,
    }
    with ModelServer({"scale": folder / "scale"}, rest_port=0, **options) as server:
        yield server


def test_many_clients_share_batches(batching_server):
    answers = {}

    def ask(number):
        with Client(batching_server.address, timeout=20) as client:
            answers[number] = client.predict("scale", {"x": [float(number)]})["y"].tolist()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: [2.0 * number] for number in range(24)}


def test_every_call_passes_through_the_batches(batching_server):
    with Client(batching_server.address, timeout=10) as client:
        assert client.predict("scale", {"text": ["a"]}, "shout")["upper"].tolist() == ["A"]
        assert client.regress("scale", [{"x": 1.0}] * 3, "regress").tolist() == [2.0] * 3
        assert len(client.classify("scale", [{"x": 1.0}], "classify")[0]) == 2
        with pytest.raises(InvalidRequestError, match="Task size 9 is larger than maximum input"):
            client.predict("scale", {"x": [1.0] * 9})
        with pytest.raises(InvalidRequestError, match="must have at least one dimension"):
            client.predict("scale", {"n": 3}, "count")


def test_metrics_have_the_names_of_tensorflow_serving(batching_server):
    with Client(batching_server.address, timeout=10) as client:
        client.classify("scale", [{"x": 1.0}] * 3, "classify")
        with pytest.raises(InvalidRequestError):
            client.predict("scale", {"z": [1.0]})
        with pytest.raises(NotFoundError):
            client.predict("nobody", {"x": [1.0]})
    with urllib.request.urlopen(f"http://{batching_server.rest_address}/numbers") as reply:
        text = reply.read().decode()
        assert reply.headers["Content-Type"] == "text/plain"
    start = ":tensorflow:serving:"
    for line in (
        f"# TYPE {start}request_count counter",
        f'{start}request_count{{model_name="scale",status="INVALID_ARGUMENT"}} ',
        f'{start}request_count{{model_name="unknown",status="NOT_FOUND"}} ',
        f'{start}request_latency_bucket{{model_name="scale",API="Classify",entrypoint="GRPC",le="1',
        f'{start}runtime_latency_count{{model_name="scale",API="Classify",runtime="TF1"}} ',
        f'{start}request_example_count_total{{model="scale"}} ',
        f"{start}batching_session:wrapped_run_count{{}} ",
        f"{start}batching_session:queuing_latency_sum{{thread_pool_name=",
    ):
        assert f"\n{line}" in "\n" + text, line


def test_a_version_says_how_it_is_batched(base_path, publish):
    version = publish(base_path, 2, factor=3)
    (version / "batching_params.pbtxt").write_text("max_batch_size { value: 2 }")
    policy = {"per_model_batching": True, "poll_seconds": None}
    with running_server({"scale": base_path}, **policy) as address, Client(address) as client:
        with pytest.raises(InvalidRequestError, match="maximum input batch size 2"):
            client.predict("scale", {"x": [1.0] * 3})
        (version / "batching_params.pbtxt").unlink()


def test_reflection_names_the_services(server):
    with grpc.insecure_channel(server.address) as channel:
        found = ProtoReflectionDescriptorDatabase(channel)
        assert set(found.get_services()) >= {
            "tensorflow.serving.PredictionService",
            "tensorflow.serving.ModelService",
            "grpc.health.v1.Health",
        }
        assert found.FindFileContainingSymbol("tensorflow.serving.PredictRequest").message_type


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Key and certificate of "localhost", signed by themselves."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
    command += "-subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout key -out cert"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return (folder / "key").read_text(), (folder / "cert").read_text()


def ssl_config(tmp_path, **fields):
    path = tmp_path / "ssl.config"
    path.write_text("".join(f"{name}: {json.dumps(value)}\n" for name, value in fields.items()))
    return path


def secure_client(address, certificates, *own):
    key_pair = own and (own[0].encode(), own[1].encode()) or (None, None)
    credentials = grpc.ssl_channel_credentials(certificates[1].encode(), *key_pair)
    return Client(address.replace("127.0.0.1", "localhost"), 10, credentials)


def test_tls_encrypts_and_can_ask_clients_who_they_are(certificates, tmp_path, base_path):
    key, cert = certificates
    path = ssl_config(tmp_path, server_key=key, server_cert=cert, custom_ca=cert)
    with running_server({"scale": base_path}, ssl_config_file=path) as address:
        with secure_client(address, certificates) as client:
            assert answer(client) == [2.0]
        with Client(address, timeout=5) as client, pytest.raises(ServerUnavailableError):
            answer(client)
    path.write_text(path.read_text() + "client_verify: true")
    with running_server({"scale": base_path}, ssl_config_file=path) as address:
        with secure_client(address, certificates, *certificates) as client:
            assert answer(client) == [2.0]
        with (
            secure_client(address, certificates) as client,
            pytest.raises(ServerUnavailableError),
        ):
            answer(client)


def test_a_wrong_key_or_certificate_is_refused(certificates, tmp_path, base_path):
    key, cert = certificates
    for fields, message in (
        ({"server_key": key}, "must give server_cert"),
        ({"server_key": key, "server_cert": "/etc/cert.pem"}, "all as PEM text"),
        ({"server_key": key, "server_cert": cert, "client_verify": True}, "needs custom_ca"),
    ):
        with pytest.raises(InvalidRequestError, match=message):
            ModelServer({"scale": base_path}, ssl_config_file=ssl_config(tmp_path, **fields))


def count_slowly(address, answers, n=50_000):
    with Client(address, timeout=30) as client:
        try:
            answers.append(client.predict("scale", {"n": n}, "count")["n"].item())
        except ServingError as error:
            answers.append(error.code.name)


def test_more_requests_than_can_wait_are_refused(base_path):
    answers = []
    options = {"num_threads": 1, "max_pending": 1, "poll_seconds": None}
    with running_server({"scale": base_path}, **options) as address:
        threads = [
            threading.Thread(target=count_slowly, args=(address, answers, 20_000)) for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert set(answers) == {20_000, "RESOURCE_EXHAUSTED"}


def test_a_draining_server_answers_what_it_has_and_says_it_does_not_serve(base_path):
    answers = []
    server = ModelServer({"scale": base_path}, rest_port=0, poll_seconds=None)
    server.start()
    asking = [threading.Thread(target=count_slowly, args=(server.address, answers))]
    asking.append(threading.Thread(target=ask_rest, args=(server.rest_address, answers)))
    health = threading.Thread(target=watch_health, args=(server.address, states := []))
    for thread in (health, *asking):
        thread.start()
    until(lambda: states == [health_pb2.HealthCheckResponse.SERVING])
    time.sleep(0.05)
    server.stop(grace=20)
    for thread in (health, *asking):
        thread.join(timeout=20)
    assert answers == [50_000, 50_000]
    assert states[-1] == health_pb2.HealthCheckResponse.NOT_SERVING
    with Client(server.address, timeout=5) as client, pytest.raises(ServerUnavailableError):
        answer(client)


def ask_rest(address, answers):
    body = json.dumps({"signature_name": "count", "inputs": 50_000}).encode()
    url = f"http://{address}/v1/models/scale:predict"
    with urllib.request.urlopen(url, body, timeout=30) as reply:
        answers.append(json.load(reply)["outputs"])


def watch_health(address, states):
    with grpc.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for reply in stub.Watch(health_pb2.HealthCheckRequest(), timeout=30):
            states.append(reply.status)
            if reply.status == health_pb2.HealthCheckResponse.NOT_SERVING:
                return


@pytest.fixture
def two_connections(monkeypatch):
    """The port of an HTTP server that has two connections, and no patience."""
    monkeypatch.setattr(http_server, "CLIENT_SECONDS", 0.5)
    server = HttpServer(None, "127.0.0.1", 0, 1000, max_connections=2)
    server.start()
    yield server.port
    server.refuse()
    server.drain(0)


def test_too_many_connections_are_told_so(two_connections):
    address = ("127.0.0.1", two_connections)
    with (
        socket.create_connection(address),
        socket.create_connection(address),
        socket.create_connection(address, timeout=5) as third,
    ):
        reply = third.makefile("rb").read()
    head, _, body = reply.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert json.loads(body) == {"error": "The server has too many connections."}


def test_a_client_that_sends_too_slowly_is_cut_off(two_connections):
    with socket.create_connection(("127.0.0.1", two_connections), timeout=5) as slow:
        slow.sendall(b"POST /v1/models/x:predict HTTP/1.1\r\nContent-Length: 100\r\n\r\n")
        started = time.monotonic()
        with pytest.raises(OSError):
            while time.monotonic() - started < 5:
                slow.sendall(b"x")
                time.sleep(0.05)
    assert time.monotonic() - started < 4
