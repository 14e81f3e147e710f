"""What AdamW and LAMB share: two moments, decay by name, one clip over all gradients."""

import re

import keras
from keras import ops

from albert_tf.optimizers.groups import as_patterns, check_matches

# The original's patterns: scales and offsets of layer norms, and every bias.
EXCLUDED = ("LayerNorm", "layer_norm", "bias")


class MomentOptimizer(keras.optimizers.Optimizer):
    """Base of the two optimizers of the original: the update is all that they do differently.

    Three things happen here that Keras's own optimizers do not do. Gradients of embedding tables
    come as slices, one per use of a row; they are summed into a dense gradient first, because
    squares and norms of the separate slices are wrong. Under `tf.distribute` the gradients are
    clipped after the sum over the replicas, so that the result does not depend on their number.
    And weight decay is a part of the update, so that it reaches LAMB's trust ratio.

    Args:
        learning_rate: float, or a Keras schedule.
        weight_decay: share of a weight that `learning_rate` 1 would take off; 0 for none.
        beta_1: decay of the mean of the gradients, in [0, 1).
        beta_2: decay of the mean of their squares, in [0, 1).
        epsilon: added to the root of the second moment.
        global_clipnorm: largest norm of all gradients together; None for no clipping.
        reference: True for the original's arithmetic, which does not correct the bias of the
            moments towards their start at zero; False for that of the papers.
        exclude: regular expressions; a variable whose path matches one gets no weight decay, and
            no trust ratio in LAMB.
        learning_rate_multipliers: regular expression -> factor; a variable moves by the factor of
            the first pattern that its path matches, times what it would move by, weight decay
            included. To scale the gradient would change nothing: the moments divide it out.
        **kwargs: what every Keras optimizer takes (`use_ema`, `name`, ...). Schedules and moving
            averages count updates; with `gradient_accumulation_steps` one update takes that many
            batches.

    Raises:
        ValueError: `exclude` is a text, a rate, the decay or a factor is below 0, or a beta is
            outside of [0, 1); and when the optimizer is built: a pattern of the multipliers
            matches no variable, a variable has 16 bits, or the gradients shall be accumulated
            over batches on several replicas.
    """

    def __init__(
        self,
        learning_rate,
        weight_decay=0.01,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-6,
        global_clipnorm=1.0,
        reference=False,
        exclude=EXCLUDED,
        learning_rate_multipliers=None,
        **kwargs,
    ):
        exclude = as_patterns("exclude", exclude)
        _check_ranges(learning_rate, weight_decay, beta_1, beta_2)
        super().__init__(
            learning_rate,
            weight_decay=weight_decay,
            # Keras refuses a second way of clipping, so another one replaces ours.
            global_clipnorm=None if {"clipnorm", "clipvalue"} & _given(kwargs) else global_clipnorm,
            **kwargs,
        )
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.reference = reference
        self.exclude = exclude
        self.learning_rate_multipliers = dict(learning_rate_multipliers or {})
        for pattern, factor in self.learning_rate_multipliers.items():
            if not 0 <= factor < float("inf"):
                raise ValueError(
                    f"learning_rate_multipliers must be at least 0: got {factor} for {pattern!r}."
                )

    def build(self, variables):
        if self.built:
            return
        self._refuse_conditions_on_replicas()
        _refuse_half_precision(variables)
        paths = [_path(variable) for variable in variables]
        check_matches("learning_rate_multipliers", self.learning_rate_multipliers, paths)
        super().build(variables)
        self._momentums, self._velocities = self.add_optimizer_variables(
            variables, ["momentum", "velocity"]
        )
        # Decided here because TensorFlow hands `update_step` a variable that has lost its path.
        self._is_excluded = tuple(self.excludes(variable) for variable in variables)
        self._multipliers = tuple(self.multiplier_of(variable) for variable in variables)

    def _refuse_conditions_on_replicas(self):
        strategy = getattr(self, "_distribution_strategy", None)
        num_replicas = 1 if strategy is None else strategy.num_replicas_in_sync
        for name in ("gradient_accumulation_steps", "ema_overwrite_frequency"):
            if num_replicas > 1 and getattr(self, name):
                raise ValueError(
                    f"{name} must be None on several replicas, where TensorFlow cannot update "
                    f"under a condition: got {getattr(self, name)} on {num_replicas} replicas. Use "
                    "micro_batches of the training loop to accumulate gradients, and "
                    "keras.callbacks.SwapEMAWeights to read averages."
                )

    def excludes(self, variable):
        """Whether a variable's path matches one of the `exclude` patterns."""
        return any(re.search(pattern, _path(variable)) for pattern in self.exclude)

    def multiplier_of(self, variable):
        """Factor on the learning rate of a variable."""
        for pattern, factor in self.learning_rate_multipliers.items():
            if re.search(pattern, _path(variable)):
                return factor
        return 1.0

    def rate_of(self, variable, learning_rate):
        """The learning rate of one variable, in its dtype."""
        rate = ops.cast(learning_rate, variable.dtype)
        multiplier = self._multipliers[self._get_variable_index(variable)]
        return rate if multiplier == 1.0 else rate * multiplier

    def apply(self, grads, trainable_variables=None):
        variables = (
            self._trainable_variables if trainable_variables is None else trainable_variables
        )
        grads = [_dense(g, v) for g, v in zip(grads, variables, strict=True)]
        super().apply(grads, trainable_variables)

    def adapted_gradient(self, gradient, variable):
        """Moves both moments of one variable on, and returns their quotient.

        Args:
            gradient: of the variable's shape.
            variable: the variable, as `update_step` received it.

        Returns:
            Tensor of the variable's shape and dtype: mean / (root of mean square + epsilon).
        """
        index = self._get_variable_index(variable)
        mean, mean_square = self._momentums[index], self._velocities[index]
        gradient = ops.cast(gradient, variable.dtype)
        self.assign(mean, self.beta_1 * mean + (1.0 - self.beta_1) * gradient)
        self.assign(
            mean_square, self.beta_2 * mean_square + (1.0 - self.beta_2) * ops.square(gradient)
        )
        if self.reference:
            return mean / (ops.sqrt(mean_square) + self.epsilon)
        step = ops.cast(self.iterations + 1, variable.dtype)
        unbiased_mean = mean / (1.0 - ops.power(ops.cast(self.beta_1, variable.dtype), step))
        unbiased = mean_square / (1.0 - ops.power(ops.cast(self.beta_2, variable.dtype), step))
        return unbiased_mean / (ops.sqrt(unbiased) + self.epsilon)

    def decayed_update(self, gradient, variable):
        """The adapted gradient plus weight decay, and whether the variable is excluded."""
        update = self.adapted_gradient(gradient, variable)
        excluded = self._is_excluded[self._get_variable_index(variable)]
        if self.weight_decay and not excluded:
            update = update + self.weight_decay * ops.convert_to_tensor(variable)
        return update, excluded

    def _get_current_learning_rate(self):
        if isinstance(self._learning_rate, keras.optimizers.schedules.LearningRateSchedule):
            return self._learning_rate(self.iterations)  # Keras would count batches.
        return super()._get_current_learning_rate()

    def _update_model_variables_moving_average(self, trainable_variables):
        momentum, steps = self.ema_momentum, self.gradient_accumulation_steps
        if steps:
            # Between updates the averages stay, as the weights do.
            updates = ops.equal((self._iterations + 1) % steps, 0)
            self.ema_momentum = ops.where(updates, momentum, 1.0)
        super()._update_model_variables_moving_average(trainable_variables)
        self.ema_momentum = momentum

    def _apply_weight_decay(self, variables):
        """Keras decays before the update; ours is inside of it."""

    def _clip_gradients(self, grads):
        if keras.backend.backend() == "tensorflow":
            return grads  # `_all_reduce_sum_gradients` below clips, after the sum over replicas.
        return super()._clip_gradients(grads)

    def _all_reduce_sum_gradients(self, grads_and_vars):
        summed = super()._all_reduce_sum_gradients(grads_and_vars)
        grads = super()._clip_gradients([gradient for gradient, _ in summed])
        return [(g, variable) for g, (_, variable) in zip(grads, summed, strict=True)]

    def get_config(self):
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "reference": self.reference,
            "exclude": list(self.exclude),
            "learning_rate_multipliers": dict(self.learning_rate_multipliers),
        }


def _path(variable):
    return getattr(variable, "path", variable.name)


def _check_ranges(learning_rate, weight_decay, *betas):
    rates = {"learning_rate": learning_rate, "weight_decay": weight_decay}
    for name, value in rates.items():
        # A schedule is no number.
        if isinstance(value, int | float) and not value >= 0:
            raise ValueError(f"{name} must be at least 0: got {value}.")
    for number, beta in enumerate(betas, start=1):
        if not 0 <= beta < 1:
            raise ValueError(f"beta_{number} must be in [0, 1): got {beta}.")


def _refuse_half_precision(variables):
    for variable in variables:
        if variable.dtype in ("float16", "bfloat16"):
            raise ValueError(
                f"Weights that are trained must be float32: got {variable.dtype} for "
                f"{_path(variable)}. In 16 bits most updates are rounded away. Make the model "
                f"with dtype='mixed_{variable.dtype}', which multiplies in {variable.dtype} and "
                "keeps the weights in float32."
            )


def _given(kwargs):
    return {name for name, value in kwargs.items() if value is not None}


def _dense(gradient, variable):
    # TensorFlow's IndexedSlices, told by its parts to keep this file free of TensorFlow.
    if not (hasattr(gradient, "indices") and hasattr(gradient, "values")):
        return gradient
    return ops.segment_sum(gradient.values, gradient.indices, num_segments=variable.shape[0])
