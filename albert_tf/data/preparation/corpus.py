"""Which files make a corpus, and how the work on them is dealt out."""

import glob
import os
import re
from collections.abc import Callable, Iterable
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
VOCABULARIES = ("vocab.txt", "vocabulary.txt")
_SPLITTABLE = ("blank-line", "jsonl")  # others are read from their beginning
SMALLEST_TASK, LARGEST_TASK, NUM_TASKS = 1 << 22, 1 << 27, 4096


class TextFile(NamedTuple):
    """A file of a corpus.

    Args:
        path: where it lies.
        name: its path below the folder that all files of the corpus share.
        format: one of `FORMATS`.
        size: in bytes, as it lies there.
        modified: when it was written last, in nanoseconds.
    """

    path: str
    name: str
    format: str
    size: int
    modified: int


def find_files(
    texts: Iterable[str | Path],
    format: str = "auto",
    match: Callable[[str], dict[str, tuple[int, int]]] | None = None,
) -> list[TextFile]:
    """Finds the files that a command names: files, folders (walked), patterns such as `*.txt`.

    Args:
        texts: what to look for, in any order: the files come out sorted by name, each once.
        format: of all files, or `auto` to go by the suffix. Of what a folder or a pattern
            gives, `auto` leaves out files whose suffix it does not know; hidden files, what is in
            hidden folders, and lists of pieces (`vocab.txt`, `vocabulary.txt`) are left out always.
        match: finds files on other file systems (`scheme://...`): path -> size and time.

    Raises:
        FileNotFoundError: a path is missing, or a folder or pattern gives no file.
        ValueError: the format of a file cannot be told, or a remote path without `match`.
    """
    found = {}
    for text in map(str, texts):
        if not is_remote(text):
            new = {os.path.abspath(path): None for path in _below(text)}
        elif match is None:
            raise ValueError(f"Only Beam reads other file systems: got {text}. Give a --runner.")
        else:
            new = match(text)
        if new.keys() != {text} and new.keys() != {os.path.abspath(text)}:  # a folder or a pattern
            root = _root(text if is_remote(text) else os.path.abspath(text))
            new = {path: new[path] for path in new if _belongs(path[len(root) :], format)}
        if not new:
            known = f" Suffixes are {', '.join(SUFFIXES)}, also with .gz; --format takes any."
            raise FileNotFoundError(
                f"Texts must be files, or folders or patterns with files: {text} gives none."
                f"{known if format == 'auto' else ''}"
            )
        found |= new
    paths = sorted(found)
    files = []
    for path, name in zip(paths, short_names(paths), strict=True):
        about = found[path] or (os.stat(path).st_size, os.stat(path).st_mtime_ns)
        files.append(TextFile(path, name, _format_of(path) if format == "auto" else format, *about))
    return sorted(files, key=lambda file: file.name)


def is_remote(path: str) -> bool:
    """Whether a path is on a file system that only Beam knows."""
    return "://" in path


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


def _below(text):
    if os.path.isdir(text):
        return [os.path.join(folder, name) for folder, _, names in os.walk(text) for name in names]
    if os.path.exists(text):
        return [text]
    return [path for path in glob.glob(text, recursive=True) if os.path.isfile(path)]


def _root(text):
    """The folder that is named: of a pattern the last one before its first sign."""
    fixed, *signs = re.split(r"[*?\[]", text, maxsplit=1)
    return fixed.rpartition("/")[0] if signs else fixed


def _belongs(path, format):
    """Whether a path below the folder that was named is text, not hidden, and no vocabulary."""
    parts = PurePosixPath(path).parts
    if parts[-1] in VOCABULARIES or any(part.startswith(".") for part in parts):
        return False
    return format != "auto" or _suffix(path) in SUFFIXES


def _suffix(path):
    return Path(path.removesuffix(".gz")).suffix.lower()


def _format_of(path):
    if _suffix(path) not in SUFFIXES:
        raise ValueError(
            f"The format of {path} cannot be told from its name. Say what it is with --format: "
            f"{', '.join(FORMATS)}."
        )
    return SUFFIXES[_suffix(path)]
