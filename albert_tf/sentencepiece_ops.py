"""The TensorFlow ops of one SentencePiece vocabulary: encode, find spans, decode."""

import functools

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from albert_tf.sentencepiece_model import WORD_START


class SentencePieceOps:
    """Encodes and decodes batches of cleaned text with `FastSentencepieceTokenizer`.

    That op gives the ids of the `sentencepiece` package; the older `SentencepieceTokenizer`
    breaks some ties of equal score otherwise, so it is used only to find positions.

    Args:
        model: `SentencePieceModel`.
        hidden_ids: ids that `decode` skips, int array.
    """

    def __init__(self, model, hidden_ids):
        self._model = model
        self._fast = tf_text.FastSentencepieceTokenizer(model.proto)
        self._is_shown = tf.constant(~np.isin(np.arange(len(model.pieces)), hidden_ids))
        splits = model.digit_comma_splits()
        spelled = [splits.get(index, [index]) for index in range(len(model.pieces))]
        self._spelled = tf.ragged.constant(spelled, dtype=tf.int32) if splits else None

    def encode(self, cleaned):
        """Gives the ids of cleaned text, digit-comma rule included.

        Args:
            cleaned: string tensor `(num_texts,)`.

        Returns:
            int32 ragged `(num_texts, num_tokens)`.
        """
        ids = self._fast.tokenize(cleaned).with_row_splits_dtype(tf.int64)
        if self._spelled is None:
            return ids
        spelled = tf.gather(self._spelled, ids.values)
        row_splits = tf.gather(spelled.row_splits, ids.row_splits)
        return tf.RaggedTensor.from_row_splits(spelled.values, row_splits, validate=False)

    def decode(self, ids):
        """Joins the pieces of int32 ragged ids `(num_texts, num_tokens)` to text `(num_texts,)`."""
        shown = tf.ragged.boolean_mask(ids, ids.with_values(tf.gather(self._is_shown, ids.values)))
        return self._fast.detokenize(shown.with_row_splits_dtype(tf.int32))

    def find_spans(self, ids, cleaned, char_starts, char_ends):
        """Finds the source characters of each token.

        The tokens of the alignment model (`SentencePieceModel.alignment_proto`) know their
        bytes in the cleaned text; each id covers a known number of them.

        Args:
            ids: int32 ragged `(num_texts, num_tokens)` from `encode`.
            cleaned: string tensor `(num_texts,)`, what was encoded.
            char_starts: int64 ragged `(num_texts, num_cleaned_chars)`, source position where
                each cleaned character starts.
            char_ends: likewise, where it ends.

        Returns:
            (starts, ends): int64 ragged, shaped as `ids`.
        """
        is_space, starts, ends = self._align(cleaned, char_starts, char_ends)
        num_covered = tf.gather(tf.constant(self._lengths), ids.values)
        bounds = tf.cumsum(tf.concat([[0], num_covered], 0))
        tf.debugging.assert_equal(
            tf.gather(bounds, ids.row_splits), starts.row_splits, "Pieces do not cover the text."
        )
        first, last = bounds[:-1], bounds[1:] - 1
        # A leading "▁" is no text. Alone it stands, empty, where the next token starts.
        leads = tf.gather(is_space, first)
        start = tf.gather(starts.values, tf.minimum(first + tf.cast(leads, tf.int64), last))
        end = tf.gather(ends.values, last)
        row_of = starts.value_rowids()
        following = tf.minimum(first + 1, bounds[-1] - 1)
        follows = (following > first) & (tf.gather(row_of, following) == tf.gather(row_of, first))
        empty_at = tf.where(follows, tf.gather(starts.values, following), end)
        is_empty = leads & (first == last)
        return (
            ids.with_values(tf.where(is_empty, empty_at, start)),
            ids.with_values(tf.where(is_empty, empty_at, end)),
        )

    def _align(self, cleaned, char_starts, char_ends):
        """Gives per alignment token: whether it is "▁" (flat), source starts and ends (ragged)."""
        tokens, starts, ends = self._alignment_tokenizer().tokenize_with_offsets(cleaned)
        points = tf.strings.unicode_decode(cleaned, "UTF-8").values
        num_bytes = 1 + tf.add_n([tf.cast(points >= p, tf.int64) for p in (0x80, 0x800, 0x10000)])
        row_bytes = tf.cast(tf.strings.length(cleaned), tf.int64)
        row_start = tf.gather(tf.cumsum(row_bytes, exclusive=True), tokens.value_rowids())
        start, end = starts.values + row_start, ends.values + row_start
        # When one character is normalized to several ("…"), all start there but only the
        # last has an end.
        is_new = tf.concat([tf.ones_like(start[:1], tf.bool), start[1:] != start[:-1]], 0)
        chunk = tf.cumsum(tf.cast(is_new, tf.int64)) - 1
        end = tf.gather(tf.math.segment_max(end, chunk), chunk)
        source_start = tf.gather(tf.repeat(char_starts.values, num_bytes), start)
        source_end = tf.gather(tf.repeat(char_ends.values, num_bytes), end - 1)
        is_space = tokens.values == self._alignment[1]
        return is_space, tokens.with_values(source_start), tokens.with_values(source_end)

    @functools.cached_property
    def _lengths(self):
        return self._model.alignment_lengths()

    @functools.cached_property
    def _alignment(self):
        return self._model.alignment_proto()

    @functools.cached_property
    def _eager_alignment_tokenizer(self):
        return tf_text.SentencepieceTokenizer(model=self._alignment[0])

    def _alignment_tokenizer(self):
        if tf.executing_eagerly():
            return self._eager_alignment_tokenizer
        # Inside the graph it is an op with its model as attribute: no resource to be tracked
        # by whoever exports the graph.
        return tf_text.SentencepieceTokenizer(model=self._alignment[0])
