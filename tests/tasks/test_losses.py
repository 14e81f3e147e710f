"""The means that tasks are trained on: by hand, in parts, and on two devices."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from albert_tf.tasks import losses
from albert_tf.tasks.losses import BY_WEIGHT, ClassCrossentropy, LabelCrossentropy, SquaredError

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(4, 3, 5)).astype("float32")
LABELS = RNG.integers(0, 5, (4, 3))
WEIGHTS = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [2, 1, 1]], "float32")
KERAS = keras.losses


@pytest.mark.parametrize(
    ("ours", "theirs", "y_true", "y_pred"),
    [
        (
            ClassCrossentropy(),
            KERAS.SparseCategoricalCrossentropy(from_logits=True),
            LABELS[:, 0],
            LOGITS[:, 0],
        ),
        (
            LabelCrossentropy(),
            KERAS.BinaryCrossentropy(from_logits=True),
            LABELS % 2,
            LOGITS[..., 0],
        ),
        (SquaredError(), KERAS.MeanSquaredError(), LABELS[:, 0], LOGITS[:, 0, :1]),
        (
            ClassCrossentropy(reduction=BY_WEIGHT),
            KERAS.SparseCategoricalCrossentropy(from_logits=True, reduction=BY_WEIGHT),
            LABELS,
            LOGITS,
        ),
    ],
)
def test_on_one_device_they_are_those_of_keras(ours, theirs, y_true, y_pred):
    weights = WEIGHTS if y_true.shape == WEIGHTS.shape and y_pred.ndim == 3 else WEIGHTS[:, 0]
    for given in (None, weights):
        # Sums of float32 in another order.
        expected = pytest.approx(float(theirs(y_true, y_pred, given)), rel=1e-5)
        assert float(ours(y_true, y_pred, given)) == expected
    config = keras.losses.serialize(ours)
    again = keras.losses.deserialize(config)
    assert float(again(y_true, y_pred)) == float(ours(y_true, y_pred))


def test_weights_of_rows_are_those_of_all_their_words():
    found = ClassCrossentropy(reduction=BY_WEIGHT)(LABELS, LOGITS, np.array([1.0, 0, 0, 0]))
    assert float(found) == pytest.approx(float(ClassCrossentropy()(LABELS[:1], LOGITS[:1])))


@pytest.mark.parametrize(("reduction", "count"), [(BY_WEIGHT, 7), ("sum_over_batch_size", 12)])
def test_shares_of_unequal_replicas_add_up_to_the_mean_over_the_batch(
    monkeypatch, reduction, count
):
    loss = ClassCrossentropy(reduction=reduction)
    expected = float(loss(LABELS, LOGITS, WEIGHTS))
    monkeypatch.setattr(losses, "sum_over_replicas", lambda own: float(count))
    shares = [loss(LABELS[part], LOGITS[part], WEIGHTS[part]) for part in (slice(3), slice(3, 4))]
    assert float(sum(shares)) == pytest.approx(expected, rel=1e-6)


def test_rows_of_0_and_1_are_no_numbers_of_classes():
    with pytest.raises(ValueError, match=r"got rows of the shape \(4, 5\). Give their argmax"):
        ClassCrossentropy()(np.eye(5)[LABELS[:, 0]], LOGITS[:, 0])


def test_a_batch_of_padding_alone_has_no_loss_and_not_nan():
    assert float(ClassCrossentropy(reduction=BY_WEIGHT)(LABELS, LOGITS, 0 * WEIGHTS)) == 0.0


@pytest.mark.slow
def test_two_devices_step_as_one_does_whatever_each_of_them_holds(
    tiny_config, tiny_proto, tmp_path
):
    config = dataclasses.replace(tiny_config, num_hidden_layers=1, initializer_range=0.3)
    config.to_json(tmp_path / "config.json")
    (tmp_path / "tiny.model").write_bytes(tiny_proto)
    script = Path(__file__).with_name("mirrored_tasks.py")
    arguments = [str(tmp_path / "config.json"), str(tmp_path / "tiny.model")]
    ran = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    assert set(found) == {"three rows, weighted", "one row", "words", "answers", "written"}
    for name, of in found.items():
        # Float32, another order of sums. Means of means are 0.2 to 0.5 apart.
        assert of["apart"] < 1e-4, name
        assert of["loss_of_two"] == pytest.approx(of["loss"], rel=1e-5), name
        assert of.get("answers_apart", 0.0) < 1e-5, name
