"""Pairs of neighbouring segments, in order or swapped: the task SOP (paper §3.1, inter-sentence).

Follows the original `create_instances_from_document`, with one difference: a chunk of a single
sentence, which cannot be in the wrong order, is dropped. The original pairs it with text from
another document and so turns SOP into next-sentence prediction there (google-research/albert#234).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

NUM_SPECIAL = 3  # [CLS] first [SEP] second [SEP]


class SegmentPair(NamedTuple):
    """Two neighbouring pieces of text as ids, and whether they stand in the wrong order.

    Args:
        first, second: int arrays, neither empty, as the model will see them.
        swapped: 1 when `second` came before `first` in the document, else 0.
    """

    first: np.ndarray
    second: np.ndarray
    swapped: int


def segment_pairs(
    document: Sequence[np.ndarray],
    rng: np.random.Generator,
    *,
    sequence_length: int,
    short_prob: float = 0.1,
    swap_prob: float = 0.5,
) -> Iterator[SegmentPair]:
    """Cuts a document into chunks of whole sentences, and each chunk into two segments.

    Args:
        document: its sentences in order, each an int array of ids; empty ones are ignored.
        rng: the only source of chance.
        sequence_length: length to fill in tokens, [CLS] and both [SEP] included; at least 5.
        short_prob: odds of aiming at a random shorter length instead, drawn anew for each
            chunk, so that the model meets short inputs too.
        swap_prob: odds of exchanging the two segments.

    Yields:
        Pairs of at most `sequence_length - 3` tokens together.
    """
    max_tokens = sequence_length - NUM_SPECIAL
    if max_tokens < 2:
        raise ValueError(
            f"sequence_length must leave room for two tokens and three special ones: got "
            f"{sequence_length}. Use 5 or more."
        )
    sentences = [sentence for sentence in document if len(sentence)]
    chunk: list[np.ndarray] = []
    target = _target_length(max_tokens, rng, short_prob)
    for number, sentence in enumerate(sentences):
        chunk.append(sentence)
        if sum(map(len, chunk)) < target and number < len(sentences) - 1:
            continue
        if len(chunk) > 1:
            cut = rng.integers(1, len(chunk))
            first, second = np.concatenate(chunk[:cut]), np.concatenate(chunk[cut:])
            swapped = int(rng.random() < swap_prob)
            if swapped:
                first, second = second, first
            yield SegmentPair(*truncate_pair(first, second, max_tokens, rng), swapped)
        chunk, target = [], _target_length(max_tokens, rng, short_prob)


def truncate_pair(
    first: np.ndarray, second: np.ndarray, max_tokens: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Shortens the longer segment until both fit, each token from the front or the back by chance.

    Removing from either end adds variety and keeps no bias for how sentences begin (original
    `truncate_seq_pair`).
    """
    lengths = [len(first), len(second)]
    num_excess = max(0, sum(lengths) - max_tokens)
    num_removed = [0, 0]
    for _ in range(num_excess):
        longer = 0 if lengths[0] > lengths[1] else 1
        lengths[longer] -= 1
        num_removed[longer] += 1
    cut = []
    for segment, removed in zip((first, second), num_removed, strict=True):
        from_front = int(rng.binomial(removed, 0.5))
        cut.append(segment[from_front : len(segment) - (removed - from_front)])
    return cut[0], cut[1]


def _target_length(max_tokens: int, rng: np.random.Generator, short_prob: float) -> int:
    return int(rng.integers(2, max_tokens + 1)) if rng.random() < short_prob else max_tokens
