import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from albert_tf.data.record_files import RecordError
from albert_tf.data.record_set import RecordSet

fixtures = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("record_fixtures.py"))))


@pytest.fixture
def directory(tmp_path, tiny_proto):
    shards = [fixtures.rows_of(count, seed) for seed, count in enumerate((7, 0, 4))]
    held_out = [fixtures.rows_of(3, 9)]
    splits = {"train": shards, "held_out": held_out}
    return fixtures.write_records(tmp_path, tiny_proto, splits, extra="kept")


def change(directory, edit):
    path = directory / "manifest.json"
    manifest = json.loads(path.read_text())
    edit(manifest)
    path.write_text(json.dumps(manifest))


def test_a_directory_is_opened_by_its_manifest(directory, tiny_proto):
    records = RecordSet.open(directory, vocabulary=tiny_proto)
    assert (records.sequence_length, records.objective, records.is_masked) == (24, "sop", False)
    assert records.settings["extra"] == "kept" and records.vocabulary_size == 88
    assert {name: split.rows for name, split in records.splits.items()} == {
        "train": 11,
        "held_out": 3,
    }
    assert records.vocabulary.mask_id == 4 and len(records.vocabulary.word_starts) == 88
    records.check()


def test_what_masking_knows_is_the_same_read_from_the_file_or_the_tokenizer(
    directory, tiny_tokenizer
):
    ours = RecordSet.open(directory).vocabulary
    theirs = type(ours).of(tiny_tokenizer.vocabulary)
    assert ours[:4] == theirs[:4]
    assert ours.ordinary_ids.tolist() == theirs.ordinary_ids.tolist()
    assert ours.word_starts.tolist() == theirs.word_starts.tolist()


def test_the_steps_of_an_epoch_are_whole_batches_and_of_evaluation_all_rows(directory):
    records = RecordSet.open(directory)
    assert [records.steps_per_epoch(size) for size in (1, 2, 4, 11)] == [11, 5, 2, 1]
    assert [records.steps_per_epoch(size, "held_out") for size in (1, 2, 3, 8)] == [3, 2, 1, 1]


def test_a_batch_larger_than_the_split_is_refused_with_the_largest_possible(directory):
    with pytest.raises(RecordError, match="'train' has 11 rows, fewer than .* 12.* at most 11"):
        RecordSet.open(directory).steps_per_epoch(12)


def test_a_split_that_is_not_there_is_named(directory):
    with pytest.raises(RecordError, match="no split 'dev': it has train, held_out"):
        RecordSet.open(directory).split("dev")


def test_a_vocabulary_that_differs_is_named_with_both_sums(directory, tiny_proto):
    said = RecordSet.open(directory).vocabulary_sha256
    message = rf"sha256 [0-9a-f]{{64}}, the manifest says {said}. Train with .*vocabulary\.model"
    with pytest.raises(RecordError, match=message):
        RecordSet.open(directory, vocabulary=tiny_proto + b"\0")
    (directory / "vocabulary.model").write_bytes(b"other")
    message = rf"vocabulary\.model has sha256 .* says {said}. Bring it back"
    with pytest.raises(RecordError, match=message):
        RecordSet.open(directory)


@pytest.mark.parametrize("name", ["manifest.json", "vocabulary.model", "train-00002-of-00003"])
def test_a_missing_file_is_named(directory, name):
    path = directory / (name if "." in name else f"{name}.tfrecord")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=path.name):
        RecordSet.open(directory)


def test_a_shard_that_was_cut_is_named_with_the_byte_where_it_breaks_off(directory):
    path = directory / "train-00000-of-00003.tfrecord"
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(RecordError, match=r"train-00000-of-00003\.tfrecord is truncated: .* byte"):
        RecordSet.open(directory)
    path.write_bytes(content + content)
    with pytest.raises(
        RecordError, match=rf"must have {len(content)} bytes .* has {len(content) * 2}"
    ):
        RecordSet.open(directory)


def test_damage_inside_a_shard_is_found_by_a_check(directory):
    path = directory / "train-00002-of-00003.tfrecord"
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes(content)
    with pytest.raises(RecordError, match=r"train-00002-of-00003\.tfrecord is damaged: .* byte 0 "):
        RecordSet.open(directory).check()


def bad_row(**changes):
    row = fixtures.rows_of(1)[0] | changes
    return {name: values for name, values in row.items() if values is not None}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (bad_row(token_ids=[2] + [7] * 24), "tokens are more than 24"),
        (bad_row(token_ids=[2, 7, 88, 3]), "token id is 88, not in 0 to 87"),
        (bad_row(first_length=25), "first segment .* is longer than the row"),
        (bad_row(first_length=1), r"first segment has no \[CLS\]"),
        (bad_row(first_length=[]), "no label or length"),
        (bad_row(sentence_order_label=None), "has no 'sentence_order_label', only first_length"),
    ],
)
def test_a_row_that_does_not_fit_the_manifest_is_named(tmp_path, tiny_proto, row, message):
    good = fixtures.rows_of(1)
    offset = len(fixtures.example(good[0])) + 16
    fixtures.write_records(tmp_path, tiny_proto, {"train": [[*good, row]]})
    with pytest.raises(RecordError, match=rf"00000.* byte {offset} does not fit .*{message}"):
        RecordSet.open(tmp_path).check()


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda m: m.update(format_version=2), "must be version 1: .* says 2"),
        (lambda m: m.pop("format_version"), r"cannot be read: .*manifest\.json"),
        (lambda m: m["settings"].update(objective="sos"), "objective must be one of sop, nsp"),
        (lambda m: m["settings"].update(sequence_length="24"), "must be a whole number.*'24'"),
        (lambda m: m["settings"].update(masking="static"), "KeyError 'max_predictions'"),
        (lambda m: m["splits"]["train"].update(rows=12), "have 11 rows together, the split 12"),
        (lambda m: m.pop("vocabulary"), "KeyError 'vocabulary'"),
    ],
)
def test_a_manifest_that_says_no_sense_is_refused(directory, edit, message):
    change(directory, edit)
    with pytest.raises(RecordError, match=message):
        RecordSet.open(directory)


def test_a_shard_of_another_number_of_rows_is_named(directory):
    def swap(manifest):
        shards = manifest["splits"]["train"]["shards"]
        shards[0]["rows"], shards[2]["rows"] = shards[2]["rows"], shards[0]["rows"]

    change(directory, swap)
    with pytest.raises(RecordError, match="00000-of-00003.* must hold 4 records .* it holds 7"):
        RecordSet.open(directory).check()
