"""Where sentences end: the unit that sentence order and segment pairs are built from."""

import re

MAX_CHARACTERS = 2000  # more without an end is a table or a list, and is cut at a space

# "e.g." and its like end in a full stop that ends no sentence.
_ABBREVIATIONS = frozenset(
    ["e.g", "i.e", "etc", "cf", "vs", "viz", "al", "fig", "figs", "eq", "eqs", "sec", "ch", "no"]
    + ["nos", "vol", "p", "pp", "mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "inc", "ltd"]
    + ["co", "approx", "resp", "dept", "est"]
)
_LONGEST_ABBREVIATION = 10  # with the marks before it
# Begins with a plain set of characters: a look behind would be tried at every position.
_END = re.compile(
    r"""[.!?…。！？｡](?:"""
    r"""(?<=[.!?…])["'”’)\]]* (?=["'“‘(\[]?[A-Z0-9À-ÖØ-Þ])"""
    r"""|(?<=[。！？｡])[。！？｡…"'”’」』）)】》\]]* ?)"""
)


def split_sentences(text: str) -> list[str]:
    """Splits running text into sentences, without a model and without a word list per language.

    A sentence ends in `.`, `!`, `?` or `…` when white space and then a capital, a digit or an
    opening quote or bracket follow, unless the last word is a known abbreviation or a single
    capital letter, as in "J. Smith". The stops of Chinese and Japanese, 。！？, always end one,
    with the quotes and brackets that close behind them. What is still longer than
    `MAX_CHARACTERS` is cut at spaces.

    Args:
        text: prose of one paragraph or more; line breaks count as white space.

    Returns:
        The sentences in order, with single spaces, none empty.
    """
    text = " ".join(text.split())
    sentences, start = [], 0
    for end in _END.finditer(text):
        if end[0] == ". " and _is_abbreviated(text, end.start()):
            continue
        sentences.append(text[start : end.end()].rstrip())
        start = end.end()
    if start < len(text):
        sentences.append(text[start:])
    if len(text) > MAX_CHARACTERS:
        return [part for sentence in sentences for part in _short_parts(sentence)]
    return sentences


def _is_abbreviated(text, stop):
    """Whether the word before the full stop at `stop` is an abbreviation or an initial."""
    low = max(stop - _LONGEST_ABBREVIATION, 0)
    space = text.rfind(" ", low, stop)
    if space < 0 < low:
        return False
    word = text[space + 1 : stop].lstrip("(\"'[")
    return word.lower() in _ABBREVIATIONS or len(word) == 1 and word.isupper()


def _short_parts(sentence):
    parts, start = [], 0
    while len(sentence) - start > MAX_CHARACTERS:
        space = sentence.rfind(" ", start, start + MAX_CHARACTERS + 1)
        end = space if space > start else start + MAX_CHARACTERS
        parts.append(sentence[start:end])
        start = end + (space > start)
    return [*parts, sentence[start:]]
