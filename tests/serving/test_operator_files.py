"""The files of `export/` are what their readers take, and the clients there work."""

import asyncio
import contextlib
import importlib.util
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
import tensorflow as tf
import yaml
from google.protobuf import descriptor_pool, json_format
from tensorflow_serving.apis import model_service_pb2, prediction_service_pb2
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from albert_tf.serving import stock
from albert_tf.serving.batching_options import read_batching_options
from albert_tf.serving.client import Client
from albert_tf.serving.config_files import (
    MonitoringConfig,
    SSLConfig,
    read_message,
    read_model_list,
)
from albert_tf.serving.metrics import PATH
from albert_tf.serving.options import ServerOptions
from albert_tf.serving.server import ModelServer

FOLDER = Path(__file__).parents[2] / "export"
METADATA = "/v1/models/albert/metadata"
needs_nginx = pytest.mark.skipif(shutil.which("nginx") is None, reason="needs nginx")
needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl")


class Opinion(tf.Module):
    """Calls a text long or short, with the inputs and outputs of our exports."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
    def answer(self, text):
        is_long = tf.strings.length(text) > 12
        label = tf.where(is_long, "long", "short")
        return {"label": label, "probabilities": tf.one_hot(tf.cast(is_long, tf.int32), 2)}


@pytest.fixture(scope="module")
def opinion_server(tmp_path_factory):
    """A server that reads all configuration files of the folder, but for the path of the model."""
    folder = tmp_path_factory.mktemp("operator")
    module = Opinion()
    base_path = folder / "albert"
    tf.saved_model.save(module, str(base_path / "1"), {"serving_default": module.answer})
    models = folder / "models.config"
    models.write_text(read("models.config").replace("/models/albert", str(base_path)))
    options = {
        "model_config_file": models,
        "batching_parameters_file": FOLDER / "batching_parameters.txt",
        "monitoring_config_file": FOLDER / "monitoring.config",
    }
    with ModelServer(rest_port=0, poll_seconds=None, **options) as server:
        yield server


def read(name):
    return (FOLDER / name).read_text(encoding="utf-8")


def script(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def shell(*command):
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=30)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_model_list_is_one():
    (model,) = read_model_list(FOLDER / "models.config")
    assert (model.name, model.base_path) == ("albert", "/models/albert")


def test_batching_parameters_are_accepted():
    options = read_batching_options(FOLDER / "batching_parameters.txt")
    assert (options.max_batch_size, options.pad_variable_length_inputs) == (32, True)


def test_metrics_are_where_prometheus_looks():
    config = read_message(FOLDER / "monitoring.config", MonitoringConfig).prometheus_config
    (job,) = yaml.safe_load(read("prometheus.yaml"))["scrape_configs"]
    assert (config.enable, config.path) == (True, PATH)
    assert (job["metrics_path"], job["static_configs"]) == (PATH, [{"targets": ["127.0.0.1:8501"]}])


def known_flags():
    """The flags of `tensorflow_model_server` that we pass on, with a value for each."""
    every = ServerOptions(
        model_config_file="x",
        num_threads=1,
        labels_for_unavailable=True,
        batching_parameters_file="x",
        per_model_batching=True,
        monitoring_config_file="x",
        ssl_config_file="x",
    )
    command = stock.command("x", None, 1, 2, every, Path())
    return {flag.partition("=")[0] for flag in command[1:]}


def test_compose_file_mounts_what_its_flags_and_the_model_list_name():
    service = yaml.safe_load(read("compose.yaml"))["services"]["albert"]
    mounts = dict(mount.removesuffix(":ro").split(":") for mount in service["volumes"])
    named = set(re.findall(r"_file=(\S+)", " ".join(service["command"]))) | {"/models/albert"}
    assert set(mounts.values()) == named
    assert all((FOLDER / path).is_file() for path in mounts if path.startswith("./"))
    assert {flag.partition("=")[0] for flag in service["command"]} <= known_flags()
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash, as the image has it")
def test_the_health_check_of_the_compose_file_tells_a_model_that_answers(opinion_server):
    *command, line = yaml.safe_load(read("compose.yaml"))["services"]["albert"]["healthcheck"][
        "test"
    ]
    line = line.replace("127.0.0.1/8501", opinion_server.rest_address.replace(":", "/"))
    shell(*command[1:], line)
    other = subprocess.run([*command[1:], line.replace("albert", "nobody")], timeout=30)
    assert other.returncode == 1


def test_manifests_probe_and_mount_what_is_there():
    deployment, service = yaml.safe_load_all(read("kubernetes.yaml"))
    pod = deployment["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    assert {flag.partition("=")[0] for flag in container["args"]} <= known_flags()
    assert container["readinessProbe"]["httpGet"] == {"path": METADATA, "port": "rest"}
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": 8500, "rest": 8501}
    assert {port["targetPort"] for port in service["spec"]["ports"]} == set(ports)
    assert service["spec"]["selector"] == pod["metadata"]["labels"]
    assert pod["metadata"]["annotations"]["prometheus.io/path"] == PATH
    (generated,) = yaml.safe_load(read("kustomization.yaml"))["configMapGenerator"]
    named = re.findall(r"_file=/config/(\S+)", " ".join(container["args"]))
    assert sorted(named) == sorted(generated["files"])


@needs_kubectl
def test_kubectl_puts_the_manifests_together():
    kinds = {one["kind"]: one for one in yaml.safe_load_all(shell("kubectl", "kustomize", FOLDER))}
    name = kinds["ConfigMap"]["metadata"]["name"]
    volumes = kinds["Deployment"]["spec"]["template"]["spec"]["volumes"]
    assert {"name": "config", "configMap": {"name": name}} in volumes
    assert kinds["ConfigMap"]["data"]["models.config"] == read("models.config")


def test_nginx_asks_the_servers_that_its_text_names():
    text = read("nginx.conf")
    for upstream, flag in (("albert_grpc", "port"), ("albert_rest", "rest-port")):
        block = re.search(rf"upstream {upstream} {{(.*?)}}", text, re.DOTALL)[1]
        asked = re.findall(r"server 127\.0\.0\.1:(\d+)", block)
        assert asked == re.findall(rf" --{flag} (\d+)", text)
    assert all(address.startswith("127.0.0.1:") for address in re.findall(r"listen (\S+)", text))


def free_ports(number):
    with contextlib.ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)
        ]
        return [str(one.getsockname()[1]) for one in sockets]


@pytest.fixture
def two_behind_nginx(opinion_server, tmp_path):
    """Two servers and nginx before them: (second server, gRPC address, REST address)."""
    base_path = opinion_server._configs[0].base_path
    ports = dict(zip(("9500", "9501"), free_ports(2), strict=True))
    with ModelServer({"albert": base_path}, rest_port=0, poll_seconds=None) as second:
        for server, grpc_port, rest_port in (
            (opinion_server, "8500", "8501"),
            (second, "8510", "8511"),
        ):
            ports[grpc_port] = server.address.rpartition(":")[2]
            ports[rest_port] = server.rest_address.rpartition(":")[2]
        text = re.sub(
            r"127\.0\.0\.1:(\d+)", lambda m: f"127.0.0.1:{ports[m[1]]}", read("nginx.conf")
        )
        config = tmp_path / "nginx.conf"
        config.write_text(text.replace("/tmp/albert-nginx.pid", str(tmp_path / "nginx.pid")))
        command = ["nginx", "-c", str(config), "-p", str(tmp_path), "-g", "daemon off;"]
        with open(tmp_path / "log", "wb") as log, subprocess.Popen(command, stderr=log) as nginx:
            addresses = [f"127.0.0.1:{ports[port]}" for port in ("9500", "9501")]
            try:
                wait_for(addresses[1])
                yield second, *addresses
            finally:
                nginx.terminate()
                nginx.wait(10)


def wait_for(address, seconds=10):
    host, _, port = address.rpartition(":")
    ends = time.monotonic() + seconds
    while True:
        try:
            return socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.02)


@pytest.mark.slow
@needs_nginx
def test_nginx_deals_out_requests_and_leaves_out_a_server_that_is_gone(two_behind_nginx):
    second, address, rest_address = two_behind_nginx
    with Client(address, timeout=10) as client:
        asked = [client.answer("albert", text=["A fine day."]) for _ in range(8)]
        counted = second._metrics.request_count.lines()
        assert counted and 0 < int(counted[0].rpartition(" ")[2]) < 8
        second.stop()
        asked += [client.answer("albert", text=["A fine day."]) for _ in range(4)]
    assert [row["label"] for (row,) in asked] == ["short"] * 12
    assert '"short"' in shell("sh", FOLDER / "predict.sh", rest_address)


@pytest.mark.parametrize("name", ["predict", "predict_async"])
def test_python_clients_print_every_answer(opinion_server, capsys, name):
    script(name).main(["A fine day.", "Too long by half.", "--address", opinion_server.address])
    printed = capsys.readouterr().out
    assert printed.split("Too long by half.")[0].startswith("A fine day.\n")
    assert "label: short" in printed.split("Too long by half.")[0]
    assert "label: long" in printed.split("Too long by half.")[1]


def test_the_async_client_asks_again_when_the_server_is_busy(opinion_server):
    client = script("predict_async")
    options = {"num_threads": 1, "max_pending": 1, "poll_seconds": None}
    texts = [f"text {number}" for number in range(8)]
    base_path = opinion_server._configs[0].base_path
    with ModelServer({"albert": base_path}, **options) as busy:
        answers = asyncio.run(client.ask_all(busy.address, "albert", texts, at_once=4))
    assert [answer["label"] for answer in answers] == ["short"] * 8


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_client_is_answered(opinion_server):
    printed = shell("sh", FOLDER / "predict.sh", opinion_server.rest_address)
    words = ('"AVAILABLE"', '"predictions"', '"outputs"', '"short"', '"long"')
    assert all(word in printed for word in words), printed


def test_grpcurl_asks_for_methods_and_fields_that_exist():
    text = read("grpcurl.sh").replace("'\"$model\"'", "albert")
    called = re.findall(r"(tensorflow\.serving\.\w+)/(\w+)", text)
    pool = descriptor_pool.Default()
    assert {m.DESCRIPTOR.package for m in (model_service_pb2, prediction_service_pb2)}
    assert len(called) == 2
    for service, method in called:
        assert method in pool.FindServiceByName(service).methods_by_name
    body = re.findall(r"-d '(\{.*?\})' \"\$server\" tensorflow\S+Predict", text, re.DOTALL)[-1]
    request = json_format.Parse(body[body.rindex('{\n  "model_spec"') :], PredictRequest())
    assert list(request.inputs["text"].string_val) == [b"A fine day."]
    assert request.model_spec.name == "albert"


def test_ssl_config_holds_key_and_certificates_as_they_are(tmp_path):
    texts = {"key": "-----KEY-----\na+b/\n", "cert": '-----"C\\\nx=\n', "ca": "-----CA-----\n"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    files = [tmp_path / name for name in texts]
    (tmp_path / "ssl.config").write_text(shell("sh", FOLDER / "ssl_config.sh", *files))
    config = read_message(tmp_path / "ssl.config", SSLConfig)
    assert [config.server_key, config.server_cert, config.custom_ca] == list(texts.values())
    assert config.client_verify
    (tmp_path / "ssl.config").write_text(shell("sh", FOLDER / "ssl_config.sh", *files[:2]))
    assert not read_message(tmp_path / "ssl.config", SSLConfig).client_verify


def test_files_that_the_readme_names_are_there():
    assert set(re.findall(r"^\| `(\S+)` \|.*", read("README.md").split("##")[0], re.M)) == {
        path.name + "/" * path.is_dir()
        for path in FOLDER.iterdir()
        if path.name not in ("README.md", "__pycache__")
    }
