import itertools
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.data.masking import MaskingLaw
from albert_tf.data.preparation.run import prepare
from albert_tf.data.preparation.settings import PreparationSettings
from albert_tf.data.record_batches import numpy_batches
from albert_tf.data.record_files import RecordError
from albert_tf.data.record_set import RecordSet
from albert_tf.data.records import batches, damage_named

fixtures = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("record_fixtures.py"))))
SETTINGS = {"batch_size": 8, "max_predictions": 5, "seed": 3, "shuffle_buffer": 20}
# Eighteen shards are two groups; windows of 20 rows end within shards and within batches.
SIZES = (9, 1, 0, 17, 11, *[3] * 13)


@pytest.fixture(scope="module")
def records(tmp_path_factory, tiny_proto):
    directory = tmp_path_factory.mktemp("records")
    shards = [fixtures.rows_of(count, seed) for seed, count in enumerate(SIZES)]
    splits = {"train": shards, "held_out": [fixtures.rows_of(n, 90 + n) for n in (12, 7)]}
    return RecordSet.open(fixtures.write_records(directory, tiny_proto, splits))


def from_tensorflow(records, split, count=None, **settings):
    dataset = batches(records, split, **SETTINGS | settings)
    return list((dataset.take(count) if count else dataset).as_numpy_iterator())


def from_numpy(records, split, count=None, **settings):
    return list(itertools.islice(numpy_batches(records, split, **SETTINGS | settings), count))


def assert_same(batches, others):
    for batch, other in zip(batches, others, strict=True):
        assert batch.keys() == other.keys()
        for name, values in batch.items():
            assert values.dtype == other[name].dtype
            np.testing.assert_array_equal(values, other[name], err_msg=name)


def rows_seen(batches):
    """The text of every row, masks taken off; empty rows left out."""
    rows = []
    for batch in batches:
        ids = batch["token_ids"].copy()
        for row, position, answer, weight in zip(
            ids, batch["mask_positions"], batch["mask_ids"], batch["mask_weights"], strict=True
        ):
            row[position[weight > 0]] = answer[weight > 0]
        rows += [tuple(row[row > 0].tolist()) for row in ids if row.any()]
    return rows


def written(directory_rows):
    return {tuple(row["token_ids"].tolist()) for row in directory_rows}


def test_training_goes_on_over_epochs_with_static_shapes(records):
    dataset = batches(records, "train", **SETTINGS)
    assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY
    assert {n: (s.dtype.name, tuple(s.shape)) for n, s in dataset.element_spec.items()} == {
        "token_ids": ("int32", (8, 24)),
        "segment_ids": ("int32", (8, 24)),
        "padding_mask": ("int32", (8, 24)),
        "mask_positions": ("int32", (8, 5)),
        "mask_ids": ("int32", (8, 5)),
        "mask_weights": ("float32", (8, 5)),
        "sentence_order_label": ("int32", (8,)),
    }
    steps = records.steps_per_epoch(8)
    read = list(dataset.take(2 * steps + 1).as_numpy_iterator())
    assert_same(read, from_numpy(records, "train", 2 * steps + 1))
    first, second = rows_seen(read[:steps]), rows_seen(read[steps : 2 * steps])
    everything = written(itertools.chain(*map(fixtures.rows_of, SIZES, range(len(SIZES)))))
    for epoch in (first, second):
        assert len(set(epoch)) == len(epoch) == 8 * steps and set(epoch) <= everything
    assert first != second and set(first) != set(second)  # other rows are left out


def test_starting_at_a_step_gives_what_an_uninterrupted_run_has_there(records):
    steps = records.steps_per_epoch(8)
    whole = from_numpy(records, "train", 2 * steps + 3)
    for start in (1, steps - 1, steps, steps + 1, 2 * steps):
        resumed = from_numpy(records, "train", 3, start_step=start)
        assert_same(resumed, whole[start : start + 3])


def test_the_graph_resumes_and_shares_out_as_well(records):
    steps = records.steps_per_epoch(8)
    start = 2 * steps - 2
    whole = from_numpy(records, "train", start + 5)
    second = from_tensorflow(records, "train", 5, start_step=start, shard=(1, 2))
    assert_same(second, [{name: v[4:] for name, v in batch.items()} for batch in whole[start:]])


@pytest.mark.parametrize("count", [2, 8])
def test_the_parts_of_all_workers_make_the_batch_of_one(records, count):
    whole = from_numpy(records, "train", 12)
    parts = [from_numpy(records, "train", 12, shard=(i, count)) for i in range(count)]
    joined = [
        {n: np.concatenate([p[n] for p in step]) for n in step[0]}
        for step in zip(*parts, strict=True)
    ]
    assert_same(joined, whole)


def test_more_workers_than_shards_share_a_batch(tmp_path, tiny_proto):
    splits = {"train": [fixtures.rows_of(20)]}
    records = RecordSet.open(fixtures.write_records(tmp_path, tiny_proto, splits))
    last = from_numpy(records, "train", 3, shard=(3, 4))
    whole = from_numpy(records, "train", 3)
    assert_same(last, [{name: values[6:] for name, values in batch.items()} for batch in whole])


def test_evaluation_is_one_pass_filled_up_with_empty_rows(records):
    dataset = batches(records, "held_out", **SETTINGS)
    read = list(dataset.as_numpy_iterator())
    assert dataset.cardinality() == len(read) == records.steps_per_epoch(8, "held_out") == 3
    assert read[2]["padding_mask"][:, 0].tolist() == [1, 1, 1, 0, 0, 0, 0, 0]
    assert not any(values[3:].any() for values in read[2].values())
    texts = [tuple(r["token_ids"].tolist()) for n in (12, 7) for r in fixtures.rows_of(n, 90 + n)]
    assert rows_seen(read) == texts
    assert_same(read, from_numpy(records, "held_out"))


def test_a_worker_whose_part_is_all_filling_gets_empty_rows(records):
    last = from_tensorflow(records, "held_out", shard=(3, 4))
    assert_same(last, from_numpy(records, "held_out", shard=(3, 4)))
    assert last[1]["padding_mask"].any() and not any(values.any() for values in last[2].values())


def test_evaluation_masks_are_the_same_for_every_seed_and_batch_size(records):
    def rows(**settings):
        read = from_numpy(records, "held_out", **settings)
        return {name: np.concatenate([b[name] for b in read])[:19] for name in read[0]}

    assert_same([rows()], [rows(seed=8, batch_size=5)])


def test_each_epoch_is_masked_anew_and_each_seed_otherwise(records):
    steps = records.steps_per_epoch(8)
    unshuffled = {"shuffle": False}
    read = from_numpy(records, "train", steps + 1, **unshuffled)
    assert rows_seen(read[:1]) == rows_seen(read[steps:])
    other = from_numpy(records, "train", 1, seed=4, **unshuffled)
    for batch in (read[steps], other[0]):
        assert (batch["mask_positions"] != read[0]["mask_positions"]).any()


def masked_row(row):
    ids = row["token_ids"].copy()
    ids[[1, 4]] = 4
    return row | {"token_ids": ids, "mask_positions": [1, 4], "mask_ids": row["token_ids"][[1, 4]]}


def test_records_that_were_masked_before_are_read_as_they_are(tmp_path, tiny_proto):
    rows = [masked_row(row) for row in fixtures.rows_of(9)]
    settings = {"masking": "static", "max_predictions": 3}
    fixtures.write_records(tmp_path, tiny_proto, {"held_out": [rows]}, **settings)
    records = RecordSet.open(tmp_path)
    read = from_tensorflow(records, "held_out")
    assert read[0]["mask_positions"].tolist() == [[1, 4, 0, 0, 0]] * 8
    assert read[0]["mask_weights"].tolist() == [[1, 1, 0, 0, 0]] * 8
    assert read[0]["mask_ids"][3, :2].tolist() == rows[3]["mask_ids"].tolist()
    assert read[1]["mask_weights"].sum() == 2 and (read[1]["token_ids"][0, [1, 4]] == 4).all()
    assert_same(read, from_numpy(records, "held_out"))
    with pytest.raises(RecordError, match="masked with up to 3 .* at least that, got 2"):
        batches(records, "held_out", **SETTINGS | {"max_predictions": 2})


@pytest.mark.parametrize("masking", ["dynamic", "static"])
def test_what_prepare_writes_is_read_with_the_masks_of_the_law(tmp_path, tiny_proto, masking):
    vocabulary, text = tmp_path / "v.model", tmp_path / "text.txt"
    vocabulary.write_bytes(tiny_proto)
    text.write_text("The cat sat. A list of numbers! Plot the array? It was dull.\n\n" * 40)
    settings = PreparationSettings(
        sequence_length=24, max_predictions=5, held_out=0, shards=2, masking=masking
    )
    prepare([text], vocabulary, tmp_path / "records", settings, num_workers=1)
    records = RecordSet.open(tmp_path / "records", vocabulary)
    records.check()
    read = from_numpy(records, "train", records.steps_per_epoch(8))
    lengths = np.concatenate([batch["padding_mask"].sum(1) for batch in read])
    picked = np.concatenate([batch["mask_weights"].sum(1) for batch in read])
    law = MaskingLaw(max_predictions=5)
    assert (picked <= [law.budget(int(length)) for length in lengths]).all()
    assert picked.min() >= 1 and picked.sum() > 0.12 * lengths.sum()


def test_a_single_segment_has_one_segment_id(tmp_path, tiny_proto):
    ids = np.array([2, *range(5, 25), 3])
    row = {"token_ids": ids, "first_length": 22, "sentence_order_label": 0}
    fixtures.write_records(tmp_path, tiny_proto, {"held_out": [[row]]}, objective="none")
    (batch,) = from_numpy(RecordSet.open(tmp_path), "held_out")
    assert not batch["segment_ids"].any() and batch["padding_mask"][0].sum() == 22


@pytest.mark.parametrize(
    ("read", "kind", "message"),
    [
        (from_numpy, "cut", "is truncated: .* byte {}"),
        (from_tensorflow, "cut", "is truncated: .* byte {}"),
        (from_numpy, "flipped", "is damaged: .* byte {}"),
        pytest.param(from_tensorflow, "flipped", "is damaged: .* byte {}", marks=pytest.mark.slow),
    ],
)
def test_damage_met_while_reading_names_the_file_and_the_byte(
    tmp_path, tiny_proto, read, kind, message
):
    shards = [fixtures.rows_of(20, seed) for seed in range(2)]
    records = RecordSet.open(fixtures.write_records(tmp_path, tiny_proto, {"train": shards}))
    path = tmp_path / "train-00001-of-00002.tfrecord"
    content, last = bytearray(path.read_bytes()), len(fixtures.example(shards[1][-1])) + 16
    content[-9] ^= 1
    path.write_bytes(content[:-9] if kind == "cut" else content)
    where = rf"train-00001-of-00002\.tfrecord {message.format(len(content) - last)} "
    with pytest.raises(RecordError, match=where), damage_named(records):
        read(records, "train", 5)


@pytest.mark.parametrize("read", [from_tensorflow, from_numpy])
def test_a_row_that_breaks_the_manifest_is_named_while_reading(tmp_path, tiny_proto, read):
    row = {"token_ids": [2, 90, 3], "first_length": 3, "sentence_order_label": 0}
    fixtures.write_records(tmp_path, tiny_proto, {"held_out": [[row]]})
    records = RecordSet.open(tmp_path)
    with pytest.raises(RecordError, match="byte 0 .* token id is 90"), damage_named(records):
        read(records, "held_out")


@pytest.mark.parametrize(
    ("read", "rows"),
    [
        (from_numpy, 3),
        (from_numpy, 5),
        (from_tensorflow, 5),
        pytest.param(from_tensorflow, 3, marks=pytest.mark.slow),
    ],
)
def test_a_shard_with_another_number_of_rows_is_named_while_reading(
    tmp_path, tiny_proto, read, rows
):
    fixtures.write_records(tmp_path, tiny_proto, {"held_out": [fixtures.rows_of(4)]})
    manifest = tmp_path / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"rows": 4', f'"rows": {rows}'))
    records = RecordSet.open(tmp_path)
    with pytest.raises(RecordError, match=f"must hold {rows} .* it holds 4"), damage_named(records):
        read(records, "held_out")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"shard": (2, 2)}, r"shard must be .* got \(2, 2\) and 8"),
        ({"shard": (0, 3)}, r"count must divide batch_size: got \(0, 3\) and 8"),
        ({"start_step": -1}, "start_step must be 0, or for 'train' more: got -1"),
        ({"batch_size": 100}, "'train' has 77 rows, fewer than one batch of 100"),
        ({"batch_size": 0}, "batch_size must be at least 1: got 0"),
        ({"mask_fraction": 1.5}, r"mask_fraction must be in \(0, 1\]: got 1.5"),
        ({"seed": -1}, "seed must be"),
        ({"shuffle_buffer": 0}, "shuffle_buffer must be at least 1"),
    ],
)
@pytest.mark.parametrize("read", [batches, numpy_batches])
def test_settings_out_of_range_are_refused_before_reading(records, read, setting, message):
    with pytest.raises(ValueError, match=message):
        read(records, "train", **SETTINGS | setting)


def test_a_shard_of_no_rows_may_be_the_only_thing_in_a_split(tmp_path, tiny_proto):
    fixtures.write_records(tmp_path, tiny_proto, {"train": [[]]})
    with pytest.raises(RecordError, match="the split 'train' has no rows"):
        numpy_batches(RecordSet.open(tmp_path), "train", **SETTINGS)


WITHOUT_TENSORFLOW = """
import sys
sys.modules["tensorflow"] = sys.modules["keras"] = None  # importing either fails
from albert_tf.data.record_batches import numpy_batches
from albert_tf.data.record_set import RecordSet
records = RecordSet.open(sys.argv[1])
settings = {"batch_size": 8, "max_predictions": 5, "seed": 3, "shuffle_buffer": 20}
batch = next(numpy_batches(records, "train", **settings))
print(batch["token_ids"].sum(), batch["mask_positions"].sum())
"""


def test_records_are_read_where_there_is_no_tensorflow(records):
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW, str(records.directory)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    (batch,) = from_numpy(records, "train", 1)
    sums = [int(batch[name].sum()) for name in ("token_ids", "mask_positions")]
    assert [int(word) for word in done.stdout.split()] == sums
