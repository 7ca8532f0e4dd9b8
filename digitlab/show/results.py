"""Figures of how well models read: confusion, predictions, mistakes, calibration, recipes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter
from torch import Tensor

from digitlab.data import Split
from digitlab.geometry import N_CLASSES, SIZE
from digitlab.inference import Result
from digitlab.metrics import calibration, confusion_matrix, nll, recall
from digitlab.names import unknown
from digitlab.show.figure import (
    COLORS,
    PERCENT,
    WIDTH,
    Figure,
    canvas,
    count,
    frame,
    listed,
    looks,
    need_digits,
    need_numbers,
    only_words,
    tiles,
    write_cells,
    wrongly_read,
)

FEW = 10  # digits in a bin of which little can be said
WAYS = {"usual": "usual way", "digitize": "all steps"}  # of reading a picture


def plot_confusion(result: Result, *, rates: bool = False, ax: Axes | None = None) -> Figure:
    """Show how often each class (row) is read as each class (column).

    Colour shows the mistakes only: beside the right answers they would all look alike.

    Args:
        rates: percent of the row in place of counts.

    Raises:
        ValueError: for no digits, or labels outside 0 to 9.
    """
    matrix = confusion_matrix(result.predictions, result.labels).numpy()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    shown, form = (100 * shares, "{:.1f}") if rates else (matrix, "{}")
    wrong = matrix * (1 - np.eye(N_CLASSES, dtype=int))
    colored = np.where(wrong, shares if rates else matrix, 0)
    most = colored.max() or 1
    mpl, (ax,) = canvas(ax, (5.6, 5.4))
    ax.imshow(colored, cmap="Blues", vmin=0, vmax=1.2 * most)
    texts = {cell: form.format(shown[cell]) for cell in zip(*np.nonzero(matrix), strict=True)}
    for (row, column), text in write_cells(ax, texts, colored > 0.75 * most).items():
        text.set_fontweight("bold" if row == column else "normal")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_ticks(range(N_CLASSES))
        axis.set_ticks(np.arange(N_CLASSES + 1) - 0.5, minor=True)
    ax.grid(which="minor", color="#cccccc", linewidth=0.6)
    ax.tick_params(which="minor", length=0)
    ax.set(xlabel="read as (colour: mistakes)", ylabel="true class")
    title = f"{matrix.trace()} of {count(matrix.sum(), 'digit')} read correctly"
    ax.set_title(f"{title} (percent of each row)" if rates else title, size="medium")
    recalls = recall(result.predictions, result.labels).numpy().round(4)
    table = shown.round(2).tolist()
    rows = [(digit, *table[digit], recalls[digit]) for digit in range(N_CLASSES)]
    header = ("true class", *(f"as {digit}" for digit in range(N_CLASSES)), "recall")
    return Figure(mpl, (ax,), title, f"Confusion matrix: {title}{_worst(wrong)}.", rows, header)


def _worst(wrong: np.ndarray) -> str:
    """Name the three most frequent mistakes."""
    order = np.argsort(-wrong, axis=None, kind="stable")[:3].tolist()
    worst = [divmod(place, N_CLASSES) for place in order]
    said = [f"{t} read as {r}, {count(wrong[t, r], 'time')}" for t, r in worst if wrong[t, r]]
    return f"; most confused: {'; '.join(said)}" if said else ""


def plot_predictions(
    split: Split, result: Result, *, n: int = 12, positions: Tensor | None = None
) -> Figure:
    """Show digits beside the three classes that a model finds most probable.

    The true class is bold and its bar dark; where the model is wrong, the digit is framed.

    Args:
        n: how many digits.
        positions: int64 (M,), of the digits in the split; None for the first ones.

    Raises:
        ValueError: for no digits, more than 60, or the result of another split.
    """
    need_same_digits(split, result)
    positions = (torch.arange(len(split)) if positions is None else positions)[:n]
    if not 0 < len(positions) <= 60:
        raise ValueError(f"a gallery with probabilities shows 1 to 60 digits, not {len(positions)}")
    chosen, probabilities = split.pick(positions), result.probabilities[positions]
    truth, read = chosen.labels.tolist(), result.predictions[positions].tolist()
    room = np.full((len(chosen), SIZE + 3, 2 * SIZE + 16), np.nan)  # the digit, then bars
    room[:, :SIZE, :SIZE] = chosen.images.numpy()
    wrong = wrongly_read(truth, read)
    title = f"{len(chosen) - len(wrong)} of {count(len(chosen), 'digit')} read correctly"
    says = f"{title} (bold: true class{'; framed: wrong' * bool(wrong)})"
    mpl, ax, corners = tiles(None, room, columns=3, title=says)
    ax.autoscale(False)
    rows = []
    for i, position in enumerate(positions.tolist()):
        if i in wrong:
            frame(ax, corners[i])
        _draw_bars(ax, corners[i], probabilities[i], truth[i])
        sure, right = probabilities[i, [read[i], truth[i]]].tolist()
        rows.append((position, truth[i], read[i], round(sure, 4), round(right, 4)))
    alt = f"{title}, each beside its most probable classes"
    alt += f"; wrong: {listed([*wrong.values()])}." if wrong else "."
    header = ("position", "label", "read as", "probability", "probability of the label")
    return Figure(mpl, (ax,), title, alt, rows, header)


def _draw_bars(ax: Axes, corner: np.ndarray, probabilities: Tensor, truth: int) -> None:
    """Draw the probabilities of three classes right of a digit: the highest, and the true one."""
    x, y = corner[0] + SIZE, corner[1]
    classes = probabilities.argsort(descending=True).tolist()
    classes = classes[:3] if truth in classes[:3] else [*classes[:2], truth]
    for k, digit in enumerate(classes):
        p, middle = probabilities[digit].item(), y + 4 + 9.5 * k
        color, weight = (COLORS[0], "bold") if digit == truth else ("#999999", "normal")
        ax.barh(middle, 18 * p, left=x + 8, height=6, color=color)
        style: dict[str, Any] = {"va": "center", "size": 9, "weight": weight, "in_layout": False}
        ax.text(x + 3, middle, str(digit), **style)
        ax.text(x + 9 + 18 * p, middle, f"{100 * p:.0f} %", **style)


def plot_mistakes(split: Split, result: Result, *, n: int = 12) -> Figure:
    """Show the worst mistakes: the digits whose true class got the lowest probability.

    Args:
        n: how many, at most 60.

    Raises:
        ValueError: for no digits, or the result of another split.
    """
    need_same_digits(split, result)
    wrong = torch.nonzero(result.predictions != result.labels)[:, 0]
    if not len(wrong):
        return only_words(f"No mistake in {count(len(split), 'digit')}")
    order = nll(result.logits, result.labels)[wrong].argsort(descending=True)
    shown = plot_predictions(split, result, n=n, positions=wrong[order])
    title = f"The worst {len(shown.rows)} of {count(len(wrong), 'mistake')}"
    shown.axes[0].set_title(f"{title} (bold: true class)", size="medium")
    facts = listed([f"{truth} read as {read}" for _, truth, read, *_ in shown.rows])
    alt = f"{title} in {count(len(split), 'digit')}: {facts}."
    return dataclasses.replace(shown, title=title, alt=alt)


def need_same_digits(split: Split, result: Result) -> None:
    """Refuse what is empty, does not belong together or is not a number."""
    need_digits(split)
    if not torch.equal(split.labels, result.labels):
        raise ValueError(
            "this result belongs to other digits; make it with dl.evaluate(model, split)"
        )
    need_numbers(result.logits.numpy(), "logits")


def plot_reliability(result: Result, *, ax: Axes | None = None) -> Figure:
    """Show whether a model is right as often as it is sure.

    Bars at the points reach over two standard errors; points of fewer than 10 digits are grey.

    Raises:
        ValueError: for no digits, or logits that are not numbers.
    """
    need_numbers(result.logits.numpy(), "logits")
    found = calibration(result.probabilities, result.labels)
    columns = torch.stack([found.confidence, found.accuracy, found.counts]).numpy()
    sure, right, counts = columns[:, columns[2] > 0]
    mpl, (ax,) = canvas(ax, (4.6, 4.6))
    _draw_reliability(ax, sure, right, counts)
    mean_sure, mean_right = np.average([sure, right], axis=1, weights=counts)
    title = f"Expected calibration error {100 * found.error:.1f} %"
    ax.set_title(title, size="medium")
    gap = mean_sure - mean_right
    verdict = "too sure" if gap > 0 else "too unsure"
    verdict = "about as sure as right" if abs(gap) < 0.005 else verdict
    alt = (
        f"{title}: over {count(int(counts.sum()), 'digit')} the model is {100 * mean_sure:.1f} % "
        f"sure on average and right in {100 * mean_right:.1f} %, {verdict}."
    )
    rows = list(zip(sure.round(4), right.round(4), counts.astype(int).tolist(), strict=True))
    return Figure(mpl, (ax,), title, alt, rows, ("probability", "right", "digits"))


def _draw_reliability(ax: Axes, sure: np.ndarray, right: np.ndarray, counts: np.ndarray) -> None:
    """Draw points with bars beside the diagonal, on which a model is as right as it is sure."""
    smooth = (right * counts + 1) / (counts + 2)  # keeps the error of 1 of 1 above zero
    errors = 2 * np.sqrt(smooth * (1 - smooth) / counts)
    low_high = np.stack([np.minimum(errors, right), np.minimum(errors, 1 - right)])
    ax.plot([0, 1], [0, 1], color="#666666", linestyle="--", label="as right as sure")
    names = {"this model": counts >= FEW, f"fewer than {FEW} digits": counts < FEW}
    for (name, chosen), color in zip(names.items(), (COLORS[0], "#aaaaaa"), strict=True):
        if chosen.any():
            style: dict[str, Any] = {"fmt": "o", "color": color, "capsize": 3, "label": name}
            ax.errorbar(sure[chosen], right[chosen], low_high[:, chosen], **style)
    ax.set(xlim=(0, 1.03), ylim=(-0.03, 1.03), aspect="equal")
    ax.set(xlabel="probability of the prediction", ylabel="how often it is right")
    ax.grid(alpha=0.3)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PERCENT)
    ax.legend(loc="lower right")


def plot_results(rows: Sequence[Mapping[str, Any]], *, data: str | None = None) -> Figure:
    """Show the test accuracy of recipes against their parameters and their seconds of training.

    A point is the mean of a recipe's seeds, at the median of their seconds; its bar goes from the
    lowest to the highest.

    Args:
        rows: what `results` returns.
        data: take the rows of this data set; None where they are all of one.

    Raises:
        ValueError: for no rows, or rows of several data sets.
    """
    rows = _of_one_data_set(rows, data)
    by_recipe: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_recipe.setdefault(row["recipe"], []).append(row)
    mpl, axes = canvas(None, (WIDTH, 3.6), 2)
    table = []
    for look, (name, seeds) in zip(looks([*by_recipe]), by_recipe.items(), strict=True):
        accuracies = [row["test_accuracy"] for row in seeds]
        mean = float(np.mean(accuracies))
        reach = [[max(mean - min(accuracies), 0)], [max(max(accuracies) - mean, 0)]]  # of rounding
        style = {"linestyle": "", "label": name, "capsize": 3, **look}
        x = [float(np.median([row[field] for row in seeds])) for field in ("parameters", "seconds")]
        for axis, value in zip(axes, x, strict=True):
            axis.errorbar([value], [mean], reach, **style)
        table.append((name, round(mean, 4), round(x[0]), round(x[1], 1), len(seeds)))
    for axis, label in zip(axes, ("parameters", "seconds of training"), strict=True):
        _style_logarithmic(axis, label)
    axes[0].set_ylabel("test accuracy")
    names = axes[0].get_legend_handles_labels()
    mpl.legend(*names, loc="outside lower center", ncols=4, frameon=False)
    title = f"{count(len(by_recipe), 'recipe')} on {rows[0]['data']}"
    mpl.suptitle(title, size="large")
    said = [f"{n} {100 * a:.2f} % with {p} parameters in {s} seconds" for n, a, p, s, _ in table]
    header = ("recipe", "test accuracy", "parameters", "seconds", "seeds")
    return Figure(mpl, tuple(axes), title, f"{title}: {'; '.join(said)}.", table, header)


def _of_one_data_set(
    rows: Sequence[Mapping[str, Any]], data: str | None
) -> Sequence[Mapping[str, Any]]:
    """Return the rows of this data set; None for the only one there is."""
    if not rows:
        raise ValueError(
            "there are no results to show; measure some with `python -m studies study`"
        )
    known = sorted({row["data"] for row in rows})
    if data is None and len(known) > 1:
        raise ValueError(
            f"results on {' and '.join(known)} cannot be compared; choose one: data={known[0]!r}"
        )
    if data is not None and data not in known:
        raise unknown("data set in these results", data, known)
    return [row for row in rows if data in (None, row["data"])]


def _style_logarithmic(axis: Axes, label: str) -> None:
    """Lay out an axis of powers of ten with three ticks or more, however close its ends lie."""
    axis.set(xscale="log", xlabel=label)
    left, right = axis.get_xlim()
    fine = (1, 1.5, 2, 3, 5, 7) if right < 5 * left else (1, 2, 5)
    axis.xaxis.set_major_locator(LogLocator(subs=fine if right < 100 * left else (1, 3)))
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.grid(alpha=0.3)
    axis.yaxis.set_major_formatter(PERCENT)


def plot_reading(measured: Mapping[str, Any]) -> Figure:
    """Show how many digits are read from each kind of picture, and with each step left out.

    Args:
        measured: what `python -m studies bench reading` stored, as `stored("reading")` returns it.
    """
    kinds = measured["kinds"]
    ways = list(next(iter(kinds.values())))
    shares = np.array([[row[way] for way in ways] for row in kinds.values()])
    mpl, (ax,) = canvas(None, (WIDTH, 1.2 + 0.22 * len(kinds)))
    ax.imshow(shares, cmap="Blues_r", vmin=0, vmax=1.3, aspect="auto")
    write_cells(ax, {cell: f"{100 * s:.3g}" for cell, s in np.ndenumerate(shares)}, shares < 0.6)
    steps = [way.removeprefix("without ") for way in ways]
    names = [
        f"without: {s}" if s != way else WAYS.get(way, way)
        for s, way in zip(steps, ways, strict=True)
    ]
    ax.xaxis.tick_top()  # first, or labels below are the ones that are turned
    ax.set_xticks(range(len(ways)), names, size=8, rotation=40, ha="left", rotation_mode="anchor")
    ax.set_yticks(range(len(kinds)), list(kinds), size=8)
    few = f"{measured['n_skipped']} where a step is left out"
    ax.set_xlabel(f"percent of {measured['n']} digits read correctly, of {few}", size=9)
    usual, whole = (shares[:, ways.index(way)] for way in WAYS)
    title = f"{count(len(kinds), 'kind')} of pictures, read in {count(len(ways), 'way')}"
    left_out = [i for i, way in enumerate(ways) if way != steps[i]]
    worst = sorted(left_out, key=lambda i: float(shares[:, i].mean()))[:2]
    alt = (
        f"{title}. The usual way reads {usual.mean():.0%} on average over the kinds, all steps "
        f"{whole.mean():.1%}, at least {whole.min():.1%}. Left out, these cost most: "
        f"{' and '.join(steps[i] for i in worst)}."
    )
    rows = [(kind, *row.values()) for kind, row in kinds.items()]
    return Figure(mpl, (ax,), title, alt, rows, ("kind", *ways))
