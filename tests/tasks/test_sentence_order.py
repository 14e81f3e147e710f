import dataclasses

import keras
import numpy as np
import pytest

from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.pretrainer import AlbertPretrainer
from albert_tf.tasks.masked_lm import AlbertMaskedLM
from albert_tf.tasks.saving import save_checkpoint
from albert_tf.tasks.sentence_order import order_probabilities, tokenizer_beside

FIRSTS = ["the cat sat on the mat. " * 3, "a", "open the file"]
SECONDS = ["it was dull", "the list of the array", "and read every line of it"]


@pytest.fixture(scope="module")
def pretrainer(tiny_config):
    # Small weights, and by some seeds, would let the order change next to nothing.
    keras.utils.set_random_seed(0)
    config = dataclasses.replace(tiny_config, initializer_range=0.3)
    model = AlbertPretrainer(AlbertBackbone(config))
    for weight in model.sentence_order_head.weights:
        weight.assign(np.random.default_rng(0).normal(size=weight.shape))
    return model


def test_the_probability_is_that_of_the_first_class(pretrainer, tiny_tokenizer):
    found = order_probabilities(pretrainer, FIRSTS, SECONDS, tiny_tokenizer, batch_size=2)
    assert found.shape == (3,) and found.dtype == np.float32
    first, second = (tiny_tokenizer(texts[2]).numpy().tolist() for texts in (FIRSTS, SECONDS))
    ids = np.array([[2, *first, 3, *second, 3]])
    segments = np.array([[0] * (len(first) + 2) + [1] * (len(second) + 1)])
    inputs = {"token_ids": ids, "segment_ids": segments, "padding_mask": np.ones_like(ids)}
    logits = pretrainer(inputs | {"mask_positions": np.zeros((1, 1), int)})["sop_logits"][0]
    expected = np.exp(logits[0]) / np.exp(logits).sum()
    assert found[2] == pytest.approx(expected, abs=1e-5)
    swapped = order_probabilities(pretrainer, SECONDS, FIRSTS, tiny_tokenizer)
    assert np.abs(found - swapped).min() > 1e-4


def test_long_pairs_are_cut_to_the_positions_of_the_model(pretrainer, tiny_tokenizer):
    texts = ["the cat sat on the mat. " * 20]
    assert 0 < order_probabilities(pretrainer, texts, texts, tiny_tokenizer)[0] < 1


@pytest.mark.parametrize("form", ["preset", "hf"])
def test_vocabularies_are_found_beside_weights(pretrainer, tiny_tokenizer, tmp_path, form):
    if form == "preset":
        pretrainer.save_to_preset(tmp_path / form)
        tiny_tokenizer.save_to_preset(tmp_path / form)
    else:
        save_checkpoint(pretrainer, tmp_path / form, form, tokenizer=tiny_tokenizer)
    found = tokenizer_beside(tmp_path / form)
    assert found(FIRSTS).to_list() == tiny_tokenizer(FIRSTS).to_list()


def test_what_cannot_be_meant_is_refused(pretrainer, tiny_config, tiny_tokenizer, tmp_path):
    masked = AlbertMaskedLM(pretrainer.backbone)
    with pytest.raises(ValueError, match="a head of AlbertPretrainer: got a AlbertMaskedLM"):
        order_probabilities(masked, FIRSTS, SECONDS, tiny_tokenizer)
    with pytest.raises(ValueError, match="got 3 and 1"):
        order_probabilities(pretrainer, FIRSTS, SECONDS[:1], tiny_tokenizer)
    with pytest.raises(ValueError, match="two lists: got a single text"):
        order_probabilities(pretrainer, "a", "b", tiny_tokenizer)
    assert order_probabilities(pretrainer, [], [], tiny_tokenizer).shape == (0,)
    save_checkpoint(pretrainer, tmp_path / "hf", "hf")
    with pytest.raises(FileNotFoundError, match="no vocabulary beside"):
        tokenizer_beside(tmp_path / "hf")
