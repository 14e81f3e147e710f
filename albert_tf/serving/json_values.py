"""The values that JSON can carry into a tensor, with TensorFlow Serving's rules and words."""

import base64
import binascii
import json
import math

import numpy as np
from tensorflow.core.framework import types_pb2

from albert_tf.serving import tensors
from albert_tf.serving.errors import invalid_argument

# NumPy has no arrays of more dimensions.
MAX_RANK = 64

_JSON_TYPES = {type(None): "Null", bool: "Bool", dict: "Object", list: "Array", str: "String"}


def json_type(value) -> str:
    return _JSON_TYPES.get(type(value), "Number")


def short(value) -> str:
    """Quotes a JSON value in a message, cut to what one can read."""
    text = json.dumps(value)
    return text if len(text) <= 200 else text[:200] + "..."


def parse(body: bytes) -> dict:
    """Reads a request body; `NaN` and `Infinity` are allowed, as in TensorFlow Serving."""
    if not body:
        raise invalid_argument("JSON Parse error: The document is empty")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise invalid_argument(f"JSON Parse error: {error}") from error
    if not isinstance(document, dict):
        raise invalid_argument(f"JSON Value: {short(document)} Is not object")
    if not isinstance(document.get("signature_name", ""), str):
        raise invalid_argument(
            f"JSON Value: {short(document)} not formatted correctly. "
            "'signature_name' key must be a string value."
        )
    return document


def is_base64(value) -> bool:
    return isinstance(value, dict) and set(value) == {"b64"} and isinstance(value["b64"], str)


def dense_shape(value) -> list[int]:
    """Returns the shape that the first elements of nested lists promise."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if len(shape) > MAX_RANK:
            raise invalid_argument(f"A tensor has at most {MAX_RANK} dimensions.")
        if not value:
            break
        value = value[0]
    return shape


def flatten(value, shape: list[int], dtype: int, level: int = 0) -> list:
    """Returns the leaves of nested lists; they must be nested as `shape` says."""
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid_argument(
                f"JSON Value: {short(value)} found at incorrect level: {level + 1} in the JSON "
                f"DOM. Expected at level: {len(shape)}"
            )
        return [leaf(value, dtype)]
    if level >= len(shape):
        raise invalid_argument(
            f"Encountered list at unexpected level: {level} expected < {len(shape)}"
        )
    if len(value) != shape[level]:
        raise invalid_argument(
            f"Encountered list at unexpected size: {len(value)} at level: {level} "
            f"expected size: {shape[level]}"
        )
    return [one for item in value for one in flatten(item, shape, dtype, level + 1)]


def leaf(value, dtype: int):
    """Reads one value as the type of a tensor; never rounds and never wraps around."""
    numpy_type = tensors.NUMPY_TYPE.get(dtype)
    kind = numpy_type.kind if numpy_type is not None else ""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == "O" and isinstance(value, str):
        return _utf8(value)
    if kind == "O" and is_base64(value):
        return _decode_base64(value["b64"])
    if kind == "b" and isinstance(value, bool):
        return value
    if kind == "f" and number:
        limit = float(np.finfo(numpy_type).max)
        whole = 2 ** (np.finfo(numpy_type).nmant + 1) - 1
        too_long = isinstance(value, int) and abs(value) > whole
        if too_long or (math.isfinite(value) and abs(value) > limit):
            raise invalid_argument(
                f"Cannot convert JSON value: {short(value)} to {numpy_type.name} "
                "without loss of precision."
            )
        return value
    if kind in ("i", "u") and number and isinstance(value, int):
        bounds = np.iinfo(numpy_type)
        if bounds.min <= value <= bounds.max:
            return value
    raise invalid_argument(
        f"JSON Value: {short(value)} Type: {json_type(value)} is not of "
        f"expected type: {types_pb2.DataType.Name(dtype).removeprefix('DT_').lower()}"
    )


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise invalid_argument(f"JSON Parse error: {error}") from error


def _decode_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid_argument("Unable to base64 decode") from error
