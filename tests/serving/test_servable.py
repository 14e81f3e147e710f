"""SavedModels of other makes, and broken ones."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.serving.client import ClassScore, Client
from albert_tf.serving.errors import InvalidRequestError, NotFoundError, ServingError
from albert_tf.serving.servable import Servable
from albert_tf.serving.server import running_server

v1 = tf.compat.v1


@pytest.fixture(scope="module")
def old_style(tmp_path_factory):
    """A TensorFlow 1 SavedModel without variables; its signatures share one input."""
    base_path = tmp_path_factory.mktemp("old")
    with tf.Graph().as_default(), v1.Session() as session:
        examples = v1.placeholder(tf.string, [None], "examples")
        x = tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([], tf.float32)})["x"]
        classes = tf.tile([["low", "high"]], [tf.shape(x)[0], 1])
        scores = tf.stack([-x, x], axis=1)
        signature = v1.saved_model.signature_def_utils
        builder = v1.saved_model.Builder(str(base_path / "1"))
        builder.add_meta_graph_and_variables(
            session,
            [tf.saved_model.SERVING],
            {
                "classify": signature.classification_signature_def(examples, classes, scores),
                "scores": signature.classification_signature_def(examples, None, scores),
                "regress": signature.regression_signature_def(examples, 2.0 * x),
                "mean": signature.regression_signature_def(examples, tf.reduce_mean(x)),
            },
        )
        builder.save()
    return base_path


@pytest.fixture(scope="module")
def old_client(old_style):
    with (
        running_server({"old": old_style}, poll_seconds=None) as address,
        Client(address, timeout=10) as client,
    ):
        yield client


def test_multi_inference_answers_every_task_in_one_run(old_client):
    tasks = {"regress": "regress", "classify": "classify"}
    answers = old_client.multi_inference("old", [{"x": 1.0}, {"x": -2.0}], tasks)
    assert answers["regress"].tolist() == [2.0, -4.0]
    assert answers["classify"][1] == [ClassScore("low", 2.0), ClassScore("high", -2.0)]


def test_multi_inference_of_an_unknown_method_is_unimplemented(old_client):
    with pytest.raises(ServingError, match="UNIMPLEMENTED: Unsupported signature method_name"):
        old_client.multi_inference("old", [{"x": 1.0}], {"regress": "guess"})


def test_multi_inference_of_nothing_is_refused(old_client):
    with pytest.raises(InvalidRequestError, match="ModelSpec has no name specified."):
        old_client.multi_inference("old", [{"x": 1.0}], {})


def test_classes_may_go_without_labels(old_client):
    assert old_client.classify("old", [{"x": 1.0}], "scores") == [
        [ClassScore("", -1.0), ClassScore("", 1.0)]
    ]


def test_an_output_that_is_not_one_number_for_each_example_is_refused(old_client):
    with pytest.raises(InvalidRequestError, match=r"\[batch_size, 1\] but got \[\]"):
        old_client.regress("old", [{"x": 1.0}], "mean")


def test_no_examples_are_refused(old_client):
    with pytest.raises(InvalidRequestError, match="Input is empty."):
        old_client.regress("old", [], "regress")


def test_a_tensor_that_is_not_in_the_graph_is_refused(old_style):
    servable = Servable("old", 1, old_style / "1")
    for name in ("nothing:0", "", "examples"):
        with pytest.raises(InvalidRequestError, match="was not found in the Graph"):
            servable.run({}, [name])
    servable.close()


def test_a_run_longer_than_its_time_is_stopped(exports):
    servable = Servable("scale", 1, exports[2])
    signature = servable.signatures["count"]
    feeds = {signature.inputs["n"].name: np.array(20_000_000, np.int32)}
    with pytest.raises(TimeoutError):
        servable.run(feeds, [signature.outputs["n"].name], timeout=0.05)
    servable.close()


def test_an_op_that_is_not_here_is_named(exports, tmp_path):
    shutil.copytree(exports[2], tmp_path / "1")
    path = tmp_path / "1" / "saved_model.pb"
    path.write_bytes(path.read_bytes().replace(b"StringUpper", b"StringUpxxx"))
    with pytest.raises(ServingError, match="StringUpxxx"):
        Servable("scale", 1, tmp_path / "1")


def test_a_saved_model_for_something_else_than_serving_is_refused(tmp_path):
    with tf.Graph().as_default(), v1.Session() as session:
        builder = v1.saved_model.Builder(str(tmp_path / "1"))
        builder.add_meta_graph_and_variables(session, ["train"])
        builder.save()
    with pytest.raises(NotFoundError, match=r"supplied tags: \{ serve \}.*\['train'\]"):
        Servable("other", 1, tmp_path / "1")


class Product(tf.Module):
    """Two matrix products in a row, which bfloat16 speeds up."""

    def __init__(self):
        super().__init__()
        values = np.random.default_rng(0).normal(size=(2, 128, 128)) / 12
        self.weights = tf.Variable(values.astype(np.float32))

    @tf.function(input_signature=[tf.TensorSpec([None, 128], tf.float32, "x")])
    def apply(self, x):
        return {"y": tf.nn.relu(x @ self.weights[0]) @ self.weights[1]}


def test_bfloat16_is_a_little_less_exact(tmp_path):
    module = Product()
    tf.saved_model.save(module, str(tmp_path / "1"), {"serving_default": module.apply})
    x = np.random.default_rng(1).normal(size=(64, 128)).astype(np.float32)
    answers = []
    for bfloat16 in (False, True):
        servable = Servable("product", 1, tmp_path / "1", bfloat16)
        signature = servable.signatures["serving_default"]
        feeds = {signature.inputs["x"].name: x}
        answers.extend(servable.run(feeds, [signature.outputs["y"].name]).values())
        servable.close()
    exact, rounded = answers
    # bfloat16 keeps 8 bits of a number; the sums are of 128 such products.
    assert np.abs(rounded - exact).max() < 0.05 * np.abs(exact).max()
    cpu_info = Path("/proc/cpuinfo")
    if cpu_info.exists() and "avx512_bf16" in cpu_info.read_text():
        assert np.abs(rounded - exact).max() > 1e-4
