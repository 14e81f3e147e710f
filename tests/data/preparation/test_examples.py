import numpy as np
import tensorflow as tf

from albert_tf.data.preparation.examples import frame_records, serialize_example

ROWS = [
    {"token_ids": list(range(n)), "first_length": [n], "sentence_order_label": [n % 2]}
    for n in (0, 1, 5, 129, 300, 20_000)
]


def test_bytes_are_those_of_tensorflow():
    for row in ROWS:
        features = {
            name: tf.train.Feature(int64_list=tf.train.Int64List(value=values))
            for name, values in row.items()
        }
        example = tf.train.Example(features=tf.train.Features(feature=features))
        assert serialize_example(row) == example.SerializeToString(deterministic=True)
        assert serialize_example(dict(reversed(row.items()))) == serialize_example(row)


def test_files_are_those_of_tensorflow(tmp_path):
    records = [b"", b"x", *(np.random.default_rng(n).bytes(n * 37) for n in range(1, 20))]
    with tf.io.TFRecordWriter(str(tmp_path / "x.tfrecord")) as writer:
        for record in records:
            writer.write(record)
    assert frame_records(records) == (tmp_path / "x.tfrecord").read_bytes()
    assert frame_records([]) == b""
