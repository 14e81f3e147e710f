"""Nothing that comes over the network stops the server, or makes it answer wrongly.

Small versions, by fixed seeds, of what `benchmarks/soak.py` does for minutes.
"""

import json
import random
import runpy
import shutil
import socket
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import grpc
import pytest
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse

from albert_tf.serving.client import Client
from albert_tf.serving.errors import ServingError
from albert_tf.serving.server import ModelServer

hostile = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("hostile.py"))))

PREDICT = "/tensorflow.serving.PredictionService/Predict"


@pytest.fixture(scope="module", params=["one by one", "in batches"])
def stressed(request, tmp_path_factory, publish):
    path = tmp_path_factory.mktemp("stressed")
    publish(path, 1, factor=2)
    options = {"enable_batching": request.param == "in batches", "max_message_bytes": 12_000_000}
    with ModelServer({"scale": path}, rest_port=0, poll_seconds=None, **options) as server:
        yield server
        assert_sound(server)


def assert_sound(server):
    with Client(server.address, timeout=10) as client:
        assert client.predict("scale", {"text": ["ok"]}, "shout")["upper"].tolist() == ["OK"]


@pytest.fixture(scope="module")
def send(stressed):
    """Sends bytes to Predict; returns the name of the status."""
    with grpc.insecure_channel(stressed.address, [("grpc.max_send_message_length", -1)]) as channel:
        method = channel.unary_unary(PREDICT)

        def send(payload):
            try:
                method(payload, timeout=20)
            except grpc.RpcError as error:
                return error.code().name
            return "OK"

        yield send


def http_status(address, payload):
    """Writes bytes to a socket; returns the status of the reply, None if there was none."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        try:
            connection.sendall(payload)
            connection.shutdown(socket.SHUT_WR)
            line = connection.makefile("rb").readline()
        except ConnectionError:
            return None
    return int(line.split()[1]) if line.startswith(b"HTTP/") else None


ODD = [name for name, _, _ in hostile.odd_requests("scale", "shout")]


@pytest.mark.parametrize("name", ODD)
def test_an_odd_request_is_answered_or_refused(send, name):
    found = {n: (request, fine) for n, request, fine in hostile.odd_requests("scale", "shout")}
    request, may_be_answered = found[name]
    status = send(request.SerializeToString())
    assert status in ({"OK"} if may_be_answered else hostile.REFUSALS)


def test_spoiled_messages_are_errors_of_the_client(send):
    rng = random.Random(0)
    good = hostile.text_request("scale", "shout", [b"a day", b"another"]).SerializeToString()
    seen = {send(hostile.mutated(rng, good)) for _ in range(150)}
    # INTERNAL is what gRPC says of bytes that are no message; UNKNOWN would be our exception.
    assert seen <= hostile.REFUSALS | {"OK", "INTERNAL"}
    assert {"OK", "INTERNAL"} <= seen


def test_spoiled_http_is_an_error_of_the_client(stressed):
    rng = random.Random(1)
    payloads = [hostile.bad_http(rng, "/v1/models/scale:predict") for _ in range(100)]
    seen = {http_status(stressed.rest_address, payload) for payload in payloads}
    assert 400 in seen
    assert seen <= {None, 200, 400, 404, 408, 411, 414, 429, 431, 501, 505}


def test_spoiled_json_is_an_error_of_the_client(stressed):
    rng, seen = random.Random(2), set()
    for _ in range(100):
        body = hostile.bad_json(rng)
        head = f"POST /v1/models/scale:predict HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n"
        seen.add(http_status(stressed.rest_address, head.encode() + body))
    assert seen <= {200, 400, 404}


def test_a_text_of_ten_megabytes_is_one_text(stressed):
    with Client(stressed.address, timeout=20) as client:
        answer = client.predict(
            "scale", {"text": ["x" * hostile.TEN_MEGABYTES]}, "shout", output_filter=["upper"]
        )
        assert answer["upper"][0] == "X" * hostile.TEN_MEGABYTES
        with pytest.raises(ServingError, match="RESOURCE_EXHAUSTED"):
            client.predict("scale", {"text": ["x" * 13_000_000]}, "shout")


def connection_threads():
    return [thread.name for thread in threading.enumerate() if "process_request" in thread.name]


def test_clients_that_vanish_leave_nothing_behind(stressed):
    request = hostile.text_request("scale", "shout", [b"x"]).SerializeToString()
    for number in range(20):
        with grpc.insecure_channel(stressed.address) as channel:
            call = channel.unary_unary(PREDICT).future(request)
            time.sleep(number / 5000)
            call.cancel()
        host, _, port = stressed.rest_address.rpartition(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(
                b"POST /v1/models/scale:predict HTTP/1.1\r\nContent-Length: 9\r\n\r\n"
            )
    assert_sound(stressed)
    # The threads of requests are kept for the next ones; those of connections are not.
    deadline = time.monotonic() + 10
    while (names := connection_threads()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert names == []


def test_versions_come_and_break_in_mid_traffic(tmp_path, publish, exports):
    """Every answer is that of the version that says it gave it."""
    base_path = tmp_path / "scale"
    base_path.mkdir()
    publish(base_path, 1, factor=2)
    wrong, stop = [], threading.Event()
    options = {"enable_batching": True, "poll_seconds": 0.02}
    with ModelServer({"scale": base_path}, **options) as server:

        def ask(number):
            with grpc.insecure_channel(server.address) as channel:
                method = channel.unary_unary(PREDICT)
                while not stop.is_set():
                    check(method, float(number), wrong)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(1, 5)]
        for thread in threads:
            thread.start()
        with Client(server.address) as client:
            for version in range(2, 8):
                if version % 2:
                    broken = base_path / "aside"
                    shutil.copytree(exports[3], broken)
                    (broken / "saved_model.pb").write_bytes(b"\x0a\xff broken")
                    broken.rename(base_path / str(version))
                else:
                    publish(base_path, version, factor=3)
                # Only the latest is loaded: one that is not seen in time is passed over.
                wait_for_state(client, version, "END" if version % 2 else "AVAILABLE")
            wait_for_state(client, 6, "AVAILABLE")
        stop.set()
        for thread in threads:
            thread.join()
    assert wrong == []


def wait_for_state(client, version, state):
    deadline = time.monotonic() + 20
    while (found := states(client).get(version)) != state and time.monotonic() < deadline:
        time.sleep(0.02)
    assert found == state


def states(client):
    return {one.version: one.state for one in client.status("scale")}


def check(method, x, wrong):
    request = PredictRequest()
    request.model_spec.name = "scale"
    tensor = request.inputs["x"]
    tensor.dtype = types_pb2.DT_FLOAT
    tensor.tensor_shape.dim.add(size=1)
    tensor.float_val.append(x)
    try:
        reply = PredictResponse.FromString(method(request.SerializeToString(), timeout=20))
    except grpc.RpcError as error:
        wrong.append(error.code().name)
        return
    factor = 2 if reply.model_spec.version.value == 1 else 3
    if list(reply.outputs["y"].float_val) != [factor * x]:
        wrong.append(json.dumps([x, list(reply.outputs["y"].float_val)]))
