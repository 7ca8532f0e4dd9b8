"""Digits to look through: page by page, one enlarged, and the average of them all."""

from __future__ import annotations

import dataclasses
import math
from html import escape

import numpy as np
import torch
from ipywidgets import HTML
from matplotlib.figure import Figure as MplFigure
from torch import Tensor

from digitlab.data import Split
from digitlab.geometry import SIZE
from digitlab.show.digits import plot_digit
from digitlab.show.figure import Figure, count, frame, need_digits, tiles
from digitlab.widgets.base import Explorer, sheet, show
from digitlab.widgets.controls import Choice, Slider, labelled, row

COLUMNS = 10
PER_PAGE = 3 * COLUMNS


class SampleBrowser(Explorer):
    """Page through the digits of a split, or those of one class.

    Attributes:
        digit: "all", or the class that is shown.
        page: from 1 on.
        place: of the enlarged digit on its page, from 1 on.

    Raises:
        ValueError: for a split without digits.
    """

    def __init__(self, split: Split) -> None:
        need_digits(split)
        self.split = split
        present = [digit for digit, n in enumerate(split.counts().tolist()) if n]
        self.digit = Choice(options=labelled(["all", *present]), description="Digit")
        self.page = Slider(min=1, value=1, description="Page")
        self.place = Slider(min=1, value=1, description="Enlarge")
        self._grid, self._values, self._average = HTML(), HTML(), HTML()
        controls = row(self.digit, self.page, self.place)
        super().__init__([controls, self._grid, row(self._values, self._average)])
        self._filter()
        self.digit.observe(self._filter, "value")
        self.page.observe(self._draw, "value")
        self.place.observe(self._draw, "value")

    @property
    def position(self) -> int:
        """Where the enlarged digit lies in the split."""
        return int(self._shown[int(self.place.value) - 1])

    @property
    def _shown(self) -> Tensor:
        """Return the positions of the digits on this page, int64 (n,)."""
        first = PER_PAGE * (int(self.page.value) - 1)
        return self._positions[first : first + PER_PAGE]

    def _filter(self, _: object = None) -> None:
        """Show the first page of the chosen digits."""
        chosen = torch.ones(len(self.split), dtype=torch.bool)
        if self.digit.value != "all":
            chosen = self.split.labels == self.digit.value
        self._positions = chosen.nonzero()[:, 0]
        n_pages = math.ceil(len(self._positions) / PER_PAGE)
        show(self._average, self._plot_average())
        turned = self.page.value > 1
        self.page.value = 1  # draws where another page was shown
        self.page.max, self.page.unit = n_pages, f"of {n_pages}"
        if not turned:
            self._draw()

    def _draw(self, _: object = None) -> None:
        """Show the page, and enlarge the digit at the chosen place."""
        self.place.max, self.place.unit = len(self._shown), f"of {len(self._shown)}"
        show(self._grid, self._plot_grid())
        self._values.value = _table(
            self.split.images[self.position],
            f"Position {self.position}: a {int(self.split.labels[self.position])}",
            self._plot_digit().alt,
        )

    def _plot_grid(self) -> Figure:
        labels = self.split.labels[self._shown].tolist()
        first = PER_PAGE * (int(self.page.value) - 1) + 1
        title = f"Digits {first} to {first + len(labels) - 1} of {len(self._positions)}"
        says = f"{title} (framed: enlarged below)"
        texts = [str(label) for label in labels]
        images = self.split.images[self._shown].numpy()
        figure, ax, corners = tiles(None, images, COLUMNS, title=says, texts=texts)
        frame(ax, corners[int(self.place.value) - 1], (SIZE, SIZE))
        rows = list(zip(self._shown.tolist(), labels, strict=True))
        alt = f"{title}: {', '.join(texts)}."
        return Figure(figure, (ax,), title, alt, rows, ("position", "label"))

    def _plot_digit(self, *, values: bool = False) -> Figure:
        image, label = self.split.images[self.position], int(self.split.labels[self.position])
        ax = MplFigure(figsize=(5.0, 5.2), layout="constrained").subplots()
        picture = plot_digit(image, label, values=values, ax=ax)
        for text in ax.texts:
            text.set_fontsize(4.7)
        return dataclasses.replace(picture, alt=f"Position {self.position}: {picture.alt}")

    def _plot_average(self) -> Figure:
        """Draw the mean of all chosen digits, not only of this page."""
        images = self.split.images[self._positions].numpy()
        mean = images.mean(axis=0, dtype=np.float32)
        which = "" if self.digit.value == "all" else f" of the {self.digit.value}"
        title = f"Average of {count(len(images), 'digit')}"
        figure = MplFigure(figsize=(1.3, 1.7), layout="constrained")
        ax = figure.subplots()
        ax.imshow(mean, cmap="gray", vmin=0, vmax=255)
        ax.set_axis_off()
        ax.set_title(title.replace(" of ", " of\n"), size="medium")
        alt = f"{title}{which}: mean pixel {mean.mean():.0f}, brightest {mean.max():.0f} of 255."
        return Figure(figure, (ax,), title, alt)

    def snapshot(self) -> Figure:
        below = [self._plot_digit(values=True), self._plot_average()]
        return sheet([[self._plot_grid()], below], "Sample browser")


def _table(pixels: Tensor, caption: str, alt: str) -> str:
    """Return HTML that shows every pixel with its value; as a picture it would take 0.6 s."""
    style = "width:17px;height:17px;padding:0;border:0;text-align:center;font:8px sans-serif"
    rows = [
        "".join(f'<td style="background:rgb({v},{v},{v});color:{_ink(v)}">{v}</td>' for v in row)
        for row in pixels.tolist()
    ]
    cells = "".join(f"<tr>{row}</tr>" for row in rows)
    return (
        f"<style>.digitlab-pixels td {{{style}}}</style>"
        f'<table class="digitlab-pixels" role="img" aria-label="{escape(alt)}" '
        f'style="border-collapse:collapse"><caption>{caption}</caption>{cells}</table>'
    )


def _ink(value: int) -> str:
    return "black" if value > 127 else "white" if value else "#808080"
