"""Documents out of files of any size: plain text, Markdown books, JSON lines, each also gzipped.

A document is what segment pairs are cut from: they never cross its borders. A reader takes one
piece of one file, holds one document at a time, and says for each where it began, so that the
same text is the same document whoever reads it and in whatever pieces.
"""

import contextlib
import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from albert_tf.data.markdown import HEADING, plain_text

FORMATS = ("file", "blank-line", "markdown", "jsonl")
MAX_LINE_BYTES = 1 << 24
MAX_DOCUMENT_BYTES = 1 << 23  # longer documents are cut between paragraphs

# All that Python's str.split leaves in place: what is no text and no white space.
_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufeff]")


class Document(NamedTuple):
    """One document.

    Args:
        id: its file and the byte where it begins (in a .gz file, of the unpacked text).
        group: what is held out or trained on as a whole: the file of a book or of a document,
            else the document itself.
        paragraphs: its text; no sentence crosses them.
    """

    id: str
    group: str
    paragraphs: list[str]


class Piece(NamedTuple):
    """A part of a file: the documents that begin in bytes `begin` to `end`.

    Args:
        path: where the file lies.
        name: its name within the corpus, the same wherever the corpus is stored.
        format: one of `FORMATS`.
        begin, end: bytes; `end` None reads to the end of the file.
    """

    path: str
    name: str
    format: str
    begin: int = 0
    end: int | None = None


def read_documents(
    piece: Piece, field: str = "text", open_binary: Callable[[str], BinaryIO] | None = None
) -> Iterator[Document]:
    """Reads the documents of a piece one by one.

    The formats: `file` is one document, with blank lines between paragraphs; `blank-line` has a
    blank line between documents and a paragraph or sentence a line; `markdown` has a heading
    before each document (a chapter of a book), and its marks are removed; `jsonl` has a document
    a line, and its line breaks part paragraphs. Control characters become spaces. A document of
    more than `MAX_DOCUMENT_BYTES` is given in parts.

    Args:
        piece: what to read.
        field: key of the text in a line of `jsonl`.
        open_binary: opens a path to read bytes; the default knows local files.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: a line is not UTF-8, longer than `MAX_LINE_BYTES`, or no JSON object with
            the field; a .gz file is damaged. The message names file and line.
    """
    parts = {
        "file": _file_parts,
        "blank-line": _blank_line_parts,
        "markdown": _chapter_parts,
        "jsonl": _json_parts,
    }[piece.format]
    whole_file = piece.format in ("file", "markdown")
    with contextlib.closing(_Lines(piece, open_binary or _open_local)) as lines:
        for begin, paragraphs in parts(lines, field):
            paragraphs = [text for paragraph in paragraphs if (text := _printable(paragraph))]
            if paragraphs:
                id = f"{piece.name}@{begin}"
                yield Document(id, piece.name if whole_file else id, paragraphs)


class _Lines:
    """The lines of a piece with the byte each begins at, from the first that begins in it.

    Goes on behind the end of the piece: a document may end there. `is_past_end` tells.
    """

    def __init__(self, piece, open_binary):
        self._piece = piece
        self._file = open_binary(piece.path)
        if piece.path.endswith(".gz"):
            self._packed, self._file = self._file, gzip.GzipFile(fileobj=self._file)
        self.position = piece.begin
        if piece.begin:
            # The byte before tells whether a line begins right here.
            self._file.seek(piece.begin - 1)
            self.position += len(self._read_line()) - 1

    def __iter__(self):
        while line := self._read_line():
            begin = self.position
            self.position += len(line)
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise ValueError(
                    f"{self.where(begin)}: text must be UTF-8: got byte 0x{line[error.start]:02x} "
                    f"at column {error.start + 1}. Convert the file, for example with iconv."
                ) from error
            yield begin, text if begin else text.removeprefix("\ufeff")

    def is_past_end(self, begin):
        return self._piece.end is not None and begin >= self._piece.end

    def where(self, begin):
        """Names the line that begins at a byte; counts them only now, for a message."""
        self._file.seek(0)
        number, left = 1, begin
        while block := self._file.read(min(left, 1 << 20)):
            number, left = number + block.count(b"\n"), left - len(block)
        return f"{self._piece.path}, line {number}"

    def close(self):
        self._file.close()
        if self._piece.path.endswith(".gz"):
            self._packed.close()

    def _read_line(self):
        try:
            line = self._file.readline(MAX_LINE_BYTES + 1)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(
                f"A .gz file must be whole: {self._piece.path} breaks off or is damaged behind "
                f"byte {self.position} of its text ({error}). Fetch or pack it again."
            ) from error
        if len(line) > MAX_LINE_BYTES:
            raise ValueError(
                f"{self.where(self.position)}: a line must have at most {MAX_LINE_BYTES} bytes: "
                "got more. Break the text into lines, for example at its paragraphs."
            )
        return line


def _file_parts(lines, field):
    yield from _paragraph_parts(lines, lambda paragraph: paragraph)


def _chapter_parts(lines, field):
    yield from _paragraph_parts(lines, plain_text, HEADING)


def _paragraph_parts(lines, to_text, heading=None):
    """Joins lines to paragraphs at blank lines; a heading ends a document and is left out."""
    begin, size, paragraphs, open_lines = 0, 0, [], []
    for _, line in lines:
        is_heading = heading is not None and heading.match(line)
        if line.isspace() or is_heading:
            if open_lines:
                paragraphs.append(to_text("".join(open_lines)))
                open_lines = []
            if is_heading or size > MAX_DOCUMENT_BYTES:
                yield begin, paragraphs
                begin, size, paragraphs = lines.position, 0, []
        else:
            open_lines.append(line)
            size += len(line)
            if size > 2 * MAX_DOCUMENT_BYTES:  # no blank line in sight
                yield begin, [*paragraphs, to_text("".join(open_lines))]
                begin, size, paragraphs, open_lines = lines.position, 0, [], []
    if open_lines:
        paragraphs.append(to_text("".join(open_lines)))
    yield begin, paragraphs


def _blank_line_parts(lines, field):
    # A document belongs to the piece that holds the blank line before it.
    begin, size, paragraphs = lines.position, 0, []
    is_ours = begin == 0
    for position, line in lines:
        if line.isspace():
            if is_ours and paragraphs:
                yield begin, paragraphs
            begin, size, paragraphs = lines.position, 0, []
            if lines.is_past_end(position):
                return
            is_ours = True
        elif not is_ours and lines.is_past_end(position):
            return
        elif is_ours:
            paragraphs.append(line)
            size += len(line)
            if size > MAX_DOCUMENT_BYTES:
                yield begin, paragraphs
                begin, size, paragraphs = lines.position, 0, []
    if is_ours and paragraphs:
        yield begin, paragraphs


def _json_parts(lines, field):
    for begin, line in lines:
        if lines.is_past_end(begin):
            return
        if line.isspace():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{lines.where(begin)}: not a line of JSON: {error}.") from error
        if not isinstance(record, dict) or not isinstance(record.get(field), str):
            got = f"the keys {', '.join(record)}" if isinstance(record, dict) else "no object"
            if isinstance(record, dict) and field in record:
                got = f"{json.dumps(record[field])[:40]} there"
            raise ValueError(
                f"{lines.where(begin)}: a JSON object with a text under {field!r} is needed: got "
                f"{got}. Name the key of the text with --field."
            )
        yield begin, record[field].splitlines()


def _printable(text):
    text = text.strip()
    return text if text.isprintable() else _CONTROL.sub(" ", text).strip()


def _open_local(path):
    return open(path, "rb")
