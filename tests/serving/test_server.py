"""The calls of TensorFlow Serving's API, over a real connection on loopback."""

import gc
import threading
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import prediction_service_pb2_grpc
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from albert_tf.serving.client import ClassScore, Client
from albert_tf.serving.errors import (
    DeadlineExceededError,
    InvalidRequestError,
    NotFoundError,
    ServerUnavailableError,
    ServingError,
)
from albert_tf.serving.server import ModelServer, running_server


def test_predict_runs_the_default_signature(client):
    outputs = client.predict("scale", {"x": [1.5, -2.0]})
    assert {name: array.tolist() for name, array in outputs.items()} == {
        "y": [3.0, -4.0],
        "minus_y": [-3.0, 4.0],
    }


def test_predict_takes_text_and_returns_text(client):
    outputs = client.predict("scale", {"text": ["ab", "c\x00d\x00"]}, "shout")
    assert outputs["upper"].tolist() == ["AB", "C\x00D\x00"]


def test_bytes_survive_the_round_trip(client):
    outputs = client.predict("scale", {"text": [b"\xff\x00"]}, "shout")
    assert outputs["raw_bytes"].tolist() == [b"\xff\x00"]
    assert outputs["upper"][0].encode(errors="surrogateescape") == b"\xff\x00"


def test_output_filter_keeps_what_it_names(client):
    assert set(client.predict("scale", {"x": [1.0]}, output_filter=["y"])) == {"y"}


def test_an_output_named_twice_is_refused(client):
    with pytest.raises(InvalidRequestError, match="duplicate output tensor alias: y"):
        client.predict("scale", {"x": [1.0]}, output_filter=["y", "y"])


def test_classify_names_and_scores_the_classes(client):
    answer = client.classify("scale", [{"x": 1.0}, {"x": 2.0}], "classify")
    assert answer == [
        [ClassScore("low", -2.0), ClassScore("high", 2.0)],
        [ClassScore("low", -4.0), ClassScore("high", 4.0)],
    ]


def test_regress_gives_one_number_for_each_example(client):
    answer = client.regress(
        "scale", [{"x": [1.0]}, tf.train.Example()], "regress", context={"x": 5.0}
    )
    assert answer.tolist() == [2.0, 10.0]


def test_example_without_the_feature_is_refused(client):
    with pytest.raises(InvalidRequestError, match="Feature: x .* is required"):
        client.regress("scale", [{"z": 1.0}], "regress")


def test_bytes_that_are_no_example_are_refused(client):
    with pytest.raises(InvalidRequestError, match="Could not parse example input, value: '\ufffd"):
        client.predict("scale", {"inputs": [b"\xff"]}, "regress")


def test_a_name_with_odd_characters_comes_back_in_the_message(client):
    with pytest.raises(NotFoundError, match="Latest\\(é\x00\n\\)"):
        client.predict("é\x00\n", {})


def test_wrong_type_is_refused_by_the_graph_and_not_cast(client):
    with pytest.raises(InvalidRequestError, match="int32 but int64 is provided"):
        client.predict("scale", {k: np.ones((1, 2), np.int64) for k in ("left", "right")}, "add")


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "input size does not match signature: 1!=2"),
        ({"left": [[1, 2]], "up": [[1, 2]]}, "Signature input alias: right"),
        ({"left": [[1, 2]], "right": [[1, 2, 3]]}, "(?i)shape"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(client, inputs, message):
    with pytest.raises(InvalidRequestError, match=message if inputs else "0!=2"):
        client.predict("scale", inputs, "add")


def test_unknown_names_are_refused(client):
    with pytest.raises(NotFoundError, match=r"Latest\(nobody\)"):
        client.predict("nobody", {"x": [1.0]})
    with pytest.raises(NotFoundError, match=r"Specific\(scale, 9\)"):
        client.predict("scale", {"x": [1.0]}, version=9)
    with pytest.raises(InvalidRequestError, match="label: stable"):
        client.predict("scale", {"x": [1.0]}, label="stable")
    with pytest.raises(InvalidRequestError, match='key "nothing" not found'):
        client.predict("scale", {"x": [1.0]}, "nothing")
    with pytest.raises(InvalidRequestError, match="No signature was found with the name: nothing"):
        client.classify("scale", [{"x": 1.0}], "nothing")


def test_wrong_kind_of_signature_is_refused(client):
    with pytest.raises(InvalidRequestError, match="Expected one output Tensor."):
        client.regress("scale", [{"x": 1.0}], "classify")
    with pytest.raises(InvalidRequestError, match="No classification inputs found"):
        client.classify("scale", [{"x": 1.0}])


def test_a_long_message_is_cut_where_tensorflow_serving_cuts_it(client):
    with pytest.raises(InvalidRequestError) as caught:
        client.predict("scale", {"x": [1.0]}, output_filter=["z" * 5000])
    assert len(caught.value.message) == 1024 + len("...TRUNCATED")


def test_multi_inference_wants_one_input_tensor(client):
    with pytest.raises(InvalidRequestError, match="Input tensor must be the same"):
        client.multi_inference(
            "scale", [{"x": 1.0}], {"classify": "classify", "regress": "regress"}
        )


def test_metadata_describes_every_signature(client):
    shout = client.metadata("scale")["shout"]
    assert shout.inputs["text"].dtype == "string"
    assert shout.inputs["text"].shape == (None,)
    assert set(shout.outputs) == {"upper", "raw_bytes"}


def test_metadata_of_other_things_is_refused(server):
    request = GetModelMetadataRequest(model_spec=ModelSpec(name="scale"), metadata_field=["size"])
    with grpc.insecure_channel(server.address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.GetModelMetadata(request, timeout=10)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_response_tells_which_version_answered(server):
    request = PredictRequest(model_spec=ModelSpec(name="scale", signature_name="count"))
    request.inputs["n"].CopyFrom(tf.make_tensor_proto(3))
    with grpc.insecure_channel(server.address) as channel:
        response = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request)
    assert response.model_spec.version.value == 1
    assert response.model_spec.signature_name == "count"


def test_the_deadline_stops_the_graph_as_well(base_path):
    with ModelServer({"scale": base_path}) as server, Client(server.address) as client:
        started = time.monotonic()
        with pytest.raises(DeadlineExceededError):
            client.predict("scale", {"n": 20_000_000}, "count", timeout=0.2)
    # Counting that far takes 40 s, and leaving the block waits for what is still running.
    assert time.monotonic() - started < 15


def test_many_clients_are_answered_at_once(client):
    answers = {}

    def ask(number):
        answers[number] = client.predict("scale", {"x": [float(number)]})["y"].tolist()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: [2.0 * number] for number in range(32)}


def test_malformed_request_is_an_error_and_not_the_end(server, client):
    with grpc.insecure_channel(server.address) as channel:
        method = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        with pytest.raises(grpc.RpcError) as caught:
            method(b"\xff\xff\xff", timeout=10)
    assert caught.value.code() == grpc.StatusCode.INTERNAL
    assert client.predict("scale", {"x": [1.0]})["y"].tolist() == [2.0]


REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


@pytest.mark.parametrize("streamed", [False, True])
def test_malformed_requests_leave_nothing_behind(server, streamed):
    def calls_in_memory():
        gc.collect()
        return sum(type(thing).__name__ == "_RPCState" for thing in gc.get_objects())

    with grpc.insecure_channel(server.address) as channel:
        one = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        stream = channel.stream_stream(REFLECTION)
        for _ in range(40):
            with pytest.raises(grpc.RpcError, match="Exception deserializing request!"):
                if streamed:
                    list(stream(iter([b"\xff\xff\xff"]), timeout=10))
                else:
                    one(b"\xff\xff\xff", timeout=10)
    # The last ones may still be on their way out.
    assert any(calls_in_memory() < 20 or time.sleep(0.2) for _ in range(10))


def test_too_large_a_request_is_refused(base_path):
    options = {"max_message_bytes": 10_000, "poll_seconds": None}
    with running_server({"scale": base_path}, **options) as address, Client(address) as client:
        with pytest.raises(ServingError) as caught:
            client.predict("scale", {"x": [0.0] * 10_000})
        assert caught.value.code == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert len(client.predict("scale", {"x": [0.0]})["y"]) == 1


@pytest.mark.parametrize("name", ["", "PredictionService", "ModelService"])
def test_health_says_serving(server, name):
    with grpc.insecure_channel(server.address) as channel:
        request = health_pb2.HealthCheckRequest(service=name)
        reply = health_pb2_grpc.HealthStub(channel).Check(request, timeout=10)
    assert reply.status == health_pb2.HealthCheckResponse.SERVING


def test_server_listens_on_loopback_only(server):
    assert server.address.startswith("127.0.0.1:")
    assert server.rest_address.startswith("127.0.0.1:")


def test_a_taken_port_is_an_error_that_names_it(server, base_path):
    port = int(server.address.rpartition(":")[2])
    with (
        pytest.raises(OSError, match=f"127.0.0.1:{port}"),
        running_server({"scale": base_path}, port),
    ):
        pass


def test_a_taken_rest_port_ends_the_start_and_frees_the_other(server, base_path):
    before = set(threading.enumerate())
    rest_port = int(server.rest_address.rpartition(":")[2])
    with pytest.raises(OSError, match=f"127.0.0.1:{rest_port} for REST"):
        ModelServer({"scale": base_path}, rest_port=rest_port).start()
    assert_threads_end(before)


def test_nothing_is_left_running(base_path):
    before = set(threading.enumerate())
    with ModelServer({"scale": base_path}, rest_port=0) as server, Client(server.address) as client:
        client.predict("scale", {"x": [1.0]})
        address = server.address
    assert_threads_end(before)
    with Client(address, timeout=5) as client, pytest.raises(ServerUnavailableError):
        client.status("scale")


def test_a_client_refuses_a_version_and_a_label_at_once(client):
    with pytest.raises(ValueError, match="a version or a label"):
        client.predict("scale", {"x": [1.0]}, version=1, label="stable")


def test_an_input_that_is_no_tensor_is_named(client):
    with pytest.raises(TypeError, match="Input 'x'"):
        client.predict("scale", {"x": object()})


def assert_threads_end(before):
    """The network library's own threads end a moment after their owner."""
    deadline = time.monotonic() + 10
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert set(threading.enumerate()) - before == set()
