"""Requests that every signature of an export can answer: to warm it up, and to check it with."""

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

# Of mixed length, one empty: padding is where an export goes wrong.
TEXTS = (
    "A short one.",
    "",
    "Numbers such as 3, 14 or 1,000 and names with accents (Zoë, Señor Muñoz) pass through the "
    "clean-up of the tokenizer before the model sees them; a longer text than its neighbours "
    "makes all of them padded, which must not change what the model says of them.",
)
# Rows of made-up ids, where a model takes no text, are at most this long.
MADE_UP_LENGTH = 24


class Requests:
    """The same rows in the form of every signature.

    Args:
        answers: `Answers` of the model.
        texts: what `model.predict` takes: a list of strings, or a tuple of two lists for pairs;
            None for texts, or ids, of our own.

    Attributes:
        inputs: what `model.predict` takes to give the outputs that all signatures start from.
        feeds: signature -> input name -> array.

    Raises:
        ValueError: `texts` that the model does not take.
    """

    def __init__(self, answers, texts=None):
        self._answers = answers
        if not answers.text_inputs:
            if texts is not None:
                raise ValueError("texts need a model that takes text: this one takes ids.")
            self.inputs = _made_up_ids(answers.model)
            self.feeds = {"tokens": _with_lengths(self.inputs)}
            return
        columns = _columns(answers.text_inputs, texts)
        strings = {name: np.array(column, dtype=object) for name, column in columns.items()}
        ids = answers.encode({name: tf.constant(column) for name, column in columns.items()})
        self._examples = _examples(columns)
        serialized = [example.SerializeToString() for example in self._examples]
        self.inputs = tuple(columns.values()) if len(columns) > 1 else columns["text"]
        self.feeds = {
            "serving_default": strings,
            "tokens": _with_lengths({name: value.numpy() for name, value in ids.items()}),
            answers.method: {"inputs": np.array(serialized, dtype=object)},
        }

    def logs(self, model_name):
        """Yields the requests as `PredictionLog`, the records of TF Serving's warm-up file."""
        for signature, feeds in self.feeds.items():
            spec = {"name": model_name, "signature_name": signature}
            if signature == self._answers.method:
                yield _example_log(signature, spec, self._examples)
                continue
            request = PredictRequest(model_spec=spec)
            for name, value in feeds.items():
                request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
            yield PredictionLog(predict_log={"request": request})


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
    if texts is None:
        return {name: list(TEXTS[i:] + TEXTS[:i]) for i, name in enumerate(names)}
    columns = texts if isinstance(texts, tuple) else (texts,)
    columns = [list(column) for column in columns]
    sizes = {len(column) for column in columns}
    if len(columns) != len(names) or len(sizes) != 1 or sizes == {0}:
        raise ValueError(
            f"texts must be what model.predict takes, {len(names)} list(s) of strings of one "
            f"length for {' and '.join(names)}: got lengths {[len(c) for c in columns]}."
        )
    return dict(zip(names, columns, strict=True))


def _made_up_ids(model):
    config = (getattr(model, "backbone", None) or model).albert_config
    width = min(MADE_UP_LENGTH, config.max_position_embeddings)
    lengths = np.array([width, max(1, width // 3)])
    rng = np.random.default_rng(0)
    ids = {}
    for name, value in model.input.items():
        # Between rows and tokens a task may have an axis more: its choices.
        shape = (2, *[2] * (len(value.shape) - 2), width)
        if name == "padding_mask":
            row_lengths = lengths.reshape(2, *[1] * (len(shape) - 1))
            ids[name] = np.broadcast_to(np.arange(width) < row_lengths, shape).astype("int32")
        else:
            sizes = {"token_ids": config.vocab_size, "segment_ids": config.type_vocab_size}
            ids[name] = rng.integers(0, sizes.get(name, width), shape).astype("int32")
    return ids


def _with_lengths(ids):
    """Ids as the signature `tokens` takes them: the length of each row instead of its mask."""
    ids = {name: np.asarray(value) for name, value in ids.items()}
    return ids | {"input_length": ids.pop("padding_mask").sum(axis=-1, dtype="int32")}


def _examples(columns):
    def feature(text):
        return tf.train.Feature(bytes_list={"value": [tf.compat.as_bytes(text)]})

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
