"""Which kind of vocabulary a file is: SentencePiece, as of English ALBERT, or WordPiece."""

from albert_tf.text.pieces import read_file
from albert_tf.text.sentencepiece_model import SentencePieceModel
from albert_tf.text.wordpiece_model import WordPieceModel, is_wordpiece


def read_vocabulary(vocabulary) -> SentencePieceModel | WordPieceModel:
    """Reads a vocabulary with the special pieces of ALBERT; its content says of which kind it is.

    Args:
        vocabulary: path of a SentencePiece `.model` file or of a WordPiece `vocab.txt`, or bytes.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no usable vocabulary, or lacks a special piece.
    """
    _, content = read_file(vocabulary)
    kind = WordPieceModel if is_wordpiece(content) else SentencePieceModel
    model = kind(vocabulary)
    if missing := [piece for piece in model.special if piece not in model.ids]:
        raise ValueError(
            f"The vocabulary must hold the special pieces {' '.join(model.special)}: "
            f"{model.source} lacks {' '.join(missing)}. {model.advice}"
        )
    return model
