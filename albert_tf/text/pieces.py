"""What vocabularies of every kind have in common: a file, special pieces, pieces as people read."""

from pathlib import Path
from typing import NamedTuple


class SpecialPieces(NamedTuple):
    """How a vocabulary spells the pieces that only a program puts into a sequence.

    Args:
        start, end: first piece of a row, and the one behind every segment.
        mask: stands for a piece to predict.
        pad: fills rows up.
        unknown: stands for text that the vocabulary cannot spell.
    """

    start: str
    end: str
    mask: str
    pad: str
    unknown: str


class PieceForm(NamedTuple):
    """How a piece reads in running text.

    Args:
        word: its letters, without the vocabulary's own marks.
        stands_apart: whether a space comes before it where a word is before it.
        goes_on: whether it is joined to what stands before it, without any space.
    """

    word: str
    stands_apart: bool
    goes_on: bool


def read_file(vocabulary) -> tuple[str, bytes]:
    """The name of a vocabulary for messages, and its bytes.

    Args:
        vocabulary: path of the file, or its bytes.

    Raises:
        FileNotFoundError: there is no such file.
    """
    if isinstance(vocabulary, bytes):
        return f"the vocabulary of {len(vocabulary)} bytes", vocabulary
    path = Path(vocabulary)
    if not path.is_file():
        raise FileNotFoundError(
            "The vocabulary must be a SentencePiece .model file or a WordPiece vocab.txt: "
            f"{path} is not a file."
        )
    return str(path), path.read_bytes()
