"""Pictures of digits and of training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from digitlab.data import N_CLASSES, SIZE, Split, as_pixels
from digitlab.picture import (
    COLORS,
    PERCENT,
    WIDTH,
    Picture,
    canvas,
    count,
    frame,
    listed,
    look,
    need_digits,
    need_numbers,
    tiles,
)
from digitlab.registry import unknown
from digitlab.trainer import History

MOST_DIGITS = 300  # in one grid


# --- Digits -----------------------------------------------------------------------------------


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
) -> Picture:
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
    return Picture(figure, (ax,), title, alt, list(zip(*table.values(), strict=True)), [*table])


def plot_classes(split: Split, *, columns: int = 10, ax: Axes | None = None) -> Picture:
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
    return Picture(figure, (ax,), title, alt, rows, ("digit", "shown"))


def plot_digit(
    image: Tensor, label: int | None = None, *, values: bool = True, ax: Axes | None = None
) -> Picture:
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
    return Picture(figure, (ax,), title, alt, array.tolist(), tuple(range(width)))


def plot_averages(split: Split, *, variance: bool = False) -> Picture:
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
    figure = Figure(figsize=(6.1, 2.2 if variance else 1.15), layout="constrained")
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
    return Picture(figure, tuple(axes), title, f"{alt}.", rows, header)


def plot_counts(split: Split, *, ax: Axes | None = None) -> Picture:
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
    return Picture(figure, (ax,), title, alt, list(enumerate(counts)), ("digit", "count"))


def plot_augment(
    split: Split,
    augment: Callable[[Tensor], Tensor],
    *,
    n: int = 5,
    columns: int = 10,
    seed: int = 0,
) -> Picture:
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
    return Picture(figure, (ax,), "Augmented digits", alt)


def plot_steps(steps: Mapping[str, np.ndarray], *, columns: int = 6) -> Picture:
    """Show how a picture becomes the pixels of a digit.

    Args:
        steps: name of each step -> grey values uint8 (height, width), as `predict` and `digitize`
            keep them in `.steps`, or colours uint8 (height, width, 3).
        columns: pictures in a row.

    Raises:
        ValueError: for no steps.
    """
    if not steps:
        raise ValueError("there are no steps to show: this digit came as pixels, not as a picture")
    columns = min(columns, max(len(steps), 3))
    n_rows = -(-len(steps) // columns)
    tallest = max(values.shape[0] / values.shape[1] for values in steps.values())
    height = n_rows * (0.5 + WIDTH / columns * min(tallest, 1))
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    places = figure.subplots(n_rows, columns, squeeze=False).flatten()
    for axis in places:
        axis.set_axis_off()
    for axis, (name, values) in zip(places, steps.items(), strict=False):
        axis.imshow(values, cmap="gray", vmin=0, vmax=255)
        axis.set_title(f"{name}\n{values.shape[0]} x {values.shape[1]}", size="medium")
    rows = [(name, *v.shape[:2], round(float(v.mean()), 1)) for name, v in steps.items()]
    title = f"{count(len(steps), 'step')} from picture to pixels"
    said = [f"{name} ({height} x {width}, mean {mean})" for name, height, width, mean in rows]
    alt = f"{title}: {', then '.join(said)}."
    axes = tuple(places[: len(steps)])
    return Picture(figure, axes, title, alt, rows, ("step", "height", "width", "mean"))


# --- Training ---------------------------------------------------------------------------------

METRICS = ("loss", "accuracy")
MOST_PAIRS = 4  # of curves that the eye can follow


def plot_history(
    history: History | Sequence[History] | Mapping[str, History | Sequence[History]],
    *,
    metric: str | None = None,
    ax: Axes | None = None,
) -> Picture:
    """Show loss and accuracy after each epoch, on training and on validation digits.

    Args:
        history: of one run; or of several runs by name, `{"dropout": h1, "none": h2}`. In place of
            each history, a list of histories of several seeds shows as their mean, in a band
            from the lowest to the highest. Of more than 4 runs only validation is drawn.
        metric: "loss" or "accuracy" alone; None for both side by side.
        ax: where to draw one metric; None for a new figure.

    Raises:
        ValueError: for a history without an epoch, an unknown metric, or `ax` without a metric.
    """
    if metric not in (None, *METRICS):
        raise unknown("metric", metric, METRICS)
    if ax is not None and metric is None:
        raise ValueError("one ax holds one metric: add metric='loss' or metric='accuracy'")
    runs = _runs(history)
    parts = {"train": "training", "valid": "validation"}
    if len(runs) > MOST_PAIRS and all(h.valid_loss for seeds in runs.values() for h in seeds):
        del parts["train"]
    metrics = [metric] if metric else list(METRICS)
    figure, axes = canvas(ax, (WIDTH if len(metrics) == 2 else 4.5, 3.2), len(metrics))
    facts: list[str] = []
    rows: list[tuple[object, ...]] = []
    for axis, name in zip(axes, metrics, strict=True):
        for number, (run, seeds) in enumerate(runs.items()):
            for part, words in parts.items():
                curves = _curves(seeds, f"{part}_{name}")
                if not curves.size:
                    continue
                place = number if len(runs) > 1 else ("train", "valid").index(part)
                _draw_curves(axis, curves, place, dashed=part == "valid", label=words)
                subject = f"{run}: {words} {name}" if run else f"{words} {name}"
                if (part, name, len(runs)) == ("valid", "loss", 1):
                    _mark_lowest(axis, curves.mean(axis=0))
                if len(runs) == 1 or part == "valid" or not all(h.valid_loss for h in seeds):
                    facts.append(f"{subject} {_course(curves, up=name == 'accuracy')}")
                means = curves.mean(axis=0).round(4).tolist()
                rows += [(subject, epoch, value) for epoch, value in enumerate(means, start=1)]
        _style_epochs(axis, name)
        values = np.concatenate([np.ravel(line.get_ydata()) for line in axis.get_lines()])
        if not np.isfinite(values).all():
            axis.set_title(f"{name.capitalize()} (gaps: not a finite number)", size="medium")
        if name == "accuracy":
            axis.yaxis.set_major_formatter(PERCENT)
    _legend(figure if ax is None else axes[0], axes[0], list(runs))
    n_epochs = max(min(map(len, seeds)) for seeds in runs.values())
    title = f"{' and '.join(metrics)} over {count(n_epochs, 'epoch')}".capitalize()
    if len(runs) > 1:
        title += f" of {', '.join(runs)}"
    alt = "; ".join(facts)
    alt = f"{title}. {alt[:1].upper()}{alt[1:]}."
    return Picture(figure, tuple(axes), title, alt, rows, ("curve", "epoch", "value"))


def plot_lr(lr: History | Sequence[float], *, ax: Axes | None = None) -> Picture:
    """Show the learning rate through a training.

    Args:
        lr: a history, with one rate for each epoch; or rates, one for each step.
        ax: where to draw; None for a new figure.

    Raises:
        ValueError: for no rates, or rates that are not numbers.
    """
    unit, values = ("epoch", lr.lr) if isinstance(lr, History) else ("step", list(lr))
    if not values:
        raise ValueError("there is no learning rate to show; train at least one epoch first")
    need_numbers(np.array(values), "learning rates")
    figure, (ax,) = canvas(ax, (4.5, 2.8))
    _draw_curves(ax, np.array([values], float), 0, dashed=False, label="learning rate")
    _style_epochs(ax, "learning rate")
    ax.set_xlabel(unit)
    ax.set_ylim(bottom=0)
    title = f"Learning rate over {count(len(values), unit)}"
    top = int(np.argmax(values))
    alt = f"{title}: {values[0]:.3g} at first, {values[-1]:.3g} at last"
    if values[top] > max(values[0], values[-1]):
        alt += f", highest at {unit} {top + 1} with {values[top]:.3g}"
    rows = list(enumerate(values, start=1))
    return Picture(figure, (ax,), title, f"{alt}.", rows, (unit, "learning rate"))


def _runs(
    history: History | Sequence[History] | Mapping[str, History | Sequence[History]],
) -> dict[str, list[History]]:
    """Bring one history, several seeds or several runs to one form, and check it."""
    named = history if isinstance(history, Mapping) else {"": history}
    runs = {
        name: [seeds] if isinstance(seeds, History) else list(seeds)
        for name, seeds in named.items()
    }
    if not runs or not all(seeds and all(map(len, seeds)) for seeds in runs.values()):
        raise ValueError("there is a history without an epoch; train at least one epoch first")
    return runs


def _curves(seeds: list[History], field: str) -> np.ndarray:
    """Return one curve for each seed, (seeds, epochs); empty where it was not measured."""
    curves = [getattr(history, field) for history in seeds]
    return np.array([curve[: min(map(len, curves))] for curve in curves], float)


def _draw_curves(axis: Axes, curves: np.ndarray, number: int, *, dashed: bool, label: str) -> None:
    """Draw the mean of the curves in a band from the lowest to the highest."""
    epochs = np.arange(1, curves.shape[1] + 1)
    (line,) = axis.plot(epochs, curves.mean(axis=0), label=label, markersize=4, **look(number))
    line.set(linestyle="--" if dashed else "-", markevery=max(1, len(epochs) // 10))
    if len(curves) > 1:
        low, high = curves.min(axis=0), curves.max(axis=0)
        axis.fill_between(epochs, low, high, color=line.get_color(), alpha=0.25, linewidth=0)


def _mark_lowest(axis: Axes, values: np.ndarray) -> None:
    """Say where the curve turns upwards, if it does."""
    if np.isfinite(values).all() and (best := int(values.argmin())) < len(values) - 1:
        axis.annotate(
            f"lowest: epoch {best + 1}",
            (best + 1, values[best]),
            (0, 28),
            textcoords="offset points",
            ha="center",
            arrowprops={"arrowstyle": "-"},
        )


def _style_epochs(axis: Axes, name: str) -> None:
    axis.set_title(name.capitalize(), size="medium")
    axis.set_xlabel("epoch")
    last = max(np.max(line.get_xdata()) for line in axis.get_lines())
    axis.set_xlim(1 - 0.04 * last, last + 0.04 * last)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axis.grid(alpha=0.3)


def _legend(where: Figure | Axes, axis: Axes, runs: list[str]) -> None:
    """Name the lines: of one run as they are, of several by colour and by dashes apart."""
    handles = axis.get_lines()
    labels = [str(line.get_label()) for line in handles]
    if len(runs) > 1:
        styles = {label: line.get_linestyle() for label, line in zip(labels, handles, strict=True)}
        handles = [Line2D([], [], **look(i)) for i in range(len(runs))]
        handles += [Line2D([], [], color="#666666", linestyle=style) for style in styles.values()]
        labels = [*runs, *styles]
    if isinstance(where, Figure):
        columns = 2 if where.get_figwidth() < WIDTH else 4
        where.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
    else:
        where.legend(handles, labels)


def _course(curves: np.ndarray, *, up: bool) -> str:
    """Say in words how the mean curve runs: where it starts, turns and ends."""
    values = curves.mean(axis=0)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        return f"is not a finite number from epoch {bad[0] + 1} on"

    def say(value: float) -> str:
        return f"{100 * value:.1f} %" if up else f"{value:.3g}"

    best = int(np.argmax(values) if up else np.argmin(values))
    first, turn, last = say(values[0]), say(values[best]), say(values[-1])
    better, worse = ("rises", "falls") if up else ("falls", "rises")
    if len(values) == 1:
        text = f"is {first} after 1 epoch"
    elif first == turn == last:
        text = f"{'stays' if len({*map(say, values)}) == 1 else 'begins and ends'} at {first}"
    elif turn == last:
        text = f"{better} from {first} to {last}"
    elif first == turn:
        text = f"{worse} from {first} to {last}"
    else:
        text = f"{better} from {first} to {turn} and {worse} after epoch {best + 1} to {last}"
    if len(curves) > 1:
        low, high = say(curves[:, -1].min()), say(curves[:, -1].max())
        text += f" (mean of {len(curves)} seeds, which end between {low} and {high})"
    return text
