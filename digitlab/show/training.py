"""Figures of training: loss and accuracy over the epochs, the learning rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as MplFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from digitlab.names import unknown
from digitlab.show.figure import PERCENT, WIDTH, Figure, canvas, count, look, need_numbers
from digitlab.trainer import History

METRICS = ("loss", "accuracy")
MOST_PAIRS = 4  # of curves that the eye can follow


def plot_history(
    history: History | Sequence[History] | Mapping[str, History | Sequence[History]],
    *,
    metric: str | None = None,
    ax: Axes | None = None,
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
    return Figure(figure, tuple(axes), title, alt, rows, ("curve", "epoch", "value"))


def plot_lr(lr: History | Sequence[float], *, ax: Axes | None = None) -> Figure:
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
    return Figure(figure, (ax,), title, f"{alt}.", rows, (unit, "learning rate"))


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


def _legend(where: MplFigure | Axes, axis: Axes, runs: list[str]) -> None:
    """Name the lines: of one run as they are, of several by colour and by dashes apart."""
    handles = axis.get_lines()
    labels = [str(line.get_label()) for line in handles]
    if len(runs) > 1:
        styles = {label: line.get_linestyle() for label, line in zip(labels, handles, strict=True)}
        handles = [Line2D([], [], **look(i)) for i in range(len(runs))]
        handles += [Line2D([], [], color="#666666", linestyle=style) for style in styles.values()]
        labels = [*runs, *styles]
    if isinstance(where, MplFigure):
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
