"""Everything under figures/: drawn from the trained models that ship and from stored results."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from digitlab.data import Digits, load
from digitlab.inference import evaluate, layer_output
from digitlab.measured import pretrained_run, results, stored
from digitlab.pixels import as_pixels
from digitlab.reading.page import read_page
from digitlab.reading.paper import photograph
from digitlab.reading.steps import digitize
from digitlab.recipes import RECIPES, build_model, document_recipes
from digitlab.show.digits import plot_averages, plot_counts, plot_digit, plot_digits
from digitlab.show.figure import Figure
from digitlab.show.graphs import Graph, draw_blocks, draw_graph
from digitlab.show.layers import plot_features, plot_map, plot_weights
from digitlab.show.pages import plot_page, plot_steps
from digitlab.show.results import (
    plot_confusion,
    plot_mistakes,
    plot_predictions,
    plot_reading,
    plot_reliability,
    plot_results,
)
from digitlab.show.training import plot_history
from tools.scaling_figure import plot_scaling


def draw_figures(digits: Digits) -> Iterator[tuple[str, Figure | Graph]]:
    """Draw all figures, one after the other, each with its file name."""
    yield "samples.png", plot_digits(digits.train.sample(50, seed=0))
    yield "digit.png", plot_digit(digits.train.images[0], int(digits.train.labels[0]))
    yield "averages.png", plot_averages(digits.train)
    yield "variances.png", plot_averages(digits.train, variance=True)
    yield "counts.png", plot_counts(digits.train)
    runs = {name: pretrained_run(name) for name in RECIPES}
    for name, run in runs.items():
        result = evaluate(run.model, digits.test)
        yield f"confusion-{name}.png", plot_confusion(result)
        yield f"predictions-{name}.png", plot_predictions(digits.test, result)
        yield f"mistakes-{name}.png", plot_mistakes(digits.test, result)
        yield f"reliability-{name}.png", plot_reliability(result)
        if len(run.history) > 1:
            yield f"loss-{name}.png", plot_history(run.history)
    documents = [recipe.name for recipe in document_recipes()]
    yield "losses.png", plot_history({name: runs[name].history for name in documents})
    rows = [row for row in results() if row["recipe"] in RECIPES]
    yield "results.png", plot_results(rows, data=digits.name)
    yield "scaling.png", plot_scaling(stored("scaling"))
    model = runs["three-conv"].model
    image, few = as_pixels(digits.test.images[:1]), digits.test.sample(1000, seed=0)
    yield "filters.png", plot_weights(model)
    yield "features.png", plot_features(layer_output(model, image, "layers.1"))
    yield "map.png", plot_map(layer_output(model, as_pixels(few.images), "layers.12"), few.labels)
    photo = photograph(digits.test.images[4], seed=4)
    yield "steps.png", plot_steps({"photo": np.asarray(photo)} | digitize(photo).steps)
    yield "page.png", plot_page(read_page(photograph(few.images[:12], height=0.16, seed=2)))
    yield "reading.png", plot_reading(stored("reading"))
    yield from draw_graphs()


def draw_graphs() -> Iterator[tuple[str, Figure | Graph]]:
    """Draw the architectures; they need no digits. Graphviz versions differ: always our own."""
    for name in RECIPES:
        model = build_model(name)
        yield f"blocks-{name}.png", draw_blocks(model)
        for kind in ("layers", "autograd"):
            yield f"{kind}-{name}.svg", draw_graph(model, kind, renderer="pygraphviz")


def make_figures(folder: Path) -> list[Path]:
    """Draw all figures into a folder and return their files."""
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        return [figure.save(folder / name) for name, figure in draw_figures(load("mnist"))]
