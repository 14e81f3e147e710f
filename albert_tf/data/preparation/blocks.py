"""Rows packed as bytes: how they travel from the one who makes them to the one who writes a shard.

A block holds rows of one shard: their number, their keys, their lengths in tokens and in bytes,
and the records.
"""

import struct
from collections.abc import Iterable, Iterator

import numpy as np

from albert_tf.data.preparation.rows import Rows, key_range, shards_of

LARGEST_PORTION = 1 << 27  # bytes of records in memory, about
_NUMBER = struct.Struct("<Q")


def blocks_of(rows: Rows, num_shards: int) -> Iterator[tuple[int, bytes]]:
    """Packs sorted rows; gives a block for each shard that gets some."""
    ends = np.searchsorted(shards_of(rows.keys, num_shards), np.arange(num_shards), "right")
    for shard in np.flatnonzero(np.diff(ends, prepend=0)).tolist():
        members = slice(int(ends[shard - 1]) if shard else 0, int(ends[shard]))
        records = rows.records[members]
        sizes = [len(record) for record in records]
        numbers = ([len(records)], rows.keys[members], rows.num_tokens[members], sizes)
        head = b"".join(np.asarray(n).astype("<u8").tobytes() for n in numbers)
        yield shard, head + b"".join(records)


def unpack_block(block: bytes) -> Rows:
    """Gives the rows of a block."""
    count = count_rows(block)
    keys, num_tokens, sizes = np.frombuffer(block, "<u8", 3 * count, _NUMBER.size).reshape(3, count)
    bounds = (np.cumsum([0, *sizes.tolist()]) + _NUMBER.size * (1 + 3 * count)).tolist()
    records = [block[begin:end] for begin, end in zip(bounds[:-1], bounds[1:], strict=True)]
    return Rows(keys, records, num_tokens.astype(np.int64))


def count_rows(block: bytes) -> int:
    """Tells how many rows a block holds."""
    return _NUMBER.unpack_from(block)[0]


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


def sorted_portions(
    blocks: Iterable[bytes], total: int, shard: int, num_shards: int, largest: int = LARGEST_PORTION
) -> Iterator[Rows]:
    """Gives all rows of one shard in the order of their keys, in portions that fit in memory.

    Keys are spread evenly, so a shard of n times `largest` bytes is read n times, each time for
    one part of its range of keys.

    Args:
        blocks: those of the shard, in any order; can be read more than once.
        total: their size in bytes.
        shard, num_shards: which shard.
        largest: bytes to hold at once, about.
    """
    keys = key_range(shard, num_shards)
    width = -(-(keys.stop - keys.start) // max(1, -(-total // largest)))
    for low in range(keys.start, keys.stop, width):
        parts = [_within(unpack_block(block), low, low + width) for block in blocks]
        yield sorted_rows([part for part in parts if part.records])


def _within(rows, low, high):
    inside = (rows.keys >= low) & (rows.keys <= high - 1)
    if inside.all():
        return rows
    members = np.flatnonzero(inside)
    records = [rows.records[i] for i in members.tolist()]
    return Rows(rows.keys[members], records, rows.num_tokens[members])
