"""From even ink to a digit as MNIST has them: its strokes, its box, its centre.

Ink is float (H, W) in [0, 1]; from `in_box` on it lies in a frame four times finer than 28 x 28.
"""

from __future__ import annotations

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


def clean(ink: np.ndarray) -> np.ndarray:
    """Set the paper to 0 and the ink to 1, and drop specks."""
    paper, spread = noise(ink)
    if max(ink.shape) > 100:
        ink = ndimage.gaussian_filter(ink, max(ink.shape) / 1200 if spread > 0.01 else 0.6)
        paper, spread = noise(ink)
    low = paper + max(4 * spread, 0.02)
    labels, peak, _ = _parts(ink, ink > low)
    labels, peak, area = _parts(ink, (labels > 0) & (ink > 0.4 * peak[labels]))
    if len(area) == 1:
        raise ValueError(NO_INK)
    heavy, cut = area * peak, _cut_by_border(labels)
    whole = heavy * ~cut if (~cut & (area > 4)).any() else heavy
    large = heavy >= 0.02 * whole.max()
    speck = ~large | (peak < 0.45 * peak[large & (whole > 0)].max())
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
    """Keep the strokes of the digit, and drop ink that the frame cuts."""
    labels, n = ndimage.label(ink > 0.3, AROUND)
    if n < 2:
        return ink
    boxes = ndimage.find_objects(labels)
    size = np.array([0] + [max(s.stop - s.start for s in box) for box in boxes])
    touching = _cut_by_border(labels)
    y, x = (np.exp(-4 * np.linspace(-1, 1, length) ** 2) for length in ink.shape)
    score = np.bincount(labels.ravel(), (ink * y[:, None] * x).ravel(), n + 1)
    score[touching] *= 0.3
    score[0] = 0
    main = score.argmax()
    cut = touching & ~touching[main]
    kept = ~cut[labels] & (labels > 0)
    small = reduced(kept, 250) > 0
    reach = size[main] * small.shape[0] / ink.shape[0]
    window = (1 + 2 * round(0.2 * reach), 1 + 2 * round(0.1 * reach))
    groups, _ = ndimage.label(ndimage.maximum_filter(small, window), AROUND)
    of_pixel = enlarged(groups, 250, ink.shape)
    group = of_pixel[labels == main][0]
    in_group = np.unique(labels[kept & (of_pixel == group)])
    here = [boxes[i - 1] for i in in_group]
    top, bottom = min(y.start for y, _ in here), max(y.stop for y, _ in here)
    left, right = min(x.start for _, x in here), max(x.stop for _, x in here)
    area = np.bincount(labels.ravel(), minlength=n + 1)
    chosen = np.isin(labels, in_group)
    for part in np.setdiff1d(np.unique(labels[kept]), in_group):
        y, x = boxes[part - 1]
        height, reach = bottom - top, max(bottom - top, right - left) / 3
        below, beside = max(y.start - bottom, top - y.stop), max(x.start - right, left - x.stop)
        alike = 0.6 < (y.stop - y.start) / height < 1.7 and area[part] > 0.4 * area[in_group].sum()
        if max(below, beside) < reach and (below > -0.2 * height or not alike):
            chosen |= labels == part
            top, bottom = min(top, y.start), max(bottom, y.stop)
            left, right = min(left, x.start), max(right, x.stop)
        elif alike:
            raise ValueError(
                "there are several digits in this picture; use read_page to read them all"
            )
    others = (labels > 0) & ~chosen
    near = ndimage.binary_dilation(chosen, AROUND, iterations=2)
    return np.where(near & ~others, ink, 0)


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
    free = np.array(ink.shape) - digit.shape
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
    goal = WIDTH if width < WIDTHS[0] else 4.0
    grow = (goal - width) / 2 / (1 - width / BOX)  # pixels on each side; the box grows, too
    zoom = 1 - 2 * grow / BOX
    middle = len(frame) / 2 - 0.5
    smaller = ndimage.affine_transform(frame, np.eye(2) / zoom, middle * (1 - 1 / zoom), order=1)
    mask = smaller > 0.25 if grow > 0 else smaller > 0.5
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
    shear = np.array([[1, 0], [np.clip(slant, -0.7, 0.7), 1]])
    middle = np.array([y, x]) + len(frame) / 2 - 0.5
    return ndimage.affine_transform(frame, shear, middle - shear @ middle, order=1)


def centred(frame: np.ndarray) -> np.ndarray:
    """Move the centre of mass to where MNIST's lies."""
    return geometry.centred(frame, fine=FINE)


def small(frame: np.ndarray) -> np.ndarray:
    """Average to 28 x 28 pixels; uint8."""
    mean = frame.reshape(SIZE, FINE, SIZE, FINE).mean(axis=(1, 3)).clip(0, 1)
    return rounded(mean * 255)
