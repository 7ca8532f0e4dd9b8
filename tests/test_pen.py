"""Movements of a pen, drawn as digits: where the ink lies, how broad, and the same each time."""

import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

import digitlab as dl
from digitlab import pen


@pytest.fixture(scope="module")
def digits():
    return dl.load("pendigits")


def movement(*points, n=1, label=0):
    """Return n times the same movement through these points, spread over eight."""
    line = np.array(points, float)
    at = np.linspace(0, len(line) - 1, 8)
    spread = np.stack([np.interp(at, range(len(line)), line[:, i]) for i in (0, 1)], axis=1)
    one = torch.from_numpy(spread.round()).byte()
    return dl.Movements(one.expand(n, 8, 2).clone(), torch.full((n,), label))


RISING = movement((0, 0), (100, 100))
UPRIGHT = movement((50, 0), (50, 100), label=1)


def test_the_embedded_movements_are_those_that_were_published(digits):
    assert (len(digits.train), len(digits.test)) == (7494, 3498)
    assert torch.bincount(digits.train.labels).tolist() == [
        *(780, 779, 780, 719, 780, 720, 720, 778, 719, 719)
    ]
    assert digits.train.points.max() == 100
    assert repr(digits) == "PenDigits(train=7494, test=3498)"
    assert "CC BY 4.0" in digits.licence


def test_a_stroke_is_as_broad_as_the_pen_and_as_long_as_the_box():
    for width in (1.0, 2.5, 6.0):
        ink = UPRIGHT.draw(width=(width, width)).images[0].double() / 255
        assert ink[14].sum().item() == pytest.approx(width, abs=0.1)
        assert ink.sum(0).max().item() == pytest.approx(20, abs=0.5)


def test_y_goes_upwards_and_x_to_the_right():
    image = RISING.draw(aspect=(1, 1)).images[0]
    assert image[8, 20] > 100
    assert image[20, 8] > 100
    assert image[8, 8] == image[20, 20] == 0


def test_aspect_is_width_over_height():
    ink = RISING.draw(width=(2, 2), aspect=(0.5, 0.5)).images[0] > 0
    high, wide = (int(ink.any(axis).sum()) for axis in (1, 0))
    assert wide / high == pytest.approx(0.5, abs=0.1)
    many = movement((0, 0), (100, 100), n=200)
    sides = (many.draw(width=(1, 1)).images > 200).any(1).sum(1).double()
    assert sides.min() < 12 < 17 < sides.max()  # 0.55 to 1


def test_the_ink_is_centred_as_mnists_is(digits):
    images = digits.test.draw().images.double()
    place = (torch.arange(28) + 0.5).double()
    mass = images.sum((1, 2))
    for axis in (1, 2):
        centre = images.sum(3 - axis) @ place / mass
        assert centre.mean().item() == pytest.approx(14.5, abs=0.1)
        assert centre.std() < 0.5


def test_nothing_is_cut_off(digits):
    images = digits.test[:500].draw(width=(5, 5), jitter=0.05).images
    edge = torch.cat([images[:, [0, -1]].flatten(1), images[:, :, [0, -1]].flatten(1)], 1)
    assert edge.max() < 255
    assert (images.amax((1, 2)) == 255).all()


def test_a_seed_draws_the_same_and_another_seed_others(digits):
    part = digits.train[:50]
    first, again, other = (part.draw(jitter=0.02, seed=seed).images for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_jitter_moves_points():
    plain, shaken = (UPRIGHT.draw(width=(2, 2), jitter=j).images for j in (0.0, 0.1))
    assert not torch.equal(plain, shaken)


def test_the_curve_goes_through_its_points_and_lines_stay_lines():
    points = torch.rand(8, 2)
    assert torch.allclose((pen.spline() @ points)[:: pen.PER_STEP], points, atol=1e-6)
    line = torch.linspace(0, 1, 8)[:, None]
    assert torch.allclose((pen.spline() @ line)[:, 0], torch.linspace(0, 1, 22), atol=1e-6)


def test_no_movement_draws_no_picture(digits):
    assert digits.train[:0].draw().images.shape == (0, 28, 28)


def test_a_pen_that_rests_draws_a_dot():
    assert movement((50, 50), (50, 50)).draw(width=(3, 3)).images.double().sum() / 255 > 4


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"width": (3, 1)}, "width goes from low to high"),
        ({"width": (0, 1)}, "width goes from low to high"),
        ({"width": (1, 21)}, "between 0 and 20"),
        ({"aspect": (0.5, 9)}, "aspect goes from low to high"),
        ({"jitter": -1}, "jitter is a part of the digit's size, from 0 to 1, not -1"),
        ({"jitter": float("nan")}, "jitter is a part of"),
    ],
)
def test_what_cannot_be_drawn_is_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        RISING.draw(**wrong)


@pytest.mark.parametrize(
    "points", [torch.zeros(2, 8, 2), torch.zeros(2, 7, 2).byte(), torch.full((2, 8, 2), 101).byte()]
)
def test_other_points_are_refused(points):
    with pytest.raises(ValueError, match="points must be a tensor of uint8"):
        dl.Movements(points, torch.zeros(2).long())


def test_one_label_for_each_movement():
    with pytest.raises(ValueError, match="labels must be"):
        dl.Movements(torch.zeros(2, 8, 2).byte(), torch.zeros(3).long())


# --- Figures ------------------------------------------------------------------------------------


def test_a_movement_is_shown_by_its_points_in_their_order():
    figure = dl.plot_movement(RISING.points[0], 0)
    assert [text.get_text() for text in figure.axes[0].texts] == [str(i) for i in range(1, 9)]
    assert figure.alt.startswith("How the pen moved for a 0: from point to point")
    assert figure.rows[-1] == (8, 100, 100)


def test_an_animation_grows_and_ends_as_its_still_twin_and_asks_nobody():
    animation = dl.animate_movement(RISING.points[0])
    gif = Image.open(io.BytesIO(animation.gif))
    assert gif.n_frames == 22
    assert "loop" not in gif.info  # it moves once
    inks = []
    for frame in (0, 10, 21):
        gif.seek(frame)
        inks.append(int((np.asarray(gif.convert("L")) < 128).sum()))
    assert inks == sorted(inks)
    assert inks[2] > inks[0] + 100
    bundle = animation._repr_mimebundle_()
    assert bundle["text/plain"] == "<Animation: How the pen moved>"
    assert 'src="data:image/gif' in bundle["text/html"]
    assert not re.search("https?://", bundle["text/html"])


def test_a_moving_kernel_makes_the_numbers_of_a_convolution_one_by_one():
    picture = torch.tensor([[0.0, 1.0, 0.0], [0.0, 2.0, 0.0], [0.0, 1.0, 0.0]])
    kernel = torch.tensor([[1.0, -1.0], [1.0, -1.0]])
    animation = dl.animate_convolution(picture, kernel)
    output = torch.nn.functional.conv2d(picture[None, None], kernel[None, None])
    assert [row[2] for row in animation.still.rows] == output.flatten().tolist()
    assert animation.still.alt.endswith("row by row: -3, 3; -3, 3.")
    gif = Image.open(io.BytesIO(animation.gif))
    assert gif.n_frames == 4
    texts = [text.get_text() for text in animation.still.axes[2].texts]
    assert texts == ["-3", "3", "-3", "3"]


@pytest.mark.parametrize(("sides", "kernel"), [((9, 9), (3, 3)), ((3, 4), (4, 4)), ((4,), (2, 2))])
def test_a_kernel_moves_over_small_pictures_only(sides, kernel):
    with pytest.raises(ValueError, match=r"not in|does not fit"):
        dl.animate_convolution(torch.ones(sides), torch.ones(kernel))


def test_one_movement_at_a_time():
    with pytest.raises(ValueError, match=r"take one of them, as movements.points\[0\]"):
        dl.plot_movement(RISING.points)
