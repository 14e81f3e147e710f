"""Our server says what TensorFlow Serving's own core was recorded to say."""

import json

import grpc
import pytest
from tensorflow_serving.apis.classification_pb2 import ClassificationResponse
from tensorflow_serving.apis.get_model_metadata_pb2 import (
    GetModelMetadataResponse,
    SignatureDefMap,
)
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse
from tensorflow_serving.apis.predict_pb2 import PredictResponse
from tensorflow_serving.apis.regression_pb2 import RegressionResponse

from albert_tf.serving.server import running_server

RESPONSES = {
    "Predict": PredictResponse,
    "Classify": ClassificationResponse,
    "Regress": RegressionResponse,
    "GetModelMetadata": GetModelMetadataResponse,
    "GetModelStatus": GetModelStatusResponse,
}
NAMES = (
    "Predict ids",
    "Classify",
    "Regress",
    "Metadata",
    "Status",
    "unknown model",
    "unknown version",
    "unknown label",
    "unknown sig",
    "bad filter",
    "no spec",
    "empty name",
    "wrong inputs",
    "wrong input alias",
    "wrong dtype",
    "empty batch",
    "bad mask",
    "oov id",
    "classify empty",
    "classify on predict sig",
    "classify sig via Predict",
    "md no field",
    "status unknown",
    "multi bad method",
)


@pytest.fixture(scope="module")
def conversations(shared):
    return json.loads((shared / "goldens/serving/conversations.json").read_text("utf-8"))


WAYS = [
    pytest.param({}, id="one by one"),
    pytest.param({"enable_batching": True}, id="in batches", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module", params=WAYS)
def ask(shared, request):
    """Sends raw bytes and returns the name of the status, and raw bytes or the message."""
    models = {"albert": shared / "goldens/serving/model"}
    options = request.param
    with running_server(models, **options) as address, grpc.insecure_channel(address) as channel:

        def send(rpc, request):
            service = "ModelService" if rpc == "GetModelStatus" else "PredictionService"
            method = channel.unary_unary(f"/tensorflow.serving.{service}/{rpc}")
            try:
                return "OK", method(request, timeout=20)
            except grpc.RpcError as error:
                return error.code().name, error.details()

        yield send


@pytest.mark.parametrize("name", NAMES)
def test_answer_is_the_recorded_one(name, conversations, ask):
    rpc, request, status, recorded = conversations[name]
    got_status, got = ask(rpc, bytes.fromhex(request))
    assert got_status == status
    if status == "OK":
        assert_same_message(RESPONSES[rpc], got, bytes.fromhex(recorded))
    else:
        assert got == recorded


def test_every_recorded_conversation_is_tested(conversations):
    assert set(conversations) == set(NAMES)


def assert_same_message(kind, got: bytes, recorded: bytes) -> None:
    """Equal byte for byte, except for what is not determined.

    The order of a map on the wire is random, in C++ too, so bytes are compared in sorted order.
    The last bit of a float depends on the processor: floats may differ by 1e-6.
    """
    messages = [kind.FromString(raw) for raw in (got, recorded)]
    if kind is GetModelMetadataResponse:
        # The map inside the Any is bytes already: sort it too.
        for message in messages:
            signatures = SignatureDefMap.FromString(message.metadata["signature_def"].value)
            message.metadata["signature_def"].value = signatures.SerializeToString(
                deterministic=True
            )
    floats = [take_floats(message) for message in messages]
    first, second = (message.SerializeToString(deterministic=True) for message in messages)
    assert first == second
    assert floats[0] == pytest.approx(floats[1], abs=1e-6)


def take_floats(message) -> list[float]:
    """Returns the floats of an answer in a fixed order and sets them to one in the message."""
    holders = []
    if isinstance(message, PredictResponse):
        holders = [(message.outputs[name], "float_val") for name in sorted(message.outputs)]
    elif isinstance(message, ClassificationResponse):
        rows = message.result.classifications
        holders = [(one, "score") for row in rows for one in row.classes]
    elif isinstance(message, RegressionResponse):
        holders = [(one, "value") for one in message.result.regressions]
    floats = []
    for holder, name in holders:
        if name == "float_val":
            floats += holder.float_val
            holder.float_val[:] = [1.0] * len(holder.float_val)
        else:
            floats.append(getattr(holder, name))
            setattr(holder, name, 1.0)
    return floats
