"""From segments of token ids to one padded row each: [CLS] a [SEP] or [CLS] a [SEP] b [SEP]."""

import tensorflow as tf


def pack_segments(segments, sequence_length, tokenizer):
    """Joins one or two segments a row with special tokens, in the graph.

    Rows are padded to the longest row of the batch, not to `sequence_length`. What is too long is
    cut at the end; of a pair, the longer segment is cut first, as the original does
    (`_truncate_seq_pair` in classifier_utils.py).

    Args:
        segments: tuple of one or two int32 ragged tensors `(batch, None)`.
        sequence_length: longest row, special tokens included.
        tokenizer: gives `start_token_id`, `end_token_id` and `pad_token_id`.

    Returns:
        Dictionary of `token_ids`, `segment_ids` and `padding_mask`, int32
        `(batch, longest row)`; 0 in both of the latter for padding.

    Raises:
        ValueError: not one or two segments, or `sequence_length` leaves no room for text.
    """
    if len(segments) not in (1, 2):
        raise ValueError(f"A row takes one or two segments: got {len(segments)}.")
    room = sequence_length - len(segments) - 1
    if room < len(segments):
        raise ValueError(
            f"sequence_length must leave room for text beside {len(segments) + 1} special tokens: "
            f"got {sequence_length}."
        )
    lengths = [tf.cast(segment.row_lengths(), tf.int64) for segment in segments]
    kept = truncated_lengths(lengths, room)
    batch = tf.shape(lengths[0])[0]
    start = tf.fill([batch, 1], tf.cast(tokenizer.start_token_id, tf.int32))
    end = tf.fill([batch, 1], tf.cast(tokenizer.end_token_id, tf.int32))
    pieces = [tf.RaggedTensor.from_tensor(start)]
    for segment, length in zip(segments, kept, strict=True):
        pieces += [_heads(segment, length), tf.RaggedTensor.from_tensor(end)]
    rows = tf.concat(pieces, axis=1)

    row_lengths = rows.row_lengths()
    # An empty batch has no longest row; [CLS] [SEP] is the shortest that there can be.
    width = tf.reduce_max(tf.concat([row_lengths, [2]], axis=0))
    padding_mask = tf.sequence_mask(row_lengths, width, dtype=tf.int32)
    in_first = tf.sequence_mask(kept[0] + 2, width, dtype=tf.int32)
    token_ids = rows.to_tensor(tokenizer.pad_token_id, shape=(None, None))
    # `to_tensor` pads to the longest row; an empty batch still needs the width.
    token_ids = tf.pad(token_ids, [[0, 0], [0, width - tf.shape(token_ids, tf.int64)[1]]])
    return {
        "token_ids": token_ids,
        "segment_ids": padding_mask * (1 - in_first),
        "padding_mask": padding_mask,
    }


def truncated_lengths(lengths, room):
    """How many tokens of each segment stay, cutting the longer one first, the second on a tie.

    Args:
        lengths: one or two int64 tensors `(batch,)`.
        room: most tokens of a row, without special tokens.

    Returns:
        List of int64 tensors `(batch,)`.
    """
    if len(lengths) == 1:
        return [tf.minimum(lengths[0], room)]
    first, second = lengths
    larger_half = (room + 1) // 2
    return [
        tf.minimum(first, tf.maximum(room - second, larger_half)),
        tf.minimum(second, tf.maximum(room - first, room - larger_half)),
    ]


def _heads(segment, lengths):
    """The first `lengths[i]` values of each row `i`."""
    starts = tf.cast(segment.row_starts(), tf.int64)
    places = tf.ragged.range(starts, starts + lengths)
    return tf.RaggedTensor.from_row_lengths(tf.gather(segment.values, places.values), lengths)
