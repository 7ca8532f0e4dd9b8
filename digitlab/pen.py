"""Movements of a pen, drawn as digits in MNIST's geometry: all of them at once."""

from __future__ import annotations

import torch
from torch import Tensor

from digitlab.geometry import BOX, MIDDLE, SIZE

N_POINTS = 8  # of a movement, evenly spaced along it
MOST = 100  # of a coordinate
PER_STEP = 3  # short lines for each step from one point to the next
CHUNK = 500  # digits at a time, which bounds the memory
ONE = 0.35, 0.8  # how wide a 1 is drawn, in parts of its height
OTHER = 0.55, 1.0  # and another digit
Range = tuple[float, float]


def spline(n: int = N_POINTS, per_step: int = PER_STEP) -> Tensor:
    """Return the matrix (M, n) that makes a smooth curve through n points (n, 2).

    Each step is a cubic whose slope at a point is that from its left to its right neighbour
    (E. Catmull and R. Rom 1974); M is per_step * (n - 1) + 1.
    """
    rows = torch.zeros(per_step * (n - 1) + 1, n + 2)  # with a point before and one behind
    for row, at in zip(rows, torch.arange(len(rows)) / per_step, strict=True):
        step = min(int(at), n - 2)
        t = at - step
        weights = [-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3]
        weights += [t + 4 * t**2 - 3 * t**3, t**3 - t**2]
        row[step : step + 4] = torch.stack(weights) / 2
    rows[:, 1] += 2 * rows[:, 0]  # these two go on as the movement begins and ends
    rows[:, 2] -= rows[:, 0]
    rows[:, -2] += 2 * rows[:, -1]
    rows[:, -3] -= rows[:, -1]
    return rows[:, 1:-1]


def draw_movements(
    points: Tensor, *, width: Range, aspect: Tensor, jitter: float = 0.0, seed: int = 0
) -> Tensor:
    """Draw movements with a round pen, the longer side 20 pixels, centred by mass.

    Args:
        points: (N, 8, 2), x to the right and y upwards.
        width: of the pen, from the thinnest to the boldest, in pixels of 28.
        aspect: (N, 2), the narrowest and the widest that each is drawn, in parts of its height.
        jitter: standard deviation by which each point is moved, in parts of the digit's size.
        seed: of all that is drawn at random.

    Returns:
        uint8 (N, 28, 28), ink bright on dark.
    """
    random = torch.Generator().manual_seed(seed)
    n = len(points)
    unit = points.float() / MOST
    unit = unit + jitter * torch.randn(unit.shape, generator=random)
    low, high = aspect.T
    ratio = low + (high - low) * torch.rand(n, generator=random)
    pen = width[0] + (width[1] - width[0]) * torch.rand(n, generator=random)
    curves = _placed(spline() @ unit, ratio, pen)
    return torch.cat(list(map(_inked, curves.split(CHUNK), pen.split(CHUNK))))


def _placed(curves: Tensor, ratio: Tensor, pen: Tensor) -> Tensor:
    """Bring curves (N, M, 2) to pixels, y downwards, with their ink's mean in the middle."""
    low, high = curves.amin(1, keepdim=True), curves.amax(1, keepdim=True)
    curves = (curves - low) / (high - low).clamp(min=1 / MOST)  # 0 to 1 both ways
    sides = torch.stack([ratio, torch.ones_like(ratio)], dim=-1)
    room = (BOX - pen) / sides.amax(-1)
    curves = curves * (sides * room[:, None])[:, None]
    curves[..., 1] *= -1
    steps = curves.diff(dim=1)
    lengths = steps.norm(dim=-1, keepdim=True)
    middle = ((curves[:, :-1] + steps / 2) * lengths).sum(1) / lengths.sum(1).clamp(min=1e-6)
    curves = curves + (MIDDLE - 0.5 - middle)[:, None]
    edge = (pen / 2)[:, None]  # ink stays inside
    over = (curves.amax(1) - (SIZE - 1 - edge)).clamp(min=0)
    under = (edge - curves.amin(1)).clamp(min=0)
    return curves + (under - over)[:, None]


def _inked(curves: Tensor, pen: Tensor) -> Tensor:
    """Return pixels: the nearer a pixel to the curve, the more ink, up to the pen's edge."""
    line = torch.arange(float(SIZE))
    nearest = torch.full((len(curves), SIZE, SIZE), torch.inf)  # squared
    for start, end in zip(curves.unbind(1), curves[:, 1:].unbind(1), strict=False):
        step = end - start
        length = step.square().sum(-1).clamp(min=1e-9)[:, None, None]
        x, y = line - start[:, :1], line - start[:, 1:]  # (N, 28) each
        along = (y * step[:, 1:])[:, :, None] + (x * step[:, :1])[:, None]  # (N, 28, 28)
        foot = (along / length).clamp_(0, 1)
        apart = y.square()[:, :, None] + x.square()[:, None]
        nearest = torch.minimum(nearest, apart + foot * (foot * length - 2 * along))
    ink = (pen[:, None, None] / 2 + 0.5 - nearest.clamp(min=0).sqrt()).clamp(0, 1)
    return (255 * ink).round().byte()


def usual(labels: Tensor) -> Tensor:
    """Return how wide digits of these classes are drawn, (N, 2); the file lost it."""
    return torch.where((labels == 1)[:, None], torch.tensor(ONE), torch.tensor(OTHER))
