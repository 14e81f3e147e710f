"""Reads a TFLite file into objects, and writes objects into a file that says nothing twice."""

import flatbuffers
from tensorflow.lite.python import schema_py_generated as schema

ALIGNMENT = 16


def unpacked(content):
    """The bytes of a TFLite file as a `ModelT`, without what stands behind the FlatBuffer."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))


def packed(model):
    """The bytes of a `ModelT`, each buffer's data at a multiple of 16 bytes.

    Constants that are equal become one, and vectors of numbers that are equal are written once: in
    an 8-bit file with a scale for each output of a matrix these are mostly zero points, 8 bytes of
    zeros for each scale.
    """
    _join_equal_constants(model)
    buffers = model.buffers
    model.buffers = [_AlignedBuffer(buffer.data) for buffer in buffers]
    num_bytes = sum(0 if b.data is None else len(b.data) for b in buffers)
    builder = _SharingBuilder(num_bytes + 2**20)
    builder.Finish(model.Pack(builder), b"TFL3")
    model.buffers = buffers
    return bytes(builder.Output())


def shorten_names(model):
    """Gives tensors inside of the graphs their numbers for names; signatures keep theirs.

    The converter's names are paths of the graph that it read, a hundred bytes for an operator.
    """
    for graph in model.subgraphs:
        known = {*graph.inputs, *graph.outputs}
        for number, tensor in enumerate(graph.tensors):
            if number not in known:
                tensor.name = str(number)


def _join_equal_constants(model):
    """Points tensors with the same bytes to one buffer, and empties those that nobody has."""
    first = {}
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            data = model.buffers[tensor.buffer].data
            if data is not None:
                tensor.buffer = first.setdefault(bytes(data), tensor.buffer)
    used = {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors}
    used |= {entry.buffer for entry in model.metadata or []}
    for number, buffer in enumerate(model.buffers):
        if number not in used:
            buffer.data = None


class _SharingBuilder(flatbuffers.Builder):
    """Writes a vector of numbers the first time, and refers to it from then on.

    Whoever follows an offset cannot tell: the format allows many to the same place.
    """

    def __init__(self, size):
        super().__init__(size)
        self._places = {}

    def CreateNumpyVector(self, x):
        key = x.dtype.str, x.tobytes()
        if key not in self._places:
            self._places[key] = super().CreateNumpyVector(x)
        return self._places[key]


class _AlignedBuffer:
    """A buffer whose data begins at a multiple of 16 bytes, as the schema wants it.

    The generated Python code forgets `force_align`; kernels read float32 weights in place.
    """

    def __init__(self, data):
        self._data = None if data is None else bytes(data)

    def Pack(self, builder):
        vector = None
        if self._data is not None:
            builder.StartVector(1, len(self._data), ALIGNMENT)
            builder.head -= len(self._data)
            builder.Bytes[builder.head : builder.head + len(self._data)] = self._data
            vector = builder.EndVector()
        schema.BufferStart(builder)
        if vector is not None:
            schema.BufferAddData(builder, vector)
        return schema.BufferEnd(builder)
