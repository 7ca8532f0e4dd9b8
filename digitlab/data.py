"""Digits as tensors: splits, data sets found or downloaded and verified, and batches of them."""

from __future__ import annotations

import operator
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, overload

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler, SequentialSampler

from digitlab import idx, pen
from digitlab.formats import DamagedFileError
from digitlab.geometry import BOX, N_CLASSES, SIZE, center_in_frame
from digitlab.names import unknown
from digitlab.pixels import as_pixels, is_tensor, kind_of
from digitlab.tables import html_table


@dataclass(frozen=True, eq=False, repr=False)
class Split(Dataset[tuple[Tensor, int]]):
    """Hold digits and their labels in memory.

    Args:
        images: uint8 (N, 28, 28), ink bright on dark.
        labels: int64 (N,), classes 0 to 9.
        writers: int64 (N,), who wrote each digit, where it is known.

    A split is a torch `Dataset`: `split[3]` is one digit, `(image, label)`, with the image as float
    (1, 28, 28) in [0, 1] and the label as int. `split[:1000]` is a smaller split.

    Raises:
        ValueError: for tensors of another type, shape or range.
    """

    images: Tensor
    labels: Tensor
    writers: Tensor | None = None

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if not is_tensor(images, torch.uint8) or images.shape[1:] != (SIZE, SIZE):
            raise ValueError(
                f"images must be a tensor of uint8 and shape (N, 28, 28), but these are "
                f"{kind_of(images)}; pixels in [0, 1] become uint8 by (pixels * 255).round().byte()"
            )
        one_each = {"labels": labels, **({} if self.writers is None else {"writers": self.writers})}
        for name, values in one_each.items():
            if not is_tensor(values, torch.int64) or values.shape != images.shape[:1]:
                raise ValueError(
                    f"{name} must be a tensor of int64 and shape ({len(images)},), one for each "
                    f"image, but these are {kind_of(values)}"
                )
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < N_CLASSES:
            raise ValueError(
                f"labels must lie in 0 to 9, but these go from {labels.min()} to {labels.max()}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    @overload
    def __getitem__(self, index: int) -> tuple[Tensor, int]: ...
    @overload
    def __getitem__(self, index: slice) -> Split: ...
    def __getitem__(self, index: int | slice) -> tuple[Tensor, int] | Split:
        if isinstance(index, slice):
            return self.pick(index)
        i = operator.index(index)
        return as_pixels(self.images[i]), int(self.labels[i])

    def __iter__(self) -> Iterator[tuple[Tensor, int]]:
        return (self[i] for i in range(len(self)))

    def pick(self, index: slice | Tensor) -> Split:
        """Return the digits at these places: a slice, positions (M,) or a mask (N,)."""
        writers = None if self.writers is None else self.writers[index]
        return Split(self.images[index], self.labels[index], writers)

    def only(self, *digits: int) -> Split:
        """Return the digits of these classes, in the order of the split.

        Raises:
            ValueError: for a class other than 0 to 9.
        """
        for digit in digits:
            if digit not in range(N_CLASSES):
                raise ValueError(f"digits are 0 to 9, not {digit!r}")
        return self.pick(torch.isin(self.labels, torch.tensor(digits)))

    def joined(self, other: Split) -> Split:
        """Return the digits of both, first these; writers where both know them."""
        images = torch.cat([self.images, other.images])
        labels = torch.cat([self.labels, other.labels])
        if self.writers is None or other.writers is None:
            return Split(images, labels)
        return Split(images, labels, torch.cat([self.writers, other.writers]))

    def sample(self, n: int, *, seed: int = 0) -> Split:
        """Return `n` different digits, drawn at random.

        Raises:
            ValueError: for more digits than there are.
        """
        if not 0 <= n <= len(self):
            raise ValueError(f"cannot draw {n} different digits from {len(self)}")
        generator = torch.Generator().manual_seed(seed)
        return self.pick(torch.randperm(len(self), generator=generator)[:n])

    def counts(self) -> Tensor:
        """Return how many digits of each class there are: int64 (10,)."""
        return torch.bincount(self.labels, minlength=N_CLASSES)

    def __repr__(self) -> str:
        return f"Split({len(self)} digits of 28 x 28 pixels)"

    def _repr_html_(self) -> str:
        row = ["count", *self.counts().tolist()]
        return html_table([row], header=["digit", *range(N_CLASSES)], caption=repr(self))


@dataclass(frozen=True, eq=False, repr=False)
class Digits:
    """Hold one data set: three splits, and where they come from."""

    name: str
    train: Split
    valid: Split
    test: Split
    source: str
    licence: str
    notes: str = ""

    def __post_init__(self) -> None:
        for name in ("train", "valid", "test"):
            if not isinstance(split := getattr(self, name), Split):
                raise ValueError(f"{name} must be a Split, not {type(split).__name__}")

    def __repr__(self) -> str:
        sizes = f"train={len(self.train)}, valid={len(self.valid)}, test={len(self.test)}"
        return f"Digits({self.name!r}, {sizes}, source={self.source!r})"

    def _repr_html_(self) -> str:
        splits = {"train": self.train, "valid": self.valid, "test": self.test}
        rows = [[name, len(split), *split.counts().tolist()] for name, split in splits.items()]
        header = ["split", "digits", *(f"of {digit}" for digit in range(N_CLASSES))]
        return html_table(rows, header=header, caption=repr(self))


# --- Movements ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Movements:
    """Hold digits as a pen moved, not as pixels.

    Args:
        points: uint8 (N, 8, 2), evenly spaced along each movement: x to the right and y upwards,
            both from 0 to 100. Where a pen was lifted, its two strokes are joined.
        labels: int64 (N,), classes 0 to 9.

    `movements[:100]` are the first hundred.

    Raises:
        ValueError: for tensors of another type, shape or range.
    """

    points: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        points = self.points
        right = is_tensor(points, torch.uint8) and points.shape[1:] == (pen.N_POINTS, 2)
        if not right or (len(points) and int(points.max()) > pen.MOST):
            raise ValueError(
                f"points must be a tensor of uint8 and shape (N, 8, 2) with values from 0 to 100, "
                f"but these are {kind_of(points)}"
            )
        Split(torch.zeros(len(points), SIZE, SIZE, dtype=torch.uint8), self.labels)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: slice | Tensor) -> Movements:
        return Movements(self.points[index], self.labels[index])

    def draw(
        self,
        width: tuple[float, float] = (1.6, 3.4),
        aspect: tuple[float, float] | None = None,
        jitter: float = 0.0,
        seed: int = 0,
    ) -> Split:
        """Draw the movements with a round pen, as pixels in MNIST's geometry.

        Args:
            width: of the pen, from the thinnest to the boldest, in pixels of 28.
            aspect: how wide a digit is drawn in parts of its height, from the narrowest to the
                widest, since the file lost it; None for 0.35 to 0.8 of a 1, 0.55 to 1 of others.
            jitter: standard deviation by which each point is moved, in parts of the digit's size.
            seed: of what is drawn at random within these.

        Raises:
            ValueError: for a range that goes down or outside of what can be drawn.
        """
        ranges = {"width": (width, BOX), "aspect": (aspect or pen.OTHER, 4)}
        for name, ((low, high), most) in ranges.items():
            if not 0 < low <= high <= most:
                raise ValueError(f"{name} goes from low to high, between 0 and {most}")
        if not 0 <= jitter <= 1:
            raise ValueError(f"jitter is a part of the digit's size, from 0 to 1, not {jitter}")
        each = torch.tensor(aspect).expand(len(self), 2) if aspect else pen.usual(self.labels)
        images = pen.draw_movements(self.points, width=width, aspect=each, jitter=jitter, seed=seed)
        return Split(images, self.labels)

    def __repr__(self) -> str:
        return f"Movements({len(self)} digits of 8 points)"


@dataclass(frozen=True, eq=False, repr=False)
class PenDigits:
    """Hold digits as movements of a pen, by writers of whom none is on both sides."""

    train: Movements
    test: Movements
    name: str = "pendigits"
    source: str = "digitlab"
    licence: str = "CC BY 4.0 (UCI Machine Learning Repository)"
    notes: str = (
        "'Pen-Based Recognition of Handwritten Digits' (Alpaydin and Alimoglu 1998): 44 writers in "
        "Istanbul on a tablet, 30 of them in train and 14 others in test"
    )

    def __repr__(self) -> str:
        return f"PenDigits(train={len(self.train)}, test={len(self.test)})"


# --- Batches ----------------------------------------------------------------------------------


class _WholeBatches(Dataset[tuple[Tensor, Tensor]]):
    """Fetch a whole batch by one index: 64 digits cost about as much as one."""

    def __init__(self, split: Split) -> None:
        self.split = split

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, positions: list[int]) -> tuple[Tensor, Tensor]:
        index = torch.from_numpy(np.array(positions))  # five times as quick as torch.tensor
        images, labels = self.split.images, self.split.labels
        # images[index] would take ten times as long
        return as_pixels(images.index_select(0, index)), labels.index_select(0, index)


def batches(
    split: Split, batch_size: int = 64, *, seed: int | None = None
) -> DataLoader[tuple[Tensor, Tensor]]:
    """Return a DataLoader over whole batches; the last one may be short.

    Args:
        split: the digits.
        batch_size: digits in a batch.
        seed: of the loader's own generator, which shuffles anew in each epoch; None keeps the
            order.

    Yields images float (B, 1, 28, 28) in [0, 1] and labels int64 (B,).
    """
    if batch_size < 1:
        raise ValueError(f"a batch needs at least 1 digit, not {batch_size}")
    generator = torch.Generator().manual_seed(0 if seed is None else seed)
    order = SequentialSampler(split) if seed is None else RandomSampler(split, generator=generator)
    return DataLoader(
        _WholeBatches(split),
        sampler=BatchSampler(order, batch_size, drop_last=False),
        batch_size=None,  # one index is one batch already
        generator=generator,  # without it, DataLoader draws from the global one
    )


# --- Data sets ----------------------------------------------------------------------------------

OPTDIGITS_LICENCE = "CC BY 4.0 (UCI Machine Learning Repository), shipped by scikit-learn"


@overload
def load(name: Literal["pendigits"]) -> PenDigits: ...  # type: ignore[overload-overlap]
@overload
def load(
    name: str = "auto", folder: str | os.PathLike[str] | None = None, *, by: str = "digit"
) -> Digits: ...
def load(
    name: str = "auto", folder: str | os.PathLike[str] | None = None, *, by: str = "digit"
) -> Digits | PenDigits:
    """Load a data set, split into train, valid and test; the same for everybody.

    Args:
        name: "mnist", "fashion", "kmnist", "optdigits" (1 797 digits that come with scikit-learn
            and need no network), "pendigits" (the movements of `PenDigits`), or "auto": what
            `$DIGITLAB_DIGITS` names, else MNIST where it can be had, else optdigits.
        folder: where the files lie; without it `$DIGITLAB_DATA`, else `data/` of this folder or
            the nearest parent, then the user's cache, where downloads go.
        by: "digit" splits MNIST's 60 000 at random into 50 000 and 10 000, with equal shares of
            each class; "writer" keeps all digits of one writer on one side (QMNIST's label file
            must lie beside MNIST's files).

    Raises:
        ValueError: for an unknown name, a named folder without the data set, or a file that is
            damaged or is not what its name says.
        OSError: where the files are nowhere and cannot be downloaded.
    """
    if name == "pendigits":
        return _load_pendigits()
    kind = "data set"
    if name == "auto" and (chosen := os.environ.get("DIGITLAB_DIGITS")):
        name, kind = chosen, "data set in DIGITLAB_DIGITS"
    if name not in idx.NAMES:
        raise unknown(kind, name, (*idx.NAMES, "pendigits"))
    if by not in idx.SPLITS:
        raise unknown("way to split", by, idx.SPLITS)
    if name == "optdigits":
        return _load_optdigits(by, folder)
    if name != "auto":
        return _load_idx(name, idx.find(name, folder) or idx.download(name), by)
    found = idx.find("mnist", folder)
    try:
        return _load_idx("mnist", found or idx.download("mnist"), by)
    except OSError as error:
        instead = "Until then, here are the 1 797 embedded digits."
        print(f"MNIST is not at hand: {error}. {instead}", file=sys.stderr)
        return _load_optdigits(by)


def _load_idx(name: str, found: idx.Found, by: str) -> Digits:
    """Read MNIST or a set in its format, and set digits aside for validation."""
    source = idx.SOURCES[name]
    try:
        arrays = idx.read_all(name, found)
    except DamagedFileError:
        if found.kind != "cache":
            raise
        found = idx.download(name)  # replaces what is damaged
        arrays = idx.read_all(name, found)
    train = _split(arrays["train-images-idx3-ubyte"], arrays["train-labels-idx1-ubyte"])
    test = _split(arrays["t10k-images-idx3-ubyte"], arrays["t10k-labels-idx1-ubyte"])
    in_order = idx.in_order(name, found, arrays)
    if by == "writer":
        train, valid = _split_by_writer(name, found, in_order, train)
    else:
        train, valid = _set_aside(train, 10_000)
    notes = source.title
    if found.container:
        notes += f", from {found.container.title}: the published digits and labels, "
        notes += "in their order" if in_order else "in another order, so other ones are set aside"
    return Digits(name, train, valid, test, found.kind, source.licence, notes)


def _split(images: np.ndarray, labels: np.ndarray) -> Split:
    return Split(torch.from_numpy(images), torch.from_numpy(labels).long())


def _set_aside(split: Split, n: int) -> tuple[Split, Split]:
    """Part `n` digits from the others, with equal shares of each class."""
    shuffled = torch.randperm(len(split), generator=torch.Generator().manual_seed(0))
    by_class = shuffled[split.labels[shuffled].argsort(stable=True)]
    aside = torch.zeros(len(split), dtype=torch.bool)
    aside[by_class[torch.arange(n) * len(split) // n]] = True  # evenly spaced over the classes
    return split.pick(~aside), split.pick(aside)


def _split_by_writer(
    name: str, found: idx.Found, in_order: bool, train: Split
) -> tuple[Split, Split]:
    """Part a sixth of the writers, with all their digits, from the others."""
    from sklearn.model_selection import GroupShuffleSplit

    path = idx.writers_path(found) if name == "mnist" else None
    if path is None:
        raise ValueError(
            f"load(by='writer') needs MNIST and QMNIST's file {idx.WRITERS_FILE}.gz beside it; "
            "it comes from github.com/facebookresearch/qmnist"
        )
    if not in_order:
        raise ValueError(
            "QMNIST's file tells the writers in the order of MNIST's files, and these digits stand "
            "in another order; load them by='digit', or get MNIST's four files"
        )
    sha256 = idx.SOURCES[name].sha256[idx.WRITERS_FILE]
    table = idx.read_verified(path, idx.WRITERS_FILE, idx.WRITERS_SHAPE, sha256)
    writers = torch.from_numpy(table[:, idx.WRITER_COLUMN]).long()
    train = Split(train.images, train.labels, writers)
    splitter = GroupShuffleSplit(n_splits=1, test_size=1 / 6, random_state=0)
    kept, aside = next(splitter.split(np.arange(len(train)), groups=writers.numpy()))
    return train.pick(torch.from_numpy(kept)), train.pick(torch.from_numpy(aside))


def _load_optdigits(by: str, folder: str | os.PathLike[str] | None = None) -> Digits:
    """Bring scikit-learn's 8 x 8 digits to MNIST's geometry: 1 197 / 300 / 300."""
    from sklearn.datasets import load_digits

    if by == "writer":
        raise ValueError("the embedded digits do not say who wrote them; load MNIST by='writer'")
    if folder is not None:
        raise ValueError(
            "the embedded digits lie in no folder; leave it out, or load 'mnist' from it, without "
            "optdigits in DIGITLAB_DIGITS"
        )
    table = load_digits()
    images = np.stack([center_in_frame(ink) for ink in _finer(table.images / 16)])
    rest, test = _set_aside(_split(images, table.target), 300)
    train, valid = _set_aside(rest, 300)
    notes = (
        "test part of 'Optical Recognition of Handwritten Digits' (Alpaydin and Kaynak 1998): "
        "8 x 8 counts of ink, made finer and brought to MNIST's geometry"
    )
    return Digits("optdigits", train, valid, test, "scikit-learn", OPTDIGITS_LICENCE, notes)


def _load_pendigits() -> PenDigits:
    with np.load(Path(__file__).with_name("pendigits.npz")) as file:
        train, test = (
            Movements(
                torch.from_numpy(file[f"{part}_points"]),
                torch.from_numpy(file[f"{part}_labels"]).long(),
            )
            for part in ("train", "test")
        )
    return PenDigits(train, test)


def _finer(ink: np.ndarray) -> np.ndarray:
    """Guess the bitmaps behind 8 x 8 means of 4 x 4 blocks: smooth, and with the same means.

    Takes float (N, 8, 8) in [0, 1], returns float (N, 40, 40) with an empty margin.
    """
    from scipy.ndimage import zoom

    means = np.pad(ink, ((0, 0), (1, 1), (1, 1)))  # (N, 10, 10)
    spline = zoom(np.eye(10), (4, 1), grid_mode=True, mode="grid-constant")  # (40, 10)

    def enlarge(values: np.ndarray) -> np.ndarray:
        return spline @ values @ spline.T  # (N, 40, 40)

    guess = enlarge(means).clip(0, 1)
    for _ in range(3):
        block_means = guess.reshape(-1, 10, 4, 10, 4).mean(axis=(2, 4))
        guess = (guess + enlarge(means - block_means)).clip(0, 1)
    return guess
