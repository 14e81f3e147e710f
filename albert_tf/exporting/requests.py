"""Requests that every signature of an export can answer: to warm it up, and to check it with."""

import functools
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

from albert_tf.exporting.answers.classes import as_arrays
from albert_tf.exporting.mobile.requests import with_lengths
from albert_tf.exporting.serving_module import LISTS

# Rows of made-up ids, where a model takes no text, are at most this long.
MADE_UP_LENGTH = 24


class Request(NamedTuple):
    """One call of a signature.

    Args:
        feeds: input name -> array.
        expected: takes nothing, gives what the Keras model says: answer name -> array.
        examples: the same rows as `tf.train.Example`s, for a signature that takes such.
    """

    feeds: dict
    expected: object
    examples: list | None = None


class Requests(dict):
    """Signature -> `Request`, on the same rows for all.

    Args:
        answers: `Answers` of the model.
        texts: rows: a dictionary of lists named as the text inputs; a list for a model that takes
            one text; a tuple of lists in the order of the inputs; None for rows of our own.

    Raises:
        ValueError: `texts` that the model does not take.
    """

    def __init__(self, answers, texts=None):
        self._answers = answers
        signatures = answers.text_signatures()
        if not signatures:
            if texts is not None:
                raise ValueError("texts need a model that takes text: this export takes ids.")
            super().__init__(tokens=self._of_ids(_made_up_ids(answers)))
            return
        samples = answers.sample_rows()
        given = samples if texts is None else _columns(answers.text_inputs, texts)
        rows = {name: given[name] for name in answers.text_inputs}
        strings = _arrays(rows)
        ids = answers.encode({name: tf.constant(column) for name, column in strings.items()})
        requests = {"tokens": self._of_ids(as_arrays(ids))}
        for name, inputs, _, expected in signatures:
            # What callers did not think of is asked about with rows of our own.
            source = given if set(inputs) <= set(given) else samples
            columns = {column: source[column] for column in inputs}
            # A lazy answer: to warm a server up takes no Keras. `examples` wants the same again.
            says = functools.cache(lambda c=columns, e=expected: e(c))
            requests[name] = Request(_arrays(columns), says)
        examples = _examples(rows)
        serialized = np.array([example.SerializeToString() for example in examples], object)
        says = requests["serving_default"].expected
        requests["examples"] = Request({"inputs": serialized}, says)
        if method := answers.method:
            requests[method] = Request(
                {"inputs": serialized}, lambda: getattr(answers, method)(says()), examples
            )
        super().__init__(requests)

    def _of_ids(self, ids):
        answers = self._answers

        def expected():
            outputs = answers.run(answers.model, tf.nest.map_structure(tf.constant, ids))
            return as_arrays(answers.named(outputs))

        return Request(with_lengths(ids), expected)

    def logs(self, model_name):
        """Yields the requests as `PredictionLog`, the records of TF Serving's warm-up file."""
        for signature, request in self.items():
            spec = {"name": model_name, "signature_name": signature}
            if request.examples is not None:
                yield _example_log(signature, spec, request.examples)
                continue
            message = PredictRequest(model_spec=spec)
            for name, value in request.feeds.items():
                message.inputs[name].CopyFrom(tf.make_tensor_proto(value))
            yield PredictionLog(predict_log={"request": message})


def write_warmup(directory, requests, model_name):
    """Writes the file that TF Serving replays before a version answers its first client.

    Args:
        directory: of the SavedModel.
        requests: `Requests`.
        model_name: the name that the requests carry; servers do not read it.
    """
    extra = directory / "assets.extra"
    extra.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(extra / "tf_serving_warmup_requests")) as writer:
        for log in requests.logs(model_name):
            writer.write(log.SerializeToString())


def _columns(names, texts):
    if not isinstance(texts, dict):
        columns = texts if isinstance(texts, tuple) else (texts,)
        if len(columns) != len(names):
            raise ValueError(
                f"texts must be {len(names)} list(s) of strings, for {' and '.join(names)}: got "
                f"{len(columns)}."
            )
        texts = dict(zip(names, columns, strict=True))
    for name, column in texts.items():
        if isinstance(column, (str, bytes)):
            raise ValueError(
                f"texts must be lists: got a single text for {name}, {column!r:.80}. Put it in a "
                "list."
            )
    columns = {name: list(column) for name, column in texts.items()}
    sizes = {len(column) for column in columns.values()}
    if not set(names) <= set(columns) or len(sizes) != 1 or sizes == {0}:
        got = ", ".join(f"{len(column)} of {name}" for name, column in columns.items())
        raise ValueError(
            f"texts must be lists of one length, one for {' and '.join(names)}: got {got}."
        )
    return columns


def _arrays(columns):
    """Columns of texts as arrays of objects; lists of a row are filled up with ""."""
    arrays = {}
    for name, column in columns.items():
        if name in LISTS:
            width = max(map(len, column))
            column = [[*row, *[""] * (width - len(row))] for row in column]
        arrays[name] = np.array(column, dtype=object)
    return arrays


def _made_up_ids(answers):
    model = answers.model
    config = (getattr(model, "backbone", None) or model).albert_config
    width = min(MADE_UP_LENGTH, config.max_position_embeddings)
    lengths = np.array([width, max(1, width // 3)])
    rng = np.random.default_rng(0)
    ids = {}
    for name, value in answers.id_inputs(model).items():
        # Between rows and tokens a task may have an axis more: its choices.
        shape = (2, *[2] * (len(value.shape) - 2), width)
        if name == "padding_mask":
            row_lengths = lengths.reshape(2, *[1] * (len(shape) - 1))
            ids[name] = np.broadcast_to(np.arange(width) < row_lengths, shape).astype("int32")
        else:
            sizes = {"token_ids": config.vocab_size, "segment_ids": config.type_vocab_size}
            ids[name] = rng.integers(0, sizes.get(name, width), shape).astype("int32")
    return ids


def _examples(columns):
    def feature(texts):
        texts = texts if isinstance(texts, (list, tuple)) else [texts]
        return tf.train.Feature(bytes_list={"value": list(map(tf.compat.as_bytes, texts))})

    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return [
        tf.train.Example(features={"feature": {name: feature(text) for name, text in row.items()}})
        for row in rows
    ]


def _example_log(method, spec, examples):
    inputs = {"example_list": {"examples": examples}}
    if method == "classify":
        request = ClassificationRequest(model_spec=spec, input=inputs)
        return PredictionLog(classify_log={"request": request})
    return PredictionLog(regress_log={"request": RegressionRequest(model_spec=spec, input=inputs)})
