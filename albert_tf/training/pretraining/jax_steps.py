"""One update of pretraining on JAX, on one device or on many (paper §4.1); see `tensorflow_steps`.

The whole batch is one array that is spread over the devices, and the compiler inserts what they
must tell each other. So there are no replicas here: sums are sums over the batch.
"""

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from albert_tf.layers.training_pass import training_pass
from albert_tf.models.objectives import (
    ObjectiveSums,
    objective_counts,
    objective_loss,
    objective_sums,
)

INPUTS = ("token_ids", "segment_ids", "padding_mask", "mask_positions")


class JaxSteps:
    """Trains and scores an `AlbertPretrainer` batch by batch.

    Between updates the weights are arrays of this object; `put_back` gives them to the variables
    of model and optimizer, which scoring does by itself.

    Args:
        model: `AlbertPretrainer`.
        optimizer: a built optimizer.
        devices: that share a batch; None for the first one.
        micro_batches: parts that each device works its rows off in, one after the other, to save
            memory; divides their number.
        seed: of the dropout, which follows from it and from the step alone.
        depth_weights: `DepthWeightSchedule`, or None.
    """

    def __init__(
        self, model, optimizer, devices=None, *, micro_batches=1, seed=0, depth_weights=None
    ):
        self.model = model
        self.optimizer = optimizer
        self.micro_batches = micro_batches
        self.seed = seed
        self.depth_weights = depth_weights
        mesh = Mesh(devices or jax.devices()[:1], ("batch",))
        self._whole = NamedSharding(mesh, PartitionSpec())
        self._by_rows = NamedSharding(mesh, PartitionSpec("batch"))
        self._train = jax.jit(self._updated, donate_argnums=(0, 1))
        self._score = jax.jit(self._scored)
        self._state = self._last_sums = None

    def train(self, batch):
        """Makes one update.

        Args:
            batch: the batch fields, arrays of all rows.

        Returns:
            `objective name -> (loss sum, correct sum, count)` over the batch: float32 scalars.
        """
        if self._state is None:
            self._state = self._taken_out()
        # At most one update is under way, so that batches do not pile up on the device.
        jax.block_until_ready(self._last_sums)
        *self._state, self._last_sums = self._train(*self._state, self._spread(batch))
        return self._last_sums

    def score(self, batch):
        """Measures without an update; arguments and result as `train`."""
        self.put_back()
        trained, _, fixed = self._taken_out()
        return self._score(trained, fixed, self._spread(batch))

    def put_back(self):
        """Gives the variables of model and optimizer the values that they have by now."""
        if self._state is None:
            return
        for variables, values in zip(self._variables(), self._state, strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        self._state = None

    def _variables(self):
        model = self.model
        return model.trainable_variables, self.optimizer.variables, model.non_trainable_variables

    def _taken_out(self):
        return [
            [jax.device_put(variable.value, self._whole) for variable in variables]
            for variables in self._variables()
        ]

    def _spread(self, batch):
        return {name: jax.device_put(field, self._by_rows) for name, field in batch.items()}

    def _updated(self, trained, optimized, fixed, batch):
        is_step = [variable is self.optimizer.iterations for variable in self.optimizer.variables]
        counts, step = objective_counts(batch), optimized[is_step.index(True)]
        gradients, sums = self._all_parts(trained, fixed, batch, counts, step)
        trained, optimized = self.optimizer.stateless_apply(optimized, gradients, trained)
        return trained, optimized, fixed, sums

    def _scored(self, trained, fixed, batch):
        outputs, _ = self.model.stateless_call(trained, fixed, _inputs(batch), training=False)
        return objective_sums(outputs, batch)

    def _all_parts(self, trained, fixed, batch, counts, step):
        """Gradients and sums of the batch, one micro-batch after the other."""
        num_parts = self.micro_batches
        if num_parts == 1:
            return self._gradients(trained, fixed, batch, counts, step, step)
        # Every device takes its rows in turn, so that none must be sent to another one.
        parts = {
            name: jnp.swapaxes(field.reshape(-1, num_parts, *field.shape[1:]), 0, 1)
            for name, field in batch.items()
        }

        def work_off(totals, numbered):
            number, part = numbered
            here = self._gradients(trained, fixed, part, counts, step, step * num_parts + number)
            return jax.tree.map(jnp.add, totals, here), None

        shapes = jax.eval_shape(
            self._gradients, trained, fixed, {n: p[0] for n, p in parts.items()}, counts, step, step
        )
        start = jax.tree.map(lambda like: jnp.zeros(like.shape, like.dtype), shapes)
        totals, _ = jax.lax.scan(work_off, start, (jnp.arange(num_parts), parts))
        return totals

    def _gradients(self, trained, fixed, part, counts, step, dropout_step):
        weights = None if self.depth_weights is None else self.depth_weights(step)

        def loss_of(trained):
            with training_pass(seed=self.seed, step=dropout_step, depth_weights=weights):
                outputs, _ = self.model.stateless_call(trained, fixed, _inputs(part), training=True)
            sums = objective_sums(outputs, part)
            return objective_loss(sums, counts), sums

        gradients, sums = jax.grad(loss_of, has_aux=True)(trained)
        return gradients, {name: ObjectiveSums(*values) for name, values in sums.items()}


def _inputs(batch):
    return {name: batch[name] for name in INPUTS}
