"""Figures of what is inside a model: weights, feature maps, maps of a layer's output."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor, nn

from digitlab.geometry import N_CLASSES
from digitlab.metrics import confusion_matrix
from digitlab.names import unknown
from digitlab.pixels import as_numbers, is_tensor, kind_of
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
    """Show the weights that lie on the pixels, one image for each neuron or filter.

    Args:
        weights: a model, for those of its first layer; or float (M, 784), or filters (M, 1, height,
            width).
        n: the first `n` are shown, at most 256.
        columns: images in a row.
        titles: texts above the images; None for their numbers.

    Raises:
        ValueError: for a model without weights, or weights that make no image.
    """
    array, what = _on_pixels(weights)
    total, (height, width) = len(array), array.shape[1:]
    array = array[: min(n, MOST_TILES)]
    title = f"Weights of {count(total, what)}"
    if len(array) < total:
        title += f", the first {len(array)}"
    texts = [str(i) for i in range(len(array))] if titles is None else titles
    says, shades = _shades(array, signed=True)
    columns = min(columns, len(array))
    mpl, ax, _ = tiles(ax, array, columns, title=f"{title}\n{says}", texts=texts, **shades)
    sizes = np.abs(array).mean(axis=(1, 2))
    alt = (
        f"{title}: images of {height} x {width} weights from {array.min():.2g} to {array.max():.2g}"
        f", {array.mean():.2g} on average; number {sizes.argmax()} has the largest."
    )
    facts = np.stack([f(array, axis=(1, 2)) for f in (np.min, np.mean, np.max)], axis=1)
    rows = [(i, *row) for i, row in enumerate(facts.astype(float).round(4).tolist())]
    return Figure(mpl, (ax,), title, alt, rows, ("number", "lowest", "mean", "highest"))


def _on_pixels(weights: nn.Module | Tensor) -> tuple[np.ndarray, str]:
    """Return the weights as (M, height, width), and whether they are of neurons or filters."""
    if isinstance(weights, nn.Module):
        layers = (m for m in weights.modules() if isinstance(m, nn.Linear | nn.Conv2d))
        first = next(layers, None)
        if first is None:
            raise ValueError("this model has no linear layer and no convolution to show")
        weights = first.weight
    array, what = as_numbers(weights, "weights").float().numpy(), "filter"
    if array.ndim == 2 and (side := math.isqrt(array.shape[1])) ** 2 == array.shape[1]:
        array, what = array.reshape(-1, 1, side, side), "neuron"
    if array.ndim != 4 or array.shape[1] != 1 or not array.size:
        raise ValueError(
            f"weights of shape {tuple(weights.shape)} make no figure: "
            "pass (M, 784), or filters (M, 1, height, width) such as weight[:, :1]"
        )
    need_numbers(array, "weights")
    return array[:, 0], what


def plot_features(output: Tensor, *, columns: int = 8, ax: Axes | None = None) -> Figure:
    """Show what a layer makes of one digit: feature maps, or a bar for each neuron.

    Args:
        output: what `layer_output` returns for one digit: float (1, channels, height, width) or
            (1, neurons), also without the leading 1.
        columns: feature maps in a row.

    Raises:
        ValueError: for the output of several digits, or values that are not numbers.
    """
    array = _of_one_digit(output)
    if array.ndim == 1:
        title, strength = f"Output of {count(len(array), 'neuron')}", np.abs(array)
        mpl, (ax,) = canvas(ax, (WIDTH, 2.6))
        ax.set_title(title, size="medium")
        _draw_neurons(ax, array)
    else:
        title, strength = count(len(array), "feature map"), np.abs(array).mean(axis=(1, 2))
        title += f" of {array.shape[1]} x {array.shape[2]}"
        title += f", the first {MOST_TILES}" if len(array) > MOST_TILES else ""
        shown = array[:MOST_TILES]
        says, shades = _shades(shown, signed=bool(array.min() < 0))
        texts, columns = [str(i) for i in range(len(shown))], min(columns, len(shown))
        mpl, ax, _ = tiles(ax, shown, columns, title=f"{title}\n{says}", texts=texts, **shades)
    alt = (
        f"{title}, values from {array.min():.2g} to {array.max():.2g}; number {strength.argmax()} "
        f"is strongest; {(strength == 0).sum()} of {len(array)} are 0 everywhere."
    )
    rows = [(i, round(float(value), 4)) for i, value in enumerate(strength)]
    return Figure(mpl, (ax,), title, alt, rows, ("number", "mean size"))


def _of_one_digit(output: Tensor) -> np.ndarray:
    """Return the output for one digit as (channels, height, width) or (neurons,)."""
    array = as_numbers(output, "outputs").float().numpy()
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
    return array


def _draw_neurons(ax: Axes, array: np.ndarray) -> None:
    """Draw a bar for each neuron."""
    if len(array) < 100:
        ax.bar(range(len(array)), array, color=COLORS[0])
    else:  # one shape is drawn many times quicker than as many bars
        ax.stairs(array, np.arange(len(array) + 1) - 0.5, fill=True, color=COLORS[0])
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set(xlabel="neuron", ylabel="output")
    if len(array) <= 20:
        ax.set_xticks(range(len(array)))


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

    Raises:
        ValueError: for fewer than 3 or more than 10000 digits, or values that are not numbers.
    """
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    output = as_numbers(output, "outputs")
    if not is_tensor(labels, torch.int64) or not labels.ndim == 1 <= output.ndim:
        raise ValueError(f"labels must be int64 (N,), one for each output, not {kind_of(labels)}")
    if len(output) != len(labels):
        raise ValueError(f"{len(output)} outputs do not fit {len(labels)} labels")
    if not 3 <= len(output) <= MOST_POINTS:
        raise ValueError(
            f"a map shows 3 to {MOST_POINTS} digits, not {len(output)}; "
            "take some of them, for example split.sample(1000)"
        )
    points, way, names = _in_the_plane(output, method)
    mpl, (ax,) = canvas(ax, (6.0, 5.4))
    for digit in range(N_CLASSES):
        x, y = points[labels.numpy() == digit].T
        color = COLORS[digit % len(COLORS)]
        ax.scatter(x, y, marker=f"${digit}$", s=26, linewidths=0, color=color)
    ax.set(xlabel=names[0], ylabel=names[1], xticks=[], yticks=[])
    title = f"{count(len(points), 'digit')} {way}"
    ax.set_title(title, size="medium")
    rows = [(int(label), *xy) for label, xy in zip(labels, points.round(3).tolist(), strict=True)]
    alt = f"{title}: {_neighbours(points, labels)}."
    return Figure(mpl, (ax,), title, alt, rows, ("label", "x", "y"))


def _in_the_plane(output: Tensor, method: str) -> tuple[np.ndarray, str, Sequence[str]]:
    """Return a point for each digit, (N, 2), how it was found, and the names of the axes."""
    from sklearn.decomposition import PCA  # seconds that the other plots do not need
    from sklearn.manifold import TSNE

    points = output.float().flatten(1).numpy()
    need_numbers(points, "outputs")
    if points.shape[1] <= 2:
        return points, "in the plane", ("", "")
    if method == "tsne":
        perplexity = min(30.0, (len(points) - 1) / 3)
        tsne = TSNE(2, perplexity=perplexity, random_state=0)
        return tsne.fit_transform(points), "by t-SNE", ("", "")
    pca = PCA(2, random_state=0)
    points, shares = pca.fit_transform(points), pca.explained_variance_ratio_
    names = [f"direction {i} ({share:.0%} of variance)" for i, share in enumerate(shares, start=1)]
    return points, "by PCA", names


def _neighbours(points: np.ndarray, labels: Tensor) -> str:
    """Say how many digits lie next to one of their own class, and which classes mix."""
    from sklearn.neighbors import NearestNeighbors

    _, places = NearestNeighbors(n_neighbors=1).fit(points).kneighbors()
    matrix = confusion_matrix(labels[torch.from_numpy(places[:, 0])], labels)
    alike = 100 * int(matrix.trace()) / len(points)
    text = f"{alike:.0f} % of them lie next to one of their own class"
    mixed = matrix - matrix.diagonal().diag()
    if mixed.any():
        a, b = divmod(int((mixed + mixed.T).argmax()), N_CLASSES)
        text += f"; most mixed are {a} and {b}"
    return text


def _shades(array: np.ndarray, *, signed: bool) -> tuple[str, dict[str, Any]]:
    """Return what the colours of these values mean, in words and for `tiles`."""
    most = float(np.quantile(np.abs(array), 0.995)) or 1.0  # a few extremes would hide the rest
    low, dark, light = (-most, "blue", "yellow") if signed else (0.0, "black", "white")
    says = f"{dark}: {low:.2g}, {light}: {most:.2g}"
    return says, {"cmap": "cividis" if signed else "gray", "limits": (low, most)}
