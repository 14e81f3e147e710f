"""The batches of `records.py` without TensorFlow: how training on the JAX backend reads records.

The rows, their order and their masks are the same, bit for bit.
"""

from collections.abc import Iterator

import numpy as np

from albert_tf.data.batch_plan import DEFAULT_SHUFFLE_BUFFER, BatchPlan
from albert_tf.data.chance import fold
from albert_tf.data.masking import MaskingLaw
from albert_tf.data.masking_arrays import mask_rows
from albert_tf.data.record_rows import Lists, Record, Rows, decode_rows, take_records, wrong_count
from albert_tf.data.record_set import RecordSet
from albert_tf.data.row_order import RowOrder


def numpy_batches(
    records: RecordSet,
    split: str,
    *,
    batch_size: int,
    max_predictions: int,
    seed: int,
    start_step: int = 0,
    mask_fraction: float = 0.15,
    max_ngram: int = 3,
    whole_words: bool = True,
    shuffle: bool = True,
    shuffle_buffer: int = DEFAULT_SHUFFLE_BUFFER,
    shard: tuple[int, int] = (0, 1),
) -> Iterator[dict[str, np.ndarray]]:
    """Reads batches; `records.batches` says what the arguments mean and what a batch holds.

    Yields:
        dicts of arrays; for ever from `train`, `RecordSet.steps_per_epoch` of them otherwise.

    Raises:
        RecordError: the split is missing or too small; while reading: a record is damaged
            (names the file and the byte offset).
        ValueError: a setting is out of its range.
    """
    law = MaskingLaw(
        mask_fraction=mask_fraction,
        max_predictions=max_predictions,
        max_ngram=max_ngram,
        whole_words=whole_words,
    )
    plan = BatchPlan(
        records=records,
        split_name=split,
        batch_size=batch_size,
        law=law,
        seed=seed,
        start_step=start_step,
        shuffle=shuffle,
        shuffle_buffer=shuffle_buffer,
        shard=shard,
    )
    return _batches(plan)


def _batches(plan: BatchPlan) -> Iterator[dict]:
    epoch, step = divmod(plan.start_step, plan.steps_per_epoch)
    here = slice(plan.first_of_worker, plan.first_of_worker + plan.num_rows)
    while True:
        rows = _epoch_rows(plan.order, epoch, step * plan.batch_size)
        for number in range(step, plan.steps_per_epoch):
            batch = [record for _, record in zip(range(plan.batch_size), rows, strict=False)]
            yield _decode(plan, epoch, number, batch[here])
        if not plan.is_endless:
            return
        epoch, step = epoch + 1, 0


def _epoch_rows(order: RowOrder, epoch: int, first_row: int) -> Iterator[Record]:
    """Yields the records of an epoch in its order, from a row on."""
    readers: dict[int, Iterator[Record]] = {}
    for window in order.windows(epoch, first_row):
        shards, rows = window.places.T
        content = {}
        for shard in np.unique(shards).tolist():
            wanted = rows[shards == shard]
            reader = readers.get(shard)
            if reader is None:
                reader = take_records(order.split.shards[shard].path, int(wanted.min()))
                readers[shard] = reader
            content[shard] = _take(order, shard, reader, wanted)
        for shard, row in window.places[window.begin :].tolist():
            yield content[shard][row]


def _take(order: RowOrder, shard: int, reader, wanted: np.ndarray) -> dict[int, Record]:
    """The next records of a shard by their numbers, which follow one another."""
    first, last = int(wanted.min()), int(wanted.max())
    found = dict(zip(range(first, last + 1), reader, strict=False))
    here = order.split.shards[shard]
    if len(found) < len(wanted):
        raise wrong_count(here.path, here.rows, first + len(found))
    if last == here.rows - 1 and next(reader, None) is not None:
        raise wrong_count(here.path, here.rows, here.rows + 1 + sum(1 for _ in reader))
    return found


def _decode(plan: BatchPlan, epoch: int, step: int, found: list[Record]) -> dict:
    """Turns records into the batch fields, masked; a short batch is filled up."""
    rows = decode_rows(found, plan.records.limits)
    width, vocabulary = plan.records.sequence_length, plan.records.vocabulary
    filling = plan.num_rows - len(found)
    lengths, first_lengths, labels = (
        np.pad(values, (0, filling))
        for values in (rows.token_ids.lengths, rows.first_lengths, rows.labels)
    )
    place = np.arange(width)
    in_row = place < lengths[:, None]
    fields = {
        "segment_ids": (in_row & (place >= first_lengths[:, None])).astype(np.int32),
        "padding_mask": in_row.astype(np.int32),
        "sentence_order_label": labels.astype(np.int32),
    }
    if not plan.records.is_masked:
        first_row = step * plan.batch_size + plan.first_of_worker
        keys = fold(fold(plan.mask_key, epoch), first_row + np.arange(len(found)))
        rows = _masked(plan, rows, keys)
    num_masks = plan.law.max_predictions
    counts = np.pad(rows.mask_ids.lengths, (0, filling))
    return fields | {
        "token_ids": rows.token_ids.padded(plan.num_rows, width, vocabulary.pad_id),
        "mask_positions": rows.mask_positions.padded(plan.num_rows, num_masks),
        "mask_ids": rows.mask_ids.padded(plan.num_rows, num_masks),
        "mask_weights": (np.arange(num_masks) < counts[:, None]).astype(np.float32),
    }


def _masked(plan: BatchPlan, rows: Rows, keys: np.ndarray) -> Rows:
    """Masks rows that were read without masks."""
    token_ids, lengths = rows.token_ids
    hidden, picked, counts = mask_rows(
        token_ids, lengths, rows.first_lengths, keys, plan.records.vocabulary, plan.law
    )
    begins = np.cumsum(lengths) - lengths
    return rows._replace(
        token_ids=Lists(hidden, lengths),
        mask_positions=Lists(picked - np.repeat(begins, counts), counts),
        mask_ids=Lists(token_ids[picked], counts),
    )
