"""What a model mixes up: the matrix, and behind each of its cells the digits."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from ipywidgets import HTML
from matplotlib.figure import Figure as MplFigure
from torch import Tensor

from digitlab.data import Split
from digitlab.geometry import N_CLASSES
from digitlab.inference import Result
from digitlab.metrics import confusion_matrix
from digitlab.show.digits import plot_digits
from digitlab.show.figure import Figure, count, frame, only_words
from digitlab.show.results import need_same_digits, plot_confusion
from digitlab.widgets.base import Explorer, sheet, show
from digitlab.widgets.controls import Choice, labelled, row
from digitlab.widgets.pager import Pager

COLUMNS = 3
PER_PAGE = 4 * COLUMNS
CLASSES = labelled(["all", *range(N_CLASSES)])
KINDS = labelled(["right and wrong", "right", "wrong"])
ORDERS = labelled(["surest first", "least sure first"])


class ConfusionExplorer(Explorer):
    """Choose a cell of the confusion matrix and see its digits.

    It opens on the most frequent mistake.

    Args:
        split: the digits.
        result: what `evaluate` returns for this split.

    Attributes:
        truth: "all", or a true class.
        read_as: "all", or what the model reads.
        kind: "right and wrong", "right" or "wrong".
        order: "surest first" or "least sure first".
        page: from 1 on.
        positions: of the chosen digits in the split, in this order: int64 (n,).

    Raises:
        ValueError: for no digits, the result of another split, or logits that are not numbers.
    """

    def __init__(self, split: Split, result: Result) -> None:
        need_same_digits(split, result)
        self.split, self.result = split, result
        self._predictions, self._probabilities = result.predictions, result.probabilities
        matrix = confusion_matrix(self._predictions, split.labels)
        mistakes = matrix - matrix.diagonal().diag()
        cell = divmod(int(mistakes.argmax()), N_CLASSES) if mistakes.any() else ("all", "all")
        self.truth = Choice(options=CLASSES, value=cell[0], description="True class")
        self.read_as = Choice(options=CLASSES, value=cell[1], description="Read as")
        self.kind = Choice(options=KINDS, description="Show")
        self.order = Choice(options=ORDERS, description="Order")
        self.page = Pager(PER_PAGE, self._draw)
        self._all = _small_matrix(result)
        self._matrix, self._digits = HTML(), HTML()
        choices = [self.truth, self.read_as, self.kind, self.order]
        super().__init__([row(*choices, self.page), row(self._matrix, self._digits)])
        self._choose()
        for control in choices:
            control.observe(self._choose, "value")

    @property
    def positions(self) -> Tensor:
        return self.page.positions

    def _choose(self, _: object = None) -> None:
        """Find the digits of the cell and show their first page."""
        truth, read = self.split.labels, self._predictions
        chosen = torch.ones_like(truth, dtype=torch.bool)
        if self.truth.value != "all":
            chosen &= truth == self.truth.value
        if self.read_as.value != "all":
            chosen &= read == self.read_as.value
        if self.kind.value != "right and wrong":
            chosen &= (truth == read) == (self.kind.value == "right")
        positions = chosen.nonzero()[:, 0]
        sure = self._probabilities[positions].amax(dim=1)
        order = sure.argsort(descending=self.order.value == "surest first", stable=True)
        show(self._matrix, self._plot_matrix())
        self.page.choose(positions[order])

    def _draw(self) -> None:
        show(self._digits, self._plot_digits())

    @property
    def _cell(self) -> str:
        """Return the choice in words."""
        truth = "any digit" if self.truth.value == "all" else f"a {self.truth.value}"
        read = "anything" if self.read_as.value == "all" else f"a {self.read_as.value}"
        only = "" if self.kind.value == "right and wrong" else f", {self.kind.value} only"
        return f"{truth} read as {read}{only}"

    def _plot_matrix(self) -> Figure:
        """Move the frame on the matrix, which is drawn once."""
        ax = self._all.axes[0]
        for patch in ax.patches:
            patch.remove()
        row, height = (0, N_CLASSES) if self.truth.value == "all" else (self.truth.value, 1)
        column, width = (0, N_CLASSES) if self.read_as.value == "all" else (self.read_as.value, 1)
        frame(ax, np.array([column, row]), (height, width))
        return dataclasses.replace(self._all, alt=f"{self._all.alt} Framed: {self._cell}.")

    def _plot_digits(self) -> Figure:
        n, shown, first = len(self.positions), self.page.shown, self.page.first
        if not n:
            return only_words(f"There is no digit here:\n{self._cell}")
        figure = plot_digits(
            self.split.pick(shown),
            probabilities=self._probabilities[shown],
            columns=COLUMNS,
            title=f"{count(n, 'digit')}, {self.order.value}:\n{self._cell}",
        )
        alt = f"{first + 1} to {first + len(shown)} of {figure.alt}"
        return dataclasses.replace(figure, alt=alt.replace("\n", " "))

    def snapshot(self) -> Figure:
        return sheet([[self._plot_matrix(), self._plot_digits()]], "Confusion explorer")


def _small_matrix(result: Result) -> Figure:
    mpl = MplFigure(figsize=(3.0, 3.2))
    ax = mpl.add_axes((0.15, 0.13, 0.83, 0.79))  # constrained layout takes twice the time
    figure = plot_confusion(result, ax=ax)
    for text in ax.texts:
        text.set_fontsize(6)
    return figure
