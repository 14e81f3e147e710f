"""Plain `model.fit` on batches of pretraining."""

import dataclasses
import runpy
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from albert_tf.data.pretraining import split_targets
from albert_tf.data.record_set import RecordSet
from albert_tf.data.records import batches
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.pretrainer import AlbertPretrainer

FIXTURES = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("record_fixtures.py"))))


@pytest.fixture(scope="module")
def records(tmp_path_factory, tiny_proto):
    splits = {"train": [FIXTURES.rows_of(40, 1)], "held_out": [FIXTURES.rows_of(12, 3)]}
    style = {"lowercase": True, "keep_accents": False}
    directory = tmp_path_factory.mktemp("records")
    return RecordSet.open(FIXTURES.write_records(directory, tiny_proto, splits, **style))


def test_a_batch_is_split_for_the_two_outputs_of_the_model(records):
    batch = next(
        iter(batches(records, "held_out", batch_size=8, max_predictions=4, seed=0).skip(1))
    )
    inputs, targets, weights = split_targets(batch)
    assert set(inputs) == {"token_ids", "segment_ids", "padding_mask", "mask_positions"}
    assert targets["mlm_logits"] is batch["mask_ids"]
    assert targets["sop_logits"] is batch["sentence_order_label"]
    assert weights["mlm_logits"] is batch["mask_weights"]
    # The last batch holds 4 rows, and 4 that fill it up.
    assert weights["sop_logits"].numpy().tolist() == [1.0] * 4 + [0.0] * 4


@pytest.mark.slow
def test_keras_trains_and_scores_on_records(records, tiny_config):
    keras.utils.set_random_seed(0)
    config = dataclasses.replace(tiny_config, num_hidden_layers=1)
    model = AlbertPretrainer(AlbertBackbone(config))
    model.compile(keras.optimizers.Adam(0.01))
    train = batches(records, "train", batch_size=8, max_predictions=4, seed=0).map(split_targets)
    held_out = batches(records, "held_out", batch_size=8, max_predictions=4, seed=0).map(
        split_targets
    )
    before = [weight.copy() for weight in model.get_weights()]
    history = model.fit(
        train, steps_per_epoch=5, validation_data=held_out, shuffle=False, verbose=0
    ).history
    assert history["val_masked_lm_loss"][0] < np.log(88) + 0.5
    assert 0 <= history["val_sentence_order_accuracy"][0] <= 1
    moved = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert all(moved)
