"""Which files make a corpus, and how the work on them is dealt out."""

import glob
import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from albert_tf.data.documents import FORMATS, Piece

SUFFIXES = {
    ".txt": "file",
    ".md": "markdown",
    ".markdown": "markdown",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
_SPLITTABLE = ("blank-line", "jsonl")  # others are read from their beginning
SMALLEST_TASK, LARGEST_TASK, NUM_TASKS = 1 << 22, 1 << 27, 4096


class TextFile(NamedTuple):
    """A file of a corpus.

    Args:
        path: where it lies.
        name: its path below the folder that all files of the corpus share.
        format: one of `FORMATS`.
        size: in bytes, as it lies there.
    """

    path: str
    name: str
    format: str
    size: int


def find_files(texts: Iterable[str | Path], format: str = "auto") -> list[TextFile]:
    """Finds the files that a command names: files, folders (walked), patterns such as `*.txt`.

    Args:
        texts: what to look for, in any order: the files come out sorted by name, each once.
        format: of all files, or `auto` to go by the suffix; in a folder, `auto` leaves out
            files whose suffix it does not know, and hidden ones are always left out.

    Raises:
        FileNotFoundError: a path is missing, or a folder or pattern gives no file.
        ValueError: the format of a file cannot be told.
    """
    paths = set()
    for text in map(str, texts):
        found = _below(text, format)
        if not found:
            known = f" with a suffix of {', '.join(SUFFIXES)} (or .gz behind it)"
            raise FileNotFoundError(
                f"Texts must be files, folders or patterns that give files: {text} gives none"
                f"{known if format == 'auto' and os.path.isdir(text) else ''}. Check the path"
                f"{', or say what the files are with --format' if os.path.isdir(text) else ''}."
            )
        paths.update(map(os.path.abspath, found))
    paths = sorted(paths)
    files = [
        TextFile(
            path, name, _format_of(path) if format == "auto" else format, os.path.getsize(path)
        )
        for path, name in zip(paths, short_names(paths), strict=True)
    ]
    return sorted(files, key=lambda file: file.name)


def short_names(paths: list[str]) -> list[str]:
    """Names paths below the folder that they share, so that a corpus may be moved."""
    parts = [PurePosixPath(Path(path).as_posix()).parts for path in paths]
    folders = {part[:-1] for part in parts}
    shared = os.path.commonprefix([*folders])
    return ["/".join(part[len(shared) :]) for part in parts]


def deal_tasks(files: list[TextFile]) -> list[list[Piece]]:
    """Deals the files out into tasks of like size, the units of work and of resuming.

    Depends on the files alone, so that any number of workers does the same tasks.
    """
    total = sum(file.size for file in files)
    size = min(max(total // NUM_TASKS, SMALLEST_TASK), LARGEST_TASK)
    tasks, task, room = [], [], size
    for file in files:
        for piece, length in _pieces(file, size):
            if task and length > room:
                tasks.append(task)
                task, room = [], size
            task.append(piece)
            room -= length
    return [*tasks, task] if task else tasks


def _pieces(file, size):
    if file.format not in _SPLITTABLE or file.path.endswith(".gz"):
        yield Piece(file.path, file.name, file.format), file.size
        return
    for begin in range(0, max(file.size, 1), size):
        end = begin + size if begin + size < file.size else None
        yield Piece(file.path, file.name, file.format, begin, end), min(size, file.size - begin)


def _below(text, format):
    if os.path.isdir(text):
        return {
            os.path.join(folder, name)
            for folder, folders, names in os.walk(text)
            if not _hide(folders)
            for name in names
            if not name.startswith(".") and (format != "auto" or _suffix(name) in SUFFIXES)
        }
    if os.path.exists(text):
        return {text}
    return {path for path in glob.glob(text, recursive=True) if os.path.isfile(path)}


def _hide(folders):
    folders[:] = [folder for folder in folders if not folder.startswith(".")]


def _suffix(path):
    return Path(path.removesuffix(".gz")).suffix.lower()


def _format_of(path):
    if _suffix(path) not in SUFFIXES:
        raise ValueError(
            f"The format of {path} cannot be told from its name. Say what it is with --format: "
            f"{', '.join(FORMATS)}."
        )
    return SUFFIXES[_suffix(path)]
