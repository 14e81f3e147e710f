"""Losses and measures of pretraining: what counts, and on how many replicas."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.objectives import MEASURES, objective_loss
from albert_tf.models.pretrainer import AlbertPretrainer

RNG = np.random.default_rng(0)
ROWS, MASKED = 6, 3
IDS = RNG.integers(5, 88, (ROWS, 7)).astype("int32")
X = {
    "token_ids": IDS,
    "segment_ids": IDS % 2,
    "padding_mask": np.ones_like(IDS),
    "mask_positions": RNG.integers(0, 7, (ROWS, MASKED)).astype("int32"),
}
Y = {"mlm_logits": RNG.integers(5, 88, (ROWS, MASKED)), "sop_logits": np.array([0, 1, 1, 0, 1, 1])}
WEIGHTS = {"mlm_logits": np.ones((ROWS, MASKED)), "sop_logits": np.ones(ROWS)}
# Four masked positions in the first four rows, six in the other two.
WEIGHTS["mlm_logits"][:4, 1:] = 0
BATCH = {
    "mask_ids": Y["mlm_logits"],
    "mask_weights": WEIGHTS["mlm_logits"],
    "sentence_order_label": Y["sop_logits"],
}


@pytest.fixture(scope="module")
def model(tiny_config):
    keras.utils.set_random_seed(0)
    model = AlbertPretrainer(AlbertBackbone(dataclasses.replace(tiny_config, num_hidden_layers=1)))
    model.compile(run_eagerly=True)
    return model


def evaluate(model, weights=WEIGHTS, batch_size=ROWS):
    return model.evaluate(
        X, Y, sample_weight=weights, batch_size=batch_size, return_dict=True, verbose=0
    )


def test_the_measures_have_the_names_of_the_original(model):
    held_out = (X, Y, WEIGHTS)
    history = model.fit(
        X, Y, sample_weight=WEIGHTS, verbose=0, validation_data=held_out, shuffle=False
    )
    names = {"loss", *MEASURES}
    assert set(history.history) == names | {f"val_{name}" for name in names}
    assert MEASURES[:2] == ("masked_lm_loss", "masked_lm_accuracy")
    assert MEASURES[2:] == ("sentence_order_loss", "sentence_order_accuracy")


def test_a_measure_is_a_mean_over_answers_however_they_are_dealt_into_batches(model):
    # Batches of two rows hold 2, 2 and 6 masked positions.
    assert evaluate(model, batch_size=2) == pytest.approx(evaluate(model), rel=1e-5)


def test_losses_and_accuracies_are_those_worked_out_by_hand(model):
    out = model.predict(X, verbose=0)
    log_odds = out["mlm_logits"].astype("float64")
    log_odds -= np.log(np.exp(log_odds).sum(-1, keepdims=True))
    right = np.take_along_axis(log_odds, Y["mlm_logits"][..., None], -1)[..., 0]
    expected = -(right * WEIGHTS["mlm_logits"]).sum() / 10
    found = evaluate(model)
    # float32 sums against float64.
    assert found["masked_lm_loss"] == pytest.approx(expected, rel=1e-5)
    assert found["loss"] == pytest.approx(expected + found["sentence_order_loss"], rel=1e-5)
    accuracy = (out["sop_logits"].argmax(-1) == Y["sop_logits"]).mean()
    assert found["sentence_order_accuracy"] == pytest.approx(accuracy)


def test_parts_of_a_batch_add_up_to_its_loss(model):
    out = model.predict(X, verbose=0)
    counts = model.objective_counts(BATCH)
    assert {name: float(count) for name, count in counts.items()} == {
        "masked_lm": 10,
        "sentence_order": 6,
    }
    parts = 0.0
    for rows in (slice(0, 4), slice(4, 6)):
        part, answers = ({k: v[rows] for k, v in d.items()} for d in (out, BATCH))
        parts += float(objective_loss(model.objective_sums(part, answers), counts))
    assert parts == pytest.approx(evaluate(model)["loss"], rel=1e-5)


def test_a_fresh_model_knows_the_frequencies_it_is_told(model):
    counts = np.bincount(Y["mlm_logits"].ravel(), minlength=88) + 1
    before = evaluate(model, weights=None)["masked_lm_loss"]
    model.set_output_bias(np.log(counts))
    expected = -np.log(counts / counts.sum())[Y["mlm_logits"]].mean()
    # What a fresh model makes of the words is small beside a bias.
    assert evaluate(model, weights=None)["masked_lm_loss"] == pytest.approx(expected, abs=0.05)
    assert before > expected + 0.3
    model.set_output_bias(np.zeros(88))


def test_frequencies_of_another_vocabulary_or_of_nothing_are_refused(model):
    with pytest.raises(ValueError, match=r"each of the 88 pieces: got the shape \(30,\)"):
        model.set_output_bias(np.zeros(30))
    with pytest.raises(ValueError, match="got -inf for piece 5. Count every piece"):
        model.set_output_bias(np.where(np.arange(88) == 5, -np.inf, 0))


def test_sentence_order_without_weights_adds_nothing_and_is_not_nan(model):
    found = evaluate(model, WEIGHTS | {"sop_logits": np.zeros(ROWS)})
    assert found["sentence_order_loss"] == found["sentence_order_accuracy"] == 0
    assert found["loss"] == found["masked_lm_loss"] > 0


def test_objectives_can_be_weighed(model):
    model.compile(run_eagerly=True, loss_weights={"sop_logits": 0.5})
    found = evaluate(model)
    expected = found["masked_lm_loss"] + 0.5 * found["sentence_order_loss"]
    assert found["loss"] == pytest.approx(expected, rel=1e-6)
    model.compile(run_eagerly=True)


def test_a_loss_of_ones_own_is_left_to_keras(model):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(run_eagerly=True, loss={"mlm_logits": loss, "sop_logits": loss})
    assert set(evaluate(model)) == {"loss", "mlm_logits_loss", "sop_logits_loss"}
    model.compile(run_eagerly=True)


def test_arrays_are_shuffled_for_training(model, monkeypatch):
    seen = []

    def step(data):
        seen.append(data[0]["token_ids"])
        return {"loss": keras.ops.zeros(())}

    monkeypatch.setattr(model, "train_step", step)
    monkeypatch.setattr(model, "train_function", None)
    model.fit(X, Y, sample_weight=WEIGHTS, verbose=0, epochs=3)
    assert any((rows != IDS).any() for rows in map(np.array, seen))


def test_targets_of_another_form_are_refused(model):
    with pytest.raises(ValueError, match="dictionary of mlm_logits, sop_logits: got [A-Z]"):
        model.evaluate(X, Y["sop_logits"], verbose=0)


def test_a_saved_model_is_compiled_as_it_was(model, tmp_path):
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert evaluate(again) == evaluate(model)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["lamb", "adamw"])
def test_two_replicas_train_as_one_device(tiny_config, tmp_path, optimizer):
    config = dataclasses.replace(tiny_config, num_hidden_layers=1)
    config.to_json(tmp_path / "config.json")
    script = Path(__file__).with_name("mirrored_training.py")
    arguments = [str(tmp_path / "config.json"), optimizer]
    ran = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    # Float32, another order of sums, three updates.
    assert found["difference"] < 1e-5
    assert found["logs_of_two"] == pytest.approx(found["logs"], rel=1e-5)
    assert "got 4 on 2 replicas. Use micro_batches" in found["refusal"]
    # Independent masks agree at half of 10,000 places, give or take 0.005.
    assert found["masks_of_replicas_agree"] == pytest.approx(0.5, abs=0.03)
    assert found["masks_of_two_steps_agree"] == pytest.approx(0.5, abs=0.03)
    assert found["masks_of_a_step_repeated_agree"] == 1
