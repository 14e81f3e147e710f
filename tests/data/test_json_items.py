import pytest

from albert_tf.data.json_items import read_json_items


def items(tmp_path, text):
    (tmp_path / "d.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_json_items(tmp_path / "d.json")


@pytest.mark.parametrize(
    ("text", "wheres"),
    [
        ('[{"a": 1}, {"a": 2}]', ["item 1", "item 2"]),
        ('{"a": 1}\n\n{"a": 2}\n', ["line 1", "line 3"]),
        ('\n{\n"a": 1}\n{"a": 2}', ["line 2", "line 4"]),
    ],
)
def test_lists_and_lines_are_read_alike(tmp_path, text, wheres):
    found = items(tmp_path, text)
    assert [item.value for item in found] == [{"a": 1}, {"a": 2}]
    assert [item.where.rsplit(", ", 1)[1] for item in found] == wheres


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1}\n{"a": }\n', "d.json, line 2, column 7: this is not JSON"),
        ('[{"a": 1},\n {"a" 2}]', "d.json, line 2, column 7: this is not JSON"),
        ("[]", "holds no values"),
        (b'{"a": "\xff"}', "line 1: byte 0xff at position 8 is not UTF-8"),
    ],
)
def test_what_is_no_json_is_refused_with_its_line(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        items(tmp_path, text)


def test_a_missing_or_misshapen_field_is_named(tmp_path):
    (item,) = items(tmp_path, '{"text": 3, "tag": []}')
    with pytest.raises(ValueError, match="line 1: 'tags' or 'labels' is missing.*mean 'tag'"):
        item.field("tags", "labels")
    with pytest.raises(ValueError, match="line 1: 'text' must be a text: got 3"):
        item.field("text", kind=str)
    with pytest.raises(ValueError, match="line 1: there must be an object.*got a int"):
        item._replace(value=3).field("text")
