"""Does a SavedModel say what the Keras model says?"""

import contextlib
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.python.util import deprecation

from albert_tf.exporting.answers import answers_of
from albert_tf.exporting.requests import Requests

# The same kernels on the same weights: what differs is the order of sums, from row padding and
# from graph rewrites. bfloat16 keeps 8 bits (0.4 %), which a dozen layers widen to a few percent.
TOLERANCES = {tf.float32: 1e-4, tf.bfloat16: 5e-2}


class ExportMismatchError(RuntimeError):
    """A SavedModel answers otherwise than the Keras model that it was made of."""


def verify_saved_model(model, path, texts=None, tolerance=None):
    """Compares every signature of a SavedModel with `model.predict`.

    The SavedModel is loaded by TensorFlow 1's session loader, which restores variables as TF
    Serving does; `tf.saved_model.load` hides errors that a server meets.

    Args:
        model: the Keras model that was exported.
        path: the version directory.
        texts: what `model.predict` takes; None for a few made-up rows.
        tolerance: largest difference of a number, as a share of the largest number of its output
            (of 1 where all are smaller); None for 1e-4, or 5e-2 where weights are bfloat16.
            Strings must be equal, unless weights are bfloat16: there a near tie may tip over.

    Returns:
        Dictionary of signature -> largest difference, as such a share.

    Raises:
        ExportMismatchError: answers differ, or lack.
        FileNotFoundError: there is no SavedModel at `path`.
        ValueError: `texts` that the model does not take.
    """
    with contextlib.closing(_Served(path)) as served:
        answers = answers_of(model, pair="text_pair" in served.inputs_of("serving_default"))
        requests = Requests(answers, texts)
        got = {name: served.run(name, feeds) for name, feeds in requests.feeds.items()}
    dtype = served.dtype
    expected = _expected(model, answers, requests)
    limit = TOLERANCES[dtype] if tolerance is None else tolerance
    differences = {}
    for signature, outputs in expected.items():
        difference = _difference(got[signature], outputs, strings=dtype == tf.float32)
        # `not <=`, so that NaN fails.
        if not difference <= limit:
            raise ExportMismatchError(
                f"The signature {signature} of {path} must answer as model.predict does: numbers "
                f"differ by {difference:.3g} of their size (inf: a name, a shape or a string "
                f"differs), the limit is {limit:g}. Export the model again."
            )
        differences[signature] = difference
    return differences


class _Served:
    """A SavedModel in a session of its own, loaded as TF Serving loads it."""

    def __init__(self, path):
        if not (Path(path) / "saved_model.pb").is_file():
            raise FileNotFoundError(
                f"A version directory must hold saved_model.pb: {path} does not."
            )
        graph = tf.Graph()
        self.session = tf.compat.v1.Session(graph=graph)
        with graph.as_default(), deprecation.silence():
            loaded = tf.compat.v1.saved_model.load(
                self.session, [tf.saved_model.SERVING], str(path)
            )
        self.signatures = dict(loaded.signature_def)
        handles = [op for op in graph.get_operations() if op.type == "VarHandleOp"]
        halves = any(handle.get_attr("dtype") == tf.bfloat16 for handle in handles)
        self.dtype = tf.bfloat16 if halves else tf.float32

    def close(self):
        self.session.close()

    def inputs_of(self, name):
        return self.signatures[name].inputs if name in self.signatures else {}

    def run(self, name, feeds):
        """Outputs of a signature; none where it does not exist."""
        if name not in self.signatures:
            return {}
        signature = self.signatures[name]
        fetches = {output: info.name for output, info in signature.outputs.items()}
        return self.session.run(fetches, {signature.inputs[k].name: v for k, v in feeds.items()})


def _expected(model, answers, requests):
    if isinstance(requests.inputs, dict):
        # Ids; `predict` would take them for the raw input of a model that has a preprocessor.
        outputs = model(tf.nest.map_structure(tf.constant, requests.inputs), training=False)
    else:
        outputs = model.predict(requests.inputs, verbose=0)
    named = answers.named(tf.nest.map_structure(tf.constant, outputs))
    expected = dict.fromkeys(requests.feeds, named)
    if answers.method in expected:
        expected[answers.method] = getattr(answers, answers.method)(named)
    return tf.nest.map_structure(lambda value: value.numpy(), expected)


def _difference(got, expected, strings):
    """Largest difference, as a share of the largest number; infinite where all must agree."""
    if set(got) != set(expected):
        return np.inf
    shares = [_share(got[name], expected[name], strings) for name in expected]
    return float(max(shares))


def _share(got, expected, strings):
    if got.shape != expected.shape:
        return np.inf
    if expected.dtype == object:
        return np.inf if strings and (got != expected).any() else 0.0
    largest = max(1.0, np.abs(expected).max(initial=0.0))
    return np.abs(got - expected).max(initial=0.0) / largest
