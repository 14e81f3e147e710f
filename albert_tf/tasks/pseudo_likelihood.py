"""How likely a text is to a masked language model: every token masked once (Salazar et al. 2020).

The sum over all tokens of log p(token | the other tokens), the "pseudo-log-likelihood" of
arXiv 1910.14659. It tells which of two texts of about the same length reads better.
"""

import math

import numpy as np
import tensorflow as tf
from scipy.special import logsumexp

from albert_tf.data.row_windows import cut_windows
from albert_tf.tasks.raw_batches import outputs_of


def pseudo_log_likelihoods(model, texts, batch_size=64) -> list[dict]:
    """Scores texts.

    A text that is longer than the model is read through windows that overlap by half, and each
    token is masked in the window that has most around it.

    Args:
        model: `AlbertMaskedLM` with a preprocessor.
        texts: list of texts; `[MASK]` in them is text like any other.
        batch_size: rows, each with one token masked, that the model reads at a time.

    Returns:
        For each text a dictionary of `text`; `log_likelihood`, in nats; `num_tokens`;
        `perplexity`, exp(-log_likelihood / num_tokens), None for a text without tokens; and
        `tokens`, a list of pieces, each with its `log_likelihood`.

    Raises:
        ValueError: the texts are no list, or the model has no preprocessor.
    """
    if model.preprocessor is None:
        raise ValueError(
            "Scoring text needs a model with a preprocessor: this one has none. Give it to the "
            "constructor or to from_preset()."
        )
    if isinstance(texts, (str, bytes)):
        raise ValueError(f"score takes a list of texts: got a single one, {texts!r:.80}.")
    texts = [t.decode("utf-8", "replace") if isinstance(t, bytes) else str(t) for t in texts]
    if not texts:
        return []
    tokenizer = model.preprocessor.tokenizer
    ids = tokenizer(texts)
    found = _log_chances(model, ids, batch_size)
    rows = np.split(found, ids.row_splits.numpy()[1:-1])
    return [_row(tokenizer, *row) for row in zip(texts, ids.to_list(), rows, strict=True)]


def _row(tokenizer, text, ids, chances):
    total = math.fsum(chances)
    pieces = zip(map(tokenizer.id_to_token, ids), chances.tolist(), strict=True)
    return {
        "text": text,
        "log_likelihood": total,
        "num_tokens": len(ids),
        "perplexity": math.exp(-total / len(ids)) if ids else None,
        "tokens": [{"piece": piece, "log_likelihood": chance} for piece, chance in pieces],
    }


def _log_chances(model, ids, batch_size):
    """The logarithm of the chance of each token, float64 `(num_tokens,)`, all texts in a row."""
    room = model.preprocessor.sequence_length - 2
    windows = cut_windows(ids.row_lengths(), room, room // 2)
    # One row for each token, in its best window; rows of a batch are about equally long.
    lengths = windows.places.row_lengths().numpy()
    is_best = windows.is_best.values.numpy()
    window_of = np.repeat(np.arange(len(lengths)), lengths)[is_best]
    place_in = np.concatenate([np.arange(n) for n in lengths])[is_best]
    token_of = windows.places.values.numpy()[is_best]
    order = np.argsort(lengths[window_of], kind="stable")
    content, tokens = windows.take(ids.values), ids.values.numpy()
    starts, values = content.row_splits.numpy(), content.values.numpy()
    found = np.zeros(len(tokens))
    for begin in range(0, len(order), batch_size):
        rows = order[begin : begin + batch_size]
        texts = [values[starts[w] : starts[w + 1]] for w in window_of[rows]]
        inputs = _masked_rows(model.preprocessor.tokenizer, texts, place_in[rows])
        logits = outputs_of(model, inputs)[:, 0].astype("float64")
        wanted = tokens[token_of[rows]]
        found[token_of[rows]] = logits[np.arange(len(rows)), wanted] - logsumexp(logits, axis=-1)
    return found


def _masked_rows(tokenizer, texts, places):
    """[CLS] text [SEP], with one token of each text masked."""
    width = max(map(len, texts)) + 2
    token_ids = np.full((len(texts), width), tokenizer.pad_token_id, np.int32)
    for row, text in zip(token_ids, texts, strict=True):
        row[: len(text) + 2] = [tokenizer.start_token_id, *text, tokenizer.end_token_id]
    lengths = np.array([len(text) + 2 for text in texts])
    token_ids[np.arange(len(texts)), places + 1] = tokenizer.mask_token_id
    arrays = {
        "token_ids": token_ids,
        "segment_ids": np.zeros_like(token_ids),
        "padding_mask": (np.arange(width) < lengths[:, None]).astype(np.int32),
        "mask_positions": (places[:, None] + 1).astype(np.int32),
    }
    return {name: tf.constant(array) for name, array in arrays.items()}
