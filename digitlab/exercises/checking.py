"""`dl.check`: a learner's answer beside the reference, and what the difference means."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import UnionType
from typing import Any

import numpy as np
from torch import Tensor

from digitlab.exercises import honesty
from digitlab.exercises.compare import difference, is_number, pattern, told
from digitlab.exercises.guard import SECONDS, Outcome, attempt
from digitlab.exercises.records import Arguments, Exercise, call

SLOWER = 3  # times as long as the reference may an answer take, where that is more than SECONDS
KINDS: dict[type | UnionType, str] = {
    str: "a text",
    list | tuple: "a list",
    dict: "a dict",
}
DATA = (Tensor, np.ndarray, list, dict)  # arguments that an answer could change
OURS = 60.0  # seconds for each case of the reference


@dataclass(frozen=True)
class Failure:
    """Hold the first case in which an answer is not right."""

    case: str
    arguments: Mapping[str, Any]
    got: Outcome
    expected: Any
    words: str


@dataclass(frozen=True)
class Verdict:
    """Hold what a check found.

    Attributes:
        state: "not done yet", "not right yet" or "right".
        right: the cases that are right, of `cases`.
        words: what else is to be said, in sentences: a misconception by name comes first.
    """

    name: str
    state: str
    right: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    failure: Failure | None = None


@dataclass
class _Trial:
    """Hold the outcomes of one answer, case by case, and how each differs from what is right."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)


def judge(exercise: Exercise, answer: Any, given: Arguments | None = None) -> Verdict:
    """Compare an answer with the reference.

    Args:
        exercise: what was asked for.
        answer: a function or class; where the exercise asks for a value, the value.
        given: the learner's own objects that a value is judged by.
    """
    name = exercise.name
    if honesty.is_untouched(answer, exercise.stub):
        return Verdict(name, "not done yet")
    if forbidden := _before_running(exercise, answer):
        return Verdict(name, "not right yet", words=(forbidden,))
    cases = partial(_given_cases, given) if given is not None else exercise.cases
    start = time.monotonic()
    expected = _outcomes(exercise, exercise.reference, cases)
    seconds = max(SECONDS, SLOWER * (time.monotonic() - start))
    if broken := [outcome.problem for outcome in expected.values() if outcome.problem]:
        misfit = f"what this check was given does not fit: {broken[0]}"
        return Verdict(name, "not right yet", words=(misfit,))
    trial = _try(exercise, answer, cases, expected, seconds)
    titles = tuple(expected)
    right = tuple(title for title in titles if not trial.words[title])
    if len(right) == len(titles):
        return Verdict(name, "right", right, titles)
    first = next(title for title in titles if trial.words[title])
    found = _misconceptions(exercise, trial, cases)
    words = found or _in_words(trial, expected, right, titles)
    shown = _named_arguments(exercise, cases()[first])
    failure = Failure(
        first, shown, trial.outcomes[first], expected[first].value, trial.words[first]
    )
    return Verdict(name, "not right yet", right, titles, words, failure)


def _outcomes(
    exercise: Exercise,
    answer: Callable[..., Any],
    cases: Callable[[], Mapping[str, Arguments]],
) -> dict[str, Outcome]:
    """Run an answer of ours on every case, however busy the machine is."""
    return {
        title: attempt(partial(_expected, exercise, answer, arguments), seconds=OURS)
        for title, arguments in cases().items()
    }


def _given_cases(given: Arguments) -> dict[str, Arguments]:
    return {"your own": given}


def _before_running(exercise: Exercise, answer: Any) -> str:
    """Return what forbids to run an answer, or ""."""
    if exercise.is_value:
        is_kept = not callable(answer) or exercise.use is not None
        return "" if is_kept else "that is a function; give what it returns"
    if inspect.isclass(exercise.reference) and not inspect.isclass(answer):
        return "a class is asked for; give the class itself, not an object of it"
    if not callable(answer):
        return "a function is asked for; give the function itself, without calling it"
    if not exercise.loops and honesty.has_loop(answer):
        return "it holds a loop, and this task asks for one expression on whole tensors"
    if names := honesty.names_read(answer):
        return (
            f"it reads `{names[0]}` from the notebook, so it would fail elsewhere; a function gets "
            "what it needs as arguments (a constant is written in CAPITALS)"
        )
    return ""


def _expected(exercise: Exercise, reference: Callable[..., Any], arguments: Arguments) -> Any:
    if exercise.is_value:
        value = reference(*arguments)
        return exercise.use(value, *arguments) if exercise.use else value
    return (exercise.use or call)(reference, *arguments)


def _run(exercise: Exercise, answer: Any, arguments: Arguments) -> Any:
    if exercise.is_value:
        return exercise.use(answer, *arguments) if exercise.use else answer
    return (exercise.use or call)(answer, *arguments)


def _try(
    exercise: Exercise,
    answer: Any,
    cases: Callable[[], Mapping[str, Arguments]],
    expected: Mapping[str, Outcome],
    seconds: float,
) -> _Trial:
    """Run an answer on every case; one that had to be stopped is not tried again."""
    trial, before, end = _Trial(), cases(), time.monotonic() + seconds
    outcome = Outcome()
    for title, arguments in cases().items():
        if not outcome.stopped:
            left = max(0.5, end - time.monotonic())
            outcome = attempt(partial(_run, exercise, answer, arguments), seconds=left)
        words = outcome.problem or _differs(exercise, outcome.value, expected[title].value)
        if not words and not exercise.changes and not exercise.is_value:
            words = _changed(exercise, before[title], arguments)
        trial.outcomes[title], trial.words[title] = outcome, words
    return trial


def _differs(exercise: Exercise, got: Any, expected: Any) -> str:
    """Return how a value differs; of a decision not by how much, which would be the answer."""
    words = difference(got, expected, close=exercise.close)
    if not words or not exercise.is_value or exercise.use is not None:
        return words
    for kind, name in KINDS.items():
        if isinstance(expected, kind) and not isinstance(got, kind):
            return f"it is {told(got)}; {name} is asked for"
    return f"it is not {told(got)}"


def _changed(exercise: Exercise, before: Arguments, after: Arguments) -> str:
    named = _named_arguments(exercise, before)
    for (name, old), new in zip(named.items(), after, strict=True):
        if isinstance(old, DATA) and difference(new, old):
            return f"it changes its argument `{name}`, which others still need; work on a copy"
    return ""


def _named_arguments(exercise: Exercise, arguments: Arguments) -> dict[str, Any]:
    function = exercise.reference
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    names += [f"argument {i}" for i in range(len(names) + 1, len(arguments) + 1)]
    return dict(zip(names, arguments, strict=False))


def _misconceptions(
    exercise: Exercise, trial: _Trial, cases: Callable[[], Mapping[str, Arguments]]
) -> tuple[str, ...]:
    """Return the sentence of the known wrong answer that does the same in every case."""
    if any(outcome.stopped for outcome in trial.outcomes.values()):
        return ()
    for wrong in exercise.wrong:
        theirs = _outcomes(exercise, wrong.answer, cases)
        if all(_same(trial.outcomes[title], theirs[title], exercise.close) for title in theirs):
            return (wrong.sentence,)
    return ()


def _same(mine: Outcome, theirs: Outcome, close: float) -> bool:
    if mine.error or theirs.error:
        return mine.error is theirs.error
    if mine.value is None or theirs.value is None:
        return mine.value is theirs.value
    return not difference(mine.value, theirs.value, close=close)


def _in_words(
    trial: _Trial, expected: Mapping[str, Outcome], right: tuple[str, ...], titles: tuple[str, ...]
) -> tuple[str, ...]:
    """Return what an unknown difference looks like over all cases."""
    words = []
    pairs = [(trial.outcomes[title].value, expected[title].value) for title in titles]
    if all(is_number(x) for pair in pairs for x in pair):
        got, wanted = (np.array([float(pair[i]) for pair in pairs]) for i in (0, 1))
        if seen := pattern(got, wanted):
            words.append(f"Over all cases: {seen}.")
    if right and len(titles) - len(right) == 1:
        missed = next(title for title in titles if title not in right)
        words.append(f"It is right but for one case: {missed}.")
    return tuple(words)
