"""Exports of all tasks in a fresh process, against the methods that users of the models call."""

import shutil

import numpy as np
import pytest

from albert_tf.exporting.verification import TEXT_OPS, ExportMismatchError, verify_saved_model
from albert_tf.models.pretrainer import AlbertPretrainer
from albert_tf.tasks.early_exit import AlbertEarlyExitClassifier
from albert_tf.tasks.masked_lm import AlbertMaskedLM
from albert_tf.tasks.multiple_choice import AlbertMultipleChoice
from albert_tf.tasks.question_answering import AlbertQuestionAnswering
from albert_tf.tasks.text_embedder import AlbertTextEmbedder
from albert_tf.tasks.token_classifier import AlbertTokenClassifier

pytestmark = pytest.mark.slow

KINDS = [
    "spans",
    "spans or none",
    "choices",
    "entities",
    "words",
    "masks",
    "order",
    "vectors",
    "exits",
    "written",
    "written by beams",
]
TAGS = ["O", "B-who", "I-who", "B-what", "I-what"]
LONG = "Open the file and read every line of it, said (quietly) the cat, and 3 dogs did. " * 4
SOURCES = [LONG, "", "the cat", "What a film!", "Open the file."]
# Same kernels and weights; row padding and graph rewrites change the order of float32 sums.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
FILLINGS = {"O": b"", "f": 0, "i": -1}
NO_CHOICE = -1e9


@pytest.fixture(scope="module")
def kinds(backbone, writer, tiny_tokenizer, shake, export_kinds):
    def task(cls, *args, preprocessing=None, **kwargs):
        preprocessor = cls.preprocessor_cls(tiny_tokenizer, **preprocessing or {})
        model = cls(backbone, *args, preprocessor=preprocessor, **kwargs)
        return shake(model)

    def centred(model):
        """Words fall in different classes."""
        bias = model.head.projection.bias
        bias.assign(bias - np.mean(model.predict([LONG])[0], axis=0))
        return model

    def agreeing(model):
        """All depths give the first class, so that rows leave at the second of three."""
        for head in model.heads:
            head.projection.bias.assign([9.0, 0.0, 0.0])
        return model

    windows = {"sequence_length": 40, "doc_stride": 12, "max_query_length": 10}
    row, short = {"sequence_length": 40}, {"sequence_length": 24}
    models = {
        "spans": task(AlbertQuestionAnswering, preprocessing=windows),
        "spans or none": task(
            AlbertQuestionAnswering, preprocessing=windows, head="conditional", null_threshold=0.0
        ),
        "choices": task(AlbertMultipleChoice, preprocessing=row),
        "entities": centred(task(AlbertTokenClassifier, 5, class_names=TAGS, preprocessing=short)),
        "words": centred(task(AlbertTokenClassifier, 3, preprocessing=short)),
        "masks": task(AlbertMaskedLM, preprocessing=row),
        "order": shake(AlbertPretrainer(backbone)),
        "exits": agreeing(task(AlbertEarlyExitClassifier, 3, patience=1, preprocessing=row)),
        "vectors": task(AlbertTextEmbedder, preprocessing=row),
        "written": writer,
        "written by beams": writer,
    }
    questions = {"question": ["Who said?", "What", ""], "context": [LONG, "", "A £5 note — Zoë."]}
    texts = {
        "spans": questions,
        "spans or none": questions,
        "entities": [LONG, "", "Zoë’s  cat"],
        "words": [LONG, "... !", "What a \u0301 film"],
        "written": SOURCES,
        "written by beams": SOURCES,
    }
    options = {
        "order": {"tokenizer": tiny_tokenizer},
        "masks": {"top_k": 3},
        "written by beams": {"num_beams": 3, "max_length": 12},
    }
    return export_kinds(
        {name: (m, options.get(name, {}), texts.get(name)) for name, m in models.items()}
    )


@pytest.fixture(scope="module")
def answers(kinds, fresh):
    return fresh.answers


@pytest.fixture(scope="module")
def fresh(kinds, ask_fresh):
    return ask_fresh(kinds)


def signatures_of(answers, kind):
    return sorted({signature for name, signature, _ in answers if name == kind})


def assert_same(got, expected):
    assert set(got) == set(expected)
    for name, value in expected.items():
        if value.dtype.kind == "f":
            np.testing.assert_allclose(got[name], value, **CLOSE, err_msg=name)
        else:
            np.testing.assert_array_equal(got[name], value, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_every_signature_says_what_keras_says(kinds, answers, kind):
    requests = kinds[kind].requests
    assert {"serving_default", "tokens", "examples"} <= set(requests)
    for signature, request in requests.items():
        assert_same(answers[kind, signature, "batch"], request.expected())


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_mixed_lengths_answers_as_single_calls(answers, kind):
    for signature in signatures_of(answers, kind):
        batch = answers[kind, signature, "batch"]
        rows = range(len(next(iter(batch.values()))))
        for name, values in batch.items():
            filling = NO_CHOICE if name == "logits" else FILLINGS[values.dtype.kind]
            singles = [answers[kind, signature, row][name] for row in rows]
            singles = [widened(single, values, filling) for single in singles]
            assert_same({name: np.concatenate(singles)}, {name: values})


def widened(single, batch, filling):
    """A row is as wide as it needs to be; in a batch, as the widest."""
    if single.shape[1:] == batch.shape[1:]:
        return single
    widths = [(0, wide - own) for own, wide in zip(single.shape[1:], batch.shape[1:], strict=True)]
    return np.pad(single, [(0, 0), *widths], constant_values=filling)


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_batch_has_an_empty_answer(answers, kind):
    for signature in signatures_of(answers, kind):
        for value in answers[kind, signature, "none"].values():
            assert len(value) == 0, signature


@pytest.mark.parametrize("kind", KINDS)
def test_padding_by_the_server_changes_nothing(answers, kind):
    padded, batch = answers[kind, "tokens", "padded"], answers[kind, "tokens", "batch"]
    for name, values in batch.items():
        # One value a token: what stands behind the tokens may be anything.
        got = padded[name]
        got = got[:, : values.shape[1]] if got.ndim > 1 else got
        assert_same({name: got}, {name: values})


def test_the_questions_tell_something(answers):
    # Otherwise equality would say little.
    spans = answers["spans", "serving_default", "batch"]
    assert spans["answer"][0] and not spans["answer"][1] and spans["end"][0] > spans["start"][0]
    entities = answers["entities", "serving_default", "batch"]
    assert entities["num_entities"][0] > 3 and entities["num_entities"][1] == 0
    assert {b"who", b"what"} <= set(entities["label"].flat)
    assert (answers["masks", "serving_default", "batch"]["num_masks"] == [1, 2, 3]).all()
    assert (answers["exits", "serving_default", "batch"]["depth"] == 2).all()
    assert len(set(answers["choices", "serving_default", "batch"]["choice"])) > 1


def test_an_entity_is_what_stands_at_its_place(answers):
    found = answers["entities", "serving_default", "batch"]
    for i in range(found["num_entities"][0]):
        start, end = found["start"][0, i], found["end"][0, i]
        assert LONG[start:end] == found["entity"][0, i].decode()


def test_a_place_without_a_choice_has_no_chance(answers):
    chances = answers["choices", "question", "batch"]["probabilities"]
    assert (chances[1:, 2] == 0).all() and (chances[0] > 0).all()
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-5)


def test_text_ops_are_those_that_every_tf_serving_links(fresh):
    # The one that is missing is for Chinese models: their vocabulary is WordPiece.
    assert fresh.unknown_ops == TEXT_OPS - {"FastWordpieceTokenizeWithOffsets"}


def test_bfloat16_passes_its_check_for_spans_too(kinds, tmp_path):
    from albert_tf.exporting.saved_model import export_saved_model

    model = kinds["entities"].answers.model
    path = export_saved_model(model, tmp_path / "m", dtype="bfloat16", fresh_process=True)
    with pytest.raises(ExportMismatchError, match="The signature tokens"):
        verify_saved_model(model, path, tolerance=1e-7)


def test_a_client_reads_the_answers_of_our_server(kinds, tmp_path):
    from albert_tf.serving.client import Client
    from albert_tf.serving.server import running_server

    for kind in ("spans", "choices", "entities", "masks"):
        shutil.copytree(kinds[kind].directory, tmp_path / kind / "1")
    bases = {path.name: path for path in tmp_path.iterdir()}
    context = "The cat sat on the mat."
    with running_server(bases) as address, Client(address, timeout=300) as client:
        (spans,) = client.answer("spans", question=["Who sat?"], context=[context])
        (best,) = client.answer("spans", "n_best", question=["Who sat?"], context=[context])
        choices = client.answer("choices", text=["a", "b"], choices=[["x", "y", "z"], ["u", "v"]])
        (entities,) = client.answer("entities", text=[LONG])
        (masks,) = client.answer("masks", text=["the [MASK] sat"])
    assert spans["answer"] == context[spans["start"] : spans["end"]]
    assert best["answers"][0]["text"] == spans["answer"] and best["null_odds"] == spans["null_odds"]
    assert [len(row["probabilities"]) for row in choices] == [3, 2]
    assert all(LONG[e["start"] : e["end"]] == e["entity"] for e in entities["entities"])
    assert len(masks["masks"][0]["words"]) == 3 and "[MASK]" not in masks["filled"]
