import numpy as np
import pytest

from albert_tf.data.record_set import Shard, Split
from albert_tf.data.row_order import RowOrder

ROWS = [30, 1, 0, 17, 40, *[5] * 30]  # three groups of sixteen shards
SPLIT = Split(
    name="train",
    rows=sum(ROWS),
    tokens=0,
    shards=tuple(Shard(path=None, rows=rows, num_bytes=0, sha256="") for rows in ROWS),
)


def places(epoch, first_row=0, seed=0, window=25):
    order = RowOrder(split=SPLIT, seed=seed, window=window)
    parts = [w.places[w.begin :] for w in order.windows(epoch, first_row)]
    return [tuple(place) for part in parts for place in part.tolist()]


@pytest.mark.parametrize("seed", [0, None])
@pytest.mark.parametrize("window", [1, 25, 1000])
def test_an_epoch_visits_every_row_once(seed, window):
    everything = {(shard, row) for shard, rows in enumerate(ROWS) for row in range(rows)}
    visited = places(3, seed=seed, window=window)
    assert set(visited) == everything and len(visited) == len(everything)


def test_the_order_is_decided_by_seed_and_epoch():
    assert places(1) == places(1)
    assert len({tuple(p) for p in (places(0), places(1), places(0, seed=1))}) == 3


def test_without_a_seed_rows_come_as_they_stand():
    assert places(5, seed=None) == sorted(places(5, seed=None))


@pytest.mark.parametrize("seed", [0, None])
def test_beginning_anywhere_gives_what_follows_there(seed):
    whole = places(2, seed=seed)
    for first_row in range(0, len(whole), 7):
        assert places(2, first_row, seed) == whole[first_row:]


def test_shards_are_mixed_and_no_place_is_favoured():
    # One shard of 200 rows in one window: where row 0 goes is uniform over 400 epochs.
    split = Split(
        name="train",
        rows=200,
        tokens=0,
        shards=(Shard(path=None, rows=200, num_bytes=0, sha256=""),),
    )
    order = RowOrder(split=split, seed=3, window=200)
    found = [int(np.argmin(next(order.windows(epoch)).places[:, 1])) for epoch in range(400)]
    # Mean of a uniform number below 200 over 400 draws: deviation 200 / sqrt(12) / 20 = 2.9.
    assert abs(np.mean(found) - 99.5) < 4 * 2.9 and len(set(found)) > 150
    first_batch = places(0, window=1000)[:32]
    assert len({shard for shard, _ in first_batch}) > 6


def test_a_window_without_rows_is_refused():
    with pytest.raises(ValueError, match="shuffle_buffer must be at least 1: got 0"):
        RowOrder(split=SPLIT, seed=0, window=0)
