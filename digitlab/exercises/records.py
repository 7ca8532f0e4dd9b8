"""What an exercise is, and a question of a quiz: rows of data, one module for each notebook."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from digitlab.data import load
from digitlab.exercises.compare import CLOSE
from digitlab.inference import Result, evaluate
from digitlab.measured import pretrained
from digitlab.metrics import nll

Arguments = tuple[Any, ...]


class Wrong(NamedTuple):
    """Hold an answer that is often given and wrong, and the sentence that it deserves."""

    answer: Callable[..., Any]
    sentence: str


def call(answer: Callable[..., Any], *arguments: Any) -> Any:
    """Return what an answer returns."""
    return answer(*arguments)


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """Hold an exercise whose answer can be checked.

    Attributes:
        reference: a right answer; its name is that of the exercise. A learner writes a function or
            class of this name. Where `is_value`, the learner gives a value, and the reference
            computes the right one from objects of the learner, which are its arguments.
        task: in a line.
        objective: which one of the notebook's first cell it trains, in its words.
        cases: make arguments to compare with, anew at each call, by what is special about them.
            Where `is_value`, examples of the learner's objects, for tests.
        wrong: at least three.
        hints: the idea; the call; all but one blank, which is written ____.
        why: two sentences on why the reference is right.
        start: what stands in the notebook; made from the reference where it is empty.
        use: (answer, *arguments) -> what is compared, where that is not what the answer returns;
            for a value, (value, *arguments).
        close: relative difference up to which numbers are equal.
        loops: whether the answer may hold a loop.
        changes: whether it may change its arguments.
    """

    reference: Callable[..., Any]
    task: str
    objective: str
    cases: Callable[[], Mapping[str, Arguments]]
    wrong: tuple[Wrong, ...]
    hints: tuple[str, str, str]
    why: str
    is_value: bool = False
    start: str = ""
    use: Callable[..., Any] | None = None
    close: float = CLOSE
    loops: bool = True
    changes: bool = False

    @property
    def name(self) -> str:
        return self.reference.__name__

    @property
    def stub(self) -> str:
        """What a learner finds in the notebook."""
        if self.start:
            return textwrap.dedent(self.start).strip()
        return f"{self.name} = ..." if self.is_value else _emptied(source(self.reference))

    @property
    def solution(self) -> str:
        """What can stand in the place of the stub."""
        text = source(self.reference)
        return _as_value(text, self.name) if self.is_value else text


@dataclass(frozen=True, kw_only=True)
class Open:
    """Hold an exercise without one right answer: a text is given, and compared with a model.

    Attributes:
        name: of the variable that holds the learner's text.
        points: what a good answer says.
        model: such an answer.
    """

    name: str
    task: str
    objective: str
    hints: tuple[str, str, str]
    points: tuple[str, ...]
    model: str

    @property
    def stub(self) -> str:
        return f"{self.name} = ..."

    @property
    def solution(self) -> str:
        """What can stand in the place of the stub."""
        lines = textwrap.wrap(self.model, 80)
        return f'{self.name} = """\n' + "\n".join(lines) + '\n"""'


class Option(NamedTuple):
    """Hold one answer to a question, and what to say to whoever chooses it."""

    text: str
    explanation: str


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Hold a question with options, one of which is right.

    Attributes:
        name: begins with the number of the notebook: "03-first-loss".
        right: the place of the right option, from 0, or a function that computes it.
        code: is shown below the question.
        figure: draws what is shown below it, with an alternative text that gives nothing away.
    """

    name: str
    text: str
    objective: str
    options: tuple[Option, ...]
    right: int | Callable[[], int]
    code: str = ""
    figure: Callable[[], Any] | None = None

    @property
    def key(self) -> int:
        """The place of the right option."""
        return self.right() if callable(self.right) else self.right


@dataclass(frozen=True, kw_only=True)
class Number:
    """Hold a question whose answer is a number.

    Attributes:
        answer: computes the right one.
        tolerance: how far from it is still right.
        explanation: is said with the right number, to everybody.
        slips: numbers that come from a known mistake, and the sentence for each.
        unit: stands behind the field.
    """

    name: str
    text: str
    objective: str
    answer: Callable[[], float]
    explanation: str
    tolerance: float = 1e-6
    slips: tuple[tuple[float, str], ...] = ()
    unit: str = ""
    code: str = ""
    figure: Callable[[], Any] | None = None


Question = Choice | Number


def source(answer: Callable[..., Any]) -> str:
    """Return the code of a function or class as it would stand in a notebook."""
    return textwrap.dedent(inspect.getsource(answer)).strip()


def _emptied(text: str) -> str:
    """Return the head and docstring of a function, or of each method of a class, with `...`."""
    lines = text.splitlines()
    [whole] = ast.parse(text).body
    functions = [whole] if isinstance(whole, ast.FunctionDef) else []
    if isinstance(whole, ast.ClassDef):
        functions = [node for node in whole.body if isinstance(node, ast.FunctionDef)]
    for function in reversed(functions):
        body = function.body[1:] if ast.get_docstring(function) else function.body
        if body:
            indent = " " * (function.col_offset + 4)
            lines[body[0].lineno - 1 : function.end_lineno] = [f"{indent}..."]
    return "\n".join(lines)


def _as_value(text: str, name: str) -> str:
    """Return the body of a function as lines of a notebook, its last `return` as `name =`."""
    [function] = ast.parse(text).body
    assert isinstance(function, ast.FunctionDef)
    body = function.body[1:] if ast.get_docstring(function) else function.body
    last = body[-1]
    assert isinstance(last, ast.Return), "the reference of a value ends in its only return"
    lines = text.splitlines()[body[0].lineno - 1 :]
    at = last.lineno - body[0].lineno
    lines[at] = lines[at].replace("return ", f"{name} = ", 1)
    return textwrap.dedent("\n".join(lines))


@cache
def _real() -> tuple[Tensor, Tensor]:
    split = load("optdigits").train
    return split.images, split.labels


def real_digits(n: int = 10) -> tuple[Tensor, Tensor]:
    """Return images uint8 (n, 28, 28) and labels int64 (n,) of real digits, the same each time."""
    images, labels = _real()
    return images[:n].clone(), labels[:n].clone()


def random_numbers(*shape: int, seed: int = 0) -> Tensor:
    """Return normal random numbers, the same each time: float32."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def result_of(logits: Tensor, labels: Tensor) -> Result:
    """Return what a model that gives these logits reads: float (N, 10), int64 (N,)."""
    right = (logits.argmax(dim=1) == labels).double()
    return Result(logits, labels, nll(logits, labels).mean().item(), right.mean().item())


@cache
def on_real_digits(name: str) -> Result:
    """Return what a trained model says of 100 real digits."""
    return evaluate(pretrained(name), load("optdigits").valid[:100])
