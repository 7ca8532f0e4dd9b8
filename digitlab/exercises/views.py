"""How the answers to a learner look: as HTML in a notebook, as text elsewhere."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from digitlab.exercises.compare import told
from digitlab.show.figure import described_png, img_tag

SIGNS = {"right": "✓", "not right yet": "✗", "not done yet": "○", "kept": "✓"}
STRESSED = re.compile(r"(?<![\w*])\*(\w[^*]*?)\*(?![\w*])")
MOST = 4  # pictures of a batch
SCALE = 3  # pixels of the screen for one of a digit
PICTURE = 8  # pixels a side from which on an array is shown as a picture


@dataclass(frozen=True, repr=False)
class Note:
    """Hold a short answer to a learner: a head, paragraphs, and things to look at.

    Attributes:
        state: a word for what was found.
        head: the first line.
        lines: paragraphs.
        code: is shown as it is.
        shown: values with a name each, as pictures where they are pixels.
    """

    state: str
    head: str
    lines: Sequence[str] = ()
    code: str = ""
    shown: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        values = [f"  {name}: {told(value)}" for name, value in self.shown.items()]
        first = f"{SIGNS.get(self.state, '·')} {self.head}"
        return "\n".join([first, *self.lines, *([self.code] if self.code else []), *values])

    def _repr_html_(self) -> str:
        parts = [f"<p><b>{SIGNS.get(self.state, '·')} {marked(self.head)}</b></p>"]
        parts += [f"<p>{marked(line)}</p>" for line in self.lines]
        if self.code:
            parts.append(f"<pre>{escape(self.code)}</pre>")
        if self.shown:
            rows = (
                f'<tr><th style="text-align:left">{escape(name)}</th>'
                f'<td style="text-align:left">{_seen(name, value)}</td></tr>'
                for name, value in self.shown.items()
            )
            parts.append(f"<table>{''.join(rows)}</table>")
        return f'<div role="status">{"".join(parts)}</div>'


@dataclass(frozen=True, repr=False)
class Beside:
    """Show a solution beside the learner's own code; lines that differ are marked with ▸."""

    name: str
    solution: str
    own: str
    why: str

    def __repr__(self) -> str:
        return f"{self.name}, a solution:\n\n{self.solution}\n\n{self.why}"

    def _repr_html_(self) -> str:
        left, right = marked_lines(self.own, self.solution)
        heads, cells = "<th>a solution</th>", _code(right)
        if self.own:
            heads, cells = f"<th>yours</th>{heads}", f"{_code(left)}{cells}"
        return (
            f"<table><thead><tr>{heads}</tr></thead><tbody><tr>{cells}</tr></tbody></table>"
            f"<p>{marked(self.why)}</p>"
        )


def marked_lines(own: str, solution: str) -> tuple[list[tuple[bool, str]], list[tuple[bool, str]]]:
    """Return the lines of both texts, each with whether it differs from the other text."""
    left, right = own.splitlines(), solution.splitlines()
    if not own:
        return [], [(False, line) for line in right]
    sides: tuple[list[tuple[bool, str]], list[tuple[bool, str]]] = ([], [])
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    for what, i, j, k, n in matcher.get_opcodes():
        sides[0].extend((what != "equal", line) for line in left[i:j])
        sides[1].extend((what != "equal", line) for line in right[k:n])
    return sides


def _code(lines: Sequence[tuple[bool, str]]) -> str:
    text = "\n".join(
        f"<mark>▸ {escape(line)}</mark>" if differs else f"  {escape(line)}"
        for differs, line in lines
    )
    return f'<td style="text-align:left;vertical-align:top"><pre>{text}</pre></td>'


def marked(text: str) -> str:
    """Return text as HTML; what stands between backticks is code, and between stars is stressed."""
    parts = escape(text, quote=False).split("`")
    if len(parts) % 2 == 0:  # a backtick of its own
        return escape(text, quote=False)
    words = [STRESSED.sub(r"<em>\1</em>", part) for part in parts]
    code = [f"<code>{part}</code>" for part in parts]
    return "".join(code[i] if i % 2 else words[i] for i in range(len(parts)))


def _seen(name: str, value: Any) -> str:
    """Return a value as HTML: pixels as pictures, all else in words."""
    pixels = _pictures(value)
    if pixels is None:
        return escape(told(value))
    images = "".join(_image(each, f"{name}: {told(value)}") for each in pixels[:MOST])
    more = f" and {len(pixels) - MOST} more" if len(pixels) > MOST else ""
    return f"{images}{more}<br>{escape(told(value))}"


def _pictures(value: Any) -> np.ndarray | None:
    """Return pictures (N, height, width) where a value is some, else None."""
    if not isinstance(value, Tensor | np.ndarray) or np.ndim(value) not in (2, 3, 4):
        return None
    values = np.asarray(value.detach().float() if isinstance(value, Tensor) else value, float)
    if min(values.shape[-2:]) < PICTURE or max(values.shape[-2:]) > 64 or not values.size:
        return None
    return values.reshape(-1, *values.shape[-2:])


def _image(pixels: np.ndarray, alt: str) -> str:
    finite = np.nan_to_num(pixels)
    low, high = min(0.0, finite.min()), max(1.0, finite.max())
    grey = Image.fromarray((255 * (finite - low) / (high - low)).astype(np.uint8))
    large = grey.resize((SCALE * grey.width, SCALE * grey.height), Image.Resampling.NEAREST)
    return img_tag(described_png(large, "", alt), alt) + " "
