"""What moves the weights in a fine-tuning run."""

from albert_tf.optimizers.adamw import AdamW
from albert_tf.optimizers.groups import layer_wise_multipliers
from albert_tf.optimizers.schedule import WarmupPolynomialDecay


def make_optimizer(preparation) -> AdamW:
    """AdamW with warm-up and linear decay over the updates of a run (paper Table 14).

    Layer-wise decay multiplies the learning rates of groups of weights. Moving averages and the
    schedule count updates, whatever number of parts a batch is worked off in.

    Args:
        preparation: `Preparation` of the run.
    """
    settings = preparation.settings
    schedule = WarmupPolynomialDecay(
        settings.learning_rate, preparation.total_steps, preparation.warmup_steps
    )
    more = {} if settings.ema is None else {"use_ema": True, "ema_momentum": settings.ema}
    if settings.accumulate > 1:
        more["gradient_accumulation_steps"] = settings.accumulate
    if settings.layer_decay < 1:
        more["learning_rate_multipliers"] = layer_wise_multipliers(
            preparation.model, settings.layer_decay
        )
    return AdamW(schedule, weight_decay=settings.weight_decay, **more)
