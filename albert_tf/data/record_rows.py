"""Records as rows of numbers, checked one by one: what `prepare` writes and training reads.

No TensorFlow here, see `record_files.py`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from albert_tf.data.record_files import RecordError, parse_example, read_records, unpack_values

_AT_ONCE = 1024


class Record(NamedTuple):
    """A serialized record and where it was found."""

    path: Path
    offset: int
    content: bytes


class RowLimits(NamedTuple):
    """What the rows of a directory of records must keep to.

    Args:
        sequence_length: most tokens of a row.
        vocabulary_size: ids are smaller.
        max_predictions: most masked positions that a row holds; None when it holds no masks.
    """

    sequence_length: int
    vocabulary_size: int
    max_predictions: int | None


class Lists(NamedTuple):
    """A list of numbers for each of many rows: all `values` in order, and how many each has."""

    values: np.ndarray
    lengths: np.ndarray

    def padded(self, num_rows: int, width: int, value: int = 0) -> np.ndarray:
        """int32 `(num_rows, width)`, filled up on the right and below."""
        dense = np.full((num_rows, width), value, np.int32)
        dense[: len(self.lengths)][np.arange(width) < self.lengths[:, None]] = self.values
        return dense


class Rows(NamedTuple):
    """Decoded records; the masks are None unless the records hold them."""

    token_ids: Lists
    first_lengths: np.ndarray
    labels: np.ndarray
    mask_positions: Lists | None
    mask_ids: Lists | None


def decode_rows(found: list[Record], limits: RowLimits) -> Rows:
    """Decodes records.

    Raises:
        RecordError: a record is malformed, lacks a list, or breaks a limit; names the file and
            the byte offset.
    """
    examples = [parse_example(record.content, record.path, record.offset) for record in found]

    def lists(name):
        for record, example in zip(found, examples, strict=True):
            if name not in example:
                raise _error(record, f"it has no {name!r}, only {', '.join(sorted(example))}")
        return Lists(*unpack_values([example[name] for example in examples]))

    token_ids = lists("token_ids")
    first, labels = lists("first_length"), lists("sentence_order_label")
    _refuse_first(found, (first.lengths != 1) | (labels.lengths != 1), "it has no label or length")
    _refuse_first(
        found,
        token_ids.lengths > limits.sequence_length,
        f"its tokens are more than {limits.sequence_length}",
    )
    _refuse_values(found, token_ids, limits.vocabulary_size, "token id")
    _refuse_first(
        found,
        (first.values < 2) | (first.values > token_ids.lengths),
        "its first segment has no [CLS] and [SEP], or is longer than the row",
    )
    positions, answers = None, None
    if limits.max_predictions is not None:
        positions, answers = lists("mask_positions"), lists("mask_ids")
        too_many = positions.lengths > limits.max_predictions
        _refuse_first(found, too_many, f"it has more than {limits.max_predictions} masks")
        unequal = positions.lengths != answers.lengths
        _refuse_first(found, unequal, "it has not one answer for each masked position")
        _refuse_values(found, positions, limits.sequence_length, "masked position")
        _refuse_values(found, answers, limits.vocabulary_size, "masked id")
    return Rows(token_ids, first.values, labels.values, positions, answers)


def check_shard(path, rows: int, limits: RowLimits):
    """Reads a file from end to end.

    Raises:
        RecordError: a record is truncated, damaged or breaks a limit (names the byte offset), or
            the file holds another number of records than `rows`.
    """
    count, found = 0, []
    for offset, content in read_records(path):
        found.append(Record(path, offset, content))
        count += 1
        if len(found) == _AT_ONCE:
            decode_rows(found, limits)
            found = []
    if found:
        decode_rows(found, limits)
    if count != rows:
        raise wrong_count(path, rows, count)


def wrong_count(path, rows: int, count: int) -> RecordError:
    """The error of a file that is whole but holds another number of records than it should."""
    return RecordError(
        f"{path} must hold {rows} records by the manifest: it holds {count}, all whole. Copy it "
        "again, or prepare the records again."
    )


def take_records(path, skip: int = 0) -> Iterator[Record]:
    """`read_records` with the path in each record."""
    for offset, content in read_records(path, skip):
        yield Record(path, offset, content)


def _refuse_values(found, lists: Lists, bound: int, what: str):
    wrong = np.flatnonzero((lists.values < 0) | (lists.values >= bound))
    if len(wrong):
        row = int(np.searchsorted(np.cumsum(lists.lengths), wrong[0], side="right"))
        raise _error(found[row], f"a {what} is {lists.values[wrong[0]]}, not in 0 to {bound - 1}")


def _refuse_first(found, is_wrong: np.ndarray, message: str):
    wrong = np.flatnonzero(is_wrong)
    if len(wrong):
        raise _error(found[wrong[0]], message)


def _error(record: Record, message: str) -> RecordError:
    return RecordError(
        f"{record.path}: the record at byte {record.offset} does not fit its manifest: {message}. "
        "Prepare the records again."
    )
