"""The answer to a question on a device: windows over the context, and the best span of all."""

from typing import NamedTuple

import numpy as np

from albert_tf.exporting.light.base import LightAnswers
from albert_tf.exporting.light.rows import pack
from albert_tf.text.device_tokenizer import repaired

# As in `albert_tf.tasks.answer_spans`.
IMPOSSIBLE, NO_ANSWER = -1e30, -1e6


class Window(NamedTuple):
    """A part of the context behind the question.

    Args:
        row: `Row`.
        first: the context's token that it begins with.
        size: its number of tokens.
        shift: which position of the row it begins at.
    """

    row: object
    first: int
    size: int
    shift: int


class Span(NamedTuple):
    """An answer: its text, its characters in the context, and both scores."""

    text: str
    start: int
    end: int
    start_score: float
    end_score: float


class SpanAnswers(LightAnswers):
    """`answer`, `start`, `end`, `score` and `null_odds`, as `AlbertQuestionAnswering.predict`."""

    inputs = ("question", "context")

    def answer(self, question, context):
        context = repaired(context)
        tokens = self.tokenizer.tokenize(context)
        windows = self._windows(self.tokenizer.encode(question), tokens)
        outputs = self.run([window.row for window in windows])
        best_windows = _best_windows(windows, len(tokens))
        spans = []
        for number, (window, output) in enumerate(zip(windows, outputs, strict=True)):
            is_best = [best == number for best in best_windows]
            spans += self._spans(window, output, tokens, is_best)
        # Of each question no more than one window alone could give, as the task has it.
        limit = self.settings["num_answers"] ** 2
        if self.settings["head"] == "conditional":
            limit = outputs[0]["end_index"].size
        best = self._ranked(spans, context, limit)
        return self._chosen(best, self._null_odds(outputs, best[0]))

    def _windows(self, question, tokens):
        text = self.description["text"]
        longest_question = min(text["max_query_length"], (self.limit - 3) // 2)
        question = question[:longest_question]
        room = self.limit - 3 - len(question)
        step = min(room, text["doc_stride"])
        count = 1 + -(-max(len(tokens) - room, 0) // step)
        ids, shift = [token.id for token in tokens], len(question) + 2
        windows = []
        for first in range(0, count * step, step):
            part = ids[first : first + room]
            row = pack(self.tokenizer, self.limit, question, part)
            windows.append(Window(row, first, len(part), shift))
        return windows

    def _spans(self, window, output, tokens, is_best):
        """All spans of a window that can be an answer, the likeliest starts first."""
        if self.settings["head"] == "conditional":
            starts, scores = output["start_index"], output["start_log_probs"]
            ends, end_scores = output["end_index"], output["end_log_probs"]
        else:
            num_best = self.settings["num_answers"]
            starts, scores = _likeliest(output["start_logits"], window, num_best)
            ends, end_scores = _likeliest(output["end_logits"], window, num_best)
            ends = np.broadcast_to(ends, (len(starts), len(ends)))
            end_scores = np.broadcast_to(end_scores, ends.shape)
        for i, position in enumerate(starts):
            start = position - window.shift
            possible = 0 <= start < window.size and scores[i] > IMPOSSIBLE / 2
            if not possible or not is_best[window.first + start]:
                continue
            for j, end_position in enumerate(ends[i]):
                end = end_position - window.shift
                num_pieces = end - start + 1
                if not 1 <= num_pieces <= self.settings["max_answer_length"]:
                    continue
                if end >= window.size or not end_scores[i, j] > IMPOSSIBLE / 2:
                    continue
                begin = tokens[window.first + start].start
                stop = _visible_end(tokens, window.first + end)
                if stop > begin:
                    yield begin, stop, np.float32(scores[i]), np.float32(end_scores[i, j])

    def _ranked(self, spans, context, limit):
        """The best different texts; one without a text where there is none."""
        spans = sorted(spans, key=lambda span: -(span[2] + span[3]))[:limit]
        found = {}
        for begin, stop, *scores in spans:
            text = context[begin:stop]
            if text not in found and len(found) < self.settings["num_answers"]:
                found[text] = Span(text, begin, stop, *scores)
        return list(found.values()) or [Span("", 0, 0, NO_ANSWER, NO_ANSWER)]

    def _null_odds(self, outputs, best):
        if self.settings["head"] == "conditional":
            return float(min(output["impossible_logits"] for output in outputs))
        null = min(output["start_logits"][0] + output["end_logits"][0] for output in outputs)
        return float(null - (best.start_score + best.end_score))

    def _chosen(self, best, null_odds):
        scores = np.array([span.start_score + span.end_score for span in best], np.float64)
        shares = np.exp(scores - scores.max())
        threshold = self.settings["null_threshold"]
        if not best[0].text or (threshold is not None and null_odds > threshold):
            share = 1 / (1 + np.exp(-np.float64(null_odds)))
            return {
                "answer": "",
                "start": 0,
                "end": 0,
                "score": float(share),
                "null_odds": null_odds,
            }
        return {
            "answer": best[0].text,
            "start": best[0].start,
            "end": best[0].end,
            "score": float(shares[0] / shares.sum()),
            "null_odds": null_odds,
        }


def _likeliest(logits, window, num_best):
    """Positions and logits of the likeliest pieces of the context, the first of equals first."""
    inside = np.arange(window.shift, window.shift + window.size)
    order = inside[np.argsort(-logits[inside], kind="stable")][:num_best]
    return order, logits[order]


def _best_windows(windows, num_tokens):
    """For each token of the context the number of the window that shows most around it."""
    best, best_score = [-1] * num_tokens, [-1.0] * num_tokens
    for number, window in enumerate(windows):
        for place in range(window.size):
            score = min(place, window.size - 1 - place) + 0.01 * window.size
            if score > best_score[window.first + place]:
                best[window.first + place], best_score[window.first + place] = number, score
    return best


def _visible_end(tokens, index):
    """The end of a token; that of the one before where it has no characters."""
    token = tokens[index]
    return tokens[index - 1].end if token.start == token.end and index else token.end
