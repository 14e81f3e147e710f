import hashlib
import json
import re

import numpy as np
import pytest

from albert_tf.data.masking import MaskingLaw, mask_row
from albert_tf.data.masking_vocabulary import MaskingVocabulary
from albert_tf.data.preparation import blocks, corpus, rows, spills
from albert_tf.data.preparation.examples import example_class
from albert_tf.data.record_set import RecordSet
from albert_tf.text.sentencepiece_model import SentencePieceModel

PAD, CLS, SEP = 0, 2, 3
WORDS = {"the", "cat", "sat", "a", "list", "of", "numbers", "plot", "array", "it", "was", "dull"}


def test_the_manifest_describes_the_files(prepare_books, examples_of):
    out = prepare_books()
    manifest = json.loads((out / "manifest.json").read_text())
    for name, split in manifest["splits"].items():
        found = list(examples_of(out, name))
        assert len(found) == split["rows"] == sum(shard["rows"] for shard in split["shards"])
        assert sum(len(row["token_ids"]) for row in found) == split["tokens"]
        for shard in split["shards"]:
            content = (out / shard["file"]).read_bytes()
            assert shard["bytes"] == len(content)
            assert shard["sha256"] == hashlib.sha256(content).hexdigest()
    assert sum(split["documents"] for split in manifest["splits"].values()) == 12
    proto = (out / "vocabulary.model").read_bytes()
    assert manifest["vocabulary"]["sha256"] == hashlib.sha256(proto).hexdigest()


def test_what_is_prepared_is_what_training_takes(prepare_books):
    records = RecordSet.open(prepare_books(masking="static"))
    records.check()
    assert records.is_masked and records.steps_per_epoch(4) > 0


def test_rows_are_text_of_the_books_in_two_segments(prepare_books, examples_of, tiny_proto):
    tiny_model = SentencePieceModel(tiny_proto).processor
    rows = list(examples_of(prepare_books()))
    for row in rows:
        token_ids, (first_length,) = row["token_ids"], row["first_length"]
        assert token_ids[0] == CLS and token_ids[-1] == token_ids[first_length - 1] == SEP
        assert token_ids.count(SEP) == 2 and PAD not in token_ids and len(token_ids) <= 16
        assert set(row) == {"token_ids", "first_length", "sentence_order_label"}
        # Both ends of a segment may be cut within a word.
        words = re.findall("[a-z_]+", tiny_model.decode(token_ids[1 : first_length - 1]))
        assert set(words[1:-1]) <= WORDS | {"story"}


def test_no_objective_gives_one_segment(prepare_books, examples_of):
    for row in examples_of(prepare_books(objective="none")):
        assert row["token_ids"].count(SEP) == 1
        assert row["first_length"] == [len(row["token_ids"])]
        assert row["sentence_order_label"] == [0]


def test_next_sentences_come_from_the_same_split(prepare_books, tmp_path, examples_of):
    words = {"a.md": "The cat sat. ", "b.md": "Plot the array. ", "c.md": "No numbers. "}
    for name, text in words.items():
        (tmp_path / name).write_text(f"# One\n\n{text * 40}\n\n# Two\n\n{text * 40}\n")
    out = prepare_books(objective="nsp", texts=[tmp_path / "*.md"], held_out=0.5, shards=1)
    pieces = {split: set() for split in ("train", "held_out")}
    for split, found in pieces.items():
        for row in examples_of(out, split):
            found.update(row["token_ids"])
    common = pieces["train"] & pieces["held_out"]
    assert pieces["train"] - common and pieces["held_out"] - common


def test_a_book_is_on_one_side_only(prepare_books, tmp_path):
    halves = {}
    for side in ("train", "held_out"):
        halves[side] = {
            f"book{n}.md"
            for n in range(6)
            if rows.split_of(f"book{n}.md", rows.PreparationSettings(held_out=0.5)) == side
        }
    assert len(halves["train"]) + len(halves["held_out"]) == 6 and all(halves.values())
    manifest = json.loads((prepare_books() / "manifest.json").read_text())
    for side, names in halves.items():
        assert manifest["splits"][side]["documents"] == 2 * len(names)


def test_static_masks_are_those_of_the_law_and_copies_are_masked_anew(prepare_books, examples_of):
    settings = {"held_out": 0, "sequence_length": 40, "echoes": 0.5}
    plain = prepare_books("plain", copies=3, **settings)
    masked = prepare_books("masked", copies=3, masking="static", max_predictions=3, **settings)
    one = prepare_books("one", **settings)
    assert len(list(examples_of(plain))) > 2.5 * len(list(examples_of(one)))
    for before, after in zip(examples_of(plain), examples_of(masked), strict=True):
        restored = np.array(after["token_ids"])
        restored[after["mask_positions"]] = after["mask_ids"]
        assert restored.tolist() == before["token_ids"]
        assert after["first_length"] == before["first_length"]
        assert 1 <= len(after["mask_positions"]) <= 3
        assert not {0, len(restored) - 1} & set(after["mask_positions"])


def test_a_row_is_masked_by_its_own_key(tiny_proto, books):
    settings = rows.PreparationSettings(sequence_length=16, masking="static", held_out=0)
    masking = MaskingVocabulary.read(tiny_proto)
    tasks = corpus.deal_tasks(corpus.find_files([books]))
    ((made, _),) = rows.RowMaker(settings, tiny_proto).rows_of_task(tasks[0])
    dynamic = rows.PreparationSettings(sequence_length=16, held_out=0)
    ((plain, _),) = rows.RowMaker(dynamic, tiny_proto).rows_of_task(tasks[0])
    np.testing.assert_array_equal(made["train"].keys, plain["train"].keys)
    message = example_class()
    for n in range(20):
        one = message.FromString(plain["train"].records[n]).features.feature
        hidden, positions = mask_row(
            np.array(one["token_ids"].int64_list.value, np.int32),
            one["first_length"].int64_list.value[0],
            made["train"].keys[n],
            law=MaskingLaw(),
            mask_id=masking.mask_id,
            ordinary_ids=masking.ordinary_ids,
            word_starts=masking.word_starts,
        )
        masked = message.FromString(made["train"].records[n]).features.feature
        assert list(masked["token_ids"].int64_list.value) == hidden.tolist()
        assert list(masked["mask_positions"].int64_list.value) == positions.tolist()


@pytest.mark.parametrize("setting", [{"seed": 1}, {"short_prob": 0.5}, {"lowercase": False}])
def test_other_settings_give_other_bytes(prepare_books, digests, setting):
    long = {"sequence_length": 40}
    first = digests(prepare_books("a", **long))
    second = digests(prepare_books("b", **long, **setting))
    assert first["train-00000-of-00002.tfrecord"] != second["train-00000-of-00002.tfrecord"]


def test_the_same_bytes_whatever_the_workers_tasks_and_memory(prepare_books, digests, monkeypatch):
    settings = {"shards": 3, "sequence_length": 40, "echoes": 0.5}
    expected = digests(prepare_books("one", 1, **settings))
    monkeypatch.setattr(corpus, "SMALLEST_TASK", 1)  # a task for each book
    monkeypatch.setattr(corpus, "LARGEST_TASK", 1)
    assert digests(prepare_books("three", 3, **settings)) == expected
    monkeypatch.setattr(rows, "BATCH_CHARACTERS", 300)
    monkeypatch.setattr(spills, "LARGEST_GROUP", 2000)
    monkeypatch.setattr(blocks.sorted_portions, "__defaults__", (1000,))
    assert digests(prepare_books("small", 1, **settings)) == expected


def test_echoes_change_training_rows_and_no_held_out_ones(prepare_books, digests):
    plain = digests(prepare_books("plain", sequence_length=40))
    echoes = digests(prepare_books("echoes", sequence_length=40, echoes=0.5))
    shards = [name for name in plain if name.endswith(".tfrecord")]
    assert len(shards) > 2
    for name in shards:
        assert (echoes[name] != plain[name]) == name.startswith("train")


def test_echoes_need_rows_of_two_segments():
    with pytest.raises(ValueError, match=r"echoes must be 0 .* \(objective none\): got 0.2"):
        rows.PreparationSettings(objective="none", echoes=0.2)


def test_shards_in_order_are_the_same_rows_however_many_there_are(prepare_books, examples_of):
    two, five = (list(examples_of(prepare_books(f"{n}", shards=n))) for n in (2, 5))
    assert two == five


def test_more_workers_than_shards_are_of_no_harm(prepare_books, digests):
    expected = digests(prepare_books("one", 1, shards=1))
    assert digests(prepare_books("four", 4, shards=1)) == expected
