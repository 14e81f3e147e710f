"""Scores of predictions, by name, from scikit-learn and SciPy."""

from collections.abc import Callable
from dataclasses import dataclass

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
