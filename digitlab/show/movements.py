"""How a pen moved: its points in their order, and the same as it comes about."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
from torch import Tensor

from digitlab.pen import MOST, N_POINTS, spline
from digitlab.show.figure import COLORS, Figure, canvas, img_tag

MARGIN = 8  # around the field of 0 to 100
INTERVAL = 80  # milliseconds for each frame


@dataclass(frozen=True, eq=False, repr=False)
class Animation:
    """Hold a figure that comes about once, and stays as its last picture.

    Attributes:
        still: that last picture.
        gif: the file; it needs no script and no network, as matplotlib's player does.
    """

    still: Figure
    gif: bytes

    def __repr__(self) -> str:
        return f"<Animation: {self.still.title}>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        bundle: dict[str, Any] = self.still._repr_mimebundle_()
        moving = img_tag(self.gif, self.still.alt, mime="image/gif")
        return bundle | {"text/html": moving, "text/plain": repr(self)}


def plot_movement(points: Tensor, label: int | None = None, *, ax: Axes | None = None) -> Figure:
    """Show one movement of a pen: its points, numbered in their order, and the curve through them.

    Args:
        points: (8, 2), x to the right and y upwards, from 0 to 100.
        label: what the digit is.
        ax: axes to draw into.

    Raises:
        ValueError: for another shape.
    """
    curve = _curve(points)
    mpl, (ax,) = canvas(ax, (3.0, 3.2))
    _field(ax, _title(label))
    ax.plot(*curve.T, color=COLORS[0], linewidth=2)
    ax.plot(*points.numpy().T, "o", color=COLORS[1], markersize=4)
    for i, (x, y) in enumerate(points.tolist(), 1):
        ax.annotate(str(i), (x, y), xytext=(4, 4), textcoords="offset points", size=9)
    rows = [(i, x, y) for i, (x, y) in enumerate(points.tolist(), 1)]
    return Figure(mpl, (ax,), _title(label), _alt(points, label), rows, ("point", "x", "y"))


def animate_movement(points: Tensor, label: int | None = None) -> Animation:
    """Show how one movement comes about; `plot_movement` is its still twin.

    Raises:
        ValueError: for another shape.
    """
    still, curve = plot_movement(points, label), _curve(points)
    mpl, (ax,) = canvas(None, (3.0, 3.2))
    _field(ax, _title(label))
    (line,) = ax.plot([], [], color=COLORS[0], linewidth=2)
    (tip,) = ax.plot([], [], "o", color=COLORS[1])

    frames = []
    for i in range(len(curve)):
        line.set_data(*curve[: i + 1].T)
        tip.set_data(*curve[i : i + 1].T)
        sheet = FigureCanvasAgg(mpl)
        sheet.draw()
        frames.append(Image.fromarray(np.asarray(sheet.buffer_rgba())).convert("P", colors=32))
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=INTERVAL)
    return Animation(still, file.getvalue())


def _curve(points: Tensor) -> np.ndarray:
    if tuple(points.shape) != (N_POINTS, 2):
        raise ValueError(
            f"a movement has the shape (8, 2), not {tuple(points.shape)}; take one of them, as "
            "movements.points[0]"
        )
    return (spline() @ points.float()).numpy()


def _field(ax: Axes, title: str) -> None:
    ax.set(xlim=(-MARGIN, MOST + MARGIN), ylim=(-MARGIN, MOST + MARGIN), aspect="equal")
    ax.set_title(title, size="medium")
    ax.set_xticks([0, MOST])
    ax.set_yticks([0, MOST])


def _title(label: int | None) -> str:
    return "How the pen moved" if label is None else f"How the pen moved for a {label}"


def _alt(points: Tensor, label: int | None) -> str:
    places = ", ".join(f"({x}, {y})" for x, y in points.tolist())
    return f"{_title(label)}: from point to point, x to the right and y upwards: {places}."
