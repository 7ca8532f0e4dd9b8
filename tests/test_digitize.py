"""Digitizing: whatever a picture looks like, the digit ends where MNIST has it."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from digitlab.data import Digits
from digitlab.digitize import digitize

SIZE = (150, 200)
STROKES = [(40, 50), (110, 50), (60, 160)]  # a seven


def seven(paper: int = 255, ink: int = 0, *, size: tuple[int, int] = SIZE) -> Image.Image:
    picture = Image.new("L", size, paper)
    ImageDraw.Draw(picture).line(STROKES, fill=ink, width=14, joint="curve")
    return picture


def likeness(pixels: np.ndarray, others: np.ndarray) -> float:
    """Return the correlation, at the best of the places one pixel around: positions are rounded."""
    moves = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    moved = [np.roll(pixels, move, axis=(0, 1)) for move in moves]
    return max(np.corrcoef(m.ravel(), others.ravel())[0, 1] for m in moved)


def transparent() -> Image.Image:
    picture = Image.new("RGBA", SIZE, (0, 0, 0, 0))
    ImageDraw.Draw(picture).line(STROKES, fill=(0, 0, 120, 255), width=14, joint="curve")
    return picture


def sixteen_bits() -> Image.Image:
    return Image.fromarray((np.asarray(seven(), np.uint16) * 100 + 20_000).astype(np.uint16))


def in_a_shadow() -> Image.Image:
    shadow = np.linspace(1, 0.8, SIZE[0])  # from left to right
    return Image.fromarray((np.asarray(seven()) * shadow).astype(np.uint8))


def rotated_by_exif() -> Image.Image:
    picture = seven().transpose(Image.Transpose.ROTATE_90)
    picture.getexif()[0x0112] = 6  # turn by 270 degrees to see it upright
    return picture


PICTURES = {
    "dark on light": seven(),
    "light on dark": seven(0, 255),
    "grey on grey": seven(180, 90),
    "blurred": seven().filter(ImageFilter.GaussianBlur(1)),
    "larger": seven().resize((600, 800)),
    "smaller": seven().resize((75, 100)),
    "transparent": transparent(),
    "palette": seven().convert("RGB").quantize(4),
    "transparent palette": transparent().quantize(4),
    "black and white": seven().convert("1"),
    "CMYK": seven().convert("RGB").convert("CMYK"),
    "16 bits": sixteen_bits(),
    "in a shadow": in_a_shadow(),
    "turned by EXIF": rotated_by_exif(),
}


@pytest.mark.parametrize("picture", PICTURES.values(), ids=PICTURES.keys())
def test_every_kind_of_picture_becomes_the_same_digit(picture: Image.Image) -> None:
    pixels = digitize(picture).pixels
    expected = digitize(seven()).pixels
    assert pixels.dtype == np.uint8
    assert pixels.shape == (28, 28)
    assert likeness(pixels, expected) > 0.95


@pytest.mark.parametrize("picture", PICTURES.values(), ids=PICTURES.keys())
def test_the_digit_has_the_geometry_of_mnist(picture: Image.Image) -> None:
    pixels = digitize(picture).pixels.astype(float)
    rows, columns = np.nonzero(pixels > 25)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 in (19, 20, 21)
    centre = pixels.sum(axis=1) @ np.arange(28), pixels.sum(axis=0) @ np.arange(28)
    assert np.array(centre) / pixels.sum() == pytest.approx([14, 14], abs=1)
    assert pixels.max() > 200


def test_digits_of_mnist_geometry_stay_as_they_are(optdigits: Digits) -> None:
    images = optdigits.test.images[:50].numpy()
    alike = [likeness(digitize(Image.fromarray(image)).pixels, image) for image in images]
    assert min(alike) > 0.8
    assert sum(alike) / 50 > 0.95


@pytest.mark.parametrize("form", ["png", "jpg", "gif", "bmp", "webp", "tiff"])
def test_files_are_read_like_pictures(form: str, tmp_path: Path) -> None:
    path = tmp_path / f"seven.{form}"
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = seven().transpose(Image.Transpose.ROTATE_90)
    if form in ("gif", "bmp", "tiff"):  # the first two hold no EXIF, Pillow turns TIFF by itself
        seven().save(path)
    else:
        picture.save(path, exif=exif)
    pixels = digitize(path).pixels
    assert likeness(pixels, digitize(seven()).pixels) > 0.95


def test_each_step_has_a_name_and_a_picture() -> None:
    digitized = digitize(seven())
    assert list(digitized.steps) == ["grey", "bright ink", "clean", "centred"]
    assert repr(digitized) == "Digitized(steps=grey, bright ink, clean, centred)"
    assert all(step.dtype == np.uint8 for step in digitized.steps.values())
    assert digitized.steps["grey"].shape == SIZE[::-1]
    assert np.array_equal(digitized.steps["bright ink"], 255 - digitized.steps["grey"])
    assert np.array_equal(digitized.steps["centred"], digitized.pixels)


def test_the_picture_that_came_in_stays_as_it_was() -> None:
    picture = rotated_by_exif()
    before = picture.copy()
    digitize(picture)
    assert picture == before
    assert picture.getexif()[0x0112] == 6
    assert ImageOps.exif_transpose(picture).size == SIZE


@pytest.mark.parametrize("paper", [0, 128, 255])
def test_a_picture_without_ink_is_refused(paper: int) -> None:
    with pytest.raises(ValueError, match="there is no ink in this picture"):
        digitize(Image.new("L", (40, 40), paper))


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (30, 1)])
def test_a_picture_of_one_line_is_refused_or_read(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="no ink"):
        digitize(Image.new("L", size, 200))


def test_files_that_are_no_pictures_are_named(tmp_path: Path) -> None:
    text, cut = tmp_path / "a.txt", tmp_path / "b.png"
    text.write_text("hello")
    seven().save(cut)
    cut.write_bytes(cut.read_bytes()[:-200])
    for path, words in [
        (text, "'a.txt' is no picture that Pillow can read; use PNG or JPEG"),
        (cut, r"'b.png' cannot be read whole \(.*\); save it again"),
        (tmp_path / "c.png", "there is no file 'c.png' here"),
        (tmp_path, "cannot be read whole"),
    ]:
        with pytest.raises(ValueError, match=words):
            digitize(path)


def test_a_picture_too_large_to_unpack_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seven().save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ValueError, match="too large"), warnings.catch_warnings():
        digitize(tmp_path / "a.png")
