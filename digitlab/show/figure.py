"""Pictures: figures that carry their own description, and what they are drawn with."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as MplFigure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter
from PIL import Image, PngImagePlugin

from digitlab.tables import Row, Table

# Okabe and Ito's colours, which colour-blind readers can tell apart, without their yellow
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vP*X"  # one more than colours, so that 56 pairs differ
WIDTH = 7.0  # inches
DPI = 100
MARGINS = 25 / 3  # pixels that constrained layout leaves left and right together
PERCENT = FuncFormatter(lambda value, _: f"{100 * value:.5g} %")  # of an axis from 0 to 1
N_COLORS = 128  # enough for text, lines, grey levels and ink, and a third of the bytes


@dataclass(frozen=True, eq=False, repr=False)
class Figure:
    """Hold a figure with the text that says what it shows.

    Attributes:
        figure: the matplotlib figure.
        axes: what was drawn into, from left to right and top to bottom.
        title: a few words.
        alt: what the figure shows, in sentences made from its data.
        rows, header: the same facts as numbers; what `table` shows.
    """

    figure: MplFigure
    axes: tuple[Axes, ...]
    title: str
    alt: str
    rows: Sequence[Row] = ()
    header: Row = ()

    def table(self) -> Table:
        """Return the facts of the figure as a table."""
        return Table(self.rows, self.header, caption=self.alt)

    def png(self) -> bytes:
        """Return the figure as a PNG file, with title and alternative text inside."""
        drawn = io.BytesIO()
        self.figure.savefig(drawn, format="png", dpi=DPI, pil_kwargs={"compress_level": 1})
        with Image.open(drawn) as image:
            # by this method a thin red stroke stays red
            small = image.convert("RGB").quantize(N_COLORS, Image.Quantize.MAXCOVERAGE, kmeans=1)
        return described_png(small, self.title, self.alt)

    def svg(self) -> bytes:
        """Return the figure as an SVG file: a rerun gives the same bytes."""
        drawn = io.BytesIO()
        about = {"Title": self.title, "Description": self.alt, "Creator": "digitlab", "Date": None}
        with matplotlib.rc_context({"svg.hashsalt": "digitlab"}):
            self.figure.savefig(drawn, format="svg", metadata=about)
        return drawn.getvalue()

    def save(self, path: str | Path) -> Path:
        """Write the figure with its alternative text to a file.

        Args:
            path: ends in .png or .svg.

        Raises:
            ValueError: for another ending.
        """
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


def described_png(image: Image.Image, title: str, alt: str) -> bytes:
    """Return a PNG file with title and alternative text inside."""
    text, file = PngImagePlugin.PngInfo(), io.BytesIO()
    text.add_text("Title", title)
    text.add_text("Description", alt)
    image.save(file, format="png", optimize=True, pnginfo=text)
    return file.getvalue()


def save_as(path: str | Path, forms: Mapping[str, Callable[[], bytes]]) -> Path:
    """Write the form of a picture that the ending of the file names.

    Raises:
        ValueError: for another ending.
    """
    path = Path(path)
    if path.suffix not in forms:
        raise ValueError(f"a picture is saved as {' or '.join(forms)}, not as {path.name!r}")
    path.write_bytes(forms[path.suffix]())
    return path


def img_tag(data: bytes, alt: str, *, mime: str = "image/png") -> str:
    """Return an HTML img that holds a picture and its alternative text."""
    encoded = base64.b64encode(data).decode()
    return f'<img alt="{escape(alt)}" src="data:{mime};base64,{encoded}">'


# --- What plots share -------------------------------------------------------------------------


def canvas(ax: Axes | None, size: tuple[float, float], n: int = 1) -> tuple[MplFigure, list[Axes]]:
    """Return the figure of `ax`, or a new one of this size in inches with `n` axes in a row."""
    if ax is not None:
        figure = ax.get_figure(root=True)
        assert figure is not None
        return figure, [ax]
    figure = MplFigure(figsize=size, layout="constrained")
    return figure, list(figure.subplots(1, n, squeeze=False)[0])


def tiles(
    ax: Axes | None,
    pictures: np.ndarray,
    columns: int,
    *,
    title: str,
    texts: Sequence[str] = (),
    cmap: str = "gray",
    limits: tuple[float, float] = (0, 255),
) -> tuple[MplFigure, Axes, np.ndarray]:
    """Draw small pictures as one image, which is quick, with a text above each.

    Args:
        ax: where to draw; None for a new figure.
        pictures: (N, height, width), counted along the rows; NaN stays white.
        columns: pictures in a row.
        title: above them all, of one or two lines.
        texts: one for each picture; left out where there is no room to read them.
        cmap: a colour map of matplotlib.
        limits: the values at its two ends.

    Returns:
        The figure, its axes, and the left upper pixel (x, y) of each picture, int (N, 2).
    """
    n, height, width = pictures.shape
    gap = max(1, width // 14)
    n_pixels = columns * (width + gap) - gap  # from left to right
    scale = min(DPI / min(height, width), (DPI * WIDTH - MARGINS) / n_pixels)
    if scale >= 1:
        scale = int(scale)  # equal pixels look better, and make a quarter of the bytes
    points = 72 * scale / DPI  # of each pixel
    size = min(9, points * width * min(0.25, 1.6 / max([1, *map(len, texts)])))
    texts = texts if size >= 5 else ()
    head = max(1, round(min(0.38 * height, 1.75 * size / points))) if any(texts) else 1
    n_rows = -(-n // columns)
    sheet = np.full((n_rows * (height + head), n_pixels), np.nan, np.float32)
    row, column = np.divmod(np.arange(n), columns)
    corners = np.stack([column * (width + gap), row * (height + head) + head], axis=1)
    for picture, (x, y) in zip(pictures, corners, strict=True):
        sheet[y : y + height, x : x + width] = picture
    inches = (scale * n_pixels + MARGINS) / DPI
    room = 0.15 + 0.2 * len(title.splitlines())
    figure, (ax,) = canvas(ax, (max(inches, 3.0), scale * sheet.shape[0] / DPI + room))
    ax.set_title(title, size="medium")
    smooth = "nearest" if scale >= 1 else "auto"
    ax.imshow(sheet, cmap=cmap, vmin=limits[0], vmax=limits[1], interpolation=smooth)
    ax.set_axis_off()
    for text, (x, y) in zip(texts, corners, strict=False):
        style: dict[str, Any] = {"ha": "center", "size": size, "in_layout": False}
        ax.text(x + width / 2 - 0.5, y - 0.5 - 0.05 * height, text, **style)
    return figure, ax, corners


def frame(ax: Axes, corner: np.ndarray, size: tuple[int, int]) -> None:
    """Draw a frame around a picture of `tiles`; `size` is its height and width."""
    height, width = size
    box = Rectangle((corner[0] - 0.5, corner[1] - 0.5), width, height, fill=False)
    box.set(color=COLORS[1], linewidth=2)
    ax.add_patch(box)


def look(number: int) -> dict[str, Any]:
    """Return colour and marker of the curve with this number; 56 of them differ."""
    return {"color": COLORS[number % len(COLORS)], "marker": MARKERS[number % len(MARKERS)]}


def only_words(text: str) -> Figure:
    """Return a picture of a sentence, where there is nothing else to show."""
    figure, (ax,) = canvas(None, (4.5, 0.6))
    ax.set_axis_off()
    ax.text(0.5, 0.5, text, ha="center", va="center", size=12)
    return Figure(figure, (ax,), text, f"{text}.".replace("\n", " "))


def count(n: int, thing: str) -> str:
    """Return the number with the thing in singular or plural: "1 digit", "2 digits"."""
    return f"{n} {thing}" if n == 1 else f"{n} {thing}s"


def listed(words: Sequence[str], most: int = 10) -> str:
    """Return the words with commas, cut off after `most`: "a, b and 7 more"."""
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")


def need_digits(digits: object) -> None:
    """Refuse an empty split, and a whole data set.

    Raises:
        ValueError: where it holds no digits of its own.
    """
    if not isinstance(digits, Sized) or not len(digits):
        raise ValueError("there is nothing to show: take a split with digits, as digits.train")


def need_numbers(values: np.ndarray, what: str) -> None:
    """Refuse values that no plot can show.

    Raises:
        ValueError: where one of them is NaN or infinite.
    """
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise ValueError(
            f"{bad} of these {values.size} {what} are not numbers (NaN or infinite); "
            "where a model made them, its training has diverged: lower the learning rate"
        )
