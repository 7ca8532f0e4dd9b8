"""The steps: whatever a picture looks like, the digit ends where MNIST has it."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from digitlab.data import Digits
from digitlab.measured import pretrained
from digitlab.reading import light
from digitlab.reading.paper import draw_strokes, pen_strokes, photograph
from digitlab.reading.predict import Prediction, predict
from digitlab.reading.steps import STEPS, UNUSUAL, digitize
from digitlab.reading.strokes import stroke_width
from studies.kinds import KINDS, accuracy, cleaned, pictures

SIZE = (150, 200)
STROKES = [(40, 50), (110, 50), (60, 160)]  # a seven
OPTIONAL = [name for name, step in STEPS.items() if step.optional and step.usual]


def seven(
    paper: Any = 255, ink: Any = 0, mode: str = "L", size: tuple[int, int] = SIZE
) -> Image.Image:
    picture = Image.new(mode, SIZE, paper)
    ImageDraw.Draw(picture).line(STROKES, fill=ink, width=14, joint="curve")
    return picture.resize(size)


def likeness(pixels: np.ndarray, others: np.ndarray) -> float:
    """Return the correlation, at the best of the places one pixel around: positions are rounded."""
    moves = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    moved = [np.roll(pixels, move, axis=(0, 1)) for move in moves]
    return max(np.corrcoef(m.ravel(), others.ravel())[0, 1] for m in moved)


def in_a_shadow() -> Image.Image:
    shadow = np.linspace(1, 0.8, SIZE[0])  # from left to right
    return Image.fromarray((np.asarray(seven()) * shadow).astype(np.uint8))


CLEAR = (0, 0, 0, 0)
PICTURES = {
    "light on dark": seven(0, 255),
    "grey on grey": seven(180, 90),
    "blurred": seven().filter(ImageFilter.GaussianBlur(1)),
    "larger": seven(size=(600, 800)),
    "smaller": seven(size=(75, 100)),
    "transparent": seven(CLEAR, (0, 0, 120, 255), "RGBA"),
    "transparent palette": seven(CLEAR, (0, 0, 120, 255), "RGBA").quantize(4),
    "white on nothing": seven(CLEAR, (255, 255, 255, 255), "RGBA").convert("LA"),
    "palette": seven().convert("RGB").quantize(4),
    "black and white": seven().convert("1"),
    "CMYK": seven().convert("RGB").convert("CMYK"),
    "in a shadow": in_a_shadow(),
    "yellow on white": seven("white", "rgb(255, 235, 0)", "RGB"),
    "green on red": seven("rgb(200, 60, 60)", "rgb(60, 130, 60)", "RGB"),  # as bright
    "white on blue": seven("rgb(0, 80, 200)", "white", "RGB"),
}


@pytest.mark.parametrize("picture", PICTURES.values(), ids=PICTURES.keys())
def test_every_kind_of_picture_becomes_the_same_digit(picture: Image.Image) -> None:
    pixels = digitize(picture).pixels
    assert (pixels.dtype.name, pixels.shape) == ("uint8", (28, 28))
    assert likeness(pixels, digitize(seven()).pixels) > 0.95
    rows, columns = np.nonzero(pixels > 25)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 in (19, 20, 21)
    mass = pixels.astype(float) / pixels.sum()
    centre = mass.sum(axis=1) @ np.arange(28), mass.sum(axis=0) @ np.arange(28)
    assert centre == pytest.approx((14, 14), abs=0.6)
    assert pixels.max() > 200


def test_each_step_has_a_name_and_a_picture() -> None:
    digitized = digitize(seven())
    assert list(digitized.steps) == ["picture", *(name for name in STEPS if name not in UNUSUAL)]
    assert repr(digitized) == f"Digitized(steps={', '.join(digitized.steps)})"
    assert all(step.dtype == np.uint8 and step.ndim == 2 for step in digitized.steps.values())
    assert digitized.steps["grey"].shape == SIZE[::-1]
    assert np.array_equal(digitized.steps["bright ink"], 255 - digitized.steps["grey"])
    assert np.array_equal(digitized.steps["28 x 28"], digitized.pixels)


@pytest.mark.parametrize("size", [(40, 40), (1, 1), (1, 30), (30, 1)])
@pytest.mark.parametrize("paper", [0, 128, 255])
def test_a_picture_without_ink_is_refused(paper: int, size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="there is no ink in this picture"):
        digitize(Image.new("L", size, paper))


def test_the_ink_decides_how_colours_are_mixed_even_on_speckled_paper() -> None:
    colours = np.full((200, 200, 3), 180)
    colours[..., 2] += np.random.default_rng(0).integers(-25, 26, (200, 200))
    colours[90:96, 40:160, 0] -= 60  # a stroke of little more than a hundredth of the paper
    levels = light.grey(colours.astype(np.uint8)).astype(float)
    assert abs(levels[90:96, 40:160].mean() - levels[:80].mean()) > 20 * levels[:80].std()


def test_noise_is_level_and_spread_of_the_paper_and_of_no_ink() -> None:
    ink = 0.1 + 0.02 * np.random.default_rng(0).normal(size=(300, 400))
    ink[100:103, 50:350] = 1
    assert light.noise(ink) == pytest.approx((0.1, 0.02), rel=0.03)
    assert light.noise(np.where(ink < 0.08, 0, 1)) == (0, 0)  # more ink than paper
    assert light.noise(np.linspace(0, 1, 21)[:, None])[1] == 0


def test_the_hull_of_a_sheet_is_exact() -> None:
    sheet = np.zeros((30, 40), bool)
    sheet[5:25, 10:30] = True
    hull, squareness = light._hull(sheet)
    assert np.array_equal(hull, sheet)
    assert squareness == pytest.approx(1)
    sheet[15:25, 20:30] = False  # a torn corner: half of it lies between the rest
    hull, squareness = light._hull(sheet)
    assert hull.sum() == 350 + 5
    assert squareness == pytest.approx(350 / 400)
    assert light.border(np.arange(12).reshape(3, 4)).tolist() == [
        *(0, 1, 2, 3),
        *(8, 9, 10, 11),
        *(0, 4, 8),
        *(3, 7, 11),
    ]


# --- What belongs to the digit ----------------------------------------------------------------


def drawn(*lines: list[tuple[int, int]], width: int = 12) -> Image.Image:
    picture = Image.new("L", (200, 200), 255)
    for line in lines:
        ImageDraw.Draw(picture).line(line, fill=0, width=width, joint="curve")
    return picture


FIVE = [(80, 60), (75, 95), (110, 95), (120, 130), (75, 145)]
BAR = [(88, 50), (130, 44)]


@pytest.mark.parametrize("bar", [BAR, [(88, 26), (130, 20)], [(152, 60), (180, 55)]])
def test_a_loose_bar_stays_with_its_five(bar: list[tuple[int, int]]) -> None:
    kept = digitize(drawn(FIVE, bar)).steps["digit only"] > 127
    x, y = bar[1]
    assert kept[y - 3 : y + 4, x - 9 : x].any()


def test_a_pen_that_skips_leaves_one_digit() -> None:
    one = drawn([(100, 40), (98, 70)], [(97, 80), (95, 110)], [(94, 120), (92, 160)])
    rows = np.flatnonzero(digitize(one).steps["digit only"].max(axis=1) > 127)
    assert np.ptp(rows) > 110


def test_ink_that_the_frame_cuts_is_dropped() -> None:
    digitized = digitize(drawn(FIVE, BAR, [(199, 20), (185, 120)], [(0, 30), (12, 160)]))
    assert np.array_equal(digitized.pixels, digitize(drawn(FIVE, BAR)).pixels)


def test_a_digit_that_touches_the_frame_stays() -> None:
    picture = seven().crop((38, 40, 118, 170))
    assert likeness(digitize(picture).pixels, digitize(seven()).pixels) > 0.9


def test_several_digits_are_refused_with_a_way_out() -> None:
    with pytest.raises(ValueError, match="several digits in this picture; use read_page"):
        digitize(drawn([(40, 50), (40, 150)], [(140, 50), (150, 150)]))


@pytest.mark.parametrize("width", [1, 2, 4, 40])
def test_hairlines_and_markers_get_strokes_of_mnist(width: int) -> None:
    picture = drawn([(40, 40), (150, 40), (90, 160)], width=width)
    frame = digitize(picture).pixels.repeat(4, 0).repeat(4, 1) / 255
    assert 1.6 <= stroke_width(frame) <= 5.4


def test_deslanting_turns_strokes_upright() -> None:
    slanted = drawn([(130, 40), (80, 160)])
    upright, as_it_was = digitize(slanted, add=["deslanted"]), digitize(slanted)
    widths = [np.count_nonzero(d.pixels.max(axis=0) > 100) for d in (upright, as_it_was)]
    assert widths[0] < widths[1] - 3
    assert "deslanted" in upright.steps


# --- Steps left out ---------------------------------------------------------------------------


def hard(handwriting: Digits) -> list[Image.Image]:
    """Return pictures that need all the steps between them; of each the digit can be read."""
    image = handwriting.valid.images[4].numpy()
    return [
        photograph(image, paper="squared", pen="pencil", shadow=0.5, height=0.4, seed=1),
        PICTURES["green on red"],
        drawn(FIVE, BAR, [(199, 20), (185, 120)], width=2),
        DESKS["dark"],
    ]


def on_desk(
    colour: tuple[int, int, int],
    *,
    shadow: float = 1.0,
    size: tuple[int, int] = (300, 240),
    corner: tuple[int, int] = (50, 30),
) -> Image.Image:
    """Lay the seven on a sheet on a desk; a shadow falls on its lower part."""
    desk = Image.new("RGB", (400, 300), colour)
    sheet = np.array(seven(size=size))
    sheet[size[1] * 2 // 3 :] = sheet[size[1] * 2 // 3 :] * shadow
    desk.paste(Image.fromarray(sheet), corner)
    return desk


DESKS = {
    "dark": on_desk((50, 45, 40)),
    "of a colour as light as the shadow": on_desk((120, 60, 150), shadow=0.5),
    "with a small sheet": on_desk((90, 50, 30), shadow=0.6, size=(220, 200), corner=(80, 60)),
    "partly outside": on_desk((60, 60, 90), shadow=0.6, corner=(140, 80)),
}


@pytest.mark.parametrize("picture", DESKS.values(), ids=DESKS.keys())
def test_a_desk_is_painted_over_even_if_a_shadow_falls_on_the_sheet(picture: Image.Image) -> None:
    digitized = digitize(picture)
    assert digitized.steps["sheet only"][0].min() > 120
    expected = digitize(seven(size=(300, 240))).pixels
    assert likeness(digitized.pixels, expected) > 0.85


@pytest.mark.parametrize("desk", [(225, 220, 210), (255, 255, 255)])
def test_a_light_desk_stays_as_it_is(desk: tuple[int, int, int]) -> None:
    steps = digitize(on_desk(desk)).steps
    assert np.array_equal(steps["sheet only"], steps["picture"])


def test_a_thick_white_digit_is_no_sheet() -> None:
    for lines in (
        [FIVE, BAR],
        [[(50, 40), (140, 40), (60, 160), (150, 160)]],
        [[(60, 20), (90, 180)]],
    ):
        picture = ImageOps.invert(drawn(*lines, width=30).resize((400, 400)))
        for cut in (picture, picture.crop(picture.getbbox())):
            steps = digitize(cut).steps
            assert np.array_equal(steps["sheet only"], steps["picture"])


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("width", [4, 5, 7])
def test_a_narrow_one_that_touches_all_sides_is_read(width: int, turned: bool) -> None:
    one = np.zeros((20, width), np.uint8)
    for row in range(20):
        left = round((width - 3) * (19 - row) / 19)
        one[row, left : left + 3] = 255
    picture = Image.fromarray(255 - one if turned else one)
    left = 14 - width // 2
    expected = np.pad(one, ((4, 4), (left, 28 - left - width)))
    assert likeness(digitize(picture).pixels, expected) > 0.9


def test_ink_may_fill_most_of_a_soft_edged_picture() -> None:
    one = np.tile(np.array([0, 50, 50, 255, 255, 255, 255, 255], np.uint8), (40, 1))
    one[20] = 255  # it touches the left side, too
    assert digitize(Image.fromarray(one)).pixels[4:24, 14].min() > 200


@pytest.mark.parametrize("step", OPTIONAL)
def test_every_step_can_be_left_out_and_matters(step: str, handwriting: Digits) -> None:
    changed = False
    for picture in hard(handwriting):
        less = cleaned(picture, [step])
        assert less is None or (less.dtype.name, less.shape) == ("uint8", (28, 28))
        changed |= less is None or not np.array_equal(less, digitize(picture).pixels)
    assert changed
    assert (step in digitize(seven(), skip=[step]).steps) == (STEPS[step].without is not None)


def test_all_steps_can_be_left_out_together() -> None:
    values = np.tile(np.arange(112, dtype=np.uint8), (112, 1))  # a quarter of each pixel
    pixels = digitize(Image.fromarray(values), skip=OPTIONAL).pixels
    assert pixels.tolist() == [[round(4 * x + 1.5) for x in range(28)]] * 28


def test_steps_that_do_not_exist_or_must_be_done_are_named() -> None:
    for words in ({"skip": ["centered"]}, {"add": ["centered"]}):
        with pytest.raises(ValueError, match="unknown step 'centered'; did you mean 'centred'"):
            digitize(seven(), **words)
    with pytest.raises(
        ValueError, match=r"^the step '28 x 28' makes the pixels; it is always done"
    ):
        digitize(seven(), skip=["28 x 28"])


# --- How well digits are read -----------------------------------------------------------------


def test_the_steps_of_every_kind_of_picture_are_as_they_were(optdigits: Digits) -> None:
    """Compare what is read, and the mean grey level of each step, with the file beside this one.

    After a change that was meant, measure anew how well digits are read (`python -m studies bench
    reading`), then replace the file by what this test found.
    """
    split, model = optdigits.test[41:43], pretrained()
    found = [["kind", "label", "read", "picture", *STEPS]]
    for kind in KINDS:
        for picture, label in zip(pictures(split, kind), split.labels.tolist(), strict=True):
            digitized = digitize(picture, add=UNUSUAL)
            prediction = predict(model, digitized.pixels)
            assert isinstance(prediction, Prediction)
            means = (f"{step.mean():.2f}" for step in digitized.steps.values())
            found.append([kind, str(label), str(prediction.digit), *means])
    text = "\n".join("\t".join(row) for row in found) + "\n"
    lines = Path(__file__).with_name("reading_steps.tsv").read_text("utf-8").splitlines()
    for row, wanted in zip(found, (line.split("\t") for line in lines), strict=True):
        assert row[:3] == wanted[:3], text
        if row is found[0]:
            assert row == wanted
        else:
            assert np.abs(np.array(row[3:], float) - np.array(wanted[3:], float)).max() < 0.2, text


def test_digits_of_mnist_pass_nearly_unchanged(handwriting: Digits) -> None:
    everything = handwriting.train.joined(handwriting.valid).joined(handwriting.test)
    split = everything.sample(1797, seed=2)  # all embedded digits, or as many
    raw = [image.numpy() for image in split.images]
    labels = split.labels.tolist()
    model = pretrained()
    through = [cleaned(picture) for picture in pictures(split, "MNIST")]
    assert accuracy(model, through, labels) >= accuracy(model, raw, labels) - 0.006


def test_it_is_quick_enough_for_a_pad_and_for_a_photo(handwriting: Digits) -> None:
    strokes = 10 * pen_strokes(handwriting.valid.images[5].numpy())
    drawing = ImageOps.invert(draw_strokes(strokes, (280, 280), 20))
    photo = photograph(handwriting.valid.images[5], size=(1000, 750), seed=1).resize((4000, 3000))
    for picture, bound in ((drawing, 0.1), (photo, 1.5)):
        times = []
        for _ in range(3):
            start = time.process_time()
            digitize(picture)
            times.append(time.process_time() - start)
        assert min(times) < bound
