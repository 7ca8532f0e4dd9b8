"""Digitizing: whatever a picture looks like, the digit ends where MNIST has it."""

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from digitlab.data import Digits
from digitlab.measured import pretrained
from digitlab.reading.paper import draw_strokes, pen_strokes, photograph
from digitlab.reading.predict import predict
from digitlab.reading.steps import STEPS, SWITCHABLE, digitize
from digitlab.reading.strokes import stroke_width
from studies.kinds import KINDS, accuracy, cleaned, pictures, usual_way

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
    assert np.array(centre) / pixels.sum() == pytest.approx([14, 14], abs=0.6)
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
    assert list(digitized.steps) == [name for name in STEPS if name != "deslanted"]
    assert repr(digitized).startswith("Digitized(steps=picture, sheet only, grey, ")
    assert all(step.dtype == np.uint8 and step.ndim == 2 for step in digitized.steps.values())
    assert digitized.steps["grey"].shape == SIZE[::-1]
    assert np.array_equal(digitized.steps["bright ink"], 255 - digitized.steps["grey"])
    assert np.array_equal(digitized.steps["28 x 28"], digitized.pixels)


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


def test_a_picture_too_large_to_unpack_is_refused(tmp_path: Path) -> None:
    Image.new("1", (10_000, 10_000)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"'a.png' is too large to read \(10000 x 10000\)"):
        digitize(tmp_path / "a.png")
    with pytest.raises(ValueError, match="this picture is too large to read"):
        digitize(Image.new("1", (10_000, 10_000)))


def test_a_large_jpeg_is_reduced_while_it_is_decoded(tmp_path: Path) -> None:
    seven().resize((7500, 10_000)).save(tmp_path / "a.jpg")
    digitized = digitize(tmp_path / "a.jpg")
    assert max(digitized.steps["picture"].shape) <= 1000
    assert likeness(digitized.pixels, digitize(seven()).pixels) > 0.95


def test_a_cut_jpeg_is_refused_in_one_sentence(tmp_path: Path) -> None:
    seven().resize((600, 800)).save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:4000])
    with pytest.raises(ValueError, match=r"'a.jpg' cannot be read whole"):
        digitize(tmp_path / "a.jpg")


# --- Every colour of ink and paper ------------------------------------------------------------


def in_colors(paper: tuple[int, ...], ink: tuple[int, ...]) -> Image.Image:
    picture = Image.new("RGB", SIZE, paper)
    ImageDraw.Draw(picture).line(STROKES, fill=ink, width=14, joint="curve")
    return picture


COLORS = [
    ((255, 255, 255), (255, 235, 0)),  # as bright as each other
    ((200, 60, 60), (60, 130, 60)),
    ((0, 80, 200), (255, 255, 255)),
    ((250, 250, 250), (220, 40, 40)),
]


@pytest.mark.parametrize(("paper", "ink"), COLORS)
def test_ink_of_any_colour_is_seen(paper: tuple[int, ...], ink: tuple[int, ...]) -> None:
    assert likeness(digitize(in_colors(paper, ink)).pixels, digitize(seven()).pixels) > 0.95


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
@pytest.mark.parametrize("ink", [0, 255])
def test_ink_on_transparent_paper_is_seen_whether_black_or_white(ink: int, mode: str) -> None:
    picture = Image.new("RGBA", SIZE, (0, 0, 0, 0))
    ImageDraw.Draw(picture).line(STROKES, fill=(ink, ink, ink, 255), width=14, joint="curve")
    picture = picture.quantize(4) if mode == "P" else picture.convert(mode)
    assert likeness(digitize(picture).pixels, digitize(seven()).pixels) > 0.95


def test_an_empty_transparent_picture_has_no_ink() -> None:
    with pytest.raises(ValueError, match="no ink"):
        digitize(Image.new("RGBA", (50, 50), (0, 0, 0, 0)))


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
    upright, as_it_was = digitize(slanted, deslant=True), digitize(slanted)
    widths = [np.count_nonzero(d.pixels.max(axis=0) > 100) for d in (upright, as_it_was)]
    assert widths[0] < widths[1] - 3
    assert "deslanted" in upright.steps


# --- Steps left out ---------------------------------------------------------------------------


def hard(handwriting: Digits) -> list[Image.Image]:
    """Return pictures that need all the steps between them."""
    image = handwriting.valid.images[4].numpy()
    return [
        photograph(image, paper="squared", pen="pencil", shadow=0.5, height=0.4, seed=1),
        in_colors((200, 60, 60), (60, 130, 60)),
        drawn(FIVE, BAR, [(199, 20), (185, 120)], width=2),
        on_dark_desk(),
    ]


def on_dark_desk() -> Image.Image:
    desk = Image.new("L", (400, 300), 60)
    desk.paste(seven().resize((300, 240)), (50, 30))
    return desk


def on_desk(
    colour: tuple[int, int, int],
    *,
    shadow: float = 1.0,
    size: tuple[int, int] = (300, 240),
    corner: tuple[int, int] = (50, 30),
) -> Image.Image:
    """Lay the seven on a sheet on a desk; a shadow falls on its lower part."""
    desk = Image.new("RGB", (400, 300), colour)
    sheet = np.array(seven().resize(size))
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
    expected = digitize(seven().resize((300, 240))).pixels
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
    one = np.tile(np.uint8([0, 50, 50, 255, 255, 255, 255, 255]), (40, 1))
    one[20] = 255  # it touches the left side, too
    assert digitize(Image.fromarray(one)).pixels[4:24, 14].min() > 200


@pytest.mark.parametrize("step", SWITCHABLE)
def test_every_step_can_be_left_out_and_matters(step: str, handwriting: Digits) -> None:
    changed = False
    for picture in hard(handwriting):
        less = cleaned(picture, [step])
        assert less is None or (less.shape, less.dtype) == ((28, 28), np.uint8)
        changed |= less is None or not np.array_equal(less, cleaned(picture))
    assert changed
    assert step not in digitize(seven(), skip=[step]).steps or step in (
        "grey",
        "even light",
        "20 x 20 box",
    )


def test_all_steps_can_be_left_out_together() -> None:
    assert digitize(seven(), skip=SWITCHABLE).pixels.shape == (28, 28)


def test_an_unknown_step_is_answered_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="unknown step 'centered'; did you mean 'centred'"):
        digitize(seven(), skip=["centered"])


# --- How well digits are read -----------------------------------------------------------------


def test_digits_of_mnist_pass_nearly_unchanged(handwriting: Digits) -> None:
    everything = handwriting.train.joined(handwriting.valid).joined(handwriting.test)
    split = everything.sample(1797, seed=2)  # all embedded digits, or as many
    raw = [image.numpy() for image in split.images]
    labels = split.labels.tolist()
    model = pretrained()
    through = [cleaned(picture) for picture in pictures(split, "MNIST")]
    assert accuracy(model, through, labels) >= accuracy(model, raw, labels) - 0.006


FLOORS = dict.fromkeys(KINDS, 0.66) | {"pen that skips": 0.7, "MNIST": 0.9, "inverted": 0.9}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_picture_is_read(kind: str, handwriting: Digits) -> None:
    split = handwriting.valid.sample(12, seed=1)[: 3 if kind.startswith("photo") else 12]
    read = [cleaned(picture) for picture in pictures(split, kind)]
    assert accuracy(pretrained(), read, split.labels.tolist()) >= FLOORS[kind]


def test_photos_are_read_much_better_than_the_usual_way(handwriting: Digits) -> None:
    split = handwriting.valid.sample(8, seed=1)
    usual = [usual_way(picture) for picture in pictures(split, "photo, squared")]
    assert accuracy(pretrained(), usual, split.labels.tolist()) < 0.5


def test_predict_reads_a_photo(handwriting: Digits) -> None:
    image, label = handwriting.valid.images[4], handwriting.valid.labels[4]
    prediction = predict(pretrained(), photograph(image, height=0.5, thickness=0.1, seed=2))
    assert prediction.digit == label  # type: ignore[union-attr]


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
