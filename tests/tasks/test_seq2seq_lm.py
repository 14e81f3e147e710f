import dataclasses

import keras
import keras_hub
import numpy as np
import pytest

from albert_tf.models.backbone import AlbertBackbone
from albert_tf.tasks.loading import load_checkpoint
from albert_tf.tasks.seq2seq_lm import AlbertSeq2SeqLM
from albert_tf.tasks.seq2seq_lm_losses import SmoothedCrossentropy
from albert_tf.tasks.seq2seq_lm_preprocessor import AlbertSeq2SeqLMPreprocessor
from albert_tf.tasks.writing import LengthBeamSampler

SOURCES = ["the cat", "a dull story that never finds its end", "", "open the file"]
TARGETS = ["dogs", "a light", "a line", "read it"]


@pytest.fixture(scope="module")
def preprocessor(tiny_tokenizer):
    return AlbertSeq2SeqLMPreprocessor(tiny_tokenizer, 24, 10)


@pytest.fixture(scope="module")
def config(tiny_config):
    return dataclasses.replace(tiny_config, num_hidden_layers=2, initializer_range=0.3)


@pytest.fixture(scope="module")
def model(config, preprocessor):
    """An untrained model whose answers are long and of all kinds."""
    keras.utils.set_random_seed(2)
    model = AlbertSeq2SeqLM(AlbertBackbone(config), preprocessor)
    model.compile(run_eagerly=True)
    return model


def log_prob(model, source, ids):
    """The log-probability of an answer, from the uncached model."""
    inputs = {name: value.numpy() for name, value in model.preprocessor([source]).items()}
    logits = model({**inputs, "decoder_token_ids": np.array([ids[:-1]])}).numpy()[0]
    logits = logits.astype("float64")
    shares = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return shares[np.arange(len(ids) - 1), ids[1:]].sum()


def written_ids(model, source):
    """The ids of an answer, up to its end."""
    arrays = model.preprocessor.generate_preprocess([source])
    out = model.generate_step(arrays, (model.preprocessor.tokenizer.end_token_id,))
    return np.array(out["decoder_token_ids"])[0][np.array(out["decoder_padding_mask"])[0]].tolist()


def test_sources_and_targets_are_packed_for_teacher_forcing(preprocessor, tiny_tokenizer):
    x, y, weights = preprocessor(SOURCES[:2], TARGETS[:2])
    ids = [tiny_tokenizer(text).numpy().tolist() for text in TARGETS[:2]]
    longest = max(map(len, ids)) + 1
    for row, target in enumerate(ids):
        taught = ([2, *target, 3] + [0] * longest)[:longest]
        assert len(target) < 8
        assert x["decoder_token_ids"][row].numpy().tolist() == taught
        assert y[row, : len(target) + 1].numpy().tolist() == [*target, 3]
        assert weights[row].numpy().sum() == len(target) + 1
    named = {"encoder_text": SOURCES[:2], "decoder_text": TARGETS[:2]}
    np.testing.assert_array_equal(preprocessor(named)[1], y)


def test_the_loss_counts_tokens_that_are_there(model):
    x, y, weights = model.preprocessor(SOURCES, TARGETS)
    logits = np.array(model(x), "float64")
    shares = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    right = np.take_along_axis(shares, np.array(y)[..., None], -1)[..., 0]
    weights = np.array(weights)
    for smoothing in (0.0, 0.2):
        each = -(1 - smoothing) * right - smoothing * shares.mean(-1)
        loss = SmoothedCrossentropy(smoothing)(y, logits.astype("float32"), weights)
        # float32 against float64.
        np.testing.assert_allclose(loss, (each * weights).sum() / weights.sum(), rtol=1e-5)


def test_an_answer_is_what_the_uncached_model_finds_likeliest(model):
    for source in SOURCES[:2]:
        ids = written_ids(model, source)
        inputs = {name: value.numpy() for name, value in model.preprocessor([source]).items()}
        logits = model({**inputs, "decoder_token_ids": np.array([ids[:-1]])}).numpy()[0]
        assert logits.argmax(-1).tolist() == ids[1:]


@pytest.mark.parametrize("sampler", ["greedy", keras_hub.samplers.BeamSampler(2)])
def test_an_answer_does_not_depend_on_its_batch(model, sampler):
    model.set_sampler(sampler)
    together = model.generate(SOURCES, 5, batch_size=3)
    assert together[:2] == [model.generate(source, 5) for source in SOURCES[:2]]
    assert len(set(together)) > 1


@pytest.mark.slow
def test_beams_find_likelier_answers_than_greed(model):
    found = {}
    for name, sampler in (("greedy", "greedy"), ("beam", keras_hub.samplers.BeamSampler(3))):
        model.set_sampler(sampler)
        ids = written_ids(model, SOURCES[1])
        found[name] = log_prob(model, SOURCES[1], ids)
    assert found["beam"] >= found["greedy"] - 1e-4


@pytest.mark.slow
def test_a_length_penalty_of_zero_is_the_usual_beam_search(model):
    answers = []
    for sampler in (keras_hub.samplers.BeamSampler(3), LengthBeamSampler(3, 0.0)):
        model.set_sampler(sampler)
        answers.append(written_ids(model, SOURCES[3]))
    model.set_sampler(LengthBeamSampler(3, 1.0))
    longer = written_ids(model, SOURCES[3])
    assert answers[0] == answers[1]
    rate = {len(ids): log_prob(model, SOURCES[3], ids) / (len(ids) - 1) for ids in answers[1:]}
    assert log_prob(model, SOURCES[3], longer) / (len(longer) - 1) >= min(rate.values()) - 1e-5


def test_an_answer_goes_on_from_its_given_beginning(model):
    model.set_sampler("greedy")
    x = {"encoder_text": SOURCES[:2], "decoder_text": ["the cat sat", ""]}
    first, second = model.generate(x)
    assert first.startswith("the cat sat")
    assert second == model.generate(SOURCES[1])


@pytest.mark.slow
def test_answers_are_drawn_from_the_seed(model):
    draws = []
    for seed in (1, 1, 2):
        model.set_sampler(keras_hub.samplers.TopKSampler(k=8, seed=seed))
        draws.append(model.generate(SOURCES[:2]))
    assert draws[0] == draws[1] != draws[2]


def test_a_preset_gives_the_decoder_back(config, preprocessor, tmp_path):
    model = AlbertSeq2SeqLM(
        AlbertBackbone(config), preprocessor, 3, "none", share_encoder=True, label_smoothing=0.1
    )
    model.save_to_preset(tmp_path / "preset")
    again = load_checkpoint(tmp_path / "preset")
    assert isinstance(again, AlbertSeq2SeqLM)
    settings = ("num_decoder_layers", "decoder_sharing", "share_encoder", "label_smoothing")
    assert [again.get_config()[name] for name in settings] == [3, "none", True, 0.1]
    assert again.preprocessor.decoder_sequence_length == 10
    x, _, _ = preprocessor(SOURCES, TARGETS)
    np.testing.assert_array_equal(again(x), model(x))


@pytest.mark.slow
def test_a_tiny_model_learns_to_translate(tiny_config, preprocessor):
    keras.utils.set_random_seed(0)
    config = dataclasses.replace(tiny_config, num_hidden_layers=1, initializer_range=0.1)
    model = AlbertSeq2SeqLM(AlbertBackbone(config), preprocessor)
    model.compile(optimizer=keras.optimizers.Adam(0.01), sampler="beam")
    fitted = model.fit(SOURCES * 200, TARGETS * 200, batch_size=8, epochs=1, verbose=0)
    assert set(fitted.history) == {"loss", "token_accuracy"}
    assert model.predict(SOURCES).tolist() == TARGETS
    measured = model.evaluate(SOURCES, TARGETS, verbose=0, return_dict=True)
    assert measured["token_accuracy"] > 0.95


@pytest.mark.slow
def test_a_second_fit_and_a_keras_file_keep_the_sampler(config, tmp_path):
    model = AlbertSeq2SeqLM(AlbertBackbone(config))
    model.compile(sampler=LengthBeamSampler(2))
    x = {name: np.ones((4, 6), "int32") for name in model.input}
    model.fit(x, np.ones((4, 6)), sample_weight=np.ones((4, 6)), verbose=0)
    assert isinstance(model.sampler, LengthBeamSampler)
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert again.sampler.get_config() == model.sampler.get_config()
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["greedy", keras_hub.samplers.BeamSampler(2)])
def test_a_compiled_batch_is_written_as_an_eager_one(model, sampler):
    model.set_sampler(sampler)
    eager = model.generate(SOURCES, batch_size=2)
    model.run_eagerly = False
    # Batches of equal size and other width, which a graph must not be surprised by.
    compiled = [model.generate(SOURCES, batch_size=size) for size in (2, 2, 3)]
    model.run_eagerly = True
    assert compiled == [eager] * 3


def test_training_drops_and_prediction_does_not(config, preprocessor):
    config = dataclasses.replace(config, num_hidden_layers=1, hidden_dropout_prob=0.5)
    model = AlbertSeq2SeqLM(AlbertBackbone(config), preprocessor)
    x, _, _ = preprocessor(SOURCES, TARGETS)
    still, first, second = model(x), model(x, training=True), model(x, training=True)
    assert np.abs(first - second).max() > 1e-2
    np.testing.assert_array_equal(model(x), still)


def test_what_cannot_be_meant_is_refused(model, config, preprocessor, tiny_tokenizer):
    backbone = model.backbone
    with pytest.raises(ValueError, match="decoder_sequence_length must be at most the 48"):
        AlbertSeq2SeqLM(backbone, AlbertSeq2SeqLMPreprocessor(tiny_tokenizer, 24, 64))
    with pytest.raises(ValueError, match="sharing must be one of all, none: got 'some'"):
        AlbertSeq2SeqLM(backbone, decoder_sharing="some")
    with pytest.raises(ValueError, match="at least one layer: got -1"):
        AlbertSeq2SeqLM(backbone, num_decoder_layers=-1)
    with pytest.raises(ValueError, match="got ContrastiveSampler"):
        model.set_sampler("contrastive")
    with pytest.raises(ValueError, match="return_all_beams=True"):
        model.set_sampler(keras_hub.samplers.BeamSampler(return_all_beams=True))
    with pytest.raises(ValueError, match="between 2 and the 48 positions.*got 64"):
        model.generate(SOURCES, max_length=64)
    with pytest.raises(ValueError, match="got source"):
        preprocessor({"source": SOURCES})
    with pytest.raises(ValueError, match="got both"):
        preprocessor({"encoder_text": SOURCES, "decoder_text": TARGETS}, TARGETS)
    with pytest.raises(ValueError, match="label_smoothing must be in"):
        SmoothedCrossentropy(1.0)
