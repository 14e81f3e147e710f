import gzip
import json

import pytest

from albert_tf.data import documents
from albert_tf.data.documents import Document, Piece, read_documents

BOOK = """# Title: A Book

## Author: Nobody

-------

##  CHAPTER I. Of cats

The _cat_ sat
on **the** mat.

* * *

It was "black".

### 2

A dog.
"""
LINES = "One line.\nTwo lines.\n\n\nThree.\n\n  \nFour,\nfive.\n"


def read(path, format, **settings):
    return list(read_documents(Piece(str(path), path.name, format), **settings))


def paragraphs(path, format, **settings):
    return [document.paragraphs for document in read(path, format, **settings)]


@pytest.fixture
def write(tmp_path):
    def to_file(name, content):
        content = content.encode() if isinstance(content, str) else content
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return to_file


def test_a_chapter_is_a_document_and_the_book_is_held_out_as_a_whole(write):
    first, second = read(write("book.md", BOOK), "markdown")
    assert first.paragraphs == ["The cat sat\non the mat.", 'It was "black".']
    assert second.paragraphs == ["A dog."]
    assert (first.group, second.group) == ("book.md", "book.md") and first.id != second.id


def test_a_file_is_a_document_with_paragraphs_between_blank_lines(write):
    expected = ["One line.\nTwo lines.", "Three.", "Four,\nfive."]
    assert paragraphs(write("a.txt", LINES), "file") == [expected]


def test_blank_lines_part_documents_of_a_paragraph_a_line(write):
    expected = [["One line.", "Two lines."], ["Three."], ["Four,", "five."]]
    assert paragraphs(write("a.txt", LINES), "blank-line") == expected


def test_a_json_line_is_a_document(write):
    lines = [json.dumps({"body": "One.\nTwo."}), "", json.dumps({"body": "Žába \0."})]
    path = write("a.jsonl", "\n".join(lines))
    assert paragraphs(path, "jsonl", field="body") == [["One.", "Two."], ["Žába  ."]]


@pytest.mark.parametrize("format", documents.FORMATS)
def test_a_gz_file_gives_what_the_plain_file_gives(write, format):
    content = json.dumps({"text": LINES}) + "\n" if format == "jsonl" else LINES + BOOK
    plain, packed = write("x", content), write("x.gz", gzip.compress(content.encode()))
    assert paragraphs(packed, format) == paragraphs(plain, format) != []


@pytest.mark.parametrize("format", ["blank-line", "jsonl"])
def test_a_file_read_in_pieces_gives_the_same_documents_wherever_it_is_cut(write, format):
    content = LINES * 2 if format == "blank-line" else '{"text": "a"}\n\n{"text": "bé"}\n'
    path = write("x", content)
    size = path.stat().st_size
    whole = read(path, format)
    assert len(whole) > 1
    for cut in range(1, size):
        pieces = [(0, cut), (cut, min(cut + 7, size)), (min(cut + 7, size), None)]
        parts = (Piece(str(path), "x", format, begin, end) for begin, end in pieces)
        assert [document for part in parts for document in read_documents(part)] == whole


def test_marks_of_windows_files_are_no_text(write):
    path = write("a.md", b"\xef\xbb\xbf# A\r\n\r\nOne.\r\nTwo.\r\n\r\n## B\r\n\r\nThree.\r\n")
    assert paragraphs(path, "markdown") == [["One.\r\nTwo."], ["Three."]]


def test_control_characters_become_spaces(write):
    path = write("a.txt", "a\x00b\x07c\x7fd\x85e\u200bf\ufeffg\th")
    assert paragraphs(path, "file") == [["a b c d\x85e\u200bf g\th"]]


@pytest.mark.parametrize("format", ["file", "markdown", "blank-line"])
def test_a_document_without_text_is_left_out(write, format):
    assert read(write("x", "\n \x00\n\n"), format) == read(write("y", ""), format) == []


def test_a_line_of_a_megabyte_is_read(write):
    line = "word " * 200_000
    (document,) = read(write("a.txt", line), "file")
    assert document == Document("a.txt@0", "a.txt", [line.strip()])


def test_a_long_document_is_given_in_parts(write, monkeypatch):
    monkeypatch.setattr(documents, "MAX_DOCUMENT_BYTES", 20)
    for format in ("file", "blank-line"):
        text = "\n\n".join(["ten bytes."] * 6) if format == "file" else "ten bytes.\n" * 6
        parts = read(write(format, text), format)
        assert 1 < len(parts) == len({part.id for part in parts})
        assert sum(len(part.paragraphs) for part in parts) == 6
    (one, two, *_) = read(write("x", "a line of 20 letters\n" * 9), "file")  # no blank line
    assert one.id != two.id


def test_a_line_beyond_all_measure_is_refused_with_its_place(write, monkeypatch):
    monkeypatch.setattr(documents, "MAX_LINE_BYTES", 100)
    with pytest.raises(ValueError, match=r"a\.txt, line 2: .* at most 100 bytes"):
        read(write("a.txt", "short\n" + "x" * 101), "file")


@pytest.mark.parametrize("begin", [0, 9])
def test_invalid_utf8_is_refused_with_file_line_and_column(write, begin):
    path = write("a.txt", b"one\n\ntwo\n\nth\xffree\n")
    with pytest.raises(ValueError, match=r"a\.txt, line 5: .* 0xff at column 3"):
        list(read_documents(Piece(str(path), "a.txt", "blank-line", begin)))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{oops", "line 2: not a line of JSON"),
        ('{"text": ' + "[" * 100_000, "line 2: not a line of JSON: .*depth"),
        ('["text"]', "line 2: .* got no object"),
        ('{"body": "x"}', "line 2: .* 'text' .* got the keys body. .* --field"),
        ('{"text": 3}', "line 2: .* under 'text' is needed: got 3 there"),
    ],
)
def test_a_bad_json_line_is_refused_with_its_place(write, line, message):
    with pytest.raises(ValueError, match=message):
        read(write("a.jsonl", '{"text": "x"}\n' + line + "\n"), "jsonl")


@pytest.mark.parametrize("damage", [lambda c: c[:-20], lambda c: c[:30] + b"x" * 9 + c[39:]])
def test_a_damaged_gz_file_is_named(write, damage):
    packed = gzip.compress("".join(f"line {n}\n" for n in range(1000)).encode())
    with pytest.raises(ValueError, match=r"whole: .*a\.txt\.gz breaks off or is damaged"):
        read(write("a.txt.gz", damage(packed)), "file")
