"""Pictures of paper: the same seed gives the same photo, and each option does what it says."""

import numpy as np
import pytest
from PIL import Image

from digitlab.data import Digits
from digitlab.reading.paper import PAPERS, PENS, draw_strokes, pen_strokes, photograph


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
def test_every_paper_and_pen_can_be_had(paper: str, pen: str, digit: np.ndarray) -> None:
    photo = photograph(digit, paper=paper, pen=pen, size=(120, 90))
    assert (photo.size, photo.mode) == ((120, 90), "RGB")


def test_unknown_names_are_answered_with_the_nearest(digit: np.ndarray) -> None:
    with pytest.raises(ValueError, match="unknown paper 'square'; did you mean 'squared'"):
        photograph(digit, paper="square")
    with pytest.raises(ValueError, match="unknown pen 'blu'; did you mean 'blue'"):
        photograph(digit, pen="blu")


def test_shadow_noise_and_blur_do_what_they_say(digit: np.ndarray) -> None:
    plain = {"paper": "blank", "size": (240, 180), "quality": 95, "noise": 0.0, "blur": 0.4}

    def photo(**options: float) -> np.ndarray:
        return levels(photograph(digit, **(plain | {"shadow": 0.0} | options)))  # type: ignore[arg-type]

    usual = photo()
    assert photo(shadow=0.6).mean() < usual.mean() - 15
    rough, smooth = np.diff(photo(noise=8.0)), np.diff(photo(blur=3.0))
    assert rough.std() > np.diff(usual).std() > smooth.std()
    assert np.abs(photo(crumple=1.0) - usual).mean() > 2


def test_the_pen_keeps_the_shape_of_the_digit(optdigits: Digits) -> None:
    for pixels in optdigits.train.images[:30].numpy():
        again = np.asarray(draw_strokes(10 * pen_strokes(pixels), (280, 280), 28).resize((28, 28)))
        assert np.corrcoef(again.ravel(), pixels.ravel())[0, 1] > 0.65


def test_a_dot_and_nothing_have_strokes_too() -> None:
    dot = np.zeros((28, 28), np.uint8)
    assert pen_strokes(dot).shape == (0, 2, 2)
    dot[12:16, 12:16] = 255
    assert np.allclose(pen_strokes(dot).mean(axis=(0, 1)), 14, atol=1)


def test_digits_of_another_kind_are_refused(digit: np.ndarray) -> None:
    with pytest.raises(ValueError, match="written from uint8"):
        photograph(digit / 255)


def test_many_digits_are_written_in_rows(optdigits: Digits) -> None:
    photo = photograph(
        optdigits.train.images[:12], paper="blank", size=(400, 300), height=0.15, shadow=0.0
    )
    dark = levels(photo) < 120
    assert np.ptp(np.flatnonzero(dark.any(axis=1))) > 90
    assert np.ptp(np.flatnonzero(dark.any(axis=0))) > 250
