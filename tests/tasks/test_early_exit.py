import dataclasses

import keras
import numpy as np
import pytest

from albert_tf.models.backbone import AlbertBackbone
from albert_tf.tasks.early_exit import AlbertEarlyExitClassifier, exit_early
from albert_tf.tasks.early_exit_losses import DepthWeighted
from albert_tf.tasks.loading import load_checkpoint
from albert_tf.tasks.text_classifier import AlbertTextClassifier
from albert_tf.tasks.text_classifier_preprocessor import AlbertTextClassifierPreprocessor

# In the order of their length, in which they are read.
TEXTS = [
    "",
    "a dull story",
    "plot the array",
    "what a wonderful film",
    "the cat sat on the mat",
    "open the file and read every line of it",
]


@pytest.fixture(scope="module")
def preprocessor(tiny_tokenizer):
    return AlbertTextClassifierPreprocessor(tiny_tokenizer, 24)


@pytest.fixture(scope="module")
def config(tiny_config):
    return dataclasses.replace(tiny_config, num_hidden_layers=4, initializer_range=0.3)


@pytest.fixture(scope="module")
def model(config, preprocessor):
    """An untrained model whose depths often disagree."""
    keras.utils.set_random_seed(1)
    model = AlbertEarlyExitClassifier(AlbertBackbone(config), 3, preprocessor)
    model.compile(run_eagerly=True)
    for head in model.heads[1:]:  # alike, or depths would hardly ever agree
        head.set_weights(model.heads[1].get_weights())
    return model


def restated(logits, patience):
    """Where each row leaves, by the law as the paper states it: one row at a time."""
    answers, depths = [], []
    for row in logits:
        streak = 0
        for depth, said in enumerate(row):
            same = depth > 0 and said.argmax() == row[depth - 1].argmax()
            streak = streak + 1 if same else 0
            if streak == patience:
                break
        answers.append(row[depth])
        depths.append(depth + 1)
    return np.array(answers), depths


@pytest.mark.parametrize("patience", [1, 2])
def test_rows_leave_a_batch_as_they_would_alone(model, patience):
    every = np.array(model(model.preprocessor(TEXTS)))
    expected, depths = restated(every, patience)
    model.patience = patience
    logits, went = model.predict_with_depths(TEXTS)
    assert went.tolist() == depths
    assert len(set(depths)) > 1
    # Rows of a smaller batch are summed in another order.
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    np.testing.assert_array_equal(model.predict_with_depths(TEXTS, batch_size=1)[1], went)


def test_switched_off_it_is_the_plain_classifier(model, preprocessor):
    plain = AlbertTextClassifier(model.backbone, 3, preprocessor)
    plain.head.set_weights(model.heads[-1].get_weights())
    model.patience = None
    inputs = preprocessor(TEXTS)
    expected = plain(inputs)
    np.testing.assert_array_equal(exit_early(model, inputs)[0], expected)
    logits, depths = model.predict_with_depths(TEXTS)
    assert depths.tolist() == [4] * len(TEXTS)
    np.testing.assert_array_equal(logits, expected)
    assert model.predict([]).shape == (0, 3)


def test_pairs_are_taken_as_lists_and_by_name(model):
    model.patience = None
    pairs = (TEXTS[:2], TEXTS[2:4])
    expected = np.array(model(model.preprocessor(pairs)))[:, -1]
    np.testing.assert_allclose(model.predict(pairs), expected, atol=1e-5)  # float32
    named = {"text": pairs[0], "text_pair": pairs[1]}
    np.testing.assert_array_equal(model.predict(named), model.predict(pairs))


@pytest.mark.parametrize(("groups", "inner", "sharing"), [(2, 2, "all"), (1, 1, "ffn")])
def test_depths_may_have_weights_of_their_own(config, groups, inner, sharing, preprocessor):
    config = dataclasses.replace(
        config,
        num_hidden_layers=2,
        num_hidden_groups=groups,
        inner_group_num=inner,
        sharing=sharing,
    )
    model = AlbertEarlyExitClassifier(AlbertBackbone(config), 2, patience=2)
    rows = {name: value.numpy() for name, value in preprocessor(TEXTS[:3]).items()}
    # Two depths can agree once, and no row leaves before the last.
    logits, depths = exit_early(model, preprocessor(TEXTS[:3]))
    np.testing.assert_array_equal(logits, np.array(model(rows))[:, -1])
    assert depths.numpy().tolist() == [2] * 3


def test_numbers_agree_within_the_tolerance(tiny_config, preprocessor):
    model = AlbertEarlyExitClassifier(AlbertBackbone(tiny_config), 1, preprocessor, patience=1)
    inputs = preprocessor(TEXTS[:2])
    for tolerance, depth in ((1e9, 2), (1e-9, 3)):
        model.tolerance = tolerance
        assert exit_early(model, inputs)[1].numpy().tolist() == [depth] * 2


def test_training_drops_in_the_encoder(tiny_config, preprocessor):
    config = dataclasses.replace(
        tiny_config, num_hidden_layers=1, hidden_dropout_prob=0.5, initializer_range=0.3
    )
    model = AlbertEarlyExitClassifier(AlbertBackbone(config), 2, dropout=0.0)
    rows = preprocessor(TEXTS)
    first, second = model(rows, training=True), model(rows, training=True)
    assert np.abs(first - second).max() > 1e-2


def test_deeper_depths_weigh_more_in_the_loss():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(4, 3, 2)), np.array([0, 1, 1, 0])
    shares = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    each = -np.take_along_axis(shares, labels[:, None, None], -1)[..., 0]
    found = DepthWeighted()(labels, logits.astype("float32"))
    # float32 against float64.
    np.testing.assert_allclose(found, (each @ [1, 2, 3] / 6).mean(), rtol=1e-5)
    numbers = DepthWeighted(is_regression=True)(labels, logits[..., :1].astype("float32"))
    squares = (logits[..., 0] - labels[:, None]) ** 2
    np.testing.assert_allclose(numbers, (squares @ [1, 2, 3] / 6).mean(), rtol=1e-5)


def test_a_preset_keeps_all_heads(model, tmp_path):
    model.patience = 2
    model.save_to_preset(tmp_path / "preset")
    again = load_checkpoint(tmp_path / "preset")
    assert isinstance(again, AlbertEarlyExitClassifier) and again.patience == 2
    rows = model.preprocessor(TEXTS)
    np.testing.assert_array_equal(again(rows), model(rows))


@pytest.mark.slow
def test_a_compiled_pass_is_the_eager_one(model):
    model.patience = 1
    eager = model.predict_with_depths(TEXTS)
    model.run_eagerly = False
    compiled = model.predict_with_depths(TEXTS)
    model.run_eagerly = True
    # A compiled graph joins other ops.
    np.testing.assert_allclose(compiled[0], eager[0], atol=1e-5)
    np.testing.assert_array_equal(compiled[1], eager[1])


@pytest.mark.slow
def test_every_depth_learns(tiny_config, preprocessor):
    keras.utils.set_random_seed(0)
    config = dataclasses.replace(tiny_config, initializer_range=0.1)
    model = AlbertEarlyExitClassifier(AlbertBackbone(config), 2, preprocessor, patience=1)
    model.compile(optimizer=keras.optimizers.Adam(0.003))
    labels = [0, 1, 1, 0, 1, 0]
    history = model.fit(TEXTS * 60, labels * 60, batch_size=12, epochs=2, verbose=0).history
    assert set(history) == {"loss", "accuracy"}
    every = np.array(model(preprocessor(TEXTS)))
    assert (every.argmax(-1) == np.array(labels)[:, None]).all()
    logits, depths = model.predict_with_depths(TEXTS)
    assert logits.argmax(-1).tolist() == labels and depths.tolist() == [2] * 6
    assert model.evaluate(TEXTS, labels, verbose=0, return_dict=True)["accuracy"] == 1.0


def test_what_cannot_be_meant_is_refused(model, config):
    model.patience = 0
    with pytest.raises(ValueError, match="patience must be a whole number of at least 1.*got 0"):
        model.predict(TEXTS)
    model.patience = None
    with pytest.raises(ValueError, match="include_pooler=False"):
        AlbertEarlyExitClassifier(AlbertBackbone(config, include_pooler=False), 2)
