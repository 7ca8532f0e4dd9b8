"""What a learner has done so far: one small file on this machine, without names or code."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from digitlab.files import hold, written

FORMAT = 1
PATIENCE = 5.0  # seconds for which another notebook may write
KINDS = ("exercises", "questions", "guesses")


@dataclass
class Record:
    """Hold all that is kept, by the name of exercise, question or guess.

    Attributes:
        exercises: {"tries", "hints", "done": date or "", "given_up": bool} each.
        questions: {"tries", "right": whether the last answer was} each.
        guesses: {"guess", "truth": None until it was seen} each.
    """

    exercises: dict[str, dict[str, Any]] = field(default_factory=dict)
    questions: dict[str, dict[str, Any]] = field(default_factory=dict)
    guesses: dict[str, dict[str, Any]] = field(default_factory=dict)

    def exercise(self, name: str) -> dict[str, Any]:
        new = {"tries": 0, "hints": 0, "done": "", "given_up": False}
        return self.exercises.setdefault(name, new)

    def state(self, name: str) -> str:
        """Return "done", "given up", "tried" or "" of an exercise."""
        entry = self.exercises.get(name)
        if not entry:
            return ""
        if entry["given_up"]:
            return "given up"
        return "done" if entry["done"] else "tried"


def place() -> Path:
    """Return where the file lies: `$DIGITLAB_PROGRESS`, else the user's folder for data."""
    if named := os.environ.get("DIGITLAB_PROGRESS"):
        return Path(named).expanduser()
    return user_data_path("digitlab", appauthor=False) / "progress.json"


def is_off() -> bool:
    """Say whether nothing is to be kept: `$DIGITLAB_PROGRESS` is "off"."""
    return os.environ.get("DIGITLAB_PROGRESS") == "off"


def today() -> str:
    """Return the date, as 2026-01-31."""
    return datetime.now(UTC).date().isoformat()


def read() -> Record:
    """Return what is kept, with what could not be kept in this notebook."""
    record, _ = _read_file()
    for update in _unkept:
        update(record)
    return record


def change(update: Callable[[Record], None]) -> str:
    """Read, change and write what is kept, whole or not at all.

    A file that is damaged is set aside, beside it, and a new one begins. What cannot be written is
    remembered, and written with what comes next.

    Returns:
        "", or in a sentence what went wrong; a check goes on all the same.
    """
    _unkept.append(update)
    try:
        if is_off():
            read()
            return ""
        with _alone():
            said = _set_aside()
            content = {"format": FORMAT, **vars(read())}
            with written(place()) as file:
                file.write(json.dumps(content, indent=1).encode())
    except (OSError, ValueError) as error:
        read()
        return f"Your progress could not be kept: {error}"
    _unkept.clear()
    return said


_unkept: list[Callable[[Record], None]] = []


def _read_file() -> tuple[Record, bool]:
    """Return what the file holds, and whether it is whole; nothing where it is not."""
    try:
        text = b"" if is_off() else place().read_bytes()
        return (_checked(json.loads(text)) if text else Record()), True
    except OSError:
        return Record(), True
    except (ValueError, TypeError, RecursionError):
        return Record(), False


def _set_aside() -> str:
    """Move a damaged file away; say so, and where it lies."""
    _, whole = _read_file()
    if whole:
        return ""
    path = place()
    name = f"{path.name}.damaged-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
    path.rename(path.with_name(name))
    return f"The file of your progress was damaged; it is kept beside the new one, as {name}."


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other notebook writes."""
    path = place()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.lock").open("ab") as lock:
        end = time.monotonic() + PATIENCE
        while not hold(lock):
            if time.monotonic() > end:
                raise ValueError("another notebook has been writing for too long")
            time.sleep(0.01)
        yield


def _checked(kept: Any) -> Record:
    """Return the record that a file holds, or raise a ValueError or TypeError."""
    forms: dict[str, dict[str, tuple[type, ...]]] = {
        "exercises": {"tries": (int,), "hints": (int,), "done": (str,), "given_up": (bool,)},
        "questions": {"tries": (int,), "right": (bool,)},
        "guesses": {"guess": (str, int, float), "truth": (str, int, float, type(None))},
    }
    if not isinstance(kept, dict) or kept.get("format") != FORMAT:
        raise ValueError("not a file of progress")
    for kind, form in forms.items():
        for entry in kept[kind].values() if isinstance(kept.get(kind), dict) else [None]:
            if not isinstance(entry, dict) or set(entry) != set(form):
                raise ValueError("not a file of progress")
            if not all(isinstance(entry[key], types) for key, types in form.items()):
                raise ValueError("not a file of progress")
    return Record(**{kind: kept[kind] for kind in KINDS})
