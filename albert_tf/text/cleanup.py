"""Clean-up of raw text before SentencePiece, as the original `tokenization.py` does it.

`preprocess_text` there is plain Python: squeeze whitespace, NFKD, drop combining marks, lower
case. Here each step is a TensorFlow op over a whole batch, so that the same clean-up runs in
`tf.data`, in a SavedModel and in TF Serving. Equal to Python on every code point that Python's
Unicode tables know; tests/text/test_cleanup.py walks all of them. Three traps are met here:

- Character classes are spelled out from `unicodedata`, since RE2's `\\p{Mn}` and `\\s` are not
  Python's `combining()` and `isspace()`.
- `tf.strings.lower` stops at a NUL byte, obeys the locale of the process (Turkish has a
  dotless ı for I) and carries the case tables of Unicode 13.
- `tf_text.normalize_utf8` lets invalid UTF-8 through unchanged.

One case is left: a capital sigma beside a character added to Unicode since version 14 may take
the other of its two lower-case forms.
"""

import itertools
import unicodedata

import tensorflow as tf
import tensorflow_text as tf_text

from albert_tf.text.bounds import beginning


def character_class(code_points):
    """Writes sorted code points as the inside of an RE2 character class."""
    # Neighbours share the difference between value and rank.
    runs = itertools.groupby(enumerate(code_points), lambda ranked: ranked[1] - ranked[0])
    bounds = ([point for _, point in run] for _, run in runs)
    return "".join(f"\\x{{{run[0]:x}}}-\\x{{{run[-1]:x}}}" for run in bounds)


# No whitespace or combining mark lies beyond these planes: shown by the test of all code points.
_PLANES = range(0x20000)
_SPACES = character_class([p for p in _PLANES if chr(p).isspace()])
_OTHER_SPACES = character_class([p for p in _PLANES if chr(p).isspace() and chr(p) != " "])
_MARKS = character_class([p for p in _PLANES if unicodedata.combining(chr(p))])

# Capitals of Unicode 14 (Glagolitic, Latin, Vithkuqi), and how far off their small letters are.
_CAPITALS_SINCE_14 = {
    **{0x2C2F: 0x30, 0xA7C0: 1, 0xA7D0: 1, 0xA7D6: 1, 0xA7D8: 1},
    **dict.fromkeys((*range(0x10570, 0x1057B), *range(0x1057C, 0x1058B)), 0x27),
    **dict.fromkeys((*range(0x1058C, 0x10593), 0x10594, 0x10595), 0x27),
}
# RE2 takes encoded surrogates for characters; UTF-8 forbids them.
_RARE = character_class(sorted((0, *range(0xD800, 0xE000), *_CAPITALS_SINCE_14)))


def clean_text(text, lowercase=True, keep_accents=False, num_bytes=None):
    """Cleans text as the original does before tokenization (`preprocess_text`).

    Whitespace runs become one space and vanish at the ends, characters take their
    compatibility decomposition (NFKD), combining marks go, letters become small. Invalid
    UTF-8 becomes U+FFFD first, as Python's `bytes.decode(errors="replace")` has it.

    Args:
        text: string tensor `(num_texts,)`.
        lowercase: whether letters become small.
        keep_accents: whether combining marks stay, behind their letter.
        num_bytes: what is longer, clean, is cut as `beginning` does it; None for all of it.

    Returns:
        string tensor `(num_texts,)`, valid UTF-8.
    """
    return by_rarity(
        text, lambda text, lower: _clean(text, lower, keep_accents, num_bytes), lowercase
    )


def by_rarity(text, clean, lowercase):
    """Cleans text with what is fast for ordinary characters, or with what is right for all.

    Invalid UTF-8, NUL and the newest capitals are so rare that one look pays.

    Args:
        text: string tensor `(num_texts,)`.
        clean: function of valid text and of one that makes letters small, as `str.lower` does.
        lowercase: False gives `clean` one that leaves them as they are.

    Returns:
        What `clean` gives.
    """
    return tf.cond(
        tf.reduce_all(tf.strings.regex_full_match(text, f"[^{_RARE}]*")),
        lambda: clean(text, _lower if lowercase else tf.identity),
        lambda: clean(repair(text), _lower_rare if lowercase else tf.identity),
    )


def repair(text):
    """Replaces invalid UTF-8 by U+FFFD, as many as Python's `errors="replace"` gives."""
    return tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")


def align_cleaned(text, keep_accents=False):
    """Finds the characters of the text that each character of the cleaned text comes from.

    A character that becomes several ("½", "ﬁ") is the source of each; a dropped combining
    mark belongs to the letter before it. Marks that NFKD reorders (`keep_accents`) share out
    the positions of their run in text order.

    Args:
        text: string tensor `(num_texts,)`, valid UTF-8.
        keep_accents: as in `clean_text`.

    Returns:
        (starts, ends): int64 ragged `(num_texts, num_cleaned_chars)`, positions in Unicode
        characters, end exclusive, both never falling along a row.
    """
    points = tf.strings.unicode_decode(text, "UTF-8")
    num_cleaned, is_mark = _describe_characters(points, keep_accents)
    position = tf.range(tf.size(num_cleaned, out_type=tf.int64))
    start = position - tf.gather(points.row_starts(), spread_index(points.row_lengths()))
    # A mark joins the group that the nearest character before it opened.
    group = tf.cumsum(tf.cast(~is_mark | (start == 0), tf.int64)) - 1
    end = start + tf.gather(tf.math.segment_sum(tf.ones_like(group), group), group)
    bounds = tf.concat([[0], tf.cumsum(num_cleaned)], 0)
    row_splits = tf.gather(bounds, points.row_splits)
    source = spread_index(num_cleaned)
    return tuple(
        tf.RaggedTensor.from_row_splits(tf.gather(side, source), row_splits, validate=False)
        for side in (start, end)
    )


def spread_index(counts):
    """Repeats each index as often as its count says: [2, 0, 1] gives [0, 0, 2].

    The same as `tf.repeat(tf.range(n), counts)`, without its table of `n * max(counts)`.

    Args:
        counts: int64 `(n,)`, 0 or more each.

    Returns:
        int64 `(sum(counts),)`.
    """
    ends = tf.cumsum(counts)
    total = tf.reduce_sum(counts)
    num_ended = tf.math.unsorted_segment_sum(tf.ones_like(ends), ends, total + 1)
    return tf.cumsum(num_ended)[:-1]


def _describe_characters(points, keep_accents):
    """Tells how many cleaned characters each code point gives, and whether it is a dropped mark.

    Works on the distinct characters of the batch: a few hundred, however long the texts.
    """
    distinct, index = tf.unique(points.values)
    one_each = tf.range(tf.size(distinct, out_type=tf.int64) + 1)
    character = tf.strings.unicode_encode(
        tf.RaggedTensor.from_row_splits(distinct, one_each, validate=False), "UTF-8"
    )
    is_space = tf.gather(tf.strings.regex_full_match(character, f"[{_SPACES}]"), index)
    decomposed = tf.strings.length(_decompose(character, keep_accents), unit="UTF8_CHAR")
    num_cleaned = tf.gather(tf.cast(decomposed, tf.int64), index)
    is_mark = (num_cleaned == 0) & ~is_space
    # A space stays if a word stands right before it and some word after it.
    row = spread_index(points.row_lengths())
    position = tf.range(tf.size(row, out_type=tf.int64))
    begins_row = position == tf.gather(points.row_starts(), row)
    after_word = ~tf.concat([[True], is_space[:-1]], 0) & ~begins_row
    word_position = tf.where(is_space, tf.constant(-1, tf.int64), position)
    last_word = tf.math.unsorted_segment_max(word_position, row, points.nrows())
    is_kept = after_word & (position < tf.gather(last_word, row))
    return tf.where(is_space, tf.cast(is_kept, tf.int64), num_cleaned), is_mark


def _clean(text, lower, keep_accents, num_bytes):
    """Cleans valid UTF-8, in the order of the original."""
    # Only runs that are not one plain space already: seven times faster than all of them.
    text = tf.strings.regex_replace(text, f"(?:[{_OTHER_SPACES}]| [{_SPACES}])[{_SPACES}]*", " ")
    text = _decompose(tf.strings.strip(text), keep_accents)
    return lower(text if num_bytes is None else beginning(text, num_bytes))


def _decompose(text, keep_accents):
    text = tf_text.normalize_utf8(text, "NFKD")
    return text if keep_accents else tf.strings.regex_replace(text, f"[{_MARKS}]+", "")


def _lower(text):
    # ASCII first: no I is left for a Turkish locale to make dotless.
    return tf.strings.lower(tf.strings.lower(text), encoding="utf-8")


def _lower_rare(text):
    for capital, offset in _CAPITALS_SINCE_14.items():
        text = tf.strings.regex_replace(text, chr(capital), chr(capital + offset))
    parts = tf.strings.split(text, sep="\0")
    lowered = tf.strings.reduce_join(parts.with_values(_lower(parts.values)) + "\0", axis=-1)
    num_bytes = tf.strings.length(lowered)
    return tf.strings.substr(lowered, tf.zeros_like(num_bytes), num_bytes - 1)
