"""How well digits are read from pads, scans and photos: many kinds of pictures, step by step."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage
from torch import nn

from digitlab.data import Split, load
from digitlab.measured import pretrained
from digitlab.reading.paper import as_jpeg, draw_strokes, pen_strokes, photograph, strokes_at
from digitlab.reading.predict import predict
from digitlab.reading.steps import STEPS, digitize

Kind = Callable[[np.ndarray, np.random.Generator], Image.Image]

# --- Kinds of pictures: uint8 (28, 28) and a source of chance -> a picture ---------------------


def _finer(pixels: np.ndarray, side: int) -> np.ndarray:
    """Enlarge MNIST's own strokes with smooth edges; float (side, side) in [0, 1]."""
    scale = side / len(pixels)
    large = ndimage.zoom(pixels.astype(float) / 255, scale, order=1, grid_mode=True, mode="nearest")
    soft = ndimage.gaussian_filter(large, 0.25 * scale)
    return ((soft - 0.5) * scale + 0.5).clip(0, 1)


def pen(  # noqa: PLR0913 - named settings
    pixels: np.ndarray,
    rng: np.random.Generator,
    *,
    side: int,
    height: float,
    width: float,
    smooth: bool = True,
    turn: float = 0.0,
) -> np.ndarray:
    """Write the digit somewhere in a square; uint8 (side, side), ink bright."""
    angle = np.deg2rad(turn)
    around = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    tall = height * side
    free = max(0.0, (side - tall) / 2 - width)
    place = side / 2 + rng.uniform(-0.8, 0.8, 2) * free
    strokes = (pen_strokes(pixels) - 14) @ around * tall / 20 + place
    return np.asarray(draw_strokes(strokes, (side, side), width, smooth=smooth))


def _either(values: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """Return dark ink on light, or light on dark."""
    return Image.fromarray(values if rng.random() < 0.5 else 255 - values)


def mnist(pixels: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """Leave the 28 x 28 pixels as they are."""
    return Image.fromarray(pixels)


def inverted(pixels: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """Write black on white, 28 x 28."""
    return Image.fromarray(255 - pixels).convert("RGB")


def crop(pixels: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """Cut so tightly that the digit touches all four sides."""
    side = int(rng.choice([28, 56, 112, 280]))
    large = (255 * _finer(pixels, side)).astype(np.uint8)
    (tight,) = ndimage.find_objects((large > 60).astype(int))
    return _either(large[tight], rng)


def tiny(pixels: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """Reduce to 16 x 16 or 20 x 20, hardly any margin."""
    side = int(rng.choice([16, 20]))
    digit = Image.fromarray(pixels).crop((3, 3, 25, 25)).resize((side, side), Image.Resampling.BOX)
    return _either(np.asarray(digit), rng)


def shifted(pixels: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """Shrink the digit and put it somewhere in a larger picture."""
    side = int(rng.integers(28, 65))
    canvas = np.zeros((4 * 28, 4 * 28), np.uint8)
    large = (255 * _finer(pixels, side)).astype(np.uint8)
    y, x = rng.integers(0, 4 * 28 - side, 2)
    canvas[y : y + side, x : x + side] = large
    return _either(canvas, rng)


def binary(pixels: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """Scan in black and white, 128 x 128, as NIST did."""
    return _either(np.where(_finer(pixels, 128) > 0.5, 255, 0).astype(np.uint8), rng).convert("1")


def thick(pixels: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """Draw with a thick brush in a paint program."""
    smooth = rng.random() < 0.5
    width = 280 * rng.uniform(0.06, 0.1)
    height = rng.uniform(0.5, 0.75)
    return _either(pen(pixels, rng, side=280, height=height, width=width, smooth=smooth), rng)


def hairline(pixels: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """Draw with the finest pen of a paint program."""
    side, width = int(rng.integers(200, 600)), rng.uniform(1, 3)
    height, smooth = rng.uniform(0.3, 0.85), rng.random() < 0.7
    return _either(pen(pixels, rng, side=side, height=height, width=width, smooth=smooth), rng)


def tilted(pixels: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """Write with a slope of up to 20 degrees to either side."""
    turn, width = rng.uniform(-20, 20), rng.uniform(5, 14)
    return _either(pen(pixels, rng, side=200, height=0.6, width=width, turn=turn), rng)


def skipped(pixels: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """Write with a pen that leaves gaps."""
    side, width = 240, rng.uniform(3, 10)
    written = pen(pixels, rng, side=side, height=0.6, width=width).copy()
    for y, x in rng.permutation(np.argwhere(written > 0))[:3]:
        reach = int(width * 0.5 + 4)
        written[max(0, y - reach) : y + reach, max(0, x - reach) : x + reach] = 0
    return _either(written, rng)


def transparent(pixels: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """Export a drawing with transparent paper, in several formats."""
    side = int(rng.integers(100, 500))
    width = side * rng.uniform(0.01, 0.07)
    alpha = pen(pixels, rng, side=side, height=rng.uniform(0.4, 0.85), width=width)
    inks = [(0, 0, 0), (255, 255, 255), (20, 60, 200), (200, 30, 30), (250, 220, 40), (30, 140, 60)]
    ink = inks[rng.integers(len(inks))]
    picture = Image.new("RGBA", (side, side), (*ink, 0))
    picture.putalpha(Image.fromarray(alpha))
    form = rng.integers(3)
    if form == 1:
        return picture.quantize(16)
    return picture.convert("LA") if form == 2 else picture


def coloured(pixels: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """Draw in one bright colour on another."""
    pairs = [
        ((255, 255, 255), (255, 225, 0)),
        ((0, 90, 200), (255, 255, 255)),
        ((220, 40, 40), (60, 120, 60)),
        ((255, 240, 200), (230, 60, 60)),
        ((20, 20, 20), (255, 80, 160)),
        ((40, 150, 60), (250, 240, 60)),
    ]
    paper, ink = (np.array(colour) for colour in pairs[rng.integers(len(pairs))])
    cover = pen(pixels, rng, side=256, height=0.6, width=rng.uniform(4, 16))[..., None] / 255
    picture = Image.fromarray((paper * (1 - cover) + ink * cover).astype(np.uint8))
    return as_jpeg(picture, 80)


def scan(pixels: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """Scan a grey sheet with dust, sometimes with the black edge of the lid."""
    width, height = 500, 600
    tall = rng.uniform(60, 350)
    place = np.array([width / 2 + rng.uniform(-60, 60), height / 2 + rng.uniform(-80, 80)])
    strokes = strokes_at(pixels, tall, place)
    ink = np.asarray(draw_strokes(strokes, (width, height), max(2, tall * rng.uniform(0.02, 0.12))))
    grey = rng.uniform(190, 250) * (1 - ink / 255 * rng.uniform(0.5, 0.9))
    for y, x in rng.integers(5, 495, (12, 2)):
        grey[y : y + 2, x : x + 2] *= 0.5
    if rng.random() < 0.5:
        grey[:, : rng.integers(4, 30)] = 20
    if rng.random() < 0.3:
        grey[-rng.integers(4, 30) :] = 20
    grey = ndimage.gaussian_filter(grey, 0.6) + rng.normal(0, 4, grey.shape)
    return as_jpeg(Image.fromarray(grey.clip(0, 255).astype(np.uint8)), int(rng.integers(60, 95)))


def neighbours(pixels: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """Cut one digit out of a row, with parts of those beside it."""
    side, width = 200, rng.uniform(4, 10)
    here = strokes_at(pixels, 120, side / 2)
    there = strokes_at(np.roll(pixels[::-1], 2, axis=1), 120, side / 2)
    ways = np.array([[-1, 0], [1, 0], [0, -1], [0, 1]])[rng.random(4) < 0.6]
    lines = [here, *(there + way * rng.uniform(132, 150) for way in ways)]
    return _either(np.asarray(draw_strokes(np.concatenate(lines), (side, side), width)), rng)


def _photo(
    papers: Sequence[str], pens: Sequence[str], height: tuple[float, float], **fixed: Any
) -> Kind:
    """Return a kind of photo of paper."""

    def take(pixels: np.ndarray, rng: np.random.Generator) -> Image.Image:
        sizes = [(480, 360), (640, 480), (480, 640), (800, 600), (600, 800)]
        options: dict[str, Any] = {
            "paper": str(rng.choice(papers)),
            "pen": str(rng.choice(pens)),
            "size": sizes[rng.integers(len(sizes))],
            "height": rng.uniform(*height),
            "thickness": rng.uniform(0.025, 0.12),
            "centre": tuple(rng.uniform(0.4, 0.6, 2)),
            "tilt": rng.uniform(-8, 8),
            "perspective": rng.uniform(0, 0.15),
            "shadow": rng.uniform(0, 0.5),
            "blur": rng.uniform(0.4, 1.4),
            "noise": rng.uniform(1, 6),
            "quality": int(rng.integers(60, 95)),
            "seed": int(rng.integers(2**31)),
        }
        return photograph(pixels, **(options | fixed))

    return take


def cut_out(pixels: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """Cut the digit out of a photo, with some margin, and make it small."""
    tall, width, height = 0.5, 640, 480
    take = {"size": (width, height), "centre": (0.5, 0.5), "tilt": 0.0, "perspective": 0.0}
    photo = _photo(["blank", "ruled", "squared"], INKS, (tall, tall), **take)
    half = tall * height * rng.uniform(0.55, 0.9)
    box = (width / 2 - half, height / 2 - half, width / 2 + half, height / 2 + half)
    cut = photo(pixels, rng).crop(box)
    side = int(rng.choice([28, 40, 64, 100, 150]))
    return as_jpeg(cut.resize((side, side), Image.Resampling.BICUBIC), 85)


def on_desk(pixels: np.ndarray, rng: np.random.Generator) -> Image.Image:
    """Take a photo of a small sheet that lies on a desk."""
    photo = _photo(["blank", "ruled"], INKS, (0.3, 0.7), tilt=0.0)(pixels, rng).convert("RGB")
    width, height = photo.size
    desk = rng.uniform(20, 150, 3) + rng.normal(0, 6, (height, width, 1))
    table = Image.fromarray(desk.clip(0, 255).astype(np.uint8))
    sheet = photo.resize((int(0.8 * width), int(0.85 * height)))
    turned = sheet.convert("RGBA").rotate(
        rng.uniform(-8, 8), expand=True, resample=Image.Resampling.BICUBIC
    )
    corner = (width - turned.width) // 2, (height - turned.height) // 2
    table.paste(turned, corner, turned)
    return as_jpeg(table, 85)


INKS = ("black", "blue", "red", "green")
KINDS: dict[str, Kind] = {
    "MNIST": mnist,
    "inverted": inverted,
    "tight crop": crop,
    "16 or 20 pixels": tiny,
    "shifted, shrunk": shifted,
    "black and white": binary,
    "thick brush": thick,
    "hairline": hairline,
    "tilted": tilted,
    "pen that skips": skipped,
    "transparent": transparent,
    "coloured": coloured,
    "scan": scan,
    "cut neighbours": neighbours,
    "photo, blank": _photo(["blank"], INKS, (0.2, 0.7)),
    "photo, ruled": _photo(["ruled"], INKS, (0.2, 0.6)),
    "photo, squared": _photo(["squared"], INKS, (0.2, 0.6)),
    "photo, pencil": _photo(["blank", "ruled", "squared"], ["pencil"], (0.25, 0.6)),
    "photo, far": _photo(
        ["blank", "squared"], ["blue", "black"], (0.07, 0.15), size=(1200, 900), blur=0.7
    ),
    "photo, cut out": cut_out,
    "photo, on a desk": on_desk,
    "photo, board": _photo(["board"], INKS, (0.2, 0.6)),
    "photo, blackboard": _photo(["blackboard"], ["chalk"], (0.3, 0.7)),
}
ASIDE: dict[str, Kind] = {  # looked at only when everything was decided
    "photo, crumpled": _photo(
        ["blank", "ruled", "squared"], ["red", "green"], (0.2, 0.6), crumple=1.0, perspective=0.25
    )
}


# --- Ways to read them ------------------------------------------------------------------------

LEFT_OUT = [name for name, step in STEPS.items() if step.optional and step.usual]  # one at a time


def usual_way(picture: Image.Image) -> np.ndarray:
    """Do what most tutorials do: grey, 28 x 28, and the other way round where it is light."""
    small = np.asarray(picture.convert("L").resize((28, 28)))
    return 255 - small if small.mean() > 127 else small


def cleaned(picture: Image.Image, skip: Sequence[str] = ()) -> np.ndarray | None:
    """Return digitized pixels; None where no digit was found, which counts as a mistake."""
    try:
        return digitize(picture, skip=skip).pixels
    except ValueError:
        return None


def accuracy(model: nn.Module, pixels: Sequence[np.ndarray | None], labels: Sequence[int]) -> float:
    """Return the share of digits read as their label; None is a mistake."""
    found = [(p, label) for p, label in zip(pixels, labels, strict=True) if p is not None]
    read = predict(model, [p for p, _ in found])
    assert isinstance(read, list)
    right = [r.digit == label for r, (_, label) in zip(read, found, strict=True)]
    return sum(right) / len(pixels)


def pictures(split: Split, kind: str) -> list[Image.Image]:
    """Draw each digit of a split as this kind of picture."""
    make = (KINDS | ASIDE)[kind]
    rng = np.random.default_rng([0, *kind.encode()])
    return [make(image.numpy(), rng) for image in split.images]


def labelled_folder(folder: str | Path) -> tuple[list[Path], list[int]]:
    """Return the pictures and labels that manifest.csv (columns file, label) names."""
    manifest = Path(folder) / "manifest.csv"
    if not manifest.is_file():
        raise ValueError(f"there is no {manifest.name} in this folder; it has columns file, label")
    with manifest.open(newline="", encoding="utf-8-sig") as file:  # as Excel writes it, too
        rows = [(row.get("file") or "", row.get("label") or "") for row in csv.DictReader(file)]
    paths, labels = [manifest.parent / name for name, _ in rows], [label for _, label in rows]
    if not rows or not all(p.is_file() and n.isdigit() for p, n in zip(paths, labels, strict=True)):
        raise ValueError(f"each line of {manifest.name} must give a file beside it and its label")
    return paths, [int(label) for label in labels]


def bench_reading(  # noqa: PLR0913 - named settings
    folder: str | Path | None = None,
    *,
    model: nn.Module | None = None,
    split: Split | None = None,
    kinds: Sequence[str] = (*KINDS, *ASIDE),
    n: int = 100,
    n_skipped: int = 40,
) -> dict[str, Any]:
    """Measure how many digits are read right, of each kind of picture and with each step left out.

    Args:
        folder: of labelled pictures, with a manifest.csv; measured like another kind.
        model: None for `pretrained()`.
        split: where the digits come from; None for those of `load().test`.
        kinds: names from `KINDS` and `ASIDE`.
        n: digits for each kind.
        n_skipped: digits for each kind where a step is left out.

    Raises:
        ValueError: for a folder without manifest.csv.
    """
    labelled = labelled_folder(folder) if folder else None  # before the long work
    model = model or pretrained()
    digits = (split if split is not None else load().test).sample(n, seed=0)
    shares = {
        kind: _shares(model, pictures(digits, kind), digits.labels.tolist(), n_skipped)
        for kind in kinds
    }
    facts: dict[str, Any] = {"bench": "reading", "n": n, "n_skipped": n_skipped, "kinds": shares}
    if labelled:
        paths, labels = labelled
        opened = [Image.open(path) for path in paths]
        facts["folder"] = _shares(model, opened, labels, len(paths)) | {"n": len(paths)}
    return facts


def _shares(
    model: nn.Module, drawn: Sequence[Image.Image], labels: Sequence[int], n_skipped: int
) -> dict[str, float]:
    """Return the accuracy of each way of reading these pictures."""
    few, truth = drawn[:n_skipped], labels[:n_skipped]
    shares = {
        "usual": accuracy(model, [usual_way(p) for p in drawn], labels),
        "digitize": accuracy(model, [cleaned(p) for p in drawn], labels),
    } | {
        f"without {step}": accuracy(model, [cleaned(p, [step]) for p in few], truth)
        for step in LEFT_OUT
    }
    return {way: round(share, 4) for way, share in shares.items()}
