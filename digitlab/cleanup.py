"""The steps of the clean-up: pure functions from picture to picture.

Colours come as uint8 (H, W, 3) and grey levels as uint8 (H, W); ink is float (H, W) in [0, 1].
"""

from __future__ import annotations

import os
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy import ndimage

from digitlab.data import MIDDLE, SIZE

SIDE = 1000  # pixels; larger pictures are reduced to this before anything else
MAX_PIXELS = 60_000_000  # once unpacked; a JPEG is reduced before
WINDOWS = (0.04, 0.08, 0.16)  # of the picture's longer side
FINE = 4  # the last steps work on a frame this much finer than 28 x 28
BOX = 20  # pixels; the longer side of a digit of MNIST
WIDTHS = (1.6, 5.4)  # pixels; the strokes of 98 % of MNIST's digits lie between
WIDTH = 2.7  # pixels; the median of MNIST
AROUND = np.ones((3, 3))  # a pixel and its eight neighbours
NO_INK = "there is no ink in this picture; draw a digit that fills half of it"

# --- Files and colours ------------------------------------------------------------------------


def open_picture(image: Image.Image | str | os.PathLike[str]) -> Image.Image:
    """Read a file, reduced while decoding where that is possible; an image stays as it is."""
    if isinstance(image, Image.Image):
        _check_size(image, "this picture")
        return image
    name = os.path.basename(os.fspath(image))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # we look ourselves
            picture = Image.open(image)
        with picture:
            picture.info["full_size"] = picture.size
            picture.draft(None, (SIDE, SIDE))  # JPEG only: decodes an eighth, a quarter or a half
            _check_size(picture, repr(name))
            picture.load()
            return picture
    except FileNotFoundError:
        raise ValueError(f"there is no file {name!r} here; check the name") from None
    except UnidentifiedImageError:
        raise ValueError(f"{name!r} is no picture that Pillow can read; use PNG or JPEG") from None
    except Image.DecompressionBombError:
        raise ValueError(f"{name!r} is too large to read; make it smaller first") from None
    except (OSError, SyntaxError) as error:
        raise ValueError(f"{name!r} cannot be read whole ({error}); save it again") from None


def _check_size(picture: Image.Image, name: str) -> None:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise ValueError(f"{name} is too large to read ({width} x {height}); make it smaller first")


def upright(picture: Image.Image) -> Image.Image:
    """Reduce a large picture, turn it as its EXIF data say, and bring it to 8 bits."""
    factor = max(picture.size) // SIDE
    if picture.mode.startswith(("I", "F")):
        picture = _eight_bits(picture)
    if factor > 1 and picture.mode not in ("1", "P"):
        exif = picture.getexif()
        picture = picture.reduce(factor)
        picture.info["exif"] = exif.tobytes()
    picture = ImageOps.exif_transpose(picture).convert("RGBA")
    if max(picture.size) > SIDE:
        picture.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    return picture


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Bring larger numbers down to 8 bits; Pillow would cut off what lies above 255."""
    values = np.asarray(picture, np.float32)
    high = values.max()
    white = next((white for white in (1, 255, 65_535) if high <= white), high)
    return Image.fromarray((values.clip(0) * (255 / white)).astype(np.uint8))


def on_paper(picture: Image.Image) -> np.ndarray:
    """Lay a transparent picture on paper on which its ink can be seen; uint8 (H, W, 3)."""
    values = np.asarray(picture)
    alpha = values[..., 3]
    if alpha.min() == 255:
        return values[..., :3]
    solid = values[alpha > 127][:, :3]
    if not len(solid):
        raise ValueError(NO_INK)
    low, middle, high = np.percentile(solid.mean(axis=1), [5, 50, 95])
    both = high - low > 90  # ink and paper are there, so what is transparent lies around
    paper = np.median(solid, axis=0) if both else np.full(3, 255 if middle < 128 else 0)
    share = alpha[..., None] / 255
    return rounded(values[..., :3] * share + paper * (1 - share))


def grey(values: np.ndarray) -> np.ndarray:
    """Mix the three colours so that ink and paper differ most; uint8 (H, W, 3) -> (H, W)."""
    sample = values[:: 1 + len(values) // 200, :: 1 + values.shape[1] // 200].astype(np.float32)
    red, green, blue = np.moveaxis(sample, 2, 0).copy()  # one after the other is quicker
    highest, lowest = (f(f(red, green), blue) for f in (np.maximum, np.minimum))
    if (highest - lowest < 24).mean() > 0.999:
        return luminance(values)
    away = sample - ndimage.uniform_filter(sample, (*(n // 3 for n in sample.shape[:2]), 0))
    far = away.reshape(-1, 3)
    far = far[np.linalg.norm(far, axis=1) >= np.percentile(np.linalg.norm(far, axis=1), 97)]
    mix = np.linalg.svd(far.T @ far)[0][:, 0]
    mix = mix * np.sign(mix.sum() or 1) / np.abs(mix).sum()
    mixed = values.astype(np.float32) @ mix.astype(np.float32)
    return rounded(mixed - 255 * mix.clip(max=0).sum())


def rounded(values: np.ndarray) -> np.ndarray:
    """Round to whole grey levels; uint8."""
    return np.asarray(np.rint(values), np.uint8)


def luminance(values: np.ndarray) -> np.ndarray:
    """Mix the three colours as bright as they look; uint8 (H, W, 3) -> (H, W)."""
    return np.asarray(Image.fromarray(values).convert("L"))


# --- Light, paper and lines -------------------------------------------------------------------


def sheet_only(colours: np.ndarray) -> np.ndarray:
    """Paint the desk around a white sheet like the sheet; uint8 (H, W, 3) -> (H, W, 3).

    The desk lies along the frame, and the sheet is lighter and about a rectangle.
    """
    coarse = np.asarray(Image.fromarray(colours).reduce(-(-max(colours.shape) // 120)))
    white = ndimage.median_filter(coarse.min(axis=2), 3).astype(np.float32)  # colours are dark
    desk = np.percentile(border(white), 60)
    light = white > desk + 0.15 * (white.max() - desk)
    if max(colours.shape) < 200 or not light.any():
        return colours
    labels, _ = ndimage.label(light)
    largest = labels == np.bincount(labels[light]).argmax()
    sheet, squareness = _hull(largest)
    inside = ndimage.binary_erosion(sheet, iterations=2)
    paper = ndimage.grey_closing(coarse, (15, 15, 1))
    middle = ndimage.binary_erosion(sheet, iterations=6)
    ink = (white < 0.8 * paper.min(axis=2)) & middle
    like_a_sheet = sheet.mean() > 0.3 and squareness > 0.85 and light[sheet & ~middle].mean() > 0.8
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
    angle = np.deg2rad(np.arange(0, 360, 3))
    ways = np.stack([np.sin(angle), np.cos(angle)])
    reach = (np.argwhere(mask) @ ways).max(axis=0)
    hull = (np.moveaxis(np.indices(mask.shape), 0, -1) @ ways <= reach + 1e-6).all(axis=-1)
    sides = reach + np.roll(reach, 60) + 1  # from one side to the other, in each direction
    return hull, float(hull.sum() / (sides * np.roll(sides, 30)).min())


def bright_ink(grey: np.ndarray) -> np.ndarray:
    """Turn the picture so that ink is bright, whether it was dark on light or light on dark.

    Paper lies along the frame, and ink is the smaller part of its surroundings. Only a one that
    was cut out tightly makes a narrow picture: its ink reaches all four sides.
    """
    coarse = _small(grey, 250)
    if coarse.shape[0] > 2 * coarse.shape[1]:
        light = coarse > (coarse.min() + coarse.max()) / 2
        for ink, turned in ((light, grey), (~light, 255 - grey)):
            labels, _ = ndimage.label(ink)
            sides = (labels[0], labels[-1], labels[:, 0], labels[:, -1])
            reached = set.intersection(*(set(side.tolist()) for side in sides))
            if reached - {0} and border(ink).mean() < 0.85:
                return turned
    frame = border(coarse)
    light_frame = 2 * (frame.mean() - coarse.min()) / max(np.ptp(coarse), 1) - 1  # -1 to 1
    away = coarse - ndimage.uniform_filter(coarse, 1 + round(0.15 * max(coarse.shape)))
    skew = np.cbrt((away**3).mean()) / max(away.std(), 1e-3)
    return 255 - grey if 2 * light_frame > skew else grey


def even_light(ink: np.ndarray) -> np.ndarray:
    """Take away what is wider than strokes: paper, light and shadow; float in [0, 1].

    The window is twice the smallest in which the ink still has most of its contrast.
    """
    around = _small(ink, 400)
    side = max(around.shape)
    wide = 8 + round(0.35 * side)
    if side > 36:
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
    return ((ink - below) / np.maximum(255 - below, 25)).clip(0, 1)


def _paper(ink: np.ndarray, wide: int) -> np.ndarray:
    """Return the picture without the bright parts that are narrower than a window."""
    opened = ndimage.grey_opening(ink, wide, mode="nearest")
    return np.minimum(ndimage.uniform_filter(opened, max(1, wide // 4)), ink)


def _small(values: np.ndarray, side: int) -> np.ndarray:
    """Reduce a picture so that no side is longer; float."""
    factor = -(-max(values.shape) // side)
    return np.asarray(Image.fromarray(values.astype(np.float32)).reduce(factor))


def _large(values: np.ndarray, side: int, shape: tuple[int, ...]) -> np.ndarray:
    """Repeat the pixels of what `_small` reduced, back to its shape."""
    factor = -(-max(shape) // side)
    return values.repeat(factor, axis=0).repeat(factor, axis=1)[: shape[0], : shape[1]]


def _noise(ink: np.ndarray) -> tuple[float, float]:
    """Return level and spread of the paper, from the quarter that is surely no ink."""
    low, high = np.percentile(ink[:: 1 + ink.shape[0] // 400, :: 1 + ink.shape[1] // 400], [5, 25])
    if high > ink.max() / 8:  # more ink than paper
        high = low
    spread = (high - low) / 0.97  # of a normal distribution, as is the next
    return float(high + 0.674 * spread), float(spread)


def without_lines(ink: np.ndarray) -> np.ndarray:
    """Take printed lines away, where two or more of them run from side to side."""
    if max(ink.shape) < 100:
        return ink
    paper, spread = _noise(ink)
    for turn in (False, True):
        ink = ink.T if turn else ink
        ink = _without_rows(ink, paper + max(3 * spread, 0.05))
        ink = ink.T if turn else ink
    return ink


def _without_rows(ink: np.ndarray, low: float) -> np.ndarray:
    """Take lines away that run from left to right, at most 14 degrees up or down."""
    wide = 2 + max(ink.shape) // 200
    mask = ink > low
    thin = mask & ~_opened(mask, wide + 1)
    small = _small(thin, 300) > 0
    y, x = np.nonzero(small & ~np.pad(small, ((1, 0), (0, 0)))[:-1])  # one for each column
    width = small.shape[1]
    on_line = np.zeros(len(y), bool)
    n_lines = 0
    for slope in np.arange(-0.25, 0.25, 0.01):
        place = np.rint(y - slope * (x - width / 2)).astype(int) + width
        counts = np.convolve(np.bincount(place, minlength=3), [1, 1, 1], "same")
        found = counts > 0.6 * width
        if found.any():
            n_lines = max(n_lines, ndimage.label(found)[1])
            on_line |= found[place]
    if n_lines < 2:
        return ink
    lines = np.zeros(small.shape, bool)
    lines[y[on_line], x[on_line]] = True
    large = _large(ndimage.binary_dilation(lines, AROUND), 300, ink.shape)
    gone = large & ndimage.binary_dilation(thin, np.ones((3, 1)))
    gone &= ink < 1.6 * np.median(ink[large & thin])  # what is darker is a pen's
    left = np.where(gone, 0, ink)
    bridged = ndimage.grey_closing(left, (2 * wide + 1, 1))  # where a stroke crosses the line
    return np.where(gone, np.minimum(ink, bridged), ink)


def _opened(mask: np.ndarray, length: int) -> np.ndarray:
    """Keep the upright runs of at least this length."""
    kept = ndimage.minimum_filter1d(mask.astype(np.uint8), length, axis=0)
    return ndimage.maximum_filter1d(kept, length, axis=0, origin=-1 + length % 2) > 0


# --- Strokes ----------------------------------------------------------------------------------


def clean(ink: np.ndarray) -> np.ndarray:
    """Set the paper to 0 and the ink to 1, and drop specks."""
    paper, spread = _noise(ink)
    if max(ink.shape) > 100:
        ink = ndimage.gaussian_filter(ink, max(ink.shape) / 1200 if spread > 0.01 else 0.6)
        paper, spread = _noise(ink)
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
    small = _small(kept, 250) > 0
    reach = size[main] * small.shape[0] / ink.shape[0]
    window = (1 + 2 * round(0.2 * reach), 1 + 2 * round(0.1 * reach))
    groups, _ = ndimage.label(ndimage.maximum_filter(small, window), AROUND)
    of_pixel = _large(groups, 250, ink.shape)
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


# --- Geometry of MNIST ------------------------------------------------------------------------


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
    """Move the centre of mass to where MNIST's lies, by whole pixels of MNIST."""
    mass = max(frame.sum(), 1e-6)
    moved = frame
    for axis in (0, 1):
        line = frame.sum(axis=1 - axis)
        centre = line @ (np.arange(len(line)) + 0.5) / mass / FINE
        used = np.flatnonzero(line > 0.05)
        first, last = (used[0] // FINE, used[-1] // FINE) if len(used) else (0, SIZE - 1)
        move = np.clip(round(MIDDLE - centre), -first, SIZE - 1 - last)
        moved = np.roll(moved, int(move) * FINE, axis)
    return moved


def small(frame: np.ndarray) -> np.ndarray:
    """Average to 28 x 28 pixels; uint8."""
    mean = frame.reshape(SIZE, FINE, SIZE, FINE).mean(axis=(1, 3)).clip(0, 1)
    return rounded(mean * 255)
