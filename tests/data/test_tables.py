import csv
import gzip
import json

import numpy as np
import pytest

from albert_tf.data.tables import read_examples


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


TSV = "text\tlabel\ngood fun\tpos\nso dull\tneg\n"
CSV = 'text,label\ngood fun,pos\n"so, ""dull""\nand long",neg\n'
JSONL = '{"text": "good fun", "label": "pos"}\n\n{"text": "so dull", "label": "neg"}\n'


@pytest.mark.parametrize(("name", "content"), [("a.tsv", TSV), ("a.jsonl", JSONL)])
def test_texts_and_labels_come_from_named_columns(tmp_path, name, content):
    examples = read_examples(write(tmp_path / name, content))
    assert examples.texts == ["good fun", "so dull"]
    assert examples.class_names == ("neg", "pos")
    assert examples.labels.tolist() == [1, 0]


def test_csv_fields_may_hold_commas_quotes_and_line_ends(tmp_path):
    examples = read_examples(write(tmp_path / "a.csv", CSV))
    assert examples.texts[1] == 'so, "dull"\nand long'


def test_a_quotation_mark_in_tsv_is_a_letter(tmp_path):
    content = 'text\tlabel\n"so dull\tneg\nit\'s "good"\tpos\n'
    assert read_examples(write(tmp_path / "a.tsv", content)).texts == ['"so dull', 'it\'s "good"']


def test_a_long_csv_field_is_read_without_changing_the_limit_of_others(tmp_path):
    limit = csv.field_size_limit()
    path = write(tmp_path / "a.csv", f"text,label\n{'long ' * 50_000},pos\n")
    assert len(read_examples(path).texts[0]) == 250_000
    assert csv.field_size_limit() == limit


def test_a_text_file_has_one_text_a_line(tmp_path):
    path = write(tmp_path / "a.txt", "one\tstill one\n\ntwo")
    assert read_examples(path, label=None).texts == ["one\tstill one", "", "two"]


def test_unicode_line_separators_do_not_end_a_row(tmp_path):
    content = "text\tlabel\none\u2028text\x0bstill\tpos\n"
    assert read_examples(write(tmp_path / "a.tsv", content)).texts == ["one\u2028text\x0bstill"]


def test_gzip_byte_order_mark_and_windows_line_ends_are_read_through(tmp_path):
    path = tmp_path / "a.tsv.gz"
    path.write_bytes(gzip.compress(("\ufeff" + TSV.replace("\n", "\r\n")).encode()))
    assert read_examples(path).labels.tolist() == [1, 0]


def test_columns_of_a_file_without_header_go_by_index(tmp_path):
    path = write(tmp_path / "a.tsv", "x\t1\tgood\tfun\ny\t0\tso\tdull\n")
    examples = read_examples(path, header=False, text=2, text_pair="3", label="1")
    assert (examples.texts, examples.text_pairs) == (["good", "so"], ["fun", "dull"])


def test_an_empty_text_is_kept(tmp_path):
    assert read_examples(write(tmp_path / "a.tsv", "text\tlabel\n\tpos\n")).texts == [""]
    lines = write(tmp_path / "b.tsv", "text\none\n\ntwo\n")
    assert read_examples(lines, label=None).texts == ["one", "", "two"]


def test_whole_number_labels_are_sorted_by_value(tmp_path):
    path = write(tmp_path / "a.jsonl", "".join(f'{{"text": "x", "label": {i}}}\n' for i in (10, 9)))
    assert read_examples(path).class_names == ("9", "10")


def test_regression_labels_are_numbers(tmp_path):
    path = write(tmp_path / "a.tsv", "text\tlabel\nx\t2.5\ny\t-1\n")
    examples = read_examples(path, problem="regression")
    assert examples.labels.tolist() == [2.5, -1.0]
    assert (examples.class_names, examples.num_outputs) == (None, 1)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", "text\tlabel\nx\tfun, long\ny\t\nz\tlong\n"),
        ("a.jsonl", '{"text":"x","label":["fun","long"]}\n{"text":"y","label":[]}\n'),
    ],
)
def test_multi_label_rows_become_rows_of_zeros_and_ones(tmp_path, name, content):
    examples = read_examples(write(tmp_path / name, content), problem="multi_label")
    assert examples.class_names == ("fun", "long")
    assert examples.labels[:2].tolist() == [[1, 1], [0, 0]]


def test_another_file_is_read_by_the_classes_of_training(tmp_path):
    path = write(tmp_path / "dev.tsv", "text\tlabel\nx\tpos\n")
    assert read_examples(path, class_names=("neg", "pos")).labels.tolist() == [1]


def test_taking_rows_keeps_texts_and_labels_together(tmp_path):
    examples = read_examples(write(tmp_path / "a.tsv", TSV)).take(np.array([1, 0]))
    assert (examples.texts, examples.labels.tolist()) == (["so dull", "good fun"], [0, 1])


def row(label):
    return json.dumps({"text": "x", "label": label}) + "\n"


@pytest.mark.parametrize(
    ("name", "content", "kwargs", "message"),
    [
        (
            "a.tsv",
            "sentence\tlabel\nx\t0\n",
            {"text": "sentense"},
            "'sentence', 'label'.*mean 'sen",
        ),
        ("a.tsv", TSV, {"text": "2"}, "no column '2'.*no names, use --no-header"),
        ("a.tsv", "", {}, "no rows"),
        ("a.tsv", "text\tlabel\n", {}, "no rows"),
        ("a.tsv.gz", None, {}, "damaged after line 0"),
        ("a.tsv", TSV + "one\n", {}, "line 4: the row has 1 fields where 2"),
        ("a.tsv", "x\tpos\tz\n" + TSV, {}, "line 2: the row has 2.*So says line 1.*--no-header"),
        ("a.tsv", "x pos\ny\tpos\n", {"header": False}, "line 1, the first one. Mend the one"),
        ("a.csv", 'text,label\n"open,pos\n', {}, "line 2.*quotation mark"),
        ("a.tsv", "text\ttext\nx\ty\n", {}, "'text' more than once"),
        ("a.xlsx", TSV, {}, r"must end in \.tsv"),
        ("a.jsonl", '{"text": "x"}\n{"text": \n', {}, "line 2: not a JSON object"),
        ("a.json", "[1]\n", {}, "line 1.*got a list"),
        ("a.jsonl", row("a") + '{"text": "y"}\n', {}, "line 2: the row has no 'label'"),
        ("a.jsonl", '{"text": null, "label": 1}\n', {}, "line 1: 'text' must be a text: got null"),
        ("a.tsv", TSV, {"class_names": ("pos", "meh")}, "line 3: the label 'neg' was never seen"),
        ("a.tsv", "text\tlabel\nx\t\n", {}, "line 2: the label is empty"),
        ("a.tsv", TSV, {"problem": "regression"}, "line 2.*finite number.*'pos'"),
        ("a.tsv", "text\tlabel\nx\tnan\n", {"problem": "regression"}, "finite number"),
        ("a.tsv", TSV, {"problem": "ranking"}, "classification, regression, multi_label"),
    ],
)
def test_bad_input_is_named_with_its_place(tmp_path, name, content, kwargs, message):
    path = write(tmp_path / name, content if content is not None else "not gzip")
    with pytest.raises(ValueError, match=message):
        read_examples(path, **kwargs)


def test_bytes_that_are_not_utf8_are_named_with_their_line(tmp_path):
    path = write(tmp_path / "a.tsv", "text\tlabel\nok\tpos\ncaf\u00e9\tpos\n", encoding="latin-1")
    with pytest.raises(ValueError, match="line 3: byte 0xe9 at position 4 is not UTF-8.*iconv"):
        read_examples(path)


def test_a_missing_file_is_named_with_the_closest_one(tmp_path):
    write(tmp_path / "train.tsv", TSV)
    with pytest.raises(FileNotFoundError, match=r"trian\.tsv.*mean .*train\.tsv"):
        read_examples(tmp_path / "trian.tsv")


def test_a_directory_is_no_table(tmp_path):
    with pytest.raises(ValueError, match="is a directory"):
        read_examples(tmp_path)


def test_a_cut_gzip_file_is_told(tmp_path):
    path = tmp_path / "a.tsv.gz"
    path.write_bytes(gzip.compress((TSV * 500).encode())[:-20])
    with pytest.raises(ValueError, match="is damaged after line"):
        read_examples(path)
