import numpy as np
import pytest

from albert_tf.metrics import check_metrics, is_better, scores

LABELS = np.array([0, 0, 1, 1, 1])
PREDICTIONS = np.array([0, 1, 1, 1, 0])


def test_scores_are_those_counted_by_hand():
    got = scores(("accuracy", "f1", "macro_f1", "mcc"), LABELS, PREDICTIONS)
    # Two right positives of three predicted and three true; one right negative of two and two.
    assert got == pytest.approx(
        {"accuracy": 3 / 5, "f1": 2 / 3, "macro_f1": (2 / 3 + 1 / 2) / 2, "mcc": 1 / 6}
    )


def test_correlations_see_order_and_line():
    got = scores(("pearson", "spearman", "mse"), np.array([1.0, 2, 3]), np.array([1.0, 4, 9]))
    assert got["spearman"] == pytest.approx(1.0)
    assert got["pearson"] == pytest.approx(8 / np.sqrt(2 * 98 / 3))
    assert got["mse"] == pytest.approx((0 + 4 + 36) / 3)


def test_a_constant_correlates_with_nothing():
    got = scores(("pearson", "spearman"), np.array([1.0, 2, 3]), np.full(3, 2.0))
    assert np.isnan(list(got.values())).all()


def test_one_class_everywhere_has_no_correlation_and_no_warning():
    assert scores(("mcc",), np.ones(3, int), np.ones(3, int)) == {"mcc": 0.0}


def test_label_sets_are_scored_by_label_and_as_a_whole():
    truth, guess = np.array([[1, 0], [1, 1]]), np.array([[1, 0], [0, 1]])
    got = scores(("label_micro_f1", "exact_match"), truth, guess)
    assert got == pytest.approx({"label_micro_f1": 4 / 5, "exact_match": 1 / 2})


def test_f1_refuses_more_than_two_classes():
    with pytest.raises(ValueError, match="class index 2. Use macro_f1"):
        scores(("f1",), np.array([0, 1, 2]), np.array([0, 1, 1]))


@pytest.mark.parametrize(("labels", "guess"), [([], []), ([1], [1, 0])])
def test_unequal_or_empty_arrays_are_refused(labels, guess):
    with pytest.raises(ValueError, match="same shape"):
        scores(("accuracy",), np.array(labels), np.array(guess))


def test_a_metric_of_another_problem_is_refused():
    with pytest.raises(ValueError, match="no metric 'accuracy' for regression: choose of pearson"):
        check_metrics(("accuracy",), "regression")


def test_without_names_the_usual_metrics_come():
    assert check_metrics((), "regression") == ("pearson", "spearman", "mse")
    assert check_metrics((), "classification")[0] == "accuracy"


def test_errors_are_better_when_smaller_and_nan_never_is():
    assert is_better("accuracy", 0.5, None) and is_better("accuracy", 0.6, 0.5)
    assert is_better("mse", 0.4, 0.5) and not is_better("mse", 0.6, 0.5)
    assert not is_better("pearson", np.nan, None)
