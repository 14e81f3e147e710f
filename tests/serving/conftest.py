"""Tiny SavedModels of plain TensorFlow, and servers for them."""

import shutil
from pathlib import Path

import pytest
import tensorflow as tf

from albert_tf.serving.client import Client
from albert_tf.serving.server import ModelServer


class Scale(tf.Module):
    """y = factor * x, in every form that can be served."""

    def __init__(self, factor):
        super().__init__()
        self.factor = tf.Variable(float(factor))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def scale(self, x):
        return {"y": self.factor * x, "minus_y": -self.factor * x}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
    def shout(self, text):
        return {"upper": tf.strings.upper(text), "raw_bytes": text}

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32, "n")])
    def count(self, n):
        return {"n": tf.while_loop(lambda i: i < n, lambda i: [i + 1], [0])[0]}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 2], tf.int32, "left"),
            tf.TensorSpec([None, 2], tf.int32, "right"),
        ]
    )
    def add(self, left, right):
        return {"sum": left + right}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "inputs")])
    def classify(self, inputs):
        y = self.factor * parse(inputs)
        classes = tf.tile(tf.constant([["low", "high"]]), [tf.shape(y)[0], 1])
        return {"classes": classes, "scores": tf.stack([-y, y], axis=1)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "inputs")])
    def regress(self, inputs):
        return {"outputs": self.factor * parse(inputs)}


def parse(examples):
    return tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([], tf.float32)})["x"]


@pytest.fixture(scope="session")
def exports(tmp_path_factory) -> dict[int, Path]:
    """Factor -> a SavedModel that multiplies by it. To be copied, not changed."""
    root = tmp_path_factory.mktemp("exports")
    paths = {}
    for factor in (2, 3):
        module = Scale(factor)
        paths[factor] = root / str(factor)
        names = ("shout", "count", "add", "classify", "regress")
        signatures = {name: getattr(module, name) for name in names}
        tf.saved_model.save(
            module, str(paths[factor]), {"serving_default": module.scale} | signatures
        )
    return paths


@pytest.fixture(scope="session")
def publish(exports):
    """Puts a model that multiplies by `factor` under `base_path`, as operators should."""

    def put(base_path: Path, version: int | str, factor: int) -> Path:
        aside = base_path / f".{version}-being-written"
        shutil.copytree(exports[factor], aside)
        return aside.rename(base_path / str(version))

    return put


@pytest.fixture
def base_path(tmp_path, publish) -> Path:
    """A base path with version 1, which multiplies by 2."""
    path = tmp_path / "scale"
    path.mkdir()
    publish(path, 1, factor=2)
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory, publish):
    """A server of the model "scale", for the tests that do not change it."""
    path = tmp_path_factory.mktemp("scale")
    publish(path, 1, factor=2)
    with ModelServer({"scale": path}, rest_port=0, poll_seconds=None) as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    with Client(server.address, timeout=10) as connected:
        yield connected
