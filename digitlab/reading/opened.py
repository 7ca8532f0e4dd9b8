"""A picture opened: read from a file, turned upright, laid on paper.

Colours leave as uint8 (H, W, 3), grey levels as uint8 (H, W).
"""

from __future__ import annotations

import os
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

SIDE = 1000  # pixels; larger pictures are reduced to this before anything else
MAX_PIXELS = 60_000_000  # once unpacked; a JPEG is reduced before
NO_INK = "there is no ink in this picture; draw a digit that fills half of it"


def open_picture(image: Image.Image | str | os.PathLike[str]) -> Image.Image:
    """Read a file, reduced while decoding where that is possible; an image stays as it is."""
    if isinstance(image, Image.Image):
        _check_size(image, "this picture")
        return image
    name = os.path.basename(os.fspath(image))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # we look ourselves
            picture = Image.open(image)
        with picture:
            picture.info["full_size"] = picture.size
            picture.draft(None, (SIDE, SIDE))  # JPEG only: decodes an eighth, a quarter or a half
            _check_size(picture, repr(name))
            picture.load()
            return picture
    except FileNotFoundError:
        raise ValueError(f"there is no file {name!r} here; check the name") from None
    except UnidentifiedImageError:
        raise ValueError(f"{name!r} is no picture that Pillow can read; use PNG or JPEG") from None
    except Image.DecompressionBombError:
        raise ValueError(f"{name!r} is too large to read; make it smaller first") from None
    except (OSError, SyntaxError) as error:
        raise ValueError(f"{name!r} cannot be read whole ({error}); save it again") from None


def _check_size(picture: Image.Image, name: str) -> None:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise ValueError(f"{name} is too large to read ({width} x {height}); make it smaller first")


def upright(picture: Image.Image) -> Image.Image:
    """Reduce a large picture, turn it as its EXIF data say, and bring it to 8 bits."""
    factor = max(picture.size) // SIDE
    if picture.mode.startswith(("I", "F")):
        picture = _eight_bits(picture)
    if factor > 1 and picture.mode not in ("1", "P"):
        exif = picture.getexif()
        picture = picture.reduce(factor)
        picture.info["exif"] = exif.tobytes()
    picture = ImageOps.exif_transpose(picture).convert("RGBA")
    if max(picture.size) > SIDE:
        picture.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    return picture


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Bring larger numbers down to 8 bits; Pillow would cut off what lies above 255."""
    values = np.asarray(picture, np.float32)
    high = values.max()
    white = next((white for white in (1, 255, 65_535) if high <= white), high)
    return Image.fromarray((values.clip(0) * (255 / white)).astype(np.uint8))


def on_paper(picture: Image.Image) -> np.ndarray:
    """Lay a transparent picture on paper on which its ink can be seen; uint8 (H, W, 3)."""
    values = np.asarray(picture)
    alpha = values[..., 3]
    if alpha.min() == 255:
        return values[..., :3]
    solid = values[alpha > 127][:, :3]
    if not len(solid):
        raise ValueError(NO_INK)
    low, middle, high = np.percentile(solid.mean(axis=1), [5, 50, 95])
    both = high - low > 90  # ink and paper are there, so what is transparent lies around
    paper = np.median(solid, axis=0) if both else np.full(3, 255 if middle < 128 else 0)
    share = alpha[..., None] / 255
    return rounded(values[..., :3] * share + paper * (1 - share))


def rounded(values: np.ndarray) -> np.ndarray:
    """Round to whole grey levels; uint8."""
    return np.asarray(np.rint(values), np.uint8)


def luminance(values: np.ndarray) -> np.ndarray:
    """Mix the three colours as bright as they look; uint8 (H, W, 3) -> (H, W)."""
    return np.asarray(Image.fromarray(values).convert("L"))
