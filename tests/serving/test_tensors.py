import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto

from albert_tf.serving import tensors

TYPES = (
    *("float16", "bfloat16", "float32", "float64", "complex64", "complex128", "bool", "string"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
)


def sample(name: str) -> np.ndarray:
    if name == "string":
        return np.array([[b"a", b"", b"\xff\x00"], [b"\x00", "é".encode(), b"b"]], dtype=object)
    values = np.array([[0, 1, 2], [3, 100, 7]])
    return values.astype(tf.dtypes.as_dtype(name).as_numpy_dtype)


@pytest.mark.parametrize("name", TYPES)
def test_every_type_comes_back_as_it_went(name):
    array = sample(name)
    back = tensors.from_proto(tensors.to_proto(array))
    assert back.dtype == array.dtype
    assert back.tolist() == array.tolist()


@pytest.mark.parametrize("name", TYPES)
def test_tensorflow_reads_what_we_write(name):
    proto = tensors.to_proto(sample(name))
    assert proto.tensor_content == b""
    assert tf.make_ndarray(proto).tolist() == sample(name).tolist()


@pytest.mark.parametrize("name", TYPES)
def test_we_read_what_tensorflow_writes(name):
    proto = tf.make_tensor_proto(sample(name))
    assert tensors.from_proto(proto).tolist() == sample(name).tolist()


def test_strings_packed_by_other_clients_are_read():
    content = bytes([1, 0, 3]) + b"a" + b"bcd"
    proto = TensorProto(dtype=tf.string.as_datatype_enum, tensor_content=content)
    proto.tensor_shape.dim.add(size=3)
    assert tensors.from_proto(proto).tolist() == [b"a", b"", b"bcd"]


def test_fewer_values_repeat_the_last_one():
    proto = tensor(tf.string, [3], string_val=[b"a", b"b\x00"])
    assert tensors.from_proto(proto).tolist() == [b"a", b"b\x00", b"b\x00"]


def test_no_values_mean_zeros():
    assert tensors.from_proto(tensor(tf.int32, [2])).tolist() == [0, 0]


def tensor(dtype, shape, **values) -> TensorProto:
    proto = TensorProto(dtype=dtype.as_datatype_enum, **values)
    proto.tensor_shape.SetInParent()
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    return proto


MALFORMED = {
    "no type": TensorProto(),
    "a resource": tensor(tf.resource, []),
    "a negative size": tensor(tf.float32, [-1]),
    "too few bytes": tensor(tf.float32, [2], tensor_content=b"1234"),
    "a claim of terabytes": tensor(tf.float32, [2**20, 2**20], float_val=[1.0]),
    "an overflowing shape": tensor(tf.float32, [2**40, 2**40, 2**40]),
    "a hundred dimensions": tensor(tf.float32, [1] * 100, float_val=[1.0]),
    "a value out of range": tensor(tf.int8, [1], int_val=[1000]),
    "half a float out of range": tensor(tf.float16, [1], half_val=[-1]),
    "lengths of strings cut off": tensor(tf.string, [2], tensor_content=b"\xff\xff"),
    "lengths of strings wrong": tensor(tf.string, [2], tensor_content=b"\x01\x09ab"),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_malformed_tensor_is_refused(what):
    with pytest.raises(ValueError):
        tensors.from_proto(MALFORMED[what])


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        ("text", "object"),
        (["text", b"bytes"], "object"),
        (np.array(["text"]), "object"),
        ([1, 2], "int32"),
        ([2**40], "int64"),
        ([0.5], "float32"),
        (np.array([0.5]), "float64"),
        ([True], "bool"),
    ],
)
def test_python_values_become_tensor_types(value, dtype):
    assert tensors.as_array(value).dtype == dtype


@pytest.mark.parametrize("value", [object(), [[1], [1, 2]], [None], {"a": 1}, ["a", 1]])
def test_what_is_no_tensor_is_refused(value):
    with pytest.raises(TypeError):
        tensors.as_array(value)
