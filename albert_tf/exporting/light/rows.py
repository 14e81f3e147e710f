"""From pieces to the rows that a TFLite file reads, in plain Python: [CLS] a [SEP] b [SEP]."""

from typing import NamedTuple


class Row(NamedTuple):
    """One row of ids.

    Args:
        token_ids, segment_ids: lists of equal length, without padding.
    """

    token_ids: list
    segment_ids: list


def pack(tokenizer, limit, first, second=None):
    """Joins one or two lists of ids with special tokens.

    What is too long is cut at its end; of two, the longer one first, the second on a tie, as in
    `albert_tf.data.packing`.

    Args:
        tokenizer: `DeviceTokenizer`.
        limit: longest row, special tokens included.
        first, second: lists of ids.
    """
    if second is None:
        ids = [tokenizer.start_id, *first[: limit - 2], tokenizer.end_id]
        return Row(ids, [0] * len(ids))
    room = limit - 3
    larger_half = (room + 1) // 2
    kept = min(len(first), max(room - len(second), larger_half))
    kept_second = min(len(second), max(room - len(first), room - larger_half))
    head = [tokenizer.start_id, *first[:kept], tokenizer.end_id]
    tail = [*second[:kept_second], tokenizer.end_id]
    return Row(head + tail, [0] * len(head) + [1] * len(tail))


def cut_windows(length, size, overlap):
    """Cuts a row into windows, as `albert_tf.data.row_windows`.

    Args:
        length: of the row.
        size: most places of a window.
        overlap: places that neighbours share, less than `size`.

    Returns:
        List of (start, end, best): the places of a window, and the set of those that lie best in
        it of all windows.
    """
    step = size - overlap
    count = 1 + -(-max(length - size, 0) // step)
    windows = []
    for number in range(count):
        start = number * step
        end = min(start + size, length)
        best = {
            place
            for place in range(start, end)
            if min(max(place - overlap // 2, 0) // step, count - 1) == number
        }
        windows.append((start, end, best))
    return windows
