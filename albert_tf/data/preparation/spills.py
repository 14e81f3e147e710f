"""What a finished task leaves until the shards are written: its rows, sorted by shard.

A spill holds groups of rows; a group holds a block for each shard (`blocks.py`). A table at the
end says where the blocks are, so that writing a shard reads only what belongs to it. Most spills
have one group.
"""

import json
import os
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from albert_tf.data.preparation.blocks import blocks_of, count_rows, sorted_portions, sorted_rows
from albert_tf.data.preparation.rows import Rows
from albert_tf.data.preparation.settings import SPLITS, PreparationSettings
from albert_tf.staging import new_file

LARGEST_GROUP = 1 << 27  # bytes of records in memory, about
_TAIL = struct.Struct("<QQQ")  # bytes of the counts, groups, shards of all splits
_PLACE = struct.Struct("<QQ")


def write_spill(path: Path, batches, settings: PreparationSettings) -> Counter:
    """Writes the rows of a task; the file appears whole or not at all.

    Args:
        path: the new file; one that a killed run left is replaced.
        batches: rows of each split and counts, from `RowMaker.rows_of_task`.
        settings: say how many shards there are.

    Returns:
        The counts of the task, and `rows/<split>/<shard>` of each shard that got some.
    """
    counts, table = Counter(), []
    with new_file(path, overwrite=True) as staged, staged.open("wb") as file:
        waiting, size = [], 0
        for rows_of_splits, counts_of_batch in batches:
            counts += counts_of_batch
            waiting.append(rows_of_splits)
            size += sum(len(r) for rows in rows_of_splits.values() for r in rows.records)
            if size > LARGEST_GROUP:
                table.append(_write_group(file, waiting, settings, counts))
                waiting, size = [], 0
        table.append(_write_group(file, waiting, settings, counts))
        packed = json.dumps(counts).encode()
        file.write(packed + np.array(table, "<u8").tobytes())
        file.write(_TAIL.pack(len(packed), len(table), len(table[0]) - 1))
    return counts


def read_counts(path: Path) -> Counter:
    """Reads what `write_spill` returned."""
    with path.open("rb") as file:
        size, begin, _, _ = _read_tail(file.fileno())
        return Counter(json.loads(os.pread(file.fileno(), size, begin)))


def read_sorted(
    paths: list[Path], split: str, shard: int, settings: PreparationSettings
) -> Iterator[Rows]:
    """Reads all rows of one shard out of all spills, see `sorted_portions`."""
    number = shard + (settings.num_shards(SPLITS[0]) if split == SPLITS[1] else 0)
    places = [place for path in paths for place in _find_blocks(path, number)]
    total = sum(size for _, _, size in places)
    return sorted_portions(_Blocks(places), total, shard, settings.num_shards(split))


class _Blocks:
    """Reads blocks from their places, as often as asked."""

    def __init__(self, places):
        self._places = places

    def __iter__(self):
        for path, begin, size in self._places:
            with path.open("rb", buffering=0) as file:
                yield os.pread(file.fileno(), size, begin)


def _write_group(file, waiting, settings, counts):
    """Writes one block for each shard of each split; gives where they begin, and the end."""
    bounds = [file.tell()]
    for split in SPLITS:
        num_shards = settings.num_shards(split)
        rows = sorted_rows([rows_of[split] for rows_of in waiting if split in rows_of])
        blocks = dict(blocks_of(rows, num_shards)) if rows.records else {}
        for shard in range(num_shards):
            if shard in blocks:
                counts[f"rows/{split}/{shard}"] += count_rows(blocks[shard])
                file.write(blocks[shard])
            bounds.append(file.tell())
    return bounds


def _read_tail(file):
    end = os.fstat(file).st_size - _TAIL.size
    size, num_groups, num_shards = _TAIL.unpack(os.pread(file, _TAIL.size, end))
    table = end - num_groups * (num_shards + 1) * 8
    return size, table - size, table, (num_groups, num_shards)


def _find_blocks(path, number):
    with path.open("rb") as file:
        _, _, table, (num_groups, num_shards) = _read_tail(file.fileno())
        for group in range(num_groups):
            place = table + (group * (num_shards + 1) + number) * 8
            begin, end = _PLACE.unpack(os.pread(file.fileno(), _PLACE.size, place))
            if begin < end:
                yield path, begin, end - begin
