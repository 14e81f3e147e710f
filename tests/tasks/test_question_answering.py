import keras
import numpy as np
import pytest
import tensorflow as tf

from albert_tf.models.backbone import AlbertBackbone
from albert_tf.tasks.question_answering import AlbertQuestionAnswering
from albert_tf.tasks.question_answering_preprocessor import AlbertQuestionAnsweringPreprocessor

CONTEXTS = [
    "The cat sat on the mat, and 3, 14 or 1,000 dogs did not.",
    "What a wonderful film,  full of líght! " * 3,
    "The cat sat on the mat, and 3, 14 or 1,000 dogs did not.",
    "A dull story.",
]
ASKED = {
    "question": ["where did the cat sit?", "what is the film?", "how many dogs?", "how many dogs?"],
    "context": CONTEXTS,
}
TEXTS = ["on the mat", "wonderful", "1,000", ""]
ANSWERS = {
    "answer_text": TEXTS,
    "answer_start": [c.index(t) if t else -1 for c, t in zip(CONTEXTS, TEXTS, strict=True)],
}


@pytest.fixture(scope="module")
def preprocessor(tiny_tokenizer):
    # Some contexts take two windows.
    return AlbertQuestionAnsweringPreprocessor(tiny_tokenizer, sequence_length=40, doc_stride=12)


def make(tiny_config, preprocessor, head):
    keras.utils.set_random_seed(0)
    return AlbertQuestionAnswering(AlbertBackbone(tiny_config), preprocessor, head=head)


def repeated(values, times):
    return {name: list(column) * times for name, column in values.items()}


SLOW = pytest.param("independent", marks=pytest.mark.slow)


@pytest.fixture(scope="module", params=["conditional", SLOW])
def trained(request, tiny_config, preprocessor):
    """A model that has seen the four questions 144 times; it is not to be changed."""
    model = make(tiny_config, preprocessor, request.param)
    model.compile(optimizer=keras.optimizers.Adam(0.01))
    asked, answers = repeated(ASKED, 36), repeated(ANSWERS, 36)
    history = model.fit(asked, answers, epochs=4, batch_size=4, verbose=0).history
    model.null_threshold = 0.0
    return model, history


def test_a_tiny_model_learns_to_answer_and_to_be_silent(trained):
    model, history = trained
    assert history["loss"][-1] < 0.25 * history["loss"][0]
    found = model.predict(ASKED, verbose=0)
    assert found["answer"].tolist() == TEXTS
    spans = zip(CONTEXTS, found["start"], found["end"], strict=True)
    assert [context[start:end] for context, start, end in spans] == TEXTS
    assert (found["score"] > 0.5).all()
    assert found["null_odds"][3] > 0 > found["null_odds"][:3].max()


def test_the_best_answers_are_different_texts_that_share_one_probability(trained):
    found = trained[0].predict_n_best(ASKED)
    for texts, shares in zip(found["text"], found["probability"], strict=True):
        texts = [text for text in texts if text]
        assert len(set(texts)) == len(texts) > 0
        assert shares.sum() == pytest.approx(1, abs=1e-5)


def test_of_no_questions_there_are_no_answers_of_the_usual_shapes_and_kinds(trained):
    model, nothing = trained[0], ([], [])
    for ask in (model.predict, model.predict_n_best):
        some, none = ask(ASKED), ask(nothing)
        assert set(none) == set(some)
        for name, values in some.items():
            assert (none[name].shape, none[name].dtype) == ((0, *values.shape[1:]), values.dtype)


def test_answers_depend_neither_on_batches_nor_on_the_form_of_the_questions(trained):
    model, _ = trained
    expected = model.predict(ASKED, verbose=0)
    as_tuple = (ASKED["question"], np.array(CONTEXTS))
    dataset = tf.data.Dataset.from_tensor_slices(ASKED).batch(3)
    for found in (
        model.predict(as_tuple, batch_size=1, verbose=0),
        model.predict(dataset, verbose=0),
    ):
        assert found["answer"].tolist() == expected["answer"].tolist()
        # Rows of other widths: sums in another order.
        np.testing.assert_allclose(found["null_odds"], expected["null_odds"], atol=1e-4)


@pytest.mark.parametrize("head", ["independent", "conditional"])
def test_the_loss_is_half_of_each_cross_entropy(tiny_config, preprocessor, head):
    model = make(tiny_config, preprocessor, head)
    model.compile()
    x, y = preprocessor(ASKED, ANSWERS)
    outputs = model(x)
    logits = {name: np.asarray(value, "float64") for name, value in outputs.items()}
    expected = 0.0
    for name in ("start_logits", "end_logits"):
        chosen = np.take_along_axis(logits[name], y[name].numpy()[:, None], axis=1)[:, 0]
        expected += 0.5 * (np.log(np.exp(logits[name]).sum(-1)) - chosen).mean()
    if head == "conditional":
        signs = 1 - 2 * y["impossible_logits"].numpy()
        expected += 0.5 * np.log1p(np.exp(signs * logits["impossible_logits"])).mean()
    # Float32 against float64.
    assert float(model.compute_loss(x, y, outputs)) == pytest.approx(expected, rel=1e-5)


def test_a_preset_gives_the_model_back(trained, tmp_path):
    model, _ = trained
    model.save_to_preset(tmp_path / "preset")
    again = AlbertQuestionAnswering.from_preset(tmp_path / "preset")
    assert again.null_threshold == 0.0 and again.preprocessor.sizes == model.preprocessor.sizes
    windows = model.preprocessor(ASKED)
    found = again(again.preprocessor(ASKED))
    for name, values in model(windows).items():
        np.testing.assert_array_equal(found[name], values)


def test_another_head_on_a_preset_is_new(tiny_config, preprocessor, tmp_path):
    model = make(tiny_config, preprocessor, "independent")
    model.save_to_preset(tmp_path / "preset")
    found = AlbertQuestionAnswering.from_preset(tmp_path / "preset", head="conditional")
    assert found.is_conditional
    for ours, theirs in zip(found.backbone.weights, model.backbone.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_odd_texts_are_answered(trained):
    contexts = ["", " \n ", "\x00", "日本", "word " * 300, b"a \xff cat", "a\ud800b"]
    questions = ["", "who? " * 100, "\u200b", "日本?", "what", b"\xff", ""]
    model, _ = trained
    found = model.predict({"question": questions[:5], "context": contexts[:5]}, verbose=0)
    assert found["answer"][:2].tolist() == ["", ""]
    assert np.isfinite(found["null_odds"]).all()
    broken = model.predict_n_best((tf.constant(questions[5:6]), tf.constant(contexts[5:6])))
    assert "a \ufffd cat" in broken["text"][0]
    assert model.predict((questions[6:], contexts[6:]), verbose=0)["answer"].shape == (1,)


def test_the_conditional_head_trains_on_true_starts_and_proposes_beams(tiny_config, preprocessor):
    model = make(tiny_config, None, "conditional")
    model.compile()
    x, y = preprocessor(ASKED, ANSWERS)
    assert set(model(x)) == {"start_logits", "end_logits", "impossible_logits"}
    del x["start_positions"]
    beams = model(x)
    assert beams["end_index"].shape == (len(x["token_ids"]), 5, 5)
    with pytest.raises(ValueError, match="x must have start_positions"):
        model.compute_loss(x, y, beams)
    with pytest.raises(ValueError, match="need a preprocessor"):
        model.predict_n_best(ASKED)


def test_weights_of_questions_reach_their_windows(preprocessor):
    _, _, weights = preprocessor(ASKED, ANSWERS, np.array([1.0, 2, 3, 4], "float32"))
    of_question = preprocessor(ASKED)["question_index"].numpy()
    assert weights.numpy().tolist() == (of_question + 1.0).tolist()
    assert np.bincount(of_question).max() > 1


def test_one_question_is_preprocessed_alone(preprocessor):
    single = {name: column[1] for name, column in ASKED.items()}
    both = preprocessor({name: column[1:2] for name, column in ASKED.items()})
    for name, values in preprocessor(single).items():
        np.testing.assert_array_equal(values, both[name])


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ({"question": ["a"], "text": ["b"]}, None, "got the names question, text"),
        (["a", "b"], None, "got a list"),
        (ASKED, {"answer": ["a"]}, "answer_text and answer_start.*got the names answer"),
        (ASKED, [1, 2, 3, 4], "got a list"),
    ],
)
def test_input_of_another_form_is_refused(preprocessor, x, y, message):
    with pytest.raises(ValueError, match=message):
        preprocessor(x, y)


def test_an_answer_that_is_not_at_its_offset_stops_a_training(tiny_config, preprocessor):
    model = make(tiny_config, preprocessor, "independent")
    moved = ANSWERS | {"answer_start": [1, 2, 3, -1]}
    with pytest.raises(
        ValueError, match="question 0: the answer 'on the mat' must stand at character 1"
    ):
        model.fit(ASKED, moved, verbose=0)


def test_what_does_not_fit_is_refused(tiny_config, tiny_tokenizer, preprocessor, trained):
    backbone = AlbertBackbone(tiny_config)
    with pytest.raises(ValueError, match="one of independent, conditional: got 'v2'"):
        AlbertQuestionAnswering(backbone, head="v2")
    with pytest.raises(ValueError, match="at most the 48 positions.*got 384"):
        AlbertQuestionAnswering(backbone, AlbertQuestionAnsweringPreprocessor(tiny_tokenizer))
    with pytest.raises(ValueError, match="two lists of one length.*Put a single one in a list"):
        trained[0].predict({"question": "who?", "context": "the cat"})
    with pytest.raises(ValueError, match=r"shapes \(2,\) and \(1,\)"):
        trained[0].predict((["a", "b"], ["c"]))
    with pytest.raises(ValueError, match="got steps too"):
        trained[0].predict(ASKED, steps=1)
