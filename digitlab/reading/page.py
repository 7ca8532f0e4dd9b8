"""Reading all digits of one page."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage
from torch import nn

from digitlab.measured import pretrained
from digitlab.reading.light import AROUND, border
from digitlab.reading.opened import on_paper, open_picture, upright
from digitlab.reading.predict import Prediction, predict
from digitlab.reading.steps import apply_steps
from digitlab.tables import html_table

Box = tuple[slice, slice]  # rows and columns


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
    """

    digits: tuple[PageDigit, ...]
    size: tuple[int, int]
    picture: np.ndarray

    @property
    def text(self) -> str:
        """Return what is written, one line for each row."""
        n_rows = max(digit.row for digit in self.digits) + 1
        rows = [[d.prediction.digit for d in self.digits if d.row == row] for row in range(n_rows)]
        return "\n".join("".join(map(str, row)) for row in rows)

    def __len__(self) -> int:
        return len(self.digits)

    def __getitem__(self, index: int) -> PageDigit:
        return self.digits[index]

    def __iter__(self) -> Iterator[PageDigit]:
        return iter(self.digits)

    def __repr__(self) -> str:
        return f"Page(text={self.text!r})"

    def _repr_html_(self) -> str:
        rows = [
            (d.row + 1, d.prediction.digit, f"{d.prediction.probability:.1%}", *d.box)
            for d in self.digits
        ]
        header = ("row", "digit", "probability", "left", "top", "width", "height")
        return html_table(rows, header=header, caption=f"{len(rows)} digits on this page")


def read_page(image: Image.Image | str | os.PathLike[str], model: nn.Module | None = None) -> Page:
    """Read every digit of a page, from left to right and top to bottom; rows may tilt.

    Digits that touch each other are read as one, and those that the frame cuts are left out.

    Args:
        image: a Pillow image or the name of an image file.
        model: takes float (N, 1, 28, 28) in [0, 1], returns logits; None for `pretrained()`.

    Raises:
        ValueError: for a file that is no picture, or a page without digits.
    """
    picture = open_picture(image)
    turned = upright(picture)
    values = on_paper(turned)
    *_, (_, ink) = apply_steps(values, ("page",))
    masks = _digits(ink)
    if not masks:
        raise ValueError("there is no whole digit on this page; write larger or come closer")
    boxes = [ndimage.find_objects(mask.astype(int))[0] for mask in masks]
    pixels = [_pixels(np.where(mask, ink, 0)[box]) for mask, box in zip(masks, boxes, strict=True)]
    predictions = predict(model or pretrained(), pixels)
    assert isinstance(predictions, list)
    size = picture.info.get("full_size", picture.size)  # a JPEG may be reduced as it is read
    if picture.getexif().get(0x0112, 1) >= 5:  # EXIF turns it by a quarter
        size = size[::-1]
    scale = size[0] / values.shape[1]
    digits = [
        PageDigit(_corners(boxes[i], scale), row, predictions[i])
        for row, places in enumerate(_rows(boxes))
        for i in places
    ]
    return Page(tuple(digits), size, values)


def _pixels(ink: np.ndarray) -> np.ndarray:
    """Return the pixels of one digit as MNIST has them; uint8 (28, 28)."""
    *_, (_, pixels) = apply_steps(ink, ("digit",))
    return pixels


def _corners(box: Box, scale: float) -> tuple[int, int, int, int]:
    y, x = box
    left, top, right, bottom = (round(scale * n) for n in (x.start, y.start, x.stop, y.stop))
    return left, top, right - left, bottom - top


def _digits(ink: np.ndarray) -> list[np.ndarray]:
    """Return the mask of each digit: small parts join what lies closest until they are tall."""
    labels, _ = ndimage.label(ink > 0.3, AROUND)
    cut = border(labels)
    boxes = enumerate(ndimage.find_objects(labels), start=1)
    groups = [([part], box) for part, box in boxes if part not in cut]
    if not groups:
        return []
    heights = np.array([_height(box) for _, box in groups])
    usual = float(np.median(heights[heights > 0.4 * heights.max()]))
    while True:
        pairs = [
            (_gap(one[1], other[1]), i, j)
            for i, one in enumerate(groups)
            for j, other in enumerate(groups[:i])
            if min(_height(one[1]), _height(other[1])) < 0.5 * usual
        ]
        gap, i, j = min(pairs, default=(usual, 0, 0))
        if gap > 0.3 * usual:
            return [_grown(labels, parts) for parts, box in groups if _height(box) > 0.5 * usual]
        one, other = groups.pop(i), groups.pop(j)
        groups.append((one[0] + other[0], _around(one[1], other[1])))


def _height(box: Box) -> int:
    return int(box[0].stop - box[0].start)


def _around(one: Box, other: Box) -> Box:
    """Return the smallest box that holds both."""
    y, x = (
        slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(one, other, strict=True)
    )
    return y, x


def _gap(one: Box, other: Box) -> float:
    """Return how far two boxes lie apart, in pixels; negative where they overlap."""
    gaps = [max(a.start - b.stop, b.start - a.stop) for a, b in zip(one, other, strict=True)]
    return float(max(gaps))


def _grown(labels: np.ndarray, parts: list[int]) -> np.ndarray:
    """Return these parts with their grey edges."""
    mask = np.isin(labels, parts)
    grown: np.ndarray = ndimage.binary_dilation(mask, AROUND, iterations=2)
    return grown & (mask | (labels == 0))


def _rows(boxes: list[Box]) -> list[list[int]]:
    """Return the numbers of the boxes row after row, each from left to right."""
    middle = [(y.start + y.stop) / 2 for y, _ in boxes]
    height = float(np.median([y.stop - y.start for y, _ in boxes]))
    rows: list[list[int]] = []
    for i in sorted(range(len(boxes)), key=lambda i: boxes[i][1].start):
        near = [row for row in rows if abs(middle[row[-1]] - middle[i]) < 0.6 * height]
        if near:  # the digit to the left in the same row: so a row may tilt
            min(near, key=lambda row: abs(middle[row[-1]] - middle[i])).append(i)
        else:
            rows.append([i])
    return sorted(rows, key=lambda row: sum(middle[i] for i in row) / len(row))
