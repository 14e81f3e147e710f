"""Cuts texts that are far longer than anybody reads, before tokenization, in the graph.

Tokenization takes some forty bytes of memory for each byte of text, and with places in the text
three hundred: 10 MB in one request would cost a server gigabytes.
"""

import tensorflow as tf


def beginning(cleaned, num_bytes):
    """Cuts texts at the last space within `num_bytes`.

    Where there is none in the second half of these bytes, a word is cut in its midst.

    Args:
        cleaned: string tensor `(num_texts,)`, valid UTF-8 without runs of spaces.
        num_bytes: what is not longer stays as it is.

    Returns:
        string tensor `(num_texts,)`, valid UTF-8.
    """

    def cut():
        head = _whole_characters(tf.strings.substr(cleaned, 0, num_bytes))
        words = tf.strings.regex_replace(head, r" [^ ]*\z", "", replace_global=False)
        has_space = tf.strings.length(words) >= num_bytes // 2
        return tf.where(_is_long(cleaned, num_bytes), tf.where(has_space, words, head), cleaned)

    # Long texts are rare: one look pays.
    return tf.cond(tf.reduce_any(_is_long(cleaned, num_bytes)), cut, lambda: cleaned)


def at_most(text, num_bytes):
    """Cuts texts behind the last whole character within `num_bytes`.

    Args:
        text: string tensor `(num_texts,)`, valid UTF-8.
        num_bytes: what is not longer stays as it is.
    """

    def cut():
        head = _whole_characters(tf.strings.substr(text, 0, num_bytes))
        return tf.where(_is_long(text, num_bytes), head, text)

    return tf.cond(tf.reduce_any(_is_long(text, num_bytes)), cut, lambda: text)


def _is_long(text, num_bytes):
    return tf.strings.length(text) > num_bytes


def _whole_characters(head):
    """Drops what is left of a character that was cut."""
    return tf.strings.unicode_transcode(head, "UTF-8", "UTF-8", errors="ignore")
