import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.pretrainer import AlbertPretrainer
from albert_tf.tasks.loading import load_checkpoint
from albert_tf.tasks.masked_lm import AlbertMaskedLM
from albert_tf.tasks.masked_lm_preprocessor import AlbertMaskedLMPreprocessor
from albert_tf.tasks.saving import save_checkpoint
from albert_tf.text.filling import put_pieces
from albert_tf.text.unigram import form

TEXTS = ["the cat sat on the mat", "a dull story that never finds its end", "plot the array"]


@pytest.fixture(scope="module")
def preprocessor(tiny_tokenizer):
    return AlbertMaskedLMPreprocessor(tiny_tokenizer, sequence_length=48, max_predictions=4)


@pytest.fixture(scope="module")
def model(backbone, preprocessor):
    return AlbertMaskedLM(backbone, preprocessor)


def spelled(preprocessor, text):
    ids = preprocessor([text])["token_ids"].numpy()[0]
    pieces = map(preprocessor.tokenizer.id_to_token, ids)
    return "".join(pieces).replace("▁", " ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The cat [MASK] on the mat", "[CLS] the cat[MASK] on the mat[SEP]"),
        ("[MASK].", "[CLS][MASK].[SEP]"),
        ("a [MASK]s and un[MASK]", "[CLS] a[MASK]s and un[MASK][SEP]"),
        ("[MASK][MASK] \u00a0 a", "[CLS][MASK][MASK] a[SEP]"),
        ("[MASK]", "[CLS][MASK][SEP]"),
    ],
)
def test_what_stands_behind_a_mask_is_tokenized_as_behind_a_word(preprocessor, text, expected):
    assert spelled(preprocessor, text) == expected


def test_masks_are_told_apart_from_filling(preprocessor):
    found = preprocessor(["[MASK] a [MASK]", "a", "a [MASK]"])
    mask_id = preprocessor.tokenizer.mask_token_id
    assert found["mask_weights"].numpy().tolist() == [[1, 1], [0, 0], [1, 0]]
    there = tf.gather(found["token_ids"], found["mask_positions"], batch_dims=1).numpy()
    assert ((there == mask_id) == (found["mask_weights"].numpy() == 1)).all()
    assert preprocessor(["a"])["mask_positions"].shape == (1, 1)


def test_of_a_long_text_the_part_around_the_masks_is_read(tiny_tokenizer):
    short = AlbertMaskedLMPreprocessor(tiny_tokenizer, sequence_length=8)
    found = short(["a " * 20 + "[MASK]" + " a" * 20, "[MASK] [MASK]" + " a" * 20])
    assert found["token_ids"].shape == (2, 8)
    assert found["mask_positions"].numpy()[0, 0] == 4
    assert found["mask_positions"].numpy()[1].tolist() == [1, 2]
    with pytest.raises(tf.errors.InvalidArgumentError, match="must lie within 6 pieces"):
        short(["[MASK]" + " a" * 9 + "[MASK]"])


def test_masks_are_set_by_the_key_alone(preprocessor):
    one, two, other = (preprocessor.mask(tf.constant(TEXTS), key) for key in (1, 1, 2))
    for first, second in zip(*map(tf.nest.flatten, (one, two)), strict=True):
        np.testing.assert_array_equal(first, second)
    x, y, weights = one
    assert (x["mask_positions"].numpy() != other[0]["mask_positions"].numpy()).any()
    clean = preprocessor(TEXTS)["token_ids"].numpy()
    there = np.take_along_axis(clean, x["mask_positions"].numpy(), axis=1)
    assert (there == y.numpy())[weights.numpy() == 1].all()
    # 15 % of the tokens, special ones counted, at most 4.
    lengths = (clean != 0).sum(axis=1)
    assert (weights.numpy().sum(axis=1) <= np.clip(np.round(lengths * 0.15), 1, 4)).all()
    assert weights.numpy().sum() >= 3


def test_pieces_go_into_the_text_as_it_was_given():
    assert put_pieces("The  [MASK] IS [MASK].", ["▁cat", "▁big"], form) == "The  cat IS big."
    assert put_pieces("un[MASK] [MASK]", ["▁do", "ing"], form) == "un doing"
    assert put_pieces('"[MASK]" ([MASK])', ["▁a", None], form) == '"a" ([MASK])'


def test_words_for_masks_come_with_their_chances(model, preprocessor):
    texts = ["Open the [MASK]", "The [MASK] sat on the [MASK] of it and the list."]
    (one, two), logits = model.fill(texts, top_k=3), model.predict(texts)
    assert [rows.shape for rows in logits] == [(1, 88), (2, 88)]
    for number, mask in enumerate(two["masks"]):
        assert texts[1][mask["start"] : mask["end"]] == "[MASK]"
        chances = np.exp(logits[1][number]) / np.exp(logits[1][number]).sum()
        for word in mask["words"]:
            index = preprocessor.tokenizer.token_to_id(word["piece"])
            assert word["probability"] == pytest.approx(chances[index], rel=1e-4)
            assert word["text"].count("[MASK]") == 1
        order = [word["probability"] for word in mask["words"]]
        assert order == sorted(order, reverse=True)
    assert "[MASK]" not in two["filled"]
    # Longer rows beside it change nothing.
    assert (
        one["masks"][0]["words"][0]["piece"]
        == model.fill(texts[:1])[0]["masks"][0]["words"][0]["piece"]
    )


def test_special_pieces_are_no_answers(model):
    (found,) = model.fill(["[MASK]"], top_k=1000)
    pieces = {word["piece"] for word in found["masks"][0]["words"]}
    assert len(pieces) == 88 - 6
    assert not pieces & {"[CLS]", "[SEP]", "[MASK]", "<pad>", "<unk>", "▁"}


def test_the_likelihood_of_a_text_masks_each_token_once(model, preprocessor):
    texts = ["the cat sat", "", "a dull story of the list"]
    scores = model.score(texts, batch_size=5)
    tokenizer = preprocessor.tokenizer
    for text, score in zip(texts, scores, strict=True):
        ids = [2, *tokenizer(text).numpy().tolist(), 3]
        expected = []
        for place in range(1, len(ids) - 1):
            masked = np.array([ids[:place] + [tokenizer.mask_token_id] + ids[place + 1 :]])
            inputs = {
                "token_ids": masked,
                "segment_ids": 0 * masked,
                "padding_mask": 0 * masked + 1,
            }
            logits = np.array(model(inputs | {"mask_positions": np.array([[place]])}))[0, 0]
            expected.append(logits[ids[place]] - np.log(np.exp(logits).sum()))
        # Sums in float32, in batches of other shapes.
        found = [token["log_likelihood"] for token in score["tokens"]]
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert score["log_likelihood"] == pytest.approx(sum(expected), abs=1e-4)
        assert score["num_tokens"] == len(ids) - 2
    assert (scores[1]["log_likelihood"], scores[1]["perplexity"]) == (0.0, None)
    assert scores[0]["perplexity"] == pytest.approx(
        np.exp(-scores[0]["log_likelihood"] / scores[0]["num_tokens"])
    )


def test_long_texts_are_scored_through_windows(backbone, tiny_tokenizer):
    short = AlbertMaskedLMPreprocessor(tiny_tokenizer, sequence_length=10)
    (score,) = AlbertMaskedLM(backbone, short).score(["the cat sat on the mat " * 3])
    assert score["num_tokens"] == len(tiny_tokenizer("the cat sat on the mat " * 3))
    assert all(token["log_likelihood"] < 0 for token in score["tokens"])


@pytest.mark.slow
def test_texts_alone_are_trained_on(backbone, preprocessor):
    model = AlbertMaskedLM(backbone, preprocessor)
    seen = []
    watch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs))
    # For three steps tracing a graph does not pay.
    model.compile(optimizer=keras.optimizers.SGD(0.0), run_eagerly=True)
    # Three texts are two batches, the second one filled up with rows that do not count.
    model.fit(TEXTS, batch_size=2, epochs=2, verbose=0, callbacks=[watch])
    assert int(model.optimizer.iterations) == 4
    # Nothing is learned: other masks make the difference.
    assert len({float(logs["loss"]) for logs in seen}) == 4


@pytest.mark.slow
def test_a_tiny_model_learns_from_texts_alone(tiny_config, tiny_tokenizer):
    keras.utils.set_random_seed(0)
    config = dataclasses.replace(tiny_config, num_hidden_layers=1, initializer_range=0.3)
    # Single pieces, as the scores have them.
    law = {"max_ngram": 1, "whole_words": False, "max_predictions": 4}
    preprocessor = AlbertMaskedLMPreprocessor(tiny_tokenizer, sequence_length=24, **law)
    model = AlbertMaskedLM(AlbertBackbone(config), preprocessor)
    before = sum(score["log_likelihood"] for score in model.score(TEXTS))
    model.compile(optimizer=keras.optimizers.Adam(0.01))
    history = model.fit(TEXTS * 640, batch_size=24, epochs=3, verbose=0).history
    assert history["masked_lm_accuracy"][-1] > 0.7
    # From -195 to -5 where it was tried.
    assert sum(score["log_likelihood"] for score in model.score(TEXTS)) > 0.1 * before
    (found,) = model.fill(["A dull st[MASK]y that never finds its end"])
    assert found["filled"] == "A dull story that never finds its end"


@pytest.mark.slow
def test_measuring_sets_the_same_masks_every_time(model):
    options = {"verbose": 0, "return_dict": True, "batch_size": 2}
    first, second = (model.evaluate(TEXTS, **options) for _ in range(2))
    assert first == second
    assert set(first) == {"loss", "masked_lm_accuracy"}


@pytest.mark.slow
def test_datasets_held_out_texts_and_arrays_are_taken(backbone, preprocessor):
    model = AlbertMaskedLM(backbone, preprocessor)
    dataset = tf.data.Dataset.from_tensor_slices(TEXTS).batch(2)
    history = model.fit(dataset, validation_data=TEXTS, verbose=0).history
    assert int(model.optimizer.iterations) == 2 and "val_masked_lm_accuracy" in history
    assert "val_loss" in model.fit(TEXTS * 2, validation_split=0.5, verbose=0).history
    x, y, weights = preprocessor.mask(tf.constant(TEXTS), 1)
    model.fit(x, y, sample_weight=weights, verbose=0)
    model.preprocessor = None
    model.fit(x, y, sample_weight=weights, verbose=0)
    assert model.predict(x, verbose=0).shape == (3, 4, 88)


def test_a_preset_gives_vocabulary_head_and_settings_back(model, tmp_path):
    model.save_to_preset(tmp_path / "preset")
    again = AlbertMaskedLM.from_preset(tmp_path / "preset")
    assert again.preprocessor.law.max_predictions == 4
    ours, theirs = (m.predict(["the [MASK] sat"])[0] for m in (again, model))
    # The same sums, in a graph for one shape and in one for several.
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_the_preset_of_a_pretrainer_brings_its_head_along(backbone, tiny_tokenizer, tmp_path):
    pretrainer = AlbertPretrainer(backbone)
    pretrainer.masked_lm_head.output_bias.assign(np.arange(88.0))
    pretrainer.save_to_preset(tmp_path / "preset")
    tiny_tokenizer.save_to_preset(tmp_path / "preset")
    model = AlbertMaskedLM.from_preset(tmp_path / "preset")
    ours, theirs = (m.masked_lm_head.weights for m in (model, pretrainer))
    for our_weight, their_weight in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(our_weight, their_weight)
    # As long as the model has positions for.
    assert model.preprocessor.sequence_length == 48
    assert model.fill(["[MASK]"])


@pytest.mark.parametrize("format", ["hf", pytest.param("tf1", marks=pytest.mark.slow)])
def test_a_published_checkpoint_brings_head_and_vocabulary(model, tmp_path, format):
    save_checkpoint(model, tmp_path / format, format)
    again = load_checkpoint(tmp_path / format, "masked_lm")
    for ours, theirs in zip(again.weights, model.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert again.preprocessor.sequence_length == 48
    assert len(again.fill(["the [MASK]"])) == 1


def test_what_cannot_be_meant_is_refused(model, backbone, tiny_tokenizer):
    with pytest.raises(ValueError, match=r"in capitals: text 1 has none: 'the \[mask\]'"):
        model.fill(["[MASK]", "the [mask]"])
    with pytest.raises(ValueError, match="a list of texts: got a single one, 'the"):
        model.fill("the [MASK]")
    with pytest.raises(ValueError, match="a list of texts: got a single one"):
        model.score("the cat")
    with pytest.raises(ValueError, match="a model with a preprocessor"):
        AlbertMaskedLM(backbone).fill(["[MASK]"])
    with pytest.raises(ValueError, match="a model with a preprocessor"):
        AlbertMaskedLM(backbone).score(["a"])
    with pytest.raises(ValueError, match=r"got shape \(1, "):
        model.predict([["[MASK]"]])
    with pytest.raises(ValueError, match="beside .CLS. and .SEP.: got 2"):
        AlbertMaskedLMPreprocessor(tiny_tokenizer, 2)
    with pytest.raises(ValueError, match="mask_fraction must be in"):
        AlbertMaskedLMPreprocessor(tiny_tokenizer, mask_fraction=0.0)
    assert model.fill([]) == model.score([]) == []
