"""Augmentation: every picture in its own way, repeatable, in range, and no more than it says."""

from dataclasses import fields

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from digitlab.augment import Augment, change_stroke, erase, warp
from digitlab.data import Digits
from digitlab.pixels import as_pixels

AMOUNTS = {
    "shift": 3.0,
    "rotate": 20.0,
    "scale": 0.2,
    "shear": 20.0,
    "elastic": 1.0,
    "stroke": 1.0,
    "erase": 8.0,
}


@pytest.fixture
def images(optdigits: Digits) -> Tensor:
    torch.manual_seed(0)
    return as_pixels(optdigits.train.images[:200])


def square() -> Tensor:
    """Return 500 pictures of the same square, 8 pixels a side, in the middle."""
    images = torch.zeros(500, 1, 28, 28)
    images[:, :, 10:18, 10:18] = 1.0
    return images


def centre(images: Tensor) -> Tensor:
    """Return each picture's centre of mass (N, 2): down, across."""
    weights = images[:, 0] / images.sum(dim=(1, 2, 3))[:, None, None]
    places = torch.arange(28.0)
    return torch.stack([weights.sum(2) @ places, weights.sum(1) @ places], dim=1)


def spread(images: Tensor) -> Tensor:
    """Return each picture's covariance (N, 2, 2) of down and across, in square pixels."""
    weights = images[:, 0] / images.sum(dim=(1, 2, 3))[:, None, None]
    middle = centre(images)
    down, across = (torch.arange(28.0) - middle[:, i, None] for i in (0, 1))
    mixed = torch.einsum("nij,ni,nj->n", weights, down, across)
    return torch.stack(
        [
            torch.stack([(weights.sum(2) * down**2).sum(1), mixed], dim=1),
            torch.stack([mixed, (weights.sum(1) * across**2).sum(1)], dim=1),
        ],
        dim=1,
    )


# --- Every change -------------------------------------------------------------------------------


def test_amounts_for_these_tests_are_complete() -> None:
    assert set(AMOUNTS) == {field.name for field in fields(Augment)}


@pytest.mark.parametrize("name", AMOUNTS)
def test_a_change_keeps_shape_and_range_and_gives_each_picture_its_own(
    name: str, images: Tensor
) -> None:
    same, before = images[:1].expand(20, 1, 28, 28), images.clone()
    changed = Augment(**{name: AMOUNTS[name]})(same)
    assert changed.shape == same.shape
    assert 0 <= changed.min() <= changed.max() <= 1
    assert len(changed.unique(dim=0)) > 5  # a square may miss the ink
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", AMOUNTS)
def test_one_seed_gives_the_same_pictures(name: str, images: Tensor) -> None:
    augment = Augment(**{name: AMOUNTS[name]})
    made = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        made.append(augment(images))
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


def test_no_change_gives_the_very_same_pixels(images: Tensor) -> None:
    assert torch.equal(Augment()(images), images)
    assert torch.allclose(warp(images), images, atol=1e-5)
    assert torch.equal(change_stroke(images, 0), images)
    assert torch.equal(erase(images, 0), images)


def test_all_changes_are_made_one_after_the_other(images: Tensor) -> None:
    torch.manual_seed(0)
    changed = Augment(**AMOUNTS)(images)
    torch.manual_seed(0)
    moves = {name: amount for name, amount in AMOUNTS.items() if name not in ("stroke", "erase")}
    assert torch.equal(changed, erase(warp(change_stroke(images, 1.0), **moves), 8.0))


@pytest.mark.parametrize("amount", [-1.0, float("inf"), float("nan")])
@pytest.mark.parametrize("name", AMOUNTS)
def test_an_amount_that_makes_no_sense_is_refused(name: str, amount: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must be 0 or more"):
        Augment(**{name: amount})


# --- As much as it says ---------------------------------------------------------------------------


def test_shift_moves_by_up_to_so_many_pixels_to_all_sides() -> None:
    moved = centre(warp(square(), shift=3.0)) - centre(square())
    assert moved.abs().max() <= 3.001
    assert (moved.amin(dim=0) < -2.5).all()
    assert (moved.amax(dim=0) > 2.5).all()


def test_rotate_turns_by_up_to_so_many_degrees() -> None:
    bar = torch.zeros(500, 1, 28, 28)
    bar[:, :, 4:24, 13:15] = 1.0
    covariance = spread(warp(bar, rotate=20.0))
    turned = 0.5 * torch.atan2(2 * covariance[:, 0, 1], covariance[:, 0, 0] - covariance[:, 1, 1])
    assert 18 < turned.rad2deg().abs().max() < 20.5
    assert turned.min() < 0 < turned.max()
    assert torch.allclose(centre(warp(bar, rotate=20.0)), centre(bar), atol=0.05)


def test_scale_changes_width_and_height_apart() -> None:
    covariance = spread(warp(square(), scale=0.2))
    height, width = (covariance[:, i, i] / spread(square())[:, i, i] for i in (0, 1))
    for size in (height.sqrt(), width.sqrt()):
        assert 0.78 < size.min() < 0.85
        assert 1.15 < size.max() < 1.25
    assert torch.corrcoef(torch.stack([height, width]))[0, 1].abs() < 0.15


def test_shear_leans_and_keeps_the_height() -> None:
    bar = torch.zeros(500, 1, 28, 28)
    bar[:, :, 4:24, 13:15] = 1.0
    covariance = spread(warp(bar, shear=20.0))
    lean = covariance[:, 0, 1] / covariance[:, 0, 0]  # across for each pixel down
    assert 17 < lean.atan().rad2deg().abs().max() < 20.5
    assert torch.allclose(covariance[:, 0, 0], spread(bar)[:, 0, 0], rtol=0.05)


def test_elastic_bends_by_about_so_many_pixels() -> None:
    dots = torch.zeros(500, 1, 28, 28)
    dots[:, :, 13:15, 13:15] = 1.0
    moved = centre(warp(dots, elastic=1.5)) - centre(dots)
    assert moved.std().item() == pytest.approx(1.5, rel=0.2)


def test_stroke_makes_thicker_and_thinner_by_up_to_so_many_pixels() -> None:
    bar = torch.zeros(500, 1, 28, 28)
    bar[:, :, :, 10:16] = 1.0
    width = change_stroke(bar, 2.0).sum(dim=(1, 2, 3)) / 28
    assert 4 <= width.min() < 4.2
    assert 7.8 < width.max() <= 8


def test_erase_blanks_one_square_of_up_to_so_many_pixels() -> None:
    blank = 1 - erase(torch.ones(500, 1, 28, 28), 8.0)
    assert blank.sum(dim=(1, 2, 3)).max() <= 81
    assert blank.sum(dim=(1, 2, 3)).max() >= 49
    assert blank.mean(dim=0)[0].min() > 0  # anywhere


def test_highest_of_the_neighbours_equals_max_pooling(images: Tensor) -> None:
    torch.manual_seed(0)
    amounts = torch.rand(len(images), 1, 1, 1) * 2 - 1
    torch.manual_seed(0)
    changed = change_stroke(images, 2.0)
    thick = F.max_pool2d(images, 3, stride=1, padding=1)
    expected = images.lerp(thick, amounts)
    assert torch.allclose(changed[amounts.flatten() > 0], expected[amounts.flatten() > 0])
