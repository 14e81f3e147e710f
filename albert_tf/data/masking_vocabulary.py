"""What masking must know of a vocabulary: its special pieces, and which pieces open a word."""

from typing import NamedTuple

import numpy as np

from albert_tf.data.masking import word_starts
from albert_tf.text.sentencepiece_model import SentencePieceModel


class MaskingVocabulary(NamedTuple):
    """What masking must know of a vocabulary.

    Args:
        start_id, end_id, pad_id, mask_id: ids of [CLS], [SEP], <pad> and [MASK].
        ordinary_ids: int array, the ids of all pieces that are not special.
        word_starts: bool `(vocab_size,)`, True for pieces that open a word.
    """

    start_id: int
    end_id: int
    pad_id: int
    mask_id: int
    ordinary_ids: np.ndarray
    word_starts: np.ndarray

    @classmethod
    def from_tokenizer(cls, tokenizer) -> "MaskingVocabulary":
        """Reads it off an `AlbertTokenizer`."""
        special = (
            tokenizer.start_token_id,
            tokenizer.end_token_id,
            tokenizer.pad_token_id,
            tokenizer.mask_token_id,
        )
        size = tokenizer.vocabulary_size()
        pieces = [tokenizer.id_to_token(i) for i in range(size)]
        return cls._from_pieces(pieces, special, tokenizer.unk_token_id)

    @classmethod
    def from_sentencepiece(cls, proto) -> "MaskingVocabulary":
        """Reads it off a SentencePiece model (path or bytes), without TensorFlow.

        Raises:
            ValueError: it is no SentencePiece model, or lacks a special piece of ALBERT.
        """
        model = SentencePieceModel(proto)
        names = ("[CLS]", "[SEP]", "<pad>", "[MASK]", "<unk>")
        if missing := [name for name in names if name not in model.ids]:
            raise ValueError(
                f"The vocabulary must hold the special pieces {' '.join(names)}: {model.source} "
                f"lacks {' '.join(missing)}. `albert-tf vocab` trains one that has them."
            )
        *special, unk_id = (model.ids[name] for name in names)
        return cls._from_pieces(model.pieces, special, unk_id)

    @classmethod
    def _from_pieces(cls, pieces, special, unk_id):
        ordinary = np.setdiff1d(np.arange(len(pieces)), [*special, unk_id])
        return cls(*special, ordinary.astype(np.int32), word_starts(pieces))
