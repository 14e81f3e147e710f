"""Which positions the model must predict, and what it sees there (paper §4.1).

Pure NumPy on ids, as the original `create_masked_lm_predictions`: n-grams of whole words, short
ones likelier, 15 % of the tokens, and for each token on its own 80 % [MASK], 10 % another token,
10 % itself. `mask_row` puts the parts together for one row, and is the form to read. To many rows
`masking_arrays.py` does the same in NumPy, and `masking_ops.py` in a graph, bit for bit.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from albert_tf.data.chance import HALF, TOKENS, WORDS, fold, thresholds

_PUNCTUATION = frozenset('!"#$%&()*+,-./:;?@[\\]^_`{|}~€£')
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz") | _PUNCTUATION
REPLACEMENT_ODDS = (0.8, 0.1, 0.1)  # [MASK], a random token, the token itself
_REPLACEMENT_BOUNDS = np.array(thresholds(REPLACEMENT_ODDS), np.uint64)
_LOW = np.uint64(2**HALF - 1)


@dataclass(frozen=True, kw_only=True)
class MaskingLaw:
    """How much is masked, and in what pieces.

    Args:
        mask_fraction: share of the tokens to pick, in (0, 1].
        max_predictions: most positions to pick in a row.
        max_ngram: longest span, in words.
        whole_words: whether a word is masked whole or not at all; if not, each token counts as
            a word.
    """

    mask_fraction: float = 0.15
    max_predictions: int = 20
    max_ngram: int = 3
    whole_words: bool = True

    def __post_init__(self):
        if not 0 < self.mask_fraction <= 1:
            raise ValueError(f"mask_fraction must be in (0, 1]: got {self.mask_fraction}.")
        for name in ("max_predictions", "max_ngram"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1: got {getattr(self, name)}.")

    def budget(self, num_tokens: int) -> int:
        """Most positions to pick in a row of `num_tokens`, special ones counted.

        The original counts [CLS] and [SEP] as well.
        """
        return min(self.max_predictions, max(1, round(self.mask_fraction * num_tokens)))


def ngram_odds(max_ngram: int) -> np.ndarray:
    """Odds of a span of n words, n = 1..max_ngram: p(n) ∝ 1/n (paper §4.1)."""
    weights = 1 / np.arange(1, max_ngram + 1)
    return weights / weights.sum()


def starts_word(piece: str) -> bool:
    """Whether a SentencePiece piece opens a word (`_is_start_piece_sp` of the original).

    A piece goes on with the word before it only when it is made of the letters a-z without
    "▁"; punctuation, digits and every other script open a word of their own.
    """
    if piece.startswith(("▁", "<")) or piece in _PUNCTUATION:
        return True
    return not all(letter.lower() in _LETTERS for letter in piece)


def word_starts(pieces: Sequence[str]) -> np.ndarray:
    """Tabulates `starts_word` for a vocabulary: bool `(vocab_size,)`, to be indexed by ids."""
    return np.array([starts_word(piece) for piece in pieces], bool)


def word_bounds(starts: np.ndarray) -> list[int]:
    """Gives where each word begins and, last, where the text ends: `num_words + 1` numbers."""
    firsts = np.flatnonzero(starts[1:]) + 1
    return [*([0] if len(starts) else []), *firsts.tolist(), len(starts)]


def pick_spans(
    bounds: Sequence[int], order: Sequence[int], lengths: Sequence[int], budget: int
) -> list[int]:
    """Takes spans of words until the budget is spent; all chance was drawn before (paper §4.1).

    A span that would exceed the budget is shortened word by word; if its first word alone does
    not fit, or a word of it is taken already, the span is skipped. So a word is masked whole or
    not at all. A span that would pass the end of the text ends there, as in the original.

    Args:
        bounds: where each word begins, and the end of the last one; Python's whole numbers.
        order: the words, from 0, in the order in which spans are tried from them.
        lengths: of the span that begins at each word, in words.
        budget: most tokens to take.

    Returns:
        The positions, rising, counted as `bounds` are.
    """
    first, num_words, left, spans = bounds[0], len(lengths), budget, []
    taken = 0  # a bit for each token: the loop runs for every row, and sets would take it longer
    for word in order:
        if left == 0:
            break
        begin, last = bounds[word], min(word + lengths[word], num_words)
        while last > word and bounds[last] - begin > left:
            last -= 1
        if last > word:
            end = bounds[last]
            span = (1 << (end - first)) - (1 << (begin - first))
            if not span & taken:
                taken |= span
                left -= end - begin
                spans.append((begin, end))
    return [position for begin, end in sorted(spans) for position in range(begin, end)]


def span_lengths(bits: np.ndarray, max_ngram: int) -> np.ndarray:
    """Turns 64 random bits a word into the length of its span, by the odds of the law."""
    return 1 + np.searchsorted(_ngram_bounds(max_ngram), bits & _LOW, side="right")


def hide_tokens(
    token_ids: np.ndarray,
    positions: np.ndarray,
    bits: np.ndarray,
    *,
    mask_id: int,
    ordinary_ids: np.ndarray,
) -> np.ndarray:
    """Replaces the tokens to predict, each decided on its own (the original's 80/10/10).

    Args:
        token_ids: int `(num_tokens,)`; not changed.
        positions: int `(num_masked,)`, the tokens to predict.
        bits: uint64 `(num_masked,)`, the only source of chance.
        mask_id: id of [MASK].
        ordinary_ids: int array to draw random tokens from. The original may draw special tokens.

    Returns:
        A copy of `token_ids` with replacements.
    """
    outcome = np.searchsorted(_REPLACEMENT_BOUNDS, bits >> np.uint64(HALF), side="right")
    random_ids = ordinary_ids[(bits & _LOW) * np.uint64(len(ordinary_ids)) >> np.uint64(HALF)]
    hidden = token_ids.copy()
    hidden[positions] = np.choose(outcome, [mask_id, random_ids, token_ids[positions]])
    return hidden


def mask_row(
    token_ids: np.ndarray,
    first_length: int,
    key,
    *,
    law: MaskingLaw,
    mask_id: int,
    ordinary_ids: np.ndarray,
    word_starts: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Masks one row of a record, in plain form; both `mask_rows` must give the same.

    Args:
        token_ids: int `(length,)`, [CLS] first [SEP] second [SEP], or [CLS] text [SEP].
        first_length: number of positions up to the [SEP] of the first segment, that included.
        key: of the row, see `chance.py`; the only source of chance.
        law: how much to mask.
        mask_id, ordinary_ids, word_starts: see `MaskingVocabulary`.

    Returns:
        `(hidden, positions)`: a copy of `token_ids` with replacements, and the sorted positions
        to predict.
    """
    length = len(token_ids)
    is_text = np.ones(length, bool)
    is_text[[0, first_length - 1, length - 1]] = False
    text = np.flatnonzero(is_text)
    starts = word_starts[token_ids[text]] if law.whole_words else np.ones(len(text), bool)
    starts = starts | (text == first_length)  # no word goes on across [SEP]
    bounds = word_bounds(starts)
    bits = fold(fold(key, WORDS), np.arange(len(bounds) - 1))
    order, lengths = np.argsort(bits, kind="stable"), span_lengths(bits, law.max_ngram)
    picked = pick_spans(bounds, order.tolist(), lengths.tolist(), law.budget(length))
    positions = text[np.array(picked, np.int64)]
    bits = fold(fold(key, TOKENS), np.arange(len(positions)))
    ids = {"mask_id": mask_id, "ordinary_ids": ordinary_ids}
    return hide_tokens(token_ids, positions, bits, **ids), positions


@functools.cache
def _ngram_bounds(max_ngram: int) -> np.ndarray:
    return np.array(thresholds(ngram_odds(max_ngram)), np.uint64)
