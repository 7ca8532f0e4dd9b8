"""Figures carry their own description; what all plots promise."""

import base64
import io
import random
import re
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure as MplFigure
from PIL import Image
from torch import nn

import digitlab as dl
from digitlab.inference import Result
from digitlab.reading.paper import photograph
from digitlab.recipes import RECIPES
from digitlab.show.figure import (
    COLORS,
    DPI,
    Figure,
    canvas,
    count,
    frame,
    img_tag,
    listed,
    looks,
    tiles,
    write_cells,
    wrongly_read,
)

ALT = 'Loss falls 4→9 <slowly> & "surely"'
SMALL = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
HISTORY = dl.History([0.5, 0.4], [0.8, 0.9], [0.3, 0.1], [0.9, 0.95], [0.1, 0.1], [1.0, 1.0])


def result_of(split) -> Result:
    return Result(torch.eye(10)[split.labels], split.labels, 0.1, 1.0)


PLOTS = {
    "digits": lambda split, ax: dl.plot_digits(split, ax=ax),
    "classes": lambda split, ax: dl.plot_classes(split, ax=ax),
    "digit": lambda split, ax: dl.plot_digit(*split[0], ax=ax),
    "counts": lambda split, ax: dl.plot_counts(split, ax=ax),
    "history": lambda _, ax: dl.plot_history(HISTORY, metric="loss", ax=ax),
    "lr": lambda _, ax: dl.plot_lr([0.1, 0.2], ax=ax),
    "confusion": lambda split, ax: dl.plot_confusion(result_of(split), ax=ax),
    "reliability": lambda split, ax: dl.plot_reliability(result_of(split), ax=ax),
    "weights": lambda _, ax: dl.plot_weights(torch.ones(4, 1, 3, 3), ax=ax),
    "maps": lambda _, ax: dl.plot_features(torch.ones(1, 4, 3, 3), ax=ax),
    "neurons": lambda _, ax: dl.plot_features(torch.ones(4), ax=ax),
    "map": lambda split, ax: dl.plot_map(split.images, split.labels, ax=ax),
    "t-SNE": lambda split, ax: dl.plot_map(split.images, split.labels, method="tsne", ax=ax),
    "blocks": lambda _, ax: dl.draw_blocks(SMALL, ax=ax),
}


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_draws_into_its_axes_alone_and_leaves_settings_and_random_states(tiny, name):
    def state() -> tuple[object, ...]:
        numpy_state = np.random.get_state()[1].tolist()  # noqa: NPY002
        torch_state = torch.get_rng_state().tolist()
        return dict(matplotlib.rcParams), torch_state, numpy_state, random.getstate()

    before = state()
    mpl = MplFigure(figsize=(8, 5))
    left, right = mpl.subplots(1, 2)
    figure = PLOTS[name](tiny[:12], right)
    figure._repr_mimebundle_()
    assert (figure.axes, figure.mpl) == ((right,), mpl)
    assert (left.has_data(), right.has_data()) == (False, True)
    assert state() == before


@pytest.mark.parametrize(
    "plot",
    [
        *(dl.plot_digits, dl.plot_classes, dl.plot_averages, dl.plot_counts),
        lambda split: dl.plot_augment(split, torch.clone),
        lambda split: dl.plot_predictions(split, result_of(split)),
        lambda split: dl.plot_mistakes(split, result_of(split)),
        *(
            lambda split, plot=plot: plot(dl.Digits("all", split, split, split, "", ""))
            for plot in (dl.plot_digits, dl.plot_averages, dl.plot_counts)
        ),
    ],
)
def test_an_empty_split_or_a_whole_data_set_is_refused(plot, tiny):
    with pytest.raises(ValueError, match="take a split with digits"):
        plot(tiny[:0])


# --- Figures and files ------------------------------------------------------------------------


def draw() -> Figure:
    mpl, (ax,) = canvas(None, (3, 2))
    ax.plot([1, 2], [0.3, 0.1])
    return Figure(mpl, (ax,), "Loss", ALT, [(1, 0.3), (2, 0.1)], ("epoch", "loss"))


def test_a_notebook_gets_html_with_alternative_text_a_png_and_plain_text():
    bundle = draw()._repr_mimebundle_()
    assert list(bundle) == ["text/html", "image/png", "text/plain"]
    image = ElementTree.fromstring(bundle["text/html"].removesuffix(">") + "/>")
    assert image.get("alt") == ALT
    assert image.get("src") == f"data:image/png;base64,{bundle['image/png']}"
    assert bundle["text/plain"] == "<Figure: Loss>" == repr(draw())


def test_a_finding_becomes_the_title_and_begins_the_alternative_text():
    found = draw().titled("The loss falls")
    assert (found.title, found.alt) == ("The loss falls", f"The loss falls. {ALT}")
    assert found.axes[0].get_title() == "The loss falls"
    mpl, axes = canvas(None, (3, 2), 2)
    two = Figure(mpl, tuple(axes), "Loss and accuracy", ALT).titled("Both get better")
    assert two.mpl.get_suptitle() == "Both get better"
    long = draw().titled("The loss falls, and it falls quickly at first")
    assert long.axes[0].get_title() == "The loss falls, and it falls\nquickly at first"
    assert long.alt.startswith("The loss falls, and it falls quickly at first. ")


def test_recipes_look_the_same_in_every_figure():
    first, second = looks(["fast", "two-conv"])
    assert looks(["two-conv", "best", "fast"])[::2] == [second, first]
    assert looks(["with", "fast"]) == looks(["a", "b"])
    assert len({tuple(look.values()) for look in looks([*RECIPES])}) == len(RECIPES)


def test_a_png_is_white_and_carries_title_and_text_and_another_ending_is_refused(tmp_path):
    with Image.open(draw().save(tmp_path / "loss.png")) as image:
        assert (image.info["Title"], image.info["Description"]) == ("Loss", ALT)
        assert image.size == (300, 200)
        assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    words = r"a figure is saved as \.png or \.svg, not as 'loss\.pdf'"
    with pytest.raises(ValueError, match=words):
        draw().save(tmp_path / "loss.pdf")


def test_an_svg_carries_title_and_alternative_text_and_is_the_same_at_every_run(tmp_path):
    before = dict(matplotlib.rcParams)
    path = draw().save(str(tmp_path / "loss.svg"))
    assert dict(matplotlib.rcParams) == before
    root = ElementTree.parse(path).getroot()
    assert root.findtext("{http://www.w3.org/2000/svg}title") == "Loss"
    assert root.findtext(".//{http://purl.org/dc/elements/1.1/}description") == ALT
    assert path.read_bytes() == draw().svg()
    assert not re.search(rb"dc:date|20\d\d-\d\d", path.read_bytes())


def test_table_shows_the_same_facts_as_text_and_as_html():
    table = draw().table()
    assert repr(table) == f"{ALT}\nepoch  loss\n-----  ----\n    1   0.3\n    2   0.1"
    assert "<td>0.1</td>" in table._repr_html_()


def strongest_inks(png: io.BytesIO) -> np.ndarray:
    """Return by how much red, green and blue rise above the other two, where they do most."""
    pixels = np.asarray(Image.open(png).convert("RGB")).reshape(-1, 3).astype(int)
    above = 2 * pixels - pixels.sum(axis=1, keepdims=True)
    return np.sort(above, axis=0)[-50:].mean(axis=0)


def test_thin_strokes_in_photos_keep_their_colours(optdigits):
    digit = optdigits.test.images[1].numpy()
    pens = ("red", "green", "blue")
    photos = [np.asarray(photograph(digit, paper="squared", pen=pen, seed=1)) for pen in pens]
    figure = dl.plot_steps(dict(zip(pens, photos, strict=True)))
    drawn = io.BytesIO()
    figure.mpl.savefig(drawn, format="png", dpi=DPI)
    kept = strongest_inks(io.BytesIO(figure.png()))
    np.testing.assert_allclose(kept, strongest_inks(drawn), atol=15)


def test_img_tag_cannot_be_broken_by_its_text():
    tag = img_tag(b"svg", '"><script>', mime="image/svg+xml")
    image = ElementTree.fromstring(tag.removesuffix(">") + "/>")
    assert image.get("alt") == '"><script>'
    assert image.get("src") == "data:image/svg+xml;base64," + base64.b64encode(b"svg").decode()


# --- What plots share -------------------------------------------------------------------------


def test_tiles_stand_where_their_corners_say():
    images = np.arange(3)[:, None, None] * np.ones((3, 28, 28))
    _, ax, corners = tiles(None, images, 2, title="three", cmap="cividis", limits=(-1, 5))
    frame(ax, corners[2])
    (sheet,), (box,) = ax.images, ax.patches
    assert [sheet.get_array()[y, x] for x, y in corners] == [0, 1, 2]
    assert corners[2][0] == corners[0][0]
    assert corners[2][1] > corners[0][1]
    assert (sheet.get_cmap().name, sheet.get_clim()) == ("cividis", (-1, 5))
    assert box.get_bbox().bounds == (corners[2][0] - 0.5, corners[2][1] - 0.5, 28, 28)


def test_every_pixel_of_a_tile_has_the_same_size_on_the_screen():
    mpl, ax, _ = tiles(None, np.ones((100, 28, 28)), 10, title="a", texts=["7"] * 100)
    mpl.draw_without_rendering()
    n_columns = ax.images[0].get_array().shape[1]
    assert ax.images[0].get_window_extent().width / n_columns == pytest.approx(2, abs=1e-4)


def test_texts_too_small_to_read_are_left_out():
    _, ax, _ = tiles(None, np.ones((200, 28, 28)), 100, title="", texts=["7"] * 200)
    assert not ax.texts


def test_cells_are_written_in_white_where_they_are_dark():
    _, (ax,) = canvas(None, (1, 1))
    written = write_cells(ax, {(0, 1): "a", (1, 0): "b"}, np.array([[0, 1], [0, 0]], bool))
    found = [(text.get_position(), text.get_text(), text.get_color()) for text in ax.texts]
    assert found == [((1, 0), "a", "white"), ((0, 1), "b", "black")]
    assert list(written.values()) == list(ax.texts)


def test_words_for_numbers_lists_and_mistakes():
    assert (count(1, "digit"), count(2, "digit")) == ("1 digit", "2 digits")
    assert count(2, "copy", "copies") == "2 copies"
    assert listed(["a", "b", "c"], most=2) == "a, b and 1 more"
    assert listed(["a", "b"], most=2) == "a, b"
    assert wrongly_read([4, 3, 1], [9, 3, 7]) == {0: "4 read as 9", 2: "1 read as 7"}


def test_colours_can_be_told_apart_by_colour_blind_readers():
    okabe_ito = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"}
    assert {to_hex(color) for color in COLORS} == okabe_ito
