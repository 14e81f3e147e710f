import numpy as np
import pytest
import tensorflow as tf

from albert_tf.data.row_windows import cut_windows


@pytest.mark.parametrize(("size", "overlap"), [(5, 2), (4, 0), (7, 3), (3, 2)])
def test_every_place_is_best_in_one_window_with_text_on_both_sides(size, overlap):
    lengths = np.arange(23)
    windows = cut_windows(tf.constant(lengths, tf.int64), size, overlap)
    assert set(windows.rows.numpy()) == set(lengths)
    best = windows.places.values.numpy()[windows.is_best.values.numpy()]
    assert sorted(best) == list(range(lengths.sum()))
    assert windows.places.row_lengths().numpy().max() == size
    for row, places, is_best in zip(
        windows.rows.numpy(), windows.places.to_list(), windows.is_best.to_list(), strict=True
    ):
        start = lengths[:row].sum()
        inner = [p - start for p, b in zip(places, is_best, strict=True) if b]
        # At least half of the overlap is context, where the text has that much.
        left, right = places[:1], places[-1:]
        for place in inner:
            assert place - (left[0] - start) >= min(overlap // 2, place)
            assert right[0] - start - place >= min(overlap - overlap // 2 - 1, row - 1 - place)


def test_short_rows_are_one_window():
    windows = cut_windows(tf.constant([3, 0, 2], tf.int64), 4, 2)
    assert windows.places.to_list() == [[0, 1, 2], [], [3, 4]]
    assert windows.take(tf.constant(list("abcde"))).to_list()[2] == [b"d", b"e"]
