"""From a question and a context of any length to rows that the model can read, in the graph.

A context that is too long is read through several windows that overlap (original: `doc_stride`
in squad_utils.py). Every piece of the context keeps the characters that it stands for.
"""

from dataclasses import dataclass

import tensorflow as tf

from albert_tf.data.packing import pack_segments
from albert_tf.text.cleanup import repair, spread_index

# Names of what `make_windows` tells beside the inputs of the model.
NOTES = ("question_index", "char_starts", "char_ends", "is_max_context")


@dataclass(frozen=True)
class WindowSizes:
    """How a context is cut into windows; all sizes in tokens.

    Args:
        sequence_length: longest row, special tokens included.
        doc_stride: how far the next window starts behind this one, at most; where less of the
            context fits into a row, that much.
        max_query_length: longest question; what is longer is cut at its end.

    Raises:
        ValueError: a size below 1, or no room for a piece of the context behind the question.
    """

    sequence_length: int
    doc_stride: int
    max_query_length: int

    def __post_init__(self):
        if self.doc_stride < 1 or self.max_query_length < 1:
            raise ValueError(
                f"doc_stride and max_query_length must be at least 1: got {self.doc_stride} and "
                f"{self.max_query_length}."
            )
        if self.sequence_length <= self.max_query_length + 3:
            raise ValueError(
                "A row must have room for the question, three special tokens and a piece of the "
                f"context: got sequence_length {self.sequence_length} with max_query_length "
                f"{self.max_query_length}. Make sequence_length longer than "
                f"{self.max_query_length + 3}, or max_query_length shorter."
            )


def count_windows(num_question, num_context, sizes):
    """How many windows each context takes.

    Args:
        num_question: int64 tensor `(num_questions,)`, pieces of the question before it is cut.
        num_context: the same of the context.
        sizes: `WindowSizes`.

    Returns:
        int64 `(num_questions,)`, at least 1.
    """
    room, step = _room_and_step(num_question, sizes)
    beyond_the_first = tf.maximum(num_context - room, 0)
    return 1 + (beyond_the_first + step - 1) // step


@tf.autograph.experimental.do_not_convert
def make_windows(tokenizer, questions, contexts, sizes, answers=None):
    """Tokenizes and cuts into rows `[CLS] question [SEP] part of the context [SEP]`.

    The windows of a question follow each other; one without a context has a single window.

    Args:
        tokenizer: `AlbertTokenizer`.
        questions, contexts: string tensors `(num_questions,)`.
        sizes: `WindowSizes`.
        answers: None, or what is known: a tuple of texts, string `(num_questions,)`, and their
            first characters in the contexts, int `(num_questions,)`; "" where there is none.

    Returns:
        Dictionary of tensors `(num_windows, longest row)`: `token_ids`, `segment_ids`,
        `padding_mask`, and of notes: `question_index` int32 `(num_windows,)`; `char_starts` and
        `char_ends` int32, which part of the (repaired) context a position stands for, -1 for what
        is not context; `is_max_context` int32, 1 where no other window shows more on both sides
        of this piece. A piece without characters ends where the one before it does.

        With `answers`, the dictionary holds no notes but `question_index`, and further int32
        `(num_windows,)`: `start_positions` and `end_positions`, 0 where the window does not hold
        all of the answer, and `is_impossible`, 1 there.

    Raises:
        tf.errors.InvalidArgumentError: an answer does not stand where it is said to, or has no
            visible character.
    """
    contexts = repair(contexts)
    longest = sizes.max_query_length
    question_ids = _first(tokenizer.tokenize_beginning(questions, longest), longest)
    # The questions of a paragraph often come together: it is tokenized once.
    distinct, index = tf.unique(contexts)
    pieces = [tf.gather(part, index) for part in tokenizer.tokenize_with_offsets(distinct)]
    ids, starts, ends = pieces
    num_question, num_context = question_ids.row_lengths(), ids.row_lengths()
    question_of, first, length = _slide(num_question, num_context, sizes)
    places = _ranges(tf.gather(ids.row_starts(), question_of) + first, length)
    question_rows = tf.gather(question_ids, question_of)
    context_rows = places.with_values(tf.gather(ids.values, places.values))
    windows = pack_segments((question_rows, context_rows), sizes.sequence_length, tokenizer)
    windows["question_index"] = tf.cast(question_of, tf.int32)
    shift = question_rows.row_lengths() + 2
    if answers is not None:
        bounds = _answer_bounds(contexts, starts, ends, *answers)
        return windows | _positions(bounds, question_of, first, length, shift)
    width = tf.shape(windows["token_ids"])[1]
    notes = {
        "char_starts": tf.gather(starts.values, places.values),
        "char_ends": tf.gather(_visible_ends(starts, ends), places.values),
        "is_max_context": _is_max_context(places),
    }
    for name, values in notes.items():
        windows[name] = _behind(shift, places.with_values(tf.cast(values, tf.int32)), width)
    return windows


def _slide(num_question, num_context, sizes):
    """The question, the first piece and the number of pieces of every window, int64 each."""
    room, step = _room_and_step(num_question, sizes)
    counts = count_windows(num_question, num_context, sizes)
    question_of = spread_index(counts)
    number = tf.range(tf.reduce_sum(counts)) - tf.gather(
        tf.cumsum(counts, exclusive=True), question_of
    )
    first = number * tf.gather(step, question_of)
    length = tf.minimum(tf.gather(room, question_of), tf.gather(num_context, question_of) - first)
    return question_of, first, length


def _room_and_step(num_question, sizes):
    """Pieces of the context in a full window, and how far one starts behind the other."""
    room = sizes.sequence_length - 3 - tf.minimum(num_question, sizes.max_query_length)
    return room, tf.minimum(room, sizes.doc_stride)


def _is_max_context(places):
    """Whether a window shows a piece with the most context on its poorer side.

    A longer window is worth a little more, and the first of equals wins, as in the original.

    Args:
        places: ragged int64 `(num_windows, length)`; a number for each piece of each question.
    """
    lengths = places.row_lengths()
    window_of = spread_index(lengths)
    length = tf.gather(lengths, window_of)
    row = tf.range(tf.size(places.values, tf.int64))
    left = row - tf.gather(places.row_starts(), window_of)
    poorer_side = tf.minimum(left, length - 1 - left)
    score = tf.cast(poorer_side, tf.float64) + 0.01 * tf.cast(length, tf.float64)
    num_places = tf.reduce_max(tf.concat([[-1], places.values], 0)) + 1
    best = tf.math.unsorted_segment_max(score, places.values, num_places)
    is_best = score == tf.gather(best, places.values)
    never = tf.size(row, tf.int64)
    winner = tf.math.unsorted_segment_min(tf.where(is_best, row, never), places.values, num_places)
    return tf.gather(winner, places.values) == row


def _answer_bounds(contexts, starts, ends, texts, firsts):
    """First and last piece of each answer, int64 `(num_questions,)`; -1 where there is none."""
    firsts = tf.cast(firsts, tf.int64)
    num_chars = tf.cast(tf.strings.length(texts, unit="UTF8_CHAR"), tf.int64)
    is_answered = num_chars > 0
    _check_texts(contexts, texts, firsts, num_chars, is_answered)
    row = starts.value_rowids()
    begins, stops = tf.gather(firsts, row), tf.gather(firsts + num_chars, row)
    # A piece without characters is no part of an answer.
    is_inside = (starts.values < stops) & (ends.values > begins) & (ends.values > starts.values)
    number = tf.range(tf.size(row, tf.int64)) - tf.gather(starts.row_starts(), row)
    num_questions, far = starts.nrows(), tf.int64.max
    first = tf.math.unsorted_segment_min(tf.where(is_inside, number, far), row, num_questions)
    last = tf.math.unsorted_segment_max(tf.where(is_inside, number, -1), row, num_questions)
    tf.debugging.Assert(
        tf.reduce_all(~is_answered | (last >= 0)),
        ["An answer must have a visible character: got", tf.boolean_mask(texts, last < 0)],
    )
    none = tf.constant(-1, tf.int64)
    return tf.where(is_answered, first, none), tf.where(is_answered, last, none)


def _check_texts(contexts, texts, firsts, num_chars, is_answered):
    contexts, texts, firsts, num_chars = (
        tf.boolean_mask(part, is_answered) for part in (contexts, texts, firsts, num_chars)
    )
    is_there = (firsts >= 0) & (
        firsts + num_chars <= tf.cast(tf.strings.length(contexts, unit="UTF8_CHAR"), tf.int64)
    )
    safe = tf.where(is_there, firsts, 0), tf.where(is_there, num_chars, 0)
    is_right = tf.strings.substr(contexts, *safe, unit="UTF8_CHAR") == repair(texts)
    wrong = ~(is_there & is_right)
    tf.debugging.Assert(
        ~tf.reduce_any(wrong),
        [
            "An answer must stand at its first character in the context: it does not for",
            tf.boolean_mask(texts, wrong),
            "said to be at",
            tf.boolean_mask(firsts, wrong),
        ],
    )


def _positions(bounds, question_of, first, length, shift):
    start, end = (tf.gather(bound, question_of) - first for bound in bounds)
    is_held = (start >= 0) & (end < length) & (tf.gather(bounds[0], question_of) >= 0)
    positions = [tf.cast(tf.where(is_held, bound + shift, 0), tf.int32) for bound in (start, end)]
    return {
        "start_positions": positions[0],
        "end_positions": positions[1],
        "is_impossible": tf.cast(~is_held, tf.int32),
    }


def _visible_ends(starts, ends):
    """Ends of the pieces; that of the piece before where a piece has no characters."""
    before = tf.concat([ends.values[:1], ends.values[:-1]], 0)
    is_first = tf.range(tf.size(before, tf.int64)) == tf.gather(
        starts.row_starts(), starts.value_rowids()
    )
    is_empty = (ends.values == starts.values) & ~is_first
    return tf.where(is_empty, before, ends.values)


def _behind(shift, rows, width):
    """Ragged int32 `rows` as a dense tensor, each moved right by its shift; -1 elsewhere."""
    gap = tf.RaggedTensor.from_row_lengths(
        tf.fill([tf.reduce_sum(shift)], -1), shift, validate=False
    )
    dense = tf.concat([gap, rows], axis=1).to_tensor(-1, shape=(None, None))
    missing = width - tf.shape(dense)[1]
    return tf.pad(dense, [[0, 0], [0, missing]], constant_values=-1)


def _first(rows, limit):
    lengths = tf.minimum(rows.row_lengths(), limit)
    places = _ranges(rows.row_starts(), lengths)
    return places.with_values(tf.gather(rows.values, places.values))


def _ranges(starts, lengths):
    """Ragged int64: each start and the numbers behind it."""
    row = spread_index(lengths)
    number = tf.range(tf.reduce_sum(lengths)) - tf.gather(tf.cumsum(lengths, exclusive=True), row)
    return tf.RaggedTensor.from_row_lengths(
        tf.gather(starts, row) + number, lengths, validate=False
    )
