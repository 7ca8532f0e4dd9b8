"""Digits to look through: page by page, one enlarged, and the average of them all."""

from __future__ import annotations

import dataclasses
from html import escape

import numpy as np
import torch
from ipywidgets import HTML
from matplotlib.figure import Figure as MplFigure
from torch import Tensor

from digitlab.data import Split
from digitlab.show.digits import plot_digit
from digitlab.show.figure import Figure, count, frame, need_digits, tiles
from digitlab.widgets.base import Explorer, sheet, show
from digitlab.widgets.controls import Choice, Slider, labelled, row
from digitlab.widgets.pager import Pager

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
        self.page = Pager(PER_PAGE, self._draw)
        self.place = Slider(min=1, value=1, description="Enlarge")
        self._grid, self._values, self._average = HTML(), HTML(), HTML()
        controls = row(self.digit, self.page, self.place)
        super().__init__([controls, self._grid, row(self._values, self._average)])
        self._filter()
        self.digit.observe(self._filter, "value")
        self.place.observe(self._draw, "value")

    @property
    def position(self) -> int:
        """Where the enlarged digit lies in the split."""
        return int(self.page.shown[int(self.place.value) - 1])

    def _filter(self, _: object = None) -> None:
        """Show the first page of the chosen digits, and their average."""
        chosen = torch.ones(len(self.split), dtype=torch.bool)
        if self.digit.value != "all":
            chosen = self.split.labels == self.digit.value
        self.page.choose(chosen.nonzero()[:, 0])
        show(self._average, self._plot_average())

    def _draw(self, _: object = None) -> None:
        """Show the page, and enlarge the digit at the chosen place."""
        self.place.end_at(len(self.page.shown))
        show(self._grid, self._plot_grid())
        self._values.value = _table(
            self.split.images[self.position],
            f"Position {self.position}: a {int(self.split.labels[self.position])}",
            self._plot_digit().alt,
        )

    def _plot_grid(self) -> Figure:
        shown = self.split.pick(self.page.shown)
        texts = [str(label) for label in shown.labels.tolist()]
        first, n = self.page.first, len(self.page.positions)
        title = f"Digits {first + 1} to {first + len(shown)} of {n}"
        says = f"{title} (framed: enlarged below)"
        mpl, ax, corners = tiles(None, shown.images.numpy(), COLUMNS, title=says, texts=texts)
        frame(ax, corners[int(self.place.value) - 1])
        rows = list(zip(self.page.shown.tolist(), shown.labels.tolist(), strict=True))
        alt = f"{title}: {', '.join(texts)}."
        return Figure(mpl, (ax,), title, alt, rows, ("position", "label"))

    def _plot_digit(self, *, values: bool = False) -> Figure:
        image, label = self.split.images[self.position], int(self.split.labels[self.position])
        ax = MplFigure(figsize=(5.0, 5.2), layout="constrained").subplots()
        figure = plot_digit(image, label, values=values, ax=ax)
        for text in ax.texts:
            text.set_fontsize(4.7)
        return dataclasses.replace(figure, alt=f"Position {self.position}: {figure.alt}")

    def _plot_average(self) -> Figure:
        """Draw the mean of all chosen digits, not only of this page."""
        images = self.split.images[self.page.positions].numpy()
        mean = images.mean(axis=0, dtype=np.float32)
        which = "" if self.digit.value == "all" else f" of the {self.digit.value}"
        digits = count(len(images), "digit")
        mpl = MplFigure(figsize=(1.3, 1.7), layout="constrained")
        ax = mpl.subplots()
        ax.imshow(mean, cmap="gray", vmin=0, vmax=255)
        ax.set_axis_off()
        ax.set_title(f"Average of\n{digits}", size="medium")
        title = f"Average of {digits}"
        alt = f"{title}{which}: mean pixel {mean.mean():.0f}, brightest {mean.max():.0f} of 255."
        return Figure(mpl, (ax,), title, alt)

    def snapshot(self) -> Figure:
        below = [self._plot_digit(values=True), self._plot_average()]
        return sheet([[self._plot_grid()], below], "Sample browser")


def _table(pixels: Tensor, caption: str, alt: str) -> str:
    """Return HTML that shows every pixel with its value; matplotlib would take 0.6 s."""
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
