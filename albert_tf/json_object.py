"""Reading a file that is one JSON object, whoever wrote it."""

import json
from pathlib import Path


def read_json_object(path) -> dict:
    """Reads the object of a file in UTF-8, with or without a byte order mark.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is not UTF-8 or not JSON (with the place), or not an object.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    content, wanted = Path(path).read_bytes(), f"{path} must hold a JSON object"
    try:
        value = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{wanted}: byte 0x{content[error.start]:02x} at position {error.start} (line "
            f"{content[: error.start].count(10) + 1}) is not UTF-8. Convert the file first, for "
            "example with `iconv -f latin1 -t utf-8`."
        ) from error
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{wanted}: line {error.lineno}, column {error.colno}: not JSON: {error.msg}. Is the "
            "file complete?"
        ) from error
    if not isinstance(value, dict):
        raise ValueError(f"{wanted}: got a {type(value).__name__}.")
    return value
