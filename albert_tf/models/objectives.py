"""The two objectives of pretraining as sums and counts (paper §3.1), for any number of replicas.

A mean over one replica's masked positions is not the mean over the batch when the replicas hold
unequal numbers of them. So everything here is a sum beside a count; a loss is the sum of this
replica over the count of all, and the gradients of the replicas add up to that of the batch.
"""

from typing import NamedTuple

import keras
from keras import ops


class Objective(NamedTuple):
    """Where an objective finds its answers: names of an output and of two batch fields."""

    logits: str
    labels: str
    weights: str


OBJECTIVES = {
    "masked_lm": Objective("mlm_logits", "mask_ids", "mask_weights"),
    "sentence_order": Objective("sop_logits", "sentence_order_label", "sentence_order_weights"),
}
# What `fit`, `evaluate` and the history show beside `loss`; the names are the original's.
MEASURES = tuple(f"{name}_{what}" for name in OBJECTIVES for what in ("loss", "accuracy"))


class ObjectiveSums(NamedTuple):
    """One objective over one batch: float32 scalars.

    Args:
        loss_sum: cross-entropies times their weights, added up.
        correct_sum: weights of the right answers, added up.
        count: all weights, added up.
    """

    loss_sum: object
    correct_sum: object
    count: object


def objective_counts(batch):
    """How many answers of each objective count; needs no outputs, so it can come before them.

    Args:
        batch: dictionary with `mask_ids` int `(batch, num_masked)`, `sentence_order_label` int
            `(batch,)`, and their weights, float of the same shapes: `mask_weights` and
            `sentence_order_weights`, each 1 where absent. Weights that are all 0 switch an
            objective off.

    Returns:
        Dictionary of `masked_lm` and `sentence_order`, float32 scalars.
    """
    return {name: ops.sum(_weights(batch, name)) for name in OBJECTIVES}


def objective_sums(outputs, batch):
    """Losses, right answers and counts of each objective.

    Args:
        outputs: what `AlbertPretrainer` gives: `mlm_logits`, `sop_logits`.
        batch: as in `objective_counts`.

    Returns:
        Dictionary of `masked_lm` and `sentence_order`, `ObjectiveSums` of this batch alone.
    """
    sums = {}
    for name, objective in OBJECTIVES.items():
        logits = outputs[objective.logits]
        labels = ops.cast(batch[objective.labels], "int32")
        weights = _weights(batch, name)
        losses = ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        right = ops.cast(ops.equal(ops.argmax(logits, axis=-1), labels), "float32")
        sums[name] = ObjectiveSums(
            ops.sum(losses * weights), ops.sum(right * weights), ops.sum(weights)
        )
    return sums


def objective_loss(sums, counts, loss_weights=None):
    """What a step minimizes: the loss of each objective over its count, added up.

    Args:
        sums: from `objective_sums`, for one (micro-)batch of one replica.
        counts: from `objective_counts`, added over all replicas and micro-batches of the step.
        loss_weights: name of an objective -> factor; 1 where absent.

    Returns:
        float32 scalar; over all replicas and micro-batches the values add up to the loss of the
        step. An objective of which no answer counts adds 0.
    """
    loss = 0.0
    for name, values in sums.items():
        counted = ops.where(counts[name] > 0, counts[name], 1.0)
        loss = loss + (loss_weights or {}).get(name, 1.0) * values.loss_sum / counted
    return loss


class ObjectiveMeasures:
    """Running means of both objectives, as Keras metrics that any loop may read and reset."""

    def __init__(self):
        self.means = {name: _MeanOfSums(name) for name in MEASURES}

    @property
    def metrics(self):
        """The Keras metrics, in the order of `MEASURES`."""
        return list(self.means.values())

    def update(self, sums):
        """Adds what `objective_sums` gave for one batch."""
        for name, values in sums.items():
            self.means[f"{name}_loss"].update_state(values.loss_sum, values.count)
            self.means[f"{name}_accuracy"].update_state(values.correct_sum, values.count)


class _MeanOfSums(keras.metrics.Mean):
    """A mean that is given sums and counts; where nothing was counted it is 0."""

    def update_state(self, total, count):
        self.total.assign_add(ops.cast(total, self.dtype))
        self.count.assign_add(ops.cast(count, self.dtype))


def _weights(batch, name):
    objective = OBJECTIVES[name]
    weights = batch.get(objective.weights)
    if weights is None:
        weights = ops.ones_like(batch[objective.labels])
    return ops.cast(weights, "float32")
