"""Reading a page: every digit, in reading order, with its place."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from digitlab.data import Digits
from digitlab.measured import pretrained
from digitlab.reading.page import Page, read_page
from digitlab.reading.paper import photograph
from digitlab.show.pages import plot_page


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
    page = read_page(photo)
    assert len(page) == 8
    assert sum(a == b for a, b in zip(page.text.replace("\n", ""), truth, strict=True)) >= 7


def two_rows() -> Image.Image:
    """Draw three ones above two, tilted, the second broken."""
    picture = Image.new("L", (400, 300), 255)
    draw = ImageDraw.Draw(picture)
    for x, y in [(60, 40), (160, 60), (260, 80), (100, 180), (220, 200)]:
        draw.line([(x, y), (x - 5, y + 60)], fill=0, width=8)
    draw.rectangle([150, 88, 165, 93], fill=255)
    return picture


def test_rows_may_tilt_and_digits_may_be_broken() -> None:
    page = read_page(two_rows(), pretrained())
    assert [digit.row for digit in page] == [0, 0, 0, 1, 1]
    assert page.text.count("\n") == 1
    lefts = [digit.box[0] for digit in page]
    assert lefts == [*sorted(lefts[:3]), *sorted(lefts[3:])]


def test_boxes_are_in_pixels_of_the_upright_picture(tmp_path: Path) -> None:
    large = two_rows().resize((4000, 3000))  # so large that it is reduced as it is read
    exif = Image.Exif()
    exif[0x0112] = 6
    large.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "a.jpg", exif=exif)
    page = read_page(tmp_path / "a.jpg")
    assert page.size == (4000, 3000)
    left, top, width, height = page[0].box
    assert (left, top) == pytest.approx((510, 370), abs=80)
    assert (width, height) == pytest.approx((160, 660), abs=120)


def test_a_narrow_strip_is_a_page_too() -> None:
    strip = Image.new("L", (2000, 120), 255)
    for x in (50, 700, 1300, 1950):
        ImageDraw.Draw(strip).line([(x, 30), (x - 5, 90)], fill=0, width=8)
    assert len(read_page(strip)) == 4


def test_one_digit_is_a_page_too(handwriting: Digits) -> None:
    photo, truth = written(handwriting, 1, height=0.4)
    assert read_page(photo).text == truth


@pytest.mark.parametrize("picture", [Image.new("L", (300, 200), 255), Image.new("L", (1, 1))])
def test_an_empty_page_is_refused(picture: Image.Image) -> None:
    with pytest.raises(ValueError, match="no ink"):
        read_page(picture)


def test_a_page_whose_ink_the_frame_cuts_is_refused() -> None:
    picture = Image.new("L", (300, 200), 255)
    ImageDraw.Draw(picture).line([(0, 20), (300, 180)], fill=0, width=9)
    with pytest.raises(ValueError, match="no whole digit on this page"):
        read_page(picture)


def test_a_page_shows_itself_as_text_and_table() -> None:
    page = read_page(two_rows())
    assert repr(page).startswith("Page(text='")
    assert page._repr_html_().count("<tr>") == 6
    assert isinstance(page, Page)
    assert page[0].prediction.pixels.shape == (28, 28)
    assert 0.1 <= page[0].prediction.probability <= 1


def test_a_plot_of_a_page_says_what_was_read() -> None:
    page = read_page(two_rows())
    picture = plot_page(page)
    assert "5 digits on this page, row by row: " in picture.alt
    assert " / " in picture.alt
    assert len(picture.rows) == 5
    assert len(picture.axes[0].patches) == 5
    assert np.asarray(page.picture).ndim == 3
