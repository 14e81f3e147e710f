"""Requests that travel with a model are replayed before it is served."""

import pytest
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from albert_tf.serving import messages
from albert_tf.serving.errors import InvalidRequestError, ServingError
from albert_tf.serving.servable import Servable
from albert_tf.serving.warmup import WARMUP_FILE, warm_up


@pytest.fixture
def replay(base_path):
    """Writes records beside version 1 and replays them; returns how many there were."""
    directory = base_path / "1"
    servable = Servable("scale", 1, directory)

    def run(*records):
        path = directory / WARMUP_FILE
        path.parent.mkdir(exist_ok=True)
        with tf.io.TFRecordWriter(str(path)) as writer:
            for record in records:
                raw = record if isinstance(record, bytes) else record.SerializeToString()
                writer.write(raw)
        return warm_up(servable, directory)

    yield run
    servable.close()


def predict_log(value=1.0):
    log = PredictionLog()
    spec = messages.model_spec("scale", "", None, None)
    log.predict_log.request.CopyFrom(messages.predict_request(spec, {"x": [value]}, []))
    return log


def example_log(kind, signature):
    log = PredictionLog()
    spec = messages.model_spec("scale", signature, None, None)
    build = {"classify_log": messages.classification_request}.get(kind, messages.regression_request)
    getattr(log, kind).request.CopyFrom(build(spec, [{"x": 1.0}], None))
    return log


def test_records_of_every_kind_are_replayed(replay):
    multi = PredictionLog()
    spec = messages.model_spec("scale", "regress", None, None)
    multi.multi_inference_log.request.CopyFrom(
        messages.multi_inference_request(
            {"regress": spec}, {"regress": "regress"}, [{"x": 1.0}], None
        )
    )
    logs = [example_log("classify_log", "classify"), example_log("regress_log", "regress"), multi]
    assert replay(predict_log(), *logs) == 4


def test_a_model_without_records_is_served_cold(base_path):
    assert warm_up(None, base_path / "1") == 0


def test_a_record_that_fails_fails_the_load(replay):
    with pytest.raises(InvalidRequestError, match="No signature was found"):
        replay(predict_log(), example_log("classify_log", "nothing"))


def test_a_record_that_is_no_request_fails_the_load(replay):
    with pytest.raises(InvalidRequestError, match="Failed to parse warmup record 1"):
        replay(predict_log(), b"\xff\xff\xff")


def test_a_file_that_holds_no_records_fails_the_load(replay, base_path):
    replay(predict_log())
    (base_path / "1" / WARMUP_FILE).write_bytes(b"This is not a TFRecord file, is it?")
    with pytest.raises(ServingError, match="verify your warmup data is in TFRecord format"):
        warm_up(None, base_path / "1")


def test_more_than_a_thousand_records_fail_the_load(replay):
    with pytest.raises(InvalidRequestError, match="exceeds the maximum"):
        replay(*[PredictionLog()] * 1001)
