"""Groups of variables by their paths: which learn slower, and which not at all.

The paths are those of `variable.path`, for example `encoder/attention_0_0/query/kernel`. Two kinds
of variables belong to more than one place: a layer that every depth uses is one group for all of
them, and the word table is also the output table of the masked words, which has no path of its own.
"""

import re

from albert_tf.config import AlbertConfig


def freeze(model, patterns):
    """Takes variables out of training, before `compile` or before the optimizer is built.

    Args:
        model: a Keras model.
        patterns: regular expressions; a variable whose path matches one is frozen. To train it
            again set its `trainable`.

    Returns:
        The paths of all frozen variables that match, in the order of the model's weights.

    Raises:
        ValueError: a pattern matches no variable, nothing would be left to train, or the optimizer
            holds the moments of these variables already.
    """
    patterns = as_patterns("patterns", patterns)
    paths = [variable.path for variable in model.weights]
    check_matches("freeze", patterns, paths)
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and optimizer.built:
        raise ValueError(
            "freeze must come before the optimizer is built: this model has taken steps already. "
            "Freeze first, then compile with a new optimizer."
        )
    chosen = [v for v in model.weights if any(re.search(p, v.path) for p in patterns)]
    left = {id(v) for v in model.trainable_variables} - {id(v) for v in chosen}
    if not left:
        raise ValueError(f"freeze must leave something to train: {patterns} match every variable.")
    for variable in chosen:
        variable.trainable = False
    return [variable.path for variable in chosen]


def layer_wise_multipliers(model_or_config, decay):
    """Learning rates that fall from the head down to the embeddings, for one optimizer.

    The head and the pooler keep the full rate, the highest group of the encoder has `decay` times
    it, the one below `decay ** 2`, and so on; the embeddings and their projection stand one rung
    below the lowest group. A part that several rungs share (`sharing` of only the attention or
    only the feed-forward block) takes the mean of their exponents. With one group, as published,
    the whole encoder is one rung: to tell its depths apart see
    `albert_tf.layers.depth_weights`.

    Args:
        model_or_config: a model on an `AlbertBackbone`, or its `AlbertConfig`. What is frozen in
            the model gets no pattern.
        decay: factor from one rung to the next, in (0, 1].

    Returns:
        Pattern -> factor, for `learning_rate_multipliers` of `Lamb` and `AdamW`.

    Raises:
        ValueError: `decay` is outside of its range.
    """
    if not 0 < decay <= 1:
        raise ValueError(
            f"decay must be in (0, 1]: got {decay}. 1 gives every group the full rate."
        )
    if isinstance(model_or_config, AlbertConfig):
        config, paths = model_or_config, None
    else:
        config = getattr(model_or_config, "backbone", model_or_config).albert_config
        paths = [variable.path for variable in model_or_config.trainable_variables]
    exponents = _exponents(config)
    multipliers = {pattern: decay**exponent for pattern, exponent in exponents.items()}
    if paths is None:
        return multipliers
    return {p: factor for p, factor in multipliers.items() if any(re.search(p, x) for x in paths)}


def _exponents(config):
    """Pattern -> distance from the head in rungs."""
    steps = range(config.num_hidden_layers)
    uses = [tuple(config.set_of(part, s, 0) for part in ("attention", "ffn")) for s in steps]
    rungs = [sum(uses[s] != uses[s - 1] for s in range(1, step + 1)) for step in steps]
    top = rungs[-1] + 1
    exponents = {r"(^|/)embeddings/": top + 1}
    if config.has_projection and config.factorized_tables == "all":
        exponents[r"(^|/)embedding_projection/"] = top + 1
    inner = config.inner_group_num
    for index, part in enumerate(("attention", "ffn")):
        for first in sorted({use[index] for use in uses}):
            served = {top - rungs[s] for s in steps if uses[s][index] == first}
            exponents[rf"(^|/)encoder/{part}_{first // inner}_"] = sum(served) / len(served)
    return exponents


def as_patterns(name, patterns):
    """A tuple of patterns.

    Raises:
        ValueError: a bare text, whose letters would each be a pattern.
    """
    if isinstance(patterns, str):
        raise ValueError(
            f"{name} must be a sequence of patterns: got the text {patterns!r}. "
            f"Write ({patterns!r},)."
        )
    return tuple(patterns)


def check_matches(name, patterns, paths):
    """Raises `ValueError` where a pattern matches none of the paths."""
    for pattern in patterns:
        if not any(re.search(pattern, path) for path in paths):
            heads = sorted({"/".join(path.split("/")[:2]) for path in paths})
            raise ValueError(
                f"{name}: no variable's path matches {pattern!r}. The paths begin with "
                f"{', '.join(heads)}."
            )
