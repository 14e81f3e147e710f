"""What a classifier says about examples: logits, answers, scores, and files of them."""

import json

import numpy as np
from scipy.special import expit, logsumexp, softmax

from albert_tf.data.tables import Examples
from albert_tf.metrics import scores
from albert_tf.staging import new_file
from albert_tf.training.batches import ordered_batches, token_counts


def problem_of(model) -> str:
    """`classification`, `regression` or `multi_label`, as `read_examples` names it."""
    if model.is_regression:
        return "regression"
    return "multi_label" if model.multi_label else "classification"


def predict_logits(model, examples: Examples, lengths=None, batch_size=64) -> np.ndarray:
    """Logits of every example, in the order of the examples.

    Args:
        model: `AlbertTextClassifier` with a preprocessor.
        examples: labels are not read.
        lengths: from `token_counts`, where they are known.
        batch_size: examples a batch; batches hold texts of similar length.

    Returns:
        float32 array `(num_examples, num_classes)`.
    """
    if lengths is None:
        lengths = token_counts(examples, model.preprocessor.tokenizer)
    batches, order = ordered_batches(examples, lengths, batch_size)
    by_length = model.predict(batches, verbose=0)
    logits = np.empty_like(by_length)
    logits[order] = by_length
    return logits


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
    """Loss and metrics of logits, under `loss` and the names of the metrics."""
    loss = mean_loss(problem, labels, logits)
    return {"loss": loss, **scores(metric_names, labels, decide(problem, logits))}


def answer_rows(model, examples: Examples, logits) -> list[dict]:
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


def write_answers(rows, path):
    """Writes `answer_rows` as JSON lines, or as TSV where the file is called so.

    A TSV has no quoting: tabs and line ends inside of a text become spaces.
    """
    with new_file(path) as staged, staged.open("w", encoding="utf-8") as file:
        if path.suffix != ".tsv":
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            return
        for number, row in enumerate(map(_flat, rows)):
            if number == 0:
                file.write("\t".join(row) + "\n")
            file.write("\t".join(row.values()) + "\n")


def _readable(problem, value, names):
    if problem == "regression":
        return float(value)
    if problem == "multi_label":
        return [name for name, chosen in zip(names, value, strict=True) if chosen]
    return names[int(value)]


def _flat(row):
    cells = dict(row)
    shares = cells.pop("probabilities", {})
    cells |= {f"probability of {name}": f"{share:.6f}" for name, share in shares.items()}
    return {
        key: " ".join(_cell(value).replace("\t", " ").splitlines()) for key, value in cells.items()
    }


def _cell(value):
    return ",".join(value) if isinstance(value, list) else str(value)
