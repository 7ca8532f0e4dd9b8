"""Figures of pictures that were read: the steps of one digit, and a whole page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as MplFigure
from matplotlib.patches import Rectangle

from digitlab.reading.page import Page
from digitlab.show.figure import COLORS, WIDTH, Figure, canvas, count


def plot_page(page: Page, *, ax: Axes | None = None) -> Figure:
    """Draw a box around each digit of a page, with what was read above it.

    A dashed box marks a probability below 90 %.

    Args:
        page: what `read_page` returns.
    """
    width, height = page.size
    mpl, (ax,) = canvas(ax, (WIDTH, 0.4 + WIDTH * min(height / width, 1.3)))
    ax.imshow(page.picture, extent=(0, width, height, 0))
    ax.set_axis_off()
    rows, sure = [], [digit.prediction.probability for digit in page]
    for digit, p in zip(page, sure, strict=True):
        left, top, wide, high = digit.box
        color, style = (COLORS[0], "-") if p >= 0.9 else (COLORS[1], "--")
        box = Rectangle((left, top), wide, high, fill=False, color=color, linestyle=style)
        ax.add_patch(box)
        text = f"{digit.prediction.digit}  {p:.0%}"
        label = {"facecolor": color, "edgecolor": "none", "pad": 1}
        above: dict[str, Any] = {"xytext": (0, 2), "textcoords": "offset points", "bbox": label}
        ax.annotate(text, (left, top), size=8, color="white", **above)
        rows.append((digit.row + 1, digit.prediction.digit, round(p, 3), *digit.box))
    title = f"{count(len(page), 'digit')} on this page"
    ax.set_title(title, size="medium")
    said = " / ".join(page.text.splitlines())
    alt = f"{title}, row by row: {said}. The least sure has a probability of {min(sure):.0%}."
    header = ("row", "digit", "probability", "left", "top", "width", "height")
    return Figure(mpl, (ax,), title, alt, rows, header)


def plot_steps(steps: Mapping[str, np.ndarray], *, columns: int = 6) -> Figure:
    """Show how a picture becomes the pixels of a digit.

    Args:
        steps: name of each step -> grey values uint8 (height, width), as `predict` and `digitize`
            keep them in `.steps`, or colours uint8 (height, width, 3).
        columns: steps in a row.

    Raises:
        ValueError: for no steps.
    """
    if not steps:
        raise ValueError("there are no steps to show: this digit came as pixels, not as a picture")
    columns = min(columns, max(len(steps), 3))
    n_rows = -(-len(steps) // columns)
    tallest = max(values.shape[0] / values.shape[1] for values in steps.values())
    height = n_rows * (0.5 + WIDTH / columns * min(tallest, 1))
    mpl = MplFigure(figsize=(WIDTH, height), layout="constrained")
    places = mpl.subplots(n_rows, columns, squeeze=False).flatten()
    for axis in places:
        axis.set_axis_off()
    for axis, (name, values) in zip(places, steps.items(), strict=False):
        axis.imshow(values, cmap="gray", vmin=0, vmax=255)
        axis.set_title(f"{name}\n{values.shape[0]} x {values.shape[1]}", size="medium")
    rows = [(name, *v.shape[:2], round(float(v.mean()), 1)) for name, v in steps.items()]
    title = f"{count(len(steps), 'step')} from picture to pixels"
    said = [f"{name} ({height} x {width}, mean {mean})" for name, height, width, mean in rows]
    alt = f"{title}: {', then '.join(said)}."
    axes = tuple(places[: len(steps)])
    return Figure(mpl, axes, title, alt, rows, ("step", "height", "width", "mean"))
