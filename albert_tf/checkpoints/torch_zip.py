"""Reads the tensors of `pytorch_model.bin` without torch, and without running what is in it.

Since 1.6 torch saves a zip: `data.pkl` describes the tensors, `data/<key>` holds the raw numbers.
A pickle may call any function it names; this reader lets it name the few that rebuild tensors.
"""

import collections
import pickle
import zipfile
from typing import NamedTuple

import ml_dtypes
import numpy as np

from albert_tf.checkpoints.error import CheckpointError
from albert_tf.checkpoints.weights import Stored

_DTYPES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": ml_dtypes.bfloat16,
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
# What the unpickler raises on bytes that are no pickle, and zipfile on a damaged member.
_DAMAGED = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    AttributeError,
    EOFError,
    LookupError,
    OverflowError,
    TypeError,
    ValueError,
)


class _StorageType(NamedTuple):
    dtype: object


class _Storage(NamedTuple):
    key: str
    dtype: np.dtype
    num_values: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple
    strides: tuple


def read(path):
    """All tensors of a state dictionary that torch saved, by name.

    Raises:
        CheckpointError: the file is damaged, has torch's format from before 1.6, or holds
            anything but a flat dictionary of tensors.
    """
    if not zipfile.is_zipfile(path):
        raise CheckpointError(
            f"{path} is not a file that torch 1.6 or later saved (a zip), or it is cut short. "
            "Load it with torch and save it again, or better as model.safetensors."
        )
    with zipfile.ZipFile(path) as archive:
        root = _root(archive, path)
        try:
            state = _Unpickler(archive.open(f"{root}data.pkl"), path).load()
        except CheckpointError:
            raise
        except _DAMAGED as error:
            raise CheckpointError(f"{path} holds a damaged pickle: {error!r}.") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path} must hold a dictionary of tensors: got {type(state)}.")
    odd = [f"{k!r}: {type(v).__name__}" for k, v in state.items() if not isinstance(v, _Tensor)]
    if odd:
        raise CheckpointError(
            f"{path} must hold tensors and nothing else: got {', '.join(odd[:10])}. "
            "Save the state_dict() of the model."
        )
    return {
        name: Stored(tensor.shape, lambda tensor=tensor: _values(path, root, tensor))
        for name, tensor in state.items()
    }


def _root(archive, path):
    names = set(archive.namelist())
    pickles = [name for name in names if name == "data.pkl" or name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise CheckpointError(f"{path} is a zip, but not one of torch: it holds no data.pkl.")
    root = pickles[0].removesuffix("data.pkl")
    if f"{root}byteorder" in names and archive.read(f"{root}byteorder") != b"little":
        raise CheckpointError(f"{path} was saved on a big-endian machine, which is not supported.")
    return root


def _values(path, root, tensor):
    storage = tensor.storage
    try:
        with zipfile.ZipFile(path) as archive:
            data = archive.read(f"{root}data/{storage.key}")
    except (KeyError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise CheckpointError(f"{path} is damaged: {error}.") from error
    if len(data) != storage.num_values * storage.dtype.itemsize:
        raise CheckpointError(
            f"{path} is damaged: data/{storage.key} has {len(data)} bytes for "
            f"{storage.num_values} values of {storage.dtype}."
        )
    flat = np.frombuffer(data, storage.dtype)[tensor.offset :]
    strides = [stride * flat.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(flat, tensor.shape, strides, writeable=False)


def _rebuild_tensor(storage, offset, shape, strides, requires_grad, hooks, metadata=None):
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    inside = offset >= 0 and min((0, *strides)) >= 0 and last < storage.num_values
    if 0 not in shape and not inside:
        raise CheckpointError(
            f"A tensor of shape {shape} reaches outside of its {storage.num_values} values."
        )
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _rebuild_parameter(tensor, requires_grad, hooks):
    return tensor


class _Unpickler(pickle.Unpickler):
    """Knows dictionaries and tensors; everything else is refused by its name."""

    _KNOWN = {
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
        ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    }

    def __init__(self, file, path):
        super().__init__(file)
        self.path = path

    def find_class(self, module, name):
        if module == "torch" and name in _DTYPES:
            return _StorageType(_DTYPES[name])
        if (module, name) in self._KNOWN:
            return self._KNOWN[module, name]
        raise CheckpointError(
            f"{self.path} must hold tensors and nothing else: it asks for {module}.{name}. "
            "Save the state_dict() of the model, or better model.safetensors."
        )

    def persistent_load(self, identifier):
        kind, storage_type, key, _, num_values = identifier
        if kind != "storage" or not isinstance(storage_type, _StorageType):
            raise CheckpointError(f"{self.path} holds an unknown kind of storage: {identifier}.")
        return _Storage(str(key), np.dtype(storage_type.dtype), int(num_values))
