"""Figures of digits: grids, single pixels, averages, counts, augmentation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure as MplFigure
from torch import Tensor

from digitlab.data import Split, as_pixels
from digitlab.geometry import N_CLASSES, SIZE
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
)

MOST_DIGITS = 300  # in one grid


def plot_digits(
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
    """Show digits in a grid, each under its label.

    For random digits pass `split.sample(40)`, for chosen ones `split.pick(torch.tensor([3, 14]))`.

    Args:
        split: the digits.
        n: the first `n`; None for all, but at most 50.
        columns: digits in a row; None for 10, or 20 where there are more than 100 digits.
        title: above them all; None for how many there are, and how many are read correctly.
        titles: texts to show in place of the labels, one for each digit of the split.
        predictions: int64 (N,), what a model reads in each digit of the split; where it is wrong,
            the digit is framed, and `4→9` says that a 4 is read as 9.
        probabilities: float (N, 10), shown as the probability of what is read.
        ax: where to draw; None for a new figure.

    Raises:
        ValueError: for no digits, more than 300, or predictions of another number.
    """
    need_digits(split)
    if predictions is None and probabilities is not None:
        predictions = probabilities.argmax(dim=1)
    for name, values in {
        "titles": titles,
        "predictions": predictions,
        "probabilities": probabilities,
    }.items():
        if values is not None and len(values) != len(split):
            raise ValueError(f"{len(values)} {name} do not fit {count(len(split), 'digit')}")
    n = min(len(split), 50 if n is None else n)
    if not 0 < n <= MOST_DIGITS:
        raise ValueError(
            f"a grid shows 1 to {MOST_DIGITS} digits, not {n}; "
            "take some of them, for example split.sample(100)"
        )
    columns = columns or (min(n, 10) if n <= 100 else 20)
    truth = split.labels[:n].tolist()
    texts = [str(label) for label in truth] if titles is None else list(titles[:n])
    table: dict[str, list[Any]] = {"position": list(range(n)), "label": truth}
    digits, wrong, facts = count(n, "digit"), [], listed(texts, most=100)
    if predictions is not None:
        table["read as"] = read = predictions[:n].tolist()
        wrong = [i for i in range(n) if truth[i] != read[i]]
        for i in wrong:
            texts[i] += f"→{read[i]}"
        title = title or f"{n - len(wrong)} of {digits} read correctly"
        facts = listed([f"{truth[i]} read as {read[i]}" for i in wrong]) if wrong else facts
        if probabilities is not None:
            sure = probabilities[torch.arange(n), predictions[:n]].tolist()
            texts = [f"{text}  {100 * p:.0f} %" for text, p in zip(texts, sure, strict=True)]
            table["probability"] = [round(p, 4) for p in sure]
    title = title or digits
    says = f"{title}\n(framed: wrong, 4→9 is a 4 read as 9)" if wrong else title
    figure, ax, corners = tiles(ax, split.images[:n].numpy(), columns, title=says, texts=texts)
    for i in wrong:
        frame(ax, corners[i], (SIZE, SIZE))
    alt = f"{title}; wrong: {facts}." if wrong else f"{title}: {facts}."
    return Figure(figure, (ax,), title, alt, list(zip(*table.values(), strict=True)), [*table])


def plot_classes(split: Split, *, columns: int = 10, ax: Axes | None = None) -> Figure:
    """Show the first digits of each class, one class in a row.

    Args:
        split: the digits.
        columns: digits in a row.
        ax: where to draw; None for a new figure.

    Raises:
        ValueError: for no digits.
    """
    need_digits(split)
    found = [split.images[split.labels == digit][:columns].numpy() for digit in range(N_CLASSES)]
    pictures = np.full((int(split.labels.max()) + 1, columns, SIZE, SIZE), np.nan, np.float32)
    for row, images in zip(pictures, found, strict=False):
        row[: len(images)] = images
    title = f"{count(sum(map(len, found)), 'digit')} by class"
    figure, ax, _ = tiles(ax, pictures.reshape(-1, SIZE, SIZE), columns, title=title)
    for digit, images in enumerate(found[: len(pictures)]):
        text = str(digit) if len(images) else f"no {digit}"
        ax.text(-4, digit * (SIZE + 1) + SIZE / 2, text, ha="right", va="center")
    rows = [(digit, len(images)) for digit, images in enumerate(found)]
    alt = f"{title}, a row for each: {', '.join(f'{n} of the {digit}' for digit, n in rows)}."
    return Figure(figure, (ax,), title, alt, rows, ("digit", "shown"))


def plot_digit(
    image: Tensor, label: int | None = None, *, values: bool = True, ax: Axes | None = None
) -> Figure:
    """Show one digit with the value of every pixel.

    Takes what a split gives: `plot_digit(*split[3])`, or `plot_digit(split.images[3])`.

    Args:
        image: uint8 (28, 28), or float (1, 28, 28) or (28, 28) in [0, 1]; any height and width.
        label: its class, for the title.
        values: write the value into each pixel: 0 to 255, or hundredths (`.53`) of a float.
        ax: where to draw; None for a new figure.

    Raises:
        ValueError: for another shape, or a pixel that is not a number.
    """
    pixels = image.squeeze(0) if image.ndim == 3 else image
    if pixels.ndim != 2 or not pixels.numel():
        raise ValueError(
            f"one digit has the shape (28, 28) or (1, 28, 28), not {tuple(image.shape)}; "
            "for several use plot_digits"
        )
    array = pixels.detach().cpu().numpy()
    need_numbers(array, "pixels")
    top = 255 if array.dtype == np.uint8 else 1
    height, width = array.shape
    figure, (ax,) = canvas(ax, (WIDTH, WIDTH * height / width + 0.3))
    ax.imshow(array, cmap="gray", vmin=0, vmax=top)
    if values:
        size = 6.5 * SIZE / max(height, width)
        for (y, x), value in np.ndenumerate(array):
            text = f"{value}" if top == 255 or value in (0, 1) else f"{value:.2f}".lstrip("0")
            color = "black" if value > 0.5 * top else "white" if value else "#808080"
            written = ax.text(x, y, text.removesuffix(".0"), color=color, size=size)
            written.set(ha="center", va="center", in_layout=False)
    title = f"{height} x {width} pixels" + ("" if label is None else f" of a {label}")
    ax.set_title(title, size="medium")
    ax.set_xlabel("column")
    ax.set_ylabel("row")
    alt = f"{title}, values from {array.min():.3g} to {array.max():.3g}"
    ys, xs = np.nonzero(array)
    if len(ys):
        alt += f"; ink in rows {ys.min()} to {ys.max()} and columns {xs.min()} to {xs.max()}"
    alt += f"; {np.mean(array == 0):.0%} of the pixels are 0."
    return Figure(figure, (ax,), title, alt, array.tolist(), tuple(range(width)))


def plot_averages(split: Split, *, variance: bool = False) -> Figure:
    """Show the average picture of each class.

    Args:
        split: the digits.
        variance: show also how much each pixel varies within the class.

    Raises:
        ValueError: for no digits.
    """
    need_digits(split)
    counts = split.counts().tolist()
    averages = np.full((2, N_CLASSES, SIZE, SIZE), np.nan, np.float32)  # mean and variance
    for digit in range(N_CLASSES):
        if counts[digit]:
            pixels = as_pixels(split.images[split.labels == digit])[:, 0]
            averages[:, digit] = torch.stack([pixels.mean(0), pixels.var(0, correction=0)])
    texts = [f"{digit}" if n else f"no {digit}" for digit, n in enumerate(counts)]
    figure = MplFigure(figsize=(6.1, 2.2 if variance else 1.15), layout="constrained")
    axes = list(figure.subplots(1 + variance, 1, squeeze=False)[:, 0])
    most = max(float(np.nanmax(averages[1])), 0.01)
    names = (f"Average of {count(len(split), 'digit')}", f"Variance, from 0 (black) to {most:.2f}")
    for ax, array, name, top in zip(axes, averages, names, (1, most), strict=False):
        tiles(ax, array, N_CLASSES, title=name, texts=texts, limits=(0, top))
    present = [digit for digit in range(N_CLASSES) if counts[digit]]
    ink, spread = averages.mean(axis=(2, 3)).round(4).tolist()
    title = f"Average of each class over {count(len(split), 'digit')}"
    alt = f"{title}: blurred digits; the {max(present, key=ink.__getitem__)} has the most ink, "
    alt += f"the {min(present, key=ink.__getitem__)} the least"
    if variance:
        alt += f"; the {max(present, key=spread.__getitem__)} varies most, "
        alt += f"the {min(present, key=spread.__getitem__)} least"
    rows = list(zip(range(N_CLASSES), counts, ink, spread, strict=True))
    header = ("digit", "count", "mean pixel", "mean variance")
    return Figure(figure, tuple(axes), title, f"{alt}.", rows, header)


def plot_counts(split: Split, *, ax: Axes | None = None) -> Figure:
    """Show how many digits of each class there are.

    Raises:
        ValueError: for no digits.
    """
    need_digits(split)
    counts = split.counts().tolist()
    figure, (ax,) = canvas(ax, (WIDTH, 2.6))
    ax.bar_label(ax.bar(range(N_CLASSES), counts, color=COLORS[0]), padding=2)
    ax.set_xticks(range(N_CLASSES))
    ax.set_yticks([])
    ax.spines[["left", "top", "right"]].set_visible(False)
    ax.margins(y=0.12)
    title = f"{count(len(split), 'digit')} by class"
    ax.set_title(title, size="medium")
    ax.set_xlabel("digit")
    few, many = (f(range(N_CLASSES), key=counts.__getitem__) for f in (min, max))
    alt = f"{title}: from {counts[few]} (the {few}) to {counts[many]} (the {many})."
    return Figure(figure, (ax,), title, alt, list(enumerate(counts)), ("digit", "count"))


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
        columns: pictures in a row; the first is the original.
        seed: of torch's global generator while `augment` runs; afterwards it is as it was.

    Raises:
        ValueError: for no digits, or where `augment` returns another shape or no numbers.
    """
    split = split[:n]
    need_digits(split)
    originals = as_pixels(split.images).repeat_interleave(columns, dim=0)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = augment(originals.clone()).detach().cpu()
    if made.shape != originals.shape:
        raise ValueError(
            f"augment must return the shape it got, {tuple(originals.shape)}, "
            f"but it returned {tuple(made.shape)}"
        )
    need_numbers(made.numpy(), "augmented pixels")
    change = (made - originals).abs().mean().item()
    made[::columns] = originals[::columns]
    title = "Framed: the original; beside it: augmented"
    figure, ax, corners = tiles(None, made[:, 0].numpy(), columns, title=title, limits=(0, 1))
    for corner in corners[::columns]:
        frame(ax, corner, (SIZE, SIZE))
    labels = listed(list(map(str, split.labels.tolist())), most=20)
    alt = (
        f"Augmentation of {count(len(split), 'digit')} ({labels}): each as it is and in "
        f"{count(columns - 1, 'augmented copy').replace('copys', 'copies')}; "
        f"pixels change by {change:.2f} on average."
    )
    return Figure(figure, (ax,), "Augmented digits", alt)
