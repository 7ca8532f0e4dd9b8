"""Small files of every kind, damaged at random: each is read, or refused in one sentence."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import struct
import sys
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

import digitlab
from digitlab.data import Split
from digitlab.formats import CONTAINERS, DamagedFileError
from digitlab.idx import read_idx
from digitlab.measured import results
from digitlab.reading.predict import predict
from digitlab.reading.steps import digitize
from digitlab.recipes import RECIPES, build_model
from digitlab.runs import Run, load_run, train
from studies.apart import memory, watched

ROOT = Path(__file__).parents[1]
OWN = (ValueError, DamagedFileError, FloatingPointError, FileNotFoundError, OSError)
NUMBERS = (0, 1, 2, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
RECIPE = RECIPES["plain-mlp"].replace(name="small", hidden=(4,), epochs=2, least_steps=1)


# --- What is damaged ----------------------------------------------------------------------------


def flip(data: bytearray, random: random.Random) -> None:
    """Change some bits, anywhere."""
    for _ in range(random.choice((1, 1, 2, 8, 40))):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def overwrite(data: bytearray, random: random.Random) -> None:
    """Put other bytes in the place of a few."""
    at, n = random.randrange(len(data)), random.randint(1, 16)
    data[at : at + n] = random.randbytes(n)


def cut(data: bytearray, random: random.Random) -> None:
    """Leave the end out."""
    del data[random.randrange(len(data)) :]


def remove(data: bytearray, random: random.Random) -> None:
    """Leave a part out."""
    at = random.randrange(len(data))
    del data[at : at + random.randint(1, 64)]


def insert(data: bytearray, random: random.Random) -> None:
    """Put bytes in between, random ones or some that are there already."""
    at, from_ = random.randrange(len(data)), random.randrange(len(data))
    n = random.randint(1, 64)
    data[at:at] = random.choice((random.randbytes(n), data[from_ : from_ + n]))


def swap(data: bytearray, random: random.Random) -> None:
    """Exchange two parts."""
    a, b, c = sorted(random.randrange(len(data)) for _ in range(3))
    data[a:c] = data[b:c] + data[a:b]


def field(data: bytearray, random: random.Random) -> None:
    """Put a number that stands at an edge where the head keeps sizes and kinds."""
    number, form = random.choice(NUMBERS), random.choice(("<B", "<H", ">H", "<I", ">I"))
    n = struct.calcsize(form)
    at = random.randrange(min(len(data), 128))
    data[at : at + n] = struct.pack(form, number & (256**n - 1))


DAMAGES = (flip, overwrite, cut, remove, insert, swap, field, field)


def damaged(content: bytes, seed: str) -> bytes:
    """Return the bytes with one to three damages, the same ones for the same seed."""
    data, chance = bytearray(content), random.Random(seed)
    for _ in range(chance.choice((1, 1, 2, 3))):
        if data:
            chance.choice(DAMAGES)(data, chance)
    return bytes(data)


# --- Whole files --------------------------------------------------------------------------------


@cache
def pictures() -> dict[str, bytes]:
    """Return a drawn seven in all modes and formats that Pillow writes."""
    grey = Image.new("L", (40, 40), 255)
    ImageDraw.Draw(grey).line([(10, 8), (30, 8), (17, 33)], fill=0, width=5)
    exif = Image.Exif()
    exif[0x0112] = 6
    usual: dict[str, Any] = {"exif": exif}
    more: list[tuple[str, dict[str, Any]]] = [
        *[("TIFF", {"compression": c}) for c in ("tiff_lzw", "packbits", "tiff_deflate", "jpeg")],
        *[("TIFF", {"compression": c}) for c in ("group3", "group4", "tiff_ccitt")],
        *(("JPEG", {"progressive": True}), ("WEBP", {"lossless": True}), ("TGA", {"rle": True})),
        *((form, usual) for form in ("PNG", "JPEG", "TIFF", "WEBP", "AVIF")),
    ]
    forms: list[tuple[str, dict[str, Any]]] = [
        (form, {}) for form in ("PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP", "PPM", "PCX")
    ]
    forms += [(form, {}) for form in ("TGA", "SGI", "DDS", "ICO", "JPEG2000", "AVIF", "DIB")]
    forms += [(form, {}) for form in ("MSP", "ICNS", "SPIDER", "XBM", "QOI")]
    found = {}
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"):
        picture = grey.convert(mode)
        for number, (form, options) in enumerate([*forms, *more]):
            file = io.BytesIO()
            try:
                picture.save(file, form, **options)
            except (OSError, ValueError, KeyError):  # there is no such mode in this format
                continue
            found[f"{form} {mode} {number}"] = file.getvalue()
    return found


@cache
def arrays() -> dict[str, bytes]:
    """Return small files in the IDX format, and archives and pickles of digits."""
    images, labels = np.arange(784 * 3, dtype=np.uint8).reshape(3, 28, 28), np.arange(3)
    found = {
        "images": struct.pack(">4B3I", 0, 0, 8, 3, 3, 28, 28) + images.tobytes(),
        "labels": struct.pack(">4BI", 0, 0, 8, 1, 3) + bytes(3),
        "writers": struct.pack(">4B2I", 0, 0, 12, 2, 3, 8) + bytes(96),
    }
    return (
        found
        | {f"{name}.gz": gzip.compress(content) for name, content in found.items()}
        | (_containers(images, labels))
    )


def _containers(images: np.ndarray, labels: np.ndarray) -> dict[str, bytes]:
    import pickle

    archive, tensors = io.BytesIO(), io.BytesIO()
    np.savez(archive, x_train=images, y_train=labels, x_test=images, y_test=labels)
    torch.save((torch.from_numpy(images), torch.from_numpy(labels)), tensors)
    rows = images.reshape(3, -1) / np.float32(256), labels
    old = pickle.dumps((rows, rows, rows), protocol=2)
    lines = "\n".join(",".join(map(str, [7, *image.ravel()])) for image in images)
    return {
        "mnist.npz": archive.getvalue(),
        "mnist.pkl.gz": gzip.compress(old),
        "mnist.pkl": old,
        "training.pt": tensors.getvalue(),
        "mnist_train.csv": lines.encode(),
    }


@cache
def digits() -> digitlab.data.Digits:
    """Return a few drawn digits to train on."""
    images = (torch.arange(40 * 784) * 37 % 251).byte().reshape(40, 28, 28)
    split = Split(images, torch.arange(40) % 10)
    return digitlab.data.Digits("mnist", split, split[:20], split[20:], "made", "none")


@cache
def runs() -> dict[str, bytes]:
    """Return files of runs, whole and small, with an optimizer of each kind."""
    recipes = {
        "adam": RECIPE,
        "sgd": RECIPE.replace(optimizer="SGD", lr=0.01, momentum=0.9, average=0.5),
    }
    with TemporaryDirectory() as folder:
        path, found = Path(folder) / "run.pt", {}
        for name, recipe in recipes.items():
            run = train(recipe, digits(), device="cpu")
            for small in (False, True):
                found[f"{name}{' small' * small}"] = run.save(path, small=small).read_bytes()
    return found


@cache
def rows() -> dict[str, bytes]:
    """Return a file of results, and the card of a trained model."""
    run = Run(RECIPE, build_model(RECIPE, seed=0), digitlab.History(), "mnist", {"train": 5}, 0, 2)
    row = run.summary() | {"test_accuracy": 0.5}
    card = row | {"sha256": "0" * 64, "versions": {"torch": "2"}}
    return {
        "rows": b"".join(json.dumps(row | {"seed": i}).encode() + b"\n" for i in range(3)),
        "card": json.dumps(card, indent=1).encode(),
    }


# --- How each is read ---------------------------------------------------------------------------


@cache
def _model() -> torch.nn.Module:
    return build_model("plain-mlp", seed=0).eval()


def read_picture(path: Path) -> None:
    """Read a digit."""
    predict(_model(), path)


def read_array(path: Path) -> None:
    """Read an IDX file, or a container by its name."""
    for container in CONTAINERS:
        if path.name in (*container.train, *container.test):
            container.read(path, "train")
            return
    read_idx(path)


def read_run(path: Path) -> None:
    """Load a run, show it, read a digit, and go on with it."""
    run = load_run(path)
    assert repr(run)
    assert run._repr_html_()
    digitlab.compare(run)
    predict(run.model, digits().test)
    if run.state:
        train(resume=path, digits=digits(), device="cpu")


def read_rows(path: Path) -> None:
    """Read results; a line that is none is left out with a warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "line .* is no result of a training", UserWarning)
        results(path.parent)


# --- Runs with a right checksum -----------------------------------------------------------------


def repacked(content: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Return a file of torch.save whose pickle is another one, with a checksum that fits."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(packed, "w") as new:
        for part in archive.infolist():
            data = archive.read(part)
            new.writestr(part, change(data) if part.filename.endswith("data.pkl") else data)
    return packed.getvalue()


OTHERS: tuple[Any, ...] = (None, True, -1, 0, 10**30, 0.5, float("nan"), float("inf"), "", "text")
OTHERS += (b"bytes", (), [], [1], {}, {"a": 1}, torch.zeros(0), torch.zeros(3, 3), 1j, (2**28,))


def other_value(content: bytes, seed: str) -> bytes:
    """Return the file of a run in which one value is another one, or lacking."""
    chance, record = random.Random(seed), torch.load(io.BytesIO(content), weights_only=True)
    inside, place = chance.choice(list(leaves(record)))
    if isinstance(inside, dict) and chance.random() < 0.1:
        del inside[place]
    else:
        inside[place] = chance.choice(OTHERS)
    packed = io.BytesIO()
    torch.save(record, packed)
    return packed.getvalue()


def leaves(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each place in a record, however deep: what it lies in, and its name or number."""
    places = value.items() if isinstance(value, dict) else enumerate(value)
    for place, item in list(places):
        yield value, place
        if isinstance(item, dict | list):
            yield from leaves(item)


# --- Counting -----------------------------------------------------------------------------------

Damage = Callable[[bytes, str], bytes]
KINDS: dict[str, tuple[Callable[[], dict[str, bytes]], Damage, Callable[[Path], None]]] = {
    "pictures": (pictures, damaged, read_picture),
    "arrays": (arrays, damaged, read_array),
    "runs": (runs, damaged, read_run),
    "runs with a right checksum": (
        runs,
        lambda content, seed: repacked(content, lambda part: damaged(part, seed)),
        read_run,
    ),
    "runs with another value": (runs, other_value, read_run),
    "results": (rows, damaged, read_rows),
}


def outcome(read: Callable[[Path], object], path: Path) -> str:
    """Say what comes of reading a file: an answer, a refusal in one sentence, or what else."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            read(path)
            found = "answered"
        except Exception as error:
            found = refusal(error)
    return f"warning: {said[0].category.__name__}" if said else found


def refusal(error: Exception) -> str:
    """Say whether an error is the library's own, told by itself in one sentence."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    name, text = type(error).__name__, str(error)
    ours = any(Path(frame.filename).is_relative_to(ROOT / room) for room in ("digitlab", "studies"))
    told_by_us = ours and str(frame.line).startswith("raise ")
    if type(error) not in OWN or not told_by_us:
        return f"foreign: {name} in {os.path.basename(frame.filename)}:{frame.name}"
    return "refused" if "\n" not in text and 10 < len(text) < 600 else f"long: {name}"


def read_some(kind: str, first: int, last: int) -> Counter[str]:
    """Damage and read the files of a kind from a number to another; count what came of them."""
    whole, damage, read = KINDS[kind]
    names = sorted(whole())

    def at(number: int, change: Damage) -> str:
        name = names[number % len(names)]
        with TemporaryDirectory(dir=memory()) as folder:
            path = Path(folder) / (name if kind == "arrays" else "file.jsonl")
            path.write_bytes(change(whole()[name], f"{kind} {number}"))
            return outcome(read, path)

    def one(number: int) -> str:
        return at(number, damage)

    at(0, lambda content, seed: content)  # whatever is made or imported once, is now

    counts = Counter[str]()
    for number, found in watched(one, range(first, last)):
        counts[found] += 1
        if found not in ("answered", "refused"):
            print(f"{kind} {number}: {found}", file=sys.stderr)
    return counts


# --- Arrays of any type and shape ---------------------------------------------------------------


def read_arrays(n: int, seed: int) -> Counter[str]:
    """Give so many arrays to `predict` and `digitize`; count what comes of them."""
    import hypothesis
    from hypothesis import strategies
    from hypothesis.extra import numpy as of_numpy

    sides = strategies.sampled_from((0, 1, 2, 27, 28, 28, 28, 29))
    shapes = strategies.lists(sides, max_size=5).map(tuple)
    kinds = of_numpy.scalar_dtypes() | of_numpy.array_dtypes() | strategies.just(np.dtype(object))
    usual = strategies.sampled_from(((28, 28), (1, 28, 28), (2, 28, 28), (2, 1, 28, 28)))
    shares = strategies.floats(0, 1, width=32)
    arrays = (
        of_numpy.arrays(kinds, shapes | usual)
        | of_numpy.arrays(np.float32, usual, elements=shares)
        | of_numpy.arrays(np.uint8, usual)
    )
    counts = Counter[str]()

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=n,
        deadline=None,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(arrays)
    def give(array: np.ndarray) -> None:
        counts[outcome(lambda _: predict(_model(), array), Path())] += 1
        counts[outcome(lambda _: digitize(array), Path())] += 1  # type: ignore[arg-type]
        with suppress(TypeError, ValueError):  # torch has fewer types
            tensor = torch.from_numpy(array.copy())
            counts[outcome(lambda _: predict(_model(), tensor), Path())] += 1

    give()
    return counts
