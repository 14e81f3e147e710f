"""The records of prepared data: `tf.train.Example` bytes and TFRecord frames, without TensorFlow.

The bytes are those of `Example.SerializeToString(deterministic=True)` and `TFRecordWriter`.
Leaving TensorFlow out saves 0.9 GB a process, and writing to a plain file makes a full disk an
ordinary `OSError`.
"""

import functools
import struct

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from albert_tf.data.checksums import masked_crcs

_LENGTH = struct.Struct("<Q")
_SCHEMA = """
name: "albert_tf/example.proto" package: "albert_tf" syntax: "proto3"
message_type { name: "Int64List"
  field { name: "value" number: 1 label: LABEL_REPEATED type: TYPE_INT64
          options { packed: true } } }
message_type { name: "Feature"
  field { name: "int64_list" number: 3 label: LABEL_OPTIONAL type: TYPE_MESSAGE
          type_name: ".albert_tf.Int64List" } }
message_type { name: "Features"
  nested_type { name: "FeatureEntry" options { map_entry: true }
    field { name: "key" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
    field { name: "value" number: 2 label: LABEL_OPTIONAL type: TYPE_MESSAGE
            type_name: ".albert_tf.Feature" } }
  field { name: "feature" number: 1 label: LABEL_REPEATED type: TYPE_MESSAGE
          type_name: ".albert_tf.Features.FeatureEntry" } }
message_type { name: "Example"
  field { name: "features" number: 1 label: LABEL_OPTIONAL type: TYPE_MESSAGE
          type_name: ".albert_tf.Features" } }
"""


@functools.cache
def example_class():
    """The message class `Example`, as far as integer features go."""
    pool = descriptor_pool.DescriptorPool()
    pool.Add(text_format.Parse(_SCHEMA, descriptor_pb2.FileDescriptorProto()))
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("albert_tf.Example"))


def serialize_example(features: dict[str, list[int]]) -> bytes:
    """Writes integer features as the bytes of an `Example`, the same ones every time."""
    example = example_class()()
    for name, values in features.items():
        example.features.feature[name].int64_list.value.extend(values)
    return example.SerializeToString(deterministic=True)


def frame_records(records: list[bytes]) -> bytes:
    """Puts records into the frames of a TFRecord file: length, its checksum, data, its checksum."""
    lengths = [_LENGTH.pack(len(record)) for record in records]
    length_sums = masked_crcs(lengths).astype("<u4").tobytes()
    sums = masked_crcs(records).astype("<u4").tobytes()
    frames = []
    for i, (length, record) in enumerate(zip(lengths, records, strict=True)):
        at = slice(4 * i, 4 * i + 4)
        frames += (length, length_sums[at], record, sums[at])
    return b"".join(frames)
