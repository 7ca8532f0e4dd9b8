"""Reading a page: every digit, in reading order, with its place."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from digitlab.data import Digits
from digitlab.measured import pretrained
from digitlab.reading.page import Page, read_page
from digitlab.reading.paper import photograph


def written(handwriting: Digits, n: int, **options: object) -> tuple[Image.Image, str]:
    split = handwriting.valid.sample(200, seed=3)
    clear = [i for i in range(200) if split.labels[i] in (0, 2, 3, 6)][:n]  # hardly ever confused
    settings = {"height": 0.14, "size": (640, 480), "pen": "black", "seed": 4} | options
    photo = photograph(split.images[clear], **settings)  # type: ignore[arg-type]
    return photo, "".join(str(int(split.labels[i])) for i in clear)


@pytest.mark.parametrize(("paper", "tilt"), [("blank", -5.0), ("ruled", 4.0), ("squared", 3.0)])
def test_digits_are_read_in_order_from_every_paper(
    paper: str, tilt: float, handwriting: Digits
) -> None:
    photo, truth = written(handwriting, 8, paper=paper, tilt=tilt)
    text = read_page(photo).text
    assert len(text) == 9  # with the end of a row
    assert sum(a == b for a, b in zip(text.replace("\n", ""), truth, strict=True)) >= 7


ONES = [(60, 40), (160, 60), (260, 80), (100, 180), (220, 200)]  # where each begins


def rows_of_ones() -> Image.Image:
    """Draw three ones above two, tilted, the second broken, a dot below the third."""
    picture = Image.new("L", (400, 300), 255)
    draw = ImageDraw.Draw(picture)
    for x, y in ONES:
        draw.line([(x, y), (x - 5, y + 60)], fill=0, width=8)
    draw.rectangle([150, 88, 165, 93], fill=255)
    draw.ellipse([330, 250, 338, 258], fill=0)
    return picture


def test_rows_may_tilt_and_digits_may_be_broken() -> None:
    page = read_page(rows_of_ones(), pretrained())
    assert [digit.row for digit in page] == [0, 0, 0, 1, 1]
    assert page.text == "111\n11"
    for digit, (x, y) in zip(page, ONES, strict=True):
        assert digit.box == pytest.approx((x - 10, y - 2, 17, 65), abs=1)


def test_rows_are_told_apart_by_the_height_of_their_digits() -> None:
    picture = Image.new("L", (500, 400), 255)
    for i in range(6):  # each row falls by as much as the next one lies below it
        for x, y in ((60 + 70 * i, 40 + 18 * i), (60 + 70 * i, 130 + 18 * i)):
            ImageDraw.Draw(picture).line([(x, y), (x - 5, y + 60)], fill=0, width=8)
    assert [digit.row for digit in read_page(picture)] == [0] * 6 + [1] * 6


def test_boxes_are_in_pixels_of_the_upright_picture(tmp_path: Path) -> None:
    large = rows_of_ones().resize((4000, 3000))  # so large that it is reduced as it is read
    exif = Image.Exif()
    exif[0x0112] = 6
    large.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "a.jpg", exif=exif)
    page = read_page(tmp_path / "a.jpg")
    assert page.size == (4000, 3000)
    assert page.picture.shape == (750, 1000, 3)
    assert page[0].box == pytest.approx((510, 400, 130, 610), abs=40)


def test_a_narrow_strip_is_a_page_too() -> None:
    strip = Image.new("L", (2000, 120), 255)
    for x in (50, 700, 1300, 1950):
        ImageDraw.Draw(strip).line([(x, 30), (x - 5, 90)], fill=0, width=8)
    assert len(read_page(strip)) == 4


def test_one_digit_is_a_page_too(handwriting: Digits) -> None:
    photo, truth = written(handwriting, 1, height=0.4)
    assert read_page(photo).text == truth


def test_what_the_frame_cuts_is_left_out() -> None:
    picture = rows_of_ones()
    ImageDraw.Draw(picture).line([(0, 20), (20, 280)], fill=0, width=9)
    assert read_page(picture).text == "111\n11"


def test_a_page_without_a_whole_digit_is_refused() -> None:
    picture = Image.new("L", (300, 200), 255)
    with pytest.raises(ValueError, match="no ink"):
        read_page(picture)
    ImageDraw.Draw(picture).line([(0, 20), (300, 180)], fill=0, width=9)
    with pytest.raises(ValueError, match="no whole digit on this page"):
        read_page(picture)


def test_a_page_shows_itself_as_text_and_table() -> None:
    page = read_page(rows_of_ones())
    assert isinstance(page, Page)
    assert repr(page) == r"Page(text='111\n11')"
    table = page._repr_html_()
    assert table.count("<tr>") == 6
    assert "5 digits on this page" in table
    assert all(f"<td>{n}</td>" in table for n in page[4].box)
    assert np.array_equal(page.picture, np.asarray(rows_of_ones().convert("RGB")))
