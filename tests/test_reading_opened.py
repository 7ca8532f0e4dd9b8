"""Opening: a picture leaves upright, in 8 bits and with its size, or is refused in a sentence."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from digitlab.reading.opened import on_paper, open_picture

SIZE = (75, 100)
TRANSPOSE = Image.Transpose
STORED = {  # how a camera stores an upright picture, by the number that EXIF gives it
    1: None,
    2: TRANSPOSE.FLIP_LEFT_RIGHT,
    3: TRANSPOSE.ROTATE_180,
    4: TRANSPOSE.FLIP_TOP_BOTTOM,
    5: TRANSPOSE.TRANSPOSE,
    6: TRANSPOSE.ROTATE_90,
    7: TRANSPOSE.TRANSVERSE,
    8: TRANSPOSE.ROTATE_270,
}


def seven(size: tuple[int, int] = SIZE, mode: str = "L") -> Image.Image:
    picture = Image.new("L", SIZE, 255)
    ImageDraw.Draw(picture).line([(20, 25), (55, 25), (30, 80)], fill=0, width=7, joint="curve")
    return picture.resize(size).convert(mode)


def grey(picture: Image.Image, size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.asarray(picture.convert("L").resize(size), float)


def stored(picture: Image.Image, number: int) -> tuple[Image.Image, Image.Exif]:
    exif = Image.Exif()
    exif[0x0112] = number
    how = STORED[number]
    return picture if how is None else picture.transpose(how), exif


@pytest.mark.parametrize("form", ["png", "jpg", "webp", "tiff"])
@pytest.mark.parametrize("number", STORED)
def test_every_orientation_is_turned_upright(number: int, form: str, tmp_path: Path) -> None:
    picture, exif = stored(seven(), number)
    picture.save(tmp_path / f"a.{form}", exif=exif)
    opened = open_picture(tmp_path / f"a.{form}")
    assert opened.size == opened.picture.size == SIZE
    assert opened.picture.mode == "RGBA"
    assert np.abs(grey(opened.picture) - grey(seven())).mean() < 3


@pytest.mark.parametrize("mode", ["L", "1", "I;16", "F"])
@pytest.mark.parametrize("size", [(750, 1000), (751, 1001), (1900, 2533)])
def test_a_large_picture_is_reduced_and_its_size_remembered(
    size: tuple[int, int], mode: str
) -> None:
    picture, exif = stored(seven(size, "L"), 6)
    picture = picture.convert("I").convert("I;16") if mode == "I;16" else picture.convert(mode)
    picture.getexif()[0x0112] = exif[0x0112]
    before = picture.copy()
    opened = open_picture(picture)
    assert opened.size == size
    assert 900 <= max(opened.picture.size) <= 1000
    assert np.abs(grey(opened.picture) - grey(seven())).mean() < 6
    assert picture == before
    assert picture.getexif()[0x0112] == 6


def test_a_jpeg_too_large_to_unpack_is_reduced_while_it_is_decoded(tmp_path: Path) -> None:
    Image.new("L", (8000, 8000), 200).save(tmp_path / "a.jpg")
    opened = open_picture(tmp_path / "a.jpg")
    assert (opened.size, opened.picture.size) == ((8000, 8000), (1000, 1000))
    assert opened.picture.getextrema() == (*[(200, 200)] * 3, (255, 255))


@pytest.mark.parametrize("white", [1.0, 255.0, 65_535.0, 70_000.0])
def test_more_than_8_bits_keep_their_levels(white: float) -> None:
    levels = np.array([[-1, 0, 0.5, 1, np.nan, -np.inf]], np.float32) * white
    found = np.asarray(open_picture(Image.fromarray(levels)).picture)[0, :, 0]
    assert found.tolist() == [0, 0, 127, 255, 0, 0]


@pytest.mark.parametrize(
    ("solid", "ink", "paper"),
    [
        ([0, 0, 0], 0, 255),  # dark ink alone lies on white
        ([250, 250, 250], 250, 0),  # white ink alone lies on black
        ([200, 0, 200], 0, 200),  # where both are there, what is around is like the paper
        ([0, 0, 200], 0, 255),  # along the edge lies no paper, only what smooths the ink
        ([90, 90, 0], 0, 255),  # grey levels this close are ink alone
        ([127, 127, 127], 127, 255),
        ([128, 128, 128], 128, 0),
    ],
)
def test_what_is_transparent_becomes_paper(solid: list[int], ink: int, paper: int) -> None:
    values = np.zeros((1, 4, 4), np.uint8)
    values[0, :3] = np.array(solid)[:, None].repeat(4, axis=1)
    values[0, :3, 3] = [255, 255, 255]
    laid = on_paper(Image.fromarray(values))[0]
    assert laid.tolist() == [[level] * 3 for level in (*solid, paper)]
    values[0, 3] = [ink, ink, ink, 100]
    assert on_paper(Image.fromarray(values))[0, 3, 0] == round((100 * ink + 155 * paper) / 255)


def test_what_is_solid_keeps_its_colours() -> None:
    assert on_paper(Image.new("RGBA", (2, 1), (1, 2, 3, 255))).tolist() == [[[1, 2, 3]] * 2]


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 5)])
def test_a_picture_of_nothing_has_no_ink(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"^there is no ink in this picture; draw"):
        on_paper(open_picture(Image.new("RGBA", size)).picture)


# --- What is refused ----------------------------------------------------------------------------


def test_files_that_are_no_pictures_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    (tmp_path / "b").mkdir()
    for name, words in {
        "a.txt": "'a.txt' is no picture that Pillow can read; use PNG or JPEG",
        "b": "'b' is a folder; give the name of a picture in it",
        "c.png": "there is no file 'c.png' here; check the name",
    }.items():
        with pytest.raises(ValueError, match=f"^{words}$"):
            open_picture(tmp_path / name)


def test_the_home_folder_may_be_written_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    seven().save(tmp_path / "a.png")
    assert open_picture("~/a.png").size == open_picture(Path("~/a.png")).size == SIZE


@pytest.mark.parametrize("form", ["png", "jpg", "gif", "bmp", "ppm", "sgi", "dds", "tiff", "webp"])
def test_a_damaged_file_is_read_or_refused_in_one_sentence(form: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{form}"
    seven((15, 20), "RGB").save(path)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    refused = []
    for _ in range(60):  # warnings are errors in tests, so that none leaks
        bytes_ = bytearray(whole[: rng.integers(len(whole) // 2, len(whole))])
        for place in rng.integers(0, len(bytes_), 3):
            bytes_[place] = rng.integers(256)
        path.write_bytes(bytes_)
        try:
            assert open_picture(path).picture.mode == "RGBA"
        except ValueError as error:
            refused.append(str(error))
    assert len(refused) > 20
    ends = ("); save it again", "; use PNG or JPEG", "; make it smaller first")
    assert all(words.startswith(f"'a.{form}' ") and words.endswith(ends) for words in refused)


def test_a_picture_given_open_is_refused_in_one_sentence_too(tmp_path: Path) -> None:
    seven().save(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:-60])
    with (
        Image.open(tmp_path / "a.png") as picture,
        pytest.raises(
            ValueError, match=r"^this picture cannot be read whole \(.+\); save it again$"
        ),
    ):
        open_picture(picture)


def test_a_picture_too_large_to_unpack_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("1", (20_000, 10_000)).save(tmp_path / "a.png")  # even Pillow refuses it
    with pytest.raises(ValueError, match=r"'a.png' has more than 60 million pixels; make it small"):
        open_picture(tmp_path / "a.png")
    monkeypatch.setattr("digitlab.reading.opened.MAX_PIXELS", 2_000_000)
    assert open_picture(Image.new("1", (2000, 1000))).size == (2000, 1000)
    with pytest.raises(ValueError, match="this picture has more than 2 million pixels"):
        open_picture(Image.new("1", (2000, 1001)))
