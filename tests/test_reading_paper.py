"""Pictures of paper: the same seed gives the same photo, and each option does what it says."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from digitlab.data import Digits
from digitlab.reading.paper import PAPERS, PENS, draw_strokes, pen_strokes, photograph

PLAIN: dict[str, Any] = {"paper": "blank", "size": (240, 180), "quality": 95, "seed": 1}
PLAIN |= dict.fromkeys(("tilt", "perspective", "shadow", "blur", "noise"), 0.0)


@pytest.fixture
def digit(optdigits: Digits) -> np.ndarray:
    pixels: np.ndarray = optdigits.train.images[3].numpy()
    return pixels


def levels(photo: Image.Image) -> np.ndarray:
    return np.asarray(photo.convert("L"), float)


def test_the_same_seed_gives_the_same_photo(digit: np.ndarray) -> None:
    first, again, other = (photograph(digit, seed=seed, size=(200, 150)) for seed in (1, 1, 2))
    assert np.array_equal(levels(first), levels(again))
    assert not np.array_equal(levels(first), levels(other))


@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize("pen", PENS)
def test_every_pen_leaves_its_colour_on_every_paper(
    paper: str, pen: str, digit: np.ndarray
) -> None:
    options = PLAIN | {"paper": paper, "height": 0.7, "thickness": 0.2}
    photo = np.asarray(photograph(digit, pen=pen, **options), float)
    x, y = (pen_strokes(digit).mean(axis=1).T - 14) * 0.7 * 180 / 20 + [[120], [90]]
    ink = photo[y.astype(int), x.astype(int)].mean(axis=0)
    sheet = np.median(photo[:20], axis=(0, 1))
    share = 0.8 if pen in ("pencil", "chalk") else 0.95  # grains of paper stay free
    expected = share * np.array(PENS[pen]) + (1 - share) * np.array(PAPERS[paper])
    assert ink == pytest.approx(0.9 * expected, abs=25)
    assert sheet == pytest.approx(0.9 * np.array(PAPERS[paper]), abs=25)


def test_unknown_names_are_answered_with_the_nearest(digit: np.ndarray) -> None:
    with pytest.raises(ValueError, match="unknown paper 'square'; did you mean 'squared'"):
        photograph(digit, paper="square")
    with pytest.raises(ValueError, match="unknown pen 'blu'; did you mean 'blue'"):
        photograph(digit, pen="blu")


def test_each_option_does_what_it_says(digit: np.ndarray) -> None:
    usual = levels(photograph(digit, **PLAIN))

    def photo(**options: float) -> np.ndarray:
        return levels(photograph(digit, **(PLAIN | options)))

    assert photo(shadow=0.6).mean() < usual.mean() - 15
    assert np.diff(photo(noise=8.0)).std() > np.diff(usual).std() > np.diff(photo(blur=3.0)).std()
    assert (usual - photo(crumple=1.0)).std() > 2
    assert photo(quality=5).tobytes() != usual.tobytes()
    dark = np.argwhere(usual < 110)
    for options, same in (({"tilt": 20.0}, 0.7), ({"perspective": 0.3}, 0.9)):
        moved = np.argwhere(photo(**options) < 110)
        assert len(moved) == pytest.approx(len(dark), rel=0.4)
        assert np.isin(moved @ [1000, 1], dark @ [1000, 1]).mean() < same
    assert np.argwhere(photo(thickness=0.14) < 110).shape[0] > 1.5 * len(dark)
    larger = np.argwhere(photo(height=0.6, thickness=0.035) < 110)
    assert np.ptp(larger[:, 0]) == pytest.approx(2 * np.ptp(dark[:, 0]), rel=0.1)
    aside = np.argwhere(levels(photograph(digit, **(PLAIN | {"centre": (0.3, 0.7)}))) < 110)
    assert (aside.mean(axis=0) - dark.mean(axis=0)).round() == pytest.approx([36, -48], abs=1)


def test_the_pen_keeps_the_shape_of_the_digit(optdigits: Digits) -> None:
    for pixels in optdigits.train.images[:30].numpy():
        again = np.asarray(draw_strokes(10 * pen_strokes(pixels), (280, 280), 28).resize((28, 28)))
        assert np.corrcoef(again.ravel(), pixels.ravel())[0, 1] > 0.65


def test_a_dot_and_nothing_have_strokes_too() -> None:
    dot = np.zeros((28, 28), np.uint8)
    assert pen_strokes(dot).shape == (0, 2, 2)
    dot[12:16, 12:16] = 255
    assert np.allclose(pen_strokes(dot).mean(axis=(0, 1)), 14, atol=1)


def test_a_drawing_without_smooth_edges_has_two_levels(digit: np.ndarray) -> None:
    strokes = 10 * pen_strokes(digit)
    hard, soft = (
        np.unique(draw_strokes(strokes, (280, 280), 9.0, smooth=smooth)) for smooth in (False, True)
    )
    assert hard.tolist() == [0, 255]
    assert len(soft) > 5


@pytest.mark.parametrize("digits", [np.zeros((28, 28)), np.zeros((2, 27, 28), np.uint8), []])
def test_digits_of_another_kind_are_refused(digits: Any) -> None:
    with pytest.raises(ValueError, match=r"written from uint8 \(N, 28, 28\), not"):
        photograph(digits)


def test_many_digits_are_written_in_rows(optdigits: Digits) -> None:
    photo = photograph(optdigits.train.images[:7], **(PLAIN | {"size": (400, 300), "height": 0.2}))
    dark = levels(photo) < 120
    for axis, gaps in ((1, 1), (0, 4)):  # two rows, and three to the left, one of them alone
        line = dark.any(axis=axis)
        runs = np.count_nonzero(np.diff(line.astype(int)) == 1)
        assert runs >= gaps
    assert np.flatnonzero(dark.any(axis=1)).mean() == pytest.approx(150, abs=12)
