"""What a step must know of the other replicas that run it, on whichever backend Keras computes.

Under `tf.distribute` one step runs once on every replica, each with its part of the batch. On the
other backends a step always sees the whole batch, so a sum over replicas changes nothing there.
"""

import sys

import keras


def sum_over_replicas(x):
    """Adds a tensor, or each of a nest of tensors, over all replicas; each of them gets the sum.

    It must not stand inside of a loop or a condition of the graph: TensorFlow cannot wait for the
    other replicas there.
    """
    context = _replica_context()
    return x if context is None else context.all_reduce("SUM", x)


def num_replicas():
    """How many replicas run this code: int."""
    context = _replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def replica_id():
    """Number of the replica that runs this code: int, or an int32 tensor; 0 for a single one."""
    context = _replica_context()
    return 0 if context is None else context.replica_id_in_sync_group


def _replica_context():
    """TensorFlow's replica context where several replicas run this code, else None."""
    if keras.config.backend() != "tensorflow":
        return None
    # Loaded by Keras already; an import would tie the model to TensorFlow.
    context = sys.modules["tensorflow"].distribute.get_replica_context()
    return context if context is not None and context.num_replicas_in_sync > 1 else None
