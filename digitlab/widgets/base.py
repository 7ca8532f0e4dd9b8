"""What all widgets share: each one is also a picture of itself."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from ipywidgets import HTML, VBox
from matplotlib.figure import Figure as MplFigure
from PIL import Image

from digitlab.show.figure import DPI, Figure, img_tag

GAP = 12  # pixels between the pictures of a sheet


class Explorer(VBox):
    """A column of controls and pictures that also shows as a static picture.

    Where no kernel runs (a saved notebook, an exported page) its `snapshot` is shown, with
    alternative text.
    """

    def snapshot(self) -> Figure:
        """Return a picture of what the widget shows now."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"  # without the traits of its parts

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs)
        picture = self.snapshot()
        return bundle | {"text/html": img_tag(picture.png(), picture.alt)}


def show(place: HTML, picture: Figure) -> None:
    """Put a picture, with its alternative text, where an HTML widget stands."""
    image = img_tag(picture.png(), picture.alt)
    place.value = image.replace("<img ", '<img style="max-width: 100%" ', 1)


def sheet(rows: Sequence[Sequence[Figure]], title: str) -> Figure:
    """Return one picture of several, which stand in rows.

    Its alternative text is theirs, one after the other.
    """
    images = [[Image.open(io.BytesIO(picture.png())) for picture in row] for row in rows]
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
    alt = " ".join(picture.alt for row in rows for picture in row)
    figure = MplFigure(figsize=(whole.width / DPI, whole.height / DPI))
    figure.figimage(np.asarray(whole))
    return Figure(figure, (), title, f"{title}. {alt}")
