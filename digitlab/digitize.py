"""From a picture of one digit to pixels like MNIST's, in named steps."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from digitlab.data import center_in_frame


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


def digitize(image: Image.Image | str | os.PathLike[str]) -> Digitized:
    """Make a picture of one digit look like MNIST's: grey, bright on dark, clean, centred.

    Args:
        image: a Pillow image or the name of an image file, of any size and mode.

    Raises:
        ValueError: for a file that is no picture, or a picture without ink.
    """
    picture = image if isinstance(image, Image.Image) else _open(image)
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith(("I", "F")):
        picture = _eight_bits(picture)
    picture = picture.convert("RGBA")
    paper = Image.new("RGBA", picture.size, "white")
    grey = np.asarray(Image.alpha_composite(paper, picture).convert("L"))
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    ink = 255 - grey if np.median(border) > 127 else grey  # paper is what lies around the digit
    low, high = np.percentile(ink, 50), ink.max()
    if high - low < 30:
        raise ValueError("there is no ink in this picture; draw a digit that fills half of it")
    clean = ((ink.astype(float) - low) / (high - low)).clip(0, 1)
    clean[clean < 0.3] = 0  # paper and shadow
    pixels = center_in_frame(clean)
    steps = {
        "grey": grey,
        "bright ink": ink,
        "clean": np.rint(clean * 255).astype(np.uint8),
        "centred": pixels,
    }
    return Digitized(pixels, steps)


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Bring larger numbers down to 8 bits; Pillow would cut off what lies above 255."""
    values = np.asarray(picture, dtype=float)
    high = values.max()
    white = next((white for white in (1, 255, 65_535) if high <= white), high)
    return Image.fromarray((values.clip(0) * (255 / white)).astype(np.uint8))


def _open(path: str | os.PathLike[str]) -> Image.Image:
    name = os.path.basename(os.fspath(path))
    try:
        with Image.open(path) as picture:
            picture.load()
            return picture
    except FileNotFoundError:
        raise ValueError(f"there is no file {name!r} here; check the name") from None
    except UnidentifiedImageError:
        raise ValueError(f"{name!r} is no picture that Pillow can read; use PNG or JPEG") from None
    except Image.DecompressionBombError:
        raise ValueError(f"{name!r} is too large to read; make it smaller first") from None
    except OSError as error:
        raise ValueError(f"{name!r} cannot be read whole ({error}); save it again") from None
