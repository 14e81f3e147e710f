"""Shards: the files that training reads."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from albert_tf.data.preparation.examples import frame_records
from albert_tf.data.preparation.rows import Rows
from albert_tf.staging import new_file

_RECORDS_AT_ONCE = 4096


def shard_name(split: str, shard: int, num_shards: int) -> str:
    """The name of a shard's file."""
    return f"{split}-{shard:05d}-of-{num_shards:05d}.tfrecord"


def write_shard(path: Path, portions: Iterable[Rows]) -> dict:
    """Writes the rows of a shard; the file appears whole or not at all.

    Args:
        path: the new file.
        portions: all rows of the shard in order, from `read_sorted`.

    Returns:
        The shard's entry in the manifest.
    """
    digest, num_rows, num_tokens, size = hashlib.sha256(), 0, 0, 0
    with new_file(path, overwrite=True) as staged, staged.open("wb") as file:
        for rows in portions:
            num_rows += len(rows.records)
            num_tokens += int(rows.num_tokens.sum())
            for begin in range(0, len(rows.records), _RECORDS_AT_ONCE):
                frames = frame_records(rows.records[begin : begin + _RECORDS_AT_ONCE])
                file.write(frames)
                digest.update(frames)
                size += len(frames)
    return {
        "file": path.name,
        "rows": num_rows,
        "tokens": num_tokens,
        "bytes": size,
        "sha256": digest.hexdigest(),
    }
