"""From scores of starts and ends in windows to the best answers to each question, in the graph."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from albert_tf.text.cleanup import repair

# Scores of what cannot be an answer; of a question of which nothing can be one, as the original.
IMPOSSIBLE = -1e30
NO_ANSWER = -1e6


class Spans(NamedTuple):
    """What a head proposes: some starts a window, some ends a start.

    Args:
        starts: int32 `(num_windows, num_starts)`.
        start_scores: float32 of that shape; a logit or a log-probability.
        ends: int32 `(num_windows, num_starts, num_ends)`.
        end_scores: float32 of that shape.
    """

    starts: tf.Tensor
    start_scores: tf.Tensor
    ends: tf.Tensor
    end_scores: tf.Tensor


def independent_spans(start_logits, end_logits, windows, num_best):
    """Crosses the `num_best` likeliest starts and ends in the context of each window.

    The original takes the likeliest of all positions and drops those outside of the context later;
    here a position in the context always has a place.
    """
    is_context = windows["char_starts"] >= 0
    starts, start_scores = _likeliest(start_logits, is_context, num_best)
    ends, end_scores = _likeliest(end_logits, is_context, num_best)
    shape = [tf.shape(starts)[0], num_best, num_best]
    ends, end_scores = (tf.broadcast_to(part[:, None], shape) for part in (ends, end_scores))
    return Spans(starts, start_scores, ends, end_scores)


def best_answers(spans, windows, contexts, *, num_answers, max_answer_length):
    """The best different texts of each question, over all of its windows.

    A span counts if it starts and ends in the context, not before its start, in at most
    `max_answer_length` pieces, and starts where this window is the one with the most context
    (original: `write_predictions_v1` and `_v2`). Its score is the sum of both scores.

    Args:
        spans: `Spans`.
        windows: what `make_windows` gives without answers.
        contexts: string `(num_questions,)`.
        num_answers: how many texts to give.
        max_answer_length: longest answer, in pieces.

    Returns:
        Dictionary of tensors `(num_questions, num_answers)`, the best first: `text` string;
        `start` and `end` int32, which characters of the context it is; `start_score`,
        `end_score` float32; `probability` float32, the softmax of the sums of the scores over the
        texts given. Where there are fewer texts the rest is "", 0 and a probability of 0; a
        question of which nothing can be an answer has one text, "", with scores of -1e6.
    """
    contexts = repair(contexts)
    num_questions = tf.shape(contexts)[0]
    found = _flat_answers(spans, windows, max_answer_length)
    # Of each question no more than one window alone could give: the texts are long.
    found = _ranked(found, spans.ends.shape[1] * spans.ends.shape[2])
    text = tf.strings.substr(
        tf.gather(contexts, found["question"]),
        found["start"],
        found["end"] - found["start"],
        unit="UTF8_CHAR",
    )
    name = tf.strings.join([tf.strings.as_string(found["question"]), text], separator=" ")
    _, index = tf.unique(name)
    order = tf.range(tf.size(index))
    first = tf.math.unsorted_segment_min(order, index, tf.size(index))
    is_first = tf.gather(first, index) == order
    found = {key: tf.boolean_mask(value, is_first) for key, value in found.items()}
    found["text"] = tf.boolean_mask(text, is_first)
    return _as_table(_ranked(found, num_answers), num_questions, num_answers)


def answers_to_nothing(num_answers):
    """What `best_answers` gives, as arrays, where no question is asked."""
    text = {"text": np.zeros((0, num_answers), object)}
    places = {name: np.zeros((0, num_answers), np.int32) for name in ("start", "end")}
    scores = ("start_score", "end_score", "probability")
    return text | places | {name: np.zeros((0, num_answers), np.float32) for name in scores}


def over_windows(scores, windows, num_questions):
    """The least score of each question's windows, float32 `(num_questions,)`.

    No answer is only likely where no window is likely to hold one.
    """
    return tf.math.unsorted_segment_min(scores, windows["question_index"], num_questions)


def choose(answers, null_odds, null_threshold=None):
    """One answer to each question.

    Args:
        answers: from `best_answers`.
        null_odds: float32 `(num_questions,)`, larger where no answer is likelier.
        null_threshold: with larger odds a question has no answer; None gives all an answer.

    Returns:
        Dictionary of tensors `(num_questions,)`: `answer` string, "" for none; `start`, `end`
        int32, which characters of the context it is, 0 and 0 for none; `score` float32, its share
        of the best answers' probability, or for none the sigmoid of `null_odds`; `null_odds`.
    """
    text = answers["text"][:, 0]
    is_none = tf.strings.length(text) == 0
    if null_threshold is not None:
        is_none |= null_odds > null_threshold
    return {
        "answer": tf.where(is_none, "", text),
        "start": tf.where(is_none, 0, answers["start"][:, 0]),
        "end": tf.where(is_none, 0, answers["end"][:, 0]),
        "score": tf.where(is_none, tf.sigmoid(null_odds), answers["probability"][:, 0]),
        "null_odds": null_odds,
    }


def _likeliest(logits, is_context, num_best):
    logits = tf.where(is_context, tf.cast(logits, tf.float32), IMPOSSIBLE)
    padded = tf.pad(logits, [[0, 0], [0, num_best]], constant_values=IMPOSSIBLE)
    scores, index = tf.math.top_k(padded, num_best)
    return tf.minimum(index, tf.shape(logits)[1] - 1), scores


def _flat_answers(spans, windows, max_answer_length):
    """All spans that count: flat tensors of `question`, `start`, `end` and both scores."""
    num_windows, num_starts, num_ends = tf.unstack(tf.shape(spans.ends))
    flat_ends = tf.reshape(spans.ends, [num_windows, num_starts * num_ends])
    begins = tf.gather(windows["char_starts"], spans.starts, batch_dims=1)
    is_max_context = tf.gather(windows["is_max_context"], spans.starts, batch_dims=1) == 1
    stops = tf.reshape(
        tf.gather(windows["char_ends"], flat_ends, batch_dims=1), tf.shape(spans.ends)
    )
    num_pieces = spans.ends - spans.starts[..., None] + 1
    is_possible = (spans.start_scores[..., None] > IMPOSSIBLE / 2) & (
        spans.end_scores > IMPOSSIBLE / 2
    )
    counts = (
        is_possible
        & ((begins >= 0) & is_max_context)[..., None]
        & (num_pieces >= 1)
        & (num_pieces <= max_answer_length)
        # Also drops what has no characters, and ends outside of the context, which are -1.
        & (stops > begins[..., None])
    )
    places = tf.where(counts)
    of_start = places[:, :2]
    return {
        "question": tf.gather(windows["question_index"], places[:, 0]),
        "start": tf.gather_nd(begins, of_start),
        "end": tf.gather_nd(stops, places),
        "start_score": tf.gather_nd(spans.start_scores, of_start),
        "end_score": tf.gather_nd(spans.end_scores, places),
    }


def _ranked(found, limit):
    """Sorts by question and falling score, and keeps at most `limit` of each question."""
    score = found["start_score"] + found["end_score"]
    order = tf.argsort(score, direction="DESCENDING", stable=True)
    order = tf.gather(order, tf.argsort(tf.gather(found["question"], order), stable=True))
    found = {key: tf.gather(value, order) for key, value in found.items()}
    question = found["question"]
    position = tf.range(tf.size(question))
    begin = tf.math.unsorted_segment_min(position, question, _num_segments(question))
    rank = position - tf.gather(begin, question)
    kept = rank < limit
    return {key: tf.boolean_mask(value, kept) for key, value in found.items()} | {
        "rank": tf.boolean_mask(rank, kept)
    }


def _num_segments(question):
    return tf.reduce_max(tf.concat([[-1], question], 0)) + 1


def _as_table(found, num_questions, num_answers):
    shape = [num_questions, num_answers]
    places = tf.stack([found["question"], found["rank"]], axis=1)
    columns = ("text", "start", "end", "start_score", "end_score")
    table = {name: tf.scatter_nd(places, found[name], shape) for name in columns[1:]}
    # There is no scattering of strings; an index is scattered, to 0 for the empty text.
    number = tf.scatter_nd(places, tf.range(1, tf.size(found["rank"]) + 1), shape)
    table["text"] = tf.gather(tf.concat([[""], found["text"]], 0), number)
    is_there = number > 0
    is_lone = ~is_there & (tf.range(num_answers) == 0)
    for name in ("start_score", "end_score"):
        table[name] = tf.where(is_lone, NO_ANSWER, table[name])
    score = table["start_score"] + table["end_score"]
    score = tf.where(is_there | is_lone, score, IMPOSSIBLE)
    table["probability"] = tf.nn.softmax(score)
    return table
