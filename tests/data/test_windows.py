import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.data.windows import WindowSizes, count_windows, make_windows

original = SimpleNamespace(**runpy.run_path(Path(__file__).parents[1] / "original_squad.py"))
CONTEXT = "The cat  sat on the mát, and 3, 14 or 1,000 dogs did not."


def windows_of(tokenizer, questions, contexts, sizes, answers=None):
    tensors = tf.constant(questions, tf.string), tf.constant(contexts, tf.string)
    made = make_windows(tokenizer, *tensors, sizes, answers)
    return {name: value.numpy() for name, value in made.items()}


@pytest.fixture(scope="module")
def many(tiny_tokenizer):
    """Questions and contexts of many lengths, in narrow windows."""
    rng = np.random.default_rng(0)
    words = CONTEXT.split() + ["wonderful", "film", "é", "½", "--"]
    questions = [" ".join(rng.choice(words, n)) for n in rng.integers(0, 9, 60)]
    contexts = [" ".join(rng.choice(words, n)) for n in rng.integers(0, 90, 60)]
    sizes = WindowSizes(sequence_length=32, doc_stride=7, max_query_length=12)
    return questions, contexts, sizes, windows_of(tiny_tokenizer, questions, contexts, sizes)


def test_rows_are_those_of_the_original(many, tiny_tokenizer):
    questions, contexts, sizes, made = many
    expected = []
    for question, context in zip(questions, contexts, strict=True):
        asked = tiny_tokenizer(question).numpy().tolist()[:12]
        told = tiny_tokenizer(context).numpy().tolist()
        for first, length in original.slide(len(asked), len(told), 32, 7):
            part = told[first : first + length]
            expected.append(([2, *asked, 3, *part, 3], len(asked) + 2))
    rows = [
        row[: sum(mask)] for row, mask in zip(made["token_ids"], made["padding_mask"], strict=True)
    ]
    assert [row.tolist() for row in rows] == [row for row, _ in expected]
    firsts = (made["padding_mask"] - made["segment_ids"]).sum(axis=1)
    assert firsts.tolist() == [first for _, first in expected]


def test_every_piece_has_one_window_with_most_context_as_in_the_original(many, tiny_tokenizer):
    questions, contexts, sizes, made = many
    row = 0
    for question, context in zip(questions, contexts, strict=True):
        num_asked = min(12, len(tiny_tokenizer(question)))
        spans = original.slide(num_asked, len(tiny_tokenizer(context)), 32, 7)
        for number, (first, length) in enumerate(spans):
            found = made["is_max_context"][row + number]
            expected = [original.best_window(spans, first + i) == number for i in range(length)]
            assert found[found >= 0].tolist() == expected
        row += len(spans)
    assert row == len(made["token_ids"])


def test_the_number_of_windows_is_known_beforehand(many, tiny_tokenizer):
    questions, contexts, sizes, made = many
    counts = count_windows(
        tiny_tokenizer(questions).row_lengths(), tiny_tokenizer(contexts).row_lengths(), sizes
    )
    assert np.bincount(made["question_index"]).tolist() == counts.numpy().tolist()


def test_positions_lead_back_to_the_characters_of_the_context(many):
    _, contexts, _, made = many
    for row, question in enumerate(made["question_index"]):
        starts, ends = made["char_starts"][row], made["char_ends"][row]
        inside = starts >= 0
        assert (inside == (ends >= 0)).all()
        spans = zip(starts[inside], ends[inside], strict=True)
        pieces = [contexts[question][start:end] for start, end in spans]
        assert all(piece == piece.strip() for piece in pieces)


@pytest.mark.parametrize("answer", ["The cat", "cat  sat", "mát", "3", "1,000 dogs", "not", "."])
def test_an_answer_is_found_in_every_window_that_holds_all_of_it(tiny_tokenizer, answer):
    sizes = WindowSizes(sequence_length=24, doc_stride=3, max_query_length=8)
    notes = windows_of(tiny_tokenizer, ["who?"], [CONTEXT], sizes)
    known = tf.constant([answer]), tf.constant([CONTEXT.index(answer)])
    made = windows_of(tiny_tokenizer, ["who?"], [CONTEXT], sizes, known)
    held = 0
    for row, is_impossible in enumerate(made["is_impossible"]):
        start, end = made["start_positions"][row], made["end_positions"][row]
        if is_impossible:
            assert (start, end) == (0, 0)
            continue
        held += 1
        found = CONTEXT[notes["char_starts"][row, start] : notes["char_ends"][row, end]]
        assert found == answer
    assert 0 < held < len(made["is_impossible"])


def test_a_question_without_an_answer_points_at_the_first_token(tiny_tokenizer):
    known = tf.constant([""]), tf.constant([-1])
    made = windows_of(tiny_tokenizer, ["who?"], [CONTEXT], WindowSizes(24, 3, 8), known)
    assert len(made["is_impossible"]) > 1 and made["is_impossible"].all()
    assert not made["start_positions"].any() and not made["end_positions"].any()


def test_an_empty_context_has_one_window(tiny_tokenizer):
    made = windows_of(tiny_tokenizer, ["cat", ""], ["", " "], WindowSizes(16, 4, 4))
    assert made["token_ids"][1].tolist() == [2, 3, 3] + [0] * (made["token_ids"].shape[1] - 3)
    assert (made["char_starts"] == -1).all() and len(made["token_ids"]) == 2


def test_no_questions_give_no_windows(tiny_tokenizer):
    made = windows_of(tiny_tokenizer, [], [], WindowSizes(16, 4, 4))
    assert len(made["token_ids"]) == 0


@pytest.mark.parametrize(
    ("text", "start", "message"),
    [
        ("dogs", 3, "must stand at its first character"),
        ("dogs", 1000, "must stand"),
        ("  ", 7, "visible"),
    ],
)
def test_an_answer_that_is_not_there_is_refused(tiny_tokenizer, text, start, message):
    known = tf.constant([text]), tf.constant([start])
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        windows_of(tiny_tokenizer, ["who?"], [CONTEXT], WindowSizes(48, 16, 8), known)


@pytest.mark.parametrize(
    ("sizes", "message"), [((16, 4, 13), "longer than 16"), ((16, 0, 4), "at least 1: got 0 and 4")]
)
def test_sizes_that_leave_no_room_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        WindowSizes(*sizes)
