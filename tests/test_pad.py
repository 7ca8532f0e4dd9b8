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
from digitlab.reading.steps import STEPS, UNUSUAL, digitize
from digitlab.widgets.pad import SIDE, DigitPad, Drawing

SWITCHES = [name for name, step in STEPS.items() if step.optional]


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


# --- Reading --------------------------------------------------------------------------------------


def test_an_untouched_pad_reads_a_seven_and_shows_as_a_widget_and_as_a_figure_of_itself(pad):
    assert pad.image.min() == 0
    assert pad.drawing.example
    assert pad.prediction.digit == 7
    assert pad.prediction.probability > 0.9
    bundle = pad._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert 'alt="Drawing pad. 7: ' in bundle["text/html"]
    assert repr(pad) == "<DigitPad>"


def test_while_a_line_is_drawn_only_the_answer_changes(pad, one):
    before = pad._tiles["picture"].value
    pad.drawing.set_state({"pixels": memoryview(one.tobytes()), "unfinished": True})
    assert pad.prediction.digit == 1
    assert pad._tiles["picture"].value == before
    pad.drawing.set_state({"unfinished": False})
    assert pad._tiles["picture"].value != before


def test_one_thread_reads_and_the_others_are_given_back(pad, one):
    used = []
    pad.model.register_forward_hook(lambda *_: used.append(torch.get_num_threads()))
    torch.set_num_threads(2)
    try:
        send(pad, one)
        assert (used, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(1)


def test_the_answer_is_that_of_predict_at_half_the_size(pad, one):
    send(pad, one)
    small = Image.fromarray(one).reduce(2)
    expected = predict(pretrained(), small)
    assert isinstance(expected, Prediction)
    np.testing.assert_array_equal(pad.image, one)
    assert pad.prediction.digit == 1
    assert pad.drawing.probabilities == pad.prediction.probabilities.tolist()
    best, second = pad.prediction.probabilities.argsort(descending=True).tolist()[:2]
    assert re.fullmatch(rf"{best}: [\d.]+ %, second best {second}: [\d.]+ %", pad.drawing.message)
    torch.testing.assert_close(pad.prediction.probabilities, expected.probabilities)
    np.testing.assert_array_equal(pad.digitized.pixels, digitize(small).pixels)
    assert list(pad.prediction.steps) == list(expected.steps)
    sent, pad.image = pad.prediction, np.zeros((28, 28), np.uint8)
    pad.image = one  # from Python
    assert torch.equal(pad.prediction.probabilities, sent.probabilities)
    assert not pad.drawing.example


def test_another_model_reads_for_the_pad():
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    with torch.no_grad():
        model[1].weight.zero_()
        model[1].bias.copy_(torch.eye(10)[4] * 9)
    pad = DigitPad(model)
    assert pad.prediction.digit == 4
    assert pad.drawing.message.startswith("4: 99.9 %")


# --- Nothing to read ------------------------------------------------------------------------------


def test_an_empty_pad_says_what_to_do_and_one_without_a_digit_why_and_readings_can_be_observed(
    pad, one
):
    seen = []
    pad.observe(lambda change: seen.append(change["new"]), "prediction")
    send(pad, np.full((SIDE, SIDE), 255, np.uint8))
    assert pad.drawing.message == "The pad is empty: draw one large digit"
    assert (pad.prediction, pad.digitized, pad.drawing.probabilities) == (None, None, [])
    assert {place.value for place in pad._tiles.values()} == {"<span>left out</span>"}
    assert pad.snapshot().alt == f"Drawing pad. {pad.drawing.message}. Steps: none."
    send(pad, np.full((SIDE, SIDE), 240, np.uint8))
    assert pad.drawing.message.startswith("Nothing to read: ")
    send(pad, one)
    assert [p and p.digit for p in seen] == [None, 1]


def test_a_model_that_fails_is_heard_of(pad, one):
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
def test_a_wrong_array_is_refused_and_changes_nothing(pad, wrong):
    before = pad.image
    with pytest.raises(ValueError, match=r"uint8 of the shape \(H, W\), not .* of the shape \("):
        pad.image = wrong
    np.testing.assert_array_equal(pad.image, before)
    assert pad.drawing.example
    with pytest.raises(traitlets.TraitError, match="78400 pixels, not 3"):
        Drawing(pixels=b"abc")


# --- Images from Python ---------------------------------------------------------------------------


def test_an_image_of_another_shape_is_fitted_onto_paper(pad):
    stroke = np.full((100, 20), 255, np.uint8)
    stroke[10:-10, 8:12] = 0
    pad.image = stroke
    columns = np.flatnonzero(pad.image.min(axis=0) < 128)
    np.testing.assert_allclose([columns[0], columns[-1]], [SIDE / 2 - 6, SIDE / 2 + 5], atol=2)
    assert pad.prediction.digit == 1


def test_bright_digits_become_ink_on_paper(pad, mnist):
    right = 0
    for image, label in zip(mnist.valid.images[:20].numpy(), mnist.valid.labels, strict=False):
        pad.image = image
        right += pad.prediction.digit == label
    assert np.median(pad.image) == 255
    assert right >= 19


# --- Steps ----------------------------------------------------------------------------------------


def test_every_step_is_shown_and_those_that_can_be_skipped_have_a_box(pad):
    assert list(pad.switches) == SWITCHES
    assert [name for name, box in pad.switches.items() if not box.value] == [*UNUSUAL]
    assert list(pad._tiles) == ["picture", *STEPS]
    for name, place in pad._tiles.items():
        assert name in UNUSUAL or f'alt="{name}: ' in place.value
    last = re.search('base64,([^"]*)', pad._tiles["28 x 28"].value)[1]
    np.testing.assert_array_equal(
        np.asarray(Image.open(io.BytesIO(b64decode(last))))[1::3, 1::3], pad.digitized.pixels
    )


@pytest.mark.parametrize("name", SWITCHES)
def test_each_box_takes_its_step_out_and_puts_it_back(pad, one, name):
    send(pad, one)
    before = pad.drawing.probabilities
    box = pad.switches[name]
    box.value = not box.value
    choice = "skip" if STEPS[name].usual else "add"
    expected = digitize(Image.fromarray(one).reduce(2), **{choice: [name]})
    np.testing.assert_array_equal(pad.digitized.pixels, expected.pixels)
    assert list(pad.prediction.steps) == list(expected.steps)
    box.value = not box.value
    assert pad.drawing.probabilities == before


def test_a_reading_can_flip_when_steps_are_left_out(pad):
    assert pad.prediction.digit == 7
    for box in pad.switches.values():
        box.value = False
    assert pad.prediction.digit != 7
    for name, box in pad.switches.items():
        box.value = STEPS[name].usual
    assert pad.prediction.digit == 7


# --- Without a kernel -----------------------------------------------------------------------------


def test_the_snapshot_tells_what_is_drawn_and_read(pad, one):
    send(pad, one)
    figure = pad.snapshot()
    assert figure.alt.startswith("Drawing pad. 1: ")
    assert figure.alt.endswith(f"Steps: {', '.join(pad.digitized.steps)}.")
    assert [bar.get_height() for bar in figure.axes[1].patches] == pad.drawing.probabilities
    assert [row[1] for row in figure.rows] == [round(p, 4) for p in pad.drawing.probabilities]
    shown = [ax.images[0].get_array() for ax in (figure.axes[0], *figure.axes[2:])]
    for image, expected in zip(shown, [one, *pad.digitized.steps.values()], strict=True):
        np.testing.assert_array_equal(image, expected)
