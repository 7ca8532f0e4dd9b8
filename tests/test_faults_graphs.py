"""Graphs and tables of networks that are not plain: made weights, frozen ones, no gradients."""

import pytest
import torch
from torch import nn

from digitlab.recipes import build_model
from digitlab.show.graphs import draw_graph, layer_table

MADE = {
    "weight_norm": (nn.utils.parametrizations.weight_norm, 7860),
    "spectral_norm": (nn.utils.parametrizations.spectral_norm, 7850),
    "orthogonal": (nn.utils.parametrizations.orthogonal, 7850),
}


@pytest.mark.parametrize(("make", "parameters"), MADE.values(), ids=MADE.keys())
def test_a_layer_whose_weights_are_made_is_one_layer(make, parameters):
    table = layer_table(nn.Sequential(nn.Flatten(), make(nn.Linear(784, 10))))
    _, linear = table.layers
    assert (linear.details, linear.shape) == ("784 to 10", (10,))
    assert (linear.parameters, linear.mult_adds) == (parameters, 7840)
    assert "to 10 logits" in table.alt


def test_a_convolution_whose_weights_are_made_works_at_each_place():
    conv = nn.utils.parametrizations.weight_norm(nn.Conv2d(1, 4, 3))
    (layer, _, _) = layer_table(nn.Sequential(conv, nn.Flatten(), nn.Linear(2704, 10))).layers
    assert (layer.parameters, layer.mult_adds) == (4 + 36 + 4, 36 * 26 * 26)


def test_a_frozen_model_says_why_its_autograd_graph_would_be_empty():
    model = build_model("lenet-sgd").requires_grad_(False)
    with pytest.raises(ValueError, match="no weight of this model can learn"):
        draw_graph(model, "autograd", renderer="table")
    assert "10 logits" in draw_graph(model, "layers", renderer="table").alt


def test_what_is_switched_off_around_a_drawing_is_told_or_switched_on():
    model = build_model("lenet-sgd")
    with torch.inference_mode(), pytest.raises(ValueError, match=r"under torch\.inference_mode"):
        draw_graph(model, "autograd", renderer="table")
    with torch.no_grad():
        assert "10 parameter tensors" in draw_graph(model, "autograd", renderer="table").alt
