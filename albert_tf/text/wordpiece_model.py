"""What a WordPiece `vocab.txt` says about its pieces, and how it cuts words. Plain Python."""

import functools
from typing import NamedTuple

from albert_tf.text.basic_characters import is_chinese, is_punctuation
from albert_tf.text.pieces import PieceForm, SpecialPieces, read_file

INSIDE = "##"
# google-research/albert allows 200; transformers and Google's BERT allow 100.
MAX_CHARS_OF_WORD = 200


class WordPart(NamedTuple):
    """A piece of a word.

    Args:
        id: of the piece.
        start, end: which characters of the word it covers.
    """

    id: int
    start: int
    end: int


class WordPieceModel:
    """The pieces of a WordPiece vocabulary, one a line, in the order of their ids.

    Args:
        vocabulary: path of a `vocab.txt`, or its bytes.

    Attributes:
        source: its name in messages.
        proto: the bytes.
        pieces: all pieces. As in the original, of each line the first word counts, and a line
            without any is the piece " ", which no text has.
        ids: piece -> id.
        cut: function of a word that gives its parts, see `_cut`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the bytes are no UTF-8, or name a piece twice.
    """

    special = SpecialPieces("[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]")
    advice = "A vocab.txt of BERT has them."
    # In the directories that this package writes.
    file_name = preset_file = "vocabulary.txt"

    def __init__(self, vocabulary):
        self.source, self.proto = read_file(vocabulary)
        self.pieces = tuple(_first_word(line) for line in _lines(self.source, self.proto))
        self.ids = {}
        for index, piece in enumerate(self.pieces):
            if self.ids.setdefault(piece, index) != index:
                raise ValueError(
                    f"A vocabulary must name each piece once: {self.source} has {piece!r} in lines "
                    f"{self.ids[piece] + 1} and {index + 1}. Programs disagree on the ids behind "
                    "it: give the second another name, or remove its line."
                )
        self.unknown_id = self.ids.get(self.special.unknown)
        self._longest = max(map(len, self.pieces))
        # Few words make up most of a text.
        self.cut = functools.lru_cache(maxsize=1 << 17)(self._cut)

    def _cut(self, word) -> tuple[WordPart, ...]:
        """Cuts a word into the longest pieces that there are, from left to right.

        Returns:
            Its parts; the unknown piece alone for a word that cannot be spelled to its end, or is
            longer than `MAX_CHARS_OF_WORD`.
        """
        parts, start = [], 0
        unknown = (WordPart(self.unknown_id, 0, len(word)),)
        if len(word) > MAX_CHARS_OF_WORD:
            return unknown
        while start < len(word):
            for end in range(min(len(word), start + self._longest), start, -1):
                index = self.ids.get((INSIDE if start else "") + word[start:end])
                if index is not None:
                    break
            else:
                return unknown
            parts.append(WordPart(index, start, end))
            start = end
        return tuple(parts)

    def begins_word(self, piece) -> bool:
        """Whether a piece opens a word (`_is_start_piece_bert` of the original)."""
        return not piece.startswith(INSIDE)

    def form(self, piece) -> PieceForm:
        """How a piece reads in running text: ideographs and punctuation stand as they come."""
        if piece.startswith(INSIDE):
            return PieceForm(piece.removeprefix(INSIDE), False, True)
        is_alone = len(piece) == 1 and (is_chinese(piece) or is_punctuation(piece))
        return PieceForm(piece, not is_alone, False)

    def behind_mask(self, index) -> int | None:
        """The id of a piece where it follows a mask without a space: the same one."""
        return index


def is_wordpiece(content: bytes) -> bool:
    """Whether the bytes of a file are a WordPiece vocabulary, by the line of a special piece."""
    special = {name.encode() for name in WordPieceModel.special}
    return any(line.strip() in special for line in content.split(b"\n"))


def _lines(source, content):
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"A vocab.txt must be UTF-8: {source} is not ({error}).") from error
    lines = text.split("\n")  # U+2028 and its like are no ends of lines here
    return lines if lines[-1] else lines[:-1]


def _first_word(line):
    return line.split()[0] if line.strip() else " "
