"""Small directories of records, written by the format alone."""

import hashlib
import json

import numpy as np
import tensorflow as tf

from albert_tf.data.masking_vocabulary import MaskingVocabulary

START, END = 2, 3


def example(row: dict) -> bytes:
    """Serializes one record."""
    lists = {
        name: tf.train.Feature(int64_list=tf.train.Int64List(value=np.atleast_1d(values)))
        for name, values in row.items()
    }
    message = tf.train.Example(features=tf.train.Features(feature=lists))
    return message.SerializeToString(deterministic=True)


def pair_row(rng, length, vocab_size=88) -> dict:
    """A row of random ids: [CLS] first [SEP] second [SEP], `length` tokens long."""
    ids = rng.integers(5, vocab_size, length)
    first_length = int(rng.integers(3, length - 1))
    ids[[0, first_length - 1, length - 1]] = START, END, END
    label = int(rng.integers(2))
    return {"token_ids": ids, "first_length": first_length, "sentence_order_label": label}


def masking_vocabulary(word_starts) -> MaskingVocabulary:
    """A vocabulary of 1000 pieces; `word_starts` is bool `(1000,)`."""
    return MaskingVocabulary(
        start_id=START,
        end_id=END,
        pad_id=0,
        mask_id=4,
        ordinary_ids=np.arange(5, 1000, dtype=np.int32),
        word_starts=word_starts,
    )


def rows_of(count, seed=0, sequence_length=24) -> list[dict]:
    """Rows of random lengths, a tenth of them short."""
    rng = np.random.default_rng(seed)
    lengths = np.where(rng.random(count) < 0.9, sequence_length, rng.integers(8, 20, count))
    return [pair_row(rng, int(length)) for length in lengths]


def write_shard(path, rows):
    """Writes a shard with TensorFlow's own writer and gives its entry of the manifest."""
    with tf.io.TFRecordWriter(str(path)) as writer:
        for row in rows:
            writer.write(example(row))
    return shard_entry(path, rows)


def shard_entry(path, rows):
    content = path.read_bytes()
    return {
        "file": path.name,
        "rows": len(rows),
        "tokens": sum(len(row["token_ids"]) for row in rows),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def write_records(directory, proto, splits: dict, **settings):
    """Writes a directory of records.

    Args:
        directory: where to; it must exist.
        proto: bytes of the vocabulary.
        splits: name -> list of shards, each a list of rows.
        settings: of the manifest.
    """
    manifest = {
        "format_version": 1,
        "settings": {"sequence_length": 24, "objective": "sop", "masking": "dynamic"} | settings,
        "vocabulary": {"sha256": hashlib.sha256(proto).hexdigest(), "size": 88},
        "splits": {},
    }
    (directory / "vocabulary.model").write_bytes(proto)
    for name, shards in splits.items():
        entries = [
            write_shard(directory / f"{name}-{i:05d}-of-{len(shards):05d}.tfrecord", rows)
            for i, rows in enumerate(shards)
        ]
        manifest["splits"][name] = {
            "rows": sum(entry["rows"] for entry in entries),
            "tokens": sum(entry["tokens"] for entry in entries),
            "documents": len(entries),
            "shards": entries,
        }
    (directory / "manifest.json").write_text(json.dumps(manifest))
    return directory
