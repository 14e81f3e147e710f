"""`tf.distribute`, all of it: which devices share a batch, and how workers keep together.

Everything but the devices stays the same: the batch is that of all replicas together, and the
weights are those of one device up to the order of sums.
"""

import contextlib
import json
import os

import tensorflow as tf

from albert_tf.training.pretraining.lost_worker import WorkerLost

# What TensorFlow may raise where another worker is gone.
_LOSSES = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.FailedPreconditionError,
)


def open_strategy(name) -> tf.distribute.Strategy:
    """Makes the strategy of a `--strategy`; must come before anything else of TensorFlow.

    Args:
        name: `one` device; `mirrored` on all accelerators of this machine, or on the logical
            devices of its processor; `multiworker` as the environment variable `TF_CONFIG` says;
            `tpu` of this machine or of the one named by `TPU_NAME`, which nobody has tested.

    Raises:
        ValueError: `multiworker` without `TF_CONFIG`.
    """
    openers = {"mirrored": _mirrored, "multiworker": _multiworker, "tpu": _tpu}
    return openers.get(name, tf.distribute.get_strategy)()


def _mirrored():
    accelerators = tf.config.list_logical_devices("GPU")
    if accelerators:
        return tf.distribute.MirroredStrategy([device.name for device in accelerators])
    processors = [device.name for device in tf.config.list_logical_devices("CPU")]
    # The default reduction needs accelerators to be exact, and to run two strategies in turn.
    return tf.distribute.MirroredStrategy(
        processors, cross_device_ops=tf.distribute.ReductionToOneDevice()
    )


def _multiworker():
    config = os.environ.get("TF_CONFIG")
    if not config or "cluster" not in json.loads(config):
        raise ValueError(
            "--strategy multiworker needs the environment variable TF_CONFIG, which names all "
            "workers and which of them this one is. To start several on this machine add "
            "--workers 2."
        )
    return tf.distribute.MultiWorkerMirroredStrategy()


def _tpu():
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver(
        os.environ.get("TPU_NAME", "local")
    )
    tf.config.experimental_connect_to_cluster(resolver)
    tf.tpu.experimental.initialize_tpu_system(resolver)
    return tf.distribute.TPUStrategy(resolver)


class Workers:
    """The processes of a strategy and what they must agree on.

    Args:
        strategy: `tf.distribute.Strategy`.
    """

    def __init__(self, strategy):
        self.strategy = strategy
        resolver = strategy.cluster_resolver
        spec = (
            resolver.cluster_spec().as_dict()
            if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
            else {}
        )
        self.count = sum(len(spec.get(job, ())) for job in ("chief", "worker")) or 1
        first = ("chief", 0) if "chief" in spec else ("worker", 0)
        self.is_chief = self.count == 1 or (resolver.task_type, resolver.task_id) == first

    def sum(self, number) -> int:
        """Adds a whole number of each worker; all must call it, and all get the sum."""
        if self.count == 1:
            return number
        return int(self._sum(tf.constant(number))) // (
            self.strategy.num_replicas_in_sync // self.count
        )

    @tf.function(autograph=False)
    def _sum(self, number):
        per_replica = self.strategy.run(lambda: tf.identity(number))
        return self.strategy.reduce("SUM", per_replica, axis=None)

    @contextlib.contextmanager
    def losses_named(self):
        """Within it, the loss of another worker raises `WorkerLost`.

        Raises:
            WorkerLost: the message says what TensorFlow said.
        """
        try:
            yield
        except _LOSSES as error:
            if self.count == 1:
                raise
            first_line = str(error).strip().partition("\n")[0]
            raise WorkerLost(
                f"Another worker is gone: {type(error).__name__}: {first_line} Start all workers "
                "again; they go on from the newest checkpoint."
            ) from error
