"""Small models whose answers depend on every token, and their exports."""

import dataclasses
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from albert_tf.exporting.answers.base import AnswerOptions
from albert_tf.exporting.fresh_process import ask
from albert_tf.exporting.requests import Requests
from albert_tf.exporting.saved_model import export_saved_model
from albert_tf.exporting.tasks import answers_of
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.tasks.multiple_choice import AlbertMultipleChoice
from albert_tf.tasks.seq2seq_lm import AlbertSeq2SeqLM
from albert_tf.tasks.seq2seq_lm_preprocessor import AlbertSeq2SeqLMPreprocessor
from albert_tf.tasks.text_classifier import AlbertTextClassifier
from albert_tf.tasks.text_classifier_preprocessor import AlbertTextClassifierPreprocessor

TEXTS = ["Plot the first array.", "", "A dull story that never finds its end, full of 1,000 dogs."]
MAX_POSITIONS = 48  # of `tiny_config`
OTHER_TEXTS = ["What a film!", "She said (quietly): no more than £5.", ""]


@pytest.fixture(scope="session")
def texts():
    return TEXTS


@pytest.fixture(scope="session")
def shake():
    """Gives every weight of a model a size at which each token shows in the answers."""

    def shake(model):
        rng = np.random.default_rng(7)
        for weight in model.weights:
            weight.assign(rng.normal(weight.path.endswith("gamma"), 0.3, weight.shape))
        return model

    return shake


@pytest.fixture(scope="session")
def as_trained():
    """Gives norms and biases other values than those they start from: the converter folds them."""

    def move(model):
        rng = np.random.default_rng(11)
        for weight in model.weights:
            if len(weight.shape) == 1:
                weight.assign(weight + rng.normal(0, 0.05, weight.shape))
        return model

    return move


@pytest.fixture(scope="session")
def backbone(tiny_config, shake):
    """With dropout, of which nothing may reach an export."""
    return shake(AlbertBackbone(dataclasses.replace(tiny_config, hidden_dropout_prob=0.1)))


@pytest.fixture(scope="session")
def make_classifier(backbone, tiny_tokenizer, shake):
    """Makes a classifier on the one backbone; keyword arguments are those of the class."""

    def make(num_classes, **kwargs):
        keras.utils.set_random_seed(1)
        preprocessor = AlbertTextClassifierPreprocessor(tiny_tokenizer, sequence_length=48)
        kwargs = {"preprocessor": preprocessor} | kwargs
        model = AlbertTextClassifier(backbone, num_classes, **kwargs)
        shake(model.head)
        return model

    return make


@pytest.fixture(scope="session")
def classifier(make_classifier):
    """Its logits are centred, so that the texts fall in different classes."""
    model = make_classifier(3, class_names=["dull", "light", "neither"])
    bias = model.head.projection.bias
    bias.assign(bias - model.predict(TEXTS, verbose=0).mean(axis=0))
    return model


@pytest.fixture(scope="session")
def writer(tiny_config, tiny_tokenizer):
    """An untrained model whose answers are of all kinds, and end sooner or later."""
    keras.utils.set_random_seed(5)
    changes = {"num_hidden_layers": 2, "initializer_range": 0.3, "hidden_dropout_prob": 0.1}
    preprocessor = AlbertSeq2SeqLMPreprocessor(tiny_tokenizer, 40, 16)
    model = AlbertSeq2SeqLM(
        AlbertBackbone(dataclasses.replace(tiny_config, **changes)), preprocessor
    )
    bias = model.decoder.head.output_bias
    bias.assign(bias + 2.5 * (np.arange(bias.shape[0]) == tiny_tokenizer.end_token_id))
    return model


@pytest.fixture(scope="session")
def exported(classifier, tmp_path_factory):
    """The version directory of `classifier`, checked as it was written."""
    return export_saved_model(classifier, tmp_path_factory.mktemp("exported") / "films")


@dataclasses.dataclass
class Kind:
    """One way to export a model, and rows for every signature."""

    answers: object
    requests: Requests
    directory: Path


@pytest.fixture(scope="session")
def export_kinds(tmp_path_factory):
    """Exports models: name -> (model, options, texts) to name -> `Kind`.

    The directories have been moved since they were written.
    """

    def export(models):
        root, moved = tmp_path_factory.mktemp("kinds"), tmp_path_factory.mktemp("moved")
        kinds = {}
        for name, (model, options, texts) in models.items():
            path = export_saved_model(model, root / name, verify=False, texts=texts, **options)
            shutil.move(path, moved / name)
            answers = answers_of(model, AnswerOptions(**options))
            kinds[name] = Kind(answers, Requests(answers, texts), moved / name)
        return kinds

    return export


@pytest.fixture(scope="session")
def kinds(export_kinds, classifier, make_classifier, backbone):
    return export_kinds(
        {
            "classes": (classifier, {}, TEXTS),
            "labels of pairs": (
                make_classifier(4, multi_label=True),
                {"pair": True},
                (TEXTS, OTHER_TEXTS),
            ),
            "regression": (make_classifier(1), {}, TEXTS),
            "choices from ids": (AlbertMultipleChoice(backbone), {}, None),
        }
    )


@pytest.fixture(scope="session")
def fresh_process(kinds):
    """What a process says that has TensorFlow and tensorflow-text's op libraries, nothing more."""
    return FreshProcess(kinds)


@pytest.fixture(scope="session")
def ask_fresh():
    return FreshProcess


class FreshProcess:
    """What a fresh process says of exports, asked once.

    Attributes:
        answers: (kind, signature, row number or name of the question) -> outputs.
        modules: names of all Python modules that were loaded.
        unknown_ops: ops in the graphs that TensorFlow alone does not know.
    """

    def __init__(self, kinds):
        questions = {}
        for name, kind in kinds.items():
            feeds = {signature: request.feeds for signature, request in kind.requests.items()}
            asked = {(name, s, "batch"): (s, arrays) for s, arrays in feeds.items()}
            questions[str(kind.directory)] = asked | _odd_questions(name, feeds)
        report = ask("session", questions)
        self.answers = {}
        for answers, _ in report["answers"].values():
            self.answers |= answers
        self.modules, self.unknown_ops = report["modules"], report["unknown_ops"]


def _odd_questions(name, feeds):
    """Calls that broke exports before: one row at a time, no row, padding by the server."""
    questions = {}
    for signature, arrays in feeds.items():
        for i in range(len(next(iter(arrays.values())))):
            row = {key: value[i : i + 1] for key, value in arrays.items()}
            questions[name, signature, i] = (signature, row)
        none = {key: value[:0] for key, value in arrays.items()}
        questions[name, signature, "none"] = (signature, none)
    ids = dict(feeds["tokens"])
    for key in ("token_ids", "segment_ids"):
        # TF Serving fills up with the first element of a tensor.
        room = MAX_POSITIONS - ids[key].shape[-1]
        widths = [(0, 0)] * (ids[key].ndim - 1) + [(0, min(5, room))]
        ids[key] = np.pad(ids[key], widths, constant_values=ids[key].flat[0])
    questions[name, "tokens", "padded"] = ("tokens", ids)
    if name == "classes":
        word = "numbers are drawn from a normal distribution. "
        for key, text in {"long": word * 80, "cut": (word * 80)[:400], "bytes": b"\xff\0a"}.items():
            row = {"text": np.array([text], dtype=object)}
            questions[name, "serving_default", key] = ("serving_default", row)
        empty = {key: value[:0, ..., :0] for key, value in ids.items() if value.ndim > 1}
        empty["input_length"] = ids["input_length"][:0]
        questions[name, "tokens", "nothing"] = ("tokens", empty)
    return questions
