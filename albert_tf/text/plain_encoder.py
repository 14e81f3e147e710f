"""The tokenizer's ids without TensorFlow, for preparing data in many small processes.

A process with TensorFlow takes 0.9 GB and six seconds to start; one with the `sentencepiece`
package takes 60 MB and half a second, and encodes a little faster. The ids are the same: both
spell out what the original does (tests/text/test_plain_encoder.py compares them).
"""

import itertools
import re
import unicodedata

import numpy as np

from albert_tf.text.plain_wordpiece import PlainWordPieceEncoder
from albert_tf.text.sentencepiece_model import SentencePieceModel

# Beyond the Basic Multilingual Plane a character class is a list that is walked: 20 times slower.
_COMMON = "".join(chr(point) for point in range(0x10000) if unicodedata.combining(chr(point)))
_COMMON_MARKS = re.compile(f"[{_COMMON}]+")
_RARE = re.compile("[\U00010000-\U0010ffff]")
_SURROGATES = re.compile("[\ud800-\udfff]")


def clean_lines(lines, lowercase=True, keep_accents=False):
    """Cleans texts as `text/cleanup.py` does (`preprocess_text` of the original).

    Args:
        lines: list of texts without line breaks, whose white space is already single spaces.
        lowercase, keep_accents: see `AlbertTokenizer`.

    Returns:
        list of as many texts.
    """
    cleaned = list(lines)
    others = [number for number, line in enumerate(cleaned) if not line.isascii()]
    if others:
        text = "\n".join(cleaned[number] for number in others)  # one call for all
        text = unicodedata.normalize("NFKD", _SURROGATES.sub("\ufffd", text))
        text = text if keep_accents else _without_marks(text)
        for number, line in zip(others, text.split("\n"), strict=True):
            cleaned[number] = line
    return [line.lower() for line in cleaned] if lowercase else cleaned


def _without_marks(text):
    text = _COMMON_MARKS.sub("", text)
    if _RARE.search(text):
        text = "".join(letter for letter in text if not unicodedata.combining(letter))
    return text


def encoder_of(model, lowercase=True, keep_accents=False):
    """The encoder for a vocabulary of either kind: `PlainEncoder` or `PlainWordPieceEncoder`.

    Args:
        model: from `read_vocabulary`.
        lowercase, keep_accents: see `AlbertTokenizer`.
    """
    kind = PlainEncoder if isinstance(model, SentencePieceModel) else PlainWordPieceEncoder
    return kind(model, lowercase, keep_accents)


class PlainEncoder:
    """Turns many texts into ids at once.

    Args:
        model: `SentencePieceModel`.
        lowercase, keep_accents: see `AlbertTokenizer`.
    """

    def __init__(self, model: SentencePieceModel, lowercase=True, keep_accents=False):
        self.model = model
        self._clean = (lowercase, keep_accents)
        splits = self.model.digit_comma_splits()
        spelled = [splits.get(i, [i]) for i in range(len(self.model.pieces))]
        self._spelled = np.array([i for ids in spelled for i in ids], np.int32)
        self._num_spelled = np.array([len(ids) for ids in spelled])
        self._spelled_begin = np.cumsum(self._num_spelled) - self._num_spelled

    def encode(self, texts):
        """Gives the ids of all texts in one array.

        Args:
            texts: list of texts without line breaks and with single spaces, as
                `split_sentences` gives them.

        Returns:
            (ids int32 `(num_tokens,)`, ends int64 `(len(texts),)`: where each text's ids end).
        """
        if not texts:
            return np.zeros(0, np.int32), np.zeros(0, np.int64)
        encoded = self.model.processor.encode(clean_lines(texts, *self._clean), num_threads=1)
        ends = np.cumsum([len(ids) for ids in encoded])
        ids = np.fromiter(itertools.chain.from_iterable(encoded), np.int32, ends[-1])
        lengths = self._num_spelled[ids]
        if lengths.size == lengths.sum():  # no "3," in all the texts
            return ids, ends
        # "▁3," stands for "▁3" and ",": the digit-comma rule.
        new_ends = np.cumsum(lengths)
        within = np.arange(new_ends[-1]) - np.repeat(new_ends - lengths, lengths)
        spelled = self._spelled[np.repeat(self._spelled_begin[ids], lengths) + within]
        return spelled, np.concatenate([[0], new_ends])[ends]
