"""Texts with masks in them, and pieces put there. Plain Python."""

MASK = "[MASK]"


def put_pieces(text, pieces, form) -> str:
    """Puts pieces into the masks of a text; None leaves a mask as it is.

    A piece that begins a word stands apart from a word before it, and one that goes on with a word
    is joined to it; an ideograph stands as it comes. The rest of the text stays as it was.

    Args:
        text: with `[MASK]` as often as there are pieces.
        pieces: list of pieces of the vocabulary, or None.
        form: function of a piece that gives its `PieceForm`.
    """
    first, *rest = text.split(MASK)
    for piece, part in zip(pieces, rest, strict=True):
        if piece is None:
            first += MASK
        else:
            word, stands_apart, goes_on = form(piece)
            first = first.rstrip() if goes_on else first
            first += " " * (stands_apart and first[-1:].isalnum()) + word
        first += part
    return first
