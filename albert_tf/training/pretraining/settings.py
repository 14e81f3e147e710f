"""What can be set about a pretraining run."""

import math
from dataclasses import dataclass
from pathlib import Path

from albert_tf.training.fields import flag
from albert_tf.training.settings import PRECISIONS

OPTIMIZERS = ("lamb", "adamw")
STRATEGIES = ("one", "mirrored", "multiworker", "tpu")
SCORES = ("masked_lm_accuracy", "masked_lm_loss", "sentence_order_accuracy", "loss")
# These change what is written and shown, and on what the run computes, never what: a run that
# goes on may have others. On other devices, sums are taken in another order, and dropout, where
# there is any, draws other masks.
FREE_TO_CHANGE = (
    *("out", "records", "log_every", "eval_every", "save_every", "keep", "best_by"),
    *("strategy", "workers", "restarts", "jit_compile"),
)


@dataclass(frozen=True, kw_only=True)
class PretrainSettings:
    """One pretraining run; the defaults are the paper's (§4.1), for batches of 4096 rows.

    A small model on small batches learns more from `adamw` or a higher rate.

    Raises:
        ValueError: two settings exclude each other, or a number is outside of its range.
    """

    records: Path = flag("directory that `albert-tf prepare` wrote")
    out: Path = flag("directory of the run; one that was broken off with these settings goes on")
    config: str | dict | None = flag(
        "start from random weights: configuration file or preset name", default=None
    )
    from_: str | None = flag(
        "preset, checkpoint or run to start from, at its end or not", default=None
    )
    frequency_bias: bool = flag(
        "with --config: let the scores of words start from how often each piece occurs",
        default=True,
    )
    layers: int | None = flag(
        "with --from: make the model so deep, on the same shared weights", default=None
    )

    steps: int = flag("updates in all", default=125_000)
    batch_size: int = flag("rows an update, over all replicas", default=4096)
    micro_batches: int = flag("parts that a batch is worked off in, to save memory", default=1)
    recompute: bool = flag(
        "keep one state a layer and compute the rest again: less memory, a third more time",
        default=False,
    )
    optimizer: str = flag("of the updates", choices=OPTIMIZERS, default="lamb")
    learning_rate: float = flag("highest learning rate", default=0.00176)
    warmup_steps: int = flag("updates in which the rate rises", default=3125)
    weight_decay: float = flag("share of a weight taken off at rate 1", default=0.01)
    beta_2: float = flag("decay of the mean of squared gradients", default=0.999)
    clip_norm: float = flag("largest norm of all gradients together", default=1.0)
    reference: bool = flag(
        "the original's arithmetic: no bias correction, decay counted from step 0", default=False
    )
    layer_decay: float = flag(
        "factor on the learning rate from each group of layers to the one below", default=1.0
    )
    freeze: tuple[str, ...] = flag("patterns of variable paths that stay as they are", default=())
    depth_ratio: float = flag(
        "weight of a depth over that of the one below, at the start; below 1 favours the lower",
        default=1.0,
    )
    depth_ratio_end: float = flag("the same at the end, reached in equal factors", default=1.0)
    ema: float | None = flag(
        "decay of moving averages of the weights, which are then scored and saved", default=None
    )

    mask_fraction: float = flag("share of the tokens to predict", default=0.15)
    max_predictions: int = flag("most tokens of a row to predict", default=20)
    max_ngram: int = flag("longest masked span, in words", default=3)

    eval_every: int = flag("updates between two scores of the held-out rows", default=1000)
    eval_batches: int | None = flag("score only so many batches", default=None)
    log_every: int = flag("updates between two measurements", default=50)
    save_every: int = flag("updates between two checkpoints", default=500)
    keep: int = flag("newest checkpoints to keep, besides the best", default=2)
    best_by: str = flag(
        "held-out measure of the best checkpoint", choices=SCORES, default=SCORES[0]
    )
    precision: str = flag(
        "of the arithmetic; auto: bfloat16 where the processor multiplies it natively",
        choices=PRECISIONS,
        default="auto",
    )
    jit_compile: bool = flag("let XLA compile an update; on JAX it always does", default=False)
    strategy: str = flag(
        "devices that share a batch: mirrored on this machine, multiworker as TF_CONFIG says, "
        "tpu (untested)",
        choices=STRATEGIES,
        default="one",
    )
    workers: int | None = flag(
        "with --strategy multiworker: start so many processes on this machine", default=None
    )
    restarts: int = flag(
        "with --workers: how often to start all of them again when one dies", default=0
    )
    seed: int = flag("of all chance: weights, order, masks, dropout", default=0)

    def __post_init__(self):
        if (self.from_ is None) == (self.config is None):
            raise ValueError(
                "Name the start with either --from (weights) or --config (random weights), not "
                "both or neither."
            )
        if self.layers is not None and self.from_ is None:
            raise ValueError("--layers deepens the model of --from; with --config, set it there.")
        if self.workers is not None and self.strategy != "multiworker":
            raise ValueError(
                "--workers starts the processes of --strategy multiworker: got --strategy "
                f"{self.strategy}."
            )
        if self.restarts and self.workers is None:
            raise ValueError("--restarts needs --workers: only what was started can be restarted.")
        self._check_numbers()

    def _check_numbers(self):
        counts = ("steps", "batch_size", "micro_batches", "max_predictions", "max_ngram", "layers")
        periods = ("eval_every", "eval_batches", "log_every", "save_every", "keep", "workers")
        for name in (*counts, *periods):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1: got {value}.")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed must be in [0, 2^32): got {self.seed}.")
        if self.restarts < 0:
            raise ValueError(f"restarts must be at least 0: got {self.restarts}.")
        if not 0 <= self.warmup_steps < self.steps:
            raise ValueError(
                f"warmup_steps must lie in [0, steps): got {self.warmup_steps} of {self.steps}."
            )
        for name in ("learning_rate", "clip_norm", "depth_ratio", "depth_ratio_end"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be above 0, and finite: got {getattr(self, name)}.")
        for name in ("weight_decay", "beta_2", "ema"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1:
                raise ValueError(f"{name} must be in [0, 1): got {value}.")
        for name in ("mask_fraction", "layer_decay"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in (0, 1]: got {getattr(self, name)}.")


def check_batch(settings, num_devices):
    """Raises `ValueError` unless every device gets as many rows as the next, in whole parts."""
    parts = num_devices * settings.micro_batches
    if settings.batch_size % parts:
        rows = settings.batch_size // parts * parts or parts
        raise ValueError(
            f"batch_size must split evenly over devices and micro_batches: got "
            f"{settings.batch_size} rows, {num_devices} devices and {settings.micro_batches} "
            f"micro_batches. A batch_size of {rows} would fit."
        )


def batch_settings(settings) -> dict:
    """The settings that decide what a batch holds, as `records.batches` names them."""
    names = ("batch_size", "max_predictions", "mask_fraction", "max_ngram", "seed")
    return {name: getattr(settings, name) for name in names}
