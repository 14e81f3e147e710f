"""Rows of a TSV, CSV or JSON-lines file, each with its line number for error messages."""

import csv
import difflib
import gzip
import json
from dataclasses import dataclass
from pathlib import Path

FORMATS = {
    ".tsv": "tsv",
    ".txt": "lines",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
}


@dataclass(frozen=True)
class Rows:
    """The rows of one file, and the names of its columns.

    Args:
        path: the file, for messages.
        columns: names in their order; `"0"`, `"1"`, ... for a file without a header.
        lines: line number of each row, from 1.
        cells: one dict a row, column name -> value (text, or any JSON value).
    """

    path: Path
    columns: tuple[str, ...]
    lines: list[int]
    cells: list[dict]

    def __len__(self):
        return len(self.cells)

    def column(self, choice) -> list:
        """All values of a column, chosen by its name or by its index from 0.

        Raises:
            ValueError: no such column, or a row lacks it.
        """
        name = self._resolve(str(choice))
        for line, row in zip(self.lines, self.cells, strict=True):
            if name not in row:
                raise ValueError(
                    f"{self.path}, line {line}: the row has no {name!r}, only "
                    f"{', '.join(map(repr, row))}. Every row needs that column."
                )
        return [row[name] for row in self.cells]

    def _resolve(self, choice):
        if choice in self.columns:
            return choice
        if choice.isdecimal() and int(choice) < len(self.columns):
            return self.columns[int(choice)]
        close = difflib.get_close_matches(choice, self.columns, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        if not close and self.path.suffix in (".tsv", ".csv") and "0" not in self.columns:
            hint = " If these are no names, use --no-header, and columns by their number from 0."
        raise ValueError(
            f"{self.path} has no column {choice!r}: it has "
            f"{', '.join(map(repr, self.columns))}.{hint}"
        )


def read_rows(path, *, format=None, header=True) -> Rows:
    """Reads a whole file; `.gz` is unpacked on the way.

    TSV is read without quoting, as GLUE and most corpora are written: a quotation mark is a
    letter like any other. CSV is read with quoting (RFC 4180). JSON lines are one object a line.
    Empty lines are skipped; below the header of a single column they are empty texts. A `.txt`
    file has no header and one column, `text`: its lines.

    Args:
        path: the file; its suffix tells the format.
        format: `tsv`, `csv`, `jsonl` or `lines`, where the suffix does not tell.
        header: whether the first row of a TSV or CSV file names the columns.

    Raises:
        FileNotFoundError: no such file.
        ValueError: unknown format, no rows, rows of unequal length, bytes that are not UTF-8,
            or a line that is not a JSON object.
    """
    path = Path(path)
    _check_exists(path)
    format = format or _format_of(path)
    if format == "jsonl":
        rows = _json_rows(path)
    elif format == "lines":
        lines = [(number, line.rstrip("\r\n")) for number, line in _text_lines(path)]
        cells = [{"text": line} for _, line in lines]
        rows = Rows(path, ("text",), [number for number, _ in lines], cells)
    else:
        records = _csv_records(path) if format == "csv" else _tsv_records(path)
        rows = _named_rows(path, records, header)
    if not len(rows):
        raise ValueError(f"{path} has no rows to read. Is it the right file?")
    return rows


def _check_exists(path):
    if path.is_dir():
        raise ValueError(f"{path} is a directory; name one of its files.")
    if path.exists():
        return
    nearby = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, nearby, n=1)
    hint = f" Did you mean {path.parent / close[0]}?" if close else ""
    raise FileNotFoundError(f"There is no file {path}.{hint}")


def _format_of(path):
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    if suffixes and suffixes[-1] in FORMATS:
        return FORMATS[suffixes[-1]]
    raise ValueError(
        f"The name of {path} does not tell its format. "
        f"It must end in {', '.join(FORMATS)} (with or without .gz)."
    )


def _text_lines(path):
    """Yields (line number, text with its line end); only LF ends a line."""
    open_bytes = gzip.open if path.suffix.lower() == ".gz" else open
    number = 0
    try:
        with open_bytes(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}, line {number}: byte 0x{error.object[error.start]:02x} at position "
            f"{error.start + 1} is not UTF-8. Convert the file first, for example with "
            "`iconv -f latin1 -t utf-8`."
        ) from error
    except (EOFError, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} is damaged after line {number}: {error}.") from error


def _tsv_records(path):
    for number, line in _text_lines(path):
        yield number, line.rstrip("\r\n").split("\t")


def _csv_records(path):
    before = csv.field_size_limit(2**31 - 1)
    reader = csv.reader((line for _, line in _text_lines(path)), strict=True)
    start = 1
    try:
        for record in reader:
            yield start, record or [""]
            start = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(
            f"{path}, line {start}: {error}. A quotation mark inside of a CSV field is written "
            "twice, and such a field stands between quotation marks."
        ) from error
    finally:
        csv.field_size_limit(before)


def _named_rows(path, records, header):
    columns, first, lines, cells = None, 0, [], []
    for line, record in records:
        if record == [""] and (columns is None or len(columns) > 1):
            continue
        if columns is None:
            first = line
            columns = tuple(record) if header else tuple(map(str, range(len(record))))
            _check_names(path, columns)
            if header:
                continue
        if len(record) != len(columns):
            raise ValueError(
                f"{path}, line {line}: the row has {len(record)} fields where {len(columns)} are "
                f"expected ({', '.join(columns)})."
                + (_about_first_line(first, header) if len(cells) == (not header) else "")
            )
        lines.append(line)
        cells.append(dict(zip(columns, record, strict=True)))
    return Rows(path, columns or (), lines, cells)


def _about_first_line(line, header):
    """What to do where the second line is the first one to differ: either may be the wrong one."""
    if header:
        return (
            f" So says line {line}, which is read as the names of the columns. A file without "
            "names is read with --no-header, its columns called 0, 1, ...; where line "
            f"{line} itself is wrong, mend it or take it out."
        )
    return f" So says line {line}, the first one. Mend the one that is wrong, or take it out."


def _check_names(path, columns):
    repeated = sorted({name for name in columns if columns.count(name) > 1})
    if repeated:
        raise ValueError(
            f"{path}, line 1: column names must differ, got {', '.join(map(repr, repeated))} "
            "more than once. Does the file have a header?"
        )


def _json_rows(path):
    columns, lines, cells = {}, [], []
    for number, line in _text_lines(path):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}, line {number}: not a JSON object: {error}.") from error
        if not isinstance(row, dict):
            raise ValueError(
                f"{path}, line {number}: every line must be a JSON object with named fields: "
                f"got a {type(row).__name__}."
            )
        columns.update(dict.fromkeys(row))
        lines.append(number)
        cells.append(row)
    return Rows(path, tuple(columns), lines, cells)
