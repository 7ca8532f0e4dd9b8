"""A pad to draw a digit on, read while it is drawn."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
import traitlets
from anywidget import AnyWidget
from ipywidgets import HTML, Checkbox, HBox, Label, VBox
from matplotlib.figure import Figure as MplFigure
from PIL import Image, ImageDraw, ImageOps
from torch import nn

from digitlab.geometry import N_CLASSES
from digitlab.inference import threads
from digitlab.measured import pretrained
from digitlab.reading.light import border
from digitlab.reading.predict import Prediction, predict
from digitlab.reading.steps import STEPS, Digitized, digitize
from digitlab.show.figure import COLORS, PERCENT, WIDTH, Figure, img_tag
from digitlab.widgets.base import Explorer

SIDE = 280  # pixels of the sheet
TILE = 84  # pixels of a step's image: three for each of 28
STEPS_HELP = (
    "From the drawing to the 28 x 28 pixels that the model sees; untick a step to leave it out:"
)
EMPTY = "The pad is empty: draw one large digit"


class Drawing(AnyWidget):
    """Hold what pad.js draws, and what it says about it.

    Attributes:
        pixels: grey values of the sheet, row after row, ink dark on white; the browser sends them.
        unfinished: whether a line is being drawn; the steps wait until it ends.
        example: whether the first line is drawn on a new sheet.
        probabilities: of each class, or none where nothing is read.
        message: the same in words, or what to do.
    """

    _esm = Path(__file__).with_name("pad.js")
    _css = Path(__file__).with_name("pad.css")

    side = traitlets.Int(SIDE).tag(sync=True)
    pixels = traitlets.CBytes(b"\xff" * SIDE**2).tag(  # Bytes would refuse what a browser sends
        sync=True, echo_update=False
    )
    unfinished = traitlets.Bool(False).tag(sync=True, echo_update=False)
    example = traitlets.Bool(False).tag(sync=True)
    probabilities = traitlets.List(traitlets.Float()).tag(sync=True)
    message = traitlets.Unicode(EMPTY).tag(sync=True)

    @traitlets.validate("pixels")
    def _whole(self, proposal: Any) -> bytes:
        pixels: bytes = proposal["value"]
        if len(pixels) != SIDE**2:
            raise traitlets.TraitError(f"the sheet has {SIDE**2} pixels, not {len(pixels)}")
        return pixels


class DigitPad(Explorer):
    """Draw a digit with mouse, pen, finger or keyboard, and see it read while you draw.

    Below stands each step from the drawing to the pixels that the model sees. Those with a box can
    be left out.

    Args:
        model: takes float (N, 1, 28, 28) in [0, 1], returns logits (N, 10); None for the one that
            comes with digitlab.

    Attributes:
        drawing: what is drawn on.
        switches: name of a step -> its box.
        prediction: what is read; None where there is nothing to read. It can be observed.
        digitized: how the drawing became the pixels of a digit; None where it did not.
    """

    prediction: Any = traitlets.Instance(Prediction, allow_none=True)

    def __init__(self, model: nn.Module | None = None) -> None:
        self.model = pretrained() if model is None else model
        self.drawing = Drawing(pixels=_example().tobytes(), example=True)
        self.switches = {
            name: Checkbox(value=step.usual, description=name, indent=False)
            for name, step in STEPS.items()
            if step.optional
        }
        self._tiles = {name: HTML() for name in ("picture", *STEPS)}
        columns = [
            VBox([tile, self.switches.get(name) or Label(name)])
            for name, tile in self._tiles.items()
        ]
        steps = HBox(columns).add_class("digit-steps")
        super().__init__([self.drawing, Label(STEPS_HELP), steps])
        self._read()
        self.drawing.observe(self._read_again, "pixels")
        self.drawing.observe(self._show_steps, "unfinished")
        for switch in self.switches.values():
            switch.observe(self._read_again, "value")

    @property
    def image(self) -> np.ndarray:
        """What is drawn: uint8 (280, 280), ink dark on white."""
        return np.frombuffer(self.drawing.pixels, np.uint8).reshape(SIDE, SIDE)

    @image.setter
    def image(self, image: np.ndarray) -> None:
        pixels = _on_paper(image).tobytes()
        self.drawing.example = False
        self.drawing.pixels = pixels

    def _read_again(self, _: object) -> None:
        try:
            self._read()
        except Exception as error:  # in a browser nobody would see it
            self._say([], f"{type(error).__name__}: {error}")
            raise

    def _read(self) -> None:
        """Read the drawing and show what came of it: first the answer, then the steps."""
        on = {name for name, switch in self.switches.items() if switch.value}
        small = Image.fromarray(self.image).reduce(2)  # read as well, and four times as quickly
        try:
            self.digitized: Digitized | None = digitize(
                small, skip=self.switches.keys() - on, add=on
            )
        except ValueError as error:  # nothing on it that could be a digit
            self.digitized = self.prediction = None
            self._say([], EMPTY if self.image.min() == 255 else f"Nothing to read: {error}")
        else:
            with threads(1):
                prediction = predict(self.model, self.digitized.pixels)
            assert isinstance(prediction, Prediction)
            self._say(prediction.probabilities.tolist(), _in_words(prediction))
            self.prediction = dataclasses.replace(prediction, steps=self.digitized.steps)
        self._show_steps()

    def _show_steps(self, _: object = None) -> None:
        """Show each step; while a line is drawn that would hold up the answers."""
        if self.drawing.unfinished:
            return
        steps = self.digitized.steps if self.digitized else {}
        for name, place in self._tiles.items():
            place.value = _tile(name, steps.get(name))

    def _say(self, probabilities: list[float], message: str) -> None:
        with self.drawing.hold_sync():  # one message for both
            self.drawing.probabilities, self.drawing.message = probabilities, message

    def snapshot(self) -> Figure:
        """Return a figure of the drawing, the steps and the probabilities."""
        steps = self.digitized.steps if self.digitized else {}
        mpl = MplFigure(figsize=(WIDTH, 3.6), layout="constrained")
        grid = mpl.add_gridspec(2, 1, height_ratios=(2, 1))
        upper, lower = mpl.add_subfigure(grid[0]), mpl.add_subfigure(grid[1])
        paper, bars = upper.subplots(1, 2, width_ratios=(1, 2))
        paper.imshow(self.image, cmap="gray", vmin=0, vmax=255)
        paper.set(xticks=[], yticks=[])
        bars.bar(range(N_CLASSES), self.drawing.probabilities or [0.0] * N_CLASSES, color=COLORS[0])
        bars.set(xticks=range(N_CLASSES), ylim=(0, 1), xlabel="digit")
        bars.set_title(fill(self.drawing.message, 45))
        bars.yaxis.set_major_formatter(PERCENT)
        for i, (name, grey) in enumerate(steps.items(), start=1):
            axis = lower.add_subplot(1, len(steps), i)
            axis.imshow(grey, cmap="gray", vmin=0, vmax=255)
            axis.set_title(fill(name, 8), size="small")
            axis.set_axis_off()
        alt = f"Drawing pad. {self.drawing.message}. Steps: {', '.join(steps) or 'none'}."
        rows = [(digit, round(p, 4)) for digit, p in enumerate(self.drawing.probabilities)]
        return Figure(mpl, tuple(mpl.axes), "drawing pad", alt, rows, ("digit", "probability"))


def _example() -> np.ndarray:
    """Draw a seven of a few points."""
    large = Image.new("L", (4 * SIDE, 4 * SIDE), 255)  # made small again, its edges are soft
    points = [(320, 300), (800, 290), (700, 520), (560, 860)]
    ImageDraw.Draw(large).line(points, fill=0, width=76, joint="curve")
    for x, y in (points[0], points[-1]):
        ImageDraw.Draw(large).circle((x, y), 38, fill=0)
    return np.asarray(large.reduce(4))


def _on_paper(image: np.ndarray) -> np.ndarray:
    """Return the picture on a sheet, ink dark on white.

    Raises:
        ValueError: for anything but uint8 (H, W).
    """
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 2 or not image.size:
        raise ValueError(
            f"the pad takes grey pixels, uint8 of the shape (H, W), not {image.dtype} of the "
            f"shape {image.shape}"
        )
    ink_on_white = 255 - image if np.median(border(image)) < 128 else image
    return np.asarray(ImageOps.pad(Image.fromarray(ink_on_white), (SIDE, SIDE), color=255))


def _in_words(prediction: Prediction) -> str:
    """Return the two best answers."""
    values, digits = prediction.probabilities.topk(2)
    (best, second), (p, q) = digits.tolist(), (100 * values).tolist()
    return f"{best}: {p:.1f} %, second best {second}: {q:.1f} %"


def _tile(name: str, grey: np.ndarray | None) -> str:
    """Return one step as HTML; matplotlib would be too slow for each line drawn."""
    if grey is None:
        return "<span>left out</span>"
    way = Image.Resampling.NEAREST if max(grey.shape) < TILE else Image.Resampling.BOX
    small = ImageOps.pad(Image.fromarray(grey), (TILE, TILE), way, color=128)
    packed = io.BytesIO()
    small.save(packed, format="png", compress_level=1)
    return img_tag(packed.getvalue(), f"{name}: {grey.shape[0]} x {grey.shape[1]} pixels")
