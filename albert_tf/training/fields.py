"""Dataclass fields that are at once flags, keys of a recipe, and keys of a saved settings file."""

import dataclasses
import difflib
import re
import types
from dataclasses import MISSING
from pathlib import Path
from typing import get_args, get_origin

KINDS = {
    str: "a text",
    Path: "a path",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    tuple: "a list",
}
# `gs://bucket`, of which pathlib makes `gs:/bucket`: a folder here of a strange name.
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


def flag(help, *, choices=None, may_lead=False, **default):
    """A dataclass field with its help text.

    Args:
        help: what the field is.
        choices: the values it may take; None for any.
        may_lead: whether the value may follow the verb without a flag before it.
        **default: as of `dataclasses.field`.
    """
    metadata = {"help": help, "choices": choices, "may_lead": may_lead}
    return dataclasses.field(metadata=metadata, **default)


def key_of(field) -> str:
    """The field's name outside of Python: `from_` is `from`, which Python keeps for itself."""
    return field.name.rstrip("_")


def is_required(field) -> bool:
    """Whether a value must be given."""
    return field.default is MISSING and field.default_factory is MISSING


def kinds_of(field) -> tuple[type, ...]:
    """The types that a field takes besides None; `tuple` for `tuple[str, ...]`."""
    union = isinstance(field.type, types.UnionType)
    options = get_args(field.type) if union else (field.type,)
    return tuple(get_origin(kind) or kind for kind in options if kind is not types.NoneType)


def item_of(field) -> type:
    """The type of the items of a `tuple[x, ...]` field, with or without None."""
    union = isinstance(field.type, types.UnionType)
    options = get_args(field.type) if union else (field.type,)
    return get_args(next(kind for kind in options if get_origin(kind) is tuple))[0]


def build(cls, values: dict, where: str):
    """Makes a dataclass from JSON values or parsed flags.

    Args:
        cls: the dataclass.
        values: key -> value.
        where: what the values came from, for messages.

    Raises:
        ValueError: an unknown key, a value of a wrong type or outside of its choices, a path that
            is not of this machine, or a required one that is missing.
    """
    by_key = {key_of(f): f for f in dataclasses.fields(cls)}
    for key in values:
        if key not in by_key:
            close = difflib.get_close_matches(key, by_key, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else f" Known: {', '.join(by_key)}."
            raise ValueError(f"{where} has the unknown key {key!r}.{hint}")
    missing = [key for key, f in by_key.items() if is_required(f) and key not in values]
    if missing:
        names = ", ".join("--" + key.replace("_", "-") for key in missing)
        raise ValueError(f"A value is needed for {names}.")
    return cls(**{by_key[k].name: _converted(by_key[k], v, where) for k, v in values.items()})


def as_values(instance) -> dict:
    """The fields as JSON values, under their keys; the inverse of `build`."""
    values = {key_of(f): getattr(instance, f.name) for f in dataclasses.fields(instance)}
    return {key: _plain(value) for key, value in values.items()}


def recipe_of(instance) -> dict:
    """The fields that have a value, as the keys of a recipe that sets them."""
    return {key: value for key, value in as_values(instance).items() if value not in (None, [])}


def default_values(cls) -> dict:
    """The defaults of a dataclass as JSON values, under their keys; required fields have none."""
    fields = [field for field in dataclasses.fields(cls) if not is_required(field)]
    return {key_of(field): _plain(field.default) for field in fields}


def _plain(value):
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _converted(field, value, where):
    kinds = kinds_of(field)
    optional = isinstance(field.type, types.UnionType) and types.NoneType in get_args(field.type)
    if value is None and optional:
        return None
    choices = field.metadata.get("choices")
    if choices and value not in choices:
        raise ValueError(
            f"{where}: {key_of(field)} must be one of {', '.join(map(str, choices))}: "
            f"got {value!r}."
        )
    for kind in kinds:
        if kind is tuple and isinstance(value, list | tuple):
            item = item_of(field)
            if all(_fits(item, v) for v in value):
                return tuple(item(v) for v in value)
        elif _fits(kind, value):
            if kind is Path and _REMOTE.match(str(value)):
                raise ValueError(
                    f"{where}: {key_of(field)} must be a path on this machine: got {value}. Copy "
                    "from and to other file systems by their own tools."
                )
            return kind(value)
    wanted = " or ".join(KINDS[kind] for kind in kinds)
    raise ValueError(f"{where}: {key_of(field)} must be {wanted}: got {value!r}.")


def _fits(kind, value):
    if kind in (str, Path):
        return isinstance(value, str | Path)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind)
