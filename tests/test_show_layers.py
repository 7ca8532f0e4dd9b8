import math

import numpy as np
import pytest
import torch
from torch import nn

import digitlab as dl
from digitlab.models import MODELS
from digitlab.recipes import build_model


def texts(figure):
    return [text.get_text() for ax in figure.axes for text in ax.texts]


# --- Weights ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_every_model_shows_its_first_weights(name):
    model = build_model(name)
    first = next(p for p in model.parameters() if p.ndim > 1)
    figure = dl.plot_weights(model, n=4, columns=2)
    assert texts(figure) == ["0", "1", "2", "3"]
    shown = figure.axes[0].images[0].get_array().compressed()
    assert np.allclose(np.sort(shown), first[:4].detach().flatten().sort().values)
    assert figure.title.endswith(
        f"of {len(first)} {'filters' if first.ndim == 4 else 'neurons'}, the first 4"
    )


def test_weights_of_a_linear_layer_lie_on_the_pixels():
    weights = torch.zeros(2, 784)
    weights[1, 28 * 3 + 5] = 0.5
    figure = dl.plot_weights(weights, titles=["a", "b"])
    sheet = figure.axes[0].images[0].get_array()
    row, column = np.unravel_index(sheet.filled(0).argmax(), sheet.shape)
    assert (sheet.shape[0] - 28 + 3, 30 + 5) == (row, column)
    assert texts(figure) == ["a", "b"]
    assert "number 1 has the largest" in figure.alt


def test_colours_of_weights_are_balanced_around_zero_and_explained():
    (image,) = dl.plot_weights(torch.linspace(-1, 0.2, 1568).view(2, 784)).axes[0].images
    low, high = image.get_clim()
    assert low == -high
    assert f"blue: {low:.2g}, yellow: {high:.2g}" in image.axes.get_title()


# --- Features ---------------------------------------------------------------------------------


def test_feature_maps_are_tiles_on_one_scale():
    maps = torch.zeros(1, 3, 8, 8)
    maps[0, 1], maps[0, 2] = 1, 2
    figure = dl.plot_features(maps)
    (image,) = figure.axes[0].images
    assert image.get_clim() == (0, 2)
    assert sorted(set(image.get_array().compressed().tolist())) == [0, 1, 2]
    assert figure.title == "3 feature maps of 8 x 8"
    assert figure.alt.endswith("number 2 is strongest; 1 of 3 are 0 everywhere.")


def test_neurons_are_bars():
    figure = dl.plot_features(torch.tensor([[0.5, -1.0, 0.0]]))
    assert [bar.get_height() for bar in figure.axes[0].patches] == [0.5, -1, 0]
    assert figure.rows == [(0, 0.5), (1, 1.0), (2, 0.0)]
    assert figure.alt == (
        "Output of 3 neurons, values from -1 to 0.5; number 1 is strongest; "
        "1 of 3 are 0 everywhere."
    )


def test_many_neurons_are_one_shape_and_signed_maps_are_balanced():
    (many,) = dl.plot_features(torch.linspace(-1, 1, 200)).axes[0].patches
    assert np.allclose(many.get_data().values, np.linspace(-1, 1, 200))
    (image,) = dl.plot_features(torch.linspace(-1, 0.2, 300).view(1, 300, 1, 1)).axes[0].images
    assert image.get_clim()[0] == -image.get_clim()[1]
    assert image.axes.get_title().startswith("300 feature maps of 1 x 1, the first 256\n")
    assert image.get_array().compressed().size == 256


@pytest.mark.parametrize(
    ("plot", "given", "words"),
    [
        (dl.plot_weights, nn.ReLU(), "no linear layer and no convolution"),
        (dl.plot_weights, torch.zeros(3, 7), r"shape \(3, 7\) make no figure"),
        (dl.plot_weights, torch.zeros(3, 2, 5, 5), r"weight\[:, :1\]"),
        (dl.plot_weights, torch.full((3, 784), math.nan), "2352 of these 2352 weights are not num"),
        (dl.plot_features, torch.zeros(5, 3, 8, 8), r"of 5 digits; pass that of one: output\[:1\]"),
        (dl.plot_features, torch.zeros(1, 0), "neither feature maps"),
        (dl.plot_features, torch.full((1, 4), math.inf), "4 of these 4 outputs are not numbers"),
    ],
)
def test_what_makes_no_figure_is_refused(plot, given, words):
    with pytest.raises(ValueError, match=words):
        plot(given)


# --- Map --------------------------------------------------------------------------------------


def test_digits_stand_in_the_map_as_themselves(tiny):
    figure = dl.plot_map(tiny.images, tiny.labels)
    assert [len(points.get_offsets()) for points in figure.axes[0].collections] == [4] * 10
    assert figure.title == "40 digits by PCA"
    assert "of variance" in figure.axes[0].get_xlabel()


def test_t_sne_is_repeatable(tiny):
    few = tiny.images[:12], tiny.labels[:12]
    first, second = (dl.plot_map(*few, method="tsne") for _ in range(2))
    assert first.rows == second.rows != dl.plot_map(*few).rows
    assert first.title == "12 digits by t-SNE"


def test_points_in_the_plane_are_drawn_as_they_are():
    points = torch.tensor([[0.0, 0.0], [0.1, 0.0], [5.0, 5.0], [5.1, 5.0]])
    figure = dl.plot_map(points, torch.tensor([1, 1, 4, 9]))
    assert figure.rows[2] == (4, 5.0, 5.0)
    assert figure.alt == (
        "4 digits in the plane: 50 % of them lie next to one of their own class; "
        "most mixed are 4 and 9."
    )


@pytest.mark.parametrize(
    ("n", "n_labels", "method", "words"),
    [
        (40, 40, "pcaa", "did you mean 'pca'"),
        (40, 39, "pca", "40 outputs do not fit 39 labels"),
        (2, 2, "pca", "3 to 10000 digits, not 2"),
    ],
)
def test_a_map_that_cannot_be_drawn_is_refused(tiny, n, n_labels, method, words):
    with pytest.raises(ValueError, match=words):
        dl.plot_map(tiny.images[:n], tiny.labels[:n_labels], method=method)
