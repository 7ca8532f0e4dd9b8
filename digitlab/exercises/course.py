"""All exercises and questions, by name; a teacher's own, too."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from functools import cache
from pathlib import Path
from typing import Any

from digitlab.exercises.records import Exercise, Open, Question
from digitlab.names import Registry, unknown

MODULES = {
    "00": "first_look",
    "01": "loading_digits",
    "02": "looking_at_digits",
    "03": "training_loop",
    "03b": "backpropagation",
    "04": "plain_mlp",
    "05": "dropout_mlp",
    "06": "convolutions",
    "07": "three_convolutions",
    "08": "sgd_save_reuse",
    "09": "architecture_graphs",
    "10": "prediction_gallery",
    "10b": "how_sure",
    "11": "draw_your_own",
    "12": "augment_and_transfer",
    "13": "fast_and_accurate",
    "14": "silent_bugs",
}


@cache
def exercises() -> dict[str, tuple[Exercise | Open, ...]]:
    """Return the exercises of each notebook, by its number; those of `load` by their file."""
    return {number: _module(name).EXERCISES for number, name in MODULES.items()}


@cache
def questions() -> dict[str, tuple[Question, ...]]:
    """Return the questions of each notebook's quiz, by its number."""
    return {number: _module(name).QUIZ for number, name in MODULES.items()}


def number_in(path: Path) -> str:
    """Return the number that a notebook's file begins with: 03, or 03b for one in between."""
    return path.name.partition("_")[0]


def find(name: str) -> Exercise | Open:
    """Return the exercise of this name.

    Raises:
        ValueError: for an unknown name.
    """
    every = {each.name: each for group in exercises().values() for each in group}
    return Registry("exercise", every)[name]


def number_of(name: str) -> str:
    """Return the number of the notebook that an exercise stands in, or the name of its file."""
    return next(n for n, group in exercises().items() if any(e.name == name for e in group))


def quiz_of(number: str) -> tuple[Question, ...]:
    """Return the questions of a notebook.

    Raises:
        ValueError: for an unknown number.
    """
    if number not in questions():
        raise unknown("quiz", number, questions())
    return questions()[number]


def load(path: str | Path) -> tuple[str, ...]:
    """Add the exercises of a file, `EXERCISES`, and its questions, `QUIZ`; loading again renews.

    Returns:
        The names of its exercises.

    Raises:
        ValueError: where there is no such file, it holds none, or a name is taken.
    """
    path = Path(path).expanduser()
    if path.suffix != ".py" or not path.is_file():
        raise ValueError(f"{path.name!r} is no file with exercises; name one that ends in .py")
    spec = importlib.util.spec_from_file_location(f"exercises_in_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where `inspect` looks for the source of classes
    spec.loader.exec_module(module)
    group = getattr(module, "EXERCISES", ())
    is_group = isinstance(group, tuple) and all(isinstance(one, Exercise | Open) for one in group)
    if not group or not is_group:
        raise ValueError(f"{path.name} has no EXERCISES, a tuple of Exercise and Open")
    others = {e.name for n, known in exercises().items() if n != path.stem for e in known}
    if taken := [each.name for each in group if each.name in others]:
        raise ValueError(f"another exercise has the name {taken[0]!r} already; choose another one")
    exercises()[path.stem] = group
    questions()[path.stem] = tuple(getattr(module, "QUIZ", ()))
    return tuple(each.name for each in group)


def _module(name: str) -> Any:
    return importlib.import_module(f"digitlab.exercises.bank.{name}")
