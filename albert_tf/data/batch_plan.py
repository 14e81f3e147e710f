"""What decides the batches that are read from records, whoever reads them: the one contract of
`records.py` (TensorFlow) and `record_batches.py` (NumPy)."""

import functools
from dataclasses import dataclass

from albert_tf.data.chance import MASKS, purpose_key
from albert_tf.data.masking import MaskingLaw
from albert_tf.data.record_set import TRAIN, RecordError, RecordSet, Split
from albert_tf.data.row_order import RowOrder

DEFAULT_SHUFFLE_BUFFER = 32_768
# Masks of evaluation are the same in every run.
EVALUATION_SEED = 0


@dataclass(frozen=True, kw_only=True)
class BatchPlan:
    """Which rows each batch holds and what their masks are drawn from.

    Args:
        records, split_name, batch_size, seed, start_step, shuffle, shuffle_buffer, shard: see
            `records.batches`.
        law: how much to mask.

    Raises:
        RecordError: the split is missing or too small, or the records, masked before, hold more
            predictions than `law` allows.
        ValueError: a setting is out of its range.
    """

    records: RecordSet
    split_name: str
    batch_size: int
    law: MaskingLaw
    seed: int
    start_step: int
    shuffle: bool
    shuffle_buffer: int
    shard: tuple[int, int]

    def __post_init__(self):
        # Both raise where a setting is out of its range.
        self.steps_per_epoch, self.order  # noqa: B018
        purpose_key(self.seed, MASKS)
        index, count = self.shard
        if not 0 <= index < count or self.batch_size % count:
            raise ValueError(
                "shard must be (index, count) with index < count, and count must divide "
                f"batch_size: got {self.shard} and {self.batch_size}."
            )
        if self.start_step < 0 or (self.start_step and not self.is_endless):
            raise ValueError(
                f"start_step must be 0, or for {TRAIN!r} more: got {self.start_step} for "
                f"{self.split_name!r}."
            )
        stored = self.records.limits.max_predictions
        if stored is not None and stored > self.law.max_predictions:
            raise RecordError(
                f"{self.records.directory} was masked with up to {stored} predictions a row: "
                f"max_predictions must be at least that, got {self.law.max_predictions}."
            )

    @property
    def split(self) -> Split:
        """The split to read."""
        return self.records.split(self.split_name)

    @property
    def is_endless(self) -> bool:
        """Whether epoch follows epoch; otherwise there is one pass, filled up at the end."""
        return self.split_name == TRAIN

    @functools.cached_property
    def steps_per_epoch(self) -> int:
        """Number of batches of a pass."""
        return self.records.steps_per_epoch(self.batch_size, self.split_name)

    @functools.cached_property
    def order(self) -> RowOrder:
        """The order of the rows."""
        seed = self.seed if self.shuffle and self.is_endless else None
        return RowOrder(split=self.split, seed=seed, window=self.shuffle_buffer)

    @property
    def mask_key(self) -> int:
        """Key of the masks; folded with the epoch and the number of the row in it."""
        return purpose_key(self.seed if self.is_endless else EVALUATION_SEED, MASKS)

    @property
    def num_rows(self) -> int:
        """Rows of a batch that this worker gets."""
        return self.batch_size // self.shard[1]

    @property
    def first_of_worker(self) -> int:
        """Number in the batch of the first row that this worker gets."""
        return self.shard[0] * self.num_rows
