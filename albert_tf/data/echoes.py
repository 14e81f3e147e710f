"""Pairs of a segment and its echo, the same with words left out: what teaches to compare texts.

A small model on plain text hardly looks for the words of one segment in the other, as neither
masked words nor sentence order need it so early; tasks of two texts need just that. A share of
the rows makes it pay: the second segment is an echo of the first, or of another one (the label
says which, as that of a random next sentence would). `docs/log.md`, "Echoes", has what it gives.
This is ours; the paper has none.
"""

import numpy as np

MOST_LEFT_OUT = 0.6
FEWEST_TOKENS = 6  # of a segment; less of it would tell too little


def draw_echoes(spans, ids, begin, word_starts, share, rng):
    """Puts echoes in place of the second segments of some rows of one document.

    Of a row that is chosen, the shorter segment stays, so that its echo fits beside it. The other
    becomes the echo of it (label 0), or of the shorter segment of another row (label 1), by even
    odds; and which of the two stands first is drawn, too. An echo leaves out words, each with the
    same odds, which are drawn for it between 0 and `MOST_LEFT_OUT`; at least one word stays. Rows
    whose segments are too short are left as they are, and so are documents with a single long one.

    Args:
        spans: int64 `(num_rows, 5)`, as `draw_segments` gives them; not changed.
        ids: int32 `(num_tokens,)`, what the spans are of.
        begin: where the echoes will stand, counted as the spans are.
        word_starts: bool `(vocab_size,)`, True for pieces that open a word.
        share: odds that a row is chosen, from 0 to 1.
        rng: `numpy.random.Generator`, the only source of chance.

    Returns:
        The spans; and the ids of the echoes, int32.
    """
    segments = _shorter(spans)
    fit = np.flatnonzero(segments[:, 1] - segments[:, 0] >= FEWEST_TOKENS)
    places = np.flatnonzero(rng.random(len(fit)) < share)
    if len(fit) < 2 or not len(places):
        return spans, ids[:0]
    spans, echoes = spans.copy(), []
    for place in places:
        is_strange, is_second, left_out = rng.random(3)
        label = int(is_strange < 0.5)
        other = fit[(place + label * rng.integers(1, len(fit))) % len(fit)]
        echo = _echo(ids[slice(*segments[other])], word_starts, MOST_LEFT_OUT * left_out, rng)
        kept, new = segments[fit[place]], (begin, begin + len(echo))
        spans[fit[place]] = [*kept, *new, label] if is_second < 0.5 else [*new, *kept, label]
        echoes.append(echo)
        begin += len(echo)
    return spans, np.concatenate(echoes)


def _shorter(spans):
    """Begin and end of each row's shorter segment, `(num_rows, 2)`."""
    is_first = spans[:, 1] - spans[:, 0] <= spans[:, 3] - spans[:, 2]
    return np.where(is_first[:, None], spans[:, :2], spans[:, 2:4])


def _echo(segment, word_starts, left_out, rng):
    opens = word_starts[segment]
    opens[0] = True  # truncation may cut a word
    word = np.cumsum(opens) - 1
    stays = rng.random(word[-1] + 1) >= left_out
    if not stays.any():
        stays[rng.integers(len(stays))] = True
    return segment[stays[word]]
