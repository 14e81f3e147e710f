import dataclasses

import numpy as np
import pytest

from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.seq2seq import AlbertDecoder

VARIANTS = [("all", False), ("none", False), ("all", True), ("none", True)]


@pytest.fixture(scope="module")
def backbone(tiny_config):
    return AlbertBackbone(dataclasses.replace(tiny_config, initializer_range=0.3))


@pytest.fixture(scope="module")
def texts(backbone):
    """An encoded source with padding, its mask, and a target."""
    rng = np.random.default_rng(0)
    ids = rng.integers(5, 88, (3, 7))
    mask = (np.arange(7) < np.array([[7], [4], [5]])).astype("int32")
    inputs = {"token_ids": ids, "segment_ids": ids * 0, "padding_mask": mask}
    source = np.array(backbone(inputs)["sequence_output"])
    return source, mask, rng.integers(5, 88, (3, 6))


@pytest.mark.parametrize(("sharing", "share_encoder"), VARIANTS)
def test_cached_decoding_is_uncached_decoding(backbone, texts, sharing, share_encoder):
    source, mask, target = texts
    decoder = AlbertDecoder(backbone, 2, sharing, share_encoder)
    expected = np.array(decoder(target, source, mask))
    kernels = decoder.stack.kernels()
    memory = decoder.stack.remember(source, mask, kernels)
    cache = decoder.stack.empty_cache(3, 8)
    # Several positions at once, then one at a time.
    for start, stop in ((0, 3), (3, 4), (4, 5), (5, 6)):
        logits, cache = decoder.continue_with(target[:, start:stop], kernels, memory, cache, start)
        # float32 products of other shapes are summed in another order.
        np.testing.assert_allclose(logits, expected[:, start:stop], atol=2e-5)


def test_a_position_depends_on_nothing_behind_it_and_on_no_padding(backbone, texts):
    source, mask, target = texts
    decoder = AlbertDecoder(backbone, 2)
    logits = np.array(decoder(target, source, mask))
    changed = target.copy()
    changed[:, 4:] = 7
    found = np.array(decoder(changed, source, mask))
    np.testing.assert_array_equal(found[:, :4], logits[:, :4])
    assert np.abs(found[:, 4] - logits[:, 4]).max() > 1e-3
    blurred = np.where(mask[..., None] == 1, source, 9.0)
    np.testing.assert_allclose(decoder(target, blurred, mask), logits, atol=1e-6)
    assert np.abs(np.array(decoder(target, source[::-1], mask)) - logits).max() > 1e-3


def test_weights_are_as_many_as_the_sharing_says(backbone):
    width, inner, narrow, vocabulary = 24, 40, 8, 88
    attention = 4 * (width * width + width) + 2 * width
    feed_forward = 2 * width * inner + inner + width + 2 * width
    head = width * narrow + narrow + 2 * narrow + vocabulary
    expected = {
        ("all", False): 2 * attention + feed_forward + head,
        ("none", False): 4 * (2 * attention + feed_forward) + head,
        ("all", True): attention + head,
        ("none", True): 4 * attention + head,
    }
    for variant, count in expected.items():
        decoder = AlbertDecoder(backbone, 4, *variant)
        decoder.build((None, None))
        assert sum(int(np.prod(w.shape)) for w in decoder.trainable_weights) == count


def test_a_decoder_starts_from_the_encoder_but_for_the_source(backbone):
    decoder = AlbertDecoder(backbone, 2, "none")
    decoder.build((None, None))
    before = [w.numpy() for w in decoder.stack.crosses[1].weights]
    decoder.start_from_encoder()
    stack = decoder.stack
    for own, theirs in (
        (stack.attentions[1], backbone.encoder.attentions[0]),
        (stack.feed_forwards[1], backbone.encoder.feed_forwards[0]),
    ):
        for ours, source in zip(own.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, source)
    for ours, drawn in zip(stack.crosses[1].weights, before, strict=True):
        np.testing.assert_array_equal(ours, drawn)


def test_dropout_acts_in_training_alone(backbone, texts):
    source, mask, target = texts
    decoder = AlbertDecoder(
        AlbertBackbone(dataclasses.replace(backbone.albert_config, hidden_dropout_prob=0.5)), 2
    )
    first, second = (np.array(decoder(target, source, mask, training=True)) for _ in range(2))
    assert np.abs(first - second).max() > 1e-3
    still = [np.array(decoder(target, source, mask)) for _ in range(2)]
    np.testing.assert_array_equal(*still)
