"""Pictures of paper: digits written again with a pen, photographed, scanned or exported."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from digitlab.names import unknown

PENS = {  # red, green and blue of the ink
    "black": (30, 30, 35),
    "blue": (35, 60, 160),
    "red": (190, 35, 45),
    "green": (25, 125, 65),
    "pencil": (105, 105, 110),
    "chalk": (240, 240, 235),
}
PAPERS = {  # red, green and blue of the sheet
    "blank": (246, 244, 240),
    "ruled": (246, 246, 242),
    "squared": (244, 246, 248),
    "board": (235, 238, 240),
    "blackboard": (45, 60, 52),
}
RULE = (150, 175, 215)  # printed lines are of a light blue
MARGIN = (225, 130, 135)


def pen_strokes(pixels: np.ndarray) -> np.ndarray:
    """Return the line in the middle of the strokes, as many short pieces.

    Args:
        pixels: uint8 (28, 28), ink bright on dark.

    Returns:
        float (N, 2, 2): two points (x, y) for each piece, in pixels from the left upper corner.
    """
    finer = 4
    large = ndimage.zoom(
        np.pad(pixels, 1).astype(float), finer, order=1, grid_mode=True, mode="nearest"
    )
    mask = ndimage.gaussian_filter(large, 1) > 127
    middle = _thinned(mask)
    if mask.any() and not middle.any():  # a dot can be thinned away
        middle[tuple(np.argwhere(mask).mean(axis=0).astype(int))] = True
    places = np.argwhere(middle)  # (n, 2), rows and columns
    number = np.full(middle.shape, -1)
    number[tuple(places.T)] = np.arange(len(places))
    pieces = []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        ends = number[places[:, 0] + down, places[:, 1] + right]
        if down and right:  # a corner that two straight pieces already make
            corner = (number[places[:, 0] + down, places[:, 1]] >= 0) | (
                number[places[:, 0], places[:, 1] + right] >= 0
            )
            ends = np.where(corner, -1, ends)
        pieces += [np.stack([np.arange(len(places)), ends], 1)[ends >= 0]]
    edges = np.concatenate(pieces)
    if not len(edges):  # a dot
        edges = np.zeros((min(1, len(places)), 2), int)
    points = places[:, ::-1].astype(float)
    n_edges = np.bincount(edges.ravel(), minlength=len(places))[:, None]
    for _ in range(6):  # smooth the stairs, but leave the ends of a stroke where they are
        sums = points.copy()
        for a, b in (edges.T, edges.T[::-1]):
            np.add.at(sums, a, points[b])
        points = np.where(n_edges > 1, sums / (n_edges + 1), points)
    return (points[edges] + 0.5) / finer - 1


def _thinned(mask: np.ndarray) -> np.ndarray:
    """Thin strokes to a line one pixel wide (Zhang and Suen, 1984)."""
    mask = np.pad(mask, 1)
    moves = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))  # clockwise
    changed = True
    while changed:
        changed = False
        for first in (True, False):
            n, _, e, _, s, _, w, _ = around = [
                np.roll(mask, (-y, -x), axis=(0, 1)) for y, x in moves
            ]
            n_neighbours = np.sum(around, axis=0)
            n_starts = np.sum([~a & b for a, b in pairwise([*around, n])], axis=0)
            bare = ~(n & e & s) & ~(e & s & w) if first else ~(n & e & w) & ~(n & s & w)
            gone = mask & (n_neighbours >= 2) & (n_neighbours <= 6) & (n_starts == 1) & bare
            mask = mask & ~gone
            changed |= bool(gone.any())
    return mask[1:-1, 1:-1]


def strokes_at(pixels: np.ndarray, tall: float, place: np.ndarray | float) -> np.ndarray:
    """Return the strokes of a digit with a box `tall` pixels high, its middle at a place (x, y)."""
    return (pen_strokes(pixels) - 14) * tall / 20 + place


def draw_strokes(
    strokes: np.ndarray, size: tuple[int, int], width: float, *, smooth: bool = True
) -> Image.Image:
    """Draw strokes with a round pen.

    Args:
        strokes: float (N, 2, 2), points (x, y) in pixels of this picture.
        size: width and height of the picture.
        width: of the pen, in pixels.
        smooth: grey edges; else only 0 and 255.

    Returns:
        A grey picture, ink bright.
    """
    finer = 3 if smooth else 1
    picture = Image.new("L", (size[0] * finer, size[1] * finer))
    draw = ImageDraw.Draw(picture)
    wide = max(1, round(width * finer))
    for start, end in (strokes * finer).tolist():
        draw.line([*start, *end], fill=255, width=wide)
        if wide > 2:
            for x, y in (start, end):
                draw.ellipse([x - wide / 2, y - wide / 2, x + wide / 2, y + wide / 2], fill=255)
    return picture.reduce(finer) if smooth else picture


def photograph(
    digits: Any,
    *,
    paper: str = "squared",
    pen: str = "blue",
    size: tuple[int, int] = (640, 480),
    height: float = 0.3,
    thickness: float = 0.07,
    centre: tuple[float, float] = (0.5, 0.5),
    tilt: float = 3.0,
    perspective: float = 0.05,
    shadow: float = 0.3,
    blur: float = 0.7,
    noise: float = 3.0,
    crumple: float = 0.0,
    quality: int = 85,
    seed: int = 0,
) -> Image.Image:
    """Write digits on paper again with a pen, and take a photo of it.

    Args:
        digits: uint8 (28, 28) or (N, 28, 28), ink bright on dark; written row after row.
        paper: "blank", "ruled", "squared", "board" or "blackboard".
        pen: "black", "blue", "red", "green", "pencil" or "chalk".
        size: width and height of the photo, in pixels.
        height: of a digit, as a part of the photo's height.
        thickness: of the pen, as a part of the digit's height.
        centre: where the digits lie, as parts of width and height.
        tilt: of the sheet in the photo, in degrees clockwise.
        perspective: how much narrower the far side of the sheet is, in [0, 0.3].
        shadow: how much light the shadow of a hand takes, in [0, 1].
        blur: of the lens, in pixels.
        noise: of the sensor, in grey levels.
        crumple: how deep the folds of the sheet are, in [0, 1].
        quality: of the JPEG file that the phone writes.
        seed: of texture, places, shadow and noise; the same seed gives the same photo.

    Raises:
        ValueError: for an unknown paper or pen, or pixels of another kind.
    """
    if paper not in PAPERS:
        raise unknown("paper", paper, PAPERS)
    if pen not in PENS:
        raise unknown("pen", pen, PENS)
    rng = np.random.default_rng(seed)
    high = size[1]
    many = np.asarray(digits)
    if many.dtype != np.uint8 or many.shape[-2:] != (28, 28):
        raise ValueError(
            f"digits are written from uint8 (N, 28, 28), not {many.dtype} {many.shape}; "
            "take the images of a split"
        )
    many = many.reshape(-1, 28, 28)
    tall = height * high
    ink = draw_strokes(_written(many, size, tall, centre, rng), size, max(1.0, thickness * tall))
    cover = np.asarray(ink, np.float32)[..., None] / 255  # (H, W, 1)
    if pen in ("pencil", "chalk"):  # it leaves the valleys of the paper free
        cover = cover * (1 - 0.5 * _grain(rng, size, 0.8)[..., None].clip(0, 1))
    sheet = np.asarray(_sheet(paper, size, tall, rng), np.float32)
    scene = sheet * (1 - 0.95 * cover) + np.array(PENS[pen], np.float32) * 0.95 * cover
    moved = _seen_from(Image.fromarray(scene.astype(np.uint8)), tilt, perspective, rng)
    light = _light(size, shadow, rng) * (1 + crumple * _folds(size, rng))
    photo = np.asarray(moved, np.float32) * light[..., None]
    photo = ndimage.gaussian_filter(photo, (blur, blur, 0))
    photo += rng.normal(0, noise, photo.shape).astype(np.float32)
    return as_jpeg(Image.fromarray(photo.clip(0, 255).astype(np.uint8)), quality)


def as_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    """Return the picture as a JPEG file would give it back."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file)


def _written(
    digits: np.ndarray,
    size: tuple[int, int],
    tall: float,
    centre: tuple[float, float],
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the strokes of all digits, in rows, each a little beside its place."""
    n_columns = max(1, min(len(digits), int(0.9 * size[0] / (1.5 * tall))))
    n_rows = -(-len(digits) // n_columns)
    places = []
    for i, pixels in enumerate(digits):
        row, column = divmod(i, n_columns)
        in_row = min(n_columns, len(digits) - row * n_columns)
        x = centre[0] * size[0] + (column - (in_row - 1) / 2) * 1.4 * tall
        y = centre[1] * size[1] + (row - (n_rows - 1) / 2) * 1.6 * tall
        beside = rng.uniform(-0.08, 0.08, 2) * tall * (len(digits) > 1)
        places.append(strokes_at(pixels, tall, np.array([x, y])) + beside)
    return np.concatenate(places)


def _sheet(paper: str, size: tuple[int, int], tall: float, rng: np.random.Generator) -> Image.Image:
    """Return the empty sheet with its texture and its printed lines."""
    texture = 2.5 * _grain(rng, size, 0.6) + 1.5 * _grain(rng, size, 6)
    sheet = np.array(PAPERS[paper], np.float32) + texture[..., None]
    picture = Image.fromarray(sheet.clip(0, 255).astype(np.uint8))
    if paper in ("ruled", "squared"):
        draw = ImageDraw.Draw(picture)
        step = tall * rng.uniform(0.35, 0.9) if paper == "squared" else tall * rng.uniform(0.9, 1.6)
        wide = max(1, round(size[1] / 450))
        for y in np.arange(rng.uniform(0, step), size[1], step):
            draw.line([0, y, size[0], y], fill=RULE, width=wide)
        for x in np.arange(rng.uniform(0, step), size[0], step) if paper == "squared" else ():
            draw.line([x, 0, x, size[1]], fill=RULE, width=wide)
        if paper == "ruled":
            draw.line([0.06 * size[0], 0, 0.06 * size[0], size[1]], fill=MARGIN, width=wide)
    return picture


def _seen_from(
    sheet: Image.Image, tilt: float, perspective: float, rng: np.random.Generator
) -> Image.Image:
    """Turn and narrow the sheet as a camera sees it; the sheet goes on beyond the photo."""
    width, high = sheet.size
    corners = np.array([[0, 0], [width, 0], [width, high], [0, high]], float)
    middle = corners.mean(axis=0)
    far = corners.copy()
    side = rng.integers(4)
    ends = [side, (side + 1) % 4]
    far[ends] += perspective * (corners - middle)[ends]  # read from farther out there
    angle = np.deg2rad(-tilt)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    margin = int(0.35 * max(sheet.size))
    grown = np.pad(np.asarray(sheet), ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
    source = (far - middle) @ turn.T + middle + margin  # in the grown sheet
    rows, values = [], []
    for (x, y), (u, v) in zip(corners, source, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    eight = np.linalg.solve(np.array(rows), np.array(values)).tolist()
    return Image.fromarray(grown).transform(
        sheet.size, Image.Transform.PERSPECTIVE, eight, Image.Resampling.BICUBIC
    )


def _light(size: tuple[int, int], shadow: float, rng: np.random.Generator) -> np.ndarray:
    """Return how bright each place is: falling off to one side, with the shadow of a hand."""
    width, high = size
    y, x = np.mgrid[-1 : 1 : high * 1j, -1 : 1 : width * 1j].astype(np.float32)
    angle, edge = rng.uniform(0, 2 * np.pi, 2)
    even = 0.9 + 0.1 * (np.cos(angle) * x + np.sin(angle) * y)
    bow = 0.2 * np.sin(3 * (np.sin(edge) * x - np.cos(edge) * y))  # the edge of a shadow is no line
    depth = np.cos(edge) * x + np.sin(edge) * y + bow - rng.uniform(-0.4, 0.5)
    soft = rng.uniform(0.02, 0.3)
    return even * (1 - shadow / (1 + np.exp(-(depth / soft).clip(-30, 30))))


def _folds(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Return how much lighter or darker the faces of crumpled paper are, (H, W) around 0."""
    width, high = size
    y, x = np.mgrid[0:high, 0:width].astype(np.float32) / max(size)
    folds = np.zeros((high, width), np.float32)
    for _ in range(7):
        angle, place, depth = rng.uniform(0, np.pi), rng.uniform(-0.5, 1.2), rng.normal()
        far = np.cos(angle) * x + np.sin(angle) * y - place
        folds += depth * np.sign(far) * np.exp(-np.abs(far) / 0.15)
    return 0.08 * folds


def _grain(rng: np.random.Generator, size: tuple[int, int], width: float) -> np.ndarray:
    """Return noise of this width in pixels and of spread 1, (H, W)."""
    rough = rng.normal(size=(size[1], size[0])).astype(np.float32)
    smooth = ndimage.gaussian_filter(rough, width)
    return smooth / smooth.std()
