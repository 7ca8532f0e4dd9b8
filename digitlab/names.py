"""Dictionaries whose unknown names are answered with the nearest known one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def unknown(kind: str, name: object, known: Iterable[str]) -> ValueError:
    """Return the error that says what came, what is allowed and what was probably meant."""

    def plain(name: object) -> str:
        return str(name).lower().replace("_", "-")

    names = {plain(name): name for name in known}
    near = difflib.get_close_matches(plain(name), names, n=1, cutoff=0.4)
    choice = ", ".join(names.values()) or "none"
    hint = f"did you mean {names[near[0]]!r}?" if near else f"choose from {choice}"
    return ValueError(f"unknown {kind} {name!r}; {hint}")


class Registry(dict[str, T]):
    """A dict that raises `unknown(kind, name, names)` for a name it does not hold."""

    def __init__(self, kind: str, items: dict[str, T]) -> None:
        super().__init__(items)
        self.kind = kind

    def __missing__(self, name: str) -> T:
        raise unknown(self.kind, name, self)
