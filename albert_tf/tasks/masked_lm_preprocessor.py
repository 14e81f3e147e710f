"""Raw text to the arrays that a masked language model takes: to fill masks, or to set them."""

from functools import cached_property

import keras
import keras_hub
import numpy as np
import tensorflow as tf

from albert_tf.data.masking import MaskingLaw
from albert_tf.data.masking_ops import fold, mask_rows
from albert_tf.data.masking_vocabulary import MaskingVocabulary
from albert_tf.data.packing import pack_segments
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.tasks.preprocessing import FitsModel
from albert_tf.text.cleanup import repair
from albert_tf.text.filling import MASK
from albert_tf.text.nested import as_text
from albert_tf.tokenizer import AlbertTokenizer

DROPPED = -1


@keras.saving.register_keras_serializable("albert_tf")
class AlbertMaskedLMPreprocessor(FitsModel, keras_hub.models.Preprocessor):
    """Tokenizes texts with `[MASK]` in them, and sets masks in texts without, in the graph.

    What stands behind a mask without a space is tokenized as it would be behind a word: "[MASK]."
    ends in ".", not in "▁." (WordPiece has one piece for both). Text is lower case or not as the
    tokenizer has it, but the sign for the mask must be in capitals.

    Args:
        tokenizer: `AlbertTokenizer`.
        sequence_length: longest row in tokens, [CLS] and [SEP] included. Of a longer text with
            masks the part around them is read, of one without, in training, the beginning.
        mask_fraction, max_predictions, max_ngram, whole_words: how masks are set in training;
            see `MaskingLaw`.

    Call arguments:
        x: a list or string tensor `(batch,)` of texts with `[MASK]`.

    Returns:
        Dictionary of `token_ids`, `segment_ids` and `padding_mask`, int32 `(batch, longest
        row)`; of `mask_positions`, int32 `(batch, most masks)`, filled up with 0; and of
        `mask_weights`, float32, alike: 1 for a mask, 0 for filling.
    """

    backbone_cls = AlbertBackbone
    tokenizer_cls = AlbertTokenizer

    def __init__(
        self,
        tokenizer,
        sequence_length=512,
        mask_fraction=0.15,
        max_predictions=20,
        max_ngram=3,
        whole_words=True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if sequence_length < 3:
            raise ValueError(
                f"sequence_length must leave room beside [CLS] and [SEP]: got {sequence_length}."
            )
        self.tokenizer = tokenizer
        self.sequence_length = sequence_length
        self.law = MaskingLaw(
            mask_fraction=mask_fraction,
            max_predictions=max_predictions,
            max_ngram=max_ngram,
            whole_words=whole_words,
        )

    def call(self, x):
        with tf.device("cpu"):
            ids = self._around_masks(self._with_masks(_texts(x)))
            packed = pack_segments((ids,), self.sequence_length, self.tokenizer)
            is_mask = packed["token_ids"] == self.tokenizer.mask_token_id
            places = tf.RaggedTensor.from_value_rowids(
                *(tf.where(is_mask)[:, axis] for axis in (1, 0)),
                nrows=tf.shape(is_mask, tf.int64)[0],
            )
            # A batch without any mask still has a place to look at.
            width = tf.maximum(places.bounding_shape()[1], 1)
            positions = tf.cast(places.to_tensor(0, shape=(None, None)), tf.int32)
            missing = tf.cast(width, tf.int32) - tf.shape(positions)[1]
            return {
                **packed,
                "mask_positions": tf.pad(positions, [[0, 0], [0, missing]]),
                "mask_weights": tf.sequence_mask(places.row_lengths(), width, dtype=tf.float32),
            }

    def mask(self, x, key):
        """Sets masks in texts without, for training (paper §4.1).

        Args:
            x: string tensor `(batch,)`, of a size that the graph knows.
            key: whole number, the only source of chance: the same gives the same masks.

        Returns:
            `(x, y, sample_weight)`: the inputs of the model, the pieces that were there, int32
            `(batch, max_predictions)`, and 1 for a mask, 0 for filling.
        """
        with tf.device("cpu"):
            x = _texts(x)
            ids = self.tokenizer(x)
            packed = pack_segments((ids,), self.sequence_length, self.tokenizer)
            token_ids = packed.pop("token_ids")
            num_rows, width = x.shape[0], tf.shape(token_ids)[1]
            # `mask_rows` wants to know all sizes.
            token_ids = tf.pad(token_ids, [[0, 0], [0, self.sequence_length - width]])
            token_ids = tf.ensure_shape(token_ids, (num_rows, self.sequence_length))
            lengths = tf.reduce_sum(packed["padding_mask"], axis=1)
            lengths = tf.ensure_shape(lengths, (num_rows,))
            keys = fold(tf.cast(key, tf.uint64), tf.range(num_rows))
            vocabulary = MaskingVocabulary.of(self.tokenizer.vocabulary)
            masked = mask_rows(token_ids, lengths, lengths, keys, vocabulary, self.law)
            inputs = {
                **packed,
                "token_ids": masked["token_ids"][:, :width],
                "mask_positions": masked["mask_positions"],
            }
        return inputs, masked["mask_ids"], masked["mask_weights"]

    def _with_masks(self, text):
        """Ids of text, [MASK] where it says so: ragged `(batch, num_pieces)`."""
        parts = tf.strings.split(repair(text), MASK).with_row_splits_dtype(tf.int64)
        ids = self.tokenizer(parts.values)
        number = tf.ragged.range(parts.row_lengths()).values
        is_glued = (number > 0) & tf.strings.regex_full_match(parts.values, r"(?s)[^\s\p{Z}].*")
        opens = tf.ragged.range(ids.row_lengths()).values == 0
        opens = opens & tf.repeat(is_glued, ids.row_lengths())
        inner = tf.where(opens, tf.gather(self._inside_words, ids.values), ids.values)
        ids = tf.ragged.boolean_mask(ids.with_values(inner), ids.with_values(inner != DROPPED))
        is_last = number + 1 == tf.repeat(parts.row_lengths(), parts.row_lengths())
        num_masks = tf.cast(~is_last, tf.int64)
        masks = tf.fill([tf.reduce_sum(num_masks)], self.tokenizer.mask_token_id)
        ids = tf.concat([ids, tf.RaggedTensor.from_row_lengths(masks, num_masks)], axis=1)
        return parts.with_values(ids).merge_dims(1, 2)

    @cached_property
    def _inside_words(self):
        """For each piece the one that it is inside of a word; itself where there is none."""
        vocabulary = self.tokenizer.vocabulary
        inner = map(vocabulary.behind_mask, range(len(vocabulary.pieces)))
        return np.array([DROPPED if index is None else index for index in inner], np.int32)

    def _around_masks(self, ids):
        """What the model can read of each row: all, or as much as fits around the masks."""
        room = self.sequence_length - 2
        place = tf.ragged.range(ids.row_lengths())
        masks = tf.ragged.boolean_mask(place, ids == self.tokenizer.mask_token_id)
        has_masks = masks.row_lengths() > 0
        first = tf.where(has_masks, tf.reduce_min(masks, axis=1), 0)
        last = tf.where(has_masks, tf.reduce_max(masks, axis=1), 0)
        tf.debugging.assert_less(
            last - first,
            tf.constant(room, tf.int64),
            f"The masks of a text must lie within {room} pieces, which is what the model reads.",
        )
        latest = tf.maximum(ids.row_lengths() - room, 0)
        start = tf.clip_by_value((first + last + 1) // 2 - room // 2, 0, latest)[:, None]
        return tf.ragged.boolean_mask(ids, (place >= start) & (place < start + room))

    def get_config(self):
        return super().get_config() | {
            "sequence_length": self.sequence_length,
            "mask_fraction": self.law.mask_fraction,
            "max_predictions": self.law.max_predictions,
            "max_ngram": self.law.max_ngram,
            "whole_words": self.law.whole_words,
        }


def _texts(x):
    text = as_text(x)
    if text.shape.rank != 1:
        raise ValueError(f"Texts come as a list or a tensor (batch,): got shape {text.shape}.")
    return text
