"""Is this what was asked for? And where it is not, how does it differ, in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Number
from typing import Any

import numpy as np
import torch
from torch import Tensor

CLOSE = 1e-4  # relative; float32 that is added up in another order differs by less
TINY = 1e-6  # absolute, for what should be zero
NUMBER_WORDS = {0.5: "half", 2.0: "twice", -1.0: "the negative of"}


@dataclass(frozen=True)
class Between:
    """Stand for every number from `low` to `high`, both included."""

    low: float
    high: float

    def __repr__(self) -> str:
        return f"from {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class OneOf:
    """Stand for each of several answers that are all right."""

    answers: tuple[Any, ...]

    def __repr__(self) -> str:
        return " or ".join(map(repr, self.answers))


def difference(got: Any, expected: Any, *, close: float = CLOSE) -> str:
    """Return in words how a value differs from the expected one; "" where it does not.

    An array of NumPy may stand for a tensor, a number of any library for a number, and a list for
    a tuple; float32 and float64 are not told apart.
    """
    if got is None and expected is not None:
        return "it returns nothing; does it end in `return`?"
    if isinstance(expected, Tensor | np.ndarray) and np.ndim(expected):
        return _array_difference(got, expected, close)
    if is_number(expected):
        return _number_difference(got, expected, close)
    if isinstance(expected, Mapping):
        return _mapping_difference(got, expected, close)
    if isinstance(expected, Sequence) and not isinstance(expected, str | bytes):
        return _sequence_difference(got, expected, close)
    return "" if _is_one(got, expected, close) else f"it is {told(got)}, not {told(expected)}"


def _is_one(got: Any, expected: Any, close: float) -> bool:
    """Say whether a value is right where several are, or one of a kind of its own."""
    if isinstance(expected, Between):
        return is_number(got) and expected.low <= float(got) <= expected.high
    if isinstance(expected, OneOf):
        return any(not difference(got, one, close=close) for one in expected.answers)
    return isinstance(got, type(expected)) and bool(got == expected)


def told(value: Any, *, most: int = 70) -> str:
    """Return a value in a few words: arrays by shape and type, unless they are small."""
    if isinstance(value, Tensor | np.ndarray):
        if value.size == 1 if isinstance(value, np.ndarray) else value.numel() == 1:
            return f"{value.item():.6g}" if not np.ndim(value) else f"[{value.ravel()[0]:.6g}]"
        kind = str(value.dtype).removeprefix("torch.")
        name = "a tensor" if isinstance(value, Tensor) else "an array"
        values = np.asarray(value.detach() if isinstance(value, Tensor) else value)
        if values.size <= 12:
            shown = np.array2string(values, precision=4, separator=", ").replace("\n", "")
            return f"{shown}, {name} {values.shape} of {kind}"
        return f"{name} {tuple(value.shape)} of {kind}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple) and len(value) <= 12:
        inside = ", ".join(told(item, most=most) for item in value)
        comma = "," if len(value) == 1 else ""
        return f"[{inside}]" if isinstance(value, list) else f"({inside}{comma})"
    text = " ".join(repr(value).split())
    return text if len(text) <= most else f"{text[: most - 3]}..."


@np.errstate(all="ignore")  # an answer may hold infinities
def pattern(got: np.ndarray, expected: np.ndarray, close: float = CLOSE) -> str:
    """Name what turns numbers into the expected ones of the same shape, or return ""."""

    def same(left: np.ndarray, right: np.ndarray) -> bool:
        return left.shape == right.shape and np.allclose(
            left, right, rtol=close, atol=TINY, equal_nan=True
        )

    got, expected = got.astype(float), expected.astype(float)
    if np.isnan(got).any() and not np.isnan(expected).any():
        return f"{count_of(np.isnan(got))} of its numbers are NaN"
    if got.size < 2:
        return ""
    if (same_axes := _moved(got, expected, same)) and np.ptp(expected) != 0:
        return same_axes
    solid = np.abs(expected) > TINY
    if solid.sum() > 1 and np.abs(got[~solid]).max(initial=0) <= TINY:
        ratio = float(np.median(got[solid] / expected[solid]))
        if ratio != 0 and same(got, ratio * expected):
            word = NUMBER_WORDS.get(round(ratio, 4), f"{ratio:.5g} times")
            return f"every number is {word} what it should be"
    offset = float(np.median(got - expected))
    if np.isfinite(offset) and same(got, expected + offset):
        return f"every number is {abs(offset):.5g} too {'large' if offset > 0 else 'small'}"
    return ""


def count_of(chosen: np.ndarray) -> str:
    """Return "all" or how many of these are True."""
    n = int(chosen.sum())
    return "all" if n == chosen.size else str(n)


def _moved(
    got: np.ndarray, expected: np.ndarray, same: Callable[[np.ndarray, np.ndarray], bool]
) -> str:
    """Say whether the numbers are right and stand elsewhere: transposed, turned round, shifted."""
    if got.ndim >= 2 and same(np.swapaxes(got, -1, -2), expected):
        return "it is transposed: rows and columns have changed places"
    for axis in range(got.ndim):
        if same(np.flip(got, axis), expected):
            return f"it is turned round along dimension {axis}"
        for n in (1, -1):
            if same(np.roll(got, n, axis), expected):
                return f"it is shifted by one along dimension {axis}"
    return ""


def is_number(value: Any) -> bool:
    """Say whether a value is one number, in whatever it is wrapped."""
    if isinstance(value, Tensor | np.ndarray | np.generic):
        return np.ndim(value) == 0 or value.shape == (1,)
    return isinstance(value, Number)


def _array_difference(got: Any, expected: Tensor | np.ndarray, close: float) -> str:
    if isinstance(got, list | tuple) or not isinstance(got, Tensor | np.ndarray):
        return f"it is {told(got)}, not {told(expected)}"
    left, right = _as_array(got), _as_array(expected)
    if left.shape != right.shape:
        turned = left.ndim == right.ndim and left.shape == right.shape[::-1]
        word = " (transposed?)" if turned else ""
        return f"its shape is {left.shape}, not {right.shape}{word}"
    if wrong := _kind_difference(left, right):
        return wrong
    equal = np.isclose(left.astype(float), right.astype(float), close, TINY, equal_nan=True)
    if equal.all():
        return ""
    if words := pattern(left, right, close):
        return words
    place = tuple(int(i) for i in np.argwhere(~equal)[0])
    where = place[0] if len(place) == 1 else list(place)
    return (
        f"{count_of(~equal)} of {equal.size} numbers differ; the first, at {where}, is "
        f"{left[place]:.6g} and should be {right[place]:.6g}"
    )


def _as_array(value: Tensor | np.ndarray) -> np.ndarray:
    if not isinstance(value, Tensor):
        return np.asarray(value)
    value = value.detach().cpu()
    return np.asarray(value.float() if value.dtype == torch.bfloat16 else value)


def _kind_difference(got: np.ndarray, expected: np.ndarray) -> str:
    """Say whether the types differ in what matters: bytes, whole numbers, yes or no, fractions."""

    def kind(values: np.ndarray) -> str:
        if values.dtype == np.uint8:
            return "uint8 (whole numbers from 0 to 255)"
        return {"b": "bool", "f": "float", "i": "int", "u": "int"}.get(
            values.dtype.kind, str(values.dtype)
        )

    if kind(got) == kind(expected):
        return ""
    return f"its numbers are {kind(got)}, not {kind(expected)}"


def _number_difference(got: Any, expected: Any, close: float) -> str:
    if not is_number(got):
        return f"it is {told(got)}, not the number {told(expected)}"
    left, right = _as_float(got), _as_float(expected)
    if (math.isnan(left) and math.isnan(right)) or math.isclose(
        left, right, rel_tol=close, abs_tol=TINY
    ):
        return ""
    return f"it is {left:.6g}, not {right:.6g}"


def _as_float(value: Any) -> float:
    """Return a number of any library; a loss may still have its gradient."""
    if isinstance(value, complex):
        return math.nan
    return float(value.detach() if isinstance(value, Tensor) else value)


def _mapping_difference(got: Any, expected: Mapping[Any, Any], close: float) -> str:
    if not isinstance(got, Mapping):
        return f"it is {told(got)}, not a dict"
    if missing := [key for key in expected if key not in got]:
        return f"{missing[0]!r} is missing"
    if extra := [key for key in got if key not in expected]:
        return f"{extra[0]!r} is too much"
    return _first(((f"at {key!r}", got[key], expected[key]) for key in expected), close)


def _sequence_difference(got: Any, expected: Sequence[Any], close: float) -> str:
    if isinstance(got, Tensor | np.ndarray):
        got = got.tolist()
    if not isinstance(got, Sequence) or isinstance(got, str | bytes):
        return f"it is {told(got)}, not {told(expected)}"
    if len(got) != len(expected):
        return f"it holds {len(got)} values, not {len(expected)}"
    if expected and all(map(is_number, expected)) and all(map(is_number, got)):
        left, right = (np.array([_as_float(x) for x in side]) for side in (got, expected))
        same = np.allclose(left, right, rtol=close, atol=TINY, equal_nan=True)
        if not same and (words := pattern(left, right, close)):
            return words
    pairs = enumerate(zip(got, expected, strict=True))
    return _first(((f"at [{i}]", *pair) for i, pair in pairs), close)


def _first(pairs: Iterable[tuple[str, Any, Any]], close: float) -> str:
    """Return the first difference of pairs, with the place where it is."""
    for place, got, expected in pairs:
        if words := difference(got, expected, close=close):
            return f"{place}: {words}"
    return ""
