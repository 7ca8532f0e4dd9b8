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

MOST_MARKS = 700  # on a page; each costs milliseconds


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
    cut_out = [_cut_out(ink, labels, *digit) for digit in _digits(labels)]
    if not cut_out:
        raise ValueError("there is no whole digit on this page; write larger or come closer")
    found, pixels = map(list, zip(*cut_out, strict=True))
    predictions = predict(model or pretrained(), pixels)
    assert isinstance(predictions, list)
    scale = opened.size[0] / colours.shape[1]
    digits = [
        PageDigit(_place(found[i], scale), row, predictions[i])
        for row, numbers in enumerate(_rows(found))
        for i in numbers
    ]
    return Page(tuple(digits), opened.size, colours, opened.note)


def _cut_out(
    ink: np.ndarray, labels: np.ndarray, parts: list[int], box: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the box of a digit with its edges, and its pixels as MNIST has them, uint8."""
    above, before = np.maximum(box[:2] - 3, 0)  # the edges are two pixels wide
    window = np.s_[above : box[2] + 3, before : box[3] + 3]
    mask = with_edges(labels[window], parts)
    top, left, bottom, right = found = boxes(mask.astype(int))[1]
    digit = (ink[window] * mask)[top:bottom, left:right]
    return found + [above, before] * 2, apply_steps(digit, ["digit"])["28 x 28"]


def _place(box: np.ndarray, scale: float) -> tuple[int, int, int, int]:
    """Return left, top, width and height in pixels of the picture before it was reduced."""
    top, left, bottom, right = np.rint(scale * box).astype(int).tolist()
    return left, top, right - left, bottom - top


def _digits(labels: np.ndarray) -> list[tuple[list[int], np.ndarray]]:
    """Return parts and box of each digit: small ones join what lies closest until they are tall."""
    cut = border(labels)
    groups = [([i], box) for i, box in enumerate(boxes(labels)) if i not in (0, *cut)]
    if not groups:
        return []
    if len(groups) > MOST_MARKS:
        raise ValueError(
            f"there are {len(groups)} marks on this page, too many to be digits; cut the part "
            "with digits out"
        )
    heights = np.array([_height(box) for _, box in groups])
    usual = float(np.median(heights[heights > 0.4 * heights.max()]))  # without dots and bars
    while True:
        gap, i, j = _closest(np.stack([box for _, box in groups]), 0.5 * usual)
        if gap > 0.3 * usual:  # more than a pen that skips leaves
            return [(parts, box) for parts, box in groups if _height(box) > 0.5 * usual]
        (parts, one), (others, other) = groups.pop(i), groups.pop(j)
        groups.append((parts + others, around(np.stack([one, other]))))


def _closest(found: np.ndarray, small: float) -> tuple[float, int, int]:
    """Return how near two boxes lie of which one is small, and their numbers, the later first."""
    low = found[:, 2] - found[:, 0] < small
    gap = gaps(found[:, None], found).max(axis=2).astype(float)
    gap[~np.tril(low | low[:, None], -1)] = np.inf
    i, j = divmod(int(gap.argmin()), len(found))
    return float(gap[i, j]), i, j


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
