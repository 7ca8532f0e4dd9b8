"""Figures of training: loss and accuracy over the epochs, the learning rate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as MplFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from digitlab.names import unknown
from digitlab.show.figure import PERCENT, WIDTH, Figure, canvas, count, looks, need_numbers
from digitlab.trainer import History

METRICS = ("loss", "accuracy")
PARTS = {"train": "training", "valid": "validation"}
MOST_PAIRS = 4  # of curves that the eye can follow
Seeds = History | Sequence[History]
Histories = Seeds | Mapping[str, Seeds]


def plot_history(
    history: Histories, *, metric: str | None = None, ax: Axes | None = None
) -> Figure:
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
    metrics = [metric] if metric else METRICS
    mpl, axes = canvas(ax, (4.5 if metric else WIDTH, 3.2), len(metrics))
    curves = {name: list(_curves(runs, name)) for name in metrics}
    for axis, name in zip(axes, metrics, strict=True):
        _draw_metric(axis, name, curves[name])
    _legend(mpl if ax is None else axes[0], axes[0], list(runs))
    n_epochs = max(min(map(len, seeds)) for seeds in runs.values())
    title = f"{' and '.join(metrics)} over {count(n_epochs, 'epoch')}".capitalize()
    if len(runs) > 1:
        title += f" of {', '.join(runs)}"
    drawn = [curve for name in metrics for curve in curves[name]]
    facts = "; ".join(f"{curve.name} {_course(curve)}" for curve in drawn if curve.told)
    rows = [
        (curve.name, epoch, round(value, 4))
        for curve in drawn
        for epoch, value in enumerate(curve.mean.tolist(), start=1)
    ]
    alt = f"{title}. {facts[:1].upper()}{facts[1:]}."
    return Figure(mpl, tuple(axes), title, alt, rows, ("curve", "epoch", "value"))


def plot_lr(lr: History | Sequence[float], *, ax: Axes | None = None) -> Figure:
    """Show the learning rate through a training.

    Args:
        lr: a history, with one rate for each epoch; or rates, one for each step.

    Raises:
        ValueError: for no rates, or rates that are not numbers.
    """
    unit, values = ("epoch", lr.lr) if isinstance(lr, History) else ("step", list(lr))
    if not values:
        raise ValueError("there is no learning rate to show; train at least one epoch first")
    need_numbers(np.array(values), "learning rates")
    mpl, (ax,) = canvas(ax, (4.5, 2.8))
    curve = _Curve("learning rate", np.array([values], float), "train", "lr", looks([""])[0])
    _draw_curve(ax, curve)
    _style_epochs(ax, "learning rate")
    ax.set(xlabel=unit, ylim=(0, None))
    title = f"Learning rate over {count(len(values), unit)}"
    alt = f"{title}: {values[0]:.3g} at first, {values[-1]:.3g} at last"
    if (top := max(values)) > max(values[0], values[-1]):
        alt += f", highest at {unit} {values.index(top) + 1} with {top:.3g}"
    rows = list(enumerate(values, start=1))
    return Figure(mpl, (ax,), title, f"{alt}.", rows, (unit, "learning rate"))


def _runs(history: Histories) -> dict[str, list[History]]:
    """Bring one history, several seeds or several runs to one form, and check it."""
    named = history if isinstance(history, Mapping) else {"": history}
    runs = {n: [h] if isinstance(h, History) else list(h) for n, h in named.items()}
    if not runs or not all(seeds and all(map(len, seeds)) for seeds in runs.values()):
        raise ValueError("there is a history without an epoch; train at least one epoch first")
    return runs


@dataclass(frozen=True)
class _Curve:
    """Hold one line of a figure, its band, and whether the alternative text speaks of it."""

    name: str
    values: np.ndarray  # (seeds, epochs)
    part: str
    metric: str
    look: dict[str, Any]  # its colour and marker
    told: bool = True
    marked: bool = False  # at its lowest point

    @property
    def mean(self) -> np.ndarray:
        return self.values.mean(axis=0)


def _curves(runs: Mapping[str, list[History]], metric: str) -> Iterator[_Curve]:
    """Return what is drawn of one metric, without what was not measured."""
    validated = {run: all(h.valid_loss for h in seeds) for run, seeds in runs.items()}
    names = [*runs] if len(runs) > 1 else [*PARTS]
    look_of = dict(zip(names, looks(names), strict=True))
    crowded = len(runs) > MOST_PAIRS and all(validated.values())
    for run, seeds in runs.items():
        for part in ("valid",) if crowded else PARTS:
            values = [getattr(history, f"{part}_{metric}") for history in seeds]
            n_epochs = min(map(len, values))
            if not n_epochs:
                continue
            name = f"{run}: {PARTS[part]} {metric}" if run else f"{PARTS[part]} {metric}"
            look = look_of[run if len(runs) > 1 else part]
            told = len(runs) == 1 or part == "valid" or not validated[run]
            marked = len(runs) == 1 and (part, metric) == ("valid", "loss")
            array = np.array([curve[:n_epochs] for curve in values], float)
            yield _Curve(name, array, part, metric, look, told, marked)


def _draw_metric(axis: Axes, metric: str, curves: Sequence[_Curve]) -> None:
    """Draw loss or accuracy over the epochs."""
    for curve in curves:
        _draw_curve(axis, curve)
        if curve.marked:
            _mark_lowest(axis, curve.mean)
    _style_epochs(axis, metric)
    if not all(np.isfinite(curve.mean).all() for curve in curves):
        axis.set_title(f"{metric.capitalize()} (gaps: not a finite number)", size="medium")
    if metric == "accuracy":
        axis.yaxis.set_major_formatter(PERCENT)


def _draw_curve(axis: Axes, curve: _Curve) -> None:
    """Draw the mean of the seeds in a band from the lowest to the highest."""
    epochs = np.arange(1, curve.values.shape[1] + 1)
    (line,) = axis.plot(epochs, curve.mean, markersize=4, **curve.look)
    line.set(label=PARTS[curve.part], linestyle="--" if curve.part == "valid" else "-")
    line.set_markevery(max(1, len(epochs) // 10))
    if len(curve.values) > 1:
        low, high = curve.values.min(axis=0), curve.values.max(axis=0)
        axis.fill_between(epochs, low, high, color=line.get_color(), alpha=0.25, linewidth=0)


def _mark_lowest(axis: Axes, values: np.ndarray) -> None:
    """Say where the curve turns upwards, if it does."""
    if np.isfinite(values).all() and (best := int(values.argmin())) < len(values) - 1:
        place: dict[str, Any] = {"textcoords": "offset points", "arrowprops": {"arrowstyle": "-"}}
        axis.annotate(
            f"lowest: epoch {best + 1}", (best + 1, values[best]), (0, 28), ha="center", **place
        )


def _style_epochs(axis: Axes, name: str) -> None:
    axis.set_title(name.capitalize(), size="medium")
    axis.set_xlabel("epoch")
    last = max(np.max(line.get_xdata()) for line in axis.get_lines())
    axis.set_xlim(1 - 0.04 * last, last + 0.04 * last)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axis.grid(alpha=0.3)


def _legend(where: MplFigure | Axes, axis: Axes, runs: list[str]) -> None:
    """Name the lines: of one run as they are, of several by colour and by dashes apart."""
    handles = axis.get_lines()
    labels = [str(line.get_label()) for line in handles]
    if len(runs) > 1:
        dashes = {label: line.get_linestyle() for label, line in zip(labels, handles, strict=True)}
        handles = [Line2D([], [], **style) for style in looks(runs)]
        handles += [Line2D([], [], color="#666666", linestyle=style) for style in dashes.values()]
        labels = [*runs, *dashes]
    if isinstance(where, MplFigure):
        columns = 2 if where.get_figwidth() < WIDTH else 4
        where.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
    else:
        where.legend(handles, labels)


def _course(curve: _Curve) -> str:
    """Say in words how the mean curve runs: where it starts, turns and ends."""
    values, up = curve.mean, curve.metric == "accuracy"
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
    if len(ends := curve.values[:, -1]) > 1:
        low, high = say(ends.min()), say(ends.max())
        text += f" (mean of {len(ends)} seeds, which end between {low} and {high})"
    return text
