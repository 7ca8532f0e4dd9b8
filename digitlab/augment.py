"""Augmentation: every picture of a batch is changed in its own random way, all at once.

All functions take and return pixels float (B, 1, H, W) in [0, 1], ink bright. They draw from
torch's global generator, which the trainer seeds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from digitlab.pixels import need_floats

BENDS = 5  # an elastic change is given at 5 x 5 points, and smooth in between


def warp(  # noqa: PLR0913
    images: Tensor,
    *,
    shift: float = 0.0,
    rotate: float = 0.0,
    scale: float = 0.0,
    shear: float = 0.0,
    elastic: float = 0.0,
) -> Tensor:
    """Move the ink: each amount is drawn for each picture between minus and plus the one given.

    All five are one lookup of where each pixel comes from, so together they cost as much as one.

    Args:
        images: pixels.
        shift: pixels, to the side and up or down.
        rotate: degrees.
        scale: fraction of the size, drawn for width and height apart.
        shear: degrees by which upright strokes lean.
        elastic: pixels (standard deviation) by which the picture is bent, as rubber is.

    Source: Simard et al. 2003, "Best practices for convolutional neural networks", for elastic.
    """
    need_floats(images)
    n, _, height, width = images.shape
    like: Any = {"device": images.device, "dtype": images.dtype}
    matrix = _draw_matrix(images, shift, rotate, scale, shear)
    x = torch.linspace(1 / width - 1, 1 - 1 / width, width, **like)  # from -1 to 1, edge to edge
    y = torch.linspace(1 / height - 1, 1 - 1 / height, height, **like)
    ones = torch.ones(height, width, **like)
    places = torch.stack([x.expand_as(ones), y[:, None].expand_as(ones), ones]).flatten(1)
    grid = (matrix @ places).view(n, 2, height, width)  # F.affine_grid is many times slower
    if elastic:
        bends = torch.randn(n, 2, BENDS, BENDS, **like) * (2 * elastic / width)
        grid = grid + _smooth(height, like) @ bends @ _smooth(width, like).T
    return F.grid_sample(images, grid.permute(0, 2, 3, 1), align_corners=False).clamp(0, 1)


def _draw_matrix(images: Tensor, shift: float, rotate: float, scale: float, shear: float) -> Tensor:
    """Return (N, 2, 3): from a place in the new picture to its place in the old one."""
    n, _, height, width = images.shape

    def draw(most: float) -> Tensor:
        return most * (2 * torch.rand(n, device=images.device, dtype=images.dtype) - 1)  # (N,)

    angle, lean = draw(math.radians(rotate)), draw(math.radians(shear)).tan()
    x_size, y_size = 1 + draw(scale), 1 + draw(scale)
    x_shift, y_shift = draw(2 * shift / width), draw(2 * shift / height)
    cos, sin = angle.cos(), angle.sin()
    across = torch.stack([cos / x_size, (lean * cos - sin) / x_size, x_shift], dim=1)
    down = torch.stack([sin / y_size, (lean * sin + cos) / y_size, y_shift], dim=1)
    return torch.stack([across, down], dim=1)


def _smooth(size: int, like: dict[str, Any]) -> Tensor:
    """Return the weights (size, BENDS) that draw a smooth curve through BENDS values."""
    points = torch.eye(BENDS)[None, None]
    curves = F.interpolate(points, (size, BENDS), mode="bicubic", align_corners=True)[0, 0]
    return curves.to(**like)


def change_stroke(images: Tensor, width: float) -> Tensor:
    """Make strokes thinner or thicker by up to `width` pixels, 2 at most."""
    need_floats(images)
    like: Any = {"device": images.device, "dtype": images.dtype}
    change = torch.rand(len(images), 1, 1, 1, **like) * 2 - 1  # (N, 1, 1, 1)
    change = change * min(width, 2.0) / 2
    thick = _highest_around(images)  # one pixel more on each side
    thin = 1 - _highest_around(1 - images)
    return torch.where(change > 0, images.lerp(thick, change), images.lerp(thin, -change))


def _highest_around(images: Tensor) -> Tensor:
    """Return the highest of the 3 x 3 pixels around each; F.max_pool2d is many times slower."""
    images = F.pad(images, (1, 1, 1, 1))
    rows = torch.maximum(torch.maximum(images[..., :-2], images[..., 1:-1]), images[..., 2:])
    return torch.maximum(torch.maximum(rows[..., :-2, :], rows[..., 1:-1, :]), rows[..., 2:, :])


def erase(images: Tensor, size: float) -> Tensor:
    """Blank a square of up to `size` pixels a side somewhere in each picture.

    Source: DeVries and Taylor 2017, "Cutout".
    """
    need_floats(images)
    n, _, height, width = images.shape
    device = images.device
    side = torch.rand(n, 1, device=device) * size
    top = torch.rand(n, 1, device=device) * height - side / 2
    left = torch.rand(n, 1, device=device) * width - side / 2
    y, x = torch.arange(height, device=device), torch.arange(width, device=device)
    rows = (y >= top) & (y < top + side)  # (N, H)
    columns = (x >= left) & (x < left + side)  # (N, W)
    return images.masked_fill((rows[:, :, None] & columns[:, None])[:, None], 0.0)


@dataclass(frozen=True, kw_only=True)
class Augment:
    """Hold the largest amount of each change; calling it changes a batch.

    `Trainer(augment=Augment(shift=2, rotate=15))`. A change of 0 is left out.

    Attributes:
        shift, rotate, scale, shear, elastic: see `warp`.
        stroke: see `change_stroke`.
        erase: see `erase`.
    """

    shift: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    elastic: float = 0.0
    stroke: float = 0.0
    erase: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            amount = getattr(self, field.name)
            if not 0 <= amount < math.inf:
                raise ValueError(f"{field.name} must be 0 or more, not {amount}")

    def __call__(self, images: Tensor) -> Tensor:
        if self.stroke:
            images = change_stroke(images, self.stroke)
        moves = {name: getattr(self, name) for name in WARPS}
        if any(moves.values()):
            images = warp(images, **moves)
        return erase(images, self.erase) if self.erase else images


WARPS = ("shift", "rotate", "scale", "shear", "elastic")
