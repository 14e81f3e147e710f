"""From records on disk to training batches in `tf.data` (paper §3.1, §4.1).

The records hold segment pairs; what is masked is drawn here, anew in every epoch, in the graph.
Batch number n is a function of the records, the settings and n alone: training resumes at any
step without reading what came before, and each of many workers reads its rows of the same batch.

Training without TensorFlow reads the same batches, bit for bit, from `record_batches.py`.
"""

import contextlib

import numpy as np
import tensorflow as tf

from albert_tf.data.batch_plan import DEFAULT_SHUFFLE_BUFFER, BatchPlan
from albert_tf.data.masking import MaskingLaw
from albert_tf.data.masking_ops import fold, mask_rows
from albert_tf.data.record_set import RecordSet
from albert_tf.data.row_order import ROWS_IN_TURN, RowOrder

_as_written = tf.autograph.experimental.do_not_convert
_ENDLESS = tf.int64.max
_BAD_ROW = "A record does not fit its manifest."
_DAMAGE_SIGNS = (
    _BAD_ROW,
    "parse example",
    "parse serialized Example",
    "is required but could not be found",
    "Input dataset was expected to contain",
)


def batches(
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
) -> tf.data.Dataset:
    """Reads batches, and masks them unless the records were masked when they were written.

    `train` goes on for ever, in another order and masked anew in each epoch; rows that fill no
    batch at the end of an epoch are left out of it (`RecordSet.steps_per_epoch`). Any other
    split is read once, in the order of its files and with the same masks whatever `seed` and
    `batch_size`, so that figures compare; its last batch is filled up with empty rows, whose
    `padding_mask` is 0 throughout (weigh what is counted by row with `padding_mask[:, 0]`).

    Args:
        records: see `RecordSet.open`.
        split: `train` or `held_out`.
        batch_size: rows of a batch of all workers together.
        max_predictions: most masked positions of a row.
        seed: decides the order and the masks of `train`.
        start_step: batches of `train` to pass over; nothing of them is parsed or masked.
        mask_fraction, max_ngram, whole_words: see `MaskingLaw`.
        shuffle: whether `train` is shuffled.
        shuffle_buffer: rows that are shuffled together; two such windows are in memory.
        shard: `(index, count)` of this worker: it gets the `index`-th of `count` equal parts of
            each batch.

    Returns:
        Dataset of known cardinality (`train`: infinite) of dicts with static shapes:
        `token_ids`, `segment_ids`, `padding_mask` int32 `(rows, sequence_length)`;
        `mask_positions`, `mask_ids` int32 and `mask_weights` float32 `(rows, max_predictions)`;
        `sentence_order_label` int32 `(rows,)`; with `rows` = `batch_size / count`. Reading it
        within `damage_named` makes errors name the file and the place.

    Raises:
        RecordError: the split is missing or too small.
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
    serialized = _serialized_batches(plan)

    @_as_written
    def decode(step, rows):
        return _decode(plan, step, rows)

    decoded = serialized.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
    count = tf.data.INFINITE_CARDINALITY if plan.is_endless else plan.steps_per_epoch
    return decoded.apply(tf.data.experimental.assert_cardinality(count)).prefetch(2)


@contextlib.contextmanager
def damage_named(records: RecordSet):
    """Reading batches within it raises `RecordError`, naming file and byte, at a damaged record.

    TensorFlow's own error does not say which file it read. Finding out takes one pass over the
    records.
    """
    try:
        yield
    except tf.errors.DataLossError:
        records.check(decode=False)
        raise
    except (tf.errors.FailedPreconditionError, tf.errors.InvalidArgumentError) as error:
        if any(sign in str(error) for sign in _DAMAGE_SIGNS):
            records.check()
        raise


def _serialized_batches(plan: BatchPlan) -> tf.data.Dataset:
    """Pairs of a step and the serialized rows of its batch that this worker gets."""
    first_epoch, first_step = divmod(plan.start_step, plan.steps_per_epoch)

    @_as_written
    def epoch_batches(epoch):
        first_row = tf.where(epoch == first_epoch, first_step * plan.batch_size, 0)
        rows = _shuffled_windows(plan.order, epoch, tf.cast(first_row, tf.int64))
        return rows.rebatch(plan.batch_size, drop_remainder=plan.is_endless)

    num_epochs = _ENDLESS if plan.is_endless else 1
    batches = tf.data.Dataset.range(first_epoch, num_epochs).flat_map(epoch_batches)
    here = slice(plan.first_of_worker, plan.first_of_worker + plan.num_rows)
    steps = tf.data.Dataset.range(plan.start_step, _ENDLESS)
    return tf.data.Dataset.zip(steps, batches.map(_as_written(lambda rows: rows[here])))


def _shuffled_windows(order: RowOrder, epoch, first_row) -> tf.data.Dataset:
    """`RowOrder.windows` as a dataset of serialized rows, a window at a time."""
    paths = tf.constant([str(shard.path) for shard in order.split.shards])
    rows = tf.constant([shard.rows for shard in order.split.shards], tf.int64)
    shards = _shard_order(order, epoch)
    paths, rows = tf.gather(paths, shards), tf.gather(rows, shards)
    size = order.shards_at_once
    num_groups = -(-len(order.split.shards) // size)
    rows_of_group = tf.math.segment_sum(rows, tf.range(rows.shape[0]) // size)
    ends = tf.cumsum(rows_of_group)
    first_group = tf.searchsorted(ends, [first_row], side="right", out_type=tf.int64)[0]
    first_row -= ends[first_group] - rows_of_group[first_group]

    @_as_written
    def group_windows(group):
        here = slice(group * size, (group + 1) * size)
        first = tf.where(group == first_group, first_row, 0)
        return _windows_of_group(order, epoch, group, paths[here], rows[here], first)

    return tf.data.Dataset.range(first_group, num_groups).flat_map(group_windows)


def _windows_of_group(order: RowOrder, epoch, group, paths, rows, first_row) -> tf.data.Dataset:
    first_window = first_row // order.window

    @_as_written
    def read_shard(path, count):
        check = tf.data.experimental.assert_cardinality(count)
        return tf.data.TFRecordDataset(path).apply(check)

    serialized = tf.data.Dataset.from_tensor_slices((paths, rows)).interleave(
        read_shard,
        cycle_length=order.shards_at_once,
        block_length=ROWS_IN_TURN,
    )
    windows = serialized.skip(first_window * order.window).batch(order.window)

    @_as_written
    def shuffled(window, content):
        begin = tf.where(window == first_window, first_row % order.window, 0)
        permutation = tf.range(tf.size(content))
        if order.seed is not None:
            key = fold(fold(fold(_key(order.row_key), epoch), group), window)
            permutation = tf.argsort(fold(key, permutation), stable=True)
        return tf.gather(content, permutation[begin:])

    numbers = tf.data.Dataset.range(first_window, _ENDLESS)
    return tf.data.Dataset.zip(numbers, windows).map(shuffled).prefetch(1)


def _shard_order(order: RowOrder, epoch):
    shards = tf.range(len(order.split.shards))
    if order.seed is None:
        return shards
    return tf.argsort(fold(fold(_key(order.shard_key), epoch), shards), stable=True)


def _decode(plan: BatchPlan, step, serialized) -> dict:
    """Turns serialized rows into the batch fields, masked; a short batch is filled up."""
    features = {name: tf.io.RaggedFeature(tf.int64) for name in _lists(plan)}
    features |= {
        name: tf.io.FixedLenFeature([], tf.int64)
        for name in ("first_length", "sentence_order_label")
    }
    parsed = tf.io.parse_example(serialized, features)
    with tf.control_dependencies([_refuse_bad_rows(plan, parsed)]):
        parsed = tf.nest.map_structure(tf.identity, parsed, expand_composites=True)
    width = plan.records.sequence_length
    token_ids = _padded(plan, parsed["token_ids"], width, plan.records.vocabulary.pad_id)
    lengths, first_lengths, labels = (
        _filled(plan, values)
        for values in (
            parsed["token_ids"].row_lengths(),
            parsed["first_length"],
            parsed["sentence_order_label"],
        )
    )
    in_row = tf.sequence_mask(lengths, width, tf.int32)
    fields = {
        "token_ids": token_ids,
        "segment_ids": in_row - tf.sequence_mask(first_lengths, width, tf.int32),
        "padding_mask": in_row,
        "sentence_order_label": labels,
    }
    if plan.records.is_masked:
        return fields | _stored_masks(plan, parsed)
    epoch, step_in_epoch = step // plan.steps_per_epoch, step % plan.steps_per_epoch
    first_row = step_in_epoch * plan.batch_size + plan.first_of_worker
    keys = fold(
        fold(_key(plan.mask_key), epoch), first_row + tf.range(plan.num_rows, dtype=tf.int64)
    )
    return fields | mask_rows(
        token_ids, lengths, first_lengths, keys, plan.records.vocabulary, plan.law
    )


def _lists(plan: BatchPlan) -> list[str]:
    return ["token_ids"] + ["mask_positions", "mask_ids"] * plan.records.is_masked


def _stored_masks(plan: BatchPlan, parsed: dict) -> dict:
    """The masks that were written with the rows."""
    width = plan.law.max_predictions
    counts = _filled(plan, parsed["mask_ids"].row_lengths())
    return {
        "mask_positions": _padded(plan, parsed["mask_positions"], width, 0),
        "mask_ids": _padded(plan, parsed["mask_ids"], width, 0),
        "mask_weights": tf.sequence_mask(counts, width, tf.float32),
    }


def _filled(plan: BatchPlan, values):
    """int32 `(rows,)`, filled up with zeros."""
    filling = plan.num_rows - tf.size(values)
    return tf.ensure_shape(tf.pad(tf.cast(values, tf.int32), [[0, filling]]), [plan.num_rows])


def _padded(plan: BatchPlan, ragged, width: int, value: int):
    """int32 `(rows, width)`, filled up on the right and below."""
    dense = tf.cast(ragged, tf.int32).to_tensor(value, shape=(plan.num_rows, width))
    return tf.ensure_shape(dense, (plan.num_rows, width))


def _refuse_bad_rows(plan: BatchPlan, parsed: dict):
    """Fails where `record_rows.decode_rows` would, which then says which record it is."""
    limits, ids = plan.records.limits, parsed["token_ids"]
    lengths = ids.row_lengths()
    holds = [
        lengths <= limits.sequence_length,
        (ids.values >= 0) & (ids.values < limits.vocabulary_size),
        (parsed["first_length"] >= 2) & (parsed["first_length"] <= tf.cast(lengths, tf.int64)),
    ]
    if limits.max_predictions is not None:
        positions, answers = parsed["mask_positions"], parsed["mask_ids"]
        counts = positions.row_lengths()
        holds += [
            counts == answers.row_lengths(),
            counts <= limits.max_predictions,
            (positions.values >= 0) & (positions.values < limits.sequence_length),
            (answers.values >= 0) & (answers.values < limits.vocabulary_size),
        ]
    all_hold = tf.reduce_all([tf.reduce_all(one) for one in holds])
    return tf.debugging.Assert(all_hold, [_BAD_ROW])


def _key(value: int):
    return tf.constant(np.uint64(value))
