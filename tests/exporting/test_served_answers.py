"""Exports in a fresh process that knows nothing of this package: the numbers of Keras, always."""

import numpy as np
import pytest

from albert_tf.exporting.verification import TEXT_OPS

# A process that loads and asks four exports: half a minute.
pytestmark = pytest.mark.slow

KINDS = ["classes", "labels of pairs", "regression", "choices from ids"]
# Same kernels and weights; row padding and graph rewrites change the order of float32 sums.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def assert_same(got, expected):
    assert set(got) == set(expected)
    for name, value in expected.items():
        if value.dtype == object:
            np.testing.assert_array_equal(got[name], value)
        else:
            np.testing.assert_allclose(got[name], value, **CLOSE, err_msg=name)


@pytest.fixture(scope="module")
def keras_says(kinds):
    """Name of a kind -> signature -> what the Keras model says of its rows."""
    return {
        name: {signature: request.expected() for signature, request in kind.requests.items()}
        for name, kind in kinds.items()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_ids_give_what_keras_predicts(fresh_process, keras_says, kind):
    assert_same(fresh_process.answers[kind, "tokens", "batch"], keras_says[kind]["tokens"])


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_text_gives_what_keras_predicts(fresh_process, keras_says, kind):
    assert_same(
        fresh_process.answers[kind, "serving_default", "batch"], keras_says[kind]["serving_default"]
    )


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_examples_give_what_text_gives(fresh_process, keras_says, kind):
    says = keras_says[kind]["serving_default"]
    assert_same(fresh_process.answers[kind, "examples", "batch"], says)


@pytest.mark.parametrize("kind", ["classes", "labels of pairs"])
def test_classify_gives_names_and_probabilities(fresh_process, keras_says, kind):
    says = keras_says[kind]["serving_default"]
    expected = {"classes": says["class_names"], "scores": says["probabilities"]}
    assert_same(fresh_process.answers[kind, "classify", "batch"], expected)


def test_regress_gives_the_score(fresh_process, keras_says):
    expected = {"outputs": keras_says["regression"]["serving_default"]["score"]}
    assert_same(fresh_process.answers["regression", "regress", "batch"], expected)


def test_the_label_is_the_name_of_the_likeliest_class(fresh_process):
    got = fresh_process.answers["classes", "serving_default", "batch"]
    names = np.array([b"dull", b"light", b"neither"])
    np.testing.assert_array_equal(got["label"], names[got["logits"].argmax(axis=1)])
    assert len(set(got["label"])) > 1, "the texts must not all be of one class"


def test_probabilities_of_one_class_among_several_sum_to_one(fresh_process):
    got = fresh_process.answers["classes", "serving_default", "batch"]
    np.testing.assert_allclose(got["probabilities"].sum(axis=1), 1, rtol=1e-6)


def test_probabilities_of_labels_stand_on_their_own(fresh_process):
    got = fresh_process.answers["labels of pairs", "serving_default", "batch"]
    np.testing.assert_allclose(got["probabilities"], 1 / (1 + np.exp(-got["logits"])), rtol=1e-5)


def test_classes_without_names_are_numbered(fresh_process):
    got = fresh_process.answers["labels of pairs", "serving_default", "batch"]
    np.testing.assert_array_equal(got["class_names"], [[b"0", b"1", b"2", b"3"]] * 3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_mixed_lengths_answers_as_single_calls(fresh_process, kind):
    answers = fresh_process.answers
    for signature in {signature for name, signature, _ in answers if name == kind}:
        batch = answers[kind, signature, "batch"]
        rows = range(len(next(iter(batch.values()))))
        singles = [answers[kind, signature, row] for row in rows]
        joined = {name: np.concatenate([single[name] for single in singles]) for name in batch}
        assert_same(batch, joined)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_by_the_server_changes_nothing(fresh_process, kind):
    answers = fresh_process.answers
    assert_same(answers[kind, "tokens", "padded"], answers[kind, "tokens", "batch"])


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_batch_has_an_empty_answer(fresh_process, kind):
    empty = {k[1:]: v for k, v in fresh_process.answers.items() if k[0] == kind and k[2] == "none"}
    for (signature, _), outputs in empty.items():
        batch = fresh_process.answers[kind, signature, "batch"]
        for name, value in outputs.items():
            assert value.shape == (0, *batch[name].shape[1:]), (signature, name)


def test_ids_without_rows_and_columns_have_an_empty_answer(fresh_process):
    assert fresh_process.answers["classes", "tokens", "nothing"]["logits"].shape == (0, 3)


def test_text_longer_than_the_model_is_cut(fresh_process):
    answers = fresh_process.answers
    long, cut = (answers["classes", "serving_default", key] for key in ("long", "cut"))
    assert_same(long, cut)


def test_bytes_that_are_no_text_get_an_answer(fresh_process):
    got = fresh_process.answers["classes", "serving_default", "bytes"]
    assert np.isfinite(got["probabilities"]).all()


def test_the_process_loaded_nothing_that_a_server_lacks(fresh_process):
    loaded = {name.split(".")[0] for name in fresh_process.modules}
    assert not loaded & {"albert_tf", "keras_hub", "tensorflow_text"}


def test_text_ops_are_those_that_every_tf_serving_links(fresh_process):
    assert fresh_process.unknown_ops <= TEXT_OPS
