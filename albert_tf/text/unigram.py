"""SentencePiece's unigram tokenizer in plain Python: the specification that a phone app ports.

Nothing but the standard library and NumPy: no TensorFlow, no `sentencepiece`, no protobuf. The
ids are those of the `sentencepiece` package, ties and rounding included: scores are added in
float32, and of equal scores the first found wins.
"""

import struct
from typing import NamedTuple

import numpy as np

from albert_tf.text.charsmap import Charsmap
from albert_tf.text.pieces import PieceForm, SpecialPieces

WORD_START = "▁"
SPECIAL = SpecialPieces("[CLS]", "[SEP]", "[MASK]", "<pad>", "<unk>")
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED = 1, 2, 3, 4, 5
# What the package takes off the worst score for a character that is no piece.
UNKNOWN_PENALTY = 10.0
SMALLEST_FLOAT = float(np.finfo(np.float32).tiny)


class Piece(NamedTuple):
    """A piece as the text was cut into it.

    Args:
        id: of the piece; that of <unk> for a run of characters that are no pieces.
        start, end: which characters of the normalized text it covers.
    """

    id: int
    start: int
    end: int


class UnigramModel:
    """Cuts text into the pieces of a `.model` file.

    Args:
        proto: bytes of the file.

    Attributes:
        pieces: all pieces, in the order of their ids.
        ids: piece -> id.
        types: int array, the type of each piece.

    Raises:
        ValueError: the bytes are no SentencePiece model, or one that is no unigram model with a
            space at the beginning of words, as ALBERT's is.
    """

    def __init__(self, proto):
        try:
            fields = list(fields_of(proto))
            entries = [dict(fields_of(value)) for number, value in fields if number == 1]
            trainer = dict(fields_of(message_field(proto, 2)))
            normalizer = dict(fields_of(message_field(proto, 3)))
            self.pieces = tuple(entry[1].decode("utf-8") for entry in entries)
            scores = [struct.unpack("<f", entry.get(2, bytes(4)))[0] for entry in entries]
        except (IndexError, KeyError, struct.error, TypeError, AttributeError) as error:
            raise ValueError(
                f"The vocabulary must be a SentencePiece .model file: {len(proto)} bytes cannot "
                f"be read ({error!r})."
            ) from error
        if not self.pieces or trainer.get(3, 1) != 1 or trainer.get(24) or trainer.get(35):
            raise ValueError(
                "The vocabulary must be a unigram model as ALBERT's is, with pieces, and without "
                "byte_fallback and treat_whitespace_as_suffix."
            )
        if not normalizer.get(3, 1):
            raise ValueError("The vocabulary must be trained with add_dummy_prefix true.")
        self.types = np.array([entry.get(3, NORMAL) for entry in entries], np.int32)
        self.ids = {piece: index for index, piece in enumerate(self.pieces)}
        self.unknown_id = int(np.flatnonzero(self.types == UNKNOWN)[0])
        self._squeezes = bool(normalizer.get(4, 1))
        symbols = {p for p, kind in zip(self.pieces, self.types, strict=True) if kind == 4}
        self._charsmap = Charsmap(normalizer.get(2, b""), symbols)
        self._scores = self._score_table(scores)
        self._prefixes = {p[:n] for p in self._scores for n in range(1, len(p) + 1)}
        normal = [s for s, kind in zip(scores, self.types, strict=True) if kind == NORMAL]
        self._unknown_score = _float32(min(normal, default=0.0) - UNKNOWN_PENALTY)

    def _score_table(self, scores):
        """Piece -> (id, score), of all pieces that text can be cut into."""
        normal = [s for s, kind in zip(scores, self.types, strict=True) if kind == NORMAL]
        best = max([SMALLEST_FLOAT, *normal])
        table = {}
        for index, piece in enumerate(self.pieces):
            if self.types[index] == NORMAL:
                table[piece] = index, scores[index]
            elif self.types[index] == USER_DEFINED:
                # A symbol of the user is liked so well that it is always taken.
                table[piece] = index, len(piece.encode()) * best - 0.1
        return table

    def normalize(self, text):
        """Normalizes text as the model was trained on.

        Args:
            text: str without halves of surrogate pairs.

        Returns:
            (normalized, starts): a str with "▁" for spaces and one in front, "" for nothing; and
            for each of its characters, and for its end, the character of `text` that it begins at.
        """
        chunks = self._charsmap.chunks(text)
        first = 0
        if self._squeezes:
            while first < len(chunks) and chunks[first][0] == " ":
                first += 1
        if first == len(chunks):
            return "", [len(text)]
        normalized, starts = [WORD_START], [chunks[first][1]]
        after_space = self._squeezes
        for replaced, begin, _ in chunks[first:]:
            replaced = replaced.lstrip(" ") if after_space else replaced
            if replaced:
                normalized += replaced.replace(" ", WORD_START)
                starts += [begin] * len(replaced)
                after_space = replaced[-1] == " "
            after_space = after_space and self._squeezes
        starts.append(len(text))
        if self._squeezes:
            while normalized and normalized[-1] == WORD_START:
                normalized.pop()
                starts.pop()
        return "".join(normalized), starts

    def cut(self, normalized):
        """Cuts normalized text into the likeliest pieces.

        Returns:
            List of `Piece`.
        """
        size = len(normalized)
        scores = [0.0] + [None] * size
        came_from = [None] * (size + 1)
        for start in range(size):
            so_far = scores[start]
            single = False
            for end in range(start + 1, size + 1):
                piece = normalized[start:end]
                if piece not in self._prefixes:
                    break
                if piece not in self._scores:
                    continue
                index, score = self._scores[piece]
                single = single or end == start + 1
                # Symbols of the user are added in float64, pieces in float32.
                score += so_far
                if self.types[index] == NORMAL:
                    score = _float32(score)
                if scores[end] is None or score > scores[end]:
                    scores[end], came_from[end] = _float32(score), (start, index)
            if not single:
                score = _float32(self._unknown_score + so_far)
                if scores[start + 1] is None or score > scores[start + 1]:
                    scores[start + 1], came_from[start + 1] = score, (start, self.unknown_id)
        return self._walked_back(came_from)

    def _walked_back(self, came_from):
        found, end = [], len(came_from) - 1
        while end:
            start, index = came_from[end]
            if index == self.unknown_id and found and found[-1].id == self.unknown_id:
                # A run of unknown characters is one piece.
                found[-1] = Piece(index, start, found[-1].end)
            else:
                found.append(Piece(index, start, end))
            end = start
        return found[::-1]

    def encode(self, text):
        """Ids of text, without any clean-up."""
        return [piece.id for piece in self.cut(self.normalize(text)[0])]

    def form(self, piece) -> PieceForm:
        """How a piece reads in running text."""
        return form(piece)

    def behind_mask(self, index) -> int | None:
        """The id of a piece where it follows a mask without a space; None for no piece."""
        return behind_mask(self, index)


def form(piece) -> PieceForm:
    """How a piece reads in running text."""
    begins = piece.startswith(WORD_START)
    return PieceForm(piece.removeprefix(WORD_START), begins, not begins)


def behind_mask(model, index) -> int | None:
    """The id of a piece where it follows a mask without a space.

    That is the same letters without "▁", or the piece itself where the vocabulary lacks those;
    None for "▁" alone.
    """
    letters = model.pieces[index].removeprefix(WORD_START)
    return model.ids.get(letters, index) if letters else None


def _float32(number):
    return struct.unpack("<f", struct.pack("<f", number))[0]


def message_field(proto, number):
    """The bytes of the last field with this number of a protobuf message; empty for none."""
    return next((value for key, value in reversed(list(fields_of(proto))) if key == number), b"")


def fields_of(content):
    """Yields the number and the value of each field of a protobuf message.

    Values are int for varints, bytes for everything else.
    """
    place = 0
    while place < len(content):
        key, place = _varint(content, place)
        kind = key & 7
        if kind == 0:
            value, place = _varint(content, place)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            value, place = content[place : place + size], place + size
        elif kind == 2:
            size, place = _varint(content, place)
            value, place = content[place : place + size], place + size
        else:
            raise IndexError(f"field {key >> 3} has the unknown kind {kind}")
        if place > len(content):
            raise IndexError("a field is cut off")
        yield key >> 3, value


def _varint(content, place):
    value = shift = 0
    while True:
        byte = content[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
