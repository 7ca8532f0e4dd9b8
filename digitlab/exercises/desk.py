"""What a learner calls: `dl.check`, `dl.hint`, `dl.solution`, `dl.progress`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from typing import Any

from digitlab.exercises import course, memory
from digitlab.exercises.checking import Verdict, judge
from digitlab.exercises.records import Arguments, Exercise, Open, source
from digitlab.exercises.standing import Standing
from digitlab.exercises.views import Beside, Note

N_HINTS = 3
WORDS = 10  # of an answer in words, at least


def check(answer: Any, name: str = "", **given: Any) -> Note:
    """Compare an answer to an exercise with the reference, and say what the difference means.

    What the answer does wrong, raises, prints or never ends is told, and the notebook goes on.

    Args:
        answer: the function or class that was asked for; else the value, or the text.
        name: of the exercise; may be left out where the function still has its name.
        **given: the objects of the notebook that the value was read off.

    Raises:
        ValueError: for an unknown exercise, or other objects than it needs.
    """
    exercise = course.find(name or _name_of(answer))
    if isinstance(exercise, Open):
        return _check_text(exercise, answer)
    verdict = judge(exercise, answer, _arguments(exercise, given))
    kept = "" if verdict.state == "not done yet" else _keep(exercise.name, verdict)
    return _told(verdict, exercise, kept)


def hint(name: str) -> Note:
    """Give the next hint to an exercise: the idea, then the call, then all but one blank.

    Raises:
        ValueError: for an unknown exercise.
    """
    exercise = course.find(name)
    number = 0

    def count(record: memory.Record) -> None:
        nonlocal number
        entry = record.exercise(name)
        number = entry["hints"]
        entry["hints"] = min(N_HINTS, number + 1)

    kept = memory.change(count)
    number = min(number, N_HINTS - 1)
    more = "Call it again for the next one." if number < N_HINTS - 1 else "It was the last one."
    text, code = exercise.hints[number], ""
    if "\n" in text:
        text, _, code = text.partition("\n")
    lines = [text, more, kept] if not code else [text]
    head = f"Hint {number + 1} of {N_HINTS} to {name}"
    return Note("hint", head, [line for line in lines if line], code)


def solution(name: str, *, give_up: bool = False) -> Beside | Note:
    """Show a solution beside the learner's own code, after an attempt.

    Args:
        name: of the exercise.
        give_up: show it without one.

    Raises:
        ValueError: for an unknown exercise.
    """
    exercise = course.find(name)
    tried = memory.read().state(name)
    if not tried and not give_up:
        head = f"{name}: try it first, and check it; every attempt teaches something"
        line = f'`dl.hint("{name}")` helps; `dl.solution("{name}", give_up=True)` shows it at once.'
        return Note("not done yet", head, [line])

    def mark(record: memory.Record) -> None:
        entry = record.exercise(name)
        if isinstance(exercise, Open) and tried:
            entry["done"] = entry["done"] or memory.today()
        elif give_up and not entry["done"]:
            entry["given_up"] = True

    memory.change(mark)
    if isinstance(exercise, Open):
        points = " ".join(f"({i}) {point}" for i, point in enumerate(exercise.points, 1))
        return Beside(name, exercise.model, _own(exercise), f"A good answer says: {points}")
    return Beside(name, exercise.solution, _own(exercise), exercise.why)


def progress() -> Standing:
    """Return how far a learner has come over all notebooks, and where to go on."""
    return Standing(memory.read(), course.exercises(), course.questions())


def _name_of(answer: Any) -> str:
    name = getattr(answer, "__name__", "")
    if not name:
        raise ValueError('say which exercise this answers: dl.check(answer, "name")')
    return str(name)


def _arguments(exercise: Exercise, given: Mapping[str, Any]) -> Arguments | None:
    """Return the objects that a value is judged by, in the order of the reference."""
    needed = list(inspect.signature(exercise.reference).parameters) if exercise.is_value else []
    if set(needed) != set(given):
        call = ", ".join([exercise.name, f'"{exercise.name}"', *(f"{n}={n}" for n in needed)])
        raise ValueError(f"{exercise.name} is checked by dl.check({call})")
    return tuple(given[name] for name in needed) if exercise.is_value else None


def _check_text(exercise: Open, answer: Any) -> Note:
    if answer is ... or (isinstance(answer, str) and not answer.strip()):
        return _untouched(exercise.name)
    if not isinstance(answer, str) or len(answer.split()) < WORDS:
        head = f"{exercise.name}: answer in a sentence or two, as a text in quotes"
        return Note("not right yet", head)

    def tell(record: memory.Record) -> None:
        record.exercise(exercise.name)["tries"] += 1

    kept = memory.change(tell)
    line = f'Compare it with a model answer: `dl.solution("{exercise.name}")`'
    return Note("kept", f"{exercise.name}: answered", [x for x in (line, kept) if x])


def _untouched(name: str) -> Note:
    return Note("not done yet", f"{name}: not done yet", [f'`dl.hint("{name}")` helps.'])


def _keep(name: str, verdict: Verdict) -> str:
    def tell(record: memory.Record) -> None:
        entry = record.exercise(name)
        entry["tries"] += 1
        if verdict.state == "right":
            entry["done"], entry["given_up"] = entry["done"] or memory.today(), False

    return memory.change(tell)


def _told(verdict: Verdict, exercise: Exercise, kept: str) -> Note:
    """Return what a learner reads of a verdict, on one screen."""
    name = verdict.name
    if verdict.state == "not done yet":
        return _untouched(name)
    if verdict.state == "right":
        cases = f": {', '.join(verdict.cases)}" if not exercise.is_value else ""
        lines = [exercise.why, kept]
        return Note("right", f"{name}: right{cases}", [line for line in lines if line])
    failure = verdict.failure
    head = f"{name}: not right yet"
    if len(verdict.cases) > 1:
        head += f"; {len(verdict.right)} of {len(verdict.cases)} cases are right"
    lines = list(verdict.words)
    shown: dict[str, Any] = {}
    if failure is not None and not (exercise.is_value and verdict.words):
        case = "" if exercise.is_value else f"Case “{failure.case}”: "
        end = "" if failure.words.endswith(("?", ".")) else "."
        lines.append(f"{case}{failure.words}{end}")
    if failure is not None and not exercise.is_value:
        shown = {f"given {key}": value for key, value in failure.arguments.items()}
        shown["expected"] = failure.expected
        if not failure.got.error:
            shown["got"] = failure.got.value
        if failure.got.printed:
            lines.append(f"It printed: {failure.got.printed}")
    lines.append(f'`dl.hint("{name}")` helps.')
    return Note("not right yet", head, [*lines, *([kept] if kept else [])], shown=shown)


def _own(exercise: Exercise | Open) -> str:
    """Return the learner's own code, where it stands in this notebook."""
    own = vars(sys.modules["__main__"]).get(exercise.name)
    if isinstance(own, str):
        return own.strip()
    if callable(own):
        try:
            return source(own)
        except (OSError, TypeError):
            return ""
    return ""
