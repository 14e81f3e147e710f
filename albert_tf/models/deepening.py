"""Warm start of a deeper model from a shallower one (paper appendix A.1, footnote)."""

import dataclasses

from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.pretrainer import AlbertPretrainer


def deepen(model, num_hidden_layers):
    """A deeper model that starts where a shallower one has come to.

    What all depths share is taken over as it is, and used more often. Where steps or groups of
    steps have weights of their own, each new one starts from the one at its share of the depth: of
    3 layers made 6, the first two start from the first.

    Args:
        model: `AlbertPretrainer` or `AlbertBackbone`; it stays as it is.
        num_hidden_layers: the new depth, above the old one.

    Returns:
        A new model of the same class, with a new optimizer: moments do not come along.

    Raises:
        ValueError: the new depth is not above the old one.
    """
    if isinstance(model, AlbertPretrainer):
        deeper = AlbertPretrainer(
            deepen(model.backbone, num_hidden_layers), preprocessor=model.preprocessor
        )
        _copy(model, deeper, ("masked_lm_head", "sentence_order_head"))
        return deeper
    old = model.albert_config
    if num_hidden_layers <= old.num_hidden_layers:
        raise ValueError(
            f"deepen needs a depth above that of the model: got {num_hidden_layers} for a model "
            f"of {old.num_hidden_layers} layers."
        )
    new = dataclasses.replace(old, num_hidden_layers=num_hidden_layers)
    deeper = AlbertBackbone.from_config(model.get_config() | {"config": new.to_dict()})
    _copy(model, deeper, ("embeddings", "embedding_projection", "pooler"))
    for part, layers in (("attention", "attentions"), ("ffn", "feed_forwards")):
        sets, shallow = getattr(deeper.encoder, layers), getattr(model.encoder, layers)
        for index, layer in enumerate(sets):
            layer.set_weights(shallow[source_of(part, index, old, new)].get_weights())
    return deeper


def source_of(part, index, old, new):
    """Which set of weights of a shallow model a set of a deeper one starts from.

    Args:
        part: `attention` or `ffn`.
        index: of the set in the deeper model, as `AlbertConfig.set_of` counts.
        old, new: configurations that differ in depth alone.
    """
    inner = index % new.inner_group_num
    shallow, deep = range(old.num_hidden_layers), range(new.num_hidden_layers)
    same_sets = old.num_sets(part) == new.num_sets(part)
    uses = [step for step in deep if new.set_of(part, step, inner) == index]
    # A set that neither depth uses keeps its place too.
    if same_sets and (not uses or any(old.set_of(part, s, inner) == index for s in shallow)):
        return index
    return old.set_of(part, uses[0] * len(shallow) // len(deep), inner)


def _copy(source, target, names):
    for name in names:
        layer = getattr(source, name)
        if layer is not None:
            getattr(target, name).set_weights(layer.get_weights())
