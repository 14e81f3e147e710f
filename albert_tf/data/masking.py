"""Which positions the model must predict, and what it sees there (paper §4.1).

Pure NumPy on ids, as the original `create_masked_lm_predictions`: n-grams of whole words, short
ones likelier, 15 % of the tokens, and for each token on its own 80 % [MASK], 10 % another token,
10 % itself. This is the form to read; `masking_ops.py` does the same to a batch in a graph.
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


def choose_masked_positions(
    starts: np.ndarray,
    rng: np.random.Generator,
    *,
    mask_fraction: float = 0.15,
    max_predictions: int = 20,
    max_ngram: int = 3,
    num_special: int = 0,
) -> np.ndarray:
    """Picks the positions to predict: n-grams of whole words in a random order (paper §4.1).

    Args:
        starts: bool `(num_tokens,)`, True where a word begins. The first is taken as True.
        rng: the only source of chance.
        mask_fraction, max_predictions, max_ngram: see `MaskingLaw`.
        num_special: tokens besides these, [CLS] and [SEP], that the share is counted on.

    Returns:
        Sorted int array `(num_masked,)` without repeats; empty when no word fits the budget.
    """
    law = MaskingLaw(
        mask_fraction=mask_fraction, max_predictions=max_predictions, max_ngram=max_ngram
    )
    bounds = word_bounds(starts)
    num_words = len(bounds) - 1
    lengths = 1 + rng.choice(max_ngram, num_words, p=ngram_odds(max_ngram))
    order = rng.permutation(num_words)
    return pick_spans(bounds, order, lengths, law.budget(len(starts) + num_special))


def word_bounds(starts: np.ndarray) -> np.ndarray:
    """Gives where each word begins and, last, where the text ends: int `(num_words + 1,)`."""
    firsts = np.flatnonzero(starts[1:]) + 1
    return np.concatenate([[0] if len(starts) else [], firsts, [len(starts)]]).astype(np.int64)


def pick_spans(
    bounds: np.ndarray, order: np.ndarray, lengths: np.ndarray, budget: int
) -> np.ndarray:
    """Takes spans of words until the budget is spent; all chance was drawn before.

    A span that would exceed the budget is shortened word by word; if its first word alone does
    not fit, or a word of it is taken already, the span is skipped. So a word is masked whole or
    not at all. A span that would pass the end of the text ends there, as in the original.

    Args:
        bounds: int `(num_words + 1,)`, from `word_bounds`.
        order: int `(num_words,)`, the words in the order in which spans are tried from them.
        lengths: int `(num_words,)`, length in words of the span that begins at each word.
        budget: most tokens to take.

    Returns:
        Sorted int array of token positions.
    """
    bounds, num_words = bounds.tolist(), len(bounds) - 1
    picked = np.zeros(bounds[-1], bool)
    left = budget
    for word in order.tolist():
        if left == 0:
            break
        begin, last = bounds[word], min(word + int(lengths[word]), num_words)
        while last > word and bounds[last] - begin > left:
            last -= 1
        if last > word and not picked[begin : bounds[last]].any():
            picked[begin : bounds[last]] = True
            left -= bounds[last] - begin
    return np.flatnonzero(picked)


def hide_tokens(
    token_ids: np.ndarray,
    positions: np.ndarray,
    rng: np.random.Generator,
    *,
    mask_id: int,
    ordinary_ids: np.ndarray,
    mask_prob: float = 0.8,
    random_prob: float = 0.1,
) -> np.ndarray:
    """Replaces the tokens to predict, each decided on its own (the original's 80/10/10).

    Args:
        token_ids: int `(num_tokens,)`; not changed.
        positions: int `(num_masked,)`, the tokens to predict.
        rng: the only source of chance.
        mask_id: id of [MASK].
        ordinary_ids: int array to draw random tokens from. The original may draw special tokens.
        mask_prob, random_prob: odds of [MASK] and of a random token; the rest stays as it is.

    Returns:
        A copy of `token_ids` with replacements.
    """
    hidden = token_ids.copy()
    chance = rng.random(len(positions))
    random_ids = rng.choice(ordinary_ids, len(positions))
    hidden[positions[chance < mask_prob]] = mask_id
    is_random = (chance >= mask_prob) & (chance < mask_prob + random_prob)
    hidden[positions[is_random]] = random_ids[is_random]
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
    """Masks one row of a record; `masking_ops.mask_rows` does it to a batch, bit for bit.

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
    lengths = 1 + np.searchsorted(_ngram_bounds(law.max_ngram), bits & _LOW, side="right")
    positions = text[
        pick_spans(bounds, np.argsort(bits, kind="stable"), lengths, law.budget(length))
    ]
    bits = fold(fold(key, TOKENS), np.arange(len(positions)))
    outcome = np.searchsorted(_REPLACEMENT_BOUNDS, bits >> np.uint64(HALF), side="right")
    random_ids = ordinary_ids[(bits & _LOW) * np.uint64(len(ordinary_ids)) >> np.uint64(HALF)]
    hidden = token_ids.copy()
    hidden[positions] = np.choose(outcome, [mask_id, random_ids, token_ids[positions]])
    return hidden, positions


@functools.cache
def _ngram_bounds(max_ngram: int) -> np.ndarray:
    return np.array(thresholds(ngram_odds(max_ngram)), np.uint64)
