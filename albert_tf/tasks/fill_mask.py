"""Words for the masks of a text, as a person reads them."""

import re

import numpy as np
from scipy.special import softmax

from albert_tf.text.filling import MASK, put_pieces


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
    may_fill = np.array(are_words(model.preprocessor.tokenizer))
    return [_filled(model, *row, top_k, may_fill) for row in zip(texts, logits, strict=True)]


def _filled(model, text, logits, top_k, may_fill):
    tokenizer = model.preprocessor.tokenizer
    form = tokenizer.vocabulary.form
    chances = softmax(logits.astype("float64"), axis=-1)
    chances[:, ~may_fill] = -1.0
    top_k = min(top_k, int(may_fill.sum()))
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
                    "word": form(piece).word,
                    "piece": piece,
                    "probability": float(row[index]),
                    "text": put_pieces(text, pieces, form),
                }
            )
        best.append(words[0]["piece"])
        masks.append({"start": start, "end": end, "words": words})
    return {"text": text, "filled": put_pieces(text, best, form), "masks": masks}


def in_words(row, mask=0) -> str:
    """The words for one mask of a text with their probabilities, as `door 13%, room 5%`.

    Args:
        row: what `fill_masks` gives for the text.
        mask: which of its masks.
    """
    return ", ".join(f"{w['word']} {w['probability']:.0%}" for w in row["masks"][mask]["words"])


def are_words(tokenizer) -> list[bool]:
    """Whether each piece of a vocabulary may fill a mask: not special, and not a mere space."""
    special, vocabulary = {*tokenizer.special_tokens}, tokenizer.vocabulary
    return [p not in special and vocabulary.form(p).word.strip() != "" for p in vocabulary.pieces]
