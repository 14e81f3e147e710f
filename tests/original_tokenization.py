"""The original tokenization in plain Python, to compare with: its rules, restated."""

import unicodedata


def clean(text, lowercase=True, keep_accents=False):
    """`preprocess_text` of google-research/albert; it had no way to keep accents."""
    text = unicodedata.normalize("NFKD", " ".join(text.strip().split()))
    if not keep_accents:
        text = "".join(c for c in text if not unicodedata.combining(c))
    return text.lower() if lowercase else text


def encode_pieces(processor, cleaned):
    """`encode_pieces` of google-research/albert, with "▁" compared as text.

    (The original compares it as bytes, which under Python 3 never matches. All pieces of the
    published vocabulary that the rule splits begin with "▁", where that is the same.)
    """
    pieces = []
    for piece in processor.encode_as_pieces(cleaned):
        if len(piece) > 1 and piece[-1] == "," and piece[-2].isdigit():
            parts = processor.encode_as_pieces(piece[:-1].replace("▁", ""))
            if piece[0] != "▁" and parts[0][0] == "▁":
                parts = parts[1:] if len(parts[0]) == 1 else [parts[0][1:], *parts[1:]]
            pieces += [*parts, piece[-1]]
        else:
            pieces.append(piece)
    return pieces


def encode(processor, text, lowercase=True, keep_accents=False):
    """Ids of raw text, as `FullTokenizer` with `spm_model_file` gives them."""
    cleaned = clean(text, lowercase, keep_accents)
    return [processor.piece_to_id(piece) for piece in encode_pieces(processor, cleaned)]
