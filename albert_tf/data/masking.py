"""Which positions the model must predict, and what it sees there (paper §4.1).

Pure NumPy on ids, as the original `create_masked_lm_predictions`: n-grams of whole words, short
ones likelier, 15 % of the tokens, and for each token on its own 80 % [MASK], 10 % another token,
10 % itself.
"""

from collections.abc import Sequence

import numpy as np

_PUNCTUATION = frozenset('!"#$%&()*+,-./:;?@[\\]^_`{|}~€£')
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz") | _PUNCTUATION


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

    A span that would exceed the budget is shortened word by word; if its first word alone does
    not fit or is taken already, the span is skipped. So a word is masked whole or not at all.

    Args:
        starts: bool `(num_tokens,)`, True where a word begins. The first is taken as True.
        rng: the only source of chance.
        mask_fraction: share of the tokens to pick, in (0, 1].
        max_predictions: most positions to pick.
        max_ngram: longest span, in words.
        num_special: tokens besides these, [CLS] and [SEP], that the share is counted on. The
            original counts them.

    Returns:
        Sorted int array `(num_masked,)` without repeats; empty when no word fits the budget.
    """
    num_tokens = len(starts)
    share = round(mask_fraction * (num_tokens + num_special))
    budget = min(max_predictions, max(1, share))
    if num_tokens == 0:
        return np.zeros(0, np.int64)
    firsts = np.flatnonzero(starts[1:]) + 1
    bounds = [0, *firsts.tolist(), num_tokens]
    num_words = len(bounds) - 1
    # Near the end only the n-grams that fit compete: the odds of the others are shared out.
    cumulated = np.cumsum(ngram_odds(max_ngram))
    num_left = np.minimum(max_ngram, num_words - np.arange(num_words))
    longest = np.searchsorted(cumulated, rng.random(num_words) * cumulated[num_left - 1]) + 1
    picked = np.zeros(num_tokens, bool)
    num_picked = 0
    for word in rng.permutation(num_words):
        if num_picked == budget:
            break
        begin, last = bounds[word], word + int(longest[word])
        while last > word and bounds[last] - begin > budget - num_picked:
            last -= 1
        if last > word and not picked[begin : bounds[last]].any():
            picked[begin : bounds[last]] = True
            num_picked += bounds[last] - begin
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
