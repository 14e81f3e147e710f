"""`pytorch_model.bin` without torch: the same numbers, and nothing in it is run."""

import io
import pickle
import zipfile

import numpy as np
import pytest
from safetensors.numpy import load_file

from albert_tf.checkpoints import torch_zip
from albert_tf.checkpoints.error import CheckpointError


def test_the_tensors_are_those_of_the_safetensors_file(golden):
    folder = golden / "transformers" / "bare"
    found = torch_zip.read(folder / "pytorch_model.bin")
    expected = load_file(folder / "model.safetensors")
    assert found.keys() == expected.keys()
    for name, weight in found.items():
        assert weight.shape == expected[name].shape
        np.testing.assert_array_equal(weight.read(), expected[name])


def test_views_of_one_storage_are_told_apart(golden):
    found = {n: w.read() for n, w in torch_zip.read(golden / "transformers" / "views.bin").items()}
    whole = np.arange(12.0).reshape(3, 4)
    expected = {"whole": whole, "tail": whole[1:, 1:], "turned": whole.T, "half": whole}
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)
    assert found["half"].dtype == "float16"


def written(path, payload):
    """A zip like torch's, with one pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", payload)
    return path


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("function", "name"),
    [(eval, "builtins.eval"), (np.zeros, "numpy.*zeros"), (io.BytesIO, "BytesIO")],
)
def test_a_pickle_that_calls_anything_else_is_refused_by_its_name(tmp_path, function, name):
    path = written(tmp_path / "evil.bin", pickle.dumps({"weight": Call(function, "1")}))
    with pytest.raises(CheckpointError, match=f"asks for .*{name}"):
        torch_zip.read(path)


@pytest.mark.parametrize(
    ("state", "message"), [([1], "must hold a dictionary"), ({"epoch": 3}, "'epoch': int")]
)
def test_a_pickle_of_anything_but_tensors_is_refused(tmp_path, state, message):
    with pytest.raises(CheckpointError, match=message):
        torch_zip.read(written(tmp_path / "odd.bin", pickle.dumps(state)))


def test_the_format_from_before_1_6_is_named(tmp_path):
    path = tmp_path / "old.bin"
    path.write_bytes(pickle.dumps(0x1950A86A20F9469CFC6C) + pickle.dumps(1001))
    with pytest.raises(CheckpointError, match="torch 1.6 or later"):
        torch_zip.read(path)


@pytest.mark.parametrize("payload", [b"", b"\x80\x02}q\x00(X", b"garbage"])
def test_a_damaged_pickle_is_refused(tmp_path, payload):
    with pytest.raises(CheckpointError, match="damaged pickle"):
        torch_zip.read(written(tmp_path / "cut.bin", payload))


def test_a_truncated_file_is_refused(golden, tmp_path):
    data = (golden / "transformers" / "bare" / "pytorch_model.bin").read_bytes()
    (tmp_path / "cut.bin").write_bytes(data[: len(data) // 2])
    with pytest.raises(CheckpointError, match="cut short"):
        torch_zip.read(tmp_path / "cut.bin")


def test_a_changed_byte_of_a_tensor_is_noticed(golden, tmp_path):
    data = bytearray((golden / "transformers" / "bare" / "pytorch_model.bin").read_bytes())
    with zipfile.ZipFile(io.BytesIO(bytes(data))) as archive:
        member = next(name for name in archive.namelist() if name.endswith("/data/0"))
        start = archive.getinfo(member).header_offset
    data[start + 200] ^= 255
    (tmp_path / "flipped.bin").write_bytes(data)
    with pytest.raises(CheckpointError, match="damaged"):
        [weight.read() for weight in torch_zip.read(tmp_path / "flipped.bin").values()]


@pytest.mark.parametrize(
    ("offset", "shape", "strides"), [(0, (3, 4), (4, 2)), (1, (12,), (1,)), (-1, (2,), (1,))]
)
def test_a_tensor_that_reaches_outside_of_its_values_is_refused(offset, shape, strides):
    storage = torch_zip._Storage("0", np.dtype("float32"), 12)
    with pytest.raises(CheckpointError, match="reaches outside of its 12 values"):
        torch_zip._rebuild_tensor(storage, offset, shape, strides, False, None)
