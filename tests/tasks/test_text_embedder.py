import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from albert_tf.layers.pooling import TextPooling
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.tasks.loading import load_checkpoint
from albert_tf.tasks.saving import save_checkpoint
from albert_tf.tasks.text_embedder import AlbertTextEmbedder
from albert_tf.tasks.text_embedder_losses import CosineError, InBatchNegatives, in_batch_accuracy
from albert_tf.tasks.text_embedder_preprocessor import AlbertTextEmbedderPreprocessor

FIRSTS = ["the cat sat", "a dull story", "plot the array", "read every line"]
SECONDS = ["the dogs sat on the mat", "a wonderful film", "sorted list", "open the file"]


@pytest.fixture(scope="module")
def preprocessor(tiny_tokenizer):
    return AlbertTextEmbedderPreprocessor(tiny_tokenizer, sequence_length=24)


@pytest.fixture(scope="module")
def embedder(backbone, preprocessor):
    return AlbertTextEmbedder(backbone, preprocessor)


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [("cls", [[1.0, -2.0], [0.0, 0.0]]), ("mean", [[2.0, -3.0], [0.0, 1.0]])]
    + [("max", [[3.0, -2.0], [0.0, 2.0]])],
)
def test_padding_is_never_pooled(pooling, expected):
    hidden = np.array([[[1, -2], [3, -4], [9, 9]], [[0, 0], [0, 2], [9, 9]]], "float32")
    mask = np.array([[1, 1, 0], [1, 1, 0]])
    found = TextPooling(pooling, normalize=False)(hidden, mask)
    np.testing.assert_array_equal(found, expected)


def test_texts_become_vectors_of_length_one_in_their_own_order(embedder):
    texts = ["word " * 30, "", "the cat sat", "a wonderful film, full of light"]
    vectors = embedder.predict(texts, batch_size=2)
    assert vectors.shape == (4, 24) and vectors.dtype == np.float32
    # float32 sums.
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    for text, vector in zip(texts, vectors, strict=True):
        np.testing.assert_allclose(embedder.predict([text])[0], vector, atol=1e-6)
    assert embedder.predict([]).shape == (0, 24)


def test_a_pair_is_two_texts(embedder, preprocessor):
    rows = preprocessor((FIRSTS, SECONDS))
    assert rows["token_ids"].shape[:2] == (4, 2)
    pairs = embedder(rows)
    for column, texts in enumerate((FIRSTS, SECONDS)):
        # Rows of another width are summed in another order.
        np.testing.assert_allclose(pairs[:, column], embedder.predict(texts), atol=1e-6)
    cosines = embedder.similarity(FIRSTS, SECONDS)
    np.testing.assert_allclose(cosines, np.sum(pairs[:, 0] * pairs[:, 1], axis=1), atol=1e-6)


def test_training_drops_so_that_a_text_is_no_copy_of_itself(tiny_config, preprocessor):
    config = dataclasses.replace(tiny_config, num_hidden_layers=1, hidden_dropout_prob=0.5)
    model = AlbertTextEmbedder(AlbertBackbone(config), preprocessor)
    pairs = model(preprocessor((FIRSTS, FIRSTS)), training=True)
    assert np.abs(pairs[:, 0] - pairs[:, 1]).max() > 1e-2
    still = model(preprocessor((FIRSTS, FIRSTS)))
    np.testing.assert_allclose(still[:, 0], still[:, 1], atol=1e-6)


def test_the_contrastive_loss_is_that_of_finding_the_partner():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(3, 2, 5))
    unit = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    scores = np.exp(unit[:, 0] @ unit[:, 1].T / 0.5)
    right = np.diag(scores)
    expected = -np.log(right / scores.sum(1)) / 2 - np.log(right / scores.sum(0)) / 2
    loss = InBatchNegatives(0.5, reduction=None)
    found = loss(np.zeros(3), vectors.astype("float32"))
    # float32 exponentials against float64.
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    nearest = scores.argmax(1) == np.arange(3)
    np.testing.assert_array_equal(in_batch_accuracy(None, vectors.astype("float32")), nearest)


def test_a_pair_of_weight_zero_is_no_right_answer():
    vectors = np.random.default_rng(0).normal(size=(3, 2, 5)).astype("float32")
    each = InBatchNegatives(reduction=None)(np.zeros(3), vectors)
    weighted = InBatchNegatives(reduction="sum")(np.zeros(3), vectors, np.array([1.0, 0.0, 1.0]))
    np.testing.assert_allclose(weighted, each[0] + each[2], rtol=1e-6)


@pytest.mark.slow
def test_partners_find_each_other_after_training(tiny_config, preprocessor):
    keras.utils.set_random_seed(0)
    config = dataclasses.replace(tiny_config, num_hidden_layers=1, initializer_range=0.3)
    model = AlbertTextEmbedder(AlbertBackbone(config), preprocessor)
    model.compile(optimizer=keras.optimizers.Adam(0.01))
    pairs = (FIRSTS * 10, SECONDS * 10)
    history = model.fit(pairs, batch_size=4, epochs=3, shuffle=False, verbose=0).history
    assert set(history) == {"loss", "in_batch_accuracy"}
    measured = model.evaluate((FIRSTS, SECONDS), verbose=0, return_dict=True)
    assert measured["in_batch_accuracy"] == 1.0


@pytest.mark.slow
def test_known_likenesses_are_learned(tiny_config, preprocessor):
    model = AlbertTextEmbedder(AlbertBackbone(tiny_config), preprocessor)
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss=CosineError())
    wanted = np.array([0.9, -0.5, 0.2, 0.6], "float32")
    pairs = {"text": FIRSTS * 32, "text_pair": SECONDS * 32}
    assert set(model.fit(pairs, np.tile(wanted, 32), epochs=6, verbose=0).history) == {"loss"}
    found = model.similarity(FIRSTS, SECONDS)
    np.testing.assert_array_equal(np.argsort(found), np.argsort(wanted))


def test_a_preset_gives_vectors_back(embedder, backbone, preprocessor, tmp_path):
    model = AlbertTextEmbedder(backbone, preprocessor, "max", normalize=False, temperature=0.2)
    model.save_to_preset(tmp_path / "preset")
    again = load_checkpoint(tmp_path / "preset")
    assert isinstance(again, AlbertTextEmbedder)
    assert (again.pooling, again.normalize, again.temperature) == ("max", False, 0.2)
    assert again.preprocessor.sequence_length == 24
    np.testing.assert_array_equal(again.predict(FIRSTS), model.predict(FIRSTS))


@pytest.mark.slow
@pytest.mark.parametrize("format", ["hf", "tf1"])
def test_a_published_checkpoint_holds_the_backbone_of_an_embedder(embedder, tmp_path, format):
    save_checkpoint(embedder, tmp_path / format, format)
    again = load_checkpoint(tmp_path / format, "text_embedder")
    assert again.preprocessor is not None
    # Rows of another width are summed in another order.
    np.testing.assert_allclose(again.predict(FIRSTS), embedder.predict(FIRSTS), atol=1e-6)


@pytest.mark.slow
def test_the_preset_of_another_task_gives_its_backbone(backbone, tiny_tokenizer, tmp_path):
    from albert_tf.tasks.text_classifier import AlbertTextClassifier
    from albert_tf.tasks.text_classifier_preprocessor import AlbertTextClassifierPreprocessor

    preprocessor = AlbertTextClassifierPreprocessor(tiny_tokenizer, 24)
    AlbertTextClassifier(backbone, 2, preprocessor).save_to_preset(tmp_path / "preset")
    model = AlbertTextEmbedder.from_preset(tmp_path / "preset", pooling="cls")
    again = AlbertTextEmbedder(backbone, model.preprocessor, "cls")
    np.testing.assert_array_equal(model.predict(FIRSTS), again.predict(FIRSTS))


def test_what_cannot_be_meant_is_refused(embedder, backbone, preprocessor):
    with pytest.raises(ValueError, match="pooling must be one of cls, mean, max: got 'sum'"):
        AlbertTextEmbedder(backbone, pooling="sum")
    with pytest.raises(ValueError, match="temperature must be above 0: got 0"):
        InBatchNegatives(0)
    with pytest.raises(ValueError, match="single text.*Put it in a list"):
        embedder.predict("the cat")
    with pytest.raises(ValueError, match="one list of texts"):
        embedder.predict((FIRSTS, SECONDS))
    with pytest.raises(ValueError, match="4 and 1"):
        embedder.similarity(FIRSTS, ["a"])
    with pytest.raises(ValueError, match="learns from pairs of texts"):
        InBatchNegatives()(np.zeros(2), np.zeros((2, 5), "float32"))
    with pytest.raises(ValueError, match="got context"):
        preprocessor({"context": FIRSTS})
    with pytest.raises(ValueError, match="must be a pair: got 3"):
        preprocessor((FIRSTS, FIRSTS, FIRSTS))
    with pytest.raises(ValueError, match="leave room beside"):
        AlbertTextEmbedderPreprocessor(preprocessor.tokenizer, 2)


@pytest.mark.slow
def test_datasets_of_pairs_are_taken(embedder):
    pairs = tf.data.Dataset.from_tensor_slices(((FIRSTS, SECONDS),)).batch(2)
    embedder.compile(optimizer="sgd")
    embedder.fit(pairs, epochs=1, verbose=0)
    texts = tf.data.Dataset.from_tensor_slices(FIRSTS).batch(3)
    np.testing.assert_allclose(embedder.predict(texts), embedder.predict(FIRSTS), atol=1e-6)
