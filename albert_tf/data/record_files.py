"""TFRecord files of `tf.train.Example`, read with NumPy alone and checked byte by byte.

The framing of a record is its length (8 bytes, little endian), a masked CRC-32C of those, the
content, and a masked CRC-32C of that. No TensorFlow here: training on the JAX backend reads its
records with this, and TensorFlow's reader, which cannot tell which file is damaged, asks it.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from albert_tf.data.checksums import masked_crcs, masked_crcs_within

HEADER, FOOTER = 12, 4
CHUNK = 8 << 20  # bytes read at once


class RecordError(ValueError):
    """A file or directory of records is damaged, or does not fit what it is used for."""


def read_records(path, skip: int = 0) -> Iterator[tuple[int, bytes]]:
    """Reads the records of one file in order.

    Args:
        path: a TFRecord file, not compressed.
        skip: records to pass over at the start; their content is not checked.

    Yields:
        `(offset, content)`: the byte where the record's frame begins, and what it holds.

    Raises:
        RecordError: the file is truncated or damaged; names it and the byte offset. The records
            before the damage are given first.
    """
    with open(path, "rb") as file:
        offset, rest = 0, b""
        while chunk := file.read(CHUNK):
            data = rest + chunk if rest else chunk
            starts, end = _frames(data)
            yield from _checked(path, data, starts, offset, skip)
            skip = max(0, skip - len(starts))
            offset, rest = offset + end, data[end:]
            if len(rest) > CHUNK:
                _refuse_endless(path, rest, offset, file)
        if rest:
            _raise_truncated(path, rest, offset)


def check_frames(path):
    """Reads a file from end to end and raises at the first record that is truncated or damaged."""
    for _ in read_records(path):
        pass


def parse_example(content: bytes, path="a record", offset: int = 0) -> dict[str, bytes]:
    """Finds the lists of whole numbers in a serialized `tf.train.Example`.

    Args:
        content: the serialized message.
        path, offset: where it stands, for the error.

    Returns:
        Name of each feature -> its packed values, to be read with `unpack_values`.

    Raises:
        RecordError: the message is malformed, or a feature is no packed `int64_list`.
    """
    try:
        lists = {}
        for features in _submessages(content, 1):
            for entry in _submessages(features, 1):
                name, feature = _field(entry, 1), _field(entry, 2)
                lists[name.decode("utf-8")] = _field(_field(feature, 3), 1)
                if feature and feature[0] != 3 << 3 | 2:
                    raise LookupError(f"the feature {name!r} has values of another type")
        return lists
    except (IndexError, LookupError, UnicodeDecodeError) as error:
        raise RecordError(
            f"{path}: the record at byte {offset} is whole but no tf.train.Example of whole "
            f"numbers ({error}). Was the file written by `albert-tf prepare`?"
        ) from error


def unpack_values(packed: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Reads many packed lists of whole numbers (varints) at once.

    Returns:
        `(values, lengths)`: int64, the values of all lists one after the other, and how many
        each list has.
    """
    data = np.frombuffer(b"".join(packed), np.uint8)
    is_last = data < 128
    ends = np.flatnonzero(is_last)
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    place = np.arange(len(data)) - np.repeat(starts, ends - starts + 1)
    parts = (data & 127).astype(np.uint64) << (7 * place).astype(np.uint64)
    values = np.add.reduceat(parts, starts) if len(starts) else parts
    counted = np.concatenate([[0], np.cumsum(is_last)])
    bounds = np.concatenate([[0], np.cumsum([len(one) for one in packed])]).astype(np.int64)
    return values.astype(np.int64), np.diff(counted[bounds])


def _frames(data: bytes) -> tuple[list[int], int]:
    """Start of every whole frame of a chunk, and where the next, unfinished one begins."""
    starts, begin, size = [], 0, len(data)
    length_at = struct.Struct("<Q").unpack_from
    while begin + HEADER <= size:
        end = begin + HEADER + length_at(data, begin)[0] + FOOTER
        if end > size:
            break
        starts.append(begin)
        begin = end
    return starts, begin


def _checked(path, data: bytes, starts: list[int], offset: int, skip: int):
    """Yields the records of a chunk, after the first `skip`, up to the first damaged one."""
    if not starts:
        return
    array, begins = np.frombuffer(data, np.uint8), np.array(starts, np.int64)
    numbers = np.lib.stride_tricks.sliding_window_view(array, 4)
    lengths = np.lib.stride_tricks.sliding_window_view(array, 8)[begins].copy().view("<u8")[:, 0]
    lengths = lengths.astype(np.int64)
    bad = masked_crcs_within(array, begins, np.full(len(begins), 8)) != _uint32(numbers, begins + 8)
    contents, tail = begins + HEADER, slice(min(skip, len(begins)), None)
    sums = _uint32(numbers, contents[tail] + lengths[tail])
    bad[tail] |= masked_crcs_within(array, contents[tail], lengths[tail]) != sums
    damaged = np.flatnonzero(bad)
    stop = int(damaged[0]) if len(damaged) else len(starts)
    for begin, length in zip(starts[skip:stop], lengths[skip:stop].tolist(), strict=True):
        yield offset + begin, data[begin + HEADER : begin + HEADER + length]
    if len(damaged):
        raise RecordError(
            f"{path} is damaged: the checksum of the record at byte {offset + starts[stop]} does "
            "not fit. Copy the file again, or prepare the records again."
        )


def _uint32(windows, positions):
    return windows[positions].copy().view("<u4")[:, 0]


def _refuse_endless(path, rest: bytes, offset: int, file):
    """A frame longer than a chunk is real only if its length is whole and the file goes on."""
    (length,) = struct.unpack_from("<Q", rest)
    remaining = Path(path).stat().st_size - offset
    if _bad_length(rest) or HEADER + length + FOOTER > remaining:
        _raise_truncated(path, rest, offset)


def _bad_length(frame: bytes) -> bool:
    return struct.unpack_from("<I", frame, 8)[0] != int(masked_crcs([frame[:8]])[0])


def _raise_truncated(path, rest: bytes, offset: int):
    if len(rest) >= HEADER and _bad_length(rest):
        raise RecordError(
            f"{path} is damaged: the checksum of the record at byte {offset} does not fit. Copy "
            "the file again, or prepare the records again."
        )
    raise RecordError(
        f"{path} is truncated: the record at byte {offset} is not whole. Copy the file again, or "
        "prepare the records again."
    )


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def _submessages(data: bytes, number: int) -> Iterator[bytes]:
    """Yields the length-delimited fields of one number; others are not expected."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag != number << 3 | 2:
            raise LookupError(f"field tag {tag} where {number << 3 | 2} belongs")
        length, at = _varint(data, at)
        if at + length > len(data):
            raise LookupError("a field runs past the end")
        yield data[at : at + length]
        at += length


def _field(data: bytes, number: int) -> bytes:
    """The one length-delimited field of this number; empty when it is absent."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        length, at = _varint(data, at)
        if tag & 7 != 2 or at + length > len(data):
            raise LookupError(f"field tag {tag} of a kind that does not belong here")
        if tag >> 3 == number:
            return data[at : at + length]
        at += length
    return b""
