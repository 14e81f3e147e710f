"""Masking of a whole batch as graph ops: `masking.mask_row` for all rows at once (paper §4.1).

All rows try one word each per turn of a loop, in the random order of their own, until every
budget is spent: some budget / 2 turns, whatever the number of rows. The chance is that of
`chance.py`, so both forms give the same bits.
"""

import numpy as np
import tensorflow as tf

from albert_tf.data.chance import HALF, LAST_SHIFT, MIX, STEP, TOKENS, WORDS, thresholds
from albert_tf.data.masking import REPLACEMENT_ODDS, MaskingLaw, ngram_odds
from albert_tf.data.masking_vocabulary import MaskingVocabulary

LAST = 2**64 - 1


def fold(key, value):
    """Draws 64 random bits from a key and a number; `chance.fold` as ops, uint64 in and out."""
    bits = key + (tf.cast(value, tf.uint64) + 1) * _uint64(STEP)
    for shift, factor in MIX:
        bits = tf.bitwise.bitwise_xor(bits, _shifted(bits, shift)) * _uint64(factor)
    return tf.bitwise.bitwise_xor(bits, _shifted(bits, LAST_SHIFT))


def mask_rows(token_ids, lengths, first_lengths, keys, vocabulary: MaskingVocabulary, law):
    """Masks the rows of a batch.

    Args:
        token_ids: int32 `(rows, sequence_length)`, padded, both sizes static.
        lengths, first_lengths: int32 `(rows,)`; see `masking.mask_row`. An empty row has 0.
        keys: uint64 `(rows,)`, the only source of chance.
        vocabulary: see `MaskingVocabulary`.
        law: `MaskingLaw`.

    Returns:
        dict of `token_ids` with replacements, `mask_positions`, `mask_ids` int32 and
        `mask_weights` float32 `(rows, max_predictions)`; the positions are sorted.
    """
    is_text, starts = _text_and_starts(token_ids, lengths, first_lengths, vocabulary, law)
    budgets = tf.gather(_budgets(law, token_ids.shape[1]), lengths)
    is_picked = _pick_spans(is_text, starts, first_lengths, budgets, fold(keys, WORDS), law)
    counts = tf.reduce_sum(tf.cast(is_picked, tf.int32), axis=1)
    is_real = tf.sequence_mask(counts, law.max_predictions)
    positions = tf.where(is_real, _nth_true(is_picked, law.max_predictions), 0)
    answers = tf.gather(token_ids, positions, batch_dims=1)
    seen = _replacements(answers, fold(keys, TOKENS), vocabulary)
    rows = tf.repeat(tf.range(token_ids.shape[0])[:, None], law.max_predictions, axis=1)
    # Filling slots all write [CLS] over itself.
    hidden = tf.tensor_scatter_nd_update(
        token_ids, tf.stack([rows, positions], axis=-1), tf.where(is_real, seen, answers)
    )
    return {
        "token_ids": hidden,
        "mask_positions": positions,
        "mask_ids": tf.where(is_real, answers, 0),
        "mask_weights": tf.cast(is_real, tf.float32),
    }


def _text_and_starts(token_ids, lengths, first_lengths, vocabulary, law: MaskingLaw):
    """Which positions hold text (no special token), and which of them open a word; bool."""
    place = tf.range(token_ids.shape[1])[None]
    last, first_end = lengths[:, None] - 1, first_lengths[:, None] - 1
    is_text = (place > 0) & (place < last) & (place != first_end)
    if not law.whole_words:
        return is_text, is_text
    opens = tf.gather(tf.constant(vocabulary.word_starts), token_ids)
    return is_text, is_text & (opens | (place == 1) | (place == first_end + 1))


def _pick_spans(is_text, starts, first_lengths, budgets, keys, law: MaskingLaw):
    """`masking.pick_spans` for all rows: bool `(rows, sequence_length)`, True where masked."""
    num_rows, width = is_text.shape
    most = law.max_ngram
    num_words = tf.reduce_sum(tf.cast(starts, tf.int32), axis=1)
    bits = fold(keys[:, None], tf.range(width)[None])
    spans = 1 + _outcome(bits, ngram_odds(most))
    # Words that a row does not have come last.
    order = tf.where(tf.sequence_mask(num_words, width), bits, _uint64(LAST))
    order = tf.transpose(tf.argsort(order, axis=1, stable=True))
    sizes = _span_sizes(is_text, starts, first_lengths, most)
    sizes, spans = tf.reshape(sizes, (-1, most)), tf.reshape(spans, [-1])
    # Behind the last word stand `most` words of no size: spans may run past the end.
    row_of_spans, row_of_words = tf.range(num_rows) * width, tf.range(num_rows) * (width + most)
    steps = tf.range(most)[None]

    def has_work(turn, is_taken, left):
        return (turn < tf.reduce_max(num_words)) & tf.reduce_any(left > 0)

    def try_one_word(turn, is_taken, left):
        word = order[turn]
        here = row_of_spans + word
        size = tf.gather(sizes, here)
        fits = (steps < tf.gather(spans, here)[:, None]) & (size <= left[:, None])
        index = (row_of_words + word)[:, None] + steps
        before = tf.gather(is_taken, index)
        is_free = ~tf.reduce_any(before & fits, axis=1, keepdims=True)
        takes = fits & is_free
        is_taken = tf.tensor_scatter_nd_update(is_taken, index[..., None], before | takes)
        return turn + 1, is_taken, left - tf.reduce_max(tf.where(takes, size, 0), axis=1)

    none_taken = tf.zeros(num_rows * (width + most), tf.bool)
    _, is_taken, _ = tf.while_loop(
        has_work, try_one_word, (0, none_taken, budgets), parallel_iterations=1
    )
    word_of = tf.maximum(tf.cumsum(tf.cast(starts, tf.int32), axis=1) - 1, 0)
    return tf.gather(is_taken, row_of_words[:, None] + word_of) & is_text


def _span_sizes(is_text, starts, first_lengths, most):
    """Tokens of 1 to `most` words from each word on: int32 `(rows, sequence_length, most)`."""
    width = is_text.shape[1]
    begins = _nth_true(starts, width + most)
    num_tokens = tf.reduce_sum(tf.cast(is_text, tf.int32), axis=1, keepdims=True)
    is_second = tf.cast(begins >= first_lengths[:, None], tf.int32)
    begins = tf.minimum(begins - 1 - is_second, num_tokens)  # counted in text alone
    ends = [begins[:, n : n + width] for n in range(1, most + 1)]
    return tf.stack(ends, axis=-1) - begins[:, :width, None]


def _replacements(answers, keys, vocabulary):
    """What the model sees in place of each token: [MASK], a random one, or itself."""
    bits = fold(keys[:, None], tf.range(answers.shape[1])[None])
    outcome = _outcome(_shifted(bits, HALF), REPLACEMENT_ODDS)
    index = _shifted(_low_half(bits) * _uint64(len(vocabulary.ordinary_ids)), HALF)
    random_ids = tf.gather(tf.constant(vocabulary.ordinary_ids, tf.int32), tf.cast(index, tf.int32))
    replaced = tf.where(outcome == 1, random_ids, answers)
    return tf.where(outcome == 0, vocabulary.mask_id, replaced)


def _budgets(law: MaskingLaw, width: int):
    """`MaskingLaw.budget` of every length, int32 `(width + 1,)`; 0 for an empty row."""
    return tf.constant([0, *(law.budget(length) for length in range(1, width + 1))], tf.int32)


def _nth_true(flags, count: int):
    """Where the first, second, ... True of each row stands; the row's length when there is none.

    Returns:
        int32 `(rows, count)`.
    """
    num_before = tf.cumsum(tf.cast(flags, tf.int32), axis=1)
    wanted = tf.tile(tf.range(1, count + 1)[None], (flags.shape[0], 1))
    return tf.searchsorted(num_before, wanted)


def _outcome(bits, odds):
    """Which outcome the low half of the bits stands for, int32."""
    low = _low_half(bits)
    passed = [tf.cast(low >= _uint64(bound), tf.int32) for bound in thresholds(odds)]
    return tf.add_n(passed) if passed else tf.zeros_like(bits, tf.int32)


def _low_half(bits):
    return tf.bitwise.bitwise_and(bits, _uint64(2**HALF - 1))


def _shifted(bits, places: int):
    return tf.bitwise.right_shift(bits, _uint64(places))


def _uint64(value: int):
    return tf.constant(np.uint64(value))
