"""What the converter and the packing of metadata make of a graph, without a model."""

import io
import zipfile

import flatbuffers
import pytest
import tensorflow as tf
from flatbuffers import number_types
from flatbuffers.table import Table
from tensorflow.lite.python import schema_py_generated as schema

from albert_tf.exporting.light.model_file import LightModel
from albert_tf.exporting.mobile.conversion import convert
from albert_tf.exporting.mobile.metadata import with_metadata

DESCRIPTION = {"task": "text_classifier", "format_version": 1, "class_names": ["a", "b"]}
FILES = {"albert.json": b"{}", "vocabulary.model": b"pieces", "labels.txt": b"a\nb\n"}


def converted(function, name="tokens"):
    specs = [tf.TensorSpec([2, 2], tf.float32, "x")]
    function = tf.function(function, autograph=False).get_concrete_function(*specs)
    return convert(tf.Module(), {name: function}, "none")


@pytest.fixture(scope="module")
def content():
    return converted(lambda x: {"probabilities": x + 1.0, "logits": x})


@pytest.fixture(scope="module")
def packed(content):
    return with_metadata(content, DESCRIPTION, FILES)


@pytest.mark.parametrize("name", ["tokens", "text"])
def test_an_operator_that_phones_lack_is_named(name):
    with pytest.raises(ValueError, match=r"(?s)own operators.*MatrixDeterminant"):
        converted(lambda x: {"y": tf.linalg.det(x)}, name)


class Record:
    """A table of a FlatBuffer, read by the numbers of metadata_schema.fbs."""

    def __init__(self, table):
        self.table = table

    def _at(self, field):
        return self.table.Offset(4 + 2 * field)

    def text(self, field):
        place = self._at(field)
        return self.table.String(place + self.table.Pos).decode() if place else None

    def byte(self, field):
        place = self._at(field)
        flags = number_types.Uint8Flags
        return self.table.Get(flags, place + self.table.Pos) if place else 0

    def record(self, field):
        return Record(
            Table(self.table.Bytes, self.table.Indirect(self._at(field) + self.table.Pos))
        )

    def records(self, field):
        place = self._at(field)
        count = self.table.VectorLen(place) if place else 0
        first = self.table.Vector(place) if place else 0
        bytes_ = self.table.Bytes
        places = [self.table.Indirect(first + 4 * number) for number in range(count)]
        return [Record(Table(bytes_, place)) for place in places]


def test_the_metadata_is_read_by_the_schema_of_tflite_support(packed):
    model = schema.Model.GetRootAs(packed, 0)
    (entry,) = [m for m in map(model.Metadata, range(model.MetadataLength())) if b"TFL" in m.Name()]
    content = model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()
    assert (entry.Name(), content[4:8]) == (b"TFLITE_METADATA", b"M001")
    start = flatbuffers.encode.Get(flatbuffers.packer.uoffset, content, 0)
    root = Record(Table(bytearray(content), start))
    # ModelMetadata: name 0, subgraph_metadata 3, associated_files 6, min_parser_version 7.
    assert (root.text(0), root.text(7)) == ("ALBERT text_classifier", "1.1.0")
    # AssociatedFile: name 0, type 2: DESCRIPTIONS 1, TENSOR_AXIS_LABELS 2, VOCABULARY 5.
    kinds = {"albert.json": 1, "labels.txt": 2, "vocabulary.model": 5}
    assert {file.text(0): file.byte(2) for file in root.records(6)} == kinds
    # SubGraphMetadata: input_tensor_metadata 2, output_tensor_metadata 3, input_process_units 5.
    (graph,) = root.records(3)
    # TensorMetadata: name 0, associated_files 6. In the order of the tensors, whose own names are
    # those of the graph.
    assert [tensor.text(0) for tensor in graph.records(2)] == ["x"]
    files = {t.text(0): [file.text(0) for file in t.records(6)] for t in graph.records(3)}
    assert files == {"probabilities": ["labels.txt"], "logits": []}
    # ProcessUnit: options_type 0, options 1; SentencePieceTokenizerOptions 5: its model 0.
    (unit,) = graph.records(5)
    assert unit.byte(0) == 5
    assert [file.text(0) for file in unit.record(1).records(0)] == ["vocabulary.model"]


def test_the_files_inside_are_stored_as_they_are(packed):
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == FILES
        for info in archive.infolist():
            # The readers look the bytes up in the file itself.
            assert info.compress_type == zipfile.ZIP_STORED and FILES[info.filename] in packed


def test_a_file_whose_end_is_cut_off_is_refused(packed, tmp_path):
    path = tmp_path / "cut.tflite"
    path.write_bytes(packed[:-40])
    with pytest.raises(ValueError, match="does not describe itself: .* its end is cut off"):
        LightModel(path)


def test_a_file_of_a_newer_format_is_refused(content, tmp_path):
    path = tmp_path / "newer.tflite"
    files = {"albert.json": b'{"format_version": 2}'}
    path.write_bytes(with_metadata(content, DESCRIPTION, files))
    with pytest.raises(ValueError, match="has the format 2: this version reads 1"):
        LightModel(path)


def test_without_the_runtime_the_extra_is_named(monkeypatch, tmp_path):
    from albert_tf.exporting import tflite
    from albert_tf.exporting.light import model_file

    monkeypatch.setattr(model_file.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'albert-tf\[mobile\]'"):
        tflite.export_tflite(None, tmp_path / "m.tflite", verify=True)
