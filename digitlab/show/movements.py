"""What moves: a pen along its points, and a kernel over a picture."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as MplFigure
from PIL import Image
from torch import Tensor

from digitlab.pen import MOST, N_POINTS, spline
from digitlab.pixels import as_numbers
from digitlab.show.figure import COLORS, WIDTH, Figure, canvas, frame, img_tag, write_cells

MARGIN = 8  # around the field of 0 to 100
INTERVAL = 80  # milliseconds for each frame
PLACE_INTERVAL = 900  # at each place of a kernel, so that its sum can be done in the head
MOST_SIDE = 8  # of a picture whose numbers can be read


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
        frames.append(_picture(mpl))
    return Animation(still, _gif(frames, INTERVAL))


def animate_convolution(picture: Tensor, kernel: Tensor) -> Animation:
    """Show a kernel moving over a small picture, and its output filling number by number.

    Args:
        picture: float (height, width), of at most 8 x 8 numbers.
        kernel: float (k, k), no larger than the picture.

    Raises:
        ValueError: for other shapes.
    """
    pixels, weights = (as_numbers(x, "numbers").float() for x in (picture, kernel))
    if pixels.ndim != 2 or max(pixels.shape) > MOST_SIDE:
        raise ValueError(f"numbers can be read in (8, 8) at most, not in {tuple(pixels.shape)}")
    if weights.ndim != 2 or not 0 < max(weights.shape) <= min(pixels.shape):
        raise ValueError(f"a kernel of shape {tuple(weights.shape)} does not fit on this picture")
    patches = pixels.unfold(0, len(weights), 1).unfold(1, weights.shape[1], 1)
    output = (patches * weights).sum(dim=(2, 3)).numpy()
    title = f"A kernel moves over a picture, in {output.size} places"
    grids, places = (pixels.numpy(), weights.numpy(), output), list(np.ndindex(output.shape))
    drawn = [_convolution(title, grids, places[: n + 1]) for n in range(len(places))]
    frames, (mpl, axes) = [_picture(mpl) for mpl, _ in drawn], drawn[-1]
    rows = [(r, c, round(float(output[r, c]), 4)) for r, c in places]
    said = "; ".join(", ".join(f"{value:.3g}" for value in row) for row in output)
    alt = f"{title}; at each place it makes one number of the output, row by row: {said}."
    still = Figure(mpl, tuple(axes), title, alt, rows, ("row", "column", "output"))
    return Animation(still, _gif(frames, PLACE_INTERVAL))


def _convolution(
    title: str, grids: tuple[np.ndarray, ...], places: list[tuple[int, ...]]
) -> tuple[MplFigure, list[Axes]]:
    """Draw picture, kernel and output; the output's numbers are there for these places."""
    mpl, axes = canvas(None, (WIDTH, 2.6), 3)
    largest = [max(1e-9, float(np.abs(grid).max())) for grid in grids]
    for ax, grid, most, name in zip(
        axes, grids, largest, ("picture", "kernel", "output"), strict=True
    ):
        seen = places if name == "output" else list(np.ndindex(grid.shape))
        shown = np.full(grid.shape, np.nan)
        for place in seen:
            shown[place] = grid[place]
        ax.imshow(shown, cmap="cividis", vmin=-most, vmax=most, interpolation="nearest")
        write_cells(ax, {place: f"{grid[place]:.3g}" for place in seen}, grid < 0.2 * most)
        ax.set_title(name, size="medium")
        ax.set_xticks(range(grid.shape[1]))
        ax.set_yticks(range(grid.shape[0]))
        ax.set(xlim=axes[0].get_xlim(), ylim=axes[0].get_ylim())  # squares of one size
        ax.spines[:].set_visible(False)
    row, column = places[-1]
    frame(axes[0], np.array([column, row]), grids[1].shape)
    frame(axes[2], np.array([column, row]), (1, 1))
    mpl.suptitle(title, size="medium")
    return mpl, axes


def _picture(mpl: MplFigure) -> Image.Image:
    sheet = FigureCanvasAgg(mpl)
    sheet.draw()
    return Image.fromarray(np.asarray(sheet.buffer_rgba())).convert("P", colors=32)


def _gif(frames: list[Image.Image], interval: int) -> bytes:
    """Return a file that shows the frames once, each for so many milliseconds."""
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=interval)
    return file.getvalue()


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
