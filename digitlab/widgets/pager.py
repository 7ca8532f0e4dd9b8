"""A slider that turns the pages of many digits."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from digitlab.widgets.controls import Slider


class Pager(Slider):
    """Hold which digits are chosen, and which of them stand on the page that is shown.

    Args:
        size: of a page.
        draw: called for each page that is to be shown.

    Attributes:
        positions: of the chosen digits in their split, int64 (n,).
    """

    def __init__(self, size: int, draw: Callable[[], None]) -> None:
        super().__init__(min=1, value=1, description="Page")
        self.positions = torch.zeros(0, dtype=torch.int64)
        self._size, self._draw = size, draw
        self.observe(lambda _: draw(), "value")

    @property
    def first(self) -> int:
        """How many digits stand on the pages before this one."""
        return self._size * (int(self.value) - 1)

    @property
    def shown(self) -> Tensor:
        """The positions on this page."""
        return self.positions[self.first : self.first + self._size]

    def choose(self, positions: Tensor) -> None:
        """Choose other digits, and show their first page."""
        self.positions = positions
        turned = self.value > 1
        self.value = 1  # draws where another page was shown
        self.end_at(max(1, math.ceil(len(positions) / self._size)))
        if not turned:
            self._draw()
