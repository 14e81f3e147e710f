import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from albert_tf.models.backbone import AlbertBackbone
from albert_tf.optimizers.adamw import AdamW
from albert_tf.tasks.base import AlbertTask
from albert_tf.tasks.text_classifier import AlbertTextClassifier
from albert_tf.tasks.text_classifier_preprocessor import AlbertTextClassifierPreprocessor

TEXTS = ["the cat", "a wonderful film, full of light", "a dull story", "plot the first array"] * 2
LABELS = [0, 1, 0, 1] * 2


@pytest.fixture(scope="module")
def preprocessor(tiny_tokenizer):
    return AlbertTextClassifierPreprocessor(tiny_tokenizer, sequence_length=48)


@pytest.fixture
def classifier(tiny_config, preprocessor):
    keras.utils.set_random_seed(0)
    return AlbertTextClassifier(
        AlbertBackbone(tiny_config), 2, preprocessor, class_names=["bad", "good"]
    )


def test_raw_strings_train_and_answer(classifier):
    history = classifier.fit(TEXTS, LABELS, batch_size=4, epochs=2, verbose=0).history
    assert set(history) == {"loss", "accuracy"}
    assert classifier.predict(TEXTS[:3], verbose=0).shape == (3, 2)
    assert set(classifier.evaluate(TEXTS, LABELS, verbose=0, return_dict=True)) == {
        "loss",
        "accuracy",
    }


@pytest.fixture(scope="module")
def named(tiny_config, preprocessor):
    """Gives a classifier of `bad` and `good` whose steps are not compiled."""

    def make(class_names=("bad", "good"), **arguments):
        keras.utils.set_random_seed(0)
        backbone = AlbertBackbone(dataclasses.replace(tiny_config, num_hidden_layers=1))
        model = AlbertTextClassifier(
            backbone, 2, preprocessor, class_names=class_names, **arguments
        )
        model.compile(run_eagerly=True)
        return model

    return make


def test_labels_may_be_names_of_classes(named, monkeypatch):
    names, model = ["bad", "good"] * 4, named()
    for given in (names, np.array(names), np.array(names, object), tf.constant(names)):
        assert model.preprocess_samples(TEXTS, given)[1].tolist() == LABELS
    model.preprocessor, seen = None, []
    rows = tf.data.Dataset.from_tensors((TEXTS, names)).map(model.preprocess_samples)
    assert next(iter(rows))[1].numpy().tolist() == LABELS
    monkeypatch.setattr(AlbertTask, "fit", lambda self, *given, **more: seen.extend([given, more]))
    model.fit(TEXTS, names, validation_data=(TEXTS, names))
    assert seen[0][1].tolist() == seen[1]["validation_data"][1].tolist() == LABELS


def test_several_labels_a_row_may_be_lists_of_names(named):
    model = named(multi_label=True)
    rows = [["good"], [], ["bad", "good"], ["bad"]]
    found = model.preprocess_samples(TEXTS[:4], rows)[1]
    assert found.tolist() == [[0, 1], [0, 0], [1, 1], [1, 0]]
    assert model.preprocess_samples(TEXTS[:2], [[], []])[1].tolist() == [[0, 0], [0, 0]]
    model.preprocessor, ragged = None, tf.ragged.constant(rows)
    for given in (ragged, ragged.to_tensor("")):
        assert model.preprocess_samples(TEXTS[:4], given)[1].tolist() == found.tolist()
        dataset = tf.data.Dataset.from_tensors((TEXTS[:4], given)).map(model.preprocess_samples)
        assert next(iter(dataset))[1].numpy().tolist() == found.tolist()
    one_each = tf.data.Dataset.from_tensors((TEXTS[:2], ["good", "bad"]))
    found = next(iter(one_each.map(model.preprocess_samples)))[1]
    assert found.numpy().tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    "multi_label, labels, message",
    [
        (True, [0, 1], r"rows of 0 and 1, \(rows, 2\), or lists of names: got the shape \(2,\)"),
        (True, [[0], [1, 0]], r"same shape in all rows.*got the shapes \[\(1,\), \(2,\)\]"),
        (False, [None, 0], r"must be numbers, or names of classes: got \[None\]"),
        (False, [[0, 1], [1, 0]], r"one an answer: got rows of the shape \(2, 2\)"),
        (False, [0, 2], "numbers of the 2 classes, counted from 0: got 2 for row 1"),
    ],
)
def test_labels_of_another_shape_are_refused(named, multi_label, labels, message):
    with pytest.raises(ValueError, match=message):
        named(multi_label=multi_label).fit(TEXTS[:2], labels, verbose=0)


def test_a_label_that_is_no_name_is_told_with_what_to_do(named):
    with pytest.raises(ValueError, match=r"\(bad, good\).*got 'fair' for row 1, counted from 0"):
        named().fit(TEXTS[:2], ["good", "fair"])
    with pytest.raises(ValueError, match="this one has none. Give them to the constructor"):
        named(class_names=None).fit(TEXTS[:2], ["good", "bad"])
    model = named()
    model.preprocessor = None
    rows = tf.data.Dataset.from_tensors((TEXTS[:2], ["good", "fair"]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="names of classes: bad, good"):
        list(rows.map(model.preprocess_samples))


@pytest.mark.slow
def test_a_tiny_model_learns_eight_examples(classifier):
    classifier.compile(optimizer=keras.optimizers.Adam(0.01))
    classifier.fit(TEXTS * 10, LABELS * 10, batch_size=8, epochs=3, verbose=0)
    assert (classifier.predict(TEXTS, verbose=0).argmax(-1) == LABELS).all()


@pytest.mark.slow
def test_pairs_differ_from_their_texts_alone(classifier):
    pairs = (TEXTS, TEXTS[::-1])
    classifier.fit(pairs, LABELS, epochs=1, verbose=0)
    both = classifier.predict(pairs, verbose=0)
    assert both.shape == (8, 2)
    assert np.abs(both - classifier.predict(TEXTS, verbose=0)).max() > 1e-6
    named = {"text": pairs[0], "text_pair": pairs[1]}
    np.testing.assert_array_equal(classifier.predict(named, verbose=0), both)


def test_text_is_answered_as_its_ids(classifier):
    ids = classifier.preprocessor(TEXTS)
    expected = classifier.predict(TEXTS, verbose=0)
    classifier.preprocessor = None
    np.testing.assert_array_equal(classifier.predict(ids, verbose=0), expected)


def test_texts_are_answered_in_their_order_whatever_their_lengths(classifier):
    classifier.compile(run_eagerly=True)
    texts = [*TEXTS, "", "the cat sat on the mat"]
    expected = np.array(classifier(classifier.preprocessor(texts)))
    assert len(np.unique(expected[:4].round(5), axis=0)) == 4
    # Batches of other texts: sums in another order.
    np.testing.assert_allclose(classifier.predict(texts, batch_size=3), expected, atol=1e-6)


@pytest.mark.slow
def test_the_default_optimizer_warms_up_and_decays_over_the_fit(classifier):
    rates = []
    watch = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: rates.append(
            float(classifier.optimizer.learning_rate)
        )
    )
    classifier.fit(TEXTS, LABELS, batch_size=1, epochs=5, verbose=0, callbacks=[watch])
    assert isinstance(classifier.optimizer, AdamW)
    assert int(classifier.optimizer.iterations) == 40
    assert np.argmax(rates) == 4
    assert rates[0] < rates[4] and rates[-1] < rates[20] < rates[4]


def test_the_peak_of_the_default_schedule_can_be_named_and_outlives_a_fit(classifier):
    classifier.compile(learning_rate=3e-3)
    for total_steps in (10, 20):
        classifier._compile_for(total_steps)  # what `fit` does first
        schedule = classifier.optimizer._learning_rate
        assert (schedule.peak_learning_rate, schedule.total_steps) == (3e-3, total_steps)


def test_a_rate_beside_an_optimizer_is_refused(classifier):
    with pytest.raises(ValueError, match='learning_rate goes with optimizer="auto": got 0.1'):
        classifier.compile("adam", learning_rate=0.1)


@pytest.mark.parametrize("rate", [0, -1e-3, float("nan")])
def test_a_rate_that_is_not_above_0_is_refused(classifier, rate):
    with pytest.raises(ValueError, match=f"learning_rate must be above 0: got {rate}"):
        classifier.compile(learning_rate=rate)


@pytest.mark.slow
def test_a_second_fit_starts_its_schedule_anew(classifier):
    for _ in range(2):
        classifier.fit(TEXTS, LABELS, batch_size=4, epochs=1, verbose=0)
        assert int(classifier.optimizer.iterations) == 2


def test_a_stream_of_unknown_length_is_refused_with_the_remedies(classifier):
    stream = tf.data.Dataset.from_tensor_slices((TEXTS, LABELS)).filter(lambda *_: True).batch(4)
    with pytest.raises(ValueError, match="cardinality -2.*steps_per_epoch"):
        classifier.fit(stream, verbose=0)
    classifier.fit(stream, steps_per_epoch=2, verbose=0)


@pytest.mark.slow
def test_arrays_are_shuffled_and_validation_rows_held_out(classifier):
    seen = []

    class Spy(AlbertTextClassifierPreprocessor):
        def call(self, x, y=None, sample_weight=None):
            tf.py_function(lambda t: seen.append(t.numpy().tolist()), [y], [])
            return super().call(x, y, sample_weight)

    classifier.preprocessor = Spy(classifier.preprocessor.tokenizer, sequence_length=48)
    history = classifier.fit(
        TEXTS, np.arange(8) % 2, epochs=1, batch_size=8, validation_split=0.25, verbose=0
    )
    assert "val_accuracy" in history.history
    assert sorted(map(len, seen)) == [2, 6]


@pytest.mark.slow
def test_regression_has_one_output_and_a_squared_error(tiny_config, preprocessor):
    model = AlbertTextClassifier(AlbertBackbone(tiny_config), 1, preprocessor)
    history = model.fit(TEXTS, np.arange(8.0), epochs=1, verbose=0).history
    assert set(history) == {"loss", "mse"}
    expected = np.mean((model.predict(TEXTS, verbose=0)[:, 0] - np.arange(8.0)) ** 2)
    # float32 means against float64.
    np.testing.assert_allclose(
        model.evaluate(TEXTS, np.arange(8.0), verbose=0)[0], expected, rtol=1e-5
    )


@pytest.mark.slow
def test_labels_that_do_not_exclude_each_other_have_a_loss_each(tiny_config, preprocessor):
    model = AlbertTextClassifier(AlbertBackbone(tiny_config), 3, preprocessor, multi_label=True)
    labels = np.eye(3)[np.arange(8) % 3]
    model.fit(TEXTS, labels, epochs=1, verbose=0)
    odds = 1 / (1 + np.exp(-model.predict(TEXTS, verbose=0).astype("float64")))
    expected = -np.mean(labels * np.log(odds) + (1 - labels) * np.log(1 - odds))
    # float32 logarithms against float64.
    np.testing.assert_allclose(model.evaluate(TEXTS, labels, verbose=0)[0], expected, rtol=1e-4)


def test_a_preset_gives_model_vocabulary_and_names_back(classifier, tmp_path):
    # After a training there is an optimizer too, whose state is no part of a preset.
    classifier.optimizer.build(classifier.trainable_variables)
    classifier.save_to_preset(tmp_path / "preset")
    again = AlbertTextClassifier.from_preset(tmp_path / "preset")
    assert again.class_names == ["bad", "good"]
    np.testing.assert_array_equal(
        again.predict(TEXTS, verbose=0), classifier.predict(TEXTS, verbose=0)
    )
    new_head = AlbertTextClassifier.from_preset(
        tmp_path / "preset", num_classes=5, class_names=None
    )
    assert new_head(new_head.preprocessor(TEXTS[:1])).shape == (1, 5)
    for ours, theirs in zip(new_head.backbone.weights, classifier.backbone.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_preset_of_a_pretraining_is_read_as_far_as_it_has_positions(
    tiny_config, tiny_tokenizer, tmp_path
):
    from albert_tf.models.pretrainer import AlbertPretrainer

    AlbertPretrainer(AlbertBackbone(tiny_config)).save_to_preset(tmp_path / "preset")
    tiny_tokenizer.save_to_preset(tmp_path / "preset")
    model = AlbertTextClassifier.from_preset(tmp_path / "preset", num_classes=2)
    assert model.preprocessor.sequence_length == tiny_config.max_position_embeddings


def test_a_preset_of_a_mixed_precision_model_loads_in_float32(tiny_config, preprocessor, tmp_path):
    backbone = AlbertBackbone(tiny_config, dtype="mixed_bfloat16")
    AlbertTextClassifier(backbone, 2, preprocessor).save_to_preset(tmp_path / "preset")
    again = AlbertTextClassifier.from_preset(tmp_path / "preset")
    assert again.backbone.compute_dtype == "float32"
    assert again.predict(TEXTS[:1], verbose=0).shape == (1, 2)


def test_an_existing_preset_is_not_overwritten(classifier, tmp_path):
    (tmp_path / "preset").mkdir()
    (tmp_path / "preset/note").write_text("mine")
    with pytest.raises(FileExistsError, match="preset"):
        classifier.save_to_preset(tmp_path / "preset")
    assert [p.name for p in (tmp_path / "preset").iterdir()] == ["note"]


@pytest.mark.slow
def test_a_keras_file_gives_the_compiled_model_back(classifier, tmp_path):
    classifier.preprocessor = None
    ids = {name: np.ones((4, 6), "int32") for name in classifier.input}
    classifier.fit(ids, np.array([0, 1, 0, 1]), verbose=0)
    classifier.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict(ids, verbose=0), classifier.predict(ids, verbose=0))
    assert int(again.optimizer.iterations) == 1


def test_odd_texts_are_answered(classifier):
    texts = ["", "   ", "\x00", "word " * 500, b"\xff\xfe broken", "日本"]
    answers = classifier.predict(tf.constant(texts), verbose=0)
    assert answers.shape == (6, 2) and np.isfinite(answers).all()
    # All three are [CLS] [SEP] after the clean-up, batched with long rows or not.
    np.testing.assert_allclose(answers[0], classifier.predict([""], verbose=0)[0], atol=1e-6)


def test_what_does_not_fit_the_model_is_refused(tiny_config, tiny_tokenizer, preprocessor):
    import dataclasses

    backbone = AlbertBackbone(tiny_config)
    too_long = AlbertTextClassifierPreprocessor(tiny_tokenizer, sequence_length=64)
    with pytest.raises(ValueError, match="at most the 48 positions.*got 64"):
        AlbertTextClassifier(backbone, 2, too_long)
    other = AlbertBackbone(dataclasses.replace(tiny_config, vocab_size=100))
    with pytest.raises(ValueError, match="got 88 pieces for vocab_size 100"):
        AlbertTextClassifier(other, 2, preprocessor)
    with pytest.raises(ValueError, match="one name for each of the 3 classes: got 2"):
        AlbertTextClassifier(backbone, 3, preprocessor, class_names=["a", "b"])
    with pytest.raises(ValueError, match="include_pooler=False"):
        AlbertTextClassifier(AlbertBackbone(tiny_config, include_pooler=False), 2)


def test_a_single_string_is_refused_with_the_remedy(classifier):
    with pytest.raises(ValueError, match="Put it in a list"):
        classifier.predict("the cat", verbose=0)


def test_a_configuration_has_no_weights(tiny_config):
    with pytest.raises(ValueError, match="'base' names a configuration, which has no weights"):
        AlbertTextClassifier.from_preset("base", num_classes=2)
