"""From the colours of a picture to even ink: light, shadow, desk and printed lines go.

Colours come as uint8 (H, W, 3) and grey levels as uint8 (H, W); ink is float (H, W) in [0, 1].
The thresholds were tuned on many kinds of pictures; `stored("reading")` says what each step brings.
"""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.spatial import ConvexHull

from digitlab.reading.opened import luminance, rounded

WINDOWS = (0.04, 0.08, 0.16)  # of the picture's longer side
AROUND = np.ones((3, 3))  # a pixel and its eight neighbours


def sheet_only(colours: np.ndarray) -> np.ndarray:
    """Paint the desk around a white sheet like the sheet; uint8 (H, W, 3) -> (H, W, 3).

    The desk lies along the frame, and the sheet is lighter and about a rectangle.
    """
    if max(colours.shape) < 200:  # cut out or drawn: no desk lies around so few pixels
        return colours
    coarse = np.asarray(Image.fromarray(colours).reduce(-(-max(colours.shape) // 120)))
    white = ndimage.median_filter(coarse.min(axis=2), 3).astype(np.float32)  # colours are dark
    desk = np.percentile(border(white), 60)  # up to 40 % of the frame may be sheet or glare
    light = white > desk + 0.15 * (white.max() - desk)  # a shadow on the sheet is light, too
    if not light.any():
        return colours
    labels, _ = ndimage.label(light)
    largest = labels == np.bincount(labels[light]).argmax()
    sheet, squareness = _hull(largest)
    inside, middle = (ndimage.binary_erosion(sheet, iterations=n) for n in (2, 6))
    paper = ndimage.grey_closing(coarse, (15, 15, 1))  # wider than any stroke
    ink = (white < 0.8 * paper.min(axis=2)) & middle
    like_a_sheet = sheet.mean() > 0.3 and squareness > 0.85 and light[sheet & ~middle].mean() > 0.8
    # a desk nearly as light as the sheet does no harm, and a sheet without ink is a thick digit
    if not like_a_sheet or desk > 0.7 * np.median(white[largest]) or ink.mean() < 0.0005:
        return colours
    y, x = ndimage.distance_transform_edt(~inside, return_distances=False, return_indices=True)
    size = colours.shape[1::-1]
    kept = np.asarray(Image.fromarray(inside).resize(size))[..., None]
    around = np.asarray(Image.fromarray(paper[y, x]).resize(size))
    return np.where(kept, colours, around)


def border(values: np.ndarray) -> np.ndarray:
    """Return the outermost pixels of a picture, one after the other."""
    return np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])


def _hull(mask: np.ndarray) -> tuple[np.ndarray, float]:
    """Return what lies between the pixels of a mask, and how much of a rectangle it fills."""
    corners = np.argwhere(mask)[:, None] + [(0, 0), (0, 1), (1, 0), (1, 1)]  # of each pixel
    points = corners.reshape(-1, 2)
    hull = ConvexHull(points)
    ways = hull.equations[:, :2].T  # at right angles to each side
    middles = np.moveaxis(np.indices(mask.shape), 0, -1) + 0.5
    inside = (middles @ ways <= 1e-6 - hull.equations[:, 2]).all(axis=-1)
    sides = [np.ptp(points @ turned, axis=0) for turned in (ways, ways[::-1] * [[1], [-1]])]
    return inside, hull.volume / np.prod(sides, axis=0).min()  # in 2-D the volume is the area


def grey(values: np.ndarray) -> np.ndarray:
    """Mix the three colours so that ink and paper differ most; uint8 (H, W, 3) -> (H, W)."""
    sample = values[:: 1 + len(values) // 200, :: 1 + values.shape[1] // 200].astype(np.float32)
    red, green, blue = np.moveaxis(sample, 2, 0).copy()  # one after the other is quicker
    highest, lowest = (f(f(red, green), blue) for f in (np.maximum, np.minimum))
    if (highest - lowest < 24).mean() > 0.999:  # what a camera and JPEG add is no colour
        return luminance(values)
    away = sample - ndimage.uniform_filter(sample, (*(n // 3 for n in sample.shape[:2]), 0))
    far = away.reshape(-1, 3)
    length = np.linalg.norm(far, axis=1)
    far = far[length >= np.percentile(length, 97)]  # mostly ink: few digits cover more
    mix = np.linalg.svd(far.T @ far)[0][:, 0]
    mix = mix * np.sign(mix.sum() or 1) / np.abs(mix).sum()
    mixed = values.astype(np.float32) @ mix.astype(np.float32)
    return rounded(mixed - 255 * mix.clip(max=0).sum())


def bright_ink(grey: np.ndarray) -> np.ndarray:
    """Turn the picture so that ink is bright, whether it was dark on light or light on dark.

    Paper lies along the frame, and ink is the smaller part of its surroundings.
    """
    coarse = reduced(grey, 250)
    if coarse.shape[0] > 2 * coarse.shape[1]:
        light = coarse > (coarse.min() + coarse.max()) / 2
        for ink, turned in ((light, grey), (~light, 255 - grey)):
            if _fills_frame(ink):
                return turned
    frame = border(coarse)
    light_frame = 2 * (frame.mean() - coarse.min()) / max(np.ptp(coarse), 1) - 1  # -1 to 1
    away = coarse - ndimage.uniform_filter(coarse, 1 + round(0.15 * max(coarse.shape)))
    skew = np.cbrt((away**3).mean()) / max(away.std(), 1e-3)  # above 0 where ink is bright
    return 255 - grey if 2 * light_frame > skew else grey


def _fills_frame(ink: np.ndarray) -> bool:
    """Return whether one part of it reaches all four sides, as in a one that is cut out tightly."""
    labels, _ = ndimage.label(ink)
    sides = (labels[0], labels[-1], labels[:, 0], labels[:, -1])
    reached = set.intersection(*(set(side.tolist()) for side in sides))
    return bool(reached - {0}) and border(ink).mean() < 0.85  # more would be paper around a one


def even_light(ink: np.ndarray) -> np.ndarray:
    """Take away what is wider than strokes: paper, light and shadow; float in [0, 1].

    The window is twice the smallest in which the ink still has most of its contrast.
    """
    around = reduced(ink, 400)
    side = max(around.shape)
    wide = 8 + round(0.35 * side)
    if side > 36:  # smaller ones, like MNIST's, have no shadows
        most = around - _paper(around, wide)
        edges = ndimage.maximum_filter(around, 5) - ndimage.minimum_filter(around, 5)
        ink_there = np.minimum(edges, most) > edges.max() / 2  # shadows have no sharp edges
        for share in WINDOWS if ink_there.any() else ():
            rise = around - _paper(around, 1 + round(share * side))
            if np.percentile((rise / np.maximum(most, 1e-3))[ink_there], 30) > 0.8:
                wide = min(wide, round(2 * share * side))
                break
    paper = Image.fromarray(_paper(around, wide))
    below = np.asarray(paper.resize(ink.shape[::-1], Image.Resampling.BILINEAR))
    # ink on bright paper has less room above it; 25 levels keep noise small on white
    return ((ink - below) / np.maximum(255 - below, 25)).clip(0, 1)


def as_it_is(ink: np.ndarray) -> np.ndarray:
    """Leave light and shadow where they are; uint8 -> float in [0, 1]."""
    return ink.astype(np.float32) / 255


def _paper(ink: np.ndarray, wide: int) -> np.ndarray:
    """Return the picture without the bright parts that are narrower than a window."""
    opened = ndimage.grey_opening(ink, wide, mode="nearest")
    return np.minimum(ndimage.uniform_filter(opened, max(1, wide // 4)), ink)


def reduced(values: np.ndarray, side: int) -> np.ndarray:
    """Reduce a picture so that no side is longer; float."""
    factor = -(-max(values.shape) // side)
    return np.asarray(Image.fromarray(values.astype(np.float32)).reduce(factor))


def enlarged(values: np.ndarray, side: int, shape: tuple[int, ...]) -> np.ndarray:
    """Repeat the pixels of what `reduced` reduced, back to its shape."""
    factor = -(-max(shape) // side)
    return values.repeat(factor, axis=0).repeat(factor, axis=1)[: shape[0], : shape[1]]


def noise(ink: np.ndarray) -> tuple[float, float]:
    """Return level and spread of the paper, from the quarter that is surely no ink."""
    low, high = np.percentile(ink[:: 1 + ink.shape[0] // 400, :: 1 + ink.shape[1] // 400], [5, 25])
    if high > ink.max() / 8:  # more ink than paper
        high = low
    spread = (high - low) / 0.97  # these two parts of a normal distribution lie so far apart
    return float(high + 0.674 * spread), float(spread)  # and its middle so far above the quarter


def without_lines(ink: np.ndarray) -> np.ndarray:
    """Take printed lines away, where two or more of them run from side to side."""
    if max(ink.shape) < 100:  # lines are no longer apart from strokes
        return ink
    paper, spread = noise(ink)
    for _ in ("rows", "columns"):
        ink = _without_rows(ink, paper + max(3 * spread, 0.05)).T
    return ink


def _without_rows(ink: np.ndarray, low: float) -> np.ndarray:
    """Take away lines that run from left to right."""
    wide = 2 + max(ink.shape) // 200  # printed lines are this thin
    mask = ink > low
    thin = mask & (ndimage.grey_opening(mask.astype(np.uint8), (wide + 1, 1)) == 0)
    lines = _long_lines(reduced(thin, 300) > 0)
    if not lines.any():
        return ink
    large = enlarged(ndimage.binary_dilation(lines, AROUND), 300, ink.shape)
    gone = large & ndimage.binary_dilation(thin, np.ones((3, 1)))
    gone &= ink < 1.6 * np.median(ink[large & thin])  # what is darker is a pen's
    left = np.where(gone, 0, ink)
    bridged = ndimage.grey_closing(left, (2 * wide + 1, 1))  # where a stroke crosses the line
    return np.where(gone, np.minimum(ink, bridged), ink)


def _long_lines(mask: np.ndarray) -> np.ndarray:
    """Mark the upper edges of lines from side to side, at most 14 degrees up or down."""
    y, x = np.nonzero(mask & ~np.pad(mask, ((1, 0), (0, 0)))[:-1])
    width = mask.shape[1]
    on_line = np.zeros(len(y), bool)
    n_lines = 0
    for slope in np.arange(-0.25, 0.25, 0.01):
        place = np.rint(y - slope * (x - width / 2)).astype(int) + width
        counts = np.convolve(np.bincount(place, minlength=3), [1, 1, 1], "same")
        found = counts > 0.6 * width  # ink and glare may hide the rest
        n_lines = max(n_lines, ndimage.label(found)[1])
        on_line |= found[place]
    lines = np.zeros(mask.shape, bool)
    if n_lines > 1:  # a single one may be a digit's
        lines[y[on_line], x[on_line]] = True
    return lines
