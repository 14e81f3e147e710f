import dataclasses

import keras
import numpy as np
import pytest

from albert_tf.data.pretraining import MaskingVocabulary, pretraining_dataset
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.pretrainer import AlbertPretrainer
from albert_tf.training.pretrain import pretrain

MEASURES = {
    "loss",
    "masked_lm_loss",
    "masked_lm_accuracy",
    "sentence_order_loss",
    "sentence_order_accuracy",
}
VOCABULARY = MaskingVocabulary(2, 3, 0, 4, np.arange(5, 88), np.ones(88, bool))


def batches(num_batches):
    """Text in which every second token is 7."""
    rng = np.random.default_rng(0)
    text = rng.integers(8, 88, (12, 200, 8), dtype=np.int32)
    text[:, :, ::2] = 7
    return pretraining_dataset(
        [list(document) for document in text],
        VOCABULARY,
        batch_size=16,
        sequence_length=24,
        max_predictions=4,
    ).take(num_batches)


def new_model(config):
    config = dataclasses.replace(config, num_hidden_layers=1)
    keras.utils.set_random_seed(0)
    return AlbertPretrainer(AlbertBackbone(config))


def train(config, log_every):
    """Trains for 25 steps; gives the model, the result and all measurements."""
    model, rows = new_model(config), []
    result = pretrain(
        model,
        batches(25),
        batches(2),
        learning_rate=0.02,
        log_every=log_every,
        log=lambda split, step, **values: rows.append((split, step, values)),
        show=False,
    )
    return model, result, rows


@pytest.fixture(scope="module")
def trained(tiny_config):
    return train(tiny_config, log_every=10)


@pytest.fixture(scope="module")
def trained_again(tiny_config):
    return train(tiny_config, log_every=5)


def test_measurements_have_the_names_of_the_original(trained):
    _, result, rows = trained
    assert [row[:2] for row in rows] == [("train", 10), ("train", 20), ("train", 25), ("dev", 25)]
    assert all(set(values) == MEASURES for _, _, values in rows)
    assert result == {"train": rows[2][2], "dev": rows[3][2]}


def test_a_measurement_covers_the_steps_since_the_one_before(trained, trained_again):
    # Every batch has as many pairs as the next, but not as many masked positions.
    tens, fives = (
        [row[2]["sentence_order_loss"] for row in rows] for _, _, rows in (trained, trained_again)
    )
    # Float32 sums in another order.
    assert tens[:2] == pytest.approx([sum(fives[:2]) / 2, sum(fives[2:4]) / 2], rel=1e-5)
    assert tens[2] == pytest.approx(fives[4], rel=1e-5)


def test_masked_words_are_learned(trained):
    # Half of the answers are 7; the model begins at 1 in 88.
    assert trained[1]["dev"]["masked_lm_accuracy"] > 0.4


def test_the_optimizer_takes_as_many_steps_as_there_are_batches(trained):
    optimizer = trained[0].optimizer
    assert int(optimizer.iterations) == 25
    assert float(optimizer.learning_rate) == pytest.approx(0.0, abs=1e-9)


def test_the_same_seed_gives_the_same_weights(trained, trained_again):
    weights, again = trained[0].get_weights(), trained_again[0].get_weights()
    assert all(np.array_equal(first, second) for first, second in zip(weights, again, strict=True))


def test_a_dataset_of_unknown_length_is_refused(tiny_config):
    model = new_model(tiny_config)
    with pytest.raises(ValueError, match="cardinality -2"):
        pretrain(model, batches(5).filter(lambda *batch: True), show=False)
    with pytest.raises(ValueError, match="cardinality -1"):
        pretrain(model, batches(5).repeat(), show=False)


def test_arguments_out_of_range_are_refused(tiny_config):
    model = new_model(tiny_config)
    with pytest.raises(ValueError, match="lamb, adamw: got 'sgd'"):
        pretrain(model, batches(1), optimizer="sgd", show=False)
    with pytest.raises(ValueError, match=r"in \[0, 1\): got 1"):
        pretrain(model, batches(1), warmup_fraction=1, show=False)


def test_a_broken_loss_stops_the_training(tiny_config):
    model = new_model(tiny_config)
    model.masked_lm_head.weights[0].assign(model.masked_lm_head.weights[0] * np.nan)
    with pytest.raises(ArithmeticError, match="by step 2 of 5"):
        pretrain(model, batches(5), optimizer="adamw", log_every=2, show=False)
