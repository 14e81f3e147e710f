"""A model for a vocabulary with more pieces, which knows the new ones by their old parts."""

import dataclasses

import numpy as np

from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.pretrainer import AlbertPretrainer


def grow_vocabulary(model, parts):
    """A model with a row more for each new piece; all else is taken over as it is.

    The embedding of a new piece starts as the mean of those of the old pieces that it was spelled
    with, and so does its output bias: what the model knew of the parts it still knows of the whole.

    Args:
        model: `AlbertPretrainer` or `AlbertBackbone`; it stays as it is.
        parts: for each new piece the ids of its old parts, at least one.

    Returns:
        A new model of the same class; its new rows follow the old ones in the order of `parts`.

    Raises:
        ValueError: a piece has no parts, or an id is outside of the old vocabulary.
    """
    if isinstance(model, AlbertPretrainer):
        backbone = _wider(model.backbone, parts)
        grown = AlbertPretrainer(backbone)
    else:
        backbone = grown = _wider(model, parts)
    new_size = backbone.albert_config.vocab_size
    for ours, theirs in zip(grown.weights, model.weights, strict=True):
        values = np.array(theirs)
        if tuple(ours.shape) != values.shape:
            if ours.shape[0] != new_size or ours.shape[1:] != values.shape[1:]:
                raise ValueError(
                    f"{ours.path} must grow in its rows alone: got {list(values.shape)} for "
                    f"{list(ours.shape)}."
                )
            rows = [values[list(ids)].mean(axis=0, dtype="float64") for ids in parts]
            values = np.concatenate([values, np.array(rows, values.dtype)])
        ours.assign(values)
    return grown


def _wider(backbone, parts):
    old = backbone.albert_config
    for number, ids in enumerate(parts):
        if not len(ids) or min(ids) < 0 or max(ids) >= old.vocab_size:
            raise ValueError(
                f"A new piece needs old parts, ids from 0 to {old.vocab_size - 1}: got "
                f"{list(ids)} for the new piece {number}."
            )
    config = dataclasses.replace(old, vocab_size=old.vocab_size + len(parts))
    return AlbertBackbone.from_config(backbone.get_config() | {"config": config.to_dict()})
