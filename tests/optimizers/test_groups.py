"""Learning rates by group of variables, and freezing."""

import dataclasses
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.pretrainer import AlbertPretrainer
from albert_tf.optimizers.adamw import AdamW
from albert_tf.optimizers.groups import freeze, layer_wise_multipliers
from albert_tf.optimizers.lamb import Lamb


def updated(optimizer, steps=3):
    """Kernels a and b, both started alike, after some updates by the same gradients."""
    kernels = []
    for name in "ab":
        with keras.name_scope(name):
            kernels.append(keras.Variable(np.full((2, 2), 3.0, "float32"), name="kernel"))
    rng = np.random.default_rng(0)
    for _ in range(steps):
        gradient = keras.ops.convert_to_tensor(rng.normal(size=(2, 2)), "float32")
        optimizer.apply([gradient, gradient], kernels)
    return [keras.ops.convert_to_numpy(kernel) for kernel in kernels]


def tiny_model(tiny_config, **changes):
    return AlbertPretrainer(AlbertBackbone(dataclasses.replace(tiny_config, **changes)))


@pytest.mark.parametrize("make", [AdamW, Lamb])
def test_a_multiplier_scales_the_whole_update(make):
    full, tenth = updated(make(0.1, weight_decay=0.5, learning_rate_multipliers={"b/": 0.1}), 1)
    # One float32 subtraction from 3.0 on either side.
    np.testing.assert_allclose(3 - tenth, 0.1 * (3 - full), rtol=1e-5)


@pytest.mark.parametrize("make", [AdamW, Lamb])
def test_a_multiplier_is_a_learning_rate_of_its_own(make):
    _, tenth = updated(make(0.1, learning_rate_multipliers={"b/": 0.1}))
    _, slow = updated(make(0.01))
    np.testing.assert_allclose(tenth, slow, rtol=1e-6)


def test_the_first_pattern_that_matches_decides():
    optimizer = AdamW(0.1, learning_rate_multipliers={"a/": 0.0, "kernel": 1.0})
    still, moved = updated(optimizer)
    assert (still == 3).all() and (moved != 3).all()


def test_multipliers_survive_saving():
    optimizer = Lamb(0.1, learning_rate_multipliers={r"(^|/)encoder/": 0.5})
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert again.get_config() == optimizer.get_config()
    assert again.learning_rate_multipliers == {r"(^|/)encoder/": 0.5}


def test_a_pattern_of_nothing_and_a_negative_factor_are_refused():
    with pytest.raises(ValueError, match="matches 'pooler'. The paths begin with a/kernel"):
        updated(AdamW(0.1, learning_rate_multipliers={"pooler": 0.5}))
    with pytest.raises(ValueError, match="at least 0: got -1.0 for 'x'"):
        AdamW(0.1, learning_rate_multipliers={"x": -1.0})


@pytest.mark.parametrize(
    ("changes", "exponents"),
    [
        ({}, {"embeddings": 2, "attention_0_0": 1, "ffn_0_0": 1}),
        ({"sharing": "none"}, {"embeddings": 4, "attention_0_0": 3, "ffn_1_0": 2, "ffn_2_0": 1}),
        ({"sharing": "attention"}, {"embeddings": 4, "attention_0_0": 2, "ffn_0_0": 3}),
        (
            {"num_hidden_groups": 2, "inner_group_num": 2},
            {"embeddings": 3, "attention_0_1": 2, "ffn_1_0": 1},
        ),
        # Of twelve groups over three layers, the groups 0, 4 and 8 are in use.
        ({"num_hidden_groups": 12}, {"embeddings": 4, "attention_4_0": 2, "attention_8_0": 1}),
    ],
    ids=str,
)
def test_rungs_follow_the_groups_of_the_encoder(tiny_config, changes, exponents):
    multipliers = layer_wise_multipliers(dataclasses.replace(tiny_config, **changes), 0.5)
    optimizer = AdamW(0.1, learning_rate_multipliers=multipliers)
    for part, exponent in exponents.items():
        path = f"{part}/layer_norm/gamma" if part == "embeddings" else f"encoder/{part}/x/kernel"
        assert optimizer.multiplier_of(SimpleNamespace(path=path, name="")) == 0.5**exponent, part
    for head in ("pooler/dense/kernel", "masked_lm_head/dense/bias"):
        assert optimizer.multiplier_of(SimpleNamespace(path=head, name="")) == 1


@pytest.mark.parametrize("changes", [{}, {"embedding_size": 24, "sharing": "none"}], ids=str)
def test_a_configuration_gives_the_same_as_its_model(tiny_config, changes):
    model = tiny_model(tiny_config, **changes)
    config = model.backbone.albert_config
    assert layer_wise_multipliers(config, 0.9) == layer_wise_multipliers(model, 0.9)


def test_a_decay_outside_of_its_range_is_refused(tiny_config):
    with pytest.raises(ValueError, match=r"in \(0, 1\]: got 1.5"):
        layer_wise_multipliers(tiny_config, 1.5)


def test_what_is_frozen_stays_and_the_rest_learns(tiny_config):
    model = tiny_model(tiny_config, num_hidden_layers=1)
    frozen = freeze(model, ("^embeddings/", "attention_0_0/(query|key)"))
    assert len(frozen) == 5 + 4 and "embeddings/word_embeddings/embeddings" in frozen
    multipliers = layer_wise_multipliers(model, 0.9)
    assert not any("embeddings" in pattern for pattern in multipliers)
    before = {v.path: keras.ops.convert_to_numpy(v) for v in model.weights}
    ids = np.ones((2, 4), "int32")
    x = {name: ids for name in ("token_ids", "segment_ids", "padding_mask", "mask_positions")}
    model.compile(AdamW(0.1, learning_rate_multipliers=multipliers), run_eagerly=True)
    model.fit(x, {"mlm_logits": ids, "sop_logits": ids[:, 0]}, verbose=0, shuffle=False)
    moved = {v.path for v in model.weights if (v.numpy() != before[v.path]).any()}
    assert not moved & set(frozen)
    assert {"encoder/attention_0_0/value/kernel", "pooler/dense/kernel"} <= moved


def test_freezing_nothing_everything_or_too_late_is_refused(tiny_config):
    model = tiny_model(tiny_config)
    with pytest.raises(ValueError, match="freeze: no variable's path matches 'atention'"):
        freeze(model, ["pooler", "atention"])
    with pytest.raises(ValueError, match="leave something to train"):
        freeze(model, ["."])
    assert all(variable.trainable for variable in model.weights)
    with pytest.raises(ValueError, match=r"Write \('pooler',\)"):
        freeze(model, "pooler")
    model.compile()
    model.optimizer.build(model.trainable_variables)
    with pytest.raises(ValueError, match="Freeze first, then compile"):
        freeze(model, ["pooler"])
