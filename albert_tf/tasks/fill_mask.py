"""Words for the masks of a text, as a person reads them."""

import re

import numpy as np
from scipy.special import softmax

from albert_tf.tasks.masked_lm_preprocessor import MASK, WORD_START


def fill_masks(model, texts, top_k=5, batch_size=None) -> list[dict]:
    """Finds the likeliest words for each mask, each mask on its own.

    Args:
        model: `AlbertMaskedLM` with a preprocessor.
        texts: list of texts, each with `[MASK]` once or more.
        top_k: words to give for a mask.
        batch_size: texts of a batch.

    Returns:
        For each text a dictionary of `text`, as given; `filled`, with the likeliest words; and
        `masks`, a list with a dictionary for each mask: `start` and `end`, its characters in the
        text, and `words`, a list of dictionaries, the likeliest first: `word`; `piece`, as the
        vocabulary has it; `probability`, among all pieces; `text`, with this mask filled. A piece
        that does not begin a word is joined to what stands before the mask. Special pieces, and
        the piece that is nothing but a space, are not among the answers.

    Raises:
        ValueError: a text has no mask, the texts are no list, `top_k` is below 1, or the model has
            no preprocessor.
    """
    if model.preprocessor is None:
        raise ValueError(
            "Filling masks in text needs a model with a preprocessor: this one has none. Give it "
            "to the constructor or to from_preset()."
        )
    if isinstance(texts, (str, bytes)):
        raise ValueError(f"fill takes a list of texts: got a single one, {texts!r:.80}.")
    if top_k < 1:
        raise ValueError(f"top_k must be at least 1: got {top_k}.")
    texts = [t.decode("utf-8", "replace") if isinstance(t, bytes) else str(t) for t in texts]
    for number, text in enumerate(texts):
        if MASK not in text:
            raise ValueError(
                f"Every text needs a {MASK}, in capitals: text {number} has none: {text!r:.80}."
            )
    if not texts:
        return []
    logits = model.predict(texts, batch_size)
    return [_filled(model, *row, top_k) for row in zip(texts, logits, strict=True)]


def _filled(model, text, logits, top_k):
    tokenizer = model.preprocessor.tokenizer
    hidden = {tokenizer.token_to_id(token) for token in (*tokenizer.special_tokens, WORD_START)}
    chances = softmax(logits.astype("float64"), axis=-1)
    chances[:, list(hidden)] = -1.0
    top_k = min(top_k, chances.shape[1] - len(hidden))
    masks, best = [], []
    places = [match.span() for match in re.finditer(re.escape(MASK), text)]
    for number, (row, (start, end)) in enumerate(zip(chances, places, strict=True)):
        top = np.argpartition(-row, top_k - 1)[:top_k]
        words = []
        for index in top[np.argsort(-row[top], kind="stable")].tolist():
            piece = tokenizer.id_to_token(index)
            pieces = [None] * number + [piece] + [None] * (len(places) - number - 1)
            words.append(
                {
                    "word": piece.removeprefix(WORD_START),
                    "piece": piece,
                    "probability": float(row[index]),
                    "text": put_pieces(text, pieces),
                }
            )
        best.append(words[0]["piece"])
        masks.append({"start": start, "end": end, "words": words})
    return {"text": text, "filled": put_pieces(text, best), "masks": masks}


def in_words(row, mask=0) -> str:
    """The words for one mask of a text with their probabilities, as `door 13%, room 5%`.

    Args:
        row: what `fill_masks` gives for the text.
        mask: which of its masks.
    """
    return ", ".join(f"{w['word']} {w['probability']:.0%}" for w in row["masks"][mask]["words"])


def put_pieces(text, pieces) -> str:
    """Puts pieces into the masks of a text; None leaves a mask as it is.

    A piece that begins a word stands apart from a word before it, and one that does not is joined
    to it; the rest of the text stays as it was.
    """
    first, *rest = text.split(MASK)
    for piece, part in zip(pieces, rest, strict=True):
        if piece is None:
            first += MASK
        elif piece.startswith(WORD_START):
            first += " " * first[-1:].isalnum() + piece.removeprefix(WORD_START)
        else:
            first = first.rstrip() + piece
        first += part
    return first
