"""Shards and their manifest: the files that training reads."""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from albert_tf.data.preparation.examples import frame_records
from albert_tf.data.preparation.rows import Rows
from albert_tf.data.preparation.settings import SPLITS, PreparationSettings
from albert_tf.staging import new_file

FORMAT_VERSION = 1
MANIFEST, VOCABULARY = "manifest.json", "vocabulary.model"
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
        file.flush()
        os.fsync(file.fileno())
    return {
        "file": path.name,
        "rows": num_rows,
        "tokens": num_tokens,
        "bytes": size,
        "sha256": digest.hexdigest(),
    }


def build_manifest(
    settings: PreparationSettings, vocabulary: bytes, size: int, counts: dict, entries: dict
) -> dict:
    """Puts the manifest together.

    Args:
        settings: of the preparation.
        vocabulary: bytes of the SentencePiece file.
        size: its number of pieces.
        counts: of the text, summed over all documents.
        entries: for each split, those of its shards in order.
    """
    splits = {}
    for split in SPLITS:
        shards = entries.get(split, [])
        if shards:
            splits[split] = {
                "rows": sum(shard["rows"] for shard in shards),
                "tokens": sum(shard["tokens"] for shard in shards),
                "documents": counts.get(f"documents/{split}", 0),
                "shards": shards,
            }
    return {
        "format_version": FORMAT_VERSION,
        "settings": settings.as_dict(),
        "vocabulary": {
            "file": VOCABULARY,
            "sha256": hashlib.sha256(vocabulary).hexdigest(),
            "size": size,
        },
        "text": {name: counts.get(name, 0) for name in ("characters", "sentences", "tokens")},
        "splits": splits,
    }


def write_manifest(directory: Path, manifest: dict):
    """Writes the manifest last: its presence says that all else is there."""
    with new_file(directory / MANIFEST, overwrite=True) as staged:
        staged.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
