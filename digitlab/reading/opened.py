"""A picture opened: read from a file, turned upright, reduced, laid on paper.

Colours leave as uint8 (H, W, 3), grey levels as uint8 (H, W).
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError
from PIL.ExifTags import Base
from PIL.Image import Transpose
from scipy import ndimage

SIDE = 1000  # pixels; larger pictures are reduced to this before anything else
MAX_PIXELS = 60_000_000  # once unpacked; a JPEG is reduced before
NO_INK = "there is no ink in this picture; draw a digit that fills half of it"
NOWHERE = logging.NullHandler()
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


class _AllBlackError(ValueError):
    """Say that a picture was decoded, and holds no light."""


class Opened(NamedTuple):
    """Hold an opened picture, upright."""

    picture: Image.Image  # of mode RGBA, no side longer than `SIDE`
    size: tuple[int, int]  # width and height before it was reduced
    note: str  # what is wrong with the file although it was read; empty for nothing


def open_picture(source: PictureOrPath) -> Opened:
    """Open a picture, turn it as its EXIF data say, and reduce a large one."""
    if isinstance(source, Image.Image):
        with _in_one_sentence("this picture") as said:
            return _opened(source, source.size, said)
    path = _path(source)
    # given a path, Pillow 13.0 garbles grey TIFF files that lie on their side
    with (
        _in_one_sentence(called(path)) as said,
        path.open("rb") as file,
        Image.open(file) as picture,
    ):
        size = picture.size
        picture.draft(None, (SIDE, SIDE))  # JPEG only: decodes an eighth, a quarter or a half
        with _libtiff_quiet() if picture.format == "TIFF" else nullcontext():
            return _opened(picture, size, said)


def called(path: Path) -> str:
    """Return the name of a file as it stands in a sentence."""
    return f"{path.name!r:.80}"


def _path(source: object) -> Path:
    """Return where a picture lies; refuse what is no file."""
    if not isinstance(source, str | os.PathLike):
        raise ValueError(
            f"a picture is a Pillow image or the name of a file, not {type(source).__name__}; "
            "Image.fromarray makes one of an array"
        )
    path = Path(os.path.expanduser(os.fsdecode(source)))
    if not os.fspath(source):
        raise ValueError("'' is no name of a picture; give the name of a file")
    if os.path.isdir(path):
        raise ValueError(f"{called(path)} is a folder; give the name of a picture in it")
    if os.path.exists(path) and not os.path.isfile(path):
        raise ValueError(f"{called(path)} is no file; save the picture in one first")
    if not _knows_heic() and path.suffix.lower() in (".heic", ".heif", ".hif"):
        raise ValueError(
            f"{called(path)} is a HEIC file, which needs pillow-heif: pip install pillow-heif, or "
            "save it as JPEG"
        )
    return path


@cache
def _knows_heic() -> bool:
    """Let Pillow read HEIC, as many phones write it, where pillow-heif is installed."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


def noted(note: str) -> str:
    """Return a note as the last part of a representation; nothing for none."""
    return f", note={note!r}" if note else ""


@contextmanager
def _in_one_sentence(name: str) -> Iterator[list[warnings.WarningMessage]]:
    """Turn whatever goes wrong while a picture is decoded into one sentence with its name.

    Yields what Pillow warns of on the way.
    """
    logging.getLogger("PIL").addHandler(NOWHERE)  # without one, Python prints what it logs
    said: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True, action="always") as said:
            yield said
    except _AllBlackError:
        raise
    except FileNotFoundError:
        raise ValueError(f"there is no file {name} here; check the name") from None
    except UnidentifiedImageError:
        why = f" ({_damage(said)})" if _damage(said) else ""
        raise ValueError(
            f"{name} is no picture that Pillow can read{why}; use PNG or JPEG"
        ) from None
    except Image.DecompressionBombError:
        most = f"{MAX_PIXELS // 10**6} million pixels"
        raise ValueError(f"{name} has more than {most}; make it smaller first") from None
    except Exception as error:  # damaged bytes make the decoders raise a dozen kinds
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        why = ": ".join(filter(None, [_damage(said), " ".join(reason.split())]))
        raise ValueError(f"{name} cannot be read whole ({why}); save it again") from None


def _damage(said: list[warnings.WarningMessage]) -> str:
    """Return the first thing that Pillow finds wrong with a file, or nothing."""
    words = (str(one.message) for one in said if one.category is UserWarning)
    return " ".join(next(words, "").split()).rstrip(".")


@contextmanager
def _libtiff_quiet() -> Iterator[None]:
    """Leave out what libtiff prints past Python; where it matters, an exception tells it, too."""
    if sys.__stderr__ is None:  # it is closed, and 2 may be another file's number
        yield
        return
    stderr = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def _opened(
    picture: Image.Image, size: tuple[int, int], said: list[warnings.WarningMessage]
) -> Opened:
    """Decode a picture, bring it to 8 bits, reduce a large one and turn it."""
    turn = _load(picture)
    factor = max(picture.size) // SIDE
    picture = _usual_mode(picture)
    if factor > 1 and picture.mode not in ("1", "P", "PA"):  # a mean of palette numbers is none
        picture = picture.reduce(factor)
    if turn in TURNS:
        picture = picture.transpose(TURNS[turn])
    picture = picture.convert("RGBA")
    if max(picture.size) > SIDE:
        picture.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    damage = _damage(said)
    note = f"the file is damaged ({damage}); look whether it was read upright" if damage else ""
    return Opened(picture, size[::-1] if turn in (5, 6, 7, 8) else size, note)


def _load(picture: Image.Image) -> int:
    """Decode the pixels; return the orientation that EXIF gives them, 1 for upright."""
    if picture.width * picture.height > MAX_PIXELS:
        raise Image.DecompressionBombError
    picture.load()
    try:
        return picture.getexif().get(Base.Orientation, 1)  # after load, which turns TIFF by itself
    except Exception:  # the pixels are whole, and damaged EXIF data tell no turn
        warnings.warn("its EXIF data", stacklevel=1)
        return 1


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
    values = np.array(picture, np.float32)  # changed in place, for there may be 60 million
    values[~np.isfinite(values)] = 0  # no number is no light
    high = values.max(initial=0)
    if values.size and high <= 0 > values.min():
        raise _AllBlackError(
            f"the numbers of this picture lie below 0, from {values.min():.3g} to "
            f"{values.max():.3g}, so all is black; move them to 0 to 1"
        )
    most = {2: 1, 255: 255, 65_535: 65_535}  # shares of 1 may overshoot a little
    white = next((white for least, white in most.items() if high <= least), high)
    values.clip(0, white, out=values)
    values *= 255 / white
    return Image.fromarray(values.astype(np.uint8))


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
    edge = ndimage.binary_dilation(alpha <= 127, np.ones((3, 3))) & (alpha > 127)
    along = np.median(values[edge][:, :3].mean(axis=1)) if edge.any() else middle
    # ink and paper are there, and paper lies along the edge, so what is transparent lies around
    both = high - low > 90 and abs(along - middle) < (high - low) / 4
    paper = np.median(solid, axis=0) if both else np.full(3, 255 if middle < 128 else 0)
    share = alpha[..., None] / 255
    return rounded(values[..., :3] * share + paper * (1 - share))


def rounded(values: np.ndarray) -> np.ndarray:
    """Round to whole grey levels; uint8."""
    return np.asarray(np.rint(values), np.uint8)


def luminance(values: np.ndarray) -> np.ndarray:
    """Mix the three colours as bright as they look; uint8 (H, W, 3) -> (H, W)."""
    return np.asarray(Image.fromarray(values).convert("L"))
