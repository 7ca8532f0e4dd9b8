"""The drawing pad without a browser: pixels in, a reading and the steps out."""

import io
import re
from base64 import b64decode

import numpy as np
import pytest
import torch
import traitlets
from PIL import Image

from digitlab.measured import pretrained
from digitlab.reading.predict import Prediction, predict
from digitlab.reading.steps import SWITCHABLE, digitize
from digitlab.widgets.pad import DESLANTED, SIDE, DigitPad, Drawing

SWITCHES = (*SWITCHABLE, DESLANTED)


@pytest.fixture
def pad() -> DigitPad:
    return DigitPad()


@pytest.fixture
def one() -> np.ndarray:
    """Return a stroke that leans, in the upper left corner."""
    image = np.full((SIDE, SIDE), 255, np.uint8)
    for row in range(20, 160):
        left = 90 - row // 4
        image[row, left : left + 9] = 0
    return image


def send(pad: DigitPad, image: np.ndarray) -> None:
    """Do what a browser does when a line is drawn."""
    pad.drawing.set_state({"pixels": memoryview(image.tobytes())})


def tile(pad: DigitPad, name: str) -> Image.Image:
    """Return the picture that is shown for a step."""
    encoded = re.search('base64,([^"]*)', pad._pictures[name].value)[1]
    return Image.open(io.BytesIO(b64decode(encoded)))


# --- Reading --------------------------------------------------------------------------------------


def test_an_untouched_pad_shows_a_seven_and_reads_it(pad: DigitPad) -> None:
    assert pad.image.min() == 0
    assert pad.drawing.example
    assert pad.prediction.digit == 7
    assert pad.prediction.probability > 0.9


def test_pixels_from_a_browser_are_read(pad: DigitPad, one: np.ndarray) -> None:
    send(pad, one)
    np.testing.assert_array_equal(pad.image, one)
    assert pad.prediction.digit == 1
    assert pad.drawing.probabilities == pad.prediction.probabilities.tolist()


def test_while_a_line_is_drawn_only_the_answer_changes(pad: DigitPad, one: np.ndarray) -> None:
    before = pad._pictures["picture"].value
    pad.drawing.set_state({"pixels": memoryview(one.tobytes()), "unfinished": True})
    assert pad.prediction.digit == 1
    assert pad._pictures["picture"].value == before
    pad.drawing.set_state({"unfinished": False})
    assert pad._pictures["picture"].value != before


def test_one_thread_reads_and_the_others_are_given_back(pad: DigitPad, one: np.ndarray) -> None:
    used = []
    pad.model.register_forward_hook(lambda *_: used.append(torch.get_num_threads()))
    torch.set_num_threads(2)
    try:
        send(pad, one)
        assert (used, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(1)


def test_an_image_from_python_is_read_like_one_from_a_browser(
    pad: DigitPad, one: np.ndarray
) -> None:
    send(pad, one)
    sent, pad.image = pad.prediction, np.zeros((28, 28), np.uint8)
    pad.image = one
    assert torch.equal(pad.prediction.probabilities, sent.probabilities)
    assert not pad.drawing.example


def test_the_answer_is_that_of_predict_at_half_the_size(pad: DigitPad, one: np.ndarray) -> None:
    send(pad, one)
    small = Image.fromarray(one).reduce(2)
    expected = predict(pretrained(), small)
    assert isinstance(expected, Prediction)
    torch.testing.assert_close(pad.prediction.probabilities, expected.probabilities)
    np.testing.assert_array_equal(pad.digitized.pixels, digitize(small).pixels)
    assert list(pad.prediction.steps) == list(expected.steps)


def test_the_message_names_the_two_best_answers(pad: DigitPad, one: np.ndarray) -> None:
    send(pad, one)
    best, second = pad.prediction.probabilities.argsort(descending=True).tolist()[:2]
    assert re.fullmatch(rf"{best}: [\d.]+ %, second best {second}: [\d.]+ %", pad.drawing.message)


def test_another_model_reads_for_the_pad() -> None:
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    with torch.no_grad():
        model[1].weight.zero_()
        model[1].bias.copy_(torch.eye(10)[4] * 9)
    pad = DigitPad(model)
    assert pad.prediction.digit == 4
    assert pad.drawing.message.startswith("4: 99.9 %")


def test_readings_can_be_observed(pad: DigitPad, one: np.ndarray) -> None:
    seen = []
    pad.observe(lambda change: seen.append(change["new"]), "prediction")
    send(pad, one)
    pad.image = np.full((28, 28), 255, np.uint8)
    assert [p and p.digit for p in seen] == [1, None]


# --- Nothing to read ------------------------------------------------------------------------------


def test_an_empty_pad_says_what_to_do(pad: DigitPad) -> None:
    send(pad, np.full((SIDE, SIDE), 255, np.uint8))
    assert pad.drawing.message == "The pad is empty: draw one large digit"
    assert (pad.prediction, pad.digitized, pad.drawing.probabilities) == (None, None, [])
    assert {place.value for place in pad._pictures.values()} == {"<span>left out</span>"}


def test_a_pad_without_a_digit_says_why_and_goes_on(pad: DigitPad, one: np.ndarray) -> None:
    send(pad, np.full((SIDE, SIDE), 240, np.uint8))
    assert pad.drawing.message.startswith("Nothing to read: ")
    assert pad.prediction is None
    send(pad, one)
    assert pad.prediction.digit == 1


def test_a_model_that_fails_is_heard_of(pad: DigitPad, one: np.ndarray) -> None:
    pad.model = torch.nn.Linear(3, 10)
    with pytest.raises(RuntimeError, match="shapes"):
        send(pad, one)
    assert pad.drawing.message.startswith("RuntimeError: ")
    assert pad.drawing.probabilities == []


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((28, 28)),
        np.zeros((1, 28, 28), np.uint8),
        np.zeros((0, 28), np.uint8),
        [[0, 255], [255, 0]],
    ],
)
def test_a_wrong_array_is_refused_and_changes_nothing(pad: DigitPad, wrong: object) -> None:
    before = pad.image
    with pytest.raises(ValueError, match=r"uint8 of the shape \(H, W\), not .* of the shape \("):
        pad.image = wrong
    np.testing.assert_array_equal(pad.image, before)
    assert pad.drawing.example


def test_a_wrong_number_of_pixels_is_refused(pad: DigitPad) -> None:
    with pytest.raises(traitlets.TraitError, match="78400 pixels, not 3"):
        Drawing(pixels=b"abc")


# --- Images from Python ---------------------------------------------------------------------------


def test_an_image_of_another_shape_is_fitted_onto_paper(pad: DigitPad) -> None:
    stroke = np.full((100, 20), 255, np.uint8)
    stroke[10:-10, 8:12] = 0
    pad.image = stroke
    columns = np.flatnonzero(pad.image.min(axis=0) < 128)
    np.testing.assert_allclose([columns[0], columns[-1]], [SIDE / 2 - 6, SIDE / 2 + 5], atol=2)
    assert pad.prediction.digit == 1


def test_bright_digits_become_ink_on_paper(pad: DigitPad, mnist) -> None:
    images, labels = mnist.valid.images[:50].numpy(), mnist.valid.labels[:50].tolist()
    read = []
    for image in images:
        pad.image = image
        read.append(pad.prediction.digit)
    assert np.median(pad.image) == 255
    assert sum(r == t for r, t in zip(read, labels, strict=True)) >= 47


# --- Steps ----------------------------------------------------------------------------------------


def test_every_step_has_a_picture_and_those_that_can_be_skipped_a_box(pad: DigitPad) -> None:
    assert set(pad.switches) == set(SWITCHES)
    assert [name for name, box in pad.switches.items() if not box.value] == [DESLANTED]
    for name, place in pad._pictures.items():
        assert name == DESLANTED or f'alt="{name}: ' in place.value
    np.testing.assert_array_equal(
        np.asarray(tile(pad, "28 x 28"))[1::3, 1::3], pad.digitized.pixels
    )


@pytest.mark.parametrize("name", SWITCHES)
def test_each_box_takes_its_step_out_and_puts_it_back(
    pad: DigitPad, one: np.ndarray, name: str
) -> None:
    send(pad, one)
    before = pad.drawing.probabilities
    box = pad.switches[name]
    box.value = not box.value
    skip, deslant = ([], True) if name == DESLANTED else ([name], False)
    expected = digitize(Image.fromarray(one).reduce(2), skip=skip, deslant=deslant)
    np.testing.assert_array_equal(pad.digitized.pixels, expected.pixels)
    assert list(pad.prediction.steps) == list(expected.steps)
    box.value = not box.value
    assert pad.drawing.probabilities == before


def test_a_reading_can_flip_when_steps_are_left_out(pad: DigitPad) -> None:
    assert pad.prediction.digit == 7
    for box in pad.switches.values():
        box.value = False
    assert pad.prediction.digit != 7
    for name in SWITCHABLE:
        pad.switches[name].value = True
    assert pad.prediction.digit == 7


# --- Without a kernel -----------------------------------------------------------------------------


def test_the_snapshot_tells_what_is_drawn_and_read(pad: DigitPad, one: np.ndarray) -> None:
    send(pad, one)
    picture = pad.snapshot()
    assert picture.alt.startswith("Drawing pad. 1: ")
    assert all(name in picture.alt for name in pad.digitized.steps)
    assert [row[0] for row in picture.rows] == list(range(10))
    assert len(picture.axes) == 2 + len(pad.digitized.steps)


def test_the_snapshot_of_an_empty_pad_says_so(pad: DigitPad) -> None:
    pad.image = np.full((9, 9), 255, np.uint8)
    assert pad.snapshot().alt == (
        "Drawing pad. The pad is empty: draw one large digit. Steps: none."
    )


def test_the_pad_shows_as_a_widget_and_as_a_picture_of_itself(pad: DigitPad) -> None:
    bundle = pad._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert 'alt="Drawing pad. 7: ' in bundle["text/html"]
    assert repr(pad) == "<DigitPad>"
