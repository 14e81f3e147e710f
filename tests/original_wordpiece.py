"""The original tokenization with a `vocab.txt` in plain Python: its rules, restated."""

import unicodedata

IDEOGRAPHS = [
    *[(0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F)],
    *[(0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)],
]


def read_ids(vocabulary):
    """`load_vocab`: piece -> id, of bytes."""
    ids = {}
    for line in vocabulary.decode("utf-8").removesuffix("\n").split("\n"):
        ids.setdefault((line.split() or [" "])[0], len(ids))
    return ids


def basic_tokens(text, lowercase=True):
    """`BasicTokenizer.tokenize`."""
    kept = ""
    for c in text:
        if c in "\t\n\r" or unicodedata.category(c) == "Zs":
            kept += " "
        elif c not in "\0\ufffd" and unicodedata.category(c) not in ("Cc", "Cf"):
            is_ideograph = any(first <= ord(c) <= last for first, last in IDEOGRAPHS)
            kept += f" {c} " if is_ideograph else c
    tokens = []
    for token in kept.split():
        if lowercase:
            token = unicodedata.normalize("NFD", token.lower())
            token = "".join(c for c in token if unicodedata.category(c) != "Mn")
        for c in token:
            code, is_punctuation = ord(c), unicodedata.category(c)[0] == "P"
            is_ascii_sign = 33 <= code <= 47 or 58 <= code <= 64 or 91 <= code <= 96
            if is_punctuation or is_ascii_sign or 123 <= code <= 126:
                tokens += [" ", c, " "]
            else:
                tokens.append(c)
        tokens.append(" ")
    return "".join(tokens).split()


def pieces_of(ids, word, longest=200):
    """`WordpieceTokenizer.tokenize` of one word."""
    pieces, rest = [], word
    while rest and len(word) <= longest:
        start = "##" if pieces else ""
        sizes = [n for n in range(1, len(rest) + 1) if start + rest[:n] in ids]
        if not sizes:
            return ["[UNK]"]
        pieces.append(start + rest[: sizes[-1]])
        rest = rest[sizes[-1] :]
    return pieces if not rest else ["[UNK]"]


def encode(ids, text, lowercase=True):
    """Ids of raw text, as `FullTokenizer` with `vocab_file` gives them."""
    return [ids[p] for word in basic_tokens(text, lowercase) for p in pieces_of(ids, word)]
