"""Whether two passages stand in order: the second pretraining objective as an answer (paper §3.1).

High for passages that follow one another, low for those that were swapped. It is trained on
neighbours only: of passages that have nothing to do with each other it says little.
"""

import numpy as np
import tensorflow as tf
from scipy.special import softmax

from albert_tf.checkpoints.files import VOCABULARY_NAMES, find_checkpoint, find_vocabulary
from albert_tf.data.packing import pack_segments
from albert_tf.models.pretrainer import AlbertPretrainer
from albert_tf.tasks.raw_batches import outputs_of, raw_batches
from albert_tf.text.nested import as_text
from albert_tf.text.published_style import published_style
from albert_tf.tokenizer import AlbertTokenizer

IN_ORDER = 0


def order_probabilities(
    model, firsts, seconds, tokenizer, *, sequence_length=None, batch_size=None
) -> np.ndarray:
    """The probability that each pair of passages stands in order.

    Args:
        model: `AlbertPretrainer`.
        firsts, seconds: lists of texts, equally many. Of a pair that is too long the longer one is
            cut at its end.
        tokenizer: `AlbertTokenizer` of the model.
        sequence_length: longest row in tokens; None for all positions of the model.
        batch_size: pairs that the model reads at a time.

    Returns:
        float32 `(num_pairs,)`.

    Raises:
        ValueError: the model has no sentence order, the vocabulary is another model's, or there
            are not as many firsts as seconds.
    """
    check_order_model(model, tokenizer)
    if isinstance(firsts, (str, bytes)) or isinstance(seconds, (str, bytes)):
        raise ValueError("Passages come as two lists: got a single text. Put each in a list.")
    if len(firsts) != len(seconds):
        raise ValueError(
            f"Every first passage needs a second: got {len(firsts)} and {len(seconds)}."
        )
    longest = model.backbone.albert_config.max_position_embeddings
    found = np.zeros(len(firsts), np.float32)
    pairs = {"first": as_text(list(firsts)), "second": as_text(list(seconds))}
    for indices, batch in raw_batches(pairs, batch_size):
        # In one call: to build the tokenizer's graph takes longer than to run it.
        ids = tokenizer(tf.concat([batch["first"], batch["second"]], axis=0))
        segments = (ids[: len(indices)], ids[len(indices) :])
        inputs = pack_segments(segments, sequence_length or longest, tokenizer)
        inputs["mask_positions"] = tf.zeros((len(indices), 1), tf.int32)
        logits = outputs_of(model, inputs)["sop_logits"]
        found[indices] = softmax(logits, axis=-1)[:, IN_ORDER]
    return found


def check_order_model(model, tokenizer):
    """Raises `ValueError` where model and vocabulary cannot tell the order of passages."""
    if not isinstance(model, AlbertPretrainer):
        raise ValueError(
            f"Sentence order is a head of AlbertPretrainer: got a {type(model).__name__}. Of the "
            "published checkpoints the original's have it, and Hugging Face's albert-base-v2 "
            "does not."
        )
    size, expected = tokenizer.vocabulary_size(), model.backbone.albert_config.vocab_size
    if size != expected:
        raise ValueError(
            f"The vocabulary must be the model's: got {size} pieces for vocab_size {expected}."
        )


def tokenizer_beside(path) -> AlbertTokenizer:
    """The tokenizer of a preset or of a published checkpoint.

    Raises:
        FileNotFoundError: there is no checkpoint, or no vocabulary beside it.
    """
    files = find_checkpoint(path)
    if files.kind == "preset":
        return AlbertTokenizer.from_preset(files.directory)
    vocabulary = find_vocabulary(files.directory)
    if vocabulary is None:
        raise FileNotFoundError(
            f"There is no vocabulary beside {path}: looked for {VOCABULARY_NAMES} in "
            f"{files.directory}. Put it there, or give the tokenizer."
        )
    return AlbertTokenizer(vocabulary, **published_style(files.directory))
