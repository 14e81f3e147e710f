import dataclasses

import keras
import numpy as np
import pytest

from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.deepening import deepen, source_of
from albert_tf.models.pretrainer import AlbertPretrainer


def backbone(config, **changes):
    keras.utils.set_random_seed(0)
    return AlbertBackbone(dataclasses.replace(config, **changes), recompute=True)


def test_a_shared_model_keeps_every_weight_and_gets_deeper(tiny_config):
    model = AlbertPretrainer(backbone(tiny_config))
    deeper = deepen(model, 6)
    assert deeper.backbone.albert_config == dataclasses.replace(tiny_config, num_hidden_layers=6)
    assert deeper.backbone.encoder.recompute
    for old, new in zip(model.weights, deeper.weights, strict=True):
        assert old is not new and old.path == new.path
        np.testing.assert_array_equal(old, new)


def test_deeper_is_the_same_block_used_again(tiny_config):
    model = backbone(tiny_config)
    ids = np.arange(5, 12, dtype="int32")[None]
    x = {"token_ids": ids, "segment_ids": ids % 2, "padding_mask": np.ones_like(ids)}
    shallow = model.all_outputs(x)["hidden_states"]
    deep = deepen(model, 5).all_outputs(x)["hidden_states"]
    for one, other in zip(shallow, deep, strict=False):
        np.testing.assert_array_equal(one, other)
    assert len(deep) == 6


def test_unshared_layers_start_from_those_at_their_share_of_the_depth(tiny_config):
    model = backbone(tiny_config, sharing="none", embedding_size=24)
    deeper = deepen(model, 6)
    for layers in ("attentions", "feed_forwards"):
        old, new = (getattr(m.encoder, layers) for m in (model, deeper))
        for step, layer in enumerate(new):
            for weight, source in zip(layer.weights, old[step // 2].weights, strict=True):
                np.testing.assert_array_equal(weight, source)


@pytest.mark.parametrize(
    ("changes", "depth", "part", "expected"),
    [
        ({"sharing": "attention"}, 5, "attention", [0]),
        ({"sharing": "attention"}, 5, "ffn", [0, 0, 1, 1, 2]),
        ({"sharing": "ffn", "inner_group_num": 2}, 4, "attention", [0, 1, 0, 1, 2, 3, 4, 5]),
        # Each group stays a group, also where the depth does not divide by their number.
        ({"num_hidden_groups": 2, "inner_group_num": 2}, 4, "ffn", [0, 1, 2, 3]),
        # Three layers use the groups 0, 2 and 4 of six; the others were never trained.
        ({"num_hidden_groups": 6}, 6, "ffn", [0, 0, 2, 2, 4, 4]),
    ],
    ids=str,
)
def test_sets_of_weights_stay_at_their_place_in_depth(tiny_config, changes, depth, part, expected):
    old = dataclasses.replace(tiny_config, **changes)
    new = dataclasses.replace(old, num_hidden_layers=depth)
    assert [source_of(part, i, old, new) for i in range(new.num_sets(part))] == expected


def test_a_depth_that_is_not_above_is_refused(tiny_config):
    with pytest.raises(ValueError, match="got 3 for a model of 3 layers"):
        deepen(backbone(tiny_config), 3)
