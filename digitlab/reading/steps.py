"""From a pad, a scan or a phone photo to pixels like MNIST's, in named steps."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

from digitlab.names import Registry
from digitlab.reading import light, strokes
from digitlab.reading.opened import (
    PictureOrPath,
    luminance,
    noted,
    on_paper,
    open_picture,
    rounded,
)

Change = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Step:
    """Hold one step of the clean-up.

    Attributes:
        run: what it does.
        without: what is done in its place where it is left out; None for nothing.
        scope: "page" for a whole picture that may hold several digits, "choice" where one of them
            is chosen, "digit" for a single one.
        optional: whether it can be left out.
        usual: whether it is done unless one asks otherwise.
    """

    run: Change
    without: Change | None = None
    scope: str = "digit"
    optional: bool = True
    usual: bool = True


STEPS = Registry(
    "step",
    {
        "sheet only": Step(light.sheet_only, scope="page"),
        "grey": Step(light.grey, without=luminance, scope="page"),
        "bright ink": Step(light.bright_ink, scope="page"),
        "even light": Step(light.even_light, without=light.as_it_is, scope="page"),
        "no lines": Step(light.without_lines, scope="page"),
        "clean": Step(strokes.clean, scope="page"),
        "digit only": Step(strokes.digit_only, scope="choice"),
        "20 x 20 box": Step(strokes.in_box, without=strokes.whole),
        "stroke width": Step(strokes.with_mnist_strokes),
        "deslanted": Step(strokes.deslanted, usual=False),  # MNIST's digits slant
        "centred": Step(strokes.centred),
        "28 x 28": Step(strokes.small, optional=False),
    },
)
UNUSUAL = tuple(name for name, step in STEPS.items() if not step.usual)


@dataclass(frozen=True, eq=False, repr=False)
class Digitized:
    """Hold a digit's pixels and the picture after each step.

    Attributes:
        pixels: uint8 (28, 28), ink bright on dark.
        steps: name of the step -> uint8 (H, W).
        note: what is wrong with the file although it was read; empty for nothing.
    """

    pixels: np.ndarray
    steps: dict[str, np.ndarray]
    note: str = ""

    def __repr__(self) -> str:
        return f"Digitized(steps={', '.join(self.steps)}{noted(self.note)})"


def digitize(
    image: PictureOrPath, *, skip: Collection[str] = (), add: Collection[str] = ()
) -> Digitized:
    """Make a picture of one digit look like MNIST's, step by step.

    Args:
        image: a Pillow image or the name of an image file, of any size and mode.
        skip: names from `STEPS` of optional steps to leave out.
        add: names from `STEPS` of steps that are not usual and to be done, too.

    Raises:
        ValueError: for a file that is no picture, a picture without ink or with several digits,
            or an unknown step.
    """
    for name in (*skip, *add):
        if not STEPS[name].optional:
            raise ValueError(f"the step {name!r} makes the pixels; it is always done")
    picture, _, note = open_picture(image)
    steps = {"picture": np.asarray(picture.convert("L"))}
    left_out = {*skip, *UNUSUAL} - {*add}
    done = apply_steps(on_paper(picture), ["page", "choice", "digit"], left_out)
    steps |= {name: _shown(values) for name, values in done.items()}
    return Digitized(steps["28 x 28"], steps, note)


def apply_steps(
    values: np.ndarray, scopes: Collection[str], left_out: Collection[str] = UNUSUAL
) -> dict[str, np.ndarray]:
    """Do the steps of these scopes, one after the other; return what came of each."""
    done = {}
    for name, step in STEPS.items():
        change = step.without if name in left_out else step.run
        if step.scope in scopes and change:
            values = done[name] = change(values)
    return done


def _shown(values: np.ndarray) -> np.ndarray:
    """Return a step as uint8 (H, W)."""
    if values.ndim == 3:
        values = luminance(values)
    return values if values.dtype == np.uint8 else rounded(values * 255)
