import numpy as np
import pytest

from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.pretrainer import AlbertPretrainer
from albert_tf.models.vocabulary_growth import grow_vocabulary

PARTS = [[5, 7, 7], [9]]


@pytest.fixture(scope="module")
def model(tiny_config):
    model = AlbertPretrainer(AlbertBackbone(tiny_config))
    model.set_output_bias(np.linspace(-3, 3, 88))
    return model


def test_a_new_row_is_the_mean_of_its_parts(model):
    grown = grow_vocabulary(model, PARTS)
    assert grown.backbone.albert_config.vocab_size == 90
    for layer in (
        lambda m: m.backbone.token_embedding.embeddings,
        lambda m: m.masked_lm_head.output_bias,
    ):
        old, new = np.array(layer(model)), np.array(layer(grown))
        np.testing.assert_array_equal(new[:88], old)
        np.testing.assert_allclose(new[88], (old[5] + 2 * old[7]) / 3, rtol=1e-6)
        np.testing.assert_array_equal(new[89], old[9])


def test_old_ids_are_answered_as_before(model):
    grown = grow_vocabulary(model, PARTS)
    ids = np.arange(5, 17).reshape(2, 6)
    inputs = {"token_ids": ids, "segment_ids": ids * 0, "padding_mask": ids * 0 + 1}
    inputs["mask_positions"] = np.array([[1], [2]])
    old, new = model(inputs), grown(inputs)
    np.testing.assert_allclose(new["mlm_logits"][..., :88], old["mlm_logits"], atol=1e-5)
    np.testing.assert_allclose(new["sop_logits"], old["sop_logits"], atol=1e-6)


def test_a_backbone_grows_alone(model):
    grown = grow_vocabulary(model.backbone, PARTS)
    assert isinstance(grown, AlbertBackbone) and grown.count_params() - 16 == (
        model.backbone.count_params()
    )


@pytest.mark.parametrize("parts", [[[]], [[88]], [[-1]]])
def test_a_piece_without_old_parts_is_refused(model, parts):
    with pytest.raises(ValueError, match="ids from 0 to 87.*for the new piece 0"):
        grow_vocabulary(model, parts)
