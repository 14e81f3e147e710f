"""One WordPiece vocabulary as TensorFlow ops: raw text to ids, to spans, and back."""

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from albert_tf.text.basic_characters import is_chinese, is_punctuation
from albert_tf.text.cleanup import repair, spread_index
from albert_tf.text.wordpiece_cleanup import align_basic, clean_basic, split_words
from albert_tf.text.wordpiece_model import INSIDE, MAX_CHARS_OF_WORD

# A character has four bytes at most.
_MAX_BYTES = 4 * MAX_CHARS_OF_WORD
# So many bytes are read for each token that is wanted of a very long text.
_BYTES_OF_TOKEN = 200
# ASCII that stands close to the word before it, or behind it.
_CLOSING, _OPENING = frozenset(",.!?;:%)]}"), frozenset("([{")


class WordPieceOps:
    """Encodes and decodes batches of text with `FastWordpieceTokenizer`.

    That op cuts words; which words there are, `wordpiece_cleanup` says. Its limit counts bytes,
    the original's characters, so that words beyond that are made too long for both.

    Args:
        model: `WordPieceModel`.
        hidden_ids: ids that `decode` skips, int array.
        lowercase, keep_accents: as in `clean_basic`.
    """

    def __init__(self, model, hidden_ids, lowercase, keep_accents):
        self._style = (lowercase, keep_accents)
        self._fast = tf_text.FastWordpieceTokenizer(
            list(model.pieces),
            suffix_indicator=INSIDE,
            max_bytes_per_word=_MAX_BYTES,
            token_out_type=tf.int32,
            unknown_token=model.special.unknown,
            no_pretokenization=True,
        )
        self._is_shown = tf.constant(~np.isin(np.arange(len(model.pieces)), hidden_ids))
        forms = [model.form(piece) for piece in model.pieces]
        self._words = tf.constant([form.word for form in forms])
        self._takes_space = tf.constant([_takes_space(form) for form in forms])
        self._leaves_space = tf.constant([_leaves_space(form.word) for form in forms])
        # Some hundred ops: one graph is ten times faster than eager calls.
        self.encode_with_spans = tf.function(
            self._encode_with_spans,
            input_signature=[tf.TensorSpec([None], tf.string)],
            autograph=False,
        )

    def clean(self, text):
        """Gives text, string `(num_texts,)`, as it is when words are looked for in it."""
        return clean_basic(text, *self._style)

    def encode(self, text):
        """Gives the ids of raw text.

        Args:
            text: string tensor `(num_texts,)`.

        Returns:
            int32 ragged `(num_texts, num_tokens)`.
        """
        return self._encode_words(split_words(self.clean(text)).words)

    def encode_beginning(self, text, num_tokens):
        """Gives the ids of raw text, of a very long one as many as `num_tokens` or more.

        A word gives one token at least, so that so many words are enough; before they are looked
        for, the text is cut where they may be expected to end.

        Args:
            text: string tensor `(num_texts,)`.
            num_tokens: whole number.

        Returns:
            int32 ragged `(num_texts, num_tokens)`.
        """
        cleaned = clean_basic(text, *self._style, _BYTES_OF_TOKEN * num_tokens)
        return self._encode_words(split_words(cleaned).words[:, :num_tokens])

    def decode(self, ids):
        """Joins the pieces of int32 ragged ids `(num_texts, num_tokens)` to text `(num_texts,)`.

        Spaces stand where words need them: not beside ideographs and the punctuation of Chinese,
        and not between a word and the full stop behind it.
        """
        shown = tf.ragged.boolean_mask(ids, ids.with_values(tf.gather(self._is_shown, ids.values)))
        words = tf.gather(self._words, shown.values)
        number = tf.range(tf.size(words, out_type=tf.int64))
        is_first = number == tf.gather(shown.row_starts(), spread_index(shown.row_lengths()))
        leaves_space = tf.gather(self._leaves_space, shown.values)
        leaves_space = tf.concat([[False], leaves_space[:-1]], 0)[: tf.size(words)]
        parted = ~is_first & leaves_space & tf.gather(self._takes_space, shown.values)
        words = tf.where(parted, " " + words, words)
        return tf.strings.reduce_join(shown.with_values(words), axis=-1)

    def _encode_words(self, words):
        ids, _, _ = self._cut(words)
        return ids

    def _cut(self, words):
        """Cuts ragged words; gives ids, and the first byte and the one behind the last of each.

        Bytes are counted within the word, int64 ragged `(all words, num_tokens)`; the end of a word
        that is too long is beyond `_MAX_BYTES`.
        """
        pieces, starts, ends = self._fast.tokenize_with_offsets(_without_long(words.values))
        row_splits = tf.gather(pieces.row_splits, words.row_splits)
        ids = tf.RaggedTensor.from_row_splits(pieces.values, row_splits, validate=False)
        return ids, starts, ends

    def _encode_with_spans(self, text):
        """Gives ids, and the start and end of each in the text: ragged `(num_texts, num_tokens)`.

        The cleaned text knows the bytes of its words and each word those of its pieces; what they
        are in the text as given, `align_basic` tells for each character.
        """
        text = repair(text)
        cleaned = self.clean(text)
        char_starts, char_ends = align_basic(text, *self._style)
        words, places, num_bytes = split_words(cleaned)
        ids, starts, ends = self._cut(words)
        word_bytes = tf.cast(tf.strings.length(words.values), tf.int64)
        word_of = spread_index(starts.row_lengths())
        ends = tf.where(ends.values > _MAX_BYTES, tf.gather(word_bytes, word_of), ends.values)
        word_starts = tf.gather(tf.cumsum(word_bytes, exclusive=True), word_of)
        char_of_byte = tf.gather(places, spread_index(num_bytes))
        first = tf.gather(char_of_byte, word_starts + starts.values)
        last = tf.gather(char_of_byte, word_starts + ends - 1)
        start, end = tf.gather(char_starts.values, first), tf.gather(char_ends.values, last)
        return ids, ids.with_values(start), ids.with_values(end)


def _without_long(words):
    """Words, those beyond the original's limit as ones beyond the op's."""

    def replaced():
        is_long = tf.strings.length(words, unit="UTF8_CHAR") > MAX_CHARS_OF_WORD
        return tf.where(is_long, "x" * (_MAX_BYTES + 1), words)

    # Long words are rare: one look pays.
    is_any = tf.reduce_any(tf.strings.length(words) > MAX_CHARS_OF_WORD)
    return tf.cond(is_any, replaced, lambda: words)


def _takes_space(form):
    """Whether a piece wants a space before it."""
    word = form.word
    opens = len(word) == 1 and word.isascii() and is_punctuation(word) and word not in _CLOSING
    return form.stands_apart or (opens and not form.goes_on)


def _leaves_space(word):
    """Whether a piece wants a space behind it."""
    last = word[-1:]
    if not last or last.isascii():
        return word not in _OPENING
    return not (is_chinese(last) or is_punctuation(last))
