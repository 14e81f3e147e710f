"""AdamW as the original fine-tunes with it, and as its paper has it."""

import keras

from albert_tf.optimizers.moments import MomentOptimizer


@keras.saving.register_keras_serializable("albert_tf")
class AdamW(MomentOptimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101, Algorithm 2).

    `reference=True` leaves the bias correction out, as the original's `AdamWeightDecayOptimizer`
    does; with a warm-up the two differ mostly in the first steps. Arguments: `MomentOptimizer`.
    """

    def update_step(self, gradient, variable, learning_rate):
        update, _ = self.decayed_update(gradient, variable)
        self.assign_sub(variable, self.rate_of(variable, learning_rate) * update)
