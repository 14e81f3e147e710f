"""Updates of models of which not everything is trained."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from albert_tf.data.record_set import RecordSet
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.pretrainer import AlbertPretrainer
from albert_tf.optimizers.lamb import Lamb
from albert_tf.training.pretraining.tensorflow_backend import TensorFlowBackend
from albert_tf.training.pretraining.tensorflow_steps import TensorFlowSteps
from albert_tf.training.pretraining.variables import values_of

IDS = np.arange(5, 25, dtype="int32").reshape(4, 5)
MASKED = IDS[:, :2] % 5
BATCH = {
    "token_ids": IDS,
    "segment_ids": IDS % 2,
    "padding_mask": np.ones_like(IDS),
    "mask_positions": MASKED,
    "mask_ids": MASKED,
    "sentence_order_label": IDS[:, 0] % 2,
}


@pytest.fixture
def eager():
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def new_steps(config, dtype="float32", **settings):
    keras.utils.set_random_seed(0)
    model = AlbertPretrainer(AlbertBackbone(config, dtype=dtype))
    optimizer = Lamb(0.1, weight_decay=0.0)
    optimizer.build(model.trainable_variables)
    return TensorFlowSteps(model, optimizer, **settings)


def train(steps):
    return steps.train({name: tf.constant(values) for name, values in BATCH.items()})


def first_moments(steps):
    """After one update from nothing: the gradient, times one number."""
    values = values_of(steps.model, steps.optimizer)
    return np.concatenate([v.ravel() for name, v in values.items() if name.endswith("_momentum")])


def moved(model, update):
    """Paths of the variables that an update moves."""
    before = model.get_weights()
    update()
    pairs = zip(model.weights, before, strict=True)
    return {variable.path for variable, old in pairs if (variable.numpy() != old).any()}


def test_a_group_of_layers_that_no_step_uses_stays_and_the_rest_learns(tiny_config, eager):
    config = dataclasses.replace(tiny_config, num_hidden_layers=1, num_hidden_groups=2)
    steps = new_steps(config)
    paths = moved(steps.model, lambda: train(steps))
    assert "encoder/ffn_0_0/output/kernel" in paths
    assert not any("_1_0/" in path for path in paths)


@pytest.mark.slow
def test_bfloat16_in_parts_is_the_same_update_but_for_rounding(tiny_config, eager):
    config = dataclasses.replace(tiny_config, num_hidden_layers=1)
    plain, short = new_steps(config), new_steps(config, "mixed_bfloat16", micro_batches=2)
    losses = [train(steps)["masked_lm"].loss_sum.numpy() for steps in (plain, short)]
    assert losses[0] != losses[1] and losses[0] == pytest.approx(losses[1], rel=0.01)
    assert all(weight.dtype == "float32" for weight in short.model.weights)
    exact, rounded = map(first_moments, (plain, short))
    # Numbers of 8 bits, added up over one layer and the heads.
    assert np.linalg.norm(rounded - exact) < 0.05 * np.linalg.norm(exact)


def test_records_without_sentence_order_leave_alone_what_nothing_else_trains(settings, records):
    record_set = RecordSet.open(records)
    alone = record_set.settings | {"objective": "none"}
    chosen = settings(None, warmup_steps=0, weight_decay=0.5)
    backend = TensorFlowBackend(chosen, dataclasses.replace(record_set, settings=alone))
    trained = backend.model.trainable_variables
    paths = moved(backend.model, lambda: backend.optimizer.apply(list(map(tf.zeros_like, trained))))
    # LAMB's decay is as large as any update: it would take them to nothing.
    assert "masked_lm_head/dense/kernel" in paths
    assert not any(path.startswith(("pooler/", "sentence_order_head/")) for path in paths)
