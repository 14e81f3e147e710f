"""Puts metadata and files into a TFLite file, so that the readers of Android and iOS find them.

The metadata is a FlatBuffer of the schema of TFLite Support (metadata_schema.fbs, "M001"), under
the name TFLITE_METADATA in the file's own list; the files are a zip behind the file. Written by
hand: the package that does it (tflite-support) cannot be installed beside TensorFlow 2.21.
"""

import io
import zipfile

import flatbuffers
from tensorflow.lite.python import schema_py_generated as schema

from albert_tf.exporting.mobile.description import DESCRIPTION, LABELS
from albert_tf.exporting.mobile.packing import packed, unpacked
from albert_tf.text.sentencepiece_model import SentencePieceModel
from albert_tf.text.wordpiece_model import WordPieceModel

NAME = "TFLITE_METADATA"
# Fields and values of metadata_schema.fbs.
DESCRIPTIONS, TENSOR_AXIS_LABELS, VOCABULARY_FILE = 1, 2, 5
# Name of a vocabulary -> number of its tokenizer: BertTokenizerOptions, SentencePiece's.
TOKENIZERS = {WordPieceModel.file_name: 4, SentencePieceModel.file_name: 5}
FILE_TYPES = {DESCRIPTION: DESCRIPTIONS, LABELS: TENSOR_AXIS_LABELS}
FILE_TYPES |= dict.fromkeys(TOKENIZERS, VOCABULARY_FILE)
# A zip knows no earlier time; a fixed one gives the same bytes for the same model.
EPOCH = (1980, 1, 1, 0, 0, 0)


def with_metadata(content, description, files):
    """Gives a TFLite file that describes itself.

    Args:
        content: bytes of a TFLite file.
        description: from `describe`.
        files: from `files_of`.

    Returns:
        bytes: the same graph and weights, and behind them a zip with the files, not compressed,
        as the readers want it.
    """
    model = unpacked(content)
    inputs, outputs = _names(model)
    metadata = _metadata(description, list(files), inputs, outputs)
    model.metadata = [entry for entry in model.metadata or [] if entry.name != NAME.encode()]
    entry = schema.MetadataT()
    entry.name, entry.buffer = NAME, len(model.buffers)
    model.metadata.append(entry)
    buffer = schema.BufferT()
    buffer.data = metadata
    model.buffers.append(buffer)
    graph = packed(model)
    return graph + _zipped(files, len(graph))


def _names(model):
    """The names of the first subgraph's inputs and outputs, as its signature has them."""
    main = model.subgraphs[0]
    (signature,) = (s for s in model.signatureDefs if s.subgraphIndex == 0)
    places = ((main.inputs, signature.inputs), (main.outputs, signature.outputs))
    for indices, entries in places:
        names = {entry.tensorIndex: entry.name.decode() for entry in entries}
        yield [names[index] for index in indices]


def _zipped(files, offset):
    # `offset`: a zip counts from the beginning of the whole file.
    stream = io.BytesIO()
    stream.write(bytes(offset))
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content)
    return stream.getvalue()[offset:]


def _metadata(description, files, inputs, outputs):
    """The bytes of a `ModelMetadata`."""
    builder = flatbuffers.Builder(1024)
    write = _Tables(builder)
    associated = write.vector([write.file(name) for name in files])
    labels = write.vector([write.file(LABELS)]) if LABELS in files else None
    units = None
    for name in TOKENIZERS.keys() & set(files):  # one at most
        options = write.table({0: write.vector([write.file(name)])}, size=2)
        unit = write.table({1: options}, bytes_at={0: TOKENIZERS[name]}, size=2)
        units = write.vector([unit])
    ins = write.vector([write.tensor(name) for name in inputs])
    outs = [write.tensor(name, labels if name == "probabilities" else None) for name in outputs]
    outs = write.vector(outs)
    name = write.string("main")
    fields = {0: name, 2: ins, 3: outs} | ({5: units} if units is not None else {})
    subgraphs = write.vector([write.table(fields, size=7)])
    texts = {
        0: write.string(f"ALBERT {description['task']}"),
        1: write.string("Ids are int32; albert.json says how text becomes ids."),
        2: write.string(str(description["format_version"])),
        7: write.string("1.1.0"),
    }
    root = write.table(texts | {3: subgraphs, 6: associated}, size=8)
    builder.Finish(root, b"M001")
    return bytes(builder.Output())


class _Tables:
    """Writes the tables of the schema by the numbers of their fields."""

    def __init__(self, builder):
        self._builder = builder

    def string(self, text):
        return self._builder.CreateString(text)

    def vector(self, offsets):
        self._builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self._builder.PrependUOffsetTRelative(offset)
        return self._builder.EndVector()

    def table(self, offsets, bytes_at=None, size=8):
        self._builder.StartObject(size)
        for field, value in (bytes_at or {}).items():
            self._builder.PrependInt8Slot(field, value, 0)
        for field, offset in offsets.items():
            self._builder.PrependUOffsetTRelativeSlot(field, offset, 0)
        return self._builder.EndObject()

    def file(self, name):
        """An `AssociatedFile`."""
        return self.table({0: self.string(name)}, {2: FILE_TYPES[name]}, size=4)

    def tensor(self, name, files=None):
        """A `TensorMetadata`."""
        fields = {0: self.string(name)} | ({6: files} if files is not None else {})
        return self.table(fields, size=7)
