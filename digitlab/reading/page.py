"""Reading all digits of one page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from scipy import ndimage
from torch import nn

from digitlab.measured import pretrained
from digitlab.reading.light import AROUND, border
from digitlab.reading.opened import PictureOrPath, noted, on_paper, open_picture
from digitlab.reading.predict import Prediction, predict
from digitlab.reading.steps import apply_steps
from digitlab.reading.strokes import around, boxes, gaps, with_edges
from digitlab.tables import html_table


@dataclass(frozen=True, eq=False)
class PageDigit:
    """Hold one digit of a page.

    Attributes:
        box: left, top, width and height, in pixels of the upright picture.
        row: 0 for the topmost row.
        prediction: the digit, its probability, and the pixels that the model saw.
    """

    box: tuple[int, int, int, int]
    row: int
    prediction: Prediction


@dataclass(frozen=True, eq=False, repr=False)
class Page:
    """Hold the digits of a page, row after row, each from left to right.

    Attributes:
        digits: in reading order.
        size: width and height of the upright picture, in pixels.
        picture: uint8 (H, W, 3), the upright picture, reduced where it is large.
        note: what is wrong with the file although it was read; empty for nothing.
    """

    digits: tuple[PageDigit, ...]
    size: tuple[int, int]
    picture: np.ndarray
    note: str = ""

    @property
    def text(self) -> str:
        """Return what is written, one line for each row."""
        rows = groupby(self, key=lambda digit: digit.row)
        return "\n".join("".join(str(d.prediction.digit) for d in row) for _, row in rows)

    def __len__(self) -> int:
        return len(self.digits)

    def __getitem__(self, index: int) -> PageDigit:
        return self.digits[index]

    def __iter__(self) -> Iterator[PageDigit]:
        return iter(self.digits)

    def __repr__(self) -> str:
        return f"Page(text={self.text!r}{noted(self.note)})"

    def _repr_html_(self) -> str:
        rows = [
            (d.row + 1, d.prediction.digit, f"{d.prediction.probability:.1%}", *d.box)
            for d in self.digits
        ]
        header = ("row", "digit", "probability", "left", "top", "width", "height")
        return html_table(rows, header=header, caption=f"{len(rows)} digits on this page")


def read_page(image: PictureOrPath, model: nn.Module | None = None) -> Page:
    """Read every digit of a page, from left to right and top to bottom; rows may tilt.

    Digits that touch each other are read as one, and those that the frame cuts are left out.

    Args:
        image: a Pillow image or the name of an image file.
        model: takes float (N, 1, 28, 28) in [0, 1], returns logits; None for `pretrained()`.

    Raises:
        ValueError: for a file that is no picture, or a page without digits.
    """
    opened = open_picture(image)
    colours = on_paper(opened.picture)
    ink = apply_steps(colours, ["page"])["clean"]
    labels, _ = ndimage.label(ink > 0.3, AROUND)
    masks = [with_edges(labels, parts) for parts in _digits(labels)]
    if not masks:
        raise ValueError("there is no whole digit on this page; write larger or come closer")
    found = [boxes(mask.astype(int))[1] for mask in masks]
    pixels = [_pixels(ink * mask, box) for mask, box in zip(masks, found, strict=True)]
    predictions = predict(model or pretrained(), pixels)
    assert isinstance(predictions, list)
    scale = opened.size[0] / colours.shape[1]
    digits = [
        PageDigit(_place(found[i], scale), row, predictions[i])
        for row, numbers in enumerate(_rows(found))
        for i in numbers
    ]
    return Page(tuple(digits), opened.size, colours, opened.note)


def _pixels(ink: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Return the pixels of the digit in a box as MNIST has them; uint8 (28, 28)."""
    top, left, bottom, right = box
    return apply_steps(ink[top:bottom, left:right], ["digit"])["28 x 28"]


def _place(box: np.ndarray, scale: float) -> tuple[int, int, int, int]:
    """Return left, top, width and height in pixels of the picture before it was reduced."""
    top, left, bottom, right = np.rint(scale * box).astype(int).tolist()
    return left, top, right - left, bottom - top


def _digits(labels: np.ndarray) -> list[list[int]]:
    """Return the parts of each digit: small ones join what lies closest until they are tall."""
    cut = border(labels)
    groups = [([i], box) for i, box in enumerate(boxes(labels)) if i not in (0, *cut)]
    if not groups:
        return []
    heights = np.array([_height(box) for _, box in groups])
    usual = float(np.median(heights[heights > 0.4 * heights.max()]))  # without dots and bars
    while True:
        pairs = [
            (gaps(one, other).max(), i, j)
            for i, (_, one) in enumerate(groups)
            for j, (_, other) in enumerate(groups[:i])
            if min(_height(one), _height(other)) < 0.5 * usual
        ]
        gap, i, j = min(pairs, default=(usual, 0, 0))
        if gap > 0.3 * usual:  # more than a pen that skips leaves
            return [parts for parts, box in groups if _height(box) > 0.5 * usual]
        (parts, one), (others, other) = groups.pop(i), groups.pop(j)
        groups.append((parts + others, around(np.stack([one, other]))))


def _height(box: np.ndarray) -> int:
    return int(box[2] - box[0])


def _rows(found: list[np.ndarray]) -> list[list[int]]:
    """Return the numbers of the boxes row after row, each from left to right."""
    top, left, bottom, _ = np.stack(found).T
    middle, height = (top + bottom) / 2, np.median(bottom - top)
    rows: list[list[int]] = []
    for i in np.argsort(left, kind="stable").tolist():
        # beside the last digit of a row, not its first: so a row may tilt
        away = [abs(middle[row[-1]] - middle[i]) for row in rows]
        if min(away, default=height) < 0.6 * height:
            rows[int(np.argmin(away))].append(i)
        else:
            rows.append([i])
    return sorted(rows, key=lambda row: float(middle[row].mean()))
