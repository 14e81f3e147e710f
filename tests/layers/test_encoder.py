import dataclasses

import keras
import numpy as np
import pytest

from albert_tf.layers.encoder import SharedEncoder
from albert_tf.layers.layer_norm import LayerNorm

RNG = np.random.default_rng(0)
HIDDEN = RNG.normal(size=(2, 5, 24)).astype("float32")
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], "int32")


@pytest.mark.parametrize(
    ("sharing", "attentions", "feed_forwards"),
    [("all", 1, 1), ("attention", 1, 3), ("ffn", 3, 1), ("none", 3, 3)],
)
def test_only_what_is_shared_exists_once(tiny_config, sharing, attentions, feed_forwards):
    encoder = SharedEncoder(dataclasses.replace(tiny_config, sharing=sharing))
    assert encoder(HIDDEN, MASK).shape == HIDDEN.shape
    assert len(encoder.attentions) == attentions
    assert len(encoder.feed_forwards) == feed_forwards


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("inner", [1, 2])
def test_groups_and_inner_layers_own_weights(tiny_config, groups, inner):
    config = dataclasses.replace(tiny_config, num_hidden_groups=groups, inner_group_num=inner)
    encoder = SharedEncoder(config)
    _, states, attentions = encoder(HIDDEN, MASK, return_all=True)
    per_layer = 4 * 25 * 24 + 25 * 40 + 41 * 24 + 4 * 24
    assert encoder.count_params() == groups * inner * per_layer
    assert len(states) == 1 + 3 * inner
    assert len(attentions) == 3 * inner


def test_shared_layers_are_the_same_as_copies_of_one(tiny_config):
    shared = SharedEncoder(tiny_config)
    copies = SharedEncoder(dataclasses.replace(tiny_config, sharing="none"))
    expected = shared(HIDDEN, MASK)
    copies(HIDDEN, MASK)
    for layer in (*copies.attentions, *copies.feed_forwards):
        kind = shared.attentions if "attention" in layer.name else shared.feed_forwards
        layer.set_weights(kind[0].get_weights())
    np.testing.assert_array_equal(copies(HIDDEN, MASK), expected)


def test_padding_does_not_leak_into_real_tokens(tiny_config):
    encoder = SharedEncoder(tiny_config)
    noisy = HIDDEN.copy()
    noisy[1, 3:] = 100.0
    # A padded key gets the weight 0 exactly, so the outputs are equal to the bit.
    np.testing.assert_array_equal(encoder(HIDDEN, MASK)[1, :3], encoder(noisy, MASK)[1, :3])


def test_attention_maps_are_distributions_over_real_tokens(tiny_config):
    _, _, attentions = SharedEncoder(tiny_config)(HIDDEN, MASK, return_all=True)
    probabilities = np.array(attentions[0])
    assert probabilities.shape == (2, 4, 5, 5)
    # Five float32 numbers add up to 1 within a few roundings.
    np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-6)
    assert not probabilities[1, :, :, 3:].any()


def test_bfloat16_computes_norms_in_float32():
    norm = LayerNorm(dtype="mixed_bfloat16")
    x = 1000 + RNG.normal(size=(4, 24)).astype("float32")
    out = np.array(norm(x))
    assert out.dtype == np.float32
    # In bfloat16 1000 has steps of 4 and the rows would be noise.
    np.testing.assert_allclose(out.std(-1), 1, atol=1e-3)


def test_dropout_acts_in_training_only(tiny_config):
    config = dataclasses.replace(
        tiny_config, hidden_dropout_prob=0.5, attention_probs_dropout_prob=0.5
    )
    encoder = SharedEncoder(config)
    still = encoder(HIDDEN, MASK)
    np.testing.assert_array_equal(still, encoder(HIDDEN, MASK, training=False))
    assert np.abs(np.array(encoder(HIDDEN, MASK, training=True)) - np.array(still)).max() > 1e-3


def test_a_saved_encoder_answers_the_same(tiny_config, tmp_path):
    config = dataclasses.replace(tiny_config, num_hidden_groups=3, inner_group_num=2)
    hidden, mask = keras.Input((None, 24)), keras.Input((None,), dtype="int32")
    model = keras.Model([hidden, mask], SharedEncoder(config)(hidden, mask))
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(model([HIDDEN, MASK]), again([HIDDEN, MASK]))


def test_a_quantized_layer_is_refused(tiny_config):
    encoder = SharedEncoder(tiny_config)
    encoder(HIDDEN, MASK)
    encoder.attentions[0].query.quantize("int8")
    with pytest.raises(ValueError, match="must be a float layer: got int8"):
        encoder(HIDDEN, MASK)
