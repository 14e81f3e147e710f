"""The product E x H where E = H: the original leaves it out, other programs always have one."""

import numpy as np

from albert_tf.checkpoints.error import CheckpointError


def without_identity(stored, table, config, source):
    """Drops a product that changes nothing and that our model does not have.

    Args:
        stored: published name -> `Stored`.
        table: `Table` of the family.
        config: `AlbertConfig` of the model.
        source: the checkpoint, for the message.

    Raises:
        CheckpointError: the product changes its input, so that the model cannot be built here.
    """
    names = _names(table, config)
    if not names or not all(name in stored for name in names):
        return stored
    kernel, bias = (stored[name].read() for name in names)
    if not (np.array_equal(kernel, np.eye(*kernel.shape)) and not np.any(bias)):
        raise CheckpointError(
            f"{source} has a product {names[0]} of embedding_size to hidden_size though both are "
            f"{config.hidden_size}. ALBERT has none where they are equal, so that this model "
            "cannot be built here."
        )
    return {name: weight for name, weight in stored.items() if name not in names}


def identity(table, config):
    """The product that changes nothing, where a family wants one and our model has none.

    Returns:
        Published name -> float32 array; empty where it is not needed.
    """
    names = _names(table, config)
    if not names:
        return {}
    size = config.hidden_size
    return dict(zip(names, (np.eye(size, dtype="float32"), np.zeros(size, "float32")), strict=True))


def _names(table, config):
    if not table.always_projects or config.has_projection:
        return ()
    return tuple(row.published for row in table.projection)
