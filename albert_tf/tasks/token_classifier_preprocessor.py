"""Raw text and words to the arrays that a token classifier takes, labels on first pieces."""

import keras
import keras_hub
import tensorflow as tf

from albert_tf.data.packing import pack_segments
from albert_tf.data.row_windows import cut_windows
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.tasks.preprocessing import FitsModel
from albert_tf.text.nested import as_text
from albert_tf.text.words import join_words, word_spans
from albert_tf.tokenizer import AlbertTokenizer

NO_WORD = -1


@keras.saving.register_keras_serializable("albert_tf")
class AlbertTokenClassifierPreprocessor(FitsModel, keras_hub.models.Preprocessor):
    """Tokenizes texts whose words carry labels, in the graph.

    The text is tokenized as a whole, and a piece belongs to the word that its first character
    stands in (`tokenize_with_offsets`). The first piece of a word stands for it; a word of which
    the clean-up leaves nothing, or whose characters a piece of the word before has taken, has no
    piece and gets no answer. A text that is longer than `sequence_length` is cut into windows
    that overlap, and each word counts in the one window where most text is around it.

    Args:
        tokenizer: `AlbertTokenizer`.
        sequence_length: longest row in tokens, [CLS] and [SEP] included. Rows are padded to the
            longest of their batch.
        overlap: pieces that two windows of a text share; None for a quarter of a window.

    Call arguments:
        x: a list or string tensor `(batch,)` of texts, which `text.words.word_spans` divides; or
            a dictionary of `words`, string ragged `(batch, num_words)`; or one of `text`,
            `word_starts` and `word_ends`, int ragged `(batch, num_words)` in characters.
        y: int ragged `(batch, num_words)`, a label a word.
        sample_weight: float `(batch,)`, or ragged, a weight a word.

    Returns:
        Dictionary of `token_ids`, `segment_ids` and `padding_mask`, int32 `(num_windows, longest
        row)`, and of `word_ids`, alike: the number of the word in its text that a piece stands
        for, else -1; and `row_ids`, int32 `(num_windows,)`: the text that a window is of. With
        `y`, a tuple with labels and weights, `(num_windows, longest row)`; weights are 0 where
        `word_ids` is -1.
    """

    backbone_cls = AlbertBackbone
    tokenizer_cls = AlbertTokenizer

    def __init__(self, tokenizer, sequence_length=512, overlap=None, **kwargs):
        super().__init__(**kwargs)
        room = sequence_length - 2
        if room < 1:
            raise ValueError(
                f"sequence_length must leave room beside [CLS] and [SEP]: got {sequence_length}."
            )
        if not 0 <= (overlap or 0) < room:
            raise ValueError(
                f"overlap must be shorter than a window, which has room for {room} pieces: got "
                f"{overlap}."
            )
        self.tokenizer = tokenizer
        self.sequence_length = sequence_length
        self.overlap = overlap

    def __call__(self, x, y=None, sample_weight=None, **kwargs):
        # keras_hub takes a lone tuple for (x, y).
        return super().__call__(x, y=y, sample_weight=sample_weight, **kwargs)

    def call(self, x, y=None, sample_weight=None):
        with tf.device("cpu"):
            x = self.divide(x)
            num_words = x["word_starts"].row_lengths()
            ids, word_ids = self._pieces(x)
            room = self.sequence_length - 2
            overlap = room // 4 if self.overlap is None else self.overlap
            windows = cut_windows(ids.row_lengths(), room, overlap)
            packed = pack_segments(
                (windows.take(ids.values),), self.sequence_length, self.tokenizer
            )
            words = windows.take(word_ids.values)
            words = words.with_values(tf.where(windows.is_best.values, words.values, NO_WORD))
            width = tf.shape(packed["token_ids"])[1]
            words = words.to_tensor(NO_WORD, shape=(None, None))
            words = tf.pad(
                words, [[0, 0], [1, width - 1 - tf.shape(words)[1]]], constant_values=NO_WORD
            )
            x = {**packed, "word_ids": words, "row_ids": tf.cast(windows.rows, tf.int32)}
            if y is None:
                return keras.utils.pack_x_y_sample_weight(x, None, sample_weight)
            y = as_ragged(y).with_row_splits_dtype(tf.int64)
            tf.debugging.assert_equal(
                y.row_lengths(), num_words, "Every word of a text needs one label."
            )
            y, sample_weight = _on_pieces(x, y, sample_weight)
        return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)

    def divide(self, x) -> dict:
        """Any of the forms of a call as texts and the places of their words.

        Returns:
            Dictionary of `text`, string `(batch,)`, and `word_starts` and `word_ends`, int64
            ragged `(batch, num_words)`.

        Raises:
            ValueError: other names, or a single string.
        """
        if isinstance(x, dict) and set(x) == {"text", "word_starts", "word_ends"}:
            places = {n: tf.cast(as_ragged(x[n]), tf.int64) for n in ("word_starts", "word_ends")}
            return {"text": as_text(x["text"])} | {
                name: value.with_row_splits_dtype(tf.int64) for name, value in places.items()
            }
        if isinstance(x, dict) and set(x) == {"words"}:
            text, starts, ends = join_words(as_ragged(as_text(x["words"])))
        elif isinstance(x, (dict, tuple)):
            names = ", ".join(sorted(x)) if isinstance(x, dict) else f"a tuple of {len(x)}"
            raise ValueError(
                "Text comes as a list of texts, or under the name words, or under text, "
                f"word_starts and word_ends: got {names}."
            )
        else:
            text = as_text(x)
            if text.shape.rank != 1:
                raise ValueError(
                    f"Texts come as a list or a tensor (batch,): got shape {text.shape}. Lists of "
                    "words come under the name words."
                )
            starts, ends = word_spans(text)
        return {"text": text, "word_starts": starts, "word_ends": ends}

    def _pieces(self, x):
        """Ids of all pieces, and for each the number of the word that it stands for, or -1."""
        ids, starts, ends = self.tokenizer.tokenize_with_offsets(x["text"])
        word_of = _word_at(starts, x["word_starts"], x["word_ends"])
        # A lone "▁" has no character of its own.
        in_word = (word_of >= 0) & (ends.values > starts.values)
        pieces = tf.range(tf.shape(word_of, tf.int64)[0])
        first_pieces = tf.math.unsorted_segment_min(
            pieces, tf.where(in_word, word_of, -1), tf.shape(x["word_starts"].values)[0]
        )
        is_first = in_word & (tf.gather(first_pieces, tf.maximum(word_of, 0)) == pieces)
        before = tf.repeat(x["word_starts"].row_starts(), ids.row_lengths())
        number = tf.where(is_first, word_of - before, NO_WORD)
        return ids, ids.with_values(tf.cast(number, tf.int32))

    def get_config(self):
        return super().get_config() | {
            "sequence_length": self.sequence_length,
            "overlap": self.overlap,
        }


def as_ragged(values) -> tf.RaggedTensor:
    """Rows of words as a ragged tensor, whether they come as one, as lists or as a matrix."""
    if isinstance(values, tf.RaggedTensor):
        return values
    if isinstance(values, tf.Tensor):
        return tf.RaggedTensor.from_tensor(values)
    return tf.ragged.constant(values)


def _word_at(places, word_starts, word_ends):
    """The word that each place lies in, counted through all texts; -1 for none.

    Args:
        places: int64 ragged `(batch, num_places)`.
        word_starts, word_ends: int64 ragged `(batch, num_words)`, rising.
    """
    # One search for all texts: each has a range of numbers to itself.
    shift = tf.constant(2**40, tf.int64)
    rows_of = [tf.cast(ragged.value_rowids(), tf.int64) * shift for ragged in (places, word_starts)]
    at = places.values + rows_of[0]
    word = tf.searchsorted(word_starts.values + rows_of[1], at, side="right") - 1
    word = tf.cast(word, tf.int64)
    # Without any word there is nothing to gather.
    ends = tf.concat([word_ends.values + rows_of[1], [0]], axis=0)
    is_inside = (word >= 0) & (at < tf.gather(ends, tf.maximum(word, 0)))
    return tf.where(is_inside, word, NO_WORD)


def _on_pieces(x, labels, weights):
    """Labels and weights of words as arrays of pieces."""
    is_word = x["word_ids"] >= 0
    rows = tf.cast(x["row_ids"], tf.int64)
    before = tf.gather(labels.row_starts(), rows)
    places = before[:, None] + tf.cast(x["word_ids"], tf.int64)
    places = tf.where(is_word, places, 0)
    # A batch may have no words at all.
    y = tf.gather(tf.concat([labels.values, [0]], axis=0), places)
    on_words = tf.cast(is_word, tf.float32)
    if weights is None:
        return tf.where(is_word, y, 0), on_words
    if isinstance(weights, tf.RaggedTensor):
        weights = tf.concat([tf.cast(weights.values, tf.float32), [0.0]], axis=0)
        return tf.where(is_word, y, 0), on_words * tf.gather(weights, places)
    weights = tf.gather(tf.cast(weights, tf.float32), rows)
    return tf.where(is_word, y, 0), on_words * weights[:, None]
