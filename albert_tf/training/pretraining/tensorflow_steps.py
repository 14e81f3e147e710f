"""One update of pretraining on TensorFlow, on one device or on many (paper §4.1).

The batch of an update is spread over the replicas, and each replica may work its part off in
micro-batches. The result is that of one device and one batch, because every loss is divided by
the count of the whole batch, the gradients are added up, and clipped only then.
"""

import tensorflow as tf

from albert_tf.layers.replicas import sum_over_replicas
from albert_tf.layers.training_pass import training_pass
from albert_tf.models.objectives import (
    OBJECTIVES,
    ObjectiveSums,
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
        strategy: `tf.distribute.Strategy`; None for the one that holds here.
        micro_batches: parts that a replica works its rows off in, one after the other, to save
            memory; divides their number.
        seed: of the dropout, which follows from it and from the step alone.
        depth_weights: `DepthWeightSchedule`, or None.
        jit_compile: whether XLA compiles the forward and the backward pass.
    """

    def __init__(
        self,
        model,
        optimizer,
        strategy=None,
        *,
        micro_batches=1,
        seed=0,
        depth_weights=None,
        jit_compile=False,
    ):
        self.model = model
        self.optimizer = optimizer
        self.strategy = strategy or tf.distribute.get_strategy()
        self.micro_batches = micro_batches
        self.seed = seed
        self.depth_weights = depth_weights
        self._gradients = self._gradients_of
        if jit_compile:
            self._gradients = tf.function(self._gradients_of, autograph=False, jit_compile=True)

    @tf.function(autograph=False, reduce_retracing=True)
    def train(self, batch):
        """Makes one update.

        Args:
            batch: the batch fields, as the strategy deals them out.

        Returns:
            `objective name -> (loss sum, correct sum, count)` over all replicas: float32 scalars.
        """
        return self._of_one(self.strategy.run(self._train_replica, args=(batch,)))

    @tf.function(autograph=False, reduce_retracing=True)
    def score(self, batch):
        """Measures without an update; arguments and result as `train`."""
        return self._of_one(self.strategy.run(self._score_replica, args=(batch,)))

    def _train_replica(self, batch):
        counts = sum_over_replicas(objective_counts(batch))
        step = tf.cast(tf.convert_to_tensor(self.optimizer.iterations), tf.int32)
        gradients, sums = self._all_parts(batch, counts, step)
        self.optimizer.apply(gradients, self.model.trainable_variables)
        return _named(sum_over_replicas(sums))

    def _score_replica(self, batch):
        outputs = self.model(_inputs(batch), training=False)
        return _named(sum_over_replicas(_packed(objective_sums(outputs, batch))))

    def _all_parts(self, batch, counts, step):
        """Gradients and packed sums of this replica's rows, one micro-batch after the other."""
        num_parts = self.micro_batches
        if num_parts == 1:
            return self._gradients(batch, counts, step, step)
        parts = {
            name: tf.reshape(field, (num_parts, -1, *field.shape[1:]))
            for name, field in batch.items()
        }

        def work_off(number, gradients, sums):
            part = {name: field[number] for name, field in parts.items()}
            more, here = self._gradients(part, counts, step, step * num_parts + number)
            return number + 1, list(map(tf.add, gradients, more)), sums + here

        start = (
            0,
            [tf.zeros(v.shape, v.dtype) for v in self.model.trainable_variables],
            tf.zeros((len(OBJECTIVES), len(ObjectiveSums._fields))),
        )
        # A loop of the graph: Python's would let the parts run at the same time, in more memory.
        _, gradients, sums = tf.while_loop(
            lambda number, *_: number < num_parts,
            work_off,
            start,
            parallel_iterations=1,
            maximum_iterations=num_parts,
        )
        return gradients, sums

    def _gradients_of(self, part, counts, step, dropout_step):
        weights = None if self.depth_weights is None else self.depth_weights(step)
        with (
            tf.GradientTape() as tape,
            training_pass(seed=self.seed, step=dropout_step, depth_weights=weights),
        ):
            sums = objective_sums(self.model(_inputs(part), training=True), part)
            loss = objective_loss(sums, counts)
        variables = self.model.trainable_variables
        return list(map(_dense, tape.gradient(loss, variables), variables)), _packed(sums)

    def _of_one(self, per_replica):
        """All replicas have the same sums by now."""
        return tf.nest.map_structure(
            lambda value: self.strategy.experimental_local_results(value)[0], per_replica
        )


def _inputs(batch):
    return {name: batch[name] for name in INPUTS}


def _dense(gradient, variable):
    """A gradient that can be added up as it is."""
    if gradient is None:  # of a group of layers that no step uses; on JAX it is 0 too
        return tf.zeros(variable.shape, variable.dtype)
    return tf.convert_to_tensor(gradient)  # a table's comes as slices


def _packed(sums):
    """All sums in one tensor, which takes one message between replicas."""
    return tf.stack([tf.stack(sums[name]) for name in OBJECTIVES])


def _named(packed):
    return {
        name: ObjectiveSums(*tf.unstack(row))
        for name, row in zip(OBJECTIVES, tf.unstack(packed), strict=True)
    }
