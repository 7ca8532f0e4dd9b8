"""Figures that carry their own description, and what they are drawn with.

Every plot that takes `ax` draws into these axes, and into a new figure where it is None.
"""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as MplFigure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter
from PIL import Image, PngImagePlugin

from digitlab.data import Split
from digitlab.geometry import SIZE
from digitlab.recipes import RECIPES
from digitlab.tables import Row, Table

# Okabe and Ito's colours, which colour-blind readers can tell apart, without their yellow
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vP*X"  # one more than colours, so that 56 pairs differ
WIDTH = 7.0  # inches
LETTERS = 10  # of a title, an inch
DPI = 100
MARGINS = 25 / 3  # pixels that constrained layout leaves left and right together
PERCENT = FuncFormatter(lambda value, _: f"{100 * value:.5g} %")  # of an axis from 0 to 1
N_COLORS = 128  # enough for text, lines, grey levels and ink, and a third of the bytes


@dataclass(frozen=True, eq=False, repr=False)
class Figure:
    """Hold what matplotlib drew, with the text that says what it shows.

    Attributes:
        mpl: matplotlib's own figure.
        axes: what was drawn into, from left to right and top to bottom.
        title: a few words.
        alt: what the figure shows, in sentences made from its data.
        rows, header: the same facts as numbers; what `table` shows.
    """

    mpl: MplFigure
    axes: tuple[Axes, ...]
    title: str
    alt: str
    rows: Sequence[Row] = ()
    header: Row = ()

    def titled(self, finding: str) -> Figure:
        """Return the figure under a title that says what is to be seen in it."""
        lines = textwrap.fill(finding, int(LETTERS * self.mpl.get_figwidth()))
        if len(self.axes) > 1:
            self.mpl.suptitle(lines, size="large")
        else:
            self.axes[0].set_title(lines, size="medium")
        return replace(self, title=finding, alt=f"{finding}. {self.alt}")

    def table(self) -> Table:
        """Return the facts of the figure as a table."""
        return Table(self.rows, self.header, caption=self.alt)

    def png(self) -> bytes:
        """Return the figure as a PNG file, with title and alternative text inside."""
        drawn = io.BytesIO()
        self.mpl.savefig(drawn, format="png", dpi=DPI, pil_kwargs={"compress_level": 1})
        with Image.open(drawn) as image:
            # by this method a thin red stroke stays red
            small = image.convert("RGB").quantize(N_COLORS, Image.Quantize.MAXCOVERAGE, kmeans=1)
        return described_png(small, self.title, self.alt)

    def svg(self) -> bytes:
        """Return the figure as an SVG file: a rerun gives the same bytes."""
        drawn = io.BytesIO()
        about = {"Title": self.title, "Description": self.alt, "Creator": "digitlab", "Date": None}
        with matplotlib.rc_context({"svg.hashsalt": "digitlab"}):
            self.mpl.savefig(drawn, format="svg", metadata=about)
        return drawn.getvalue()

    def save(self, path: str | Path) -> Path:
        """Write the figure with its alternative text to a file that ends in .png or .svg."""
        return save_as(path, {".png": self.png, ".svg": self.svg})

    def __repr__(self) -> str:
        return f"<Figure: {self.title}>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        png = self.png()
        return {
            "text/html": img_tag(png, self.alt),
            "image/png": base64.b64encode(png).decode(),
            "text/plain": repr(self),
        }


def save_as(path: str | Path, forms: Mapping[str, Callable[[], bytes]]) -> Path:
    """Write a drawing in the form that the ending of the file names, or raise a ValueError."""
    path = Path(path)
    if path.suffix not in forms:
        raise ValueError(f"a figure is saved as {' or '.join(forms)}, not as {path.name!r}")
    path.write_bytes(forms[path.suffix]())
    return path


def described_png(image: Image.Image, title: str, alt: str) -> bytes:
    """Return a PNG file with title and alternative text inside."""
    text, file = PngImagePlugin.PngInfo(), io.BytesIO()
    text.add_text("Title", title)
    text.add_text("Description", alt)
    image.save(file, format="png", optimize=True, pnginfo=text)
    return file.getvalue()


def img_tag(data: bytes, alt: str, *, mime: str = "image/png") -> str:
    """Return an HTML img that holds an image file and its alternative text."""
    encoded = base64.b64encode(data).decode()
    return f'<img alt="{escape(alt)}" src="data:{mime};base64,{encoded}">'


# --- What plots share -------------------------------------------------------------------------


def canvas(ax: Axes | None, size: tuple[float, float], n: int = 1) -> tuple[MplFigure, list[Axes]]:
    """Return the figure of `ax`, or a new one of this size in inches with `n` axes in a row."""
    if ax is not None:
        mpl = ax.get_figure(root=True)
        assert mpl is not None
        return mpl, [ax]
    mpl = MplFigure(figsize=size, layout="constrained")
    return mpl, list(mpl.subplots(1, n, squeeze=False)[0])


def tiles(  # noqa: PLR0913 (named settings)
    ax: Axes | None,
    images: np.ndarray,
    columns: int,
    *,
    title: str,
    texts: Sequence[str] = (),
    cmap: str = "gray",
    limits: tuple[float, float] = (0, 255),
) -> tuple[MplFigure, Axes, np.ndarray]:
    """Draw small images as a single one, which is quick, with a text above each.

    Args:
        images: (N, height, width), counted along the rows; NaN stays white.
        title: above them all, of one or two lines.
        texts: one for each image; left out where there is no room to read them.
        cmap, limits: a colour map of matplotlib, and the values at its two ends.

    Returns:
        The figure, its axes, and the left upper pixel (x, y) of each image, int (N, 2).
    """
    _, height, width = images.shape
    gap = max(1, width // 14)
    scale = _scale(columns * (width + gap) - gap, min(height, width))
    points = 72 * scale / DPI  # of a pixel
    size = min(9, points * width * min(0.25, 1.6 / max([1, *map(len, texts)])))
    texts = texts if size >= 5 else ()
    head = max(1, round(min(0.38 * height, 1.75 * size / points))) if any(texts) else 1
    sheet, corners = _laid_out(images, columns, gap, head)
    high, wide = (scale * side / DPI for side in sheet.shape)
    room = 0.15 + 0.2 * len(title.splitlines())
    mpl, (ax,) = canvas(ax, (max(wide + MARGINS / DPI, 3.0), high + room))
    ax.set_title(title, size="medium")
    shown = ax.imshow(sheet, cmap=cmap, vmin=limits[0], vmax=limits[1])
    shown.set_interpolation("nearest" if scale >= 1 else "auto")
    ax.set_axis_off()
    for text, (x, y) in zip(texts, corners, strict=False):
        place = x + width / 2 - 0.5, y - 0.5 - 0.05 * height
        ax.text(*place, text, ha="center", size=size).set_in_layout(False)
    return mpl, ax, corners


def _scale(n_pixels: int, side: int) -> float:
    """Return as how many pixels of the screen a pixel is drawn, of `n_pixels` in a row."""
    scale = min(DPI / side, (DPI * WIDTH - MARGINS) / n_pixels)
    return int(scale) if scale >= 1 else scale  # equal pixels make a quarter of the bytes


def _laid_out(
    images: np.ndarray, columns: int, gap: int, head: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return images on one sheet, with `head` pixels above each, and their left upper corners."""
    n, height, width = images.shape
    row, column = np.divmod(np.arange(n), columns)
    corners = np.stack([column * (width + gap), row * (height + head) + head], axis=1)
    size = -(-n // columns) * (height + head), columns * (width + gap) - gap
    sheet = np.full(size, np.nan, np.float32)
    for image, (x, y) in zip(images, corners, strict=True):
        sheet[y : y + height, x : x + width] = image
    return sheet, corners


def frame(ax: Axes, corner: np.ndarray, size: tuple[int, int] = (SIZE, SIZE)) -> None:
    """Draw a frame around one of `tiles`; `size` is its height and width."""
    height, width = size
    box = Rectangle((corner[0] - 0.5, corner[1] - 0.5), width, height, fill=False)
    box.set(color=COLORS[1], linewidth=2)
    ax.add_patch(box)


def write_cells(
    ax: Axes, texts: Mapping[tuple[int, ...], str], dark: np.ndarray
) -> dict[tuple[int, int], Text]:
    """Write into cells (row, column) of an image, in white where it is dark; return the texts."""
    written = {}
    for (row, column), text in texts.items():
        written[row, column] = ax.text(column, row, text, size=8, ha="center", va="center")
        written[row, column].set_color("white" if dark[row, column] else "black")
    return written


def looks(names: Sequence[str]) -> list[dict[str, Any]]:
    """Return colour and marker of each curve; 56 of them differ.

    Where all are recipes, each looks as in every other figure.
    """
    known = list(RECIPES)
    places = [known.index(name) for name in names if name in RECIPES]
    if len(places) < len(names):
        places = list(range(len(names)))
    return [{"color": COLORS[i % len(COLORS)], "marker": MARKERS[i % len(MARKERS)]} for i in places]


def only_words(text: str) -> Figure:
    """Return a figure of a sentence, where there is nothing else to show."""
    mpl, (ax,) = canvas(None, (4.5, 0.6))
    ax.set_axis_off()
    ax.text(0.5, 0.5, text, ha="center", va="center", size=12)
    return Figure(mpl, (ax,), text, f"{text}.".replace("\n", " "))


def count(n: int, thing: str, things: str = "") -> str:
    """Return the number with the thing in singular or plural: "1 digit", "2 digits"."""
    return f"{n} {thing}" if n == 1 else f"{n} {things or thing + 's'}"


def listed(words: Sequence[str], most: int = 10) -> str:
    """Return the words with commas, cut off after `most`: "a, b and 7 more"."""
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")


def wrongly_read(truth: Sequence[int], read: Sequence[int]) -> dict[int, str]:
    """Return the place of each digit that is not read as it is, and what is said of it."""
    pairs = enumerate(zip(truth, read, strict=True))
    return {i: f"{t} read as {r}" for i, (t, r) in pairs if t != r}


def need_digits(digits: object) -> None:
    """Raise a ValueError for what is no split, such as a whole data set, and for an empty one."""
    if not isinstance(digits, Split) or not len(digits):
        raise ValueError("there is nothing to show: take a split with digits, as digits.train")


def need_numbers(values: np.ndarray, what: str) -> None:
    """Raise a ValueError where a value is NaN or infinite."""
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise ValueError(
            f"{bad} of these {values.size} {what} are not numbers (NaN or infinite); "
            "where a model made them, its training has diverged: lower the learning rate"
        )
