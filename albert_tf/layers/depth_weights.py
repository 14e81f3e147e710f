"""How much each depth says in the training of weights that all depths share.

One set of weights is used at every depth, and its gradient is the sum over the uses. A weight for
each use changes that mix, and nothing else: the answers of the model stay the same to the bit.
Under Adam and LAMB, which divide by the size of the gradient, this is no learning rate of a depth;
for rates of groups of weights see `albert_tf.optimizers.groups`.
"""

import keras
from keras import ops


def with_weighted_gradient(tensors, weight):
    """The same tensors; what comes back to them as gradient is multiplied by `weight`.

    Args:
        tensors: sequence of float tensors.
        weight: float scalar tensor, not trained itself.

    Returns:
        List of the same tensors.
    """

    @ops.custom_gradient
    def same(weight, *tensors):
        def gradient(*upstream):
            if len(upstream) == 1 and isinstance(upstream[0], (tuple, list)):
                upstream = upstream[0]  # JAX hands over one nest, TensorFlow one value each.
            scaled = [part * ops.cast(weight, part.dtype) for part in upstream]
            return (ops.zeros_like(weight), *scaled)

        return tuple(map(ops.copy, tensors)), gradient

    return list(same(ops.convert_to_tensor(weight), *tensors))


def check_depth_weights(weights, config):
    """The weights as a float32 tensor, one for each step of the encoder.

    Raises:
        ValueError: there are more or fewer.
    """
    weights = ops.cast(weights, "float32")
    if tuple(weights.shape) != (config.num_hidden_layers,):
        raise ValueError(
            f"depth_weights must hold one weight for each of the {config.num_hidden_layers} "
            f"encoder steps: got the shape {tuple(weights.shape)}."
        )
    return weights


@keras.saving.register_keras_serializable("albert_tf")
class DepthWeightSchedule:
    """Moves the weight from the lower depths to the higher ones over training.

    The weight of a depth is `ratio` times that of the depth below, and the ratio goes from `first`
    to `last` in equal factors. At every step the weights have the mean 1, so that only the mix
    changes. `DepthWeightSchedule(12, 1000, first=0.8, last=1.25)` begins with the lowest depth
    12 times as heavy as the highest, is even in the middle, and ends the other way round.

    Args:
        num_hidden_layers: number of depths.
        total_steps: number of steps after which the weights stay.
        first: ratio of a depth to the one below at step 0; below 1 favours the lower depths.
        last: the same at `total_steps`.

    Raises:
        ValueError: a count is below 1, or a ratio not above 0.
    """

    def __init__(self, num_hidden_layers, total_steps, first=0.8, last=1.25):
        for name, value in (("num_hidden_layers", num_hidden_layers), ("total_steps", total_steps)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1: got {value}.")
        for name, value in (("first", first), ("last", last)):
            if value <= 0:
                raise ValueError(f"{name} must be above 0: got {value}. 1 weighs all depths alike.")
        self.num_hidden_layers = int(num_hidden_layers)
        self.total_steps = int(total_steps)
        self.first = float(first)
        self.last = float(last)

    def __call__(self, step):
        """The weights at a step: float32 `(num_hidden_layers,)`, with the mean 1."""
        done = ops.clip(ops.cast(step, "float32") / self.total_steps, 0.0, 1.0)
        first, last = ops.log(self.first), ops.log(self.last)
        slope = ops.cast(first + done * (last - first), "float32")
        # A softmax of a straight line is a row of equal ratios.
        shares = ops.softmax(slope * ops.arange(self.num_hidden_layers, dtype="float32"))
        return self.num_hidden_layers * shares

    def get_config(self):
        return {
            "num_hidden_layers": self.num_hidden_layers,
            "total_steps": self.total_steps,
            "first": self.first,
            "last": self.last,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)
