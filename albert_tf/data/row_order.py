"""In which order an epoch visits the rows of a split, decided by the seed and the epoch alone.

The shards come in a random order, some at a time side by side ("a group"), and their rows, taken
in turns, are shuffled within windows as large as memory allows. Groups and windows start at row
numbers that the manifest tells, so that reading can begin anywhere without what came before, and
a split that fits in one window is shuffled as a whole.

`records.py` builds the same order in `tf.data`.
"""

import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from albert_tf.data.chance import ROW_ORDER, SHARD_ORDER, fold, purpose_key
from albert_tf.data.record_set import Split

SHARDS_AT_ONCE = 16
ROWS_IN_TURN = 16  # rows that one shard gives before the next one of the group


class Window(NamedTuple):
    """Rows that are shuffled together.

    Args:
        places: int64 `(rows, 2)`: of each row, in the order of the epoch, its shard and its
            number in that shard.
        begin: rows at the start that were asked to be passed over.
    """

    places: np.ndarray
    begin: int


@dataclass(frozen=True, kw_only=True)
class RowOrder:
    """The order of a split's rows.

    Args:
        split: whose rows.
        seed: decides every epoch's order; None leaves the rows as they stand in the files.
        window: rows that are shuffled together.
    """

    split: Split
    seed: int | None
    window: int

    def __post_init__(self):
        if self.window < 1:
            raise ValueError(f"shuffle_buffer must be at least 1: got {self.window}.")

    @property
    def shards_at_once(self) -> int:
        """Number of shards that are read side by side."""
        return 1 if self.seed is None else SHARDS_AT_ONCE

    @property
    def shard_key(self) -> int:
        """Key of the shards' order; folded with the epoch and a shard."""
        return purpose_key(self.seed, SHARD_ORDER)

    @property
    def row_key(self) -> int:
        """Key of the rows' order; folded with the epoch, the group, the window and a row."""
        return purpose_key(self.seed, ROW_ORDER)

    def windows(self, epoch: int, first_row: int = 0) -> Iterator[Window]:
        """Gives the order of an epoch window by window, from a row of the epoch on."""
        for group, shards in enumerate(self._groups(epoch)):
            rows = np.array([self.split.shards[shard].rows for shard in shards])
            num_rows = int(rows.sum())
            if first_row >= num_rows:
                first_row -= num_rows
                continue
            first_window, begin = divmod(first_row, self.window)
            for number in range(first_window, -(-num_rows // self.window)):
                first = number * self.window
                places = _taken_in_turns(rows, first, min(first + self.window, num_rows))
                places[:, 0] = np.array(shards)[places[:, 0]]
                yield Window(places[self._permutation(epoch, group, number, len(places))], begin)
                first_row = begin = 0

    def _groups(self, epoch: int) -> list[list[int]]:
        shards = np.arange(len(self.split.shards))
        if self.seed is not None:
            shards = np.argsort(fold(fold(self.shard_key, epoch), shards), kind="stable")
        size = self.shards_at_once
        return [shards[at : at + size].tolist() for at in range(0, len(shards), size)]

    def _permutation(self, epoch, group, window, num_rows) -> np.ndarray:
        rows = np.arange(num_rows)
        if self.seed is None:
            return rows
        key = fold(fold(fold(self.row_key, epoch), group), window)
        return np.argsort(fold(key, rows), kind="stable")


def _taken_in_turns(rows: np.ndarray, begin: int, end: int) -> np.ndarray:
    """Where rows `begin` to `end` of a group stand, when its shards take turns.

    Args:
        rows: rows of each shard of the group; in its turn, each gives the next `ROWS_IN_TURN`.

    Returns:
        int64 `(end - begin, 2)`: number of the shard in the group, and row in the shard.
    """

    def given(turns):
        return np.minimum(rows, turns * ROWS_IN_TURN)

    turns = range(-(-int(rows.max()) // ROWS_IN_TURN) + 1)
    first = bisect.bisect_right(turns, begin, key=lambda turn: given(turn).sum()) - 1
    last = bisect.bisect_left(turns, end, key=lambda turn: given(turn).sum())
    low, high = given(first), given(last)
    shard = np.repeat(np.arange(len(rows)), high - low)
    row = np.concatenate([np.arange(*bounds) for bounds in zip(low, high, strict=True)])
    places = np.stack([shard, row], axis=1)[np.lexsort((row, shard, row // ROWS_IN_TURN))]
    return places[begin - low.sum() : end - low.sum()]
