"""From pictures to digits with probabilities."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from digitlab.data import Split, as_pixels
from digitlab.geometry import SIZE
from digitlab.inference import read_logits
from digitlab.reading.steps import digitize
from digitlab.tables import html_table

Picturelike = Tensor | np.ndarray | Image.Image | str | os.PathLike[str]


@dataclass(frozen=True, eq=False, repr=False)
class Prediction:
    """Hold what a model reads in one picture.

    Attributes:
        digit: the most probable class.
        probability: of that class, in [0, 1].
        probabilities: float (10,), softmax of the logits.
        pixels: float (28, 28) in [0, 1], what the model saw.
        steps: how a picture became these pixels; empty where they came as pixels.
    """

    digit: int
    probability: float
    probabilities: Tensor
    pixels: Tensor
    steps: dict[str, np.ndarray] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Prediction(digit={self.digit}, probability={self.probability:.2f})"

    def _repr_html_(self) -> str:
        row = ["probability", *(f"{p:.1%}" for p in self.probabilities.tolist())]
        return html_table([row], header=["digit", *range(10)], caption=repr(self))


def predict(
    model: nn.Module, images: Picturelike | Split | Sequence[Picturelike]
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
        ValueError: for pixels of another shape or range, or a file that is no picture.
    """
    many = _as_list(images)
    ready = [_prepare(image) for image in (many if many is not None else [images])]
    if not ready:
        return []
    pixels = torch.stack([one for one, _ in ready])  # (N, 1, 28, 28)
    probabilities = read_logits(model, pixels.split(250), len(pixels)).softmax(dim=1)
    predictions = [
        Prediction(int(p.argmax()), float(p.max()), p, one[0], steps)
        for p, (one, steps) in zip(probabilities, ready, strict=True)
    ]
    return predictions if many is not None else predictions[0]


def _as_list(images: Any) -> list[Any] | None:
    """Return the digits of a batch or list; None for a single digit."""
    if isinstance(images, Split):
        return list(images.images)
    if isinstance(images, list | tuple):
        return list(images)
    is_array = isinstance(images, Tensor | np.ndarray)
    if is_array and (images.ndim == 4 or (images.ndim == 3 and images.shape[0] != 1)):
        return list(images)
    return None


def _prepare(image: object) -> tuple[Tensor, dict[str, np.ndarray]]:
    """Return pixels float (1, 28, 28) in [0, 1] and the steps that made them."""
    if isinstance(image, str | os.PathLike | Image.Image):
        digitized = digitize(image)
        return as_pixels(torch.from_numpy(digitized.pixels)), digitized.steps
    if not isinstance(image, Tensor | np.ndarray):
        raise ValueError(
            f"a digit must be a tensor, an array, a Pillow image or a file name, not "
            f"{type(image).__name__}"
        )
    pixels = torch.as_tensor(np.array(image) if isinstance(image, np.ndarray) else image)  # a copy
    if pixels.shape not in ((SIZE, SIZE), (1, SIZE, SIZE)):
        raise ValueError(
            f"a digit must have the shape (28, 28) or (1, 28, 28), not {tuple(pixels.shape)}; "
            "give larger pictures as Pillow images or files"
        )
    pixels = pixels.reshape(SIZE, SIZE)
    pixels = as_pixels(pixels) if pixels.dtype == torch.uint8 else pixels.float()[None]
    if not 0 <= pixels.min() <= pixels.max() <= 1:
        raise ValueError(
            f"pixels must lie in [0, 1], but these go from {pixels.min():.2f} to "
            f"{pixels.max():.2f}; divide 0 to 255 by 255"
        )
    return pixels, {}
