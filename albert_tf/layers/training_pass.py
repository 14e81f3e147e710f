"""What one training pass knows beside its batch: the seed of its dropout, the weights of depths.

A functional model has no call argument for such things, and a state of the model would be one
more thing that replicas and restarts must agree on. So the loop opens a `training_pass` around
the call, in the same thread: inside of the function that a strategy runs or a backend traces.
"""

import contextlib
import threading
from typing import NamedTuple


class TrainingPass(NamedTuple):
    """What holds inside of `training_pass`; see there."""

    seed: object = None
    step: object = 0
    depth_weights: object = None


@contextlib.contextmanager
def training_pass(*, seed=None, step=0, depth_weights=None):
    """Settings for all calls with `training=True` in this thread; other calls do not look at them.

    Args:
        seed: int or int scalar tensor. Dropout becomes a pure function of it, of `step`, of the
            place in the model and of the replica: a repeated step repeats its masks. None leaves
            the masks to Keras's seed generators, which go on from call to call.
        step: int or int scalar tensor, counted over micro-batches: another step, other masks.
        depth_weights: float `(num_hidden_layers,)`, by which the gradient of each use of the
            encoder's weights is multiplied; see `albert_tf.layers.depth_weights`. None for 1.
    """
    outer = current_pass()
    _local.current = TrainingPass(seed, step, depth_weights)
    try:
        yield
    finally:
        _local.current = outer


def current_pass():
    """The `TrainingPass` around this call; its defaults where there is none."""
    return getattr(_local, "current", None) or TrainingPass()


_local = threading.local()
