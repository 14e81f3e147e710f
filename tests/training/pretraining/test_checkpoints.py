import errno
import os
import resource

import numpy as np
import pytest

from albert_tf.training.pretraining import checkpoints as room
from albert_tf.training.pretraining.checkpoints import Checkpoints, DamagedCheckpoint

VALUES = {"model/kernel": np.arange(600.0, dtype="float32"), "optimizer/iteration": np.array(7)}


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path / "checkpoints", keep=2)


def damage(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_what_was_saved_comes_back(checkpoints):
    checkpoints.save(7, VALUES, {"note": "x"})
    values, state = checkpoints.load(7)
    assert values.keys() == VALUES.keys() and state["note"] == "x"
    for name, value in VALUES.items():
        np.testing.assert_array_equal(values[name], value)
        assert values[name].shape == value.shape and values[name].dtype == value.dtype


def test_a_checkpoint_that_was_not_finished_is_not_seen_and_removed(checkpoints):
    checkpoints.save(1, VALUES)
    path = checkpoints.path(2)
    unfinished = path.with_name(f".0a1b2c3d.{path.name}")
    unfinished.mkdir()
    assert checkpoints.steps() == [1]
    assert checkpoints.newest_whole() == (1, [])
    assert not unfinished.exists()


def test_the_newest_and_the_best_are_kept(checkpoints):
    for step in (1, 2, 3, 4):
        checkpoints.save(step, VALUES)
        checkpoints.tidy(best=(1, 0.5))
    assert checkpoints.steps() == [1, 3, 4]
    assert checkpoints.best() == {"step": 1, "score": 0.5}
    checkpoints.tidy(best=(3, 0.75))
    assert checkpoints.steps() == [3, 4]


@pytest.mark.parametrize("file", ["variables.safetensors", "state.json"])
def test_a_damaged_one_is_put_aside_for_the_one_before(checkpoints, file):
    for step in (1, 2, 3):
        checkpoints.save(step, VALUES)
    damage(checkpoints.path(2) / "variables.safetensors")
    (checkpoints.path(3) / file).write_bytes(b"")
    step, damaged = checkpoints.newest_whole()
    assert step == 1 and checkpoints.steps() == [1]
    assert [path.name for path in damaged] == ["damaged-step-00000003", "damaged-step-00000002"]


def test_no_run_begins_anew_over_damaged_checkpoints(checkpoints):
    checkpoints.save(1, VALUES)
    damage(checkpoints.path(1) / "variables.safetensors")
    with pytest.raises(DamagedCheckpoint, match=r"\[1\], and none of them is whole. Remove it"):
        checkpoints.newest_whole()
    assert checkpoints.steps() == [1]


def test_a_full_disk_costs_no_checkpoint(checkpoints):
    checkpoints.save(1, VALUES)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The system refuses to write past this size, as it does where there is no room.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"could not be written: .*whole: \[1\]. Make room"):
            checkpoints.save(2, VALUES)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in checkpoints.directory.iterdir()] == ["step-00000001"]
    checkpoints.load(1)


def test_a_full_disk_is_told_once(checkpoints, monkeypatch):
    def fail(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(room, "_write", fail)
    with pytest.raises(OSError, match=r"written: \[Errno 28\] [\w ]+\. The ones before"):
        checkpoints.save(2, VALUES)
