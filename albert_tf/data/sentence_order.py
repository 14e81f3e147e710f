"""Pairs of segments out of a document: sentence order (SOP, paper §3.1), next sentence, or none.

Follows the original `create_instances_from_document`, with two differences. A chunk of a single
sentence cannot be in the wrong order; the original pairs it with text from another document and
so turns SOP into next-sentence prediction there (google-research/albert#234). Here it takes the
sentence after it too; only the last sentence of a document may be left alone, and is dropped.
`single_sentence="reference"` does as the original. And the length to aim at is drawn for each
chunk, so that a tenth of the rows are short as the paper says; the original draws it once for a
document, and long documents give short rows from end to end.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

NUM_SPECIAL = 3  # [CLS] first [SEP] second [SEP]
OBJECTIVES = ("sop", "nsp", "none")
SINGLE_SENTENCE = ("drop", "reference")


class SentenceBounds(NamedTuple):
    """Where the sentences of one document lie in an array of ids of many.

    Args:
        begin: where the first one begins.
        ends: list of int, where each ends, rising.
    """

    begin: int
    ends: list[int]

    @classmethod
    def of_lengths(cls, lengths: Sequence[int], begin: int = 0) -> "SentenceBounds":
        """Places sentences of so many tokens one behind the other; empty ones are ignored."""
        lengths = np.asarray(lengths, np.int64)
        return cls(begin, (begin + np.cumsum(lengths[lengths > 0])).tolist())


def draw_segments(
    documents: Sequence[SentenceBounds],
    index: int,
    rng: np.random.Generator,
    *,
    sequence_length: int,
    objective: str = "sop",
    single_sentence: str = "drop",
    short_prob: float = 0.1,
    swap_prob: float = 0.5,
) -> np.ndarray:
    """Draws the segments of all rows of one document, as spans of an array of ids.

    Args:
        documents: the document and others, which random next sentences are taken from. Where
            there are no others, `nsp` gives true next sentences only.
        index: which of them to cut.
        rng: the only source of chance.
        sequence_length: length to fill in tokens, special ones included; at least 5.
        objective: `sop`, segments in order or swapped; `nsp`, true or random next; `none`,
            one segment.
        single_sentence: what becomes of a chunk of one sentence under `sop`: see above.
        short_prob: odds of aiming at a random shorter length instead, drawn anew for each
            chunk, so that the model meets short inputs too.
        swap_prob: odds of exchanging the two segments, or of a random next one.

    Returns:
        int64 `(num_rows, 5)`: begin and end of the first segment, of the second (equal under
        `none`), and the label: 1 when swapped or random, else 0.
    """
    max_tokens = sequence_length - (NUM_SPECIAL - (objective == "none"))
    if max_tokens < 2:
        raise ValueError(
            f"sequence_length must leave room for two tokens and three special ones: got "
            f"{sequence_length}. Use 5 or more."
        )
    bounds = documents[index]
    chance = rng.random((len(bounds.ends), 6))
    short = chance[:, 0] < short_prob
    targets = np.where(short, 2 + (chance[:, 1] * (max_tokens - 1)).astype(int), max_tokens)
    draws = zip(targets.tolist(), *chance[:, 2:].T.tolist(), strict=True)
    rows = {"sop": _order_rows, "nsp": _next_rows, "none": _plain_rows}[objective]
    takes_others = objective == "nsp" or single_sentence == "reference"
    others = _Others(documents, index) if takes_others and len(documents) > 1 else None
    spans = np.array(list(rows(bounds, draws, others, swap_prob)), np.int64).reshape(-1, 5)
    return _truncated(spans, max_tokens, rng)


class _Others:
    """Draws the second segment from another document (the original's random next)."""

    def __init__(self, documents, index):
        self._documents, self._index = documents, index

    def draw(self, num_tokens, document_chance, start_chance):
        other = int(document_chance * (len(self._documents) - 1))
        begin, ends = self._documents[other + (other >= self._index)]
        start = int(start_chance * len(ends))
        first = ends[start - 1] if start else begin
        stop = bisect_left(ends, first + max(num_tokens, 1), start, len(ends) - 1)
        return first, ends[stop]


def _order_rows(bounds, draws, others, swap_prob):
    """The rows of SOP; lone sentences as the original has them if there are `others`."""
    begin, ends = bounds
    start, first = 0, begin
    for target, cut_chance, swap_chance, document_chance, start_chance in draws:
        if start == len(ends):
            return
        stop = min(bisect_left(ends, first + target, start) + 1, len(ends))
        if stop - start == 1 and others is None:
            stop += 1
            if stop > len(ends):
                return
        last = ends[stop - 1]
        if stop - start == 1:
            yield first, last, *others.draw(target - last + first, document_chance, start_chance), 1
        else:
            cut = ends[start + int(cut_chance * (stop - start - 1))]
            swapped = swap_chance < swap_prob
            yield (cut, last, first, cut, 1) if swapped else (first, cut, cut, last, 0)
        start, first = stop, last


def _next_rows(bounds, draws, others, random_prob):
    """The rows of NSP; what a random next segment displaces goes into the next chunk."""
    begin, ends = bounds
    start, first = 0, begin
    for target, cut_chance, random_chance, document_chance, start_chance in draws:
        if start == len(ends):
            return
        stop = min(bisect_left(ends, first + target, start) + 1, len(ends))
        cut_after = start + int(cut_chance * max(stop - start - 1, 1))
        cut, last = ends[cut_after], ends[stop - 1]
        is_lone = stop - start == 1
        if others is not None and (is_lone or random_chance < random_prob):
            yield first, cut, *others.draw(target - cut + first, document_chance, start_chance), 1
            start, first = cut_after + 1, cut
        else:
            if not is_lone:
                yield first, cut, cut, last, 0
            start, first = stop, last


def _plain_rows(bounds, draws, others, swap_prob):
    begin, ends = bounds
    start, first = 0, begin
    for target, *_ in draws:
        if start == len(ends):
            return
        stop = min(bisect_left(ends, first + target, start) + 1, len(ends))
        last = ends[stop - 1]
        yield first, last, last, last, 0
        start, first = stop, last


def _truncated(spans, max_tokens, rng):
    """Shortens the longer segment until both fit, each token from the front or the back by chance.

    Removing from either end adds variety and keeps no bias for how sentences begin (original
    `truncate_seq_pair`, which looks at one token at a time).
    """
    begins, ends = spans[:, 0:4:2], spans[:, 1:4:2]
    removed = _num_removed(ends - begins, max_tokens)
    from_front = rng.binomial(removed, 0.5)
    begins += from_front
    ends -= removed - from_front
    return spans


def _num_removed(lengths, max_tokens):
    """How many tokens leave each segment: the longer gives, and of equal ones the second first."""
    first, second = lengths.T
    excess = np.maximum(first + second - max_tokens, 0)
    from_first = np.minimum(excess, np.maximum(first - second, 0))
    from_second = np.minimum(excess, np.maximum(second - first, 0))
    even = excess - from_first - from_second
    return np.stack([from_first + even // 2, from_second + (even + 1) // 2], axis=1)
