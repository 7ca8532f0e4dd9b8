import base64
import io
import re
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure as MplFigure
from PIL import Image

from digitlab.reading.paper import photograph
from digitlab.show.figure import DPI, Figure, canvas, count, img_tag, listed, tiles
from digitlab.show.pages import plot_steps

ALT = 'Loss falls from 0.3 to 0.1 <slowly> & "surely"'


def draw() -> Figure:
    figure, (ax,) = canvas(None, (3, 2))
    ax.plot([1, 2], [0.3, 0.1])
    return Figure(figure, (ax,), "Loss", ALT, [(1, 0.3), (2, 0.1)], ("epoch", "loss"))


@pytest.fixture
def picture() -> Figure:
    return draw()


def test_a_notebook_gets_html_with_alternative_text_a_png_and_plain_text(picture):
    bundle = picture._repr_mimebundle_()

    assert list(bundle) == ["text/html", "image/png", "text/plain"]
    image = ElementTree.fromstring(bundle["text/html"].removesuffix(">") + "/>")
    assert image.get("alt") == ALT
    assert image.get("src") == f"data:image/png;base64,{bundle['image/png']}"
    assert bundle["text/plain"] == "<Figure: Loss>" == repr(picture)


def test_the_fallback_is_a_png_on_white(picture):
    data = base64.b64decode(picture._repr_mimebundle_()["image/png"])

    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "PNG"
        assert image.size == (300, 200)
        assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_png_carries_title_and_alternative_text(picture, tmp_path):
    path = picture.save(tmp_path / "loss.png")

    with Image.open(path) as image:
        assert image.info["Title"] == "Loss"
        assert image.info["Description"] == ALT


def strongest_inks(png: io.BytesIO) -> np.ndarray:
    """Return by how much red, green and blue rise above the other two, where they do most."""
    pixels = np.asarray(Image.open(png).convert("RGB")).reshape(-1, 3).astype(int)
    above = 2 * pixels - pixels.sum(axis=1, keepdims=True)
    return np.sort(above, axis=0)[-50:].mean(axis=0)


def test_thin_strokes_in_photos_keep_their_colours(optdigits):
    digit = optdigits.test.images[1].numpy()
    photos = {
        pen: np.asarray(photograph(digit, paper="squared", pen=pen, seed=1))
        for pen in ("red", "green", "blue")
    }
    picture = plot_steps(photos)
    drawn = io.BytesIO()
    picture.figure.savefig(drawn, format="png", dpi=DPI)
    kept = strongest_inks(io.BytesIO(picture.png()))
    np.testing.assert_allclose(kept, strongest_inks(drawn), atol=15)


def test_png_keeps_letters_beyond_latin(tmp_path):
    figure, axes = canvas(None, (1, 1))

    path = Figure(figure, tuple(axes), "4→9", "4→9").save(tmp_path / "arrow.png")

    with Image.open(path) as image:
        assert image.info["Description"] == "4→9"


def test_svg_carries_title_and_alternative_text(picture, tmp_path):
    root = ElementTree.parse(picture.save(tmp_path / "loss.svg")).getroot()

    assert root.findtext("{http://www.w3.org/2000/svg}title") == "Loss"
    assert root.findtext(".//{http://purl.org/dc/elements/1.1/}description") == ALT


def test_svg_is_the_same_at_every_run():
    first, second = draw().svg(), draw().svg()

    assert first == second
    assert not re.search(rb"dc:date|20\d\d-\d\d", first)


def test_another_file_ending_is_refused(picture, tmp_path):
    with pytest.raises(ValueError, match=r"\.png or \.svg, not as 'loss\.pdf'"):
        picture.save(tmp_path / "loss.pdf")


def test_saving_leaves_the_settings_of_matplotlib_alone(picture):
    before = dict(matplotlib.rcParams)

    picture.svg()
    picture.png()

    assert dict(matplotlib.rcParams) == before


def test_table_shows_the_same_facts_as_text_and_as_html(picture):
    table = picture.table()

    assert "epoch  loss" in repr(table)
    assert "    2   0.1" in repr(table)
    assert "<td>0.1</td>" in table._repr_html_()
    assert table.caption == ALT


def test_img_tag_cannot_be_broken_by_its_text():
    tag = img_tag(b"", '"><script>', mime="image/svg+xml")

    assert "<script>" not in tag
    assert "data:image/svg+xml;base64," in tag


def test_canvas_draws_into_the_axes_it_is_given():
    figure = MplFigure()
    given = figure.add_subplot()

    assert canvas(given, (1, 1)) == (figure, [given])


def test_tiles_stand_where_their_corners_say():
    pictures = np.arange(3)[:, None, None] * np.ones((3, 28, 28))

    _, ax, corners = tiles(None, pictures, 2, title="three")

    sheet = ax.images[0].get_array()
    assert [sheet[y, x] for x, y in corners] == [0, 1, 2]
    assert corners[2][0] == corners[0][0]
    assert corners[2][1] > corners[0][1]


def test_every_pixel_of_a_tile_has_the_same_size_on_the_screen():
    figure, ax, _ = tiles(None, np.ones((100, 28, 28)), 10, title="a", texts=["7"] * 100)

    figure.draw_without_rendering()

    n_columns = ax.images[0].get_array().shape[1]
    assert ax.images[0].get_window_extent().width / n_columns == pytest.approx(2, abs=1e-4)


def test_texts_too_small_to_read_are_left_out():
    _, ax, _ = tiles(None, np.ones((200, 28, 28)), 100, title="", texts=["7"] * 200)

    assert not ax.texts


def test_words_for_numbers_and_lists():
    assert (count(1, "digit"), count(2, "digit")) == ("1 digit", "2 digits")
    assert listed(["a", "b", "c"], most=2) == "a, b and 1 more"
    assert listed(["a", "b"], most=2) == "a, b"
