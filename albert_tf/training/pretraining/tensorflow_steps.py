"""One update of pretraining on TensorFlow, on one device or on many (paper §4.1).

The batch of an update is spread over the replicas, and each replica may work its part off in
micro-batches. The result is that of one device and one batch, because every loss is divided by
the count of the whole batch, the gradients are added up, and clipped only then.
"""

import tensorflow as tf

from albert_tf.layers.replicas import sum_over_replicas
from albert_tf.models.objectives import (
    objective_counts,
    objective_loss,
    objective_sums,
)

INPUTS = ("token_ids", "segment_ids", "padding_mask", "mask_positions")


class TensorFlowSteps:
    """Trains and scores an `AlbertPretrainer` batch by batch.

    Args:
        model: `AlbertPretrainer`, made in the scope of the strategy.
        optimizer: a built optimizer.
        strategy: `tf.distribute.Strategy`.
        micro_batches: parts that a replica works its rows off in; divides their number.
    """

    def __init__(self, model, optimizer, strategy, micro_batches=1):
        self.model = model
        self.optimizer = optimizer
        self.strategy = strategy
        self.micro_batches = micro_batches

    @tf.function(reduce_retracing=True)
    def train(self, batch):
        """Makes one update.

        Args:
            batch: the batch fields, as the strategy deals them out.

        Returns:
            `objective name -> (loss sum, correct sum, count)` over all replicas: float32 scalars.
        """
        return self._add_up(self.strategy.run(self._train_replica, args=(batch,)))

    @tf.function(reduce_retracing=True)
    def score(self, batch):
        """Measures without an update; arguments and result as `train`."""
        return self._add_up(self.strategy.run(self._score_replica, args=(batch,)))

    def _train_replica(self, batch):
        counts = sum_over_replicas(objective_counts(batch))
        variables = self.model.trainable_variables
        gradients, totals = None, None
        for part in self._parts(batch):
            with tf.GradientTape() as tape:
                sums = objective_sums(self.model(_inputs(part), training=True), part)
                loss = objective_loss(sums, counts)
            # A table's gradient comes as slices, which cannot be added up as they are.
            found = list(map(tf.convert_to_tensor, tape.gradient(loss, variables)))
            gradients = found if gradients is None else _added(gradients, found)
            totals = sums if totals is None else _added(totals, sums)
        self.optimizer.apply(gradients, variables)
        return totals

    def _score_replica(self, batch):
        return objective_sums(self.model(_inputs(batch), training=False), batch)

    def _parts(self, batch):
        if self.micro_batches == 1:
            return [batch]
        split = {name: tf.split(field, self.micro_batches) for name, field in batch.items()}
        return [
            {name: parts[i] for name, parts in split.items()} for i in range(self.micro_batches)
        ]

    def _add_up(self, per_replica):
        return tf.nest.map_structure(
            lambda value: self.strategy.reduce("SUM", value, axis=None), per_replica
        )


def _inputs(batch):
    return {name: batch[name] for name in INPUTS}


def _added(first, second):
    return tf.nest.map_structure(tf.add, first, second)
