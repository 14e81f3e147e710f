import json

import numpy as np
import pytest

from albert_tf.data.tables import Examples
from albert_tf.training.jobs.overlap import shared_fraction
from albert_tf.training.jobs.text_classification import TextClassification

NAMES = ("bad", "good", "so so")
LABELS = np.array([0, 0, 0, 1, 1, 2], np.int32)
EXAMPLES = Examples([f"film {i}" for i in range(6)], labels=LABELS, class_names=NAMES)


def weights_of(job, examples=EXAMPLES):
    """Label -> weight, from one batch of all examples."""
    [(_, labels, weights)] = job.batches(examples, batch_size=6)
    return dict(zip(labels.numpy().tolist(), weights.numpy().tolist(), strict=True))


def test_balanced_classes_count_alike_and_an_example_once_on_average():
    weights = weights_of(TextClassification(class_weights="balanced"))
    np.testing.assert_allclose([weights[i] for i in range(3)], [6 / 9, 6 / 6, 6 / 3])
    np.testing.assert_allclose(np.mean([weights[label] for label in LABELS]), 1.0)


def test_a_class_without_examples_weighs_on_nothing():
    weights = weights_of(TextClassification(class_weights="balanced"), EXAMPLES.take([0, 1, 2, 3]))
    assert weights == pytest.approx({0: 4 / 6, 1: 4 / 2})


def test_weights_of_classes_may_be_named():
    assert weights_of(TextClassification(class_weights={"so so": 3.0})) == {0: 1.0, 1: 1.0, 2: 3.0}


def test_labels_of_files_get_the_names_of_the_task(tmp_path):
    path = tmp_path / "dev.tsv"
    path.write_text("text\tlabel\nfun\t1\ndull\t0\n")
    job = TextClassification(values=("0", "1"), names=("negative", "positive"))
    examples = job.read_data(path)
    assert [examples.class_names[i] for i in examples.labels] == ["positive", "negative"]
    with pytest.raises(ValueError, match="must be those of the task, negative, positive: got a, b"):
        job.read_data(path, class_names=["a", "b"])


def test_a_table_may_be_called_txt_but_lines_stay_lines(tmp_path):
    path = tmp_path / "msr.txt"
    path.write_text("Quality\tone\tother\n1\ta\tb\n", encoding="utf-8-sig")
    table = TextClassification(text="one", text_pair="other", label="Quality").read_data(path)
    assert (table.texts, table.text_pairs, table.class_names) == (["a"], ["b"], ("1",))
    assert len(TextClassification().read_data(path, with_answers=False)) == 2


def rows_of(true, given, names):
    shares = dict.fromkeys(names, 0.0)
    return [
        {"text": "x", "label": label, "prediction": answer, "probabilities": shares}
        for label, answer in zip(true, given, strict=True)
    ]


def test_reports_tell_of_each_class_and_what_it_is_taken_for(tmp_path):
    rows = rows_of(["bad", "bad", "good", "good"], ["bad", "good", "good", "good"], NAMES)
    TextClassification().write(rows, tmp_path)
    found = json.loads((tmp_path / "classes.json").read_text())
    assert found["confusion"]["bad"] == {"bad": 1, "good": 1, "so so": 0}
    # Precision 2/3 and recall 1, by hand.
    assert found["report"]["good"]["f1-score"] == pytest.approx(0.8)
    assert found["report"]["so so"]["support"] == 0
    assert (tmp_path / "confusion_matrix.png").read_bytes().startswith(b"\x89PNG")
    table = (tmp_path / "predictions.tsv").read_text().splitlines()
    assert table[0].split("\t")[:3] == ["text", "label", "prediction"]


def test_several_labels_an_example_are_counted_class_by_class(tmp_path):
    rows = rows_of([["a"], ["a", "b"], []], [["a"], ["b"], ["b"]], ("a", "b"))
    TextClassification(problem="multi_label").write(rows, tmp_path)
    counts = json.loads((tmp_path / "classes.json").read_text())["confusion"]
    assert counts["a"] == {
        "true_negative": 1,
        "false_positive": 0,
        "false_negative": 1,
        "true_positive": 1,
    }
    assert not (tmp_path / "confusion_matrix.png").exists()


def test_common_words_are_a_share_of_all_words():
    assert shared_fraction("The cat sat.", "the dog sat") == 2 / 4
    assert shared_fraction("", "") == 0.0


def test_baselines_take_the_most_frequent_answer_and_common_words():
    pairs = [("a b c d", "a b c d"), ("e f", "e f"), ("a b", "c d"), ("e", "f"), ("g", "h")]
    first, second = map(list, zip(*pairs, strict=True))
    labels = np.array([1, 1, 0, 0, 0], np.int32)
    examples = Examples(first, second, labels, ("different", "same"))
    found = TextClassification(metrics=("accuracy",)).baselines(examples, examples, None)
    assert found == {"majority": {"accuracy": 0.6}, "overlap": {"accuracy": 1.0}}


def test_the_baseline_of_numbers_is_their_mean():
    examples = Examples(["a", "b"], labels=np.array([1.0, 3.0], np.float32))
    found = TextClassification(problem="regression", metrics=("mse",)).baselines(
        examples, examples, None
    )
    assert found == {"majority": {"mse": 1.0}}
