"""Reading with a model: every digit counts, and the model stays as it was."""

import contextlib
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from digitlab.data import Digits, Split, batches
from digitlab.inference import evaluate, layer_output, read_logits, threads
from digitlab.pixels import as_pixels
from digitlab.recipes import build_model


def small_model() -> nn.Module:
    return build_model("MLP", hidden=(16,), dropout=0.3)


# --- Evaluate -----------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [7, 16, 40, 1000])
def test_evaluate_counts_the_short_last_batch(tiny: Split, batch_size: int) -> None:
    model = small_model().eval()
    pixels, labels = next(iter(batches(tiny, 40)))
    result = evaluate(model, tiny, batch_size=batch_size)
    assert result.loss == pytest.approx(F.cross_entropy(model(pixels), labels).item())
    assert result.accuracy == (model(pixels).argmax(1) == labels).sum().item() / 40
    torch.testing.assert_close(result.logits, model(pixels))
    assert torch.equal(result.predictions, result.logits.argmax(dim=1))
    assert torch.equal(result.probabilities, result.logits.softmax(dim=1))
    assert not result.logits.requires_grad
    assert (
        repr(result)
        == f"Result(loss={result.loss:.4f}, accuracy={result.accuracy:.4f}, n_images=40)"
    )


@pytest.mark.parametrize("mode", [True, False])
def test_the_mode_of_every_layer_is_put_back_after_an_error_too(tiny: Split, mode: bool) -> None:
    model = nn.Sequential(small_model(), nn.BatchNorm1d(10)).train(mode)
    model[1].eval()  # as one does with a layer that is not to change
    modes = [module.training for module in model.modules()]
    evaluate(model, tiny)
    assert [module.training for module in model.modules()] == modes
    with pytest.raises(RuntimeError):
        read_logits(model, [torch.zeros(1, 3, 28, 28)], 1)
    assert [module.training for module in model.modules()] == modes


def test_evaluate_needs_a_split_with_a_digit_and_no_parameters(
    tiny: Split, optdigits: Digits
) -> None:
    wrong: Any
    for wrong in (tiny[:0], optdigits):
        with pytest.raises(ValueError, match=r"judged by a split such as digits\.test"):
            evaluate(small_model(), wrong)
    ten_rows = nn.Sequential(nn.Flatten(), nn.AdaptiveAvgPool1d(10))
    assert evaluate(ten_rows, tiny).logits.shape == (40, 10)


def test_logits_of_half_precision_come_back_as_float(tiny: Split) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10)).bfloat16()
    parts = as_pixels(tiny.images).bfloat16().split(16)
    logits = read_logits(model, parts, 40)
    assert (logits.dtype, logits.shape) == (torch.float32, (40, 10))
    assert torch.equal(logits[16:32], read_logits(model, [parts[1]], 16))


# --- What a layer puts out ----------------------------------------------------------------------


def test_output_of_the_last_layer_is_the_logits_of_one_digit_or_many(tiny: Split) -> None:
    model, images = build_model("TwoConv").eval(), as_pixels(tiny.images)
    output = layer_output(model, images, "layers.11")
    assert torch.equal(output, model(images))
    assert not output.requires_grad
    torch.testing.assert_close(layer_output(model, images[0], "layers.11"), output[:1])


def test_looking_into_a_model_leaves_it_as_it_is_even_where_that_fails(tiny: Split) -> None:
    model = build_model("SmallCNN").train()
    modes = [module.training for module in model.modules()]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    layer_output(model, as_pixels(tiny.images), "layers.2")
    with pytest.raises(RuntimeError):
        layer_output(nn.Sequential(model, nn.Linear(3, 10)), as_pixels(tiny.images), "0.layers.1")
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_a_layer_that_is_unknown_or_never_runs_is_named(tiny: Split) -> None:
    model = build_model("TwoConv")
    model.spare = nn.Linear(2, 2)
    with pytest.raises(ValueError, match=r"unknown layer 'layer\.3'; did you mean 'layers\.3'"):
        layer_output(model, tiny[0][0], "layer.3")
    with pytest.raises(ValueError, match="unknown layer ''"):
        layer_output(model, tiny[0][0], "")
    with pytest.raises(ValueError, match="never runs its layer 'spare'; choose another one"):
        layer_output(model, tiny[0][0], "spare")


def test_the_last_output_is_kept_although_the_next_layer_overwrites_it(tiny: Split) -> None:
    ten = nn.Linear(10, 10)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), ten, ten, nn.ReLU(inplace=True))
    image = tiny[0][0]
    assert layer_output(model, image, "1").min() < 0
    torch.testing.assert_close(
        layer_output(model, image, "2"), ten(ten(model[1](image.flatten(1))))
    )


# --- Threads ------------------------------------------------------------------------------------


def test_a_number_of_threads_lasts_as_long_as_it_is_asked_for() -> None:
    before = torch.get_num_threads()
    with contextlib.suppress(ZeroDivisionError), threads(2):
        assert torch.get_num_threads() == 2
        with threads(None):
            assert torch.get_num_threads() == 2
        _ = 1 / 0
    assert torch.get_num_threads() == before
