"""What WordPiece's clean-up takes each character for (`BasicTokenizer` of the original).

Spelled by Python's own Unicode tables, as the original is. Transformers drops more than the
original does: characters for private use and those that are not assigned.
"""

import functools
import unicodedata

# Ideographs, each a word of its own. Kana and Hangul are letters like any other.
CHINESE = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)
# Where anything but letters and ideographs is: shown by the test of all code points.
PLANES = (range(0x20000), range(0xE0000, 0xE1000))


def is_chinese(letter: str) -> bool:
    """Whether a character is a word of its own by its block (`_is_chinese_char`)."""
    point = ord(letter)
    return point >= CHINESE[0][0] and any(first <= point <= last for first, last in CHINESE)


def is_dropped(letter: str) -> bool:
    """Whether the clean-up takes a character out, so that its neighbours touch (`_clean_text`)."""
    return letter in "\0\ufffd" or (
        unicodedata.category(letter) in ("Cc", "Cf") and letter not in "\t\n\r"
    )


def is_space(letter: str) -> bool:
    """Whether a character parts words: `_is_whitespace`, and where `str.split` divides."""
    return not is_dropped(letter) and (letter.isspace() or unicodedata.category(letter) == "Zs")


def is_mark(letter: str) -> bool:
    """Whether a character is an accent that goes with lower case (`_run_strip_accents`)."""
    return unicodedata.category(letter) == "Mn"


def is_punctuation(letter: str) -> bool:
    """Whether a character is punctuation, a word of its own (`_is_punctuation`).

    All of ASCII that is no letter and no number counts, "$" and "^" too.
    """
    if letter.isascii():
        return letter.isprintable() and letter != " " and not letter.isalnum()
    return unicodedata.category(letter).startswith("P")


@functools.cache
def points_where(is_so) -> tuple[int, ...]:
    """The code points that one of the functions above (but `is_chinese`) is true of, rising."""
    return tuple(point for plane in PLANES for point in plane if is_so(chr(point)))
