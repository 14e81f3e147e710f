"""The logits of a text classifier, its answers, and what they are worth."""

import numpy as np
import tensorflow as tf
from scipy.special import expit, logsumexp, softmax

from albert_tf.metrics import scores
from albert_tf.training.jobs.rows import rough_lengths


def problem_of(model) -> str:
    """`classification`, `regression` or `multi_label`, as `read_examples` names it."""
    if model.is_regression:
        return "regression"
    return "multi_label" if getattr(model, "multi_label", False) else "classification"


def decide(problem, logits) -> np.ndarray:
    """The answers that `metrics.scores` compares with labels.

    Returns:
        Class indices `(num_examples,)`; numbers `(num_examples,)` for regression; 0 and 1
        `(num_examples, num_classes)` for multi-label.
    """
    if problem == "regression":
        return logits[:, 0]
    if problem == "multi_label":
        return (logits > 0).astype("float32")
    return logits.argmax(axis=-1)


def probabilities(problem, logits) -> np.ndarray:
    """Share of belief in each class, `(num_examples, num_classes)`; not for regression."""
    return expit(logits) if problem == "multi_label" else softmax(logits, axis=-1)


def mean_loss(problem, labels, logits) -> float:
    """The loss that training lowers, over all examples."""
    if problem == "regression":
        return float(np.mean((logits[:, 0] - labels) ** 2))
    if problem == "multi_label":
        return float(np.mean(np.logaddexp(0.0, logits) - labels * logits))
    of_label = np.take_along_axis(logits, labels[:, None].astype(int), axis=-1)[:, 0]
    return float(np.mean(logsumexp(logits, axis=-1) - of_label))


def score_logits(problem, metric_names, labels, logits) -> dict[str, float]:
    """Metrics of logits under their names, and their `loss`."""
    found = scores(metric_names, labels, decide(problem, logits))
    return found | {"loss": mean_loss(problem, labels, logits)}


def predict_logits(model, examples, batch_size=64, with_depths=False):
    """Logits of every example, in the order of the examples.

    Args:
        model: `AlbertTextClassifier` or `AlbertEarlyExitClassifier`, with a preprocessor.
        examples: `Examples`, whose labels are not read.
        batch_size: examples a batch; batches hold texts of similar length.
        with_depths: whether to tell how deep each text went.

    Returns:
        float32 array `(num_examples, num_classes)`; with `with_depths` a tuple of it and an int
        array `(num_examples,)`, None for a model that always goes through all depths.
    """
    texts = text_columns(examples)
    texts = tuple(texts) if len(texts) > 1 else texts[0]
    if not hasattr(model, "predict_with_depths"):
        logits = model.predict(texts, batch_size)
        return (logits, None) if with_depths else logits
    logits, depths = model.predict_with_depths(texts, batch_size)
    return (logits, depths) if with_depths else logits


def answer_rows(model, examples, logits) -> list[dict]:
    """One dict an example: its texts, its label where known, the answer and its probabilities.

    Returns:
        Keys `text`, `text_pair` (pairs), `label` (where known), `prediction`, and
        `probabilities` (class name -> share; not for regression).
    """
    problem = problem_of(model)
    names = model.class_names or [str(i) for i in range(model.num_classes)]
    answers = decide(problem, logits)
    shares = None if problem == "regression" else probabilities(problem, logits)
    rows = []
    for i, text in enumerate(examples.texts):
        row = {"text": text}
        if examples.text_pairs:
            row["text_pair"] = examples.text_pairs[i]
        if examples.labels is not None:
            row["label"] = _readable(problem, examples.labels[i], names)
        row["prediction"] = _readable(problem, answers[i], names)
        if shares is not None:
            row["probabilities"] = dict(zip(names, map(float, shares[i]), strict=True))
        rows.append(row)
    return rows


def _readable(problem, value, names):
    if problem == "regression":
        return float(value)
    if problem == "multi_label":
        return [name for name, chosen in zip(names, value, strict=True) if chosen]
    return names[int(value)]


def text_columns(examples) -> list[tf.Tensor]:
    """The texts, and for pairs the second texts: string tensors `(num_examples,)`."""
    columns = [examples.texts] + ([examples.text_pairs] if examples.text_pairs else [])
    return [tf.constant(column, tf.string) for column in columns]


def gathered(inputs, indices):
    """The rows of `text_columns` at `indices`, as a classifier takes them."""
    taken = tuple(tf.gather(column, indices) for column in inputs)
    return taken if len(taken) > 1 else taken[0]


def row_lengths(examples) -> np.ndarray:
    """About the length of all texts of each example, int array `(num_examples,)`."""
    lengths = rough_lengths(examples.texts)
    return lengths + rough_lengths(examples.text_pairs) if examples.text_pairs else lengths
