"""What a finished task leaves until the shards are written: its rows, sorted by shard.

A spill holds groups of rows; a group holds one block for each shard: the number of rows, their
keys, their lengths in tokens and in bytes, and the records. A table at the end says where the
blocks are, so that writing a shard reads only what belongs to it. Most spills have one group.
"""

import json
import os
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from albert_tf.data.preparation.rows import Rows, key_range, shards_of
from albert_tf.data.preparation.settings import SPLITS, PreparationSettings
from albert_tf.staging import new_file

LARGEST_GROUP, LARGEST_PORTION = 1 << 27, 1 << 27  # bytes of records in memory, about
_NUMBER = struct.Struct("<Q")
_TAIL = struct.Struct("<QQQ")  # bytes of the counts, groups, shards of all splits


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
    paths: list[Path],
    split: str,
    shard: int,
    settings: PreparationSettings,
    largest: int = LARGEST_PORTION,
) -> Iterator[Rows]:
    """Reads all rows of one shard in the order of their keys, in portions that fit in memory.

    Keys are spread evenly, so a shard of n times `largest` bytes is read n times, each time for
    one part of its range of keys.

    Args:
        paths: all spills.
        split, shard: which shard.
        settings: say how many shards there are.
        largest: bytes to hold at once, about.
    """
    number = _number_of(split, shard, settings)
    blocks = [block for path in paths for block in _find_blocks(path, number)]
    total = sum(size for _, _, size in blocks)
    keys = key_range(shard, settings.num_shards(split))
    width = -(-(keys.stop - keys.start) // max(1, -(-total // largest)))
    for low in range(keys.start, keys.stop, width):
        parts = [_within(rows, low, low + width) for rows in map(_read_block, blocks)]
        yield sorted_rows([part for part in parts if part.records])


def sorted_rows(parts: list[Rows]) -> Rows:
    """Joins rows and sorts them by key."""
    if not parts:
        return Rows(np.zeros(0, np.uint64), [], np.zeros(0, np.int64))
    keys = np.concatenate([part.keys for part in parts])
    records = [record for part in parts for record in part.records]
    order = np.argsort(keys, kind="stable")
    if (np.diff(keys[order]) == 0).any():  # rare but possible: then the records decide
        order = np.array(sorted(range(len(keys)), key=lambda i: (keys[i], records[i])))
    num_tokens = np.concatenate([part.num_tokens for part in parts])
    return Rows(keys[order], [records[i] for i in order.tolist()], num_tokens[order])


def _number_of(split, shard, settings):
    return shard + (settings.num_shards(SPLITS[0]) if split == SPLITS[1] else 0)


def _write_group(file, waiting, settings, counts):
    """Writes one block for each shard of each split; gives where they begin, and the end."""
    bounds = [file.tell()]
    for split in SPLITS:
        num_shards = settings.num_shards(split)
        rows = sorted_rows([rows_of[split] for rows_of in waiting if split in rows_of])
        ends = np.searchsorted(
            shards_of(rows.keys, max(num_shards, 1)), np.arange(num_shards), "right"
        )
        for shard, (begin, end) in enumerate(zip([0, *ends.tolist()], ends.tolist(), strict=False)):
            if begin < end:
                counts[f"rows/{split}/{shard}"] += end - begin
                for part in _block(rows, slice(begin, end)):
                    file.write(part)
            bounds.append(file.tell())
    return bounds


def _block(rows, members):
    records = rows.records[members]
    sizes = [len(record) for record in records]
    for numbers in ([len(records)], rows.keys[members], rows.num_tokens[members], sizes):
        yield np.asarray(numbers).astype("<u8").tobytes()
    yield b"".join(records)


def _read_tail(file):
    end = os.fstat(file).st_size - _TAIL.size
    size, num_groups, num_shards = _TAIL.unpack(os.pread(file, _TAIL.size, end))
    table = end - num_groups * (num_shards + 1) * _NUMBER.size
    return size, table - size, table, (num_groups, num_shards)


def _find_blocks(path, number):
    with path.open("rb") as file:
        _, _, table, (num_groups, num_shards) = _read_tail(file.fileno())
        for group in range(num_groups):
            place = table + (group * (num_shards + 1) + number) * _NUMBER.size
            begin, end = struct.unpack("<QQ", os.pread(file.fileno(), 2 * _NUMBER.size, place))
            if begin < end:
                yield path, begin, end - begin


def _read_block(place):
    path, begin, size = place
    with path.open("rb", buffering=0) as file:
        block = os.pread(file.fileno(), size, begin)
    (count,) = _NUMBER.unpack_from(block)
    keys, num_tokens, sizes = np.frombuffer(block, "<u8", 3 * count, _NUMBER.size).reshape(3, count)
    bounds = (np.cumsum([0, *sizes.tolist()]) + _NUMBER.size * (1 + 3 * count)).tolist()
    records = [block[begin:end] for begin, end in zip(bounds, bounds[1:], strict=False)]
    return Rows(keys, records, num_tokens.astype(np.int64))


def _within(rows, low, high):
    inside = (rows.keys >= low) & (rows.keys <= high - 1)
    if inside.all():
        return rows
    members = np.flatnonzero(inside)
    return Rows(
        rows.keys[members], [rows.records[i] for i in members.tolist()], rows.num_tokens[members]
    )
