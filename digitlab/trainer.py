"""The training loop, and what it records."""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from digitlab import checkpoint
from digitlab.data import Split, batches
from digitlab.geometry import N_CLASSES
from digitlab.inference import evaluate, read_logits, threads
from digitlab.metrics import accuracy
from digitlab.names import Registry, unknown
from digitlab.tables import html_table

Loader = DataLoader[tuple[Tensor, Tensor]]
Augment = Callable[[Tensor], Tensor]
Schedule = Callable[[torch.optim.Optimizer, int], LRScheduler]
COUNTED = 100  # batches at once: one by one costs 3 % of a small step, a whole epoch takes memory


def one_cycle(optimizer: torch.optim.Optimizer, n_steps: int) -> LRScheduler:
    """Raise the learning rate to the optimizer's own in a tenth of the steps, then lower it to 0.

    Both in a straight line, from a twenty-fifth on; momentum stays as the optimizer has it.

    Source: Smith and Topin 2018, "Super-convergence".
    """
    last = max(n_steps, 2) - 1
    top = max(0.1 * n_steps, 1.5) - 1  # may lie between two steps
    shares = (0.04, 1.0, 4e-6)  # of the optimizer's own rate: at first, at the top, at last
    return LambdaLR(optimizer, lambda step: float(np.interp(step, (0, top, last), shares)))


SCHEDULES = Registry[Schedule | None]("schedule", {"constant": None, "one-cycle": one_cycle})
PRECISIONS: Registry[torch.dtype | None] = Registry(
    "precision", {"float32": None, "bfloat16": torch.bfloat16}
)


def pick_device(device: str = "auto") -> torch.device:
    """Return the accelerator where there is one, for "auto", else what was asked for."""
    if device != "auto":
        return torch.device(device)
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


# --- What a training records ------------------------------------------------------------------


@dataclass
class History:
    """Record a training: one entry in each list for each epoch.

    Losses are means over digits, accuracies fractions in [0, 1], `lr` that of the epoch's last
    step, seconds those of batches, augmentation and steps. Training figures are taken while the
    weights change; the lists of validation stay empty where there was none. `stopped` says why
    training ended early.
    """

    train_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    valid_loss: list[float] = field(default_factory=list)
    valid_accuracy: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    stopped: str = ""

    def __len__(self) -> int:
        return len(self.train_loss)

    @property
    def best_epoch(self) -> int:
        """The epoch with the highest validation accuracy, from 1 on; the first of equals."""
        if not self.valid_accuracy:
            raise ValueError("there was no validation, so no epoch can be called the best")
        return 1 + self.valid_accuracy.index(max(self.valid_accuracy))

    def _repr_html_(self) -> str:
        columns = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "stopped"}
        columns = {name: values for name, values in columns.items() if values}
        rows = [
            [epoch, *(f"{value:.4g}" for value in values)]
            for epoch, values in enumerate(zip(*columns.values(), strict=True), start=1)
        ]
        return html_table(rows, header=["epoch", *columns], caption=self.stopped)


@dataclass(eq=False)  # frozen, it would take three times as long to make
class Step:
    """Say where a training stands after one batch, the `batch`-th of an epoch.

    Attributes:
        loss: mean over the batch.
        logits: float (B, 10), what the model said of each digit.
        labels: int64 (B,), the truth.
    """

    epoch: int
    batch: int
    n_batches: int
    loss: float
    logits: Tensor = field(repr=False)
    labels: Tensor = field(repr=False)

    @cached_property  # curves of many steps are drawn again and again
    def accuracy(self) -> float:
        """The fraction of the batch that was read correctly."""
        return accuracy(self.logits.cpu(), self.labels)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or the stop button ended a training; what was learned so far is kept.

    Attributes:
        history: one entry for each whole epoch.
        run: of `train`, with the model as it is now; None from `Trainer.fit`, where the trainer
            holds it.
    """

    def __init__(self, history: History, run: Any = None) -> None:
        super().__init__(f"{history.stopped}; history and weights so far are kept")
        self.history, self.run = history, run

    def _render_traceback_(self) -> list[str]:
        """Let a notebook show this one line in place of where in the loop it happened."""
        return [f"Interrupted: {self}"]


class _Tally:
    """Add up one epoch; the time between two steps, which is the caller's, is left out."""

    def __init__(self) -> None:
        self.loss, self.n_correct, self.seconds = 0.0, 0, 0.0
        self._logits, self._labels = list[Tensor](), list[Tensor]()
        self._start = time.perf_counter()

    def add(self, step: Step) -> None:
        self.loss += step.loss * len(step.labels)
        self._logits.append(step.logits)
        self._labels.append(step.labels)
        if len(self._labels) == COUNTED or step.batch == step.n_batches:
            read = torch.cat(self._logits).argmax(1).cpu()
            self.n_correct += int(read.eq(torch.cat(self._labels)).sum())
            self._logits, self._labels = [], []

    def pause(self) -> None:
        self.seconds += time.perf_counter() - self._start

    def go_on(self) -> None:
        self._start = time.perf_counter()


# --- The loop -----------------------------------------------------------------------------------


class Trainer:
    """Train a model: the loop that notebook 03 writes by hand.

    Args:
        model: takes float (N, 1, 28, 28) in [0, 1], returns logits (N, 10).
        optimizer: over the model's parameters.
        batch_size: digits in a batch.
        seed: of the order of digits, of dropout and of augmentation.
        schedule: (optimizer, number of steps) -> scheduler, stepped after each batch.
        augment: float (B, 1, 28, 28) in [0, 1] -> the same shape and range.
        smoothing: the part of each label that is spread over all classes, in [0, 1]; it keeps a
            model from being too sure.
        device: "auto", "cpu", "cuda" or "mps"; it changes speed only.
        precision: "float32", or "bfloat16" for mixed precision, slow on many processors.
        n_threads: of the processor; None for all. Sums in another order differ in the last bits.
        teacher: a trained model in evaluation mode; its probabilities are learned in place of the
            labels (Hinton et al. 2015, "Distilling the knowledge in a neural network").
        average: use a running mean of the weights over about this share of the steps so far, in
            (0, 1], in place of the last weights (Shamir and Zhang 2013, "Stochastic gradient
            descent for non-smooth optimization").

    Attributes:
        trained: the model to use: `model`, or a copy of it with averaged weights.
        history: the epochs so far.
        best_weights: of the epoch with the highest validation accuracy.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        batch_size: int = 64,
        seed: int = 0,
        schedule: Schedule | None = None,
        augment: Augment | None = None,
        smoothing: float = 0.0,
        device: str = "auto",
        precision: str = "float32",
        n_threads: int | None = None,
        teacher: nn.Module | None = None,
        average: float | None = None,
    ) -> None:
        if average is not None and not 0 < average <= 1:
            raise ValueError(f"average is a share of the steps, above 0 up to 1, not {average}")
        self.device = pick_device(device)
        self.model = model.to(self.device)
        self.optimizer = optimizer
        self.batch_size, self.seed, self.n_threads = batch_size, seed, n_threads
        self.schedule, self.augment, self.smoothing = schedule, augment, smoothing
        self.precision, dtype = precision, PRECISIONS[precision]
        self.autocast = torch.autocast(self.device.type, dtype) if dtype else nullcontext()
        self.teacher = teacher.to(self.device) if teacher else None
        self.average = average
        self.averaged = _averaged(self.model, average) if average else None
        self.trained: nn.Module = self.averaged.module if self.averaged else self.model
        self.scheduler: LRScheduler | None = None
        self.history = History()
        self.best_weights: dict[str, Tensor] | None = None
        self._plan: dict[str, Any] = {}
        self._loader: Loader | None = None

    def fit(
        self,
        train: Split,
        valid: Split | None = None,
        *,
        epochs: int,
        patience: int | None = None,
        keep: str = "last",
        resume: checkpoint.State | None = None,
        after_epoch: Callable[[History], None] | None = None,
    ) -> History:
        """Train for a number of epochs.

        Args:
            train: the digits to learn from.
            valid: the digits by which the best epoch is chosen.
            epochs: passes over `train`.
            patience: stop after this many epochs without a better validation accuracy.
            keep: the weights that the model ends with, "last" or "best" on `valid`.
            resume: what `snapshot` of an earlier trainer with the same plan returned.
            after_epoch: called with the history after each epoch.

        Raises:
            ValueError: before the first step, for digits or a plan that cannot work.
            FloatingPointError: as soon as the loss is not a finite number.
            Interrupted: by Ctrl-C or the stop button; this trainer keeps history and weights.
        """
        if keep not in ("last", "best"):
            raise unknown("choice of weights", keep, ["last", "best"])
        if keep == "best" and valid is None:
            raise ValueError("choosing the best epoch needs a valid split: fit(train, valid, ...)")
        steps = self.steps(
            train, valid, epochs=epochs, patience=patience, resume=resume, after_epoch=after_epoch
        )
        with closing(steps), _progress() as bar:
            try:
                for step in steps:
                    bar.total = epochs * step.n_batches
                    bar.update((step.epoch - 1) * step.n_batches + step.batch - bar.n)
            except KeyboardInterrupt:
                epoch = min(len(self.history) + 1, epochs)
                self.history.stopped = f"interrupted in epoch {epoch} of {epochs}"
                raise Interrupted(self.history) from None
        if keep == "best" and self.best_weights:
            self.trained.load_state_dict(self.best_weights)
        return self.history

    def steps(
        self,
        train: Split,
        valid: Split | None = None,
        *,
        epochs: int,
        patience: int | None = None,
        resume: checkpoint.State | None = None,
        after_epoch: Callable[[History], None] | None = None,
    ) -> Generator[Step, None, None]:
        """Train one batch for each `next`: the loop of `fit`, for who does more in between.

        The epochs so far are in `history`. Random numbers drawn on the processor between two
        steps change nothing; on an accelerator they do, and a resumed training draws others.
        """
        self._check(train, valid, epochs, patience)
        self._loader = loader = batches(train, self.batch_size, seed=self.seed)
        with threads(self.n_threads), _own_randomness(self.seed) as callers_randomness:
            self._begin(train, epochs, resume)
            for epoch in range(len(self.history) + 1, epochs + 1):
                self.model.train()
                tally = _Tally()
                for batch, (images, labels) in enumerate(loader, start=1):
                    lr = self.optimizer.param_groups[0]["lr"]
                    loss, logits = self.step(images, labels)
                    step = Step(epoch, batch, len(loader), loss, logits, labels)
                    _need_finite(step, lr)
                    tally.add(step)
                    tally.pause()
                    with callers_randomness:
                        yield step
                    tally.go_on()
                self._record(tally, lr, len(train), valid)
                if after_epoch:
                    after_epoch(self.history)
                if patience and epoch - self.history.best_epoch >= patience:
                    best = self.history.best_epoch
                    self.history.stopped = f"stopped: no epoch was better than {best}"
                    break

    def step(self, images: Tensor, labels: Tensor) -> tuple[float, Tensor]:
        """Learn from one batch; return its mean loss, without smoothing, and its logits (B, 10)."""
        images, labels = images.to(self.device), labels.to(self.device)
        if self.augment:
            images = self.augment(images)
        self.optimizer.zero_grad()
        with self.autocast:
            logits = self.model(images)
            targets = self._taught(images) if self.teacher else labels
            loss = F.cross_entropy(logits, targets, label_smoothing=self.smoothing)
        loss.backward()
        self.optimizer.step()
        if self.averaged:
            self.averaged.update_parameters(self.model)
        if self.scheduler:
            self.scheduler.step()
        logits = logits.detach().float()
        if self.smoothing or self.teacher:
            loss = F.cross_entropy(logits, labels)  # to be compared with that of validation
        return loss.item(), logits

    @torch.no_grad()
    def _taught(self, images: Tensor) -> Tensor:
        """Return the teacher's probabilities, (B, 10)."""
        assert self.teacher
        return self.teacher(images).softmax(dim=1)

    def _record(self, tally: _Tally, lr: float, n_train: int, valid: Split | None) -> None:
        """Add an epoch to the history, whole: an interruption before leaves none of it."""
        judged = evaluate(self.trained, valid) if valid else None
        self.history.seconds.append(tally.seconds)
        self.history.lr.append(lr)
        self.history.train_loss.append(tally.loss / n_train)
        self.history.train_accuracy.append(tally.n_correct / n_train)
        if judged:
            self.history.valid_loss.append(judged.loss)
            self.history.valid_accuracy.append(judged.accuracy)
            if self.history.best_epoch == len(self.history):
                self.best_weights = copy.deepcopy(self.trained.state_dict())

    # --- Stop and go on -----------------------------------------------------------------------

    def snapshot(self) -> checkpoint.State:
        """Return what `fit(resume=...)` needs to go on from here: plain values and tensors.

        Take it between two epochs, in `after_epoch`, or when `fit` is done.
        """
        if self._loader is None:
            raise ValueError("nothing is trained yet, so there is nothing to go on with; fit first")
        facts = {
            "plan": self._plan,
            "best_weights": self.best_weights,
            "history": asdict(self.history),
        }
        return checkpoint.snapshot(self._parts(), self._order(), facts)

    def _begin(self, train: Split, epochs: int, resume: checkpoint.State | None) -> None:
        """Start from nothing, or from where another trainer stopped."""
        self._plan = self._make_plan(train, epochs)
        if resume:
            checkpoint.check_same(resume["plan"], self._plan)
        n_steps = epochs * len(self._loader or ())
        self.scheduler = self.schedule(self.optimizer, n_steps) if self.schedule else None
        self.history, self.best_weights = History(), None
        if resume:
            checkpoint.restore(resume, self._parts(), self._order())
            self.history = History(**copy.deepcopy(resume["history"]))
            self.best_weights = copy.deepcopy(resume["best_weights"])

    def _parts(self) -> dict[str, checkpoint.Stateful | None]:
        return {
            "model": self.model,
            "averaged": self.averaged,
            "optimizer": self.optimizer,
            "scheduler": self.scheduler,
        }

    def _order(self) -> torch.Generator:
        assert self._loader and self._loader.generator
        return self._loader.generator

    def _make_plan(self, train: Split, epochs: int) -> dict[str, Any]:
        """Return what must be the same where a training goes on."""
        return {
            "epochs": epochs,
            "digits": len(train),
            "digits_sum": checkpoint.describe_digits(train),
            "model_kind": checkpoint.describe_model(self.model),
            "optimizer_settings": checkpoint.describe_optimizer(self.optimizer),
            "schedule": getattr(self.schedule, "__name__", repr(self.schedule)),
            "batch_size": self.batch_size,
            "seed": self.seed,
            "augment": self.augment is not None,
            "augment_settings": _described(self.augment),
            "smoothing": self.smoothing,
            "teacher": self.teacher is not None,
            "average": self.average,
            "precision": self.precision,
        }

    # --- What cannot work ---------------------------------------------------------------------

    def _check(self, train: Split, valid: Split | None, epochs: int, patience: int | None) -> None:
        """Refuse, before the first step, what would fail or mislead later."""
        for name, split in {"train": train, "valid": valid}.items():
            if split is not None and not isinstance(split, Split):
                raise ValueError(
                    f"{name} must be a Split such as digits.{name}, not {type(split).__name__}"
                )
            if split is not None and not len(split):
                raise ValueError(f"the {name} split is empty; give it at least one digit")
        if epochs < 1:
            raise ValueError(f"training takes at least 1 epoch, not {epochs}")
        if patience is not None and patience < 1:
            raise ValueError(f"patience must be at least 1 epoch, not {patience}")
        if patience and valid is None:
            raise ValueError("choosing the best epoch needs a valid split: fit(train, valid, ...)")
        images, _ = next(iter(batches(train[:2])))
        with torch.random.fork_rng():
            self._check_augment(images)
            self._check_model(images)

    def _check_augment(self, images: Tensor) -> None:
        pixels = self.augment(images.to(self.device)) if self.augment else images
        if not isinstance(pixels, Tensor):
            found = type(pixels).__name__
        elif pixels.shape != images.shape or not 0 <= pixels.min() <= pixels.max() <= 1:
            found = f"{tuple(pixels.shape)} with pixels from {pixels.min()} to {pixels.max()}"
        else:
            return
        raise ValueError(
            f"augment must return {tuple(images.shape)} with pixels in [0, 1], as it got, but it "
            f"returned {found}"
        )

    def _check_model(self, images: Tensor) -> None:
        try:
            shape = read_logits(self.model, [images], len(images)).shape
            found = "" if shape == (len(images), N_CLASSES) else f"it returned {tuple(shape)}"
        except (AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
            found = f"{type(error).__name__}: {error}".splitlines()[0]
        if found:
            raise ValueError(
                "the model must take images (N, 1, 28, 28) and return logits (N, 10), but with "
                f"N={len(images)}: {found}"
            )


def _need_finite(step: Step, lr: float) -> None:
    if not math.isfinite(step.loss):
        raise FloatingPointError(
            f"the loss became {step.loss} in epoch {step.epoch}, batch {step.batch}, at learning "
            f"rate {lr:.3g}; try a learning rate ten times smaller"
        )


def _averaged(model: nn.Module, share: float) -> AveragedModel:
    """Return a copy of the model that takes up each step as one of the last `share` of all."""

    def rule(mean: Tensor, value: Tensor, n_before: Tensor | int) -> Tensor:
        return mean + (value - mean) / max(1, share * (n_before + 1))

    return AveragedModel(model, avg_fn=rule, use_buffers=True)


def _described(augment: Augment | None) -> str:
    """Return a dataclass with its values, a function by its name."""
    return getattr(augment, "__name__", "") or repr(augment).partition(" at 0x")[0]


class _Swap:
    """Exchange the state of the global generator for another one, and back."""

    def __init__(self) -> None:
        self.other = torch.get_rng_state()

    def __enter__(self) -> None:
        now = torch.get_rng_state()
        torch.set_rng_state(self.other)
        self.other = now

    def __exit__(self, *_: object) -> None:
        self.__enter__()


@contextmanager
def _own_randomness(seed: int) -> Iterator[_Swap]:
    """Seed dropout and augmentation; yield what brings back the caller's own random numbers."""
    callers = _Swap()
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            yield callers
    finally:
        torch.set_rng_state(callers.other)


def _progress() -> Any:
    off = bool(os.environ.get("TQDM_DISABLE")) or None  # None: where it is not watched, as in a log
    return tqdm(unit="batch", leave=False, disable=off)
