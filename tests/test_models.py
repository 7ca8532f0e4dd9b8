import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from digitlab.data import batches
from digitlab.models import (
    MLP,
    MODELS,
    Ensemble,
    Flatten,
    LeNet5,
    PixelInput,
    n_parameters,
)
from digitlab.recipes import RECIPES, build_model

NAMES = [*MODELS, *RECIPES]
PARAMETERS = {  # counted by hand from the documents' layers
    "plain-mlp": 244_522,
    "dropout-mlp": 575_050,
    "two-conv": 105_866,
    "three-conv": 60_874,
    "lenet-sgd": 61_706,
}


def weights(model: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.flatten() for p in model.parameters()])


@pytest.fixture
def images(tiny):
    return next(iter(batches(tiny, 16)))[0]


# --- Pixels -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.5, 0.5), (0.1307, 0.3081)])
def test_pixel_input_equals_torchvision_normalize(images, mean, std):
    expected = v2.Normalize([mean], [std])(images)
    torch.testing.assert_close(PixelInput(mean, std)(images), expected)


@pytest.mark.parametrize("size", [14, 20, 32, 56])
def test_pixel_input_equals_torchvision_resize(images, size):
    expected = v2.Resize(size)(images)
    torch.testing.assert_close(PixelInput(size=size)(images), expected, atol=1e-5, rtol=0)


def test_pixel_input_equals_resizing_the_picture_first_but_for_rounding(tiny):
    steps = v2.Compose([v2.Resize(32), v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)])
    image, _ = tiny[0]
    expected = steps(Image.fromarray(tiny.images[0].numpy()))
    torch.testing.assert_close(PixelInput(size=32)(image[None])[0], expected, atol=1 / 255, rtol=0)


def test_pixel_input_shows_its_numbers():
    assert repr(PixelInput(0.5, 0.25, 32)) == "PixelInput(mean=0.5, std=0.25, size=32)"


# --- Every model and recipe -------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_model_turns_pixels_into_logits_digit_by_digit(name, images):
    before, model = images.clone(), build_model(name).eval()
    logits = model(images)
    assert isinstance(model.layers[0], PixelInput)
    assert (logits.shape, logits.dtype) == ((16, 10), torch.float32)
    assert logits.isfinite().all()
    torch.testing.assert_close(model(images[3:4]), logits[3:4], atol=1e-5, rtol=1e-5)
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_gets_a_gradient(name, images):
    model = build_model(name)
    model(images).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_states_the_number_of_parameters(name):
    n = n_parameters(build_model(name))
    assert n == RECIPES[name].parameters == PARAMETERS.get(name, n)
    assert name in PARAMETERS or RECIPES[name].source == "house"


def test_frozen_parameters_are_not_counted():
    model = MLP(hidden=())
    model.layers[-1].bias.requires_grad_(False)
    assert n_parameters(model) == 7840


# --- Seeds ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_gives_the_same_weights_and_the_global_random_state_stays(name):
    before = torch.get_rng_state()
    first, second, other = (weights(build_model(name, seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_weights_are_those_that_plain_torch_draws():
    model = build_model("MLP", seed=5)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        assert torch.equal(weights(model), weights(MLP()))
    assert torch.equal(weights(build_model("MLP")), weights(build_model("MLP", seed=0)))


# --- Names and options ------------------------------------------------------------------------


def test_options_come_before_those_of_the_recipe():
    model = build_model("dropout-mlp", hidden=(8,), dropout=0.0)
    assert n_parameters(model) == 784 * 8 + 8 + 8 * 10 + 10
    assert not any(isinstance(layer, torch.nn.Dropout) for layer in model.modules())
    assert RECIPES["dropout-mlp"].options["hidden"] == (512, 256, 128, 64)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("two_conv", {}, "unknown recipe or model 'two_conv'; did you mean 'two-conv'?"),
        ("lenet5", {}, "unknown recipe or model 'lenet5'; did you mean 'LeNet5'?"),
        (None, {}, "unknown recipe or model None"),
        ("plain-mlp", {"droput": 0.5}, "unknown option of MLP 'droput'; did you mean 'dropout'?"),
        ("TwoConv", {"pooling": "avg"}, "unknown pooling 'avg'; did you mean 'average'?"),
        ("LeNet5", {"pooling": "Max"}, "unknown pooling 'Max'; did you mean 'max'?"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest_one(name, options, message):
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        build_model(name, **options)


def test_average_pooling():
    kinds = {type(layer) for layer in LeNet5(pooling="average").modules()}
    assert torch.nn.AvgPool2d in kinds
    assert torch.nn.MaxPool2d not in kinds


# --- Ensembles --------------------------------------------------------------------------------


def test_an_ensemble_says_the_mean_of_what_its_members_say(images):
    members = [build_model("fast", seed=seed).eval() for seed in range(3)]
    expected = sum(member(images).softmax(dim=1) for member in members) / 3
    said = Ensemble(members)(images)
    torch.testing.assert_close(said.softmax(dim=1), expected)
    torch.testing.assert_close(said.exp(), expected)


def test_channels_without_pools_are_refused() -> None:
    with pytest.raises(ValueError, match="3 channels need as many pools, not 2"):
        build_model("fast", channels=(16, 32, 64))


def test_the_first_batch_norm_can_be_left_out(images) -> None:
    both, one = (build_model("SmallCNN", first_norm=first) for first in (True, False))
    kinds = [[type(layer).__name__ for layer in model.layers] for model in (both, one)]
    assert kinds[0].count("BatchNorm2d") == kinds[1].count("BatchNorm2d") + 1 == 3
    assert kinds[1][:4] == ["PixelInput", "Conv2d", "MaxPool2d", "ReLU"]
    assert one.layers[1].bias is not None
    assert one(images).shape == (16, 10)


def test_flatten_hands_the_same_gradient_back_in_the_maps_order() -> None:
    maps = torch.randn(5, 6, 3, 3).to(memory_format=torch.channels_last)
    gradients = []
    for layer in (torch.nn.Flatten(), Flatten()):
        leaf = maps.clone().requires_grad_()
        flat = layer(leaf)
        leaf.register_hook(gradients.append)
        (flat * torch.arange(54)).sum().backward()
    plain, ours = gradients
    assert torch.equal(ours, plain)
    assert ours.is_contiguous(memory_format=torch.channels_last)
    assert not plain.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(Flatten()(maps), maps.flatten(1))
