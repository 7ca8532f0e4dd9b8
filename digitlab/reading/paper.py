"""Pictures of paper: digits written again with a pen, photographed, scanned or exported."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.spatial import KDTree

from digitlab.geometry import BOX, SIZE
from digitlab.names import Registry

PENS = Registry(
    "pen",
    {  # red, green and blue of the ink
        "black": (30, 30, 35),
        "blue": (35, 60, 160),
        "red": (190, 35, 45),
        "green": (25, 125, 65),
        "pencil": (105, 105, 110),
        "chalk": (240, 240, 235),
    },
)
PAPERS = Registry(
    "paper",
    {  # red, green and blue of the sheet
        "blank": (246, 244, 240),
        "ruled": (246, 246, 242),
        "squared": (244, 246, 248),
        "board": (235, 238, 240),
        "blackboard": (45, 60, 52),
    },
)
RULE = (150, 175, 215)  # printed lines are of a light blue
MARGIN = (225, 130, 135)


def pen_strokes(pixels: np.ndarray) -> np.ndarray:
    """Return the line in the middle of the strokes as many short pieces: (28, 28) -> (N, 2, 2).

    Each has two points (x, y), in pixels from the left upper corner.
    """
    finer = 4
    padded = np.pad(pixels, 1).astype(float)
    large = ndimage.zoom(padded, finer, order=1, grid_mode=True, mode="nearest")
    mask = ndimage.gaussian_filter(large, 1) > 127
    middle = _thinned(mask)
    if mask.any() and not middle.any():  # a dot can be thinned away
        middle[tuple(np.argwhere(mask).mean(axis=0).astype(int))] = True
    places = np.argwhere(middle)  # (n, 2), rows and columns
    pairs = KDTree(places).query_pairs(1.5, output_type="ndarray")  # (N, 2), of neighbours
    (y, x), (v, u) = places[pairs.T].transpose(0, 2, 1)
    corner = (y != v) & (x != u) & (middle[y, u] | middle[v, x])  # two straight pieces make it
    pairs = pairs[~corner]
    if not len(pairs):  # a dot, or nothing
        pairs = np.zeros((min(1, len(places)), 2), int)
    points = places[:, ::-1].astype(float)
    n_pairs = np.bincount(pairs.ravel(), minlength=len(places))[:, None]
    for _ in range(6):  # smooth the stairs, but leave the ends of a stroke where they are
        sums = points.copy()
        for a, b in (pairs.T, pairs.T[::-1]):
            np.add.at(sums, a, points[b])
        points = np.where(n_pairs > 1, sums / (n_pairs + 1), points)
    return (points[pairs] + 0.5) / finer - 1


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
    return (pen_strokes(pixels) - SIZE / 2) * tall / BOX + place


def draw_strokes(
    strokes: np.ndarray, size: tuple[int, int], width: float, *, smooth: bool = True
) -> Image.Image:
    """Draw strokes (N, 2, 2), points (x, y) in pixels, with a round pen; grey, ink bright.

    Without `smooth` edges all pixels are 0 or 255.
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


def photograph(  # noqa: PLR0913 - named settings
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
        size, centre: of the photo in pixels, and where in it the digits lie, as parts of both.
        height, thickness: of a digit, as a part of the photo's, and of the pen, of the digit's.
        tilt, perspective: of the sheet, in degrees clockwise, and how much its far side narrows.
        shadow, crumple: how much light a hand takes, and how deep the folds are, in [0, 1].
        blur, noise, quality: of the lens in pixels, of the sensor in grey levels, of the JPEG.
        seed: of all that is left to chance; the same seed gives the same photo.

    Raises:
        ValueError: for an unknown paper or pen, or pixels of another kind.
    """
    rng = np.random.default_rng(seed)
    tall = height * size[1]
    ink = draw_strokes(_written(digits, size, tall, centre, rng), size, max(1, thickness * tall))
    seen = _seen_from(_inked(ink, paper, pen, tall, rng), tilt, perspective, rng)
    lit = np.asarray(seen, np.float32) * _light(size, shadow, crumple, rng)[..., None]
    return as_jpeg(_taken(lit, blur, noise, rng), quality)


def _taken(scene: np.ndarray, blur: float, noise: float, rng: np.random.Generator) -> Image.Image:
    """Return what a lens and a sensor make of it."""
    photo = ndimage.gaussian_filter(scene, (blur, blur, 0))
    photo += rng.normal(0, noise, photo.shape).astype(np.float32)
    return Image.fromarray(photo.clip(0, 255).astype(np.uint8))


def as_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    """Return the picture as a JPEG file would give it back."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file)


def _written(
    digits: Any,
    size: tuple[int, int],
    tall: float,
    centre: tuple[float, float],
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the strokes of all digits, in rows, each a little beside its place."""
    pixels = np.asarray(digits)
    if pixels.dtype != np.uint8 or pixels.shape[-2:] != (SIZE, SIZE) or not pixels.size:
        raise ValueError(
            f"digits are written from uint8 (N, 28, 28), not {pixels.dtype} {pixels.shape}; "
            "take the images of a split"
        )
    pixels = pixels.reshape(-1, SIZE, SIZE)
    n = len(pixels)
    n_columns = max(1, min(n, int(0.9 * size[0] / (1.5 * tall))))
    rows, columns = np.divmod(np.arange(n), n_columns)
    in_row = np.minimum(n_columns, n - rows * n_columns)
    x = centre[0] * size[0] + (columns - (in_row - 1) / 2) * 1.4 * tall
    y = centre[1] * size[1] + (rows - rows[-1] / 2) * 1.6 * tall
    beside = rng.uniform(-0.08, 0.08, (n, 2)) * tall * (n > 1)
    places = zip(pixels, np.stack([x, y], axis=1), beside, strict=True)
    return np.concatenate([strokes_at(one, tall, place) + move for one, place, move in places])


def _inked(
    ink: Image.Image, paper: str, pen: str, tall: float, rng: np.random.Generator
) -> Image.Image:
    """Return the sheet with what is written on it."""
    cover = np.asarray(ink, np.float32)[..., None] / 255  # (H, W, 1)
    if pen in ("pencil", "chalk"):  # it leaves the valleys of the paper free
        cover = cover * (1 - 0.5 * _grain(rng, ink.size, 0.8)[..., None].clip(0, 1))
    sheet = np.asarray(_sheet(paper, ink.size, tall, rng), np.float32)
    scene = sheet * (1 - 0.95 * cover) + np.array(PENS[pen], np.float32) * 0.95 * cover
    return Image.fromarray(scene.astype(np.uint8))


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


def _light(
    size: tuple[int, int], shadow: float, crumple: float, rng: np.random.Generator
) -> np.ndarray:
    """Return how bright each place is: falling off to one side, with a hand's shadow and folds."""
    width, high = size
    y, x = np.mgrid[-1 : 1 : high * 1j, -1 : 1 : width * 1j].astype(np.float32)
    angle, edge = rng.uniform(0, 2 * np.pi, 2)
    even = 0.9 + 0.1 * (np.cos(angle) * x + np.sin(angle) * y)
    bow = 0.2 * np.sin(3 * (np.sin(edge) * x - np.cos(edge) * y))  # the edge of a shadow is no line
    depth = np.cos(edge) * x + np.sin(edge) * y + bow - rng.uniform(-0.4, 0.5)
    soft = rng.uniform(0.02, 0.3)
    light = even * (1 - shadow / (1 + np.exp(-(depth / soft).clip(-30, 30))))
    return light * (1 + crumple * _folds(size, rng))


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
