"""What can be set about a pretraining run."""

from dataclasses import dataclass
from pathlib import Path

from albert_tf.training.fields import flag
from albert_tf.training.settings import PRECISIONS

OPTIMIZERS = ("lamb", "adamw")
# These change what is written and shown, never the weights: a resumed run may have others.
FREE_TO_CHANGE = ("out", "records", "log_every", "eval_every", "save_every", "keep")


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
    from_: str | None = flag("preset, run or checkpoint to start from", default=None)
    layers: int | None = flag(
        "with --from: make the model so deep, on the same shared weights", default=None
    )

    steps: int = flag("updates in all", default=125_000)
    batch_size: int = flag("rows an update, over all replicas", default=4096)
    micro_batches: int = flag("parts that a batch is worked off in, to save memory", default=1)
    optimizer: str = flag("of the updates", choices=OPTIMIZERS, default="lamb")
    learning_rate: float = flag("highest learning rate", default=0.00176)
    warmup_steps: int = flag("updates in which the rate rises", default=3125)
    weight_decay: float = flag("share of a weight taken off at rate 1", default=0.01)
    beta_2: float = flag("decay of the mean of squared gradients", default=0.999)
    clip_norm: float = flag("largest norm of all gradients together", default=1.0)
    reference: bool = flag(
        "the original's arithmetic: no bias correction, decay counted from step 0", default=False
    )

    mask_fraction: float = flag("share of the tokens to predict", default=0.15)
    max_predictions: int = flag("most tokens of a row to predict", default=20)
    max_ngram: int = flag("longest masked span, in words", default=3)

    eval_every: int = flag("updates between two scores of the held-out rows", default=1000)
    eval_batches: int | None = flag("score only so many batches", default=None)
    log_every: int = flag("updates between two measurements", default=50)
    save_every: int = flag("updates between two checkpoints", default=500)
    keep: int = flag("newest checkpoints to keep, besides the best", default=2)
    precision: str = flag(
        "of the arithmetic; auto: bfloat16 where the processor multiplies it natively",
        choices=PRECISIONS,
        default="auto",
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
        self._check_numbers()

    def _check_numbers(self):
        counts = ("steps", "batch_size", "micro_batches", "max_predictions", "max_ngram", "layers")
        for name in (*counts, "eval_every", "eval_batches", "log_every", "save_every", "keep"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1: got {value}.")
        if not 0 <= self.warmup_steps < self.steps:
            raise ValueError(
                f"warmup_steps must lie in [0, steps): got {self.warmup_steps} of {self.steps}."
            )
        if self.batch_size % self.micro_batches:
            raise ValueError(
                f"micro_batches must divide batch_size: got {self.batch_size} rows in "
                f"{self.micro_batches} parts."
            )
        for name in ("learning_rate", "clip_norm"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0: got {getattr(self, name)}.")
        for name in ("weight_decay", "beta_2"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1): got {getattr(self, name)}.")
        if not 0 < self.mask_fraction <= 1:
            raise ValueError(f"mask_fraction must be in (0, 1]: got {self.mask_fraction}.")
