"""NumPy arrays to `TensorProto` and back.

`tf.make_tensor_proto` packs numbers into `tensor_content` and `tf.make_ndarray` trusts what it is
given. A server must answer in the typed fields (`float_val`, `string_val`) as TensorFlow Serving
does, and must refuse a tensor whose shape and contents disagree.
"""

import math

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.core.framework.tensor_pb2 import TensorProto

# (name of the type, how NumPy calls it, the field of TensorProto that carries its values)
_TYPES = (
    ("DT_FLOAT", np.float32, "float_val"),
    ("DT_DOUBLE", np.float64, "double_val"),
    ("DT_HALF", np.float16, "half_val"),
    ("DT_BFLOAT16", tf.bfloat16.as_numpy_dtype, "half_val"),
    ("DT_INT8", np.int8, "int_val"),
    ("DT_INT16", np.int16, "int_val"),
    ("DT_INT32", np.int32, "int_val"),
    ("DT_INT64", np.int64, "int64_val"),
    ("DT_UINT8", np.uint8, "int_val"),
    ("DT_UINT16", np.uint16, "int_val"),
    ("DT_UINT32", np.uint32, "uint32_val"),
    ("DT_UINT64", np.uint64, "uint64_val"),
    ("DT_BOOL", np.bool_, "bool_val"),
    ("DT_COMPLEX64", np.complex64, "scomplex_val"),
    ("DT_COMPLEX128", np.complex128, "dcomplex_val"),
    ("DT_STRING", np.object_, "string_val"),
)
NUMPY_TYPE = {getattr(types_pb2, name): np.dtype(dtype) for name, dtype, _ in _TYPES}
TENSOR_TYPE = {dtype: number for number, dtype in NUMPY_TYPE.items()}
_VALUE_FIELD = {getattr(types_pb2, name): field for name, _, field in _TYPES}

# A few bytes may ask for a tensor filled with one value. This bounds what they can ask for.
MAX_FILLED_ELEMENTS = 1 << 26


def as_array(value) -> np.ndarray:
    """Gives an array of a type that a tensor can have.

    Strings become an object array of bytes. Python integers and floats become int32 and float32,
    as TensorFlow reads them; an array keeps its type.

    Raises:
        TypeError: the values are of no tensor type, or are nested unevenly.
    """
    if isinstance(value, (str, bytes)):
        array = np.array(value, dtype=object)
    elif isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
    else:
        array = _array_of_list(value)
    if array.dtype.kind in "OSU":
        return _bytes_array(array)
    if array.dtype not in TENSOR_TYPE:
        raise TypeError(f"No tensor type holds values of type {array.dtype}: convert them first.")
    return array


def _array_of_list(value) -> np.ndarray:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise TypeError(f"A tensor must be nested evenly: {error}") from error
    if array.dtype.kind in "SU":
        # NumPy's fixed-width strings lose trailing NUL bytes; objects do not.
        return np.asarray(value, dtype=object)
    if array.dtype == np.float64:
        return array.astype(np.float32)
    if array.dtype == np.int64:
        narrow = array.astype(np.int32)
        return narrow if np.array_equal(narrow, array) else array
    return array


def _bytes_array(array: np.ndarray) -> np.ndarray:
    result = np.empty(array.shape, dtype=object)
    for index, item in np.ndenumerate(array):
        if isinstance(item, str):
            result[index] = item.encode(errors="surrogateescape")
        elif isinstance(item, bytes):
            result[index] = bytes(item)
        else:
            raise TypeError(f"A string tensor holds str or bytes: got {type(item).__name__}.")
    return result


def to_proto(array: np.ndarray) -> TensorProto:
    """Writes an array into the typed fields of a `TensorProto` (TensorFlow's `AsProtoField`).

    Args:
        array: of one of the types of `as_array`; strings as an object array of bytes.
    """
    dtype = TENSOR_TYPE[array.dtype]
    proto = TensorProto(dtype=dtype)
    # Also makes the shape of a scalar present, though it is empty.
    proto.tensor_shape.SetInParent()
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    flat = array.reshape(-1)
    if array.dtype.kind == "c":
        flat = flat.view(flat.real.dtype)
    elif _VALUE_FIELD[dtype] == "half_val":
        flat = flat.view(np.uint16)
    getattr(proto, _VALUE_FIELD[dtype]).extend(flat.tolist())
    return proto


def from_proto(proto: TensorProto) -> np.ndarray:
    """Reads a `TensorProto`; the inverse of `to_proto`, and of what other clients send.

    Fewer values than elements repeat the last one, and none at all means zeros or empty strings.

    Raises:
        ValueError: unknown type or shape, or contents that do not fit the shape.
    """
    if proto.dtype not in NUMPY_TYPE:
        raise ValueError(f"Tensor type {proto.dtype} cannot be sent.")
    dtype = NUMPY_TYPE[proto.dtype]
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        raise ValueError(f"A tensor needs a full shape: got {list(shape)}.")
    count = math.prod(shape)
    if proto.tensor_content:
        if dtype.kind == "O":
            return _from_string_content(proto.tensor_content, count).reshape(shape)
        if len(proto.tensor_content) != count * dtype.itemsize:
            raise ValueError(f"{len(proto.tensor_content)} bytes do not fill shape {list(shape)}.")
        return np.frombuffer(proto.tensor_content, dtype).reshape(shape)
    return _fill(_field_values(proto, dtype), count).reshape(shape)


def _field_values(proto: TensorProto, dtype: np.dtype) -> np.ndarray:
    values = getattr(proto, _VALUE_FIELD[proto.dtype])
    if dtype.kind == "O":
        array = np.empty(len(values), dtype=object)
        array[:] = values
        return array
    if dtype.kind == "c":
        part = np.float32 if dtype == np.complex64 else np.float64
        return np.array(values[: len(values) // 2 * 2], part).view(dtype)
    halves = _VALUE_FIELD[proto.dtype] == "half_val"
    try:
        array = np.array(values, np.uint16 if halves else dtype)
    except OverflowError as error:
        raise ValueError(f"A value does not fit {dtype}: {error}") from error
    return array.view(dtype) if halves else array


def _fill(values: np.ndarray, count: int) -> np.ndarray:
    if len(values) >= count:
        return values[:count]
    if count > MAX_FILLED_ELEMENTS:
        raise ValueError(f"{len(values)} values are given for {count} elements.")
    filler = values[-1] if len(values) else (b"" if values.dtype.kind == "O" else 0)
    # Not `np.full`, which loses the trailing NUL bytes of a string.
    filled = np.empty(count, dtype=values.dtype)
    filled[: len(values)] = values
    filled[len(values) :] = filler
    return filled


def _from_string_content(content: bytes, count: int) -> np.ndarray:
    """Strings as TensorFlow packs them: every length as a varint, then every string."""
    if count > len(content):
        raise ValueError(f"{len(content)} bytes cannot hold {count} strings.")
    lengths, position = [], 0
    for _ in range(count):
        length, shift = 0, 0
        while True:
            if position >= len(content) or shift > 28:
                raise ValueError("The lengths of the strings cannot be read.")
            byte = content[position]
            length |= (byte & 0x7F) << shift
            position, shift = position + 1, shift + 7
            if byte < 0x80:
                break
        lengths.append(length)
    if sum(lengths) != len(content) - position:
        raise ValueError("The lengths of the strings do not add up.")
    array = np.empty(count, dtype=object)
    for index, length in enumerate(lengths):
        array[index] = content[position : position + length]
        position += length
    return array
