"""From documents to batches for masked language modelling and sentence order (paper §3.1, §4.1).

Everything is drawn by NumPy before an epoch starts and handed to TensorFlow as arrays, so the
number of batches is known (an unknown one makes Keras take a step too many) and training runs no
Python. It fits corpora that fit in memory: about 1 kB a row of 64 tokens and epoch.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from albert_tf.data.masking import choose_masked_positions, hide_tokens
from albert_tf.data.masking_vocabulary import MaskingVocabulary
from albert_tf.data.sentence_order import NUM_SPECIAL, SegmentPair, segment_pairs


def tokenize_documents(documents: Sequence[Sequence[str]], tokenizer) -> list[list[np.ndarray]]:
    """Tokenizes documents of sentences in one call of the tokenizer.

    Returns:
        The same nesting, each sentence an int32 array of ids.
    """
    sentences = [sentence for document in documents for sentence in document]
    if not sentences:
        return [[] for _ in documents]
    ragged = tokenizer(tf.constant(sentences))
    ids = np.split(ragged.values.numpy(), ragged.row_splits.numpy()[1:-1])
    ends = np.cumsum([len(document) for document in documents])
    return [ids[end - len(doc) : end] for end, doc in zip(ends, documents, strict=True)]


def pretraining_arrays(
    documents: Sequence[Sequence[np.ndarray]],
    vocabulary: MaskingVocabulary,
    rng: np.random.Generator,
    *,
    sequence_length: int = 128,
    max_predictions: int = 20,
    mask_fraction: float = 0.15,
    max_ngram: int = 3,
    short_prob: float = 0.1,
) -> dict[str, np.ndarray]:
    """Draws one epoch: segment pairs of every document, masked, in a random order.

    Args:
        documents: tokenized documents, from `tokenize_documents`.
        vocabulary: see `MaskingVocabulary`.
        rng: the only source of chance.
        sequence_length: length of a row in tokens.
        max_predictions: most masked positions of a row.
        mask_fraction, max_ngram: see `choose_masked_positions`.
        short_prob: see `segment_pairs`.

    Returns:
        The batch fields of pretraining, each with one row per pair: `token_ids`, `segment_ids`,
        `padding_mask` int32 `(rows, sequence_length)`; `mask_positions`, `mask_ids` int32 and
        `mask_weights` float32 `(rows, max_predictions)`; `sentence_order_label` int32 `(rows,)`.

    Raises:
        ValueError: no document has two sentences.
    """
    pairs = [
        pair
        for document in documents
        for pair in segment_pairs(
            document, rng, sequence_length=sequence_length, short_prob=short_prob
        )
    ]
    if not pairs:
        raise ValueError(
            f"pretraining needs documents of two sentences or more: got {len(documents)} documents "
            f"with {sum(map(len, documents))} sentences in all. Give longer documents."
        )
    wide, narrow = (len(pairs), sequence_length), (len(pairs), max_predictions)
    arrays = {
        "token_ids": np.full(wide, vocabulary.pad_id, np.int32),
        "segment_ids": np.zeros(wide, np.int32),
        "padding_mask": np.zeros(wide, np.int32),
        "mask_positions": np.zeros(narrow, np.int32),
        "mask_ids": np.zeros(narrow, np.int32),
        "mask_weights": np.zeros(narrow, np.float32),
        "sentence_order_label": np.zeros(len(pairs), np.int32),
    }
    masking = dict(
        mask_fraction=mask_fraction, max_predictions=max_predictions, max_ngram=max_ngram
    )
    for row, index in enumerate(rng.permutation(len(pairs))):
        fields = {name: array[row : row + 1] for name, array in arrays.items()}
        _write_row(fields, pairs[index], vocabulary, rng, masking)
    return arrays


def pretraining_dataset(
    documents: Sequence[Sequence[np.ndarray]],
    vocabulary: MaskingVocabulary,
    *,
    batch_size: int,
    num_epochs: int = 1,
    seed: int = 0,
    **settings,
) -> tf.data.Dataset:
    """Batches of pretraining for `AlbertPretrainer.fit`, cut and masked anew in every epoch.

    Args:
        documents, vocabulary: as in `pretraining_arrays`, which takes `settings`.
        batch_size: rows of a batch; rows that fill no batch at the end are left out.
        num_epochs: passes over the documents, one after the other in the same dataset.
        seed: the same seed gives the same batches.

    Returns:
        A finite dataset of known cardinality of `(inputs, targets, sample_weights)`.

    Raises:
        ValueError: the documents give less than one batch.
    """
    epochs = [
        pretraining_arrays(documents, vocabulary, np.random.default_rng([seed, epoch]), **settings)
        for epoch in range(num_epochs)
    ]
    arrays = {name: np.concatenate([epoch[name] for epoch in epochs]) for name in epochs[0]}
    num_rows = len(arrays["token_ids"])
    if num_rows < batch_size:
        raise ValueError(
            f"the documents give {num_rows} rows, fewer than one batch of {batch_size}. Use a "
            f"batch_size of at most {num_rows}, more epochs, or more text."
        )
    dataset = tf.data.Dataset.from_tensor_slices(arrays).batch(batch_size, drop_remainder=True)
    return dataset.map(split_targets).prefetch(2)


def split_targets(batch: dict) -> tuple[dict, dict, dict]:
    """Splits a batch of pretraining into what `AlbertPretrainer.fit` takes.

    Rows that only fill a batch up, whose `padding_mask` is 0, have no weight.

    Returns:
        `(inputs, targets, sample_weights)`; targets and weights go by the names of the outputs.
    """
    fields = ("token_ids", "segment_ids", "padding_mask", "mask_positions")
    labels = batch["sentence_order_label"]
    targets = {"mlm_logits": batch["mask_ids"], "sop_logits": labels}
    is_real = tf.cast(batch["padding_mask"][:, 0], tf.float32)
    weights = {"mlm_logits": batch["mask_weights"], "sop_logits": is_real}
    return {name: batch[name] for name in fields}, targets, weights


def _write_row(row: dict, pair: SegmentPair, vocabulary: MaskingVocabulary, rng, masking: dict):
    """Fills one row of each field: [CLS] first [SEP] second [SEP], then padding."""
    num_first, num_tokens = len(pair.first), len(pair.first) + len(pair.second)
    text = np.concatenate([pair.first, pair.second])
    starts = vocabulary.word_starts[text]
    starts[num_first] = True
    picked = choose_masked_positions(starts, rng, num_special=NUM_SPECIAL, **masking)
    hidden = hide_tokens(
        text, picked, rng, mask_id=vocabulary.mask_id, ordinary_ids=vocabulary.ordinary_ids
    )
    ends = [vocabulary.end_id]
    ids = [[vocabulary.start_id], hidden[:num_first], ends, hidden[num_first:], ends]
    row["token_ids"][0, : num_tokens + NUM_SPECIAL] = np.concatenate(ids)
    row["segment_ids"][0, num_first + 2 : num_tokens + NUM_SPECIAL] = 1
    row["padding_mask"][0, : num_tokens + NUM_SPECIAL] = 1
    row["mask_positions"][0, : len(picked)] = picked + np.where(picked < num_first, 1, 2)
    row["mask_ids"][0, : len(picked)] = text[picked]
    row["mask_weights"][0, : len(picked)] = 1.0
    row["sentence_order_label"][0] = pair.swapped
