"""The normalization rules inside a SentencePiece model, in plain Python.

A rule says what a short text becomes: "ﬁ" is "fi", "①" is "1". The file holds them as a double
array trie (Darts-clone) over UTF-8, whose values point into a list of texts that end in NUL.
"""

import struct

import numpy as np

_BYTES = np.arange(1, 256)


class Charsmap:
    """Finds, at each place of a text, the longest rule, and what it makes of it.

    Args:
        content: `precompiled_charsmap` of the model, bytes; may be empty.
        symbols: texts that stay as they are: the symbols of the user.
    """

    def __init__(self, content, symbols=()):
        self._symbols = {symbol.encode(): symbol for symbol in symbols}
        self._longest_symbol = max(map(len, self._symbols), default=0)
        self._units, self._texts = (), b""
        if content:
            (size,) = struct.unpack_from("<I", content)
            self._units = np.frombuffer(content, "<u4", size // 4, 4).tolist()
            self._texts = content[4 + size :]

    def chunks(self, text):
        """Divides a text into the parts that rules apply to.

        Returns:
            List of (what the part becomes, its first character, the character behind it).
        """
        content = text.encode("utf-8")
        found, place, number = [], 0, 0
        while place < len(content):
            replaced, size = self._at(content, place)
            num_chars = len(content[place : place + size].decode("utf-8"))
            found.append((replaced, number, number + num_chars))
            place, number = place + size, number + num_chars
        return found

    def rules(self, keep):
        """Rules: pairs of texts, what becomes what.

        Args:
            keep: tells of a character whether a key may have it; of 220,000 rules most are for
                letters with marks.
        """
        if self._units:
            # A unit that is no part of the trie has another label than its place asks for.
            units = np.array([*self._units, *[1 << 31] * 256], np.int64)
            labels = units & 0x800000FF
            yield from self._rules_below(labels, _offset(self._units[0]), b"", b"", keep)

    def _rules_below(self, labels, node, key, letter, keep):
        """Those whose keys begin with `key`, and, behind it, the bytes of a part of a letter."""
        for byte in (1 + np.flatnonzero(labels[node ^ _BYTES] == _BYTES)).tolist():
            unit, part = self._units[node ^ byte], letter + bytes([byte])
            below, longer = node ^ byte ^ _offset(unit), key
            if len(part) == _num_bytes(part[0]):
                if not keep(part.decode("utf-8")):
                    continue
                longer, part = key + part, b""
            if unit >> 8 & 1:
                yield longer.decode("utf-8"), self._text_at(self._units[below])
            yield from self._rules_below(labels, below, longer, part, keep)

    def _text_at(self, value):
        start = value & 0x7FFFFFFF
        return self._texts[start : self._texts.index(b"\0", start)].decode("utf-8")

    def _at(self, content, place):
        """What stands at a place becomes, and how many bytes of it."""
        for size in range(min(self._longest_symbol, len(content) - place), 0, -1):
            symbol = self._symbols.get(content[place : place + size])
            if symbol is not None:
                return symbol, size
        value, size = self._longest_rule(content, place)
        if size:
            return self._text_at(value), size
        size = _num_bytes(content[place])
        return content[place : place + size].decode("utf-8"), size

    def _longest_rule(self, content, place):
        """The value of the longest key that begins here, and its number of bytes; 0 for none."""
        units, value, size = self._units, 0, 0
        if not units:
            return value, size
        node = _offset(units[0])
        for number in range(place, len(content)):
            byte = content[number]
            node ^= byte
            unit = units[node]
            if unit & 0x800000FF != byte:
                break
            node ^= _offset(unit)
            if unit >> 8 & 1:
                value, size = units[node] & 0x7FFFFFFF, number + 1 - place
        return value, size


def _num_bytes(first):
    """How many bytes a letter of UTF-8 has, by its first one."""
    return 1 if first < 0x80 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4


def _offset(unit):
    return (unit >> 10) << ((unit & 0x200) >> 6)
