"""A slider and a list with labels, and rows of them that wrap where the page is narrow.

Those of ipywidgets fall short in JupyterLab: its slider has no name that a screen reader could
say, and in its list the arrow keys move through the notebook.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import traitlets
from anywidget import AnyWidget
from ipywidgets import HBox, Layout, Widget


class _Control(AnyWidget):
    _esm = Path(__file__).with_name("controls.js")

    description = traitlets.Unicode().tag(sync=True)
    disabled = traitlets.Bool(False).tag(sync=True)

    @traitlets.default("layout")
    def _one_width(self) -> Layout:
        return Layout(width="300px", margin="2px", align_items="center")


class Slider(_Control):
    """Hold a number from `min` to `max`; one outside becomes the nearest inside."""

    value = traitlets.Float().tag(sync=True)
    min = traitlets.Float(0.0).tag(sync=True)
    max = traitlets.Float(100.0).tag(sync=True)
    step = traitlets.Float(1.0).tag(sync=True)
    unit = traitlets.Unicode().tag(sync=True)

    @traitlets.validate("value")
    def _inside(self, proposal: Any) -> float:
        return float(min(max(proposal["value"], self.min), self.max))

    @traitlets.observe("min", "max")
    def _move_inside(self, _: object) -> None:
        self.value = min(max(self.value, self.min), self.max)

    def end_at(self, last: int) -> None:
        """Reach to `last`, and say so beside the number."""
        self.max, self.unit = last, f"of {last}"


class Choice(_Control):
    """Hold the value of one of the options; new options without it set it to their first.

    Attributes:
        options: label -> value.
    """

    options = traitlets.Dict()
    value = traitlets.Any()
    _labels = traitlets.List(traitlets.Unicode()).tag(sync=True)
    _index = traitlets.Int(0).tag(sync=True)

    @property
    def values(self) -> list[Any]:
        return list(self.options.values())

    @traitlets.validate("value")
    def _offered(self, proposal: Any) -> Any:
        if proposal["value"] not in self.values:
            raise traitlets.TraitError(f"{proposal['value']!r} is not one of {self.values}")
        return proposal["value"]

    @traitlets.observe("options")
    def _offer(self, _: object) -> None:
        self._labels = list(self.options)
        if self.value not in self.values:
            self.value = self.values[0]
        self._point()

    @traitlets.observe("value")
    def _point(self, _: object = None) -> None:
        self._index = self.values.index(self.value)

    @traitlets.observe("_index")
    def _take(self, _: object) -> None:
        self.value = self.values[self._index]


def labelled(values: Iterable[Any]) -> dict[str, Any]:
    """Return options that are called as they are."""
    return {str(value): value for value in values}


def row(*parts: Widget) -> HBox:
    """Return widgets beside each other, or below where there is no room."""
    return HBox(parts, layout=Layout(flex_flow="row wrap"))
