"""From even ink to a digit as MNIST has them: its strokes, its box, its centre.

Ink is float (H, W) in [0, 1]; from `in_box` on it lies in a frame four times finer than 28 x 28.
A box is int (4,): top, left, bottom and right, in pixels; the last two lie outside.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image
from scipy import ndimage

from digitlab import geometry
from digitlab.geometry import BOX, SIZE
from digitlab.reading.light import AROUND, border, enlarged, noise, reduced
from digitlab.reading.opened import NO_INK, rounded

FINE = 4  # the last steps work on a frame this much finer than 28 x 28
WIDTHS = (1.6, 5.4)  # pixels; the strokes of 98 % of MNIST's digits lie between
WIDTH = 2.7  # pixels; the median of MNIST

# --- Which ink belongs to the digit -------------------------------------------------------------


def clean(ink: np.ndarray) -> np.ndarray:
    """Set the paper to 0 and the ink to 1, and drop specks."""
    paper, spread = noise(ink)
    if max(ink.shape) > 100:  # the grain of a photo, or only the stairs of a drawing
        ink = ndimage.gaussian_filter(ink, max(ink.shape) / 1200 if spread > 0.01 else 0.6)
        paper, spread = noise(ink)
    low = paper + max(4 * spread, 0.02)  # of 30 000 pixels of noise one lies higher
    labels, peak, _ = _parts(ink, ink > low)
    labels, peak, area = _parts(ink, (labels > 0) & (ink > 0.4 * peak[labels]))  # without its blur
    if len(area) == 1:
        raise ValueError(NO_INK)
    heavy, cut = area * peak, _cut_by_border(labels)
    whole = heavy * ~cut if (~cut & (area > 4)).any() else heavy
    large = heavy >= 0.02 * whole.max()
    speck = ~large | (peak < 0.45 * peak[large & (whole > 0)].max())  # small, or faint
    mask = (labels > 0) & ~speck[labels]
    near = ndimage.binary_dilation(mask, AROUND, iterations=1 if max(ink.shape) > 60 else 2)
    level = np.median(ink[mask])
    return np.where(near, ((ink - paper) / max(level - paper, 1e-3)).clip(0, 1), 0)


def _parts(ink: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Number the connected parts of a mask from 1; return labels, and peak and area of each."""
    labels, n = ndimage.label(mask, AROUND)
    numbers, peak = labels[mask], np.zeros(n + 1, ink.dtype)
    np.maximum.at(peak, numbers, ink[mask])
    return labels, peak, np.bincount(numbers, minlength=n + 1)


def _cut_by_border(labels: np.ndarray) -> np.ndarray:
    """Return which of the numbered parts reach the frame."""
    return np.bincount(border(labels), minlength=labels.max() + 1) > 0


def digit_only(ink: np.ndarray) -> np.ndarray:
    """Keep the strokes of the digit, and drop ink that the frame cuts.

    Raises:
        ValueError: where something as large as the digit stands beside it.
    """
    labels, n = ndimage.label(ink > 0.3, AROUND)
    if n < 2:
        return ink
    box, area = boxes(labels), np.bincount(labels.ravel())
    main, cut = _main_part(ink, labels)
    kept = (labels > 0) & ~cut[labels]
    group = _close_by(labels, kept, main, max(box[main, 2:] - box[main, :2]))
    chosen, digit = list(group), around(box[group])
    for part in np.setdiff1d(labels[kept], group):
        high, wide = digit[2:] - digit[:2]
        gap = gaps(box[part], digit)
        alike = 0.6 < (box[part, 2] - box[part, 0]) / high < 1.7  # as high as the digit,
        alike &= area[part] > 0.4 * area[group].sum()  # and with about as much ink
        if gap.max() < max(high, wide) / 3 and (gap[0] > -0.2 * high or not alike):
            chosen.append(part)  # a loose bar, or a dot
            digit = around(np.stack([digit, box[part]]))
        elif alike:
            raise ValueError(
                "there are several digits in this picture; use read_page to read them all"
            )
    return np.where(with_edges(labels, chosen), ink, 0)


def _main_part(ink: np.ndarray, labels: np.ndarray) -> tuple[int, np.ndarray]:
    """Return the part with most ink near the middle, and which other parts the frame cuts."""
    y, x = (np.exp(-4 * np.linspace(-1, 1, length) ** 2) for length in ink.shape)
    score = np.bincount(labels.ravel(), (ink * y[:, None] * x).ravel())
    cut = _cut_by_border(labels)
    score[cut] *= 0.3  # a digit may touch the frame where nothing else is there
    score[0] = 0
    main = int(score.argmax())
    return main, cut & ~cut[main]


def _close_by(labels: np.ndarray, kept: np.ndarray, main: int, side: int) -> np.ndarray:
    """Return the main part and those so close that a pen which skips may have left the gap.

    Each reaches a fifth of the main part's longer side up and down, and a tenth to each side.
    """
    small = reduced(kept, 250) > 0
    reach = side * small.shape[0] / labels.shape[0]
    window = (1 + 2 * round(0.2 * reach), 1 + 2 * round(0.1 * reach))
    groups, _ = ndimage.label(ndimage.maximum_filter(small, window), AROUND)
    of_pixel = enlarged(groups, 250, labels.shape)
    return np.unique(labels[kept & (of_pixel == of_pixel[labels == main][0])])


def boxes(labels: np.ndarray) -> np.ndarray:
    """Return the box of each numbered part, int (n + 1, 4); that of number 0 is empty."""
    places = [(y.start, x.start, y.stop, x.stop) for y, x in ndimage.find_objects(labels)]
    return np.array([(0, 0, 0, 0), *places])


def around(several: np.ndarray) -> np.ndarray:
    """Return the smallest box that holds several: int (n, 4) -> (4,)."""
    return np.concatenate([several[:, :2].min(axis=0), several[:, 2:].max(axis=0)])


def gaps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return how far two boxes lie apart, down and right; negative where they overlap."""
    return np.maximum(one[..., :2] - other[..., 2:], other[..., :2] - one[..., 2:])


def with_edges(labels: np.ndarray, parts: Sequence[int]) -> np.ndarray:
    """Return the mask of these parts with their grey edges, which are two pixels wide."""
    mask = np.isin(labels, parts)
    grown: np.ndarray = ndimage.binary_dilation(mask, AROUND, iterations=2)
    return grown & (mask | (labels == 0))


# --- The geometry of MNIST ----------------------------------------------------------------------


def in_box(ink: np.ndarray) -> np.ndarray:
    """Scale the digit to a box of 20 x 20, in a frame of 28 x 28, four times finer."""
    rows, columns = np.nonzero(ink > 0.2)
    if not len(rows):
        raise ValueError(NO_INK)
    top, left = rows.min(), columns.min()
    digit = ink[top : rows.max() + 1, left : columns.max() + 1]
    scale = BOX / max(digit.shape)
    if 0.9 < scale < 1.06:  # it has MNIST's size already: leave its pixels as they are
        scale = 1.0
    height, width = (max(1, round(length * scale)) * FINE for length in digit.shape)
    if scale * FINE < 0.5:  # hairlines would fade
        digit = ndimage.maximum_filter(digit, int(1 / (scale * FINE)))
    picture = Image.fromarray(digit.astype(np.float32))
    scaled = np.asarray(picture.resize((width, height), Image.Resampling.BOX))
    frame = np.zeros((SIZE * FINE, SIZE * FINE), np.float32)
    free = np.array(ink.shape) - digit.shape  # it stays as far up and left as it was
    share = np.where(free > 0, np.array([top, left]) / np.maximum(free, 1), 0.5)
    y, x = np.rint(share * (SIZE - np.array([height, width]) / FINE)).astype(int) * FINE
    frame[y : y + height, x : x + width] = scaled
    return frame


def whole(ink: np.ndarray) -> np.ndarray:
    """Scale the whole picture to the frame, as the usual way does."""
    picture = Image.fromarray(ink.astype(np.float32))
    return np.asarray(picture.resize((SIZE * FINE, SIZE * FINE), Image.Resampling.BOX))


def stroke_width(frame: np.ndarray) -> float:
    """Return the mean width of the strokes in pixels of MNIST.

    Along a stroke of width w the mean distance to its edge is w / 4.
    """
    mask = frame > 0.4
    if not mask.any():
        return 0.0
    return float(4 * ndimage.distance_transform_edt(mask)[mask].mean() - 1) / FINE


def with_mnist_strokes(frame: np.ndarray) -> np.ndarray:
    """Bring hairlines and very thick strokes to the width that MNIST's have, in the same box."""
    width = stroke_width(frame)
    if WIDTHS[0] <= width <= WIDTHS[1]:
        return frame
    goal = WIDTH if width < WIDTHS[0] else 4.0  # markers: no thinner than MNIST's thick ones
    grow = (goal - width) / 2 / (1 - width / BOX)  # pixels on each side; the box grows, too
    zoom = 1 - 2 * grow / BOX
    middle = len(frame) / 2 - 0.5
    smaller = ndimage.affine_transform(frame, np.eye(2) / zoom, middle * (1 - 1 / zoom), order=1)
    mask = smaller > 0.25 if grow > 0 else smaller > 0.5  # hairlines are pale
    if not mask.any():
        return frame
    outside = ndimage.distance_transform_edt(~mask)
    inside = ndimage.distance_transform_edt(mask)
    return ((inside - outside) + grow * FINE + 0.5).clip(0, 1)


def deslanted(frame: np.ndarray) -> np.ndarray:
    """Shear the digit until its strokes stand upright on average."""
    rows, columns = np.mgrid[: len(frame), : len(frame)] - len(frame) / 2 + 0.5
    mass = max(frame.sum(), 1e-6)
    y, x = (frame * rows).sum() / mass, (frame * columns).sum() / mass
    spread = max((frame * (rows - y) ** 2).sum(), 1e-6)
    slant = (frame * (rows - y) * (columns - x)).sum() / spread
    shear = np.array([[1, 0], [np.clip(slant, -0.7, 0.7), 1]])  # 35 degrees: more is no slant
    middle = np.array([y, x]) + len(frame) / 2 - 0.5
    return ndimage.affine_transform(frame, shear, middle - shear @ middle, order=1)


def centred(frame: np.ndarray) -> np.ndarray:
    """Move the centre of mass to where MNIST's lies."""
    return geometry.centred(frame, fine=FINE)


def small(frame: np.ndarray) -> np.ndarray:
    """Average to 28 x 28 pixels; uint8."""
    mean = frame.reshape(SIZE, FINE, SIZE, FINE).mean(axis=(1, 3)).clip(0, 1)
    return rounded(mean * 255)
