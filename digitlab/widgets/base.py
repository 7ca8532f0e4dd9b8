"""What all widgets share: each one is also a figure of itself."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from ipywidgets import HTML, VBox
from matplotlib.figure import Figure as MplFigure
from PIL import Image

from digitlab.show.figure import DPI, Figure, img_tag

GAP = 12  # pixels between the figures of a sheet


class Explorer(VBox):
    """A column of controls and figures; where no kernel runs, its `snapshot` is shown."""

    def snapshot(self) -> Figure:
        """Return a figure of what the widget shows now."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"  # without the traits of its parts

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs)
        figure = self.snapshot()
        return bundle | {"text/html": img_tag(figure.png(), figure.alt)}


def show(place: HTML, figure: Figure) -> None:
    """Put a figure, with its alternative text, where an HTML widget stands."""
    image = img_tag(figure.png(), figure.alt)
    place.value = image.replace("<img ", '<img style="max-width: 100%" ', 1)


def sheet(rows: Sequence[Sequence[Figure]], title: str) -> Figure:
    """Return one figure of several, which stand in rows; its alternative text is all of theirs."""
    images = [[Image.open(io.BytesIO(figure.png())) for figure in row] for row in rows]
    heights = [max(image.height for image in row) + GAP for row in images]
    widths = [sum(image.width + GAP for image in row) for row in images]
    whole = Image.new("RGB", (max(widths) - GAP, sum(heights) - GAP), "white")
    top = 0
    for row, height in zip(images, heights, strict=True):
        left = 0
        for image in row:
            whole.paste(image, (left, top))
            left += image.width + GAP
        top += height
    alt = " ".join(figure.alt for row in rows for figure in row)
    mpl = MplFigure(figsize=(whole.width / DPI, whole.height / DPI))
    mpl.figimage(np.asarray(whole))
    return Figure(mpl, (), title, f"{title}. {alt}")
