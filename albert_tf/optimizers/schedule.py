"""The learning rate over a training run: up to a peak, then down to the end."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("albert_tf")
class WarmupPolynomialDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly to a peak, then falls along a polynomial (paper Table 14, "WS" and "TS").

    The original counts the decay from step 0 also while it warms up, so its rate drops by the
    share `warmup_steps / total_steps` where the warm-up ends. `reference=True` keeps that step;
    by default the decay starts at the peak and the curve has no jump.

    Args:
        peak_learning_rate: the highest rate, above 0.
        total_steps: number of updates after which the rate stays at its end.
        warmup_steps: number of updates of the rise, in [0, total_steps).
        power: exponent of the decay; 1.0 is a straight line.
        end_learning_rate: the rate after `total_steps`.
        reference: True for the original's curve.

    Raises:
        ValueError: a count or a rate is outside of its range.
    """

    def __init__(
        self,
        peak_learning_rate,
        total_steps,
        warmup_steps=0,
        power=1.0,
        end_learning_rate=0.0,
        reference=False,
    ):
        super().__init__()
        if peak_learning_rate <= 0:
            raise ValueError(f"peak_learning_rate must be above 0: got {peak_learning_rate}.")
        if total_steps < 1:
            raise ValueError(f"total_steps must be at least 1: got {total_steps}.")
        if not 0 <= warmup_steps < total_steps:
            raise ValueError(
                f"warmup_steps must lie in [0, total_steps): got {warmup_steps} of {total_steps}. "
                "Train longer or warm up for fewer steps."
            )
        self.peak_learning_rate = float(peak_learning_rate)
        self.total_steps = int(total_steps)
        self.warmup_steps = int(warmup_steps)
        self.power = float(power)
        self.end_learning_rate = float(end_learning_rate)
        self.reference = reference

    def __call__(self, step):
        step = ops.cast(step, "float32")
        decay_start = 0 if self.reference else self.warmup_steps
        done = (step - decay_start) / (self.total_steps - decay_start)
        left = 1.0 - ops.clip(done, 0.0, 1.0)
        span = self.peak_learning_rate - self.end_learning_rate
        decayed = span * ops.power(left, self.power) + self.end_learning_rate
        rising = self.peak_learning_rate * step / max(1, self.warmup_steps)
        return ops.where(step < self.warmup_steps, rising, decayed)

    def get_config(self):
        return {
            "peak_learning_rate": self.peak_learning_rate,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
            "power": self.power,
            "end_learning_rate": self.end_learning_rate,
            "reference": self.reference,
        }
