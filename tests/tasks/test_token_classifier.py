import keras
import numpy as np
import pytest
import tensorflow as tf

from albert_tf.tasks.loading import load_checkpoint
from albert_tf.tasks.saving import save_checkpoint
from albert_tf.tasks.token_classifier import AlbertTokenClassifier
from albert_tf.tasks.token_classifier_preprocessor import AlbertTokenClassifierPreprocessor

NAMES = ["O", "B-animal", "I-animal", "B-thing", "I-thing"]
WORDS = [
    ["The", "cat", "sat"],
    ["A", "sorted", "list", "of", "dogs"],
    ["the", "cat", "and", "the", "mat"],
    ["dogs", "on", "the", "mat"],
]
TAGS = [
    ["O", "B-animal", "O"],
    ["O", "B-thing", "I-thing", "O", "B-animal"],
    ["O", "B-animal", "O", "O", "B-thing"],
    ["B-animal", "O", "O", "B-thing"],
]


@pytest.fixture(scope="module")
def preprocessor(tiny_tokenizer):
    return AlbertTokenClassifierPreprocessor(tiny_tokenizer, sequence_length=48)


@pytest.fixture(scope="module")
def short(tiny_tokenizer):
    """A preprocessor whose windows are shorter than most texts."""
    return AlbertTokenClassifierPreprocessor(tiny_tokenizer, sequence_length=12)


@pytest.fixture(scope="module")
def trained(backbone, short):
    """A model that has learned four texts, in windows of ten pieces."""
    model = AlbertTokenClassifier(backbone, 5, short, class_names=NAMES, dropout=0.0)
    model.compile(optimizer=keras.optimizers.Adam(0.01))
    model.fit({"words": WORDS * 16}, TAGS * 16, epochs=3, batch_size=8, verbose=0)
    return model


def word_rows(preprocessor, x):
    """For each window the words that count in it, as (piece, number of the word)."""
    found = preprocessor(x)
    piece = preprocessor.tokenizer.id_to_token
    return [
        [(piece(i), int(w)) for i, w in zip(ids, words, strict=True) if w >= 0]
        for ids, words in zip(found["token_ids"].numpy(), found["word_ids"].numpy(), strict=True)
    ]


def test_the_first_piece_speaks_for_its_word(preprocessor):
    (row,) = word_rows(preprocessor, ["Café (dogs)"])
    assert [word for _, word in row] == [0, 1, 2, 3]
    assert [piece for piece, _ in row[1:]] == ["(", "d", ")"]


def test_words_of_which_nothing_is_left_have_no_piece(preprocessor):
    (row,) = word_rows(preprocessor, {"words": [["a", "´", "\u0301", "cat"]]})
    assert [word for _, word in row] == [0, 3]


def test_a_word_is_answered_in_one_window_only(short):
    words = [["the", "cat", "sat"] * 9, ["a"], []]
    found = short({"words": tf.ragged.constant(words)})
    assert found["row_ids"].numpy().tolist() == [0] * (len(found["row_ids"]) - 2) + [1, 2]
    assert len(found["row_ids"]) > 5
    in_first = found["word_ids"].numpy()[:-2]
    assert sorted(in_first[in_first >= 0]) == list(range(27))


def test_labels_and_weights_stand_on_first_pieces(preprocessor):
    x = {"words": tf.ragged.constant([["dogs", "´"], ["a"]])}
    labels, weights = tf.ragged.constant([[4, 3], [2]]), tf.ragged.constant([[0.5, 1.0], [2.0]])
    x, y, w = preprocessor(x, labels, weights)
    assert y.numpy()[x["word_ids"] >= 0].tolist() == [4, 2]
    assert w.numpy()[x["word_ids"] >= 0].tolist() == [0.5, 2.0]
    assert w.numpy().sum() == 2.5
    _, _, w = preprocessor({"words": [["dogs", "a"], ["a"]]}, labels, [3.0, 0.0])
    assert w.numpy().sum() == 6.0


def test_a_tiny_model_learns_the_words_and_padding_does_not_count(trained):
    one_wrong = [["B-thing", *TAGS[0][1:]], *TAGS[1:]]
    scores = trained.evaluate({"words": WORDS}, one_wrong, verbose=0, return_dict=True)
    assert scores["accuracy"] == pytest.approx(16 / 17)


def test_answers_are_entities_with_their_places_in_the_text(trained):
    text = "  A SORTED\tlist of dogs"
    (found,) = trained.entities([text])
    assert [(e["text"], e["label"]) for e in found] == [
        ("SORTED\tlist", "thing"),
        ("dogs", "animal"),
    ]
    assert all(text[e["start"] : e["end"]] == e["text"] for e in found)
    assert all(0.5 < e["score"] <= 1 for e in found)


def test_every_text_and_word_is_answered_in_order(trained):
    texts = ["dogs on the mat " * 20, "", "The cat", b"\xff cat", "\u0301"]
    logits = trained.predict(tf.constant(texts), batch_size=2, verbose=0)
    assert [len(rows) for rows in logits] == [80, 0, 2, 2, 1]
    assert np.isfinite(np.concatenate(logits[:3])).all()
    assert np.isnan(logits[4]).all()
    # The same windows, in other batches.
    alone = trained.predict(texts[:1])[0]
    np.testing.assert_allclose(logits[0], alone, atol=1e-5)
    assert [len(found) for found in trained.entities(texts)][1:] == [0, 1, 1, 0]


@pytest.mark.slow
def test_datasets_and_held_out_rows_are_taken(backbone, preprocessor):
    model = AlbertTokenClassifier(backbone, 5, preprocessor, class_names=NAMES)
    labels = [[NAMES.index(tag) for tag in row] for row in TAGS]
    rows = ({"words": tf.ragged.constant(WORDS)}, tf.ragged.constant(labels))
    dataset = tf.data.Dataset.from_tensor_slices(rows).batch(2)
    model.fit(dataset, validation_data=({"words": WORDS}, TAGS), verbose=0)
    assert int(model.optimizer.iterations) == 2
    history = model.fit({"words": WORDS}, TAGS, validation_split=0.5, verbose=0).history
    assert "val_accuracy" in history


@pytest.mark.slow
def test_arrays_are_taken_without_a_preprocessor(trained, short):
    x, y, weights = short(
        trained.preprocessor.divide({"words": WORDS}), [[0] * len(w) for w in WORDS]
    )
    model = AlbertTokenClassifier(trained.backbone, 5)
    arrays = {name: x[name] for name in model.input}
    model.fit(arrays, y, sample_weight=weights, verbose=0)
    assert model.predict(arrays, verbose=0).shape == (*y.shape, 5)


def test_a_preset_gives_vocabulary_windows_and_names_back(trained, tmp_path):
    trained.save_to_preset(tmp_path / "preset")
    again = AlbertTokenClassifier.from_preset(tmp_path / "preset")
    assert (again.class_names, again.preprocessor.sequence_length) == (NAMES, 12)
    text = ["the Cat sat on the mat and a sorted list"]
    assert again.entities(text) == trained.entities(text)


def test_a_published_checkpoint_brings_head_names_and_vocabulary(trained, tmp_path):
    save_checkpoint(trained, tmp_path / "hf", "hf")
    again = load_checkpoint(tmp_path / "hf")
    assert isinstance(again, AlbertTokenClassifier)
    assert again.class_names == NAMES
    for ours, theirs in zip(again.weights, trained.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert again.entities(["The cat sat"]) == trained.entities(["The cat sat"])


def test_other_labels_than_entities_are_answered_word_by_word(backbone, preprocessor):
    model = AlbertTokenClassifier(backbone, 2, preprocessor, class_names=["NN", "VB"])
    (found,) = model.entities(["The ´ cat"])
    assert [answer["text"] for answer in found] == ["The", "cat"]
    assert {answer["label"] for answer in found} <= {"NN", "VB"}


def test_what_cannot_be_meant_is_refused(backbone, preprocessor, tiny_tokenizer):
    model = AlbertTokenClassifier(backbone, 5, preprocessor, class_names=NAMES)
    with pytest.raises(tf.errors.InvalidArgumentError, match="needs one label"):
        preprocessor({"words": WORDS}, tf.ragged.constant([[0, 0]] * 4))
    with pytest.raises(ValueError, match=r"names \(O, B-animal.*got 'B-planet'"):
        model.fit({"words": [["a"]]}, [["B-planet"]], verbose=0)
    with pytest.raises(ValueError, match="under the name words.*got text, text_pair"):
        model.predict({"text": ["a"], "text_pair": ["b"]})
    with pytest.raises(ValueError, match=r"list or a tensor \(batch,\): got shape \(\)"):
        model.predict("a")
    with pytest.raises(ValueError, match="a model with class_names"):
        AlbertTokenClassifier(backbone, 5, preprocessor).entities(["a"])
    with pytest.raises(ValueError, match="room for 10 pieces: got 10"):
        AlbertTokenClassifierPreprocessor(tiny_tokenizer, 12, overlap=10)
    with pytest.raises(ValueError, match="beside .CLS. and .SEP.: got 2"):
        AlbertTokenClassifierPreprocessor(tiny_tokenizer, 2)
