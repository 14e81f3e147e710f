"""LAMB, the optimizer of ALBERT's pretraining (paper §4.1)."""

import keras
from keras import ops

from albert_tf.optimizers.moments import MomentOptimizer


@keras.saving.register_keras_serializable("albert_tf")
class Lamb(MomentOptimizer):
    """Scales each variable's update to the norm of the variable (You et al., arXiv 1904.00962).

    The trust ratio is `norm(weights) / norm(update)` with the weight decay inside of the update,
    and 1 where either norm is 0. Keras's own `Lamb` leaves the decay outside and adapts biases
    and layer norms too. `reference=True` leaves the bias correction out, as the original does.
    Arguments: `MomentOptimizer`.
    """

    def update_step(self, gradient, variable, learning_rate):
        update, excluded = self.decayed_update(gradient, variable)
        rate = self.rate_of(variable, learning_rate)
        if not excluded:
            rate = rate * ops.cast(trust_ratio(variable, update), variable.dtype)
        self.assign_sub(variable, rate * update)


def trust_ratio(weights, update):
    """`norm(weights) / norm(update)`, and 1 where either is 0.

    Args:
        weights: tensor of any shape.
        update: tensor of the same shape.

    Returns:
        float32 scalar; the norms are taken in float32 whatever the dtype of the weights.
    """
    weight_norm = ops.norm(ops.reshape(ops.cast(weights, "float32"), (-1,)))
    update_norm = ops.norm(ops.reshape(ops.cast(update, "float32"), (-1,)))
    usable = ops.logical_and(weight_norm > 0, update_norm > 0)
    return ops.where(usable, weight_norm / ops.where(usable, update_norm, 1.0), 1.0)
