"""Clean-up and words for WordPiece, as the original's `BasicTokenizer` has them, in the graph.

Not `tf_text.FastBertTokenizer`: its op has rules and a version of Unicode of its own, and a limit
in bytes. Here Python's tables decide, as in the original, through regular expressions for what is
dropped and a table of kinds for what parts words; tests/text/test_wordpiece.py walks all code
points.
"""

import functools
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from albert_tf.text.basic_characters import (
    CHINESE,
    is_dropped,
    is_mark,
    is_punctuation,
    is_space,
    points_where,
)
from albert_tf.text.bounds import beginning
from albert_tf.text.cleanup import by_rarity, character_class, spread_index

_LETTER, _ALONE, _SPACE = 0, 1, 2


@functools.cache
def _class(is_so):
    """The inside of an RE2 character class of the characters that a function is true of."""
    return character_class(points_where(is_so))


@functools.cache
def _kinds():
    """What each character is to the division into words; what lies behind the table is a letter."""
    kinds = np.full(CHINESE[-1][1] + 2, _LETTER, np.uint8)
    for first, last in CHINESE:
        kinds[first : last + 1] = _ALONE
    kinds[list(points_where(is_punctuation))] = _ALONE
    kinds[list(points_where(is_space))] = _SPACE
    return kinds


def clean_basic(text, lowercase=True, keep_accents=False, num_bytes=None):
    """Cleans text as the original does before it looks for words.

    Control characters, NUL and U+FFFD go, letters become small, and characters with accents are
    decomposed (NFD) and lose them. White space stays as it is. Invalid UTF-8 counts as U+FFFD.

    Args:
        text: string tensor `(num_texts,)`.
        lowercase: whether letters become small; if not, accents stay, too.
        keep_accents: whether accents stay.
        num_bytes: what is longer is cut as `beginning` does it; None for all of it.

    Returns:
        string tensor `(num_texts,)`, valid UTF-8.
    """
    return by_rarity(
        text, lambda text, lower: _clean(text, lower, lowercase, keep_accents, num_bytes), lowercase
    )


class Words(NamedTuple):
    """The words of texts.

    Args:
        words: string ragged `(num_texts, num_words)`.
        places: int64 `(all characters of all words,)`, where each stands among the characters of
            all texts.
        num_bytes: int64, alike: bytes of each character.
    """

    words: tf.RaggedTensor
    places: tf.Tensor
    num_bytes: tf.Tensor


def split_words(cleaned) -> Words:
    """Divides cleaned text into words: ideographs and punctuation one by one, runs of the rest.

    Args:
        cleaned: string tensor `(num_texts,)`, from `clean_basic`.
    """
    points = tf.strings.unicode_decode(cleaned, "UTF-8")
    kinds = tf.constant(_kinds())
    kind = tf.gather(kinds, tf.minimum(points.values, tf.size(kinds) - 1))
    row_of = spread_index(points.row_lengths())
    is_new_row = tf.concat([[True], row_of[1:] != row_of[:-1]], 0)[: tf.size(row_of)]
    is_behind_other = tf.concat([[True], kind[:-1] != _LETTER], 0)[: tf.size(kind)]
    is_text = kind != _SPACE
    is_first = is_text & (is_new_row | is_behind_other | (kind == _ALONE))
    places = tf.where(is_text)[:, 0]
    letters = tf.gather(points.values, places)
    begins = tf.where(tf.gather(is_first, places))[:, 0]
    letters_of_words = tf.RaggedTensor.from_row_splits(
        letters, tf.concat([begins, [tf.size(letters, tf.int64)]], 0), validate=False
    )
    words = tf.strings.unicode_encode(letters_of_words, "UTF-8")
    num_before = tf.concat([[0], tf.cumsum(tf.cast(is_first, tf.int64))], 0)
    row_splits = tf.gather(num_before, points.row_splits)
    words = tf.RaggedTensor.from_row_splits(words, row_splits, validate=False)
    longer = [tf.cast(letters >= first, tf.int64) for first in (0x80, 0x800, 0x10000)]
    return Words(words, places, 1 + tf.add_n(longer))


def align_basic(text, lowercase=True, keep_accents=False):
    """Finds the characters of the text that each character of the cleaned text comes from.

    A dropped accent belongs to the letter before it, a dropped control character to none.

    Args:
        text: string tensor `(num_texts,)`, valid UTF-8.
        lowercase, keep_accents: as in `clean_basic`.

    Returns:
        (starts, ends): int64 ragged `(num_texts, num_cleaned_chars)`, positions in Unicode
        characters, end exclusive, both never falling along a row.
    """
    points = tf.strings.unicode_decode(text, "UTF-8")
    # Of the distinct characters of the batch: a few hundred, however long the texts.
    distinct, index = tf.unique(points.values)
    one_each = tf.range(tf.size(distinct, out_type=tf.int64) + 1)
    character = tf.strings.unicode_encode(
        tf.RaggedTensor.from_row_splits(distinct, one_each, validate=False), "UTF-8"
    )
    cleaned = tf.strings.length(clean_basic(character, lowercase, keep_accents), unit="UTF8_CHAR")
    num_cleaned = tf.gather(tf.cast(cleaned, tf.int64), index)
    is_control = tf.strings.regex_full_match(character, f"[{_class(is_dropped)}]")
    is_mark = (num_cleaned == 0) & ~tf.gather(is_control, index)
    position = tf.range(tf.size(num_cleaned, out_type=tf.int64))
    position -= tf.gather(points.row_starts(), spread_index(points.row_lengths()))
    # A group is a character that stays, and all behind it that do not.
    is_kept = num_cleaned > 0
    group = tf.cumsum(tf.cast(is_kept | (position == 0), tf.int64)) - 1
    behind = tf.where(is_kept | is_mark, position + 1, 0)
    end = tf.gather(tf.math.segment_max(behind, group), group)
    source = spread_index(num_cleaned)
    bounds = tf.concat([[0], tf.cumsum(num_cleaned)], 0)
    row_splits = tf.gather(bounds, points.row_splits)
    return tuple(
        tf.RaggedTensor.from_row_splits(tf.gather(side, source), row_splits, validate=False)
        for side in (position, end)
    )


def _clean(text, lower, lowercase, keep_accents, num_bytes):
    """Cleans valid UTF-8, in the order of the original."""
    text = tf.strings.regex_replace(text, f"[{_class(is_dropped)}]+", "")
    if num_bytes is not None:
        text = _beginning(text, num_bytes)
    text = lower(text)
    if not lowercase or keep_accents:
        return text
    text = tf_text.normalize_utf8(text, "NFD")
    return tf.strings.regex_replace(text, f"[{_class(is_mark)}]+", "")


def _beginning(text, num_bytes):
    def cut():
        # A megabyte of spaces is no text.
        squeezed = tf.strings.regex_replace(text, f"[{_class(is_space)}]+", " ")
        return beginning(squeezed, num_bytes)

    is_long = tf.reduce_any(tf.strings.length(text) > num_bytes)
    return tf.cond(is_long, cut, lambda: text)
