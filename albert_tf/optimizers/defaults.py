"""The optimizer that fine-tunes when the user names none."""

from albert_tf.optimizers.adamw import AdamW
from albert_tf.optimizers.schedule import WarmupPolynomialDecay

# Of ALBERT-base and wider models; Table 14 lies between 1e-5 and 5e-5.
PEAK_LEARNING_RATE = 2e-5
BASE_WIDTH = 768


def usual_learning_rate(config) -> float:
    """The highest rate when the user names none, by the width of the model.

    From base's 768 on it is 2e-5. A narrower model learns too slowly at that rate (`docs/log.md`);
    it gets 0.12 / `hidden_size`, rounded to one digit, for 128 and 384 next to what did well there
    (1e-3 and 3e-4).

    Args:
        config: `AlbertConfig`.
    """
    if config.hidden_size >= BASE_WIDTH:
        return PEAK_LEARNING_RATE
    return float(f"{0.12 / config.hidden_size:.1g}")


def fine_tuning_optimizer(
    total_steps, peak_learning_rate=PEAK_LEARNING_RATE, warmup_fraction=0.1, weight_decay=0.01
):
    """AdamW with warm-up and linear decay: the larger models diverge without (paper Table 14).

    Args:
        total_steps: number of updates of the whole training, at least 1.
        peak_learning_rate: highest rate; see `usual_learning_rate`.
        warmup_fraction: share of `total_steps` in which the rate rises, in [0, 1).
        weight_decay: as in `AdamW`.

    Returns:
        AdamW that clips at a global norm of 1 and leaves biases and layer norms undecayed.

    Raises:
        ValueError: `warmup_fraction` is outside of [0, 1), or `total_steps` below 1.
    """
    if not 0 <= warmup_fraction < 1:
        raise ValueError(
            f"warmup_fraction is a share of the steps, in [0, 1): got {warmup_fraction}."
        )
    schedule = WarmupPolynomialDecay(
        peak_learning_rate, total_steps, warmup_steps=int(warmup_fraction * total_steps)
    )
    return AdamW(schedule, weight_decay=weight_decay)
