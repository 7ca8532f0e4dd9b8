"""A desk to train at: choose, start, watch the curves, pause, stop."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Sequence
from contextlib import closing
from html import escape
from typing import Any

import numpy as np
import torch
from ipywidgets import HTML, Button, HBox
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as MplFigure
from PIL import Image
from torch import nn

from digitlab.data import Digits, batches
from digitlab.inference import Result, judge, read_logits
from digitlab.recipes import RECIPES
from digitlab.runs import build_trainer
from digitlab.show.figure import COLORS, DPI, PERCENT, Figure, count, img_tag, need_digits
from digitlab.trainer import History, Step, Trainer
from digitlab.widgets.base import Explorer
from digitlab.widgets.controls import Choice, Slider, labelled, row

RATES = [float(f"{digit}e{power}") for power in range(-4, 1) for digit in (1, 2, 5)] + [10.0]
BATCH_SIZES = [16, 32, 64, 128, 256, 512]
TELL, DRAW = 0.2, 1.0  # seconds from one sentence to the next, and from one figure to the next
WINDOW = 20  # batches whose mean is one point of a curve


class TrainingDesk(Explorer):
    """Train a recipe, with settings of your own, while other cells can still be run.

    Nothing is trained before `start` is clicked. In a script: `asyncio.run(desk.train())`.

    Args:
        digits: the training digits to learn from, the validation digits to judge each epoch by.
        recipe: its name.

    Attributes:
        recipe, lr, batch_size, epochs: the settings; another recipe brings its own.
        start, pause, stop: the buttons; `pause` also goes on.
        status: what happens, in words.

    Raises:
        ValueError: for an unknown recipe, or a split without digits.
    """

    def __init__(self, digits: Digits, recipe: str = "fast") -> None:
        need_digits(digits.train)
        need_digits(digits.valid)
        self.digits = digits
        self._trainer: Trainer | None = None
        self._task: asyncio.Task[object] | None = None
        self._loop = _running_loop()  # the kernel's, where cells run
        self._going = asyncio.Event()  # cleared while paused
        self._steps: list[Step] = []
        self._curves, self._where = _Curves(1), ""
        self._told = self._drawn = 0.0  # when, in seconds
        self.recipe = Choice(options=labelled(RECIPES), description="Recipe")
        self.recipe.value = RECIPES[recipe].name
        self.lr = Choice(options=labelled(RATES), description="Learning rate")
        self.batch_size = Choice(options=labelled(BATCH_SIZES), description="Batch size")
        self.epochs = Slider(min=1, max=20, description="Epochs")
        self.start = Button(description="Start", button_style="primary")
        self.pause = Button(description="Pause")
        self.stop = Button(description="Stop")
        self._settings = [self.recipe, self.lr, self.batch_size, self.epochs]
        self._status, self._figure = HTML(), HTML()
        buttons = HBox([self.start, self.pause, self.stop])
        super().__init__([row(*self._settings), buttons, self._status, self._figure])
        self._take_settings()
        self._build()  # torch takes a second to make its first optimizer; better here than later
        self._switch(training=False)
        self._say("Nothing is trained yet: choose the settings, then press Start.")
        self._draw()
        self.recipe.observe(self._take_settings, "value")
        self.start.on_click(self._start)
        self.pause.on_click(self._pause)
        self.stop.on_click(self._stop)

    @property
    def model(self) -> nn.Module | None:
        """What is trained, or was last; None before the first start."""
        return self._trainer.trained if self._trainer else None

    @property
    def history(self) -> History:
        """One entry for each epoch so far."""
        return self._trainer.history if self._trainer else History()

    def snapshot(self) -> Figure:
        return self._curves.plot(self._steps, self.history)

    # --- Training -----------------------------------------------------------------------------

    async def train(self) -> History:
        """Train from the start with the settings as they are; others run between two batches.

        Raises:
            ValueError: where this desk is training already.
        """
        task = asyncio.current_task()
        if self._busy and self._task is not task:
            raise ValueError("this desk is training already; stop that training first")
        self._task = task
        self._going = asyncio.Event()
        self._going.set()
        self._steps = []
        self._trainer = trainer = self._build()
        self._curves = _Curves(int(self.epochs.value))
        self._switch(training=True)
        try:
            await self._train(trainer, int(self.epochs.value))
        except asyncio.CancelledError:
            self.history.stopped = f"stopped in {self._where}"
            self._say(f"Training {self.history.stopped}; what was learned is kept.")
            raise
        except Exception as error:
            self.history.stopped = str(error)
            self._say(f"The training ended: {error}.")
            if not isinstance(error, FloatingPointError):
                raise
        finally:
            trainer.trained.eval()
            self._switch(training=False)
            self._draw()
        return self.history

    async def _train(self, trainer: Trainer, epochs: int) -> None:
        """Do all steps, and judge each epoch by the validation digits."""
        with closing(trainer.steps(self.digits.train, epochs=epochs)) as steps:
            for step in steps:
                self._steps.append(step)
                batch = f"batch {step.batch} of {step.n_batches}, loss {step.loss:.2f}"
                self._where = f"epoch {step.epoch} of {epochs}, {batch}"
                await self._let_others_run(self._where)
                if step.batch == step.n_batches:
                    result = await self._judge(trainer)
                    trainer.history.valid_loss.append(result.loss)
                    trainer.history.valid_accuracy.append(result.accuracy)
        share = f"{100 * result.accuracy:.2f} % of {result.n_images}"
        self._say(f"Done: {share} validation digits are read correctly.")

    async def _judge(self, trainer: Trainer) -> Result:
        """Read the validation digits, a piece at a time, and judge them together."""
        logits = []
        for images, _ in batches(self.digits.valid, 2 * trainer.batch_size):
            logits.append(read_logits(trainer.trained, [images], len(images)))
            await self._let_others_run(f"{self._where}; reading the validation digits")
        return judge(torch.cat(logits), self.digits.valid.labels)

    def _build(self) -> Trainer:
        recipe = RECIPES[self.recipe.value].replace(
            lr=self.lr.value, batch_size=self.batch_size.value, epochs=int(self.epochs.value)
        )
        return build_trainer(recipe)

    async def _let_others_run(self, where: str) -> None:
        """Give waiting tasks their turn, and wait while paused."""
        now = time.monotonic()
        if now > self._told + TELL:
            self._told = now
            self._say(f"Training: {where}.")
        if now > self._drawn + DRAW:
            self._draw()
        await asyncio.sleep(0)
        if not self._going.is_set():
            self._say(f"Paused: {where}.")
            self._draw()
            await self._going.wait()

    # --- What is shown ------------------------------------------------------------------------

    def _say(self, sentence: str) -> None:
        self.status = sentence
        self._status.value = f"<p>{escape(sentence)}</p>"
        self._told = time.monotonic()

    def _draw(self) -> None:
        alt = self.snapshot().alt
        self._figure.value = img_tag(self._curves.png(), alt)
        self._drawn = time.monotonic()

    def _switch(self, *, training: bool) -> None:
        """Leave only those controls open that have an effect."""
        for control in (*self._settings, self.start):
            control.disabled = training
        self.pause.disabled = self.stop.disabled = not training
        self.pause.description = "Pause"

    def _take_settings(self, _: object = None) -> None:
        """Set the controls as the chosen recipe has it."""
        recipe = RECIPES[self.recipe.value]
        epochs = recipe.epochs_for(len(self.digits.train))
        self.lr.options = labelled(sorted({*RATES, recipe.lr}))
        self.batch_size.options = labelled(sorted({*BATCH_SIZES, recipe.batch_size}))
        self.lr.value, self.batch_size.value = recipe.lr, recipe.batch_size
        self.epochs.max = max(20, epochs)
        self.epochs.value = epochs

    @property
    def _busy(self) -> bool:
        return self._task is not None and not self._task.done()

    def _start(self, _: object) -> None:
        loop = self._loop or _running_loop()
        if loop is None:
            self._say("Buttons work in a notebook only; here, call asyncio.run(desk.train()).")
        else:
            loop.call_soon_threadsafe(self._begin)  # a click may come in another thread

    def _begin(self) -> None:
        if not self._busy:
            self._task = asyncio.get_running_loop().create_task(self.train())
            self._task.add_done_callback(_raise_error)

    def _pause(self, _: object) -> None:
        if self._task is not None and self._busy:
            self._task.get_loop().call_soon_threadsafe(self._pause_or_go_on)

    def _pause_or_go_on(self) -> None:
        going = self._going.is_set()
        (self._going.clear if going else self._going.set)()
        self.pause.description = "Go on" if going else "Pause"

    def _stop(self, _: object) -> None:
        if self._task is not None and self._busy:
            self._task.get_loop().call_soon_threadsafe(self._task.cancel)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _raise_error(task: asyncio.Task[object]) -> None:
    """Hand an error of a training to the event loop, which reports it."""
    if not task.cancelled():
        task.result()


class _Curves:
    """Loss and accuracy on axes that are drawn once: the lines alone take a fifth of the time."""

    def __init__(self, epochs: int) -> None:
        self.title = f"Training over {count(epochs, 'epoch')}"
        self.mpl = MplFigure(figsize=(6.1, 2.6), dpi=DPI)
        self.mpl.subplots_adjust(left=0.08, right=0.98, bottom=0.18, top=0.9, wspace=0.27)
        self.axes = dict(zip(("loss", "accuracy"), self.mpl.subplots(1, 2), strict=True))
        label = f"training, mean of {WINDOW} batches"
        for name, ax in self.axes.items():
            ax.plot([], color=COLORS[0], label=label, animated=True)
            ax.plot([], "s--", color=COLORS[1], markersize=5, label="validation", animated=True)
            ax.set_title(name.capitalize(), size="medium")
            ax.set(xlabel="epoch", xlim=(0, 1.02 * epochs))
            ax.grid(alpha=0.3)
        self.axes["loss"].set_ylim(0, 2.5)
        self.axes["accuracy"].set_ylim(0, 1.02)
        self.axes["loss"].legend(loc="upper right", fontsize="small")
        self.axes["accuracy"].yaxis.set_major_formatter(PERCENT)
        self._canvas: Any = FigureCanvasAgg(self.mpl)
        self._empty = self._draw_axes()

    def plot(self, steps: Sequence[Step], history: History) -> Figure:
        """Draw the batches so far, smoothed, and validation after each epoch."""
        axes = tuple(self.axes.values())
        if not steps:
            return Figure(self.mpl, axes, self.title, f"{self.title}: nothing is trained yet.")
        place = [step.epoch - 1 + step.batch / step.n_batches for step in steps]
        ends = range(1, len(history.valid_loss) + 1)
        last = {}
        for name, ax in self.axes.items():
            curve = _smooth([getattr(step, name) for step in steps])
            training, validation = ax.get_lines()
            training.set_data(place, curve)
            validation.set_data(ends, getattr(history, f"valid_{name}"))
            last[name] = curve[-1]
            if curve.max() > ax.get_ylim()[1]:  # a learning rate that is too high
                ax.set_ylim(0, 2 * curve.max())
                self._empty = self._draw_axes()
        alt = (
            f"{self.title}, {place[-1]:.2f} done: training loss {last['loss']:.3g}, "
            f"accuracy {100 * last['accuracy']:.1f} %"
        )
        rows = list(zip(ends, history.valid_loss, history.valid_accuracy, strict=True))
        for epoch, _, accuracy in rows[-1:]:
            alt += f"; validation accuracy after epoch {epoch} {100 * accuracy:.1f} %"
        header = ("epoch", "validation loss", "validation accuracy")
        return Figure(self.mpl, axes, self.title, f"{alt}.", rows, header)

    def png(self) -> bytes:
        """Return what `plot` drew last, with all its colors: to reduce them takes longer."""
        self._canvas.restore_region(self._empty)
        for ax in self.axes.values():
            for line in ax.get_lines():
                ax.draw_artist(line)
        drawn = io.BytesIO()
        pixels = np.asarray(self._canvas.buffer_rgba())[..., :3]
        Image.fromarray(pixels).save(drawn, format="png", compress_level=1)
        return drawn.getvalue()

    def _draw_axes(self) -> Any:
        """Draw all but the lines, which are animated, and return the pixels."""
        self._canvas.draw()
        return self._canvas.copy_from_bbox(self.mpl.bbox)


def _smooth(values: Sequence[float]) -> np.ndarray:
    """Return for each value the mean of the last WINDOW ones up to it."""
    sums = np.cumsum([0.0, *values])
    last = np.arange(1, len(values) + 1)
    first = np.maximum(last - WINDOW, 0)
    return (sums[last] - sums[first]) / (last - first)
