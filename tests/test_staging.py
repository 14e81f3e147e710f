import errno
import os

import pytest

from albert_tf.staging import DiskFull, new_directory, new_file


def test_a_directory_appears_when_it_is_whole(tmp_path):
    with new_directory(tmp_path / "run") as staged:
        (staged / "a").write_text("a")
        assert not (tmp_path / "run").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_an_error_leaves_no_directory_behind(tmp_path):
    with pytest.raises(RuntimeError), new_directory(tmp_path / "run") as staged:
        (staged / "a").write_text("a")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_directory_with_content_is_never_overwritten(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/old").write_text("old")
    with pytest.raises(FileExistsError, match="run does"), new_directory(tmp_path / "run"):
        pytest.fail("the block must not run")
    assert (tmp_path / "run/old").read_text() == "old"


def test_an_error_leaves_no_file_behind_and_the_old_one_whole(tmp_path):
    file = tmp_path / "f.json"
    file.write_text("old")
    with pytest.raises(RuntimeError), new_file(file, overwrite=True) as staged:
        staged.write_text("half")
        raise RuntimeError
    assert file.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["f.json"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_is_not_written_where_a_directory_stands(tmp_path, overwrite):
    with (
        pytest.raises(IsADirectoryError, match="must be a file: .* is a directory. Name a file"),
        new_file(tmp_path, overwrite),
    ):
        pytest.fail("the block must not run: its work would be lost")


@pytest.mark.parametrize("make", [new_directory, new_file])
def test_a_full_disk_is_named_with_the_path_and_leaves_nothing(tmp_path, make):
    # What Python raises where a write fails: it knows no path.
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    inner = tmp_path / "inner"  # as where something that is staged stages its own files
    with pytest.raises(DiskFull) as error, make(tmp_path / "out"), make(inner):
        raise full
    message = f"The disk is full: {tmp_path / 'out'} could not be written. Make room and try again."
    assert (str(error.value), error.value.errno) == (message, errno.ENOSPC)
    assert list(tmp_path.iterdir()) == []


def test_another_error_of_the_system_stays_as_it_is(tmp_path):
    with pytest.raises(PermissionError), new_file(tmp_path / "out"):
        raise PermissionError(errno.EACCES, "no")


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    file, seen = tmp_path / "f.json", []
    monkeypatch.setattr(os, "fsync", lambda number: seen.append((os.fstat(number), file.exists())))
    with new_file(file) as staged, staged.open("w") as opened:
        opened.write("all of it")
    ((status, had_its_name),) = seen
    assert status.st_ino == file.stat().st_ino and status.st_size == len("all of it")
    assert not had_its_name
