"""A picture opened: read from a file, turned upright, reduced, laid on paper.

Colours leave as uint8 (H, W, 3), grey levels as uint8 (H, W).
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError
from PIL.ExifTags import Base
from PIL.Image import Transpose

SIDE = 1000  # pixels; larger pictures are reduced to this before anything else
MAX_PIXELS = 60_000_000  # once unpacked; a JPEG is reduced before
NO_INK = "there is no ink in this picture; draw a digit that fills half of it"
TURNS = {  # what brings a picture upright, by the number of its orientation in EXIF
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}

PictureOrPath = Image.Image | str | os.PathLike[str]


class Opened(NamedTuple):
    """Hold an opened picture, upright."""

    picture: Image.Image  # of mode RGBA, no side longer than `SIDE`
    size: tuple[int, int]  # width and height before it was reduced


def open_picture(source: PictureOrPath) -> Opened:
    """Open a picture, turn it as its EXIF data say, and reduce a large one."""
    if isinstance(source, Image.Image):
        with _in_one_sentence("this picture"):
            turn = _load(source)
        return _upright(source, source.size, turn)
    path = Path(os.path.expanduser(os.fsdecode(source)))
    if path.is_dir():
        raise ValueError(f"{path.name!r} is a folder; give the name of a picture in it")
    # given a path, Pillow 13.0 garbles grey TIFF files that lie on their side
    with _in_one_sentence(repr(path.name)), path.open("rb") as file, Image.open(file) as picture:
        size = picture.size
        picture.draft(None, (SIDE, SIDE))  # JPEG only: decodes an eighth, a quarter or a half
        turn = _load(picture)
    return _upright(picture, size, turn)


@contextmanager
def _in_one_sentence(name: str) -> Iterator[None]:
    """Turn whatever goes wrong while a picture is decoded into one sentence with its name."""
    try:
        with warnings.catch_warnings(action="ignore"):  # it can be read, or it is refused
            yield
    except FileNotFoundError:
        raise ValueError(f"there is no file {name} here; check the name") from None
    except UnidentifiedImageError:
        raise ValueError(f"{name} is no picture that Pillow can read; use PNG or JPEG") from None
    except Image.DecompressionBombError:
        most = f"{MAX_PIXELS // 10**6} million pixels"
        raise ValueError(f"{name} has more than {most}; make it smaller first") from None
    except Exception as error:  # damaged bytes make the decoders raise a dozen kinds
        raise ValueError(f"{name} cannot be read whole ({error}); save it again") from None


def _load(picture: Image.Image) -> int:
    """Decode the pixels; return the orientation that EXIF gives them, 1 for upright."""
    if picture.width * picture.height > MAX_PIXELS:
        raise Image.DecompressionBombError
    picture.load()
    try:
        return picture.getexif().get(Base.Orientation, 1)  # after load, which turns TIFF by itself
    except Exception:  # the pixels are whole, and damaged EXIF data tell no turn
        return 1


def _upright(picture: Image.Image, size: tuple[int, int], turn: int) -> Opened:
    """Reduce a large picture, turn it, and bring it to 8 bits."""
    factor = max(picture.size) // SIDE
    picture = _usual_mode(picture)
    if factor > 1 and picture.mode not in ("1", "P", "PA"):  # a mean of palette numbers is none
        picture = picture.reduce(factor)
    if turn in TURNS:
        picture = picture.transpose(TURNS[turn])
    picture = picture.convert("RGBA")
    if max(picture.size) > SIDE:
        picture.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    return Opened(picture, size[::-1] if turn in (5, 6, 7, 8) else size)


def _usual_mode(picture: Image.Image) -> Image.Image:
    """Bring a picture to a mode that can be reduced and converted."""
    if picture.mode.startswith(("I", "F")):
        return _eight_bits(picture)
    if picture.mode == "LAB":
        profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        to_rgb = ImageCms.buildTransform(*profiles, "LAB", "RGB")
        return ImageCms.applyTransform(picture, to_rgb) or picture
    usual = {"La": "LA", "RGBa": "RGBA", "HSV": "RGB", "YCbCr": "RGB", "CMYK": "RGB"}
    return picture.convert(usual.get(picture.mode, picture.mode))


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Bring larger numbers down to 8 bits; Pillow would cut off what lies above 255."""
    values = np.nan_to_num(np.asarray(picture, np.float32), posinf=0)  # no number is no light
    high = values.max(initial=0)
    most = {2: 1, 255: 255, 65_535: 65_535}  # shares of 1 may overshoot a little
    white = next((white for least, white in most.items() if high <= least), high)
    return Image.fromarray((values.clip(0, white) * (255 / white)).astype(np.uint8))


def on_paper(picture: Image.Image) -> np.ndarray:
    """Lay a transparent picture on paper on which its ink can be seen; uint8 (H, W, 3)."""
    values = np.asarray(picture)
    alpha = values[..., 3]
    if alpha.size and alpha.min() == 255:
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
