"""One six in every mode, container and orientation that exist: it is read the same."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageDraw
from PIL.Image import Transpose

from digitlab.measured import pretrained
from digitlab.reading.predict import predict

MODES = (  # of Pillow
    "1",
    "L",
    "LA",
    "La",
    "P",
    "PA",
    "RGB",
    "RGBA",
    "RGBa",
    "CMYK",
    "YCbCr",
    "LAB",
    "HSV",
    "I;16",
    "I;16B",
    "I",
    "F",
)
FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP")
STORED = {  # how the pixels lie in a file whose EXIF data give this orientation
    1: None,
    3: Transpose.ROTATE_180,
    6: Transpose.ROTATE_90,
    7: Transpose.TRANSVERSE,
}


def six(side: int = 150) -> Image.Image:
    image = Image.new("L", (300, 300), 255)
    pen = ImageDraw.Draw(image)
    pen.ellipse([100, 150, 190, 240], outline=0, width=22)
    pen.line([(110, 190), (120, 120), (165, 60)], fill=0, width=22)
    return image.resize((side, side))


def in_mode(image: Image.Image, mode: str) -> Image.Image:
    if mode == "LAB":
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        return ImageCms.applyTransform(
            image.convert("RGB"), ImageCms.buildTransform(*profiles, "RGB", "LAB")
        )
    grey = np.asarray(image)
    if mode == "I;16B":
        return Image.frombytes(mode, image.size, (grey.astype(">u2") * 257).tobytes())
    numbers = {"I;16": grey.astype(np.uint16) * 257, "I": grey.astype(np.int32) * 257}
    numbers["F"] = grey.astype(np.float32) / 255
    if mode in numbers:
        return Image.fromarray(numbers[mode])
    steps = {"PA": ["P"], "La": ["LA"], "RGBa": ["RGBA"], "HSV": ["RGB"], "LAB": ["RGB"]}
    for step in (*steps.get(mode, []), mode):
        image = image.convert(step, dither=Image.Dither.NONE)
    return image


@pytest.fixture(scope="module")
def expected() -> np.ndarray:
    return predict(pretrained(), six()).pixels.numpy()


@pytest.mark.parametrize("mode", MODES)
def test_a_picture_is_read_the_same_in_every_container(
    mode: str, expected: np.ndarray, tmp_path: Path
) -> None:
    pictures: dict[str, Image.Image | Path] = {"itself": in_mode(six(), mode)}
    for turn, stored in STORED.items():
        turned = in_mode(six().transpose(stored) if stored is not None else six(), mode)
        exif = Image.Exif()
        exif[0x0112] = turn
        for form in FORMATS:
            if (form == "BMP" and turn > 1) or (mode == "F" and form != "TIFF"):
                continue  # one has no EXIF data, and no other holds shares of 1
            path = tmp_path / f"{turn}.{form.lower()}"
            try:
                turned.save(path, form, exif=exif)
            except (OSError, ValueError, KeyError):  # this container has no such mode
                continue
            pictures[f"{form} turned as {turn}"] = path
    for name, picture in pictures.items():
        found = predict(pretrained(), picture)
        assert found.digit == 6, name
        assert np.abs(found.pixels.numpy() - expected).mean() < 0.02, name
    assert len(pictures) > 1 or mode in ("La", "RGBa", "HSV", "PA", "I;16B")


def test_a_large_picture_with_a_palette_is_reduced_by_its_colours(tmp_path: Path) -> None:
    for mode in ("P", "PA"):
        in_mode(six(2400), mode).save(tmp_path / "large.tiff")
        assert predict(pretrained(), tmp_path / "large.tiff").digit == 6


def test_damaged_exif_data_tell_no_turn(tmp_path: Path) -> None:
    six().save(tmp_path / "six.png", exif=b"Exif\0\0no tiff header")
    assert predict(pretrained(), tmp_path / "six.png").digit == 6


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, -0.3, 1.3])
def test_one_number_that_is_no_share_changes_nothing(wrong: float, expected: np.ndarray) -> None:
    values = np.array(six(), np.float32) / 255
    values[0, 0] = wrong
    found = predict(pretrained(), Image.fromarray(values))
    assert found.digit == 6
    assert np.abs(found.pixels.numpy() - expected).mean() < 0.02


def test_a_picture_without_any_number_is_refused_in_one_sentence() -> None:
    with pytest.raises(ValueError, match="there is no ink"):
        predict(pretrained(), Image.fromarray(np.full((60, 60), np.nan, np.float32)))


def test_a_file_that_is_cut_short_is_named(tmp_path: Path) -> None:
    file = io.BytesIO()
    six().save(file, "PNG")
    (tmp_path / "cut.png").write_bytes(file.getvalue()[:200])
    with pytest.raises(ValueError, match=r"'cut\.png' cannot be read whole"):
        predict(pretrained(), tmp_path / "cut.png")
