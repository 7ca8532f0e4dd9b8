"""From a pad, a scan or a phone photo to pixels like MNIST's, in named steps."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
from PIL import Image

from digitlab import cleanup
from digitlab.registry import unknown

Step = Callable[[np.ndarray], np.ndarray]
PAGE_STEPS: dict[str, Step] = {  # of a whole picture, which may hold several digits
    "sheet only": cleanup.sheet_only,
    "grey": cleanup.grey,
    "bright ink": cleanup.bright_ink,
    "even light": cleanup.even_light,
    "no lines": cleanup.without_lines,
    "clean": cleanup.clean,
}
DIGIT_STEPS: dict[str, Step] = {  # of one digit
    "20 x 20 box": cleanup.in_box,
    "stroke width": cleanup.with_mnist_strokes,
    "deslanted": cleanup.deslanted,
    "centred": cleanup.centred,
    "28 x 28": cleanup.small,
}
_TABLE = PAGE_STEPS | {"digit only": cleanup.digit_only} | DIGIT_STEPS
_INSTEAD: dict[str, Step] = {  # where a step is left out, but its form is needed
    "grey": cleanup.luminance,
    "even light": lambda ink: ink.astype(np.float32) / 255,
    "20 x 20 box": cleanup.whole,
}
STEPS = ("picture", *_TABLE)
SWITCHABLE = tuple(name for name in _TABLE if name not in ("deslanted", "28 x 28"))


@dataclass(frozen=True, eq=False, repr=False)
class Digitized:
    """Hold a digit's pixels and the picture after each step.

    Attributes:
        pixels: uint8 (28, 28), ink bright on dark.
        steps: name of the step -> uint8 (H, W).
    """

    pixels: np.ndarray
    steps: dict[str, np.ndarray]

    def __repr__(self) -> str:
        return f"Digitized(steps={', '.join(self.steps)})"


def digitize(
    image: Image.Image | str | os.PathLike[str],
    *,
    skip: Collection[str] = (),
    deslant: bool = False,
) -> Digitized:
    """Make a picture of one digit look like MNIST's, step by step.

    Args:
        image: a Pillow image or the name of an image file, of any size and mode.
        skip: names from `SWITCHABLE` of steps to leave out.
        deslant: turn slanting strokes upright, too; MNIST's digits slant.

    Raises:
        ValueError: for a file that is no picture, a picture without ink or with several digits,
            or an unknown step.
    """
    for name in skip:
        if name not in SWITCHABLE:
            raise unknown("step", name, SWITCHABLE)
    picture = cleanup.upright(cleanup.open_picture(image))
    left_out = {*skip} if deslant else {*skip, "deslanted"}
    steps = {"picture": np.asarray(picture.convert("L"))}
    values = cleanup.on_paper(picture)
    for name, step in _TABLE.items():
        if name not in left_out:
            values = step(values)
        elif name in _INSTEAD:
            values = _INSTEAD[name](values)
        else:
            continue
        steps[name] = _shown(values)
    return Digitized(steps["28 x 28"], steps)


def _shown(values: np.ndarray) -> np.ndarray:
    """Return a step as uint8 (H, W)."""
    if values.ndim == 3:
        values = cleanup.luminance(values)
    if values.dtype != np.uint8:
        values = cleanup.rounded(values.clip(0, 1) * 255)
    return values
