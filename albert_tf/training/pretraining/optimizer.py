"""What moves the weights: optimizer, rates of groups, averages, weights of depths."""

import re

from albert_tf.layers.depth_weights import DepthWeightSchedule
from albert_tf.optimizers.adamw import AdamW
from albert_tf.optimizers.groups import layer_wise_multipliers
from albert_tf.optimizers.lamb import Lamb
from albert_tf.optimizers.schedule import WarmupPolynomialDecay

OPTIMIZERS = {"lamb": Lamb, "adamw": AdamW}
OF_SENTENCE_ORDER = (r"(^|/)pooler/", r"(^|/)sentence_order_head/")


def make_optimizer(settings, model, has_order=True):
    """The optimizer of the settings, built for the variables that the model trains.

    Args:
        settings: `PretrainSettings`.
        model: `AlbertPretrainer`.
        has_order: whether the records tell a sentence order. Without it, what only the order
            trains stays as it is: weight decay alone would take it to 0 under LAMB, which scales
            every update up to the weights.
    """
    schedule = WarmupPolynomialDecay(
        settings.learning_rate,
        settings.steps,
        warmup_steps=settings.warmup_steps,
        reference=settings.reference,
    )
    averages = {} if settings.ema is None else {"use_ema": True, "ema_momentum": settings.ema}
    optimizer = OPTIMIZERS[settings.optimizer](
        schedule,
        weight_decay=settings.weight_decay,
        beta_2=settings.beta_2,
        global_clipnorm=settings.clip_norm,
        reference=settings.reference,
        learning_rate_multipliers=_multipliers(settings, model, has_order),
        **averages,
    )
    optimizer.build(model.trainable_variables)
    return optimizer


def _multipliers(settings, model, has_order):
    multipliers = layer_wise_multipliers(model, settings.layer_decay)
    paths = [variable.path for variable in model.trainable_variables]
    for pattern in () if has_order else OF_SENTENCE_ORDER:
        if any(re.search(pattern, path) for path in paths):  # else it is frozen
            multipliers[pattern] = 0.0
    return multipliers


def depth_weights_of(settings, model) -> DepthWeightSchedule | None:
    """How much each depth says, from `depth_ratio` to `depth_ratio_end`; None where all is even."""
    ratios = settings.depth_ratio, settings.depth_ratio_end
    if ratios == (1.0, 1.0):
        return None
    num_layers = model.backbone.albert_config.num_hidden_layers
    return DepthWeightSchedule(num_layers, settings.steps, first=ratios[0], last=ratios[1])
