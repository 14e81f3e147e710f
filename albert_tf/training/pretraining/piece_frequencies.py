"""How often each piece occurs in records, which is what a model learns first."""

import itertools

import numpy as np

from albert_tf.data.record_rows import decode_rows, take_records
from albert_tf.data.record_set import TRAIN

NUM_ROWS = 20_000


def log_frequencies(records, num_rows=NUM_ROWS) -> np.ndarray:
    """Logarithms of the shares of the pieces among the words to predict.

    Counts the first rows of each shard. Every piece counts once more, so that none has a share of
    0; those that are never predicted ([CLS], [SEP], ...) have no more than that.

    Args:
        records: `RecordSet`.
        num_rows: rows to count in all.

    Returns:
        float32 `(vocabulary_size,)`.
    """
    counts = np.zeros(records.vocabulary_size, np.int64)
    shards = records.split(TRAIN).shards
    for shard in shards:
        found = list(itertools.islice(take_records(shard.path), -(-num_rows // len(shards))))
        if found:
            rows = decode_rows(found, records.limits)
            answers = rows.mask_ids if records.is_masked else rows.token_ids
            counts += np.bincount(answers.values, minlength=len(counts))
    is_ordinary = np.zeros(len(counts), bool)
    is_ordinary[records.vocabulary.ordinary_ids] = True
    counts = np.where(is_ordinary, counts, 0) + 1
    return np.log(counts / counts.sum()).astype(np.float32)
