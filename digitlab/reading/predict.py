"""From pictures to digits with probabilities."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from digitlab.data import Split
from digitlab.inference import need_logits, read_logits
from digitlab.pixels import as_batch, as_numbers, as_pixels
from digitlab.reading.opened import PictureOrPath, called, noted
from digitlab.reading.steps import Digitized, digitize
from digitlab.tables import html_table

Steps = dict[str, np.ndarray]
DigitLike = Tensor | np.ndarray | PictureOrPath


@dataclass(frozen=True, eq=False, repr=False)
class Prediction:
    """Hold what a model reads in one picture.

    Attributes:
        digit: the most probable class.
        probability: of that class, in [0, 1].
        probabilities: float (10,), softmax of the logits.
        pixels: float (28, 28) in [0, 1], what the model saw.
        steps: how a picture became these pixels; empty where they came as pixels.
        note: what is wrong with its file although it was read; empty for nothing.
    """

    digit: int
    probability: float
    probabilities: Tensor
    pixels: Tensor
    steps: Steps = field(default_factory=dict)
    note: str = ""

    def __repr__(self) -> str:
        sure = f"probability={self.probability:.2f}"
        return f"Prediction(digit={self.digit}, {sure}{noted(self.note)})"

    def _repr_html_(self) -> str:
        row = ["probability", *(f"{p:.1%}" for p in self.probabilities.tolist())]
        return html_table([row], header=["digit", *range(10)], caption=repr(self))


def predict(
    model: nn.Module, images: DigitLike | Split | Sequence[DigitLike]
) -> Prediction | list[Prediction]:
    """Read one digit, or each of many.

    Args:
        model: takes float (N, 1, 28, 28) in [0, 1], returns logits (N, 10).
        images: one digit as a tensor or array (28, 28) or (1, 28, 28), uint8 or float in [0, 1],
            ink bright on dark; or as a Pillow image or an image file, which is cleaned up first;
            or many: a list of these, a batch (N, 28, 28) or (N, 1, 28, 28), or a split.

    Returns:
        One prediction for one digit, a list for many.

    Raises:
        ValueError: for pixels of another shape or range, a file that is no picture, or a model
            that does not return ten numbers for a digit.
    """
    if isinstance(images, Split):
        images = images.images[:, None]  # of a single digit, too, a batch
    elif isinstance(images, Tensor | np.ndarray):
        images = as_numbers(images)
    many = isinstance(images, list | tuple) or _is_batch(images)
    pixels, made = _prepared(images if many else [images])
    if not made:
        return []
    logits = read_logits(model, pixels.split(250), len(pixels))
    need_logits(logits)
    probabilities = logits.softmax(dim=1)
    most, digits = probabilities.max(dim=1)
    found = zip(digits.tolist(), most.tolist(), probabilities, pixels[:, 0], made, strict=True)
    predictions = [
        Prediction(digit, probability, row, seen, steps, note)
        for digit, probability, row, seen, (steps, note) in found
    ]
    return predictions if many else predictions[0]


def _is_batch(images: object) -> bool:
    if not isinstance(images, Tensor):
        return False
    return images.ndim == 4 or (images.ndim == 3 and images.shape[0] != 1)


def _prepared(images: Any) -> tuple[Tensor, list[tuple[Steps, str]]]:
    """Return the pixels of many digits, float (N, 1, 28, 28) in [0, 1], and how each was made."""
    if _is_batch(images):
        return as_batch(images), [({}, "") for _ in images]
    ready = [_one(image) for image in images]
    pixels = torch.cat([pixels for pixels, _ in ready]) if ready else torch.empty(0)
    return pixels, [how for _, how in ready]


def _one(image: object) -> tuple[Tensor, tuple[Steps, str]]:
    """Return the pixels of one digit, float (1, 1, 28, 28) in [0, 1], and how they were made."""
    if isinstance(image, Tensor | np.ndarray):
        return as_batch(as_numbers(image)[None]), ({}, "")
    if isinstance(image, str | os.PathLike | Image.Image):
        digitized = _digitized(image)
        pixels = as_pixels(torch.from_numpy(digitized.pixels[None]))
        return pixels, (digitized.steps, digitized.note)
    raise ValueError(
        f"a digit must be a tensor, an array, a Pillow image or a file name, not "
        f"{type(image).__name__}"
    )


def _digitized(picture: PictureOrPath) -> Digitized:
    """Clean a picture up; where that cannot be, say which file it is."""
    try:
        return digitize(picture)
    except ValueError as error:
        name = "" if isinstance(picture, Image.Image) else called(Path(os.fsdecode(picture)))
        if name in str(error):
            raise
        raise ValueError(f"{name}: {error}") from None
