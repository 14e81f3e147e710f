"""Where sentences end: the unit that sentence order and segment pairs are built from."""

import re

MAX_CHARACTERS = 2000  # more without an end is a table or a list, and is cut at a space

# "e.g." and its like end in a full stop that ends no sentence.
_ABBREVIATIONS = frozenset(
    ["e.g", "i.e", "etc", "cf", "vs", "viz", "al", "fig", "figs", "eq", "eqs", "sec", "ch", "no"]
    + ["nos", "vol", "p", "pp", "mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "inc", "ltd"]
    + ["co", "approx", "resp", "dept", "est"]
)
_LONGEST_ABBREVIATION = 40  # with the marks around it
_END = re.compile(r"""(?<=[.!?…])["'”’)\]]*\s+(?=["'“‘(\[]?[A-Z0-9À-ÖØ-Þ])""")


def split_sentences(text: str) -> list[str]:
    """Splits running text into sentences, without a model and without a word list per language.

    A sentence ends in `.`, `!`, `?` or `…` when white space and then a capital, a digit or an
    opening quote or bracket follow, unless the last word is a known abbreviation or a single
    capital letter, as in "J. Smith". What is still longer than `MAX_CHARACTERS` is cut at spaces.

    Args:
        text: prose of one paragraph or more; line breaks count as white space.

    Returns:
        The sentences in order, stripped, none empty.
    """
    sentences, start = [], 0
    for end in _END.finditer(text):
        # Not the whole sentence: a megabyte of "Mr. Mr. Mr." would take minutes.
        words = text[max(start, end.start() - _LONGEST_ABBREVIATION) : end.start()].rsplit(None, 1)
        last_word = words[-1].rstrip(".").lstrip("(\"'[")
        initial = len(last_word) == 1 and last_word.isupper()
        if initial or last_word.lower() in _ABBREVIATIONS:
            continue
        sentences.append(text[start : end.end()])
        start = end.end()
    sentences.append(text[start:])
    squeezed = (" ".join(sentence.split()) for sentence in sentences)
    return [part for sentence in squeezed if sentence for part in _short_parts(sentence)]


def _short_parts(sentence):
    if len(sentence) <= MAX_CHARACTERS:
        return [sentence]
    parts, start = [], 0
    while len(sentence) - start > MAX_CHARACTERS:
        space = sentence.rfind(" ", start, start + MAX_CHARACTERS + 1)
        end = space if space > start else start + MAX_CHARACTERS
        parts.append(sentence[start:end])
        start = end + (space > start)
    return [*parts, sentence[start:]]
