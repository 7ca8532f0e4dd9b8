"""Predictions: whatever a digit comes as, its probabilities are the same."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import nn

from digitlab.data import Split
from digitlab.pixels import as_pixels
from digitlab.reading.predict import Prediction, predict
from digitlab.reading.steps import STEPS, UNUSUAL, digitize
from digitlab.recipes import build_model


@pytest.fixture
def model() -> nn.Module:
    return build_model("two-conv", seed=1)  # with dropout, in training mode


@pytest.fixture
def picture() -> Image.Image:
    paper = Image.new("L", (90, 120), 255)
    ImageDraw.Draw(paper).line([(45, 20), (45, 100)], fill=0, width=10)
    return paper


FORMS = {
    "a tensor of bytes": lambda image: image,
    "a tensor with its channel": lambda image: image[None],
    "a tensor of floats": lambda image: image / 255,
    "a double array": lambda image: (image / 255).double().numpy(),
    "an array of bytes": lambda image: image.numpy(),
    "an array turned twice": lambda image: np.flipud(image.flipud().numpy()),
    "an array that may not be written to": lambda image: np.asarray(Image.fromarray(image.numpy())),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_one_digit_in_any_form_gives_one_prediction(
    model: nn.Module, tiny: Split, form: Any
) -> None:
    prediction = predict(model, form(tiny.images[0]))
    expected = model.eval()(as_pixels(tiny.images[:1])).softmax(dim=1)[0]
    assert isinstance(prediction, Prediction)
    torch.testing.assert_close(prediction.probabilities, expected)
    assert prediction.digit == int(expected.argmax())
    assert prediction.probability == prediction.probabilities.max() <= 1
    torch.testing.assert_close(prediction.pixels, tiny.images[0] / 255)
    assert prediction.steps == {}


BATCHES = {
    "a split": lambda split: split,
    "a list of tensors": lambda split: list(split.images),
    "a tuple of arrays": lambda split: tuple(split.images.numpy()),
    "a tensor": lambda split: split.images,
    "a tensor with channels": lambda split: as_pixels(split.images),
    "an array": lambda split: split.images.numpy(),
}


@pytest.mark.parametrize("form", BATCHES.values(), ids=BATCHES.keys())
@pytest.mark.parametrize("n", [0, 2, 7])
def test_many_digits_give_a_list(model: nn.Module, tiny: Split, form: Any, n: int) -> None:
    predictions = predict(model, form(tiny[:n]))
    assert isinstance(predictions, list)
    expected = model.eval()(as_pixels(tiny.images[:n])).softmax(dim=1)
    assert len(predictions) == n
    for prediction, probabilities in zip(predictions, expected, strict=True):
        torch.testing.assert_close(prediction.probabilities, probabilities)
        assert float(prediction.probabilities.sum()) == pytest.approx(1)


def test_a_list_of_one_digit_gives_a_list_of_one(model: nn.Module, tiny: Split) -> None:
    for one in (tiny[:1], [tiny.images[0]], tiny.images[:1, None], as_pixels(tiny.images[:1])):
        assert len(predict(model, one)) == 1


@pytest.mark.parametrize("mode", [True, False])
def test_predict_puts_the_mode_back(model: nn.Module, tiny: Split, mode: bool) -> None:
    model.train(mode)
    predict(model, tiny)
    assert model.training is mode
    assert all(p.grad is None for p in model.parameters())
    model.register_forward_hook(lambda *_: (_ for _ in ()).throw(RuntimeError("broken")))
    with pytest.raises(RuntimeError, match="broken"):
        predict(model, tiny)
    assert model.training is mode


def test_a_model_sees_many_digits_in_portions(model: nn.Module, tiny: Split) -> None:
    sizes = []
    model.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    many = Split(tiny.images.repeat(60, 1, 1), tiny.labels.repeat(60))
    assert len(predict(model, many)) == sum(sizes) == 2400
    assert max(sizes) <= 1000  # else 10 000 digits take more memory than a notebook should


def test_a_batch_stays_one_tensor(model: nn.Module, tiny: Split) -> None:
    for batch in (tiny, tiny.images, tiny.images.numpy()):
        places = {one.pixels.untyped_storage().data_ptr() for one in predict(model, batch)}
        assert len(places) == 1


def test_pictures_and_files_are_cleaned_up_first(
    model: nn.Module, picture: Image.Image, tmp_path: Path
) -> None:
    path = tmp_path / "one.png"
    picture.save(path)
    (entry,) = os.scandir(tmp_path)  # a path that is neither text nor a pathlib.Path
    forms = [picture, path, str(path), entry]
    predictions = predict(model, forms)
    for prediction in [*predictions, *(predict(model, form) for form in forms)]:
        assert (prediction.pixels * 255).int().tolist() == digitize(picture).pixels.tolist()
        assert prediction.steps.keys() == {"picture", *STEPS} - {*UNUSUAL}
        torch.testing.assert_close(prediction.probabilities, predictions[0].probabilities)


@pytest.mark.parametrize(
    ("digit", "words"),
    [
        (torch.zeros(28), r"shape \(28, 28\) or \(1, 28, 28\), not \(28,\)"),
        (torch.zeros(32, 32), r"not \(32, 32\); give larger pictures"),
        (torch.zeros(2, 3, 28, 28), r"not \(3, 28, 28\)"),
        (torch.full((28, 28), 255.0), "^pixels .* from 255.00 to 255.00; divide 0 to 255 by 255"),
        (torch.full((28, 28), -0.01), "must lie in"),
        (torch.full((28, 28), 1.01), "must lie in"),
        (torch.tensor(0.5), r"not \(\)"),
        ([torch.zeros(2, 28, 28)], r"not \(2, 28, 28\)"),
        (torch.full((28, 28), torch.nan), "must lie in"),
        (np.full((28, 28), 17), "divide 0 to 255 by 255"),
        (7, "^a digit must be a tensor, an array, a Pillow image or a file name, not int$"),
        ((torch.zeros(1, 28, 28), 7), "not int"),
        ([[0.0] * 28] * 28, "not list"),
        (Image.new("L", (50, 50), 255), "no ink in this picture"),
        ("nowhere.png", "no file 'nowhere.png'"),
        (__file__, "'test_reading_predict.py' is no picture"),
    ],
)
def test_what_is_no_digit_is_refused(model: nn.Module, digit: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        predict(model, digit)


def test_a_prediction_shows_itself(model: nn.Module, tiny: Split) -> None:
    prediction = predict(model, tiny.images[0])
    assert repr(prediction) == (
        f"Prediction(digit={prediction.digit}, probability={prediction.probability:.2f})"
    )
    table = prediction._repr_html_()
    assert [word in table for word in (">digit<", ">9<", ">probability<")] == [True] * 3
    assert f"{prediction.probability:.1%}" in table
    assert table.count("%") == 10
