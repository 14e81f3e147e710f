"""keras_hub's AlbertBackbone, with the same weights, gives the same outputs."""

import dataclasses
from pathlib import Path

import keras_hub
import numpy as np
import pytest

from albert_tf.checkpoints import keras_hub_preset
from albert_tf.checkpoints.published import PublishedCheckpoint
from albert_tf.checkpoints.weights import stored_array
from albert_tf.config import AlbertConfig
from albert_tf.models.backbone import AlbertBackbone

# Float32 on both sides; norm, softmax and the products over heads are summed in another order.
# The outputs are of size 1 to 3, the largest difference seen is 3e-6.
TOLERANCE = 2e-5
GOLDEN = Path(__file__).parents[1] / "golden" / "keras_hub" / "backbone.npz"


def inputs_for(config, seq_len=10):
    """Random ids with two segments and a padded second row."""
    rng = np.random.default_rng(1)
    mask = np.ones((2, seq_len), "int32")
    mask[1, 6:] = 0
    ids = rng.integers(0, config.vocab_size, (2, seq_len)) * mask
    return {"token_ids": ids, "segment_ids": ids % 2, "padding_mask": mask}


def widened(model, seed=0):
    """Draws all weights wide: with 0.02 the model is almost linear, and errors go unseen."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign(rng.normal(0, 0.3, weight.shape) + weight.path.endswith("gamma"))


def assert_same(found, expected):
    for name in ("sequence_output", "pooled_output"):
        np.testing.assert_allclose(found[name], expected[name], atol=TOLERANCE)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("inner", [1, 2])
def test_copied_weights_give_the_same_outputs(tiny_config, groups, inner):
    config = dataclasses.replace(
        tiny_config, num_hidden_layers=4, num_hidden_groups=groups, inner_group_num=inner
    )
    ours = AlbertBackbone(config)
    widened(ours)
    theirs, inputs = keras_hub_preset.build(ours), inputs_for(config)
    assert_same(theirs(inputs), ours(inputs))


def test_weights_come_back_from_keras_hub_as_they_went(tiny_config):
    ours = AlbertBackbone(tiny_config)
    widened(ours)
    theirs = keras_hub_preset.build(ours)
    back = AlbertBackbone(keras_hub_preset.config_from(theirs))
    stored = keras_hub_preset.read(theirs)
    PublishedCheckpoint("keras_hub", keras_hub_preset.TABLE, stored, tiny_config).fill(back)
    for before, after in zip(ours.weights, back.weights, strict=True):
        np.testing.assert_array_equal(before.numpy(), after.numpy())


def test_outputs_are_those_that_keras_hub_gave_when_recorded():
    golden = dict(np.load(GOLDEN))
    sections = {"weights": {}, "inputs": {}, "outputs": {}}
    for key, array in golden.items():
        section, name = key.split("/", 1)
        sections[section][name] = array
    config = AlbertConfig(
        vocab_size=40,
        embedding_size=6,
        hidden_size=12,
        num_hidden_layers=4,
        num_hidden_groups=2,
        num_attention_heads=3,
        intermediate_size=24,
        max_position_embeddings=16,
    )
    ours = AlbertBackbone(config)
    stored = {
        path: stored_array(keras_hub_preset.flattened(path, array, config.hidden_size))
        for path, array in sections["weights"].items()
    }
    PublishedCheckpoint("recorded", keras_hub_preset.TABLE, stored, config).fill(ours)
    assert_same(ours(sections["inputs"]), sections["outputs"])


def test_the_product_that_keras_hub_always_has_is_an_identity_where_we_have_none(tiny_config):
    config = dataclasses.replace(tiny_config, embedding_size=tiny_config.hidden_size)
    ours = AlbertBackbone(config)
    widened(ours)
    theirs, inputs = keras_hub_preset.build(ours), inputs_for(config)
    assert isinstance(theirs, keras_hub.models.AlbertBackbone)
    assert_same(theirs(inputs), ours(inputs))
