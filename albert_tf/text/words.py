"""Raw text to words with their places, in the graph, for labels that stand on words."""

import tensorflow as tf
import tensorflow_text as tf_text

from albert_tf.text.basic_characters import CHINESE
from albert_tf.text.cleanup import repair

# Letters with what is written on and in them; numbers keep commas, words keep hyphens, dots and
# apostrophes inside, names of users and topics their sign. What is left are single signs.
_LETTER = r"[\p{L}\p{M}\p{N}_]"
_NUMBER = r"\p{N}+(?:[,.:/-]\p{N}+)+"
_INNER = r"[.'’&@/:=?%+~#-]"
_WORD = rf"[@#]?(?:{_NUMBER}|{_LETTER}+)(?:{_INNER}+{_LETTER}+)*"
_WORD_OR_SIGN = rf"{_WORD}|[^\s\p{{Z}}\p{{C}}]"
_IDEOGRAPH = "[" + "".join(f"\\x{{{first:x}}}-\\x{{{last:x}}}" for first, last in CHINESE) + "]"
_SIGN = "□"


def word_spans(text):
    """Divides text into words, about as corpora of entities do.

    "Paris, (U.S.-based) @anna's" is Paris | , | ( | U.S.-based | ) | @anna's. Ideographs are words
    of their own: 去北京 is 去 | 北 | 京.

    Args:
        text: string tensor `(num_texts,)`; invalid UTF-8 counts as U+FFFD.

    Returns:
        starts, ends: int64 ragged `(num_texts, num_words)`, positions in characters (Python's
        string indices); ends are exclusive.
    """
    # Only places are asked for: a sign in the stead of an ideograph has the same.
    text = tf.strings.regex_replace(repair(text), _IDEOGRAPH, _SIGN)
    parts, _, _ = tf_text.regex_split_with_offsets(text, _WORD_OR_SIGN, _WORD_OR_SIGN)
    lengths = parts.with_values(
        tf.cast(tf.strings.length(parts.values, unit="UTF8_CHAR"), tf.int64)
    ).with_row_splits_dtype(tf.int64)
    # The parts cover the text, so that their lengths add up to positions.
    ends = tf.cumsum(lengths.values)
    before = tf.gather(tf.concat([[0], ends], 0), lengths.row_starts())
    ends -= tf.repeat(before, lengths.row_lengths())
    is_word = tf.strings.regex_full_match(parts.values, _WORD_OR_SIGN)
    is_word = lengths.with_values(is_word)
    spans = lengths.with_values(tf.stack([ends - lengths.values, ends], axis=-1))
    spans = tf.ragged.boolean_mask(spans, is_word)
    return spans.with_values(spans.values[:, 0]), spans.with_values(spans.values[:, 1])


def join_words(words):
    """Joins words by single spaces, and says where each one stands.

    Args:
        words: string ragged tensor `(num_texts, num_words)`.

    Returns:
        text, starts, ends: string `(num_texts,)` and int64 ragged `(num_texts, num_words)`, as
        `word_spans` gives them.
    """
    words = words.with_row_splits_dtype(tf.int64)
    words = words.with_values(repair(words.values))
    lengths = tf.cast(tf.strings.length(words.values, unit="UTF8_CHAR"), tf.int64)
    ends = tf.cumsum(lengths + 1) - 1
    before = tf.gather(tf.concat([[0], ends + 1], 0), words.row_starts())
    ends -= tf.repeat(before, words.row_lengths())
    text = tf.strings.reduce_join(words, axis=-1, separator=" ")
    return text, words.with_values(ends - lengths), words.with_values(ends)
