"""Several pictures on one sheet: what a widget shows, as one picture."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from digitlab.picture import DPI, Picture

GAP = 12  # pixels


def sheet(rows: Sequence[Sequence[Picture]], title: str) -> Picture:
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
    figure = Figure(figsize=(whole.width / DPI, whole.height / DPI))
    figure.figimage(np.asarray(whole))
    return Picture(figure, (), title, f"{title}. {alt}")
