"""The values of a JSON file, each with its place for error messages."""

import difflib
import json
import re
from json import JSONDecodeError, JSONDecoder
from typing import NamedTuple

from albert_tf.data.rows import read_rows


class Item(NamedTuple):
    """One value of a JSON file.

    Args:
        where: the file and the line that the value begins on, or its number in a list.
        value: any JSON value.
    """

    where: str
    value: object

    def field(self, *names, kind=None, required=True):
        """The value under the first of `names` that the object has.

        Args:
            names: keys, the usual one first.
            kind: type, or tuple of types, that the value must have; None for any.
            required: whether to raise where there is none; else None is given.

        Raises:
            ValueError: it is no object, has none of the keys, or a value of another type.
        """
        if not isinstance(self.value, dict):
            raise ValueError(
                f"{self.where}: there must be an object with the key {names[0]!r}: got a "
                f"{type(self.value).__name__}."
            )
        for name in names:
            if self.value.get(name) is not None:
                value = self.value[name]
                if kind is not None and not isinstance(value, kind):
                    raise ValueError(
                        f"{self.where}: {name!r} must be {_KINDS[kind]}: got "
                        f"{json.dumps(value, ensure_ascii=False):.80}."
                    )
                return value
        if not required:
            return None
        close = difflib.get_close_matches(names[0], self.value, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(
            f"{self.where}: {' or '.join(map(repr, names))} is missing: there is "
            f"{', '.join(map(repr, self.value)) or 'nothing'}.{hint}"
        )


_SPACE = re.compile(r"\s*")
_KINDS = {str: "a text", list: "a list", dict: "an object", int: "a whole number"}


def read_json_items(path) -> list[Item]:
    """Reads a JSON file: a list of values, one value, or values one behind the other (JSON lines).

    Args:
        path: the file, in UTF-8; `.gz` is unpacked on the way.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is empty, no UTF-8, or no JSON; the message has the line.
    """
    text = "\n".join(row["text"] for row in read_rows(path, format="lines").cells)
    decoder, items, end, line = JSONDecoder(), [], 0, 1
    while True:
        start = _SPACE.match(text, end).end()
        line += text.count("\n", end, start)
        if start == len(text):
            break
        try:
            value, end = decoder.raw_decode(text, start)
        except JSONDecodeError as error:
            raise ValueError(
                f"{path}, line {error.lineno}, column {error.colno}: this is not JSON: {error.msg}."
            ) from error
        items.append(Item(f"{path}, line {line}", value))
        line += text.count("\n", start, end)
    if len(items) == 1 and isinstance(items[0].value, list):
        values = enumerate(items[0].value, start=1)
        items = [Item(f"{path}, item {number}", value) for number, value in values]
    if not items:
        raise ValueError(f"{path} holds no values. Is it the right file?")
    return items
