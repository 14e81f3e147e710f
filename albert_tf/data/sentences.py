"""Where sentences end: the unit that sentence order and segment pairs are built from."""

import re

# "e.g." and its like end in a full stop that ends no sentence.
_ABBREVIATIONS = frozenset(
    ["e.g", "i.e", "etc", "cf", "vs", "viz", "al", "fig", "figs", "eq", "eqs", "sec", "ch", "no"]
    + ["nos", "vol", "p", "pp", "mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "inc", "ltd"]
    + ["co", "approx", "resp", "dept", "est"]
)
_END = re.compile(r"""(?<=[.!?])["')\]]*\s+(?=["'(\[]?[A-Z0-9])""")


def split_sentences(text: str) -> list[str]:
    """Splits running text into sentences, without a model and without a word list per language.

    A sentence ends in `.`, `!` or `?` when white space and then a capital, a digit or an opening
    quote or bracket follow, unless the last word is a known abbreviation or a single capital
    letter, as in "J. Smith".

    Args:
        text: prose of one paragraph or more; line breaks count as white space.

    Returns:
        The sentences in order, stripped, none empty.
    """
    sentences, start = [], 0
    for end in _END.finditer(text):
        last_word = text[start : end.start()].rsplit(None, 1)[-1].rstrip(".").lstrip("(\"'[")
        initial = len(last_word) == 1 and last_word.isupper()
        if last_word.lower() in _ABBREVIATIONS or initial:
            continue
        sentences.append(text[start : end.end()])
        start = end.end()
    sentences.append(text[start:])
    return [" ".join(s.split()) for s in sentences if s.strip()]
