"""Augmentation to play with: a slider for each of its changes."""

from __future__ import annotations

import dataclasses

from ipywidgets import HTML, Button

from digitlab.augment import Augment
from digitlab.data import Split
from digitlab.show.digits import plot_augment
from digitlab.show.figure import Figure
from digitlab.widgets.base import Explorer, show
from digitlab.widgets.controls import Slider, row

RANGES = {  # largest amount, step, unit
    "shift": (8.0, 0.5, "pixels"),
    "rotate": (45.0, 1.0, "degrees"),
    "scale": (0.5, 0.05, "of the size"),
    "shear": (45.0, 1.0, "degrees"),
    "elastic": (4.0, 0.25, "pixels"),
    "stroke": (2.0, 0.25, "pixels"),
    "erase": (20.0, 1.0, "pixels"),
}
START = {"shift": 2.0, "rotate": 15.0}


class AugmentExplorer(Explorer):
    """Change digits at random, each change as much as its slider says.

    Args:
        split: the digits; the first five are shown.

    Attributes:
        amounts: the slider of each field of `Augment`.
        again: draws the same amounts anew.
        seed: of what is drawn.

    Raises:
        ValueError: for no digits.
    """

    def __init__(self, split: Split) -> None:
        self.split = split
        self.seed = 0
        self.amounts = {field.name: _slider(field.name) for field in dataclasses.fields(Augment)}
        self.again = Button(description="Draw again")
        self._code, self._digits = HTML(), HTML()
        controls = row(*self.amounts.values(), self.again)
        super().__init__([controls, self._code, self._digits])
        self._draw()
        for slider in self.amounts.values():
            slider.observe(self._draw, "value")
        self.again.on_click(self._draw_again)

    @property
    def augment(self) -> Augment:
        """What the sliders say."""
        return Augment(**{name: slider.value for name, slider in self.amounts.items()})

    @property
    def code(self) -> str:
        """The line of Python that makes the same."""
        changes = [f"{name}={s.value}" for name, s in self.amounts.items() if s.value]
        return f"dl.Augment({', '.join(changes)})"

    def _draw(self, _: object = None) -> None:
        self._code.value = f"<code>{self.code}</code>"
        show(self._digits, self.snapshot())

    def _draw_again(self, _: object) -> None:
        self.seed += 1
        self._draw()

    def snapshot(self) -> Figure:
        figure = plot_augment(self.split, self.augment, columns=9, seed=self.seed)
        return dataclasses.replace(figure, alt=f"{self.code}. {figure.alt}")


def _slider(name: str) -> Slider:
    most, step, unit = RANGES[name]
    value = START.get(name, 0.0)
    return Slider(value=value, max=most, step=step, unit=unit, description=name)
