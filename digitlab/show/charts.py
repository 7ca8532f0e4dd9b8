"""Charts of numbers: lines, dots, a grid, arrays side by side, walks through a valley."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as MplFigure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from digitlab.show.figure import (
    COLORS,
    PERCENT,
    WIDTH,
    Figure,
    canvas,
    looks,
    need_numbers,
    write_cells,
)

MOST_TICKS = 12  # of whole numbers or names
MOST_TEXTS = 150  # numbers written into a grid
MOST_LETTERS = 50  # of four names in one row


@dataclass(frozen=True)
class Axis:
    """Say what an axis of a chart shows, and how.

    Attributes:
        label: what is measured.
        percent: the numbers are fractions, shown in percent.
        log: equal steps multiply by the same factor, so every number must be above 0.
        limits: the lowest and the highest number to show; None for all.
        marks: name -> a number to mark with a thin line across.
    """

    label: str
    percent: bool = False
    log: bool = False
    limits: tuple[float, float] | None = None
    marks: Mapping[str, float] | None = None

    def say(self, value: Any) -> str:
        """Return a number as the axis would write it; whole numbers and names stay as they are."""
        if self.percent:
            return f"{round(100 * value, 2):g} %"
        return f"{value:.3g}" if isinstance(value, float) else str(value)

    def numbers(self, values: Any) -> np.ndarray:
        """Return one or several numbers as float (N,).

        Raises:
            ValueError: for numbers that the axis cannot show.
        """
        array = np.atleast_1d(np.asarray(values, float))
        need_numbers(array, "numbers")
        if self.log and array.min(initial=1) <= 0:
            raise ValueError(f"a logarithmic axis has no place for {array.min():g}: leave out log")
        return array

    def dress(self, ax: Axes, which: Literal["x", "y"], whole: Collection[Any] = ()) -> None:
        """Give the axis "x" or "y" of a drawn chart its label, scale and marks.

        Args:
            ax: the chart.
            which: "x" or "y".
            whole: what stands on it; a few whole numbers get a tick each.
        """
        for number, (name, value) in enumerate((self.marks or {}).items()):
            style: dict[str, Any] = {
                "color": "#666666",
                "linestyle": (":", "-.")[number % 2],
                "label": name,
            }
            (ax.axhline if which == "y" else ax.axvline)(value, **style)
        ax.grid(axis=which, alpha=0.3)
        options = {"label": self.label, "lim": self.limits, "scale": "log" if self.log else None}
        ax.set(**{which + name: value for name, value in options.items() if value is not None})
        axis = ax.xaxis if which == "x" else ax.yaxis
        low, high = axis.get_view_interval()
        if self.log:
            axis.set_minor_formatter(NullFormatter())
            if high < 300 * low:
                axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
                axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ticks = sorted({value for value in whole if isinstance(value, int)})
        if ticks and all(isinstance(value, int) for value in whole):
            if len(ticks) <= MOST_TICKS:
                axis.set_ticks(ticks, [str(tick) for tick in ticks])
            elif not self.log:
                axis.set_major_locator(MaxNLocator(integer=True))
        if self.percent:
            axis.set_major_formatter(PERCENT)


def plot_lines(  # noqa: PLR0913 - named settings
    lines: Mapping[str, Iterable[Any]],
    *,
    title: str,
    x: Axis | str,
    y: Axis | str,
    at: Sequence[Any] | None = None,
    joined: bool = True,
) -> Figure:
    """Show how numbers change: a line with markers for each name; four can be told apart well.

    Args:
        lines: name -> numbers; or {x: number}; or {x: numbers of several seeds}, which show as
            their mean in a band from the lowest to the highest.
        title: what the chart shows.
        x, y: its axes.
        at: the x of the numbers of each line; None for 0, 1, 2 ...
        joined: False for markers alone, where there is nothing in between.

    Raises:
        ValueError: for no line, or numbers that cannot be shown.
    """
    _need_some(lines, "{name: numbers}")
    x, y = _axis(x), _axis(y)
    mpl, (ax,) = canvas(None, (WIDTH - 0.5, 3.2))
    rows, facts = list[tuple[Any, ...]](), list[str]()
    for look, (name, values) in zip(looks([*lines]), lines.items(), strict=True):
        points = _points(_by_place(values, at), y)
        means = {place: float(seeds.mean()) for place, seeds in points.items()}
        _draw_line(ax, points, {"label": name, **look}, joined=joined)
        rows += [(name, place, y.say(mean)) for place, mean in means.items()]
        facts.append(f"{name}: {_course(means, x, y, joined=joined)}")
    x.dress(ax, "x", [place for _, place, _ in rows])
    y.dress(ax, "y")
    ax.set_title(title, size="medium")
    marks = [f"marked is {name}" for axis in (x, y) for name in axis.marks or {}]
    if len(lines) + len(marks) > 1:
        _legend(mpl, sum(map(len, lines)))
    alt = f"{title} ({y.label} over {x.label}). {'; '.join(facts + marks)}."
    return Figure(mpl, (ax,), title, alt, rows, ("line", x.label, y.label))


def plot_dots(
    dots: Mapping[str, Any],
    *,
    title: str,
    x: Axis | str,
    errors: Mapping[str, float] | None = None,
    bold: Collection[str] = (),
) -> Figure:
    """Compare where numbers lie: a row for each name, with a dot for each of its numbers.

    Args:
        dots: name -> a number, or the numbers of several seeds, which get a line at their mean.
        title: what the chart shows.
        x: what the numbers are.
        errors: name -> how far a grey bar reaches to both sides of the mean.
        bold: names to set off.

    Raises:
        ValueError: for no row, or numbers that cannot be shown.
    """
    _need_some(dots, "{name: numbers}")
    x = _axis(x)
    mpl, (ax,) = canvas(None, (WIDTH, 1.0 + 0.27 * len(dots)))
    rows = []
    for place, (name, given) in enumerate(dots.items()):
        values = x.numbers(given)
        row = [x.say(float(f(values))) for f in (np.mean, np.min, np.max)]
        if errors:
            ax.errorbar(values.mean(), place, xerr=errors[name], color="silver", capsize=4)
        _draw_dots(ax, place, values, row[0], COLORS[name in bold])
        rows.append((name, *row))
    for name, tick in zip(dots, ax.set_yticks(range(len(dots)), list(dots)), strict=True):
        tick.label1.set_fontweight("bold" if name in bold else "normal")
    ax.margins(x=0.1)
    ax.set_ylim(len(dots) - 0.4, -0.6)
    ax.set_title(title, size="medium")
    x.dress(ax, "x")
    said = [f"{n}: {mean}" + f" (from {a} to {b})" * (a != b) for n, mean, a, b in rows]
    alt = f"{title} ({x.label}). {'; '.join(said)}."
    return Figure(mpl, (ax,), title, alt, rows, ("", "mean", "lowest", "highest"))


def plot_grid(
    numbers: Mapping[Any, Any], *, title: str, x: str, y: str, percent: bool = False
) -> Figure:
    """Show numbers in a grid, the brighter the higher; what was not measured stays white.

    Args:
        numbers: {(row, column): number}; or {row: {column: number}}; or {row: numbers}.
        title: what the grid shows.
        x, y: what its columns and its rows are.
        percent: the numbers are fractions, shown in percent.

    Raises:
        ValueError: for no number, or numbers that cannot be shown.
    """
    _need_some(numbers, "{(row, column): number}")
    values = _by_row_and_column(numbers)
    axis = Axis("", percent=percent)
    axis.numbers(list(values.values()))
    rows, columns = map(_in_order, zip(*values, strict=True))
    grid = np.array([[values.get((r, c), np.nan) for c in columns] for r in rows], float)
    letters = [max(len(str(name)) for name in names) for names in (rows, columns)]
    width = 1 + 0.09 * letters[0] + len(columns) * max(0.8, 0.09 * letters[1])
    width = min(WIDTH, max(width, 0.09 * len(title)))
    mpl, (ax,) = canvas(None, (width, 1.1 + 0.3 * len(rows)))
    ax.imshow(grid, cmap="cividis", aspect="auto", interpolation="nearest")
    texts = {at: "" if np.isnan(v) else axis.say(float(v)) for at, v in np.ndenumerate(grid)}
    if grid.size <= MOST_TEXTS:
        write_cells(ax, texts, grid < (np.nanmin(grid) + np.nanmax(grid)) / 2)
    ax.set_yticks(range(len(rows)), list(map(str, rows)))
    if len(columns) <= MOST_TICKS:
        ax.set_xticks(range(len(columns)), list(map(str, columns)))
    ax.set(xlabel=x, ylabel=y)
    mpl.suptitle(title, size="medium")
    said = [
        f"{how} {axis.say(values[r, c])} at {y} {r}, {x} {c}"
        for how, (r, c) in _ends(values).items()
    ]
    alt = f"{title}. {len(rows)} x {len(columns)} numbers, {y} by {x}: {', '.join(said)}."
    table = [(r, *(texts[i, j] for j in range(len(columns)))) for i, r in enumerate(rows)]
    return Figure(mpl, (ax,), title, alt, table, (y, *columns))


def plot_images(images: Mapping[str, Any], *, title: str) -> Figure:
    """Show arrays side by side, each from black at its lowest to white at its highest number.

    Args:
        images: name -> numbers (height, width); sizes may differ.
        title: what they are.

    Raises:
        ValueError: for no array, or numbers that cannot be shown.
    """
    _need_some(images, "{name: array}")
    mpl, axes = canvas(None, (WIDTH, 0.55 + 0.95 * WIDTH / max(3, len(images))), len(images))
    rows = []
    for ax, (name, given) in zip(axes, images.items(), strict=True):
        values = np.asarray(given, float)
        need_numbers(values, "numbers")
        ax.imshow(values, cmap="gray", interpolation="nearest")
        ax.set_title(name, size="medium")
        ax.set_axis_off()
        rows.append((name, *values.shape, f"{values.min():.3g}", f"{values.max():.3g}"))
    mpl.suptitle(title, size="medium")
    said = [f"{name}, {height} x {width}" for name, height, width, *_ in rows]
    header = ("array", "height", "width", "lowest", "highest")
    return Figure(mpl, tuple(axes), title, f"{title}: {'; '.join(said)}.", rows, header)


def plot_paths(
    paths: Mapping[str, Any],
    height: Callable[[Any, Any], Any],
    *,
    title: str,
    lowest: tuple[float, float] = (0, 0),
) -> Figure:
    """Show walks through a valley, each on its own map with lines of equal height.

    Args:
        paths: name -> places (n, 2), the x and y of each step.
        height: (x, y) -> height, for arrays.
        title: what the walks are.
        lowest: the place at the bottom of the valley, which gets a star.

    Raises:
        ValueError: for no path, or places that are not numbers.
    """
    _need_some(paths, "{name: places}")
    walks = {name: np.asarray(places, float) for name, places in paths.items()}
    every = np.concatenate(list(walks.values()))
    need_numbers(every, "numbers")
    room = 0.1 * np.ptp(every, axis=0)
    x, y = np.linspace(every.min(axis=0) - room, every.max(axis=0) + room, 101).T
    heights = height(*np.meshgrid(x, y))
    mpl, axes = canvas(None, (WIDTH, 3.0), len(walks))
    rows = []
    for ax, (name, walk) in zip(axes, walks.items(), strict=True):
        ax.contour(x, y, heights, levels=12, colors="lightgrey")
        ax.plot(*walk.T, ".-", color=COLORS[0], linewidth=0.8)
        ax.plot(*lowest, "*", color="black", markersize=10)
        ax.set(xlabel="x", ylabel="y")
        ax.set_title(name, size="medium")
        rows.append((name, len(walk) - 1, f"{np.hypot(*walk[-1] - lowest):.2f}"))
    mpl.suptitle(title, size="medium")
    said = [f"{name} ends {far} from it after {n} steps" for name, n, far in rows]
    alt = f"{title}, with a star at the lowest point: {'; '.join(said)}."
    return Figure(mpl, tuple(axes), title, alt, rows, ("path", "steps", "from the lowest point"))


# --- What they share ----------------------------------------------------------------------------


def _need_some(things: Mapping[Any, Any], form: str) -> None:
    if not things:
        raise ValueError(f"there is nothing to show; give {form}")


def _axis(axis: Axis | str) -> Axis:
    return Axis(axis) if isinstance(axis, str) else axis


def _legend(mpl: MplFigure, n_letters: int) -> None:
    columns = 4 if n_letters < MOST_LETTERS else 2
    mpl.legend(loc="outside lower center", ncols=columns, frameon=False)


def _points(values: Mapping[Any, Any], y: Axis) -> dict[Any, np.ndarray]:
    """Return x -> float (seeds,)."""
    points = {place: np.atleast_1d(np.asarray(seeds, float)) for place, seeds in values.items()}
    y.numbers(np.concatenate(list(points.values())))
    return points


def _in_order(names: Iterable[Any]) -> list[Any]:
    """Return each name once: numbers sorted, others as they come."""
    once = list(dict.fromkeys(names))
    return sorted(once) if all(isinstance(name, int | float) for name in once) else once


def _by_place(values: Iterable[Any], at: Sequence[Any] | None) -> dict[Any, Any]:
    """Return x -> one number or several, with numbers of Python as x."""
    if not isinstance(values, Mapping):
        values = list(values)
        at = range(len(values)) if at is None else at
        if len(values) != len(at):
            raise ValueError(f"{len(values)} numbers do not fit {len(at)} places on the x axis")
        values = dict(zip(at, values, strict=True))
    _need_some(values, "every line a number")
    return {getattr(place, "item", lambda place=place: place)(): v for place, v in values.items()}


def _draw_line(
    ax: Axes, points: Mapping[Any, np.ndarray], style: Mapping[str, Any], *, joined: bool
) -> None:
    """Draw means, and what lies between the lowest and the highest: a band, or lines."""
    places = list(points)
    low, mean, high = (
        np.array([f(seeds) for seeds in points.values()]) for f in (np.min, np.mean, np.max)
    )
    if joined:
        every = max(1, len(places) // 10)
        ax.plot(places, mean, markersize=5, markevery=every, **style)
        ax.fill_between(places, low, high, color=style["color"], alpha=0.2, linewidth=0)
    else:  # hollow, so that one shows through another
        ax.plot(places, mean, linestyle="", markersize=8, markerfacecolor="none", **style)
        ax.vlines(places, low, high, color=style["color"])


def _course(means: Mapping[Any, float], x: Axis, y: Axis, *, joined: bool) -> str:
    """Say where a line begins, ends and turns; of markers alone the lowest and the highest."""
    places = list(means)
    first, last = places[0], places[-1]
    ends = {place: f"{how} " for how, place in _ends(means).items()}
    if joined or len(means) == 1:
        outer = means[first], means[last]
        ends = {first: "", last: ""} | {p: how for p, how in ends.items() if means[p] not in outer}
    return ", ".join(f"{how}{y.say(means[p])} at {x.say(p)}" for p, how in ends.items())


def _by_row_and_column(numbers: Mapping[Any, Any]) -> dict[tuple[Any, Any], float]:
    if all(isinstance(place, tuple) for place in numbers):
        return {place: float(number) for place, number in numbers.items()}
    lines = {row: _by_place(line, None) for row, line in numbers.items()}
    return {(row, c): float(number) for row, line in lines.items() for c, number in line.items()}


def _ends(values: Mapping[Any, float]) -> dict[str, Any]:
    """Return where the lowest and the highest number are."""
    by = values.__getitem__
    return {"lowest": min(values, key=by), "highest": max(values, key=by)}


def _draw_dots(ax: Axes, place: int, values: np.ndarray, text: str, color: str) -> None:
    ax.plot(values, [place] * len(values), "o", color=color, alpha=0.6)
    if len(values) > 1:
        ax.plot(values.mean(), place, "|", color="black", markersize=14, markeredgewidth=2)
    else:
        ax.annotate(text, (values[0], place), (7, 0), textcoords="offset points", va="center")
