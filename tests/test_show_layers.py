import math

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure as MplFigure
from torch import nn

from digitlab.data import as_pixels
from digitlab.models import MODELS
from digitlab.recipes import build_model
from digitlab.show import layers as plots


def texts(picture):
    return [text.get_text() for ax in picture.axes for text in ax.texts]


# --- Outputs ----------------------------------------------------------------------------------


def test_output_of_the_last_layer_is_the_logits(tiny):
    model = build_model("TwoConv").eval()
    images = as_pixels(tiny.images)

    with torch.no_grad():
        assert torch.equal(plots.layer_output(model, images, "layers.11"), model(images))


def test_one_digit_of_a_split_is_enough(tiny):
    output = plots.layer_output(build_model("TwoConv"), tiny[0][0], "layers.1")

    assert output.shape == (1, 16, 28, 28)
    assert not output.requires_grad


def test_looking_into_a_model_leaves_it_as_it_is(tiny):
    model = build_model("SmallCNN").train()
    next(iter(model.children())).eval()  # a part that the user froze
    before = [m.training for m in model.modules()]
    state = {name: value.clone() for name, value in model.state_dict().items()}

    plots.layer_output(model, as_pixels(tiny.images), list(dict(model.named_modules()))[-1])

    assert [m.training for m in model.modules()] == before
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert not any(m._forward_hooks for m in model.modules())


def test_dropout_is_off_and_the_model_is_put_back_when_it_fails(tiny):
    model = build_model("TwoConv").train()

    with pytest.raises(RuntimeError):
        plots.layer_output(model, torch.zeros(1, 3, 28, 28), "layers.1")

    assert model.training
    assert not any(m._forward_hooks for m in model.modules())
    outputs = [plots.layer_output(model, tiny[0][0], "layers.7") for _ in range(2)]
    assert torch.equal(*outputs)


def test_an_unknown_layer_is_answered_with_the_nearest(tiny):
    with pytest.raises(ValueError, match=r"unknown layer 'layer\.3'; did you mean 'layers\.3'"):
        plots.layer_output(build_model("TwoConv"), tiny[0][0], "layer.3")


def test_a_layer_that_never_runs_is_refused(tiny):
    model = build_model("TwoConv")
    model.spare = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="never runs its layer 'spare'"):
        plots.layer_output(model, tiny[0][0], "spare")


def test_an_output_is_kept_although_the_next_layer_overwrites_it(tiny):
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.ReLU(inplace=True))
    assert plots.layer_output(model, tiny[0][0], "1").min() < 0


# --- Weights ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_every_model_shows_its_first_weights(name):
    picture = plots.plot_weights(build_model(name), n=4)

    assert texts(picture) == ["0", "1", "2", "3"]
    assert picture.axes[0].images[0].get_array().compressed().size >= 4 * 9


def test_weights_of_a_linear_layer_are_pictures_of_the_pixels():
    weights = torch.zeros(2, 784)
    weights[1, 28 * 3 + 5] = 0.5

    picture = plots.plot_weights(weights, titles=["a", "b"])

    sheet = picture.axes[0].images[0].get_array()
    row, column = np.unravel_index(sheet.filled(0).argmax(), sheet.shape)
    assert (sheet.shape[0] - 28 + 3, 30 + 5) == (row, column)
    assert texts(picture) == ["a", "b"]
    assert "number 1 has the largest" in picture.alt


def test_colours_of_weights_are_balanced_around_zero_and_explained():
    (image,) = plots.plot_weights(torch.linspace(-1, 0.2, 1568).view(2, 784)).axes[0].images

    low, high = image.get_clim()
    assert low == -high
    assert f"blue: {low:.2g}, yellow: {high:.2g}" in image.axes.get_title()


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (nn.ReLU(), "no linear layer and no convolution"),
        (torch.zeros(3, 7), r"shape \(3, 7\) make no pictures"),
        (torch.zeros(3, 2, 5, 5), r"weight\[:, :1\]"),
        (torch.full((3, 784), math.nan), "2352 of these 2352 weights are not numbers"),
    ],
)
def test_weights_that_make_no_picture_are_refused(weights, words):
    with pytest.raises(ValueError, match=words):
        plots.plot_weights(weights)


# --- Features ---------------------------------------------------------------------------------


def test_feature_maps_are_tiles_on_one_scale():
    maps = torch.zeros(1, 3, 8, 8)
    maps[0, 1], maps[0, 2] = 1, 2

    picture = plots.plot_features(maps)

    (image,) = picture.axes[0].images
    assert image.get_clim() == (0, 2)
    assert sorted(set(image.get_array().compressed().tolist())) == [0, 1, 2]
    assert picture.title == "3 feature maps of 8 x 8"
    assert picture.alt.endswith("number 2 is strongest; 1 of 3 are 0 everywhere.")


def test_neurons_are_bars():
    picture = plots.plot_features(torch.tensor([[0.5, -1.0, 0.0]]))

    assert [bar.get_height() for bar in picture.axes[0].patches] == [0.5, -1, 0]
    assert picture.alt == (
        "Output of 3 neurons, values from -1 to 0.5; number 1 is strongest; "
        "1 of 3 are 0 everywhere."
    )


@pytest.mark.parametrize("layer", ["layers.1", "layers.3", "layers.8", "layers.11"])
def test_every_layer_of_a_model_can_be_shown(tiny, layer):
    output = plots.layer_output(build_model("TwoConv"), tiny[0][0], layer)

    assert plots.plot_features(output).axes[0].has_data()


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (torch.zeros(5, 3, 8, 8), r"of 5 digits; pass that of one: output\[:1\]"),
        (torch.zeros(1, 0), "neither feature maps"),
        (torch.full((1, 4), math.inf), "4 of these 4 outputs are not numbers"),
    ],
)
def test_outputs_that_make_no_picture_are_refused(output, words):
    with pytest.raises(ValueError, match=words):
        plots.plot_features(output)


# --- Map --------------------------------------------------------------------------------------


def test_digits_stand_in_the_map_as_themselves(tiny):
    picture = plots.plot_map(tiny.images, tiny.labels)

    assert [len(points.get_offsets()) for points in picture.axes[0].collections] == [4] * 10
    assert picture.title == "40 digits by PCA"
    assert "of variance" in picture.axes[0].get_xlabel()


def test_points_in_the_plane_are_drawn_as_they_are():
    points = torch.tensor([[0.0, 0.0], [0.1, 0.0], [5.0, 5.0], [5.1, 5.0]])

    picture = plots.plot_map(points, torch.tensor([1, 1, 4, 9]))

    assert picture.rows[2] == (4, 5.0, 5.0)
    assert picture.alt == (
        "4 digits in the plane: 50 % of them lie next to one of their own class; "
        "most mixed are 4 and 9."
    )


def test_t_sne_is_repeatable_and_leaves_the_random_state_alone(tiny):
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    few = tiny[:12]

    first, second = (plots.plot_map(few.images, few.labels, method="tsne").rows for _ in range(2))

    assert first == second
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == np.random.get_state()[1].tolist()  # noqa: NPY002


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
        plots.plot_map(tiny.images[:n], tiny.labels[:n_labels], method=method)


@pytest.mark.parametrize(
    "plot",
    [
        lambda ax: plots.plot_weights(torch.ones(4, 1, 3, 3), ax=ax),
        lambda ax: plots.plot_features(torch.ones(1, 4, 3, 3), ax=ax),
        lambda ax: plots.plot_features(torch.ones(4), ax=ax),
        lambda ax: plots.plot_map(torch.rand(5, 2), torch.arange(5), ax=ax),
    ],
)
def test_a_plot_draws_into_the_axes_it_is_given(plot):
    left, right = MplFigure().subplots(1, 2)

    picture = plot(right)

    assert picture.axes == (right,)
    assert right.has_data()
    assert not left.has_data()
