from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.data.packing import pack_segments, truncated_lengths

IDS = SimpleNamespace(start_token_id=2, end_token_id=3, pad_token_id=0)


def ragged(*rows):
    return tf.ragged.constant(list(rows), dtype=tf.int32, ragged_rank=1)


def test_rows_are_padded_to_the_longest_of_the_batch():
    packed = pack_segments((ragged([7, 8, 9], [5]),), 512, IDS)
    assert packed["token_ids"].numpy().tolist() == [[2, 7, 8, 9, 3], [2, 5, 3, 0, 0]]
    assert packed["padding_mask"].numpy().tolist() == [[1] * 5, [1, 1, 1, 0, 0]]
    assert not packed["segment_ids"].numpy().any()


def test_the_second_text_of_a_pair_is_segment_1_with_its_sep():
    packed = pack_segments((ragged([7, 8], [9]), ragged([5], [])), 512, IDS)
    assert packed["token_ids"].numpy().tolist() == [[2, 7, 8, 3, 5, 3], [2, 9, 3, 3, 0, 0]]
    assert packed["segment_ids"].numpy().tolist() == [[0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 0, 0]]


def test_a_piece_with_the_id_of_padding_is_still_text():
    packed = pack_segments((ragged([0, 0], [7]),), 512, IDS)
    assert packed["padding_mask"].numpy().tolist() == [[1] * 4, [1, 1, 1, 0]]


def test_a_long_text_is_cut_at_its_end():
    packed = pack_segments((ragged(range(10, 20)),), 6, IDS)
    assert packed["token_ids"].numpy().tolist() == [[2, 10, 11, 12, 13, 3]]


def test_a_pair_is_cut_as_the_original_cuts_it():
    # `_truncate_seq_pair`: take from the longer one, from the second on a tie, until it fits.
    def original(first, second, room):
        while first + second > room:
            if first > second:
                first -= 1
            else:
                second -= 1
        return [first, second]

    lengths = np.stack(np.meshgrid(np.arange(13), np.arange(13)), -1).reshape(-1, 2)
    for room in range(2, 12):
        kept = truncated_lengths([tf.constant(lengths[:, 0]), tf.constant(lengths[:, 1])], room)
        expected = [original(a, b, room) for a, b in lengths.tolist()]
        assert np.stack(kept, -1).tolist() == expected


@pytest.mark.parametrize("num_segments", [1, 2])
def test_empty_text_and_empty_batches_give_whole_rows(num_segments):
    packed = pack_segments((ragged([]),) * num_segments, 512, IDS)
    assert packed["token_ids"].numpy().tolist() == [[2, 3, 3][: num_segments + 1]]
    nothing = tf.RaggedTensor.from_row_lengths(tf.zeros([0], tf.int32), tf.zeros([0], tf.int64))
    empty = pack_segments((nothing,) * num_segments, 512, IDS)
    assert {tuple(value.shape) for value in empty.values()} == {(0, 2)}


def test_a_length_without_room_for_text_is_refused():
    with pytest.raises(ValueError, match="room for text beside 3 special tokens: got 4"):
        pack_segments((ragged([7]), ragged([8])), 4, IDS)
    with pytest.raises(ValueError, match="one or two segments: got 3"):
        pack_segments((ragged([7]),) * 3, 512, IDS)
