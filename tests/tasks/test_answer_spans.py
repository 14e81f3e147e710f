import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.data.windows import WindowSizes, make_windows
from albert_tf.tasks.answer_spans import (
    Spans,
    best_answers,
    choose,
    independent_spans,
    over_windows,
)

original = SimpleNamespace(**runpy.run_path(Path(__file__).parents[1] / "original_squad.py"))
CONTEXTS = [
    "The cat  sat on the mát, and 3, 14 or 1,000 dogs did not, not, not. " * 3,
    "A dull story.",
    "",
]
LIMITS = {"num_answers": 8, "max_answer_length": 6}


@pytest.fixture(scope="module")
def windows(tiny_tokenizer):
    sizes = WindowSizes(sequence_length=32, doc_stride=9, max_query_length=8)
    return make_windows(
        tiny_tokenizer, tf.constant(["who?", "a", "b"]), tf.constant(CONTEXTS), sizes
    )


def expected(windows, proposed):
    """What the restated original answers to each question."""
    arrays = {name: value.numpy() for name, value in windows.items()}
    answers = []
    for question, context in enumerate(CONTEXTS):
        rows = np.flatnonzero(arrays["question_index"] == question)
        notes = ("char_starts", "char_ends", "is_max_context")
        parts = [{name: arrays[name][row].tolist() for name in notes} for row in rows]
        proposals = [proposed[row] for row in rows]
        answers.append(original.n_best(context, parts, proposals, *LIMITS.values()))
    return answers


def assert_same(found, answers):
    for row, best in enumerate(answers):
        texts = [text.decode() for text in found["text"].numpy()[row]]
        assert texts == [answer[0] for answer in best] + [""] * (8 - len(best))
        for column, name in enumerate(("probability", "start_score", "end_score"), start=1):
            values = [answer[column] for answer in best]
            # Softmax in float32 against float64.
            np.testing.assert_allclose(found[name].numpy()[row][: len(best)], values, rtol=1e-5)


def test_answers_of_beams_are_those_of_the_original(windows):
    rng = np.random.default_rng(0)
    num_windows, width = windows["token_ids"].shape
    starts = rng.integers(0, width, (num_windows, 5)).astype("int32")
    ends = rng.integers(0, width, (num_windows, 5, 5)).astype("int32")
    start_scores = -rng.exponential(3, starts.shape).astype("float32")
    end_scores = -rng.exponential(3, ends.shape).astype("float32")
    spans = Spans(*map(tf.constant, (starts, start_scores, ends, end_scores)))
    proposed = [
        [
            (starts[w, i], ends[w, i, j], float(start_scores[w, i]), float(end_scores[w, i, j]))
            for i in range(5)
            for j in range(5)
        ]
        for w in range(num_windows)
    ]
    found = best_answers(spans, windows, tf.constant(CONTEXTS), **LIMITS)
    assert_same(found, expected(windows, proposed))


def test_answers_of_independent_logits_are_those_of_the_original(windows):
    rng = np.random.default_rng(1)
    shape = windows["token_ids"].shape
    start, end = (rng.normal(0, 3, shape).astype("float32") for _ in range(2))
    is_context = windows["char_starts"].numpy() >= 0
    proposed = []
    for row in range(len(is_context)):
        inside = np.flatnonzero(is_context[row])
        best = [inside[np.argsort(-logits[row][inside])][:8] for logits in (start, end)]
        proposed.append(
            [(i, j, float(start[row, i]), float(end[row, j])) for i in best[0] for j in best[1]]
        )
    spans = independent_spans(tf.constant(start), tf.constant(end), windows, 8)
    found = best_answers(spans, windows, tf.constant(CONTEXTS), **LIMITS)
    assert_same(found, expected(windows, proposed))


def test_every_answer_is_the_span_that_it_names(windows):
    logits = tf.random.stateless_normal(windows["token_ids"].shape, [3, 4], 0, 3)
    spans = independent_spans(logits, logits[:, ::-1], windows, 8)
    found = best_answers(spans, windows, tf.constant(CONTEXTS), **LIMITS)
    for row, context in enumerate(CONTEXTS):
        columns = (found[name].numpy()[row] for name in ("text", "start", "end"))
        for text, start, end in zip(*columns, strict=True):
            assert context[start:end] == text.decode() == text.decode().strip()


def test_no_answer_is_only_as_likely_as_in_the_window_where_it_is_least(windows):
    scores = tf.range(len(windows["token_ids"]), dtype=tf.float32)[::-1]
    found = over_windows(scores, windows, 3).numpy()
    last = [np.flatnonzero(windows["question_index"] == question)[-1] for question in range(3)]
    assert found.tolist() == [scores.numpy()[row] for row in last]


def test_the_threshold_decides_between_an_answer_and_none():
    answers = {
        "text": tf.constant([["mat", "sat"], ["dull", ""], ["", ""]]),
        "start": tf.constant([[3, 1], [2, 0], [0, 0]]),
        "end": tf.constant([[6, 4], [6, 0], [0, 0]]),
        "probability": tf.constant([[0.75, 0.25], [1.0, 0.0], [1.0, 0.0]]),
    }
    odds = tf.constant([0.5, 1.5, -9.0])
    found = choose(answers, odds, null_threshold=1.0)
    assert found["answer"].numpy().tolist() == [b"mat", b"", b""]
    assert found["start"].numpy().tolist() == [3, 0, 0]
    assert found["end"].numpy().tolist() == [6, 0, 0]
    np.testing.assert_allclose(
        found["score"], [0.75, 1 / (1 + np.exp(-1.5)), np.exp(-9)], rtol=1e-3
    )
    assert choose(answers, odds)["answer"].numpy().tolist() == [b"mat", b"dull", b""]
