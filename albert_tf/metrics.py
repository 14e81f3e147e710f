"""Scores of predictions: by name, from scikit-learn and SciPy; and those of SQuAD."""

import re
import string
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import stats
from sklearn import metrics as sklearn_metrics

CLASSES, NUMBERS, LABEL_SETS = "classification", "regression", "multi_label"


@dataclass(frozen=True)
class Metric:
    """One score.

    Args:
        compute: takes labels and predictions, arrays of equal shape: class indices
            `(num_examples,)`, numbers `(num_examples,)`, or 0 and 1 `(num_examples, num_classes)`.
        problem: the kind of labels it is for.
        larger_is_better: False for errors.
    """

    compute: Callable[[np.ndarray, np.ndarray], float]
    problem: str
    larger_is_better: bool = True


def _f1(average):
    # A class that is never predicted has precision 0, which is what counts for a failed run.
    return lambda y, p: sklearn_metrics.f1_score(y, p, average=average, zero_division=0.0)


def _binary_f1(labels, predictions):
    largest = max(labels.max(), predictions.max())
    if largest > 1:
        raise ValueError(
            f"f1 is for two classes, the second one positive: got class index {largest}. "
            "Use macro_f1."
        )
    return _f1("binary")(labels, predictions)


def _mcc(labels, predictions):
    if np.ptp(np.concatenate([labels, predictions])) == 0:
        return 0.0  # One class everywhere: scikit-learn says the same, with a warning.
    return sklearn_metrics.matthews_corrcoef(labels, predictions)


def _correlation(statistic):
    def compute(labels, predictions):
        if len(labels) < 2 or np.ptp(labels) == 0 or np.ptp(predictions) == 0:
            return np.nan  # A constant correlates with nothing; SciPy would warn and say the same.
        return statistic(labels, predictions).statistic

    return compute


METRICS = {
    "accuracy": Metric(sklearn_metrics.accuracy_score, CLASSES),
    "f1": Metric(_binary_f1, CLASSES),
    "macro_f1": Metric(_f1("macro"), CLASSES),
    "mcc": Metric(_mcc, CLASSES),
    "pearson": Metric(_correlation(stats.pearsonr), NUMBERS),
    "spearman": Metric(_correlation(stats.spearmanr), NUMBERS),
    "mse": Metric(sklearn_metrics.mean_squared_error, NUMBERS, larger_is_better=False),
    "label_micro_f1": Metric(_f1("micro"), LABEL_SETS),
    "label_macro_f1": Metric(_f1("macro"), LABEL_SETS),
    "exact_match": Metric(sklearn_metrics.accuracy_score, LABEL_SETS),
}


def check_metrics(names, problem) -> tuple[str, ...]:
    """The names, or the usual ones of the problem where none are given.

    Raises:
        ValueError: a name that does not exist, or that is for another problem.
    """
    fitting = tuple(name for name, metric in METRICS.items() if metric.problem == problem)
    for name in names:
        if name not in fitting:
            raise ValueError(
                f"There is no metric {name!r} for {problem}: choose of {', '.join(fitting)}."
            )
    return tuple(names) or tuple(name for name in fitting if name != "f1")


def scores(names, labels, predictions) -> dict[str, float]:
    """Computes each named metric.

    Args:
        names: keys of `METRICS`, all for the same problem.
        labels, predictions: arrays as `Metric.compute` takes them.

    Returns:
        Name -> score; NaN for a correlation with a constant.

    Raises:
        ValueError: no examples, arrays of different shapes, or `f1` with more than two classes.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.shape != predictions.shape or not len(labels):
        raise ValueError(
            f"Labels and predictions must have the same shape, with at least one example: got "
            f"{labels.shape} and {predictions.shape}."
        )
    return {name: float(METRICS[name].compute(labels, predictions)) for name in names}


def is_better(name, score, best) -> bool:
    """Whether a score beats the best so far; None is no score yet, and NaN beats nothing."""
    if np.isnan(score):
        return False
    if best is None:
        return True
    return score > best if METRICS[name].larger_is_better else score < best


def squad_scores(data, predictions, null_odds=None, null_threshold=None) -> dict[str, float]:
    """Exact match and F1 of SQuAD in percent, those of the official scripts to the last digit.

    Data that knows of unanswerable questions is scored as by `evaluate-v2.0.py`, other data as by
    `evaluate-v1.1.py`. (They differ where both texts are nothing but punctuation and articles.)

    Args:
        data: the list `data` of a SQuAD file.
        predictions: id of a question -> text, "" for no answer. Ids beyond the questions are
            ignored; a question without a prediction counts as wrong, and a warning counts them.
        null_odds: id of a question -> number, larger where less is likely to be answered.
        null_threshold: where the odds are larger, the answer counts as ""; None for no such rule.

    Returns:
        `exact`, `f1` and `total`; the same under `HasAns_` and `NoAns_` for the questions with and
        without an answer, where there are any. With `null_odds` also the best scores that a
        threshold can give on these questions, and these thresholds: `best_exact`,
        `best_exact_thresh`, `best_f1`, `best_f1_thresh`.

    Raises:
        ValueError: `data` has no questions, `predictions` answers none of them or not with a text,
            `null_odds` lacks one, or there is a threshold without odds.
    """
    golds = _gold_answers(data)
    _check_answered(golds, predictions, null_odds, null_threshold)
    answerable = [id for id, gold in golds.items() if gold.is_answerable]
    unanswerable = [id for id, gold in golds.items() if not gold.is_answerable]
    kept, thresholds = {}, {}
    for name, score in (("exact", _exact_match), ("f1", _token_f1)):
        raw = {id: _best_over(gold, id, predictions, score) for id, gold in golds.items()}
        kept[name] = _silenced(raw, golds, null_odds, null_threshold)
        if null_odds is not None:
            best, threshold = _best_threshold(raw, set(answerable), predictions, null_odds)
            thresholds |= {f"best_{name}": best, f"best_{name}_thresh": threshold}
    report = {}
    for prefix, ids in (("", golds), ("HasAns_", answerable), ("NoAns_", unanswerable)):
        if ids:
            for name, scores_of in kept.items():
                report[prefix + name] = 100.0 * sum(scores_of[id] for id in ids) / len(ids)
            report[f"{prefix}total"] = len(ids)
    return report | thresholds


def answer_f1(predicted, expected) -> float:
    """F1 of the words of one answer, from 0 to 1, against the nearest of the right ones.

    Args:
        predicted: text; "" for no answer.
        expected: the right texts; none for a question that cannot be answered.
    """
    return float(max(_token_f1(_words(t), _words(predicted), True) for t in [*expected] or [""]))


def _best_over(gold, id, predictions, score):
    if id not in predictions:
        return 0
    predicted = _words(predictions[id])
    return max(score(_words(text), predicted, gold.empty_matches) for text in gold.texts)


class _Gold(NamedTuple):
    """The right answers to one question."""

    texts: list[str]
    is_answerable: bool
    empty_matches: bool  # whether no word against no word is an F1 of 1


def _gold_answers(data):
    if not isinstance(data, list):
        raise ValueError(
            f"data must be the list `data` of a SQuAD file: got a {type(data).__name__}."
        )
    questions = [qa for article in data for part in article["paragraphs"] for qa in part["qas"]]
    if not questions:
        raise ValueError("data has no questions to score.")
    of_two = any("is_impossible" in qa or not qa["answers"] for qa in questions)
    golds = {}
    for qa in questions:
        texts = [answer["text"] for answer in qa["answers"]]
        if of_two:
            texts = [text for text in texts if _words(text)] or [""]
        golds[qa["id"]] = _Gold(texts, bool(qa["answers"]), of_two)
    return golds


def _check_answered(golds, predictions, null_odds, null_threshold):
    missing = [id for id in golds if id not in predictions]
    if len(missing) == len(golds):
        raise ValueError(
            f"predictions must hold the ids of data: none of its {len(golds)} questions is among "
            f"the {len(predictions)} predictions. Are they of another file?"
        )
    wrong = [id for id in golds if not isinstance(predictions.get(id, ""), str)]
    if wrong:
        raise ValueError(
            f'predictions must be texts, "" for no answer: got {predictions[wrong[0]]!r} for '
            f"{wrong[0]}."
        )
    if missing:
        warnings.warn(
            f"{len(missing)} of {len(golds)} questions have no prediction and count as wrong: "
            f"{', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}.",
            stacklevel=3,
        )
    if null_threshold is not None and null_odds is None:
        raise ValueError(f"A null_threshold needs null_odds: got {null_threshold} without them.")
    without_odds = [id for id in golds if null_odds is not None and id not in null_odds]
    if without_odds:
        raise ValueError(
            f"null_odds must hold every question: {len(without_odds)} of {len(golds)} are missing, "
            f"the first {without_odds[0]}."
        )


def _words(text):
    """The words that count: lower case, no punctuation (ASCII's), no articles."""
    plain = "".join(c for c in text.lower() if c not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", plain).split()


def _exact_match(gold, predicted, empty_matches):
    return int(gold == predicted)


def _token_f1(gold, predicted, empty_matches):
    common = sum((Counter(gold) & Counter(predicted)).values())
    if not gold and not predicted:
        return int(empty_matches)
    if not common:
        return 0
    precision, recall = common / len(predicted), common / len(gold)
    return 2 * precision * recall / (precision + recall)


def _silenced(scores_of, golds, null_odds, null_threshold):
    """The scores where questions with larger odds than the threshold are answered by ""."""
    if null_threshold is None:
        return scores_of
    return {
        id: float(not golds[id].is_answerable) if null_odds[id] > null_threshold else score
        for id, score in scores_of.items()
    }


def _best_threshold(scores_of, answerable, predictions, null_odds):
    """The best score in percent, and the odds up to which questions are then answered."""
    current = best = len(scores_of) - len(answerable)  # as if nothing were answered
    threshold = 0.0
    for id in sorted(null_odds, key=lambda id: null_odds[id]):
        if id not in scores_of:
            continue
        if id in answerable:
            current += scores_of[id]
        elif predictions.get(id):
            current -= 1
        if current > best:
            best, threshold = current, null_odds[id]
    return 100.0 * best / len(scores_of), threshold
