"""Pictures of what is inside a model: weights, feature maps, maps of a layer's output."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure as MplFigure
from torch import Tensor, nn

from digitlab.geometry import N_CLASSES
from digitlab.metrics import confusion_matrix
from digitlab.names import unknown
from digitlab.show.figure import COLORS, WIDTH, Figure, canvas, count, need_numbers, tiles

METHODS = ("pca", "tsne")
MOST_TILES = 256
MOST_POINTS = 10_000


def plot_weights(
    weights: nn.Module | Tensor,
    *,
    n: int = 32,
    columns: int = 8,
    titles: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Show the weights that lie on the pixels, one picture for each neuron or filter.

    Args:
        weights: a model, for the weights of its first layer; or float (M, 784), or filters
            (M, 1, height, width).
        n: the first `n` are shown, at most 256.
        columns: pictures in a row.
        titles: texts above the pictures; None for their numbers.
        ax: where to draw; None for a new figure.

    Raises:
        ValueError: for a model without weights, or weights that make no picture.
    """
    if isinstance(weights, nn.Module):
        layers = (m for m in weights.modules() if isinstance(m, nn.Linear | nn.Conv2d))
        first = next(layers, None)
        if first is None:
            raise ValueError("this model has no linear layer and no convolution to show")
        weights = first.weight
    array = weights.detach().float().cpu().numpy()
    side = math.isqrt(array.shape[1]) if array.ndim == 2 else 0
    if array.ndim == 2 and side**2 == array.shape[1]:
        array = array.reshape(-1, 1, side, side)
    if array.ndim != 4 or array.shape[1] != 1 or not array.size:
        raise ValueError(
            f"weights of shape {tuple(weights.shape)} make no pictures: "
            "pass (M, 784), or filters (M, 1, height, width) such as weight[:, :1]"
        )
    need_numbers(array, "weights")
    total, (height, width) = len(array), array.shape[2:]
    array = array[: min(n, MOST_TILES), 0]
    title = f"Weights of {count(total, 'neuron') if side else count(total, 'filter')}"
    if len(array) < total:
        title += f", the first {len(array)}"
    figure, ax = _shades(ax, array, columns, title=title, texts=titles, signed=True)
    mean, sizes = array.mean(), np.abs(array).mean(axis=(1, 2))
    alt = (
        f"{title}: pictures of {height} x {width} weights from {array.min():.2g} to "
        f"{array.max():.2g}, {mean:.2g} on average; number {sizes.argmax()} has the largest."
    )
    rows = [
        (i, *(round(float(f(weight)), 4) for f in (np.min, np.mean, np.max)))
        for i, weight in enumerate(array)
    ]
    return Figure(figure, (ax,), title, alt, rows, ("number", "lowest", "mean", "highest"))


def plot_features(output: Tensor, *, columns: int = 8, ax: Axes | None = None) -> Figure:
    """Show what a layer makes of one digit: feature maps, or a bar for each neuron.

    Args:
        output: what `layer_output` returns for one digit: float (1, channels, height, width) or
            (1, neurons), also without the leading 1.
        columns: feature maps in a row.
        ax: where to draw; None for a new figure.

    Raises:
        ValueError: for the output of several digits, or values that are not numbers.
    """
    array = output.detach().float().cpu().numpy()
    if array.ndim in (2, 4):
        if len(array) != 1:
            raise ValueError(f"this output is of {len(array)} digits; pass that of one: output[:1]")
        array = array[0]
    if array.ndim not in (1, 3) or not array.size:
        raise ValueError(
            f"an output of shape {tuple(output.shape)} is neither feature maps "
            "(1, channels, height, width) nor neurons (1, neurons)"
        )
    need_numbers(array, "outputs")
    strength = np.abs(array) if array.ndim == 1 else np.abs(array).mean(axis=(1, 2))
    silent = np.flatnonzero(strength == 0)
    if array.ndim == 1:
        title = f"Output of {count(len(array), 'neuron')}"
        figure, (ax,) = canvas(ax, (WIDTH, 2.6))
        ax.set_title(title, size="medium")
        if len(array) < 100:
            ax.bar(range(len(array)), array, color=COLORS[0])
        else:  # one shape is drawn many times quicker than as many bars
            ax.stairs(array, np.arange(len(array) + 1) - 0.5, fill=True, color=COLORS[0])
        ax.axhline(0, color="black", linewidth=0.8)
        ax.set_xlabel("neuron")
        ax.set_ylabel("output")
        if len(array) <= 20:
            ax.set_xticks(range(len(array)))
    else:
        size = f"{array.shape[1]} x {array.shape[2]}"
        title = f"{count(len(array), 'feature map')} of {size}"
        title += f", the first {MOST_TILES}" if len(array) > MOST_TILES else ""
        signed = bool(array.min() < 0)
        figure, ax = _shades(ax, array[:MOST_TILES], columns, title=title, signed=signed)
    alt = f"{title}, values from {array.min():.2g} to {array.max():.2g}; number {strength.argmax()}"
    alt += f" is strongest; {len(silent)} of {len(array)} are 0 everywhere."
    rows = [(i, round(float(value), 4)) for i, value in enumerate(strength)]
    return Figure(figure, (ax,), title, alt, rows, ("number", "mean size"))


def plot_map(
    output: Tensor, labels: Tensor, *, method: str = "pca", ax: Axes | None = None
) -> Figure:
    """Show digits as points in the plane, alike ones near each other, each drawn as its label.

    Args:
        output: (N, ...), pixels of a split or what `layer_output` returns; (N, 2) is drawn as it
            is.
        labels: int64 (N,).
        method: "pca" for the two directions that vary most; "tsne" for neighbourhoods, which
            takes seconds for 1000 digits, and where distances between groups mean nothing.
        ax: where to draw; None for a new figure.

    Raises:
        ValueError: for fewer than 3 or more than 10000 digits, or values that are not numbers.
    """
    from sklearn.decomposition import PCA  # seconds that the other plots do not need
    from sklearn.manifold import TSNE
    from sklearn.neighbors import NearestNeighbors

    if method not in METHODS:
        raise unknown("method", method, METHODS)
    if len(output) != len(labels):
        raise ValueError(f"{len(output)} outputs do not fit {len(labels)} labels")
    if not 3 <= len(output) <= MOST_POINTS:
        raise ValueError(
            f"a map shows 3 to {MOST_POINTS} digits, not {len(output)}; "
            "take some of them, for example split.sample(1000)"
        )
    points = output.detach().float().flatten(1).cpu().numpy()
    need_numbers(points, "outputs")
    way, names = "in the plane", ["", ""]
    if points.shape[1] > 2 and method == "pca":
        pca, way = PCA(2, random_state=0), "by PCA"
        points = pca.fit_transform(points)
        names = [
            f"direction {i + 1} ({r:.0%} of variance)"
            for i, r in enumerate(pca.explained_variance_ratio_)
        ]
    elif points.shape[1] > 2:
        perplexity, way = min(30.0, (len(points) - 1) / 3), "by t-SNE"
        points = TSNE(2, perplexity=perplexity, random_state=0).fit_transform(points)
    figure, (ax,) = canvas(ax, (6.0, 5.4))
    for digit in range(N_CLASSES):
        x, y = points[labels.numpy() == digit].T
        color = COLORS[digit % len(COLORS)]
        ax.scatter(x, y, marker=f"${digit}$", s=26, linewidths=0, color=color)
    ax.set_xlabel(names[0])
    ax.set_ylabel(names[1])
    ax.set_xticks([])
    ax.set_yticks([])
    title = f"{count(len(points), 'digit')} {way}"
    ax.set_title(title, size="medium")
    _, places = NearestNeighbors(n_neighbors=1).fit(points).kneighbors()
    matrix = confusion_matrix(labels[torch.from_numpy(places[:, 0])], labels)
    mixed = matrix - matrix.diagonal().diag()
    alike = 100 * int(matrix.trace()) / len(points)
    alt = f"{title}: {alike:.0f} % of them lie next to one of their own class"
    if mixed.any():
        a, b = divmod(int((mixed + mixed.T).argmax()), N_CLASSES)
        alt += f"; most mixed are {a} and {b}"
    rows = [(int(label), *xy) for label, xy in zip(labels, points.round(3).tolist(), strict=True)]
    return Figure(figure, (ax,), title, f"{alt}.", rows, ("label", "x", "y"))


def _shades(
    ax: Axes | None,
    array: np.ndarray,
    columns: int,
    *,
    title: str,
    texts: Sequence[str] | None = None,
    signed: bool,
) -> tuple[MplFigure, Axes]:
    """Draw values as tiles with texts or numbers; say in the title what their colours mean."""
    texts = [str(i) for i in range(len(array))] if texts is None else texts
    columns = min(columns, len(array))
    most = float(np.quantile(np.abs(array), 0.995)) or 1.0  # a few extremes would hide the rest
    limits = (-most, most) if signed else (0.0, most)
    dark, light = ("blue", "yellow") if signed else ("black", "white")
    title += f"\n{dark}: {limits[0]:.2g}, {light}: {most:.2g}"
    cmap = "cividis" if signed else "gray"
    figure, ax, _ = tiles(ax, array, columns, title=title, texts=texts, cmap=cmap, limits=limits)
    return figure, ax
