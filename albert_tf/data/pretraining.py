"""Batches of pretraining for plain `model.fit`."""

import tensorflow as tf


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
