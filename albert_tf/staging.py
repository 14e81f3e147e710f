"""Files and directories that appear whole or not at all."""

import contextlib
import errno
import os
import re
import shutil
import uuid
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)
# What `_sibling` calls things.
_STAGED = re.compile(r"\.[0-9a-f]{8}\.")


class DiskFull(OSError):
    """There is no room for a file; `errno` is that of the system, and the text says which file."""

    def __str__(self):
        return self.strerror


@contextlib.contextmanager
def full_disk_named(path):
    """Within it, a full disk raises `DiskFull` with the path, which the system leaves out.

    Of two of them the outer one has the last word: what is within is often a temporary name.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise DiskFull(
            error.errno, f"The disk is full: {path} could not be written. Make room and try again."
        ) from error


@contextlib.contextmanager
def new_directory(path):
    """Gives a temporary sibling of `path` that takes its name when the block ends well.

    A reader never sees a half-written directory: the content is moved into place by one
    rename, and an error in the block leaves nothing behind.

    Args:
        path: where the finished directory shall stand; parents are created.

    Yields:
        `Path` of the temporary directory to write into.

    Raises:
        FileExistsError: `path` exists and is not an empty directory.
        DiskFull: nothing of it is left.
    """
    path = Path(path)
    refuse_existing(path)
    staged = _sibling(path)
    try:
        with full_disk_named(path):
            staged.mkdir(parents=True)
            yield staged
            if path.is_dir():
                path.rmdir()
            os.rename(staged, path)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


@contextlib.contextmanager
def new_file(path, overwrite=False):
    """Gives a temporary sibling of `path` that takes its name when the block ends well.

    Args:
        path: where the finished file shall stand; parents are created.
        overwrite: whether an existing file may be replaced.

    Yields:
        `Path` of the temporary file; the block must create it.

    Raises:
        FileExistsError: `path` exists and `overwrite` is false.
        IsADirectoryError: `path` is a directory, even an empty one.
        DiskFull: nothing of it is left; an older file stays.
    """
    path = Path(path)
    if not overwrite:
        refuse_existing(path)
    if path.is_dir():
        raise IsADirectoryError(
            f"The output must be a file: {path} is a directory. Name a file in it."
        )
    staged = _sibling(path)
    try:
        with full_disk_named(path):
            staged.parent.mkdir(parents=True, exist_ok=True)
            yield staged
            # On the disk before it gets its name, lest a power cut leaves the name without content.
            with staged.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(staged, path)
    finally:
        staged.unlink(missing_ok=True)


def remove_unfinished(directory):
    """Removes what killed processes left half-written, where nobody else is writing now.

    Args:
        directory: an existing one; what lies deeper stays.
    """
    for path in Path(directory).iterdir():
        if _STAGED.match(path.name):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def refuse_existing(path):
    """Raises `FileExistsError` unless `path` is free or an empty directory."""
    path = Path(path)
    if path.is_dir() and not any(path.iterdir()):
        return
    if path.exists():
        raise FileExistsError(
            f"The output must not exist yet: {path} does. Choose another name or remove it first."
        )


def _sibling(path):
    # Keeps the suffix: Keras chooses its file format by it.
    return path.with_name(f".{uuid.uuid4().hex[:8]}.{path.name}")
