"""WordPiece in plain Python: for preparing data without TensorFlow, and for devices.

The ids are those of `wordpiece_ops.py`. The clean-up is two tables over the characters, as the
original's `BasicTokenizer` is two loops.
"""

import itertools
import unicodedata

import numpy as np

from albert_tf.text.basic_characters import (
    is_chinese,
    is_dropped,
    is_mark,
    is_punctuation,
    is_space,
)
from albert_tf.text.device_tokenizer import Token, repaired
from albert_tf.text.wordpiece_model import WordPieceModel


class _Table(dict):
    """Answers that are looked up once: most text is made of few characters and words."""

    MOST = 1 << 17  # eight times as many words took 380 MB

    def __init__(self, answer):
        super().__init__()
        self._answer = answer

    def __missing__(self, key):
        if len(self) >= self.MOST:
            self.clear()
        self[key] = self._answer(key)
        return self[key]


def _cleaned(point):
    letter = chr(point)
    if is_dropped(letter) or "\ud800" <= letter <= "\udfff":  # half of a pair is no character
        return None
    return " " if is_space(letter) else f" {letter} " if is_chinese(letter) else letter


def _parted(point):
    letter = chr(point)
    return f" {letter} " if is_punctuation(letter) else letter


_CLEANED, _PARTED = _Table(_cleaned), _Table(_parted)
_PARTED_WITHOUT_MARKS = _Table(lambda p: None if is_mark(chr(p)) else _parted(p))


def split_words(text, lowercase=True, keep_accents=False) -> list[str]:
    """Cleans a text and divides it into words, as `BasicTokenizer` of the original does.

    Args:
        text: str.
        lowercase: whether letters become small.
        keep_accents: whether they then keep their accents, as capitals always do.
    """
    text, table = text.translate(_CLEANED), _PARTED
    if lowercase:
        text = text.lower()
        if not keep_accents:
            text, table = unicodedata.normalize("NFD", text), _PARTED_WITHOUT_MARKS
    return text.translate(table).split()


class PlainWordPieceEncoder:
    """Turns many texts into ids at once; see `PlainEncoder`.

    Args:
        model: `WordPieceModel`.
        lowercase, keep_accents: see `AlbertTokenizer`.
    """

    def __init__(self, model: WordPieceModel, lowercase=True, keep_accents=False):
        self.model = model
        self._style = (lowercase, keep_accents)
        self._ids_of = _Table(lambda word: [part.id for part in model.cut(word)])

    def encode(self, texts):
        """Gives the ids of all texts in one array.

        Returns:
            (ids int32 `(num_tokens,)`, ends int64 `(len(texts),)`: where each text's ids end).
        """
        ids_of, encoded = self._ids_of, []
        for text in texts:
            encoded.append([i for w in split_words(text, *self._style) for i in ids_of[w]])
        ends = np.cumsum([len(ids) for ids in encoded], dtype=np.int64)
        total = int(ends[-1]) if texts else 0
        return np.fromiter(itertools.chain.from_iterable(encoded), np.int32, total), ends


class DeviceWordPieceTokenizer:
    """Raw text to ids and places; see `DeviceTokenizer`, which does it for SentencePiece.

    Args:
        vocabulary: bytes of a `vocab.txt`.
        lowercase, keep_accents: see `AlbertTokenizer`.

    Attributes:
        model: `WordPieceModel`.

    Raises:
        ValueError: the vocabulary is none.
        KeyError: it lacks a special piece.
    """

    def __init__(self, vocabulary, lowercase=True, keep_accents=False):
        self.model = WordPieceModel(vocabulary)
        self.lowercase, self.keep_accents = lowercase, keep_accents
        ids = [self.model.ids[piece] for piece in self.model.special]
        self.start_id, self.end_id, self.mask_id, self.pad_id, self.unknown_id = ids

    def encode(self, text):
        """Ids of raw text, a str or UTF-8 bytes."""
        words = split_words(repaired(text), self.lowercase, self.keep_accents)
        return [part.id for word in words for part in self.model.cut(word)]

    def clean(self, text):
        """The text as it is when words are looked for in it."""
        return self._aligned(repaired(text))[0]

    def tokenize(self, text):
        """Tokens of raw text.

        Args:
            text: str, or UTF-8 bytes; what is invalid becomes U+FFFD.

        Returns:
            List of `Token`.
        """
        cleaned, starts, ends = self._aligned(repaired(text))
        tokens = []
        for first, last in _word_bounds(cleaned):
            for index, begin, end in self.model.cut(cleaned[first:last]):
                tokens.append(Token(index, starts[first + begin], ends[first + end - 1]))
        return tokens

    def _aligned(self, text):
        """Cleaned text, and for each of its characters the ones that it comes from.

        A dropped accent belongs to the letter before it, a dropped control character to none.
        """
        kept, starts, ends = [], [], []
        for place, letter in enumerate(text):
            if is_dropped(letter):
                continue
            kept.append(letter)
            becomes = self._small(letter)
            if not becomes and starts:
                source = starts[-1]
                for number in range(len(starts) - 1, -1, -1):
                    if starts[number] != source:
                        break
                    ends[number] = place + 1
            starts += [place] * len(becomes)
            ends += [place + 1] * len(becomes)
        return self._small("".join(kept)), starts, ends

    def _small(self, text):
        if not self.lowercase:
            return text
        text = text.lower()
        if self.keep_accents:
            return text
        return "".join(c for c in unicodedata.normalize("NFD", text) if not is_mark(c))


def _word_bounds(cleaned):
    """Where each word of cleaned text begins and ends."""
    begin = None
    for place, letter in enumerate(cleaned):
        is_alone = is_chinese(letter) or is_punctuation(letter)
        if begin is not None and (is_alone or is_space(letter)):
            yield begin, place
            begin = None
        if is_alone:
            yield place, place + 1
        elif begin is None and not is_space(letter):
            begin = place
    if begin is not None:
        yield begin, len(cleaned)
