"""What can be seen of an answer without running it: is it the stub, does it loop, what it reads."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

LOOPS = {"FOR_ITER", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT"}


def functions_of(answer: Any) -> list[FunctionType]:
    """Return a function itself, or those that a class defines."""
    if isinstance(answer, FunctionType):
        return [answer]
    inside = vars(answer).values() if inspect.isclass(answer) else ()
    return [value for value in inside if isinstance(value, FunctionType)]


def is_untouched(answer: Any, stub: str) -> bool:
    """Say whether an answer does what the stub does, however it is laid out."""
    if answer is ...:
        return True
    mine = [_essence(function.__code__) for function in functions_of(answer)]
    if not mine and not inspect.isclass(answer):
        return False
    try:
        module = compile(stub, "<stub>", "exec")
    except SyntaxError:
        return False
    whole = next((c for c in module.co_consts if isinstance(c, CodeType)), None)
    if whole is None:
        return False
    inside = [c for c in whole.co_consts if isinstance(c, CodeType)]
    theirs = inside if inspect.isclass(answer) else [whole]
    return mine == [_essence(code) for code in theirs]


def _essence(code: CodeType) -> tuple[Any, ...]:
    """Return what a function does, without its docstring and how the compiler calls methods."""
    steps = [
        (step.opname.replace("METHOD", "ATTR"), step.argrepr.removeprefix("NULL + "))
        for step in dis.get_instructions(code)
        if step.opname not in {"PRECALL", "PUSH_NULL"} and not isinstance(step.argval, CodeType)
    ]
    inner = [_essence(const) for const in code.co_consts if isinstance(const, CodeType)]
    return code.co_varnames, steps, inner


def has_loop(answer: Callable[..., Any]) -> bool:
    """Say whether a function, or one inside it, repeats something in Python."""
    codes = [code for function in functions_of(answer) for code in _codes(function.__code__)]
    return any(step.opname in LOOPS for code in codes for step in dis.get_instructions(code))


def names_read(answer: Any) -> list[str]:
    """Return the notebook's own values that an answer reads, besides its CONSTANTS.

    Modules, functions and classes are no values; those that the notebook defines are looked
    through as well.
    """
    found: dict[str, None] = {}
    seen: set[int] = set()
    waiting = functions_of(answer)
    while waiting:
        function = waiting.pop()
        if id(function) in seen:
            continue
        seen.add(id(function))
        for name in dict.fromkeys(_globals_of(function.__code__)):
            value = function.__globals__.get(name, len)  # what is built in is a function
            if isinstance(value, ModuleType) or callable(value):
                own = getattr(value, "__module__", None) == function.__module__
                waiting += functions_of(value) if own else []
            elif not name.isupper() and not name.startswith("__"):
                found[name] = None
    return list(found)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _codes(const)


def _globals_of(code: CodeType) -> Iterator[str]:
    for each in _codes(code):
        for step in dis.get_instructions(each):
            if step.opname in {"LOAD_GLOBAL", "LOAD_NAME"}:
                yield str(step.argval)
