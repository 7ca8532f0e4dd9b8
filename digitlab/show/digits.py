"""Figures of digits: grids, single pixels, averages, counts, augmentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Sized
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure as MplFigure
from torch import Tensor

from digitlab.data import Split
from digitlab.geometry import N_CLASSES, SIZE
from digitlab.pixels import as_numbers, as_pixels
from digitlab.show.figure import (
    COLORS,
    WIDTH,
    Figure,
    canvas,
    count,
    frame,
    listed,
    need_digits,
    need_numbers,
    tiles,
    wrongly_read,
)

MOST_DIGITS = 300  # in one grid


def plot_digits(  # noqa: PLR0913 (named settings)
    split: Split,
    *,
    n: int | None = None,
    columns: int | None = None,
    title: str | None = None,
    titles: Sequence[str] | None = None,
    predictions: Tensor | None = None,
    probabilities: Tensor | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Show digits in a grid, each under its label; a digit that is read wrongly is framed.

    Args:
        split: the digits; for random ones `split.sample(40)`.
        n: the first `n`, at most 300; None for all, but at most 50.
        columns: digits in a row; None for 10, or 20 of more than 100 digits.
        title: above them all; None for how many there are, and how many are read correctly.
        titles: texts to show in place of the labels, one for each digit of the split.
        predictions: int64 (N,), what a model reads; `4→9` says that a 4 is read as 9.
        probabilities: float (N, 10), shown as the probability of what is read.

    Raises:
        ValueError: for no digits, more than 300, or predictions of another number.
    """
    n = _how_many(split, n, titles=titles, predictions=predictions, probabilities=probabilities)
    table = _facts(split.labels[:n].tolist(), predictions, probabilities)
    names = [*map(str, table["label"])] if titles is None else list(titles[:n])
    wrong = wrongly_read(table["label"], table.get("read as", table["label"]))
    right = f"{n - len(wrong)} of {count(n, 'digit')} read correctly"
    title = title or (right if "read as" in table else count(n, "digit"))
    says = f"{title}\n(framed: wrong, 4→9 is a 4 read as 9)" if wrong else title
    columns, texts = columns or (min(n, 10) if n <= 100 else 20), _texts(names, wrong, table)
    mpl, ax, corners = tiles(ax, split.images[:n].numpy(), columns, title=says, texts=texts)
    for i in wrong:
        frame(ax, corners[i])
    facts = f"; wrong: {listed([*wrong.values()])}" if wrong else f": {listed(names, most=100)}"
    rows = [tuple(round(v, 4) for v in row) for row in zip(*table.values(), strict=True)]
    return Figure(mpl, (ax,), title, f"{title}{facts}.", rows, [*table])


def _how_many(split: Split, n: int | None, **one_each: Sized | None) -> int:
    """Return how many digits to show; refuse none, too many, and what belongs to others."""
    need_digits(split)
    for name, values in one_each.items():
        if values is not None and len(values) != len(split):
            raise ValueError(f"{len(values)} {name} do not fit {count(len(split), 'digit')}")
    n = min(len(split), 50 if n is None else n)
    if not 0 < n <= MOST_DIGITS:
        raise ValueError(
            f"a grid shows 1 to {MOST_DIGITS} digits, not {n}; "
            "take some of them, for example split.sample(100)"
        )
    return n


def _facts(
    labels: list[int], read: Tensor | None, probabilities: Tensor | None
) -> dict[str, list[Any]]:
    """Return the columns of a grid's table, one row for each label."""
    n = len(labels)
    found: dict[str, list[Any]] = {"position": list(range(n)), "label": labels}
    if read is None and probabilities is not None:
        read = probabilities.argmax(dim=1)
    if read is not None:
        found["read as"] = read[:n].tolist()
    if probabilities is not None:
        found["probability"] = probabilities[torch.arange(n), found["read as"]].tolist()
    return found


def _texts(names: list[str], wrong: Mapping[int, str], table: Mapping[str, list[Any]]) -> list[str]:
    """Return what stands above each digit: its name, as what it is misread, how surely."""
    texts = [
        f"{name}→{table['read as'][i]}" if i in wrong else name for i, name in enumerate(names)
    ]
    sure = table.get("probability")
    return [f"{t}  {100 * p:.0f} %" for t, p in zip(texts, sure, strict=True)] if sure else texts


def plot_classes(split: Split, *, columns: int = 10, ax: Axes | None = None) -> Figure:
    """Show the first digits of each class, one class in a row."""
    need_digits(split)
    n_rows = int(split.labels.max()) + 1
    images = np.full((n_rows, columns, SIZE, SIZE), np.nan, np.float32)
    shown = split.counts().clamp(max=columns).tolist()
    for digit, n in enumerate(shown[:n_rows]):
        images[digit, :n] = split.images[split.labels == digit][:n]
    title = f"{count(sum(shown), 'digit')} by class"
    mpl, ax, _ = tiles(ax, images.reshape(-1, SIZE, SIZE), columns, title=title)
    for digit, n in enumerate(shown[:n_rows]):
        text = str(digit) if n else f"no {digit}"
        ax.text(-4, digit * (SIZE + 1) + SIZE / 2, text, ha="right", va="center")
    rows = list(enumerate(shown))
    alt = f"{title}, a row for each: {', '.join(f'{n} of the {digit}' for digit, n in rows)}."
    return Figure(mpl, (ax,), title, alt, rows, ("digit", "shown"))


def plot_digit(
    image: Tensor, label: int | None = None, *, values: bool = True, ax: Axes | None = None
) -> Figure:
    """Show one digit with the value of every pixel.

    Args:
        image: uint8 (28, 28), or float (1, 28, 28) or (28, 28) in [0, 1]; any height and width.
        label: its class, for the title; so a split gives both: `plot_digit(*split[3])`.
        values: write the value into each pixel: 0 to 255, or hundredths (`.53`) of a float.

    Raises:
        ValueError: for another shape, or a pixel that is not a number.
    """
    image = as_numbers(image)
    pixels = image.squeeze(0) if image.ndim == 3 else image
    if pixels.ndim != 2 or not pixels.numel():
        raise ValueError(
            f"one digit has the shape (28, 28) or (1, 28, 28), not {tuple(image.shape)}; "
            "for several use plot_digits"
        )
    array = pixels.numpy()
    need_numbers(array, "pixels")
    top = 255 if array.dtype == np.uint8 else 1
    height, width = array.shape
    mpl, (ax,) = canvas(ax, (WIDTH, WIDTH * height / width + 0.3))
    ax.imshow(array, cmap="gray", vmin=0, vmax=top)
    if values:
        _write_values(ax, array, top)
    title = f"{height} x {width} pixels" + ("" if label is None else f" of a {label}")
    ax.set_title(title, size="medium")
    ax.set(xlabel="column", ylabel="row")
    alt = f"{title}, values from {array.min():.3g} to {array.max():.3g}"
    ys, xs = np.nonzero(array)
    if len(ys):
        alt += f"; ink in rows {ys.min()} to {ys.max()} and columns {xs.min()} to {xs.max()}"
    alt += f"; {np.mean(array == 0):.0%} of the pixels are 0."
    return Figure(mpl, (ax,), title, alt, array.tolist(), tuple(range(width)))


def _write_values(ax: Axes, array: np.ndarray, top: int) -> None:
    """Write each pixel's value into it: 0 to 255, or hundredths where the highest is 1."""
    size = 6.5 * SIZE / max(array.shape)
    for (y, x), value in np.ndenumerate(array):
        text = f"{value}" if top == 255 or value in (0, 1) else f"{value:.2f}".lstrip("0")
        color = "black" if value > 0.5 * top else "white" if value else "#808080"
        written = ax.text(x, y, text.removesuffix(".0"), color=color, size=size)
        written.set(ha="center", va="center", in_layout=False)


def plot_averages(split: Split, *, variance: bool = False) -> Figure:
    """Show the average digit of each class; with `variance` also how much each pixel varies."""
    need_digits(split)
    counts = split.counts().tolist()
    averages = np.full((2, N_CLASSES, SIZE, SIZE), np.nan, np.float32)  # mean and variance
    for digit in range(N_CLASSES):
        if counts[digit]:
            pixels = as_pixels(split.images[split.labels == digit])[:, 0]
            averages[:, digit] = torch.stack([pixels.mean(0), pixels.var(0, correction=0)])
    texts = [f"{digit}" if n else f"no {digit}" for digit, n in enumerate(counts)]
    mpl = MplFigure(figsize=(6.1, 2.2 if variance else 1.15), layout="constrained")
    axes = tuple(mpl.subplots(1 + variance, 1, squeeze=False)[:, 0])
    most = max(float(np.nanmax(averages[1])), 0.01)
    names = (f"Average of {count(len(split), 'digit')}", f"Variance, from 0 (black) to {most:.2f}")
    for ax, array, name, top in zip(axes, averages, names, (1, most), strict=False):
        tiles(ax, array, N_CLASSES, title=name, texts=texts, limits=(0, top))
    ink, spread = averages.mean(axis=(2, 3)).round(4)
    title = f"Average of each class over {count(len(split), 'digit')}"
    alt = f"{title}: blurred digits; the {np.nanargmax(ink)} has the most ink, "
    alt += f"the {np.nanargmin(ink)} the least"
    if variance:
        alt += f"; the {np.nanargmax(spread)} varies most, the {np.nanargmin(spread)} least"
    rows = list(zip(range(N_CLASSES), counts, ink.tolist(), spread.tolist(), strict=True))
    header = ("digit", "count", "mean pixel", "mean variance")
    return Figure(mpl, axes, title, f"{alt}.", rows, header)


def plot_counts(split: Split, *, ax: Axes | None = None) -> Figure:
    """Show how many digits of each class there are."""
    need_digits(split)
    counts = split.counts().tolist()
    mpl, (ax,) = canvas(ax, (WIDTH, 2.6))
    ax.bar_label(ax.bar(range(N_CLASSES), counts, color=COLORS[0]), padding=2)
    ax.set(xticks=range(N_CLASSES), yticks=[], xlabel="digit")
    ax.spines[["left", "top", "right"]].set_visible(False)
    ax.margins(y=0.12)
    title = f"{count(len(split), 'digit')} by class"
    ax.set_title(title, size="medium")
    few, many = np.argmin(counts), np.argmax(counts)
    alt = f"{title}: from {counts[few]} (the {few}) to {counts[many]} (the {many})."
    return Figure(mpl, (ax,), title, alt, list(enumerate(counts)), ("digit", "count"))


def plot_augment(
    split: Split,
    augment: Callable[[Tensor], Tensor],
    *,
    n: int = 5,
    columns: int = 10,
    seed: int = 0,
) -> Figure:
    """Show digits as they are, and beside each what augmentation makes of it.

    Args:
        split: the digits; the first `n` are shown.
        augment: takes and returns pixels float (N, 1, 28, 28).
        n: how many digits, a row for each.
        columns: in a row; the first is the original.
        seed: of torch's global generator while `augment` runs; afterwards it is as it was.

    Raises:
        ValueError: for no digits, or where `augment` returns another shape or no numbers.
    """
    split = split[:n]
    need_digits(split)
    originals = as_pixels(split.images).repeat_interleave(columns, dim=0)
    made = _augmented(originals, augment, seed)
    change = (made - originals).abs().mean().item()
    made[::columns] = originals[::columns]
    title = "Framed: the original; beside it: augmented"
    mpl, ax, corners = tiles(None, made[:, 0].numpy(), columns, title=title, limits=(0, 1))
    for corner in corners[::columns]:
        frame(ax, corner)
    labels = listed([*map(str, split.labels.tolist())], most=20)
    alt = (
        f"Augmentation of {count(len(split), 'digit')} ({labels}): each as it is and in "
        f"{count(columns - 1, 'augmented copy', 'augmented copies')}; "
        f"pixels change by {change:.2f} on average."
    )
    return Figure(mpl, (ax,), "Augmented digits", alt)


def _augmented(originals: Tensor, augment: Callable[[Tensor], Tensor], seed: int) -> Tensor:
    """Run an augmentation under a seed, and refuse what are no pixels of these digits."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = as_numbers(augment(originals.clone()), "augmented pixels")
    if made.shape != originals.shape:
        raise ValueError(
            f"augment must return the shape it got, {tuple(originals.shape)}, "
            f"but it returned {tuple(made.shape)}"
        )
    need_numbers(made.numpy(), "augmented pixels")
    return made
