"""Values that a file can hold and anybody can read: numbers, texts, and collections of them."""

from __future__ import annotations

import dataclasses
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints


def plain(value: Any, *, keep: tuple[type, ...] = ()) -> Any:
    """Return a value in Python's own types: a number of NumPy or torch without its wrapping.

    Args:
        value: also a collection of values.
        keep: values of these types stay as they are.
    """
    if isinstance(value, keep):
        return value
    if isinstance(value, dict):
        return {key: plain(item, keep=keep) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(plain(item, keep=keep) for item in value)
    is_number = getattr(value, "ndim", None) == 0 and hasattr(value, "item")
    return value.item() if is_number else value


def make_plain(record: Any, what: str, *, keep: tuple[type, ...] = ()) -> None:
    """Bring the fields of a new dataclass to plain values, see `plain`, and check their types.

    Raises:
        ValueError: naming the field, what it must be and what came.
    """
    hints = get_type_hints(type(record))
    for field in dataclasses.fields(record):
        value = plain(getattr(record, field.name), keep=keep)
        if not _is(value, hints[field.name]):
            raise ValueError(f"{field.name} of {what} must be {field.type}, not {value!r:.60}")
        object.__setattr__(record, field.name, value)  # it may be frozen


def _is(value: Any, hint: Any) -> bool:
    """Say whether a value is of this type; whole numbers are numbers, True and False are none."""
    kind, args = get_origin(hint), get_args(hint)
    if kind is UnionType:
        return any(_is(value, one) for one in args)
    if kind is dict:
        return isinstance(value, dict) and all(_is(item, args[1]) for item in value.values())
    if kind is tuple:
        n_fits = isinstance(value, tuple) and (args[-1] is ... or len(value) == len(args))
        return n_fits and all(_is(item, args[0]) for item in value)
    if hint in (int, float):
        return isinstance(value, int | hint) and not isinstance(value, bool)
    return hint is Any or isinstance(value, hint)
