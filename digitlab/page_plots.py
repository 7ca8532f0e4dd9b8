"""A picture of a page and what was read on it."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from digitlab.page import Page
from digitlab.picture import COLORS, WIDTH, Picture, canvas, count


def plot_page(page: Page, *, ax: Axes | None = None) -> Picture:
    """Draw a box around each digit of a page, with what was read above it.

    A dashed box marks a probability below 90 %.

    Args:
        page: what `read_page` returns.
        ax: where to draw; None for a new figure.
    """
    width, height = page.size
    figure, (ax,) = canvas(ax, (WIDTH, 0.4 + WIDTH * min(height / width, 1.3)))
    ax.imshow(page.picture, extent=(0, width, height, 0))
    ax.set_axis_off()
    for digit in page:
        left, top, wide, high = digit.box
        sure = digit.prediction.probability >= 0.9
        color, style = (COLORS[0], "-") if sure else (COLORS[1], "--")
        box = Rectangle((left, top), wide, high, fill=False, color=color, linestyle=style)
        ax.add_patch(box)
        ax.annotate(
            f"{digit.prediction.digit}  {digit.prediction.probability:.0%}",
            (left, top),
            (0, 2),
            textcoords="offset points",
            size=8,
            color="white",
            bbox={"facecolor": color, "edgecolor": "none", "pad": 1},
        )
    title = f"{count(len(page), 'digit')} on this page"
    ax.set_title(title, size="medium")
    rows = [
        (d.row + 1, d.prediction.digit, round(d.prediction.probability, 3), *d.box) for d in page
    ]
    said = " / ".join(page.text.splitlines())
    least = min(d.prediction.probability for d in page)
    alt = f"{title}, row by row: {said}. The least sure has a probability of {least:.0%}."
    header = ("row", "digit", "probability", "left", "top", "width", "height")
    return Picture(figure, (ax,), title, alt, rows, header)
