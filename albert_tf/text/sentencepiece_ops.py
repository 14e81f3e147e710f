"""One SentencePiece vocabulary as TensorFlow ops: raw text to ids, to spans, and back."""

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from albert_tf.text.cleanup import align_cleaned, clean_text, repair, spread_index


class SentencePieceOps:
    """Encodes and decodes batches of text with `FastSentencepieceTokenizer`.

    That op gives the ids of the `sentencepiece` package; the older `SentencepieceTokenizer`
    breaks some ties of equal score otherwise, so it is used only to find positions.

    Args:
        model: `SentencePieceModel`.
        hidden_ids: ids that `decode` skips, int array.
        lowercase, keep_accents: as in `clean_text`.
    """

    def __init__(self, model, hidden_ids, lowercase, keep_accents):
        self._model = model
        self._lowercase = lowercase
        self._keep_accents = keep_accents
        self._fast = tf_text.FastSentencepieceTokenizer(model.proto)
        self._longest_piece = model.bytes_of_longest_piece()
        self._is_shown = tf.constant(~np.isin(np.arange(len(model.pieces)), hidden_ids))
        splits = model.digit_comma_splits()
        spelled = [splits.get(index, [index]) for index in range(len(model.pieces))]
        self._spelled = tf.ragged.constant(spelled, dtype=tf.int32, row_splits_dtype=tf.int64)
        # Some hundred ops: one graph is ten times faster than eager calls. Inside it the
        # alignment model is an op with its file as attribute, no resource that an exporter
        # would have to track.
        self.encode_with_spans = tf.function(
            self._encode_with_spans,
            input_signature=[tf.TensorSpec([None], tf.string)],
            autograph=False,  # nothing to convert, and looking for it takes three times as long
        )

    def clean(self, text):
        """Gives text, string `(num_texts,)`, as the vocabulary was trained on it."""
        return clean_text(text, self._lowercase, self._keep_accents)

    def encode(self, text):
        """Gives the ids of raw text.

        Args:
            text: string tensor `(num_texts,)`.

        Returns:
            int32 ragged `(num_texts, num_tokens)`.
        """
        return self._encode_cleaned(self.clean(text))

    def encode_beginning(self, text, num_tokens):
        """Gives the ids of raw text, of a very long one as many as `num_tokens` or more.

        Words are tokenized each by itself, so that nothing behind the end of one changes those
        before it. Half of what is kept is whole words, and that is `num_tokens` of the longest
        pieces, even if clean-up has tripled them (a Hangul syllable becomes its three parts).

        Args:
            text: string tensor `(num_texts,)`.
            num_tokens: whole number.

        Returns:
            int32 ragged `(num_texts, num_tokens)`.
        """
        num_bytes = self._longest_piece and 2 * 3 * self._longest_piece * num_tokens
        cleaned = clean_text(text, self._lowercase, self._keep_accents, num_bytes)
        return self._encode_cleaned(cleaned)

    def decode(self, ids):
        """Joins the pieces of int32 ragged ids `(num_texts, num_tokens)` to text `(num_texts,)`."""
        shown = tf.ragged.boolean_mask(ids, ids.with_values(tf.gather(self._is_shown, ids.values)))
        return self._fast.detokenize(shown.with_row_splits_dtype(tf.int32))

    def _encode_cleaned(self, cleaned):
        ids = self._fast.tokenize(cleaned).with_row_splits_dtype(tf.int64)
        # The digit-comma rule: almost every id stands for itself, "▁3," for two.
        # tf.gather(ragged, ...) does the same behind 0.2 ms of Python.
        (token_splits,), spelled = tf.raw_ops.RaggedGather(
            params_nested_splits=[self._spelled.row_splits],
            params_dense_values=self._spelled.values,
            indices=ids.values,
            OUTPUT_RAGGED_RANK=1,
        )
        row_splits = tf.gather(token_splits, ids.row_splits)
        return tf.RaggedTensor.from_row_splits(spelled, row_splits, validate=False)

    def _encode_with_spans(self, text):
        """Gives ids, and the start and end of each in the text: ragged `(num_texts, num_tokens)`.

        The tokens of the alignment model (`SentencePieceModel.alignment_proto`) know their
        bytes in the cleaned text; each id covers a known number of them.
        """
        text = repair(text)
        cleaned = self.clean(text)
        ids = self._encode_cleaned(cleaned)
        is_space, starts, ends = self._align(cleaned, *align_cleaned(text, self._keep_accents))
        num_covered = tf.gather(tf.constant(self._model.alignment_lengths()), ids.values)
        bounds = tf.concat([[0], tf.cumsum(num_covered)], 0)
        tf.debugging.assert_equal(
            tf.gather(bounds, ids.row_splits), starts.row_splits, "Pieces do not cover the text."
        )
        first, last = bounds[:-1], bounds[1:] - 1
        # A leading "▁" is no text. Alone it stands, empty, where the next token starts.
        leads = tf.gather(is_space, first)
        start = tf.gather(starts.values, tf.minimum(first + tf.cast(leads, tf.int64), last))
        end = tf.gather(ends.values, last)
        row_of = spread_index(starts.row_lengths())
        following = tf.minimum(first + 1, bounds[-1] - 1)
        follows = (following > first) & (tf.gather(row_of, following) == tf.gather(row_of, first))
        empty_at = tf.where(follows, tf.gather(starts.values, following), end)
        is_empty = leads & (first == last)
        start, end = tf.where(is_empty, empty_at, start), tf.where(is_empty, empty_at, end)
        return ids, ids.with_values(start), ids.with_values(end)

    def _align(self, cleaned, char_starts, char_ends):
        """Finds the source characters of each alignment token.

        Args:
            cleaned: string tensor `(num_texts,)`.
            char_starts, char_ends: of each cleaned character, from `align_cleaned`.

        Returns:
            Whether the token is "▁" (flat), its start and its end (int64 ragged
            `(num_texts, num_alignment_tokens)`).
        """
        alignment_proto, word_start_id = self._model.alignment_proto()
        aligner = tf_text.SentencepieceTokenizer(model=alignment_proto)
        tokens, starts, ends = aligner.tokenize_with_offsets(cleaned)
        row_bytes = tf.cast(tf.strings.length(cleaned), tf.int64)
        row_of = spread_index(tokens.row_lengths())
        row_start = tf.gather(tf.cumsum(row_bytes, exclusive=True), row_of)
        start, last = starts.values + row_start, ends.values + row_start - 1
        # When the normalizer spells one character as several ("ß" as "ss"), all start there
        # but only the last ends behind it.
        last = tf.maximum(last, start)
        points = tf.strings.unicode_decode(cleaned, "UTF-8").values
        num_bytes = 1 + tf.add_n([tf.cast(points >= p, tf.int64) for p in (0x80, 0x800, 0x10000)])
        char_of_byte = spread_index(num_bytes)
        source_start = tf.gather(char_starts.values, tf.gather(char_of_byte, start))
        source_end = tf.gather(char_ends.values, tf.gather(char_of_byte, last))
        is_space = tokens.values == word_start_id
        return is_space, tokens.with_values(source_start), tokens.with_values(source_end)
