"""What masking must know of a vocabulary: its special pieces, and which pieces open a word."""

from typing import NamedTuple

import numpy as np

from albert_tf.data.masking import word_starts
from albert_tf.text.sentencepiece_model import SentencePieceModel
from albert_tf.text.vocabulary import read_vocabulary
from albert_tf.text.wordpiece_model import WordPieceModel


class MaskingVocabulary(NamedTuple):
    """What masking must know of a vocabulary.

    Args:
        start_id, end_id, mask_id, pad_id: ids of [CLS], [SEP], [MASK], and <pad> or [PAD].
        ordinary_ids: int array, the ids of all pieces that are not special.
        word_starts: bool `(vocab_size,)`, True for pieces that open a word.
    """

    start_id: int
    end_id: int
    mask_id: int
    pad_id: int
    ordinary_ids: np.ndarray
    word_starts: np.ndarray

    @classmethod
    def read(cls, vocabulary) -> "MaskingVocabulary":
        """Reads it off a vocabulary (path or bytes), without TensorFlow.

        Raises:
            FileNotFoundError, ValueError: see `read_vocabulary`.
        """
        return cls.of(read_vocabulary(vocabulary))

    @classmethod
    def of(cls, model: SentencePieceModel | WordPieceModel) -> "MaskingVocabulary":
        """What masking must know of a vocabulary that was read."""
        *special, unknown_id = (model.ids[piece] for piece in model.special)
        ordinary = np.setdiff1d(np.arange(len(model.pieces)), [*special, unknown_id])
        return cls(*special, ordinary.astype(np.int32), _word_starts(model))


def _word_starts(model):
    if isinstance(model, SentencePieceModel):
        return word_starts(model.pieces)
    return np.array([model.begins_word(piece) for piece in model.pieces], bool)
