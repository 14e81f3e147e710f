import runpy
import struct
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.data import record_files
from albert_tf.data.checksums import masked_crcs
from albert_tf.data.record_files import RecordError, parse_example, read_records, unpack_values

fixtures = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("record_fixtures.py"))))
CONTENTS = [b"", b"a", b"12345678", bytes(range(256)) * 3, b"\xff" * 31, b"last"]
OFFSETS = [0, 16, 33, 57, 841, 888, 908]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "some.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for content in CONTENTS:
            writer.write(content)
    return path


def flip(path, position, bit=4):
    content = bytearray(path.read_bytes())
    content[position] ^= bit
    path.write_bytes(content)


def test_the_checksum_is_crc_32c():
    (masked,) = masked_crcs([b"123456789"])
    # The check value of CRC-32C (RFC 3720, appendix B.4, and every catalogue of CRCs).
    rotated = (0xE3069283 >> 15 | 0xE3069283 << 17) & 0xFFFFFFFF
    assert masked == (rotated + 0xA282EAD8) % 2**32


@pytest.mark.parametrize("chunk", [13, 64, 1 << 20])
def test_what_tensorflow_wrote_is_read_with_the_place_of_each_record(file, chunk, monkeypatch):
    monkeypatch.setattr(record_files, "CHUNK", chunk)
    assert list(read_records(file)) == list(zip(OFFSETS, CONTENTS, strict=False))
    assert [content for _, content in read_records(file, skip=4)] == CONTENTS[4:]
    assert list(read_records(file, skip=9)) == []


def test_an_empty_file_has_no_records(tmp_path):
    (tmp_path / "empty").touch()
    assert list(read_records(tmp_path / "empty")) == []


@pytest.mark.parametrize("chunk", [13, 1 << 20])
@pytest.mark.parametrize("kept", [3, 15, 60, 840, 907])
def test_a_truncated_record_is_named_with_file_and_offset(file, kept, chunk, monkeypatch):
    monkeypatch.setattr(record_files, "CHUNK", chunk)
    file.write_bytes(file.read_bytes()[:kept])
    offset = max(o for o in OFFSETS if o <= kept)
    whole = []
    with pytest.raises(RecordError, match=rf"some\.tfrecord is truncated: .* byte {offset} "):
        whole.extend(content for _, content in read_records(file))
    assert whole == CONTENTS[: len(whole)]


@pytest.mark.parametrize("chunk", [13, 1 << 20])
@pytest.mark.parametrize("part", ["length", "length's checksum", "content", "checksum"])
def test_a_damaged_record_is_named_with_file_and_offset(file, part, chunk, monkeypatch):
    monkeypatch.setattr(record_files, "CHUNK", chunk)
    flip(file, 57 + {"length": 6, "length's checksum": 9, "content": 400, "checksum": 782}[part])
    with pytest.raises(RecordError, match=r"some\.tfrecord is damaged: .* byte 57 "):
        list(read_records(file))


@pytest.mark.parametrize("bit", [4, 8])
def test_a_length_damaged_to_one_that_fits_in_the_file_is_found(file, bit):
    flip(file, 33, bit)  # 8 bytes become 12, or none
    with pytest.raises(RecordError, match=r"damaged: .* byte 33 "):
        list(read_records(file))


def test_examples_are_decoded_as_protobuf_encodes_them():
    values = [0, 1, 127, 128, 300, 2**31, 2**63 - 1, -1, -(2**63)]
    contents = [fixtures.example({"a": values, "b": []}), fixtures.example({"a": [7], "b": values})]
    parsed = [parse_example(content) for content in contents]
    decoded, lengths = unpack_values([one["a"] for one in parsed])
    assert (decoded.tolist(), lengths.tolist()) == ([*values, 7], [9, 1])
    decoded, lengths = unpack_values([one["b"] for one in parsed])
    assert (decoded.tolist(), lengths.tolist()) == (values, [0, 9])
    assert unpack_values([])[0].tolist() == []


@pytest.mark.parametrize(
    "content",
    [
        b"no message",
        b"\x0a\xff",
        fixtures.example({"a": [1, 2, 3]})[:-1],
        tf.train.Example(
            features=tf.train.Features(
                feature={"a": tf.train.Feature(float_list=tf.train.FloatList(value=[1.0]))}
            )
        ).SerializeToString(),
    ],
)
def test_what_is_no_example_of_whole_numbers_is_refused_with_its_place(content):
    with pytest.raises(RecordError, match="x.tfrecord: the record at byte 12 is whole but no"):
        parse_example(content, "x.tfrecord", 12)


def test_checksums_of_many_lengths_side_by_side_are_those_of_each_alone():
    rng = np.random.default_rng(0)
    pieces = [rng.bytes(int(size)) for size in rng.integers(0, 70, 200)]
    together = masked_crcs(pieces)
    assert together.tolist() == [int(masked_crcs([piece])[0]) for piece in pieces]
    assert struct.pack("<I", together[0]) and masked_crcs([]).tolist() == []
