"""The tokenizer as an app on a phone has it: raw text to ids and places, in plain Python.

Equal to `AlbertTokenizer`, which is made of TensorFlow ops, on every text; it needs nothing but
the standard library and NumPy, and so is a specification to port.
"""

import unicodedata
from typing import NamedTuple

from albert_tf.text.unigram import NORMAL, SPECIAL, WORD_START, UnigramModel


class Token(NamedTuple):
    """A token and what it stands for.

    Args:
        id: of the piece.
        start, end: which characters of the raw text it covers, end exclusive.
    """

    id: int
    start: int
    end: int


class DeviceTokenizer:
    """Cleans text as the original does, cuts it into pieces, and says where each comes from.

    Args:
        proto: bytes of a SentencePiece `.model` file.
        lowercase, keep_accents: see `AlbertTokenizer`.

    Attributes:
        model: `UnigramModel`.

    Raises:
        ValueError: the vocabulary is none, or lacks a special token.
    """

    def __init__(self, proto, lowercase=True, keep_accents=False):
        self.model = UnigramModel(proto)
        self.lowercase, self.keep_accents = lowercase, keep_accents
        missing = [t for t in SPECIAL if t not in self.model.ids and t != SPECIAL.mask]
        if missing:
            raise ValueError(f"The vocabulary lacks the special tokens {' '.join(missing)}.")
        ids = [self.model.ids.get(piece) for piece in SPECIAL]
        self.start_id, self.end_id, self.mask_id, self.pad_id, self.unknown_id = ids
        self._splits = self._digit_comma_splits()

    def encode(self, text):
        """Ids of raw text, a str or UTF-8 bytes."""
        return [token.id for token in self.tokenize(text)]

    def clean(self, text):
        """The text as the vocabulary was trained on it."""
        return clean(repaired(text), self.lowercase, self.keep_accents)[0]

    def tokenize(self, text):
        """Tokens of raw text.

        Args:
            text: str, or UTF-8 bytes; what is invalid becomes U+FFFD.

        Returns:
            List of `Token`.
        """
        cleaned, starts, ends = clean(repaired(text), self.lowercase, self.keep_accents)
        normalized, places = self.model.normalize(cleaned)
        # Where each normalized character begins and ends in the raw text.
        begins = [starts[place] for place in places[:-1]]
        stops = [
            ends[max(behind - 1, place)] for place, behind in zip(places, places[1:], strict=False)
        ]
        tokens = []
        for index, first, last in self._split(self.model.cut(normalized)):
            leads = normalized[first] == WORD_START
            start, stop = begins[min(first + leads, last - 1)], stops[last - 1]
            if leads and last - first == 1:
                # A leading "▁" is no text: alone it stands, empty, where the next piece starts.
                start = stop = begins[last] if last < len(begins) else stop
            tokens.append(Token(index, start, stop))
        return tokens

    def _split(self, pieces):
        """Pieces with the digit-comma rule: "▁3," is "▁3" and ","."""
        for index, start, end in pieces:
            if index not in self._splits:
                yield index, start, end
                continue
            for part, size in self._splits[index]:
                yield part, start, start + size
                start += size

    def _digit_comma_splits(self):
        """Id of a piece that ends in a digit and a comma -> (id, number of characters) of parts."""
        table = {}
        for index, piece in enumerate(self.model.pieces):
            is_digit_comma = len(piece) > 1 and piece[-1] == "," and piece[-2].isdigit()
            if not is_digit_comma or self.model.types[index] != NORMAL:
                continue
            normalized, _ = self.model.normalize(piece[:-1].replace(WORD_START, ""))
            parts = [normalized[start:end] for _, start, end in self.model.cut(normalized)]
            if piece[0] != WORD_START and parts[0][0] == WORD_START:
                parts = parts[1:] if len(parts[0]) == 1 else [parts[0][1:], *parts[1:]]
            parts.append(",")
            table[index] = [(self.model.ids.get(p, self.unknown_id), len(p)) for p in parts]
        return table


def repaired(text):
    """A str without halves of surrogate pairs, of a str or of bytes."""
    if isinstance(text, bytes):
        return text.decode("utf-8", "replace")
    if text.isascii():
        return text
    return "".join("\ufffd" if "\ud800" <= letter <= "\udfff" else letter for letter in text)


def clean(text, lowercase=True, keep_accents=False):
    """Cleans text as the original's `preprocess_text`, and says where each character comes from.

    White space becomes single spaces and vanishes at the ends, characters take their
    compatibility decomposition (NFKD), combining marks go, letters become small.

    Returns:
        (cleaned, starts, ends): a str, and for each of its characters the characters of `text`
        that it comes from, end exclusive. A dropped mark belongs to the letter before it.
    """
    squeezed, starts, ends = [], [], []
    words_end = len(text.rstrip())
    pending_space = None
    for place, letter in enumerate(text[:words_end]):
        if letter.isspace():
            if squeezed and pending_space is None:
                pending_space = place
            continue
        if pending_space is not None:
            squeezed.append(" ")
            starts.append(pending_space)
            ends.append(pending_space + 1)
            pending_space = None
        decomposed = unicodedata.normalize("NFKD", letter)
        if not keep_accents:
            decomposed = "".join(c for c in decomposed if not unicodedata.combining(c))
        if not decomposed:
            # It was a mark: the characters before it cover it, too.
            _stretch(starts, ends, place)
            continue
        squeezed += decomposed
        starts += [place] * len(decomposed)
        ends += [place + 1] * len(decomposed)
    cleaned = "".join(squeezed)
    if keep_accents:
        # Marks of neighbours change places.
        cleaned = unicodedata.normalize("NFKD", cleaned)
    return (cleaned.lower() if lowercase else cleaned), starts, ends


def _stretch(starts, ends, place):
    """Lets the last character, if it ends right before `place`, end behind it."""
    number = len(ends) - 1
    while number >= 0 and ends[number] == place:
        ends[number] = place + 1
        number -= 1
