"""The wrong answers of a classifier that it was surest of, for people to read."""

from textwrap import shorten

import numpy as np
from scipy.special import softmax


def surest_mistakes(logits, examples, top_k=10, max_letters=200) -> list[dict]:
    """Finds the texts of which the model was most certain and wrong.

    Args:
        logits: float `(num_texts, num_classes)`, as `predict` gives them.
        examples: `Examples` with single labels: the texts asked about.
        top_k: how many to give, or all mistakes where there are fewer.
        max_letters: longer texts are cut at a space.

    Returns:
        Dictionaries of `text`, `true`, `answered` and `probability` (of the answer), the surest
        first.
    """
    chances = softmax(np.asarray(logits, "float64"), axis=-1)
    answered, sure = chances.argmax(axis=-1), chances.max(axis=-1)
    wrong = np.flatnonzero(answered != examples.labels)
    names = examples.class_names
    return [
        {
            "text": shorten(examples.texts[i], max_letters, placeholder=" …"),
            "true": names[examples.labels[i]],
            "answered": names[answered[i]],
            "probability": float(sure[i]),
        }
        for i in wrong[np.argsort(-sure[wrong], kind="stable")][:top_k].tolist()
    ]
