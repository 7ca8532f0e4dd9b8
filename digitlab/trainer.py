"""The training loop, and what it records."""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from torch.optim.swa_utils import AveragedModel
from tqdm.auto import tqdm

from digitlab import checkpoint, plans
from digitlab.data import Split, batches
from digitlab.inference import evaluate, threads
from digitlab.metrics import accuracy
from digitlab.names import Registry
from digitlab.tables import html_table

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
    """Return the accelerator where there is one, for "auto", else what was asked for.

    Raises:
        ValueError: for a device that does not exist.
    """
    if device != "auto":
        try:
            return torch.empty(0, device=device).device
        except (RuntimeError, AssertionError, TypeError):
            raise ValueError(f"there is no device {device!r} here; take 'auto' or 'cpu'") from None
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

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> History:
        """Return the history that `dataclasses.asdict` took apart.

        Raises:
            ValueError: for something else.
        """
        try:
            history = cls(**copy.deepcopy(values))
            *lists, stopped = vars(history).values()
            n, lengths = len(history), [len(column) for column in lists]
            whole = lengths in ([n] * 6, [n, n, 0, 0, n, n]) and isinstance(stopped, str)
            whole &= all(isinstance(number, int | float) for column in lists for number in column)
        except TypeError:
            whole = False
        if not whole:
            raise ValueError("a history needs one number for each epoch in each of its lists")
        return history

    def __len__(self) -> int:
        return len(self.train_loss)

    def columns(self) -> dict[str, list[float]]:
        """Return what was recorded, by name: one number for each epoch."""
        return {name: values for name, values in vars(self).items() if values and name != "stopped"}

    @property
    def best_epoch(self) -> int:
        """The epoch with the highest validation accuracy, from 1 on; the first of equals."""
        if not self.valid_accuracy:
            raise ValueError("there was no validation, so no epoch can be called the best")
        return 1 + self.valid_accuracy.index(max(self.valid_accuracy))

    def _repr_html_(self) -> str:
        columns = self.columns()
        rows = [
            [epoch, *(f"{value:.4g}" for value in values)]
            for epoch, values in enumerate(zip(*columns.values(), strict=True), start=1)
        ]
        return html_table(rows, header=["epoch", *columns], caption=self.stopped)


@dataclass(eq=False)  # frozen, it would take three times as long to make
class Step:
    """Say where a training stands after one batch, the `batch`-th of an epoch.

    Attributes:
        lr: the learning rate of this step.
        loss: mean over the batch.
        logits: float (B, 10), what the model said of each digit.
        labels: int64 (B,), the truth.
    """

    epoch: int
    batch: int
    n_batches: int
    lr: float
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
        self.loss, self.n_correct, self.n_images, self.seconds, self.lr = 0.0, 0, 0, 0.0, 0.0
        self._logits, self._labels = list[Tensor](), list[Tensor]()
        self._start = time.perf_counter()

    def add(self, step: Step) -> None:
        """Take up a step.

        Raises:
            FloatingPointError: where its loss is not a finite number.
        """
        if not math.isfinite(step.loss):
            raise FloatingPointError(
                f"the loss became {step.loss} in epoch {step.epoch}, batch {step.batch}, at "
                f"learning rate {step.lr:.3g}; try a learning rate ten times smaller"
            )
        self.lr = step.lr
        self.n_images += len(step.labels)
        self.loss += step.loss * len(step.labels)
        self._logits.append(step.logits)
        self._labels.append(step.labels)
        if len(self._labels) == COUNTED or step.batch == step.n_batches:
            read = torch.cat(self._logits).argmax(1).cpu()
            self.n_correct += int(read.eq(torch.cat(self._labels)).sum())
            self._logits, self._labels = [], []

    @contextmanager
    def paused(self) -> Iterator[None]:
        self.seconds += time.perf_counter() - self._start
        yield
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
        smoothing: the part of each label, in [0, 1], that is spread over all classes.
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

    def __init__(  # noqa: PLR0913
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        batch_size: int = 64,
        seed: int = 0,
        schedule: Schedule | None = None,
        augment: checkpoint.Augment | None = None,
        smoothing: float = 0.0,
        device: str = "auto",
        precision: str = "float32",
        n_threads: int | None = None,
        teacher: nn.Module | None = None,
        average: float | None = None,
    ) -> None:
        self.device = pick_device(device)
        self.model, self.optimizer = model.to(self.device), optimizer
        self.batch_size, self.seed, self.n_threads = batch_size, seed, n_threads
        self.schedule, self.augment, self.smoothing = schedule, augment, smoothing
        self.precision, dtype = precision, PRECISIONS[precision]
        self.autocast = torch.autocast(self.device.type, dtype) if dtype else nullcontext()
        self.teacher = teacher.to(self.device) if teacher else None
        self.average = average
        self.averaged = None if average is None else _averaged(self.model, average)
        self.trained: nn.Module = self.averaged.module if self.averaged else self.model
        self.scheduler: LRScheduler | None = None
        self.history = History()
        self.best_weights: dict[str, Tensor] | None = None
        self._plan: checkpoint.State = {}
        self._random: checkpoint.State | None = None  # where it stands between two epochs

    def fit(  # noqa: PLR0913
        self,
        train: Split,
        valid: Split | None = None,
        *,
        epochs: int,
        patience: int | None = None,
        keep: str = "last",
        resume: checkpoint.State | None = None,
        after_epoch: Callable[[History], object] | None = None,
    ) -> History:
        """Train for a number of epochs.

        Args:
            train, valid: the digits to learn from, and those by which an epoch is chosen.
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
        plans.check_keep(keep, valid)
        steps = self.steps(
            train, valid, epochs=epochs, patience=patience, resume=resume, after_epoch=after_epoch
        )
        try:
            with closing(steps):
                _watch(steps, epochs)
        except KeyboardInterrupt:
            epoch = min(len(self.history) + 1, epochs)
            self.history.stopped = f"interrupted in epoch {epoch} of {epochs}"
            raise Interrupted(self.history) from None
        if keep == "best" and self.best_weights:
            self.trained.load_state_dict(self.best_weights)
        return self.history

    def steps(  # noqa: PLR0913
        self,
        train: Split,
        valid: Split | None = None,
        *,
        epochs: int,
        patience: int | None = None,
        resume: checkpoint.State | None = None,
        after_epoch: Callable[[History], object] | None = None,
    ) -> Generator[Step, None, None]:
        """Train one batch for each `next`: the loop of `fit`, for who does more in between.

        The epochs so far are in `history`. Random numbers drawn on the processor between two
        steps change nothing; on an accelerator they do, and a resumed training draws others.
        """
        plans.check_settings(train, valid, epochs, patience)
        plans.check_tools(self, train)
        loader = batches(train, self.batch_size, seed=self.seed)
        with threads(self.n_threads), _own_randomness(self.seed) as callers_randomness:
            self._begin(loader, checkpoint.plan(self, train, valid, epochs), resume)
            for epoch in range(len(self.history) + 1, epochs + 1):
                if patience and _stale(self.history, patience):
                    break
                self.model.train()
                tally, self._random = _Tally(), None
                for batch, (images, labels) in enumerate(loader, start=1):
                    lr = self.optimizer.param_groups[0]["lr"]
                    loss, logits = self.step(images, labels)
                    step = Step(epoch, batch, len(loader), lr, loss, logits, labels)
                    tally.add(step)
                    with tally.paused(), callers_randomness:
                        yield step
                self._record(tally, valid)
                self._random = checkpoint.randomness(loader)
                if after_epoch:
                    with callers_randomness:
                        after_epoch(self.history)

    def step(self, images: Tensor, labels: Tensor) -> tuple[float, Tensor]:
        """Learn from one batch; return its mean loss, without smoothing, and its logits (B, 10)."""
        images, labels = images.to(self.device), labels.to(self.device)
        if self.augment:
            images = self.augment(images)
        self.optimizer.zero_grad()
        with self.autocast:
            logits = self.model(images)
            targets = _said(self.teacher, images) if self.teacher else labels
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

    def snapshot(self) -> checkpoint.State:
        """Return what `fit(resume=...)` needs to go on from here: plain values and tensors.

        Raises:
            ValueError: within an epoch; ask in `after_epoch`, or when `fit` is done.
        """
        if self._random is None:
            raise ValueError("a training goes on from the end of an epoch: ask in after_epoch")
        facts = {"plan": self._plan, "history": asdict(self.history)}
        return checkpoint.snapshot(self, facts | self._random)

    def _begin(
        self, loader: checkpoint.Loader, plan: checkpoint.State, resume: checkpoint.State | None
    ) -> None:
        """Start from nothing, or from where another trainer stopped."""
        if resume is not None:
            checkpoint.check_whole(resume)
            checkpoint.check_same(resume["plan"], plan)
        history = History() if resume is None else History.from_dict(resume["history"])
        n_steps = plan["epochs"] * len(loader)
        self.scheduler = self.schedule(self.optimizer, n_steps) if self.schedule else None
        self.best_weights = None
        if resume is not None:
            checkpoint.restore(self, resume, loader)
        self.history, self._plan = replace(history, stopped=""), plan
        self._random = checkpoint.randomness(loader)

    def _record(self, tally: _Tally, valid: Split | None) -> None:
        """Add an epoch to the history, whole: an interruption before leaves none of it."""
        judged = evaluate(self.trained, valid) if valid else None
        history = self.history
        if judged:
            if judged.accuracy > max(history.valid_accuracy, default=-1.0):
                self.best_weights = copy.deepcopy(self.trained.state_dict())
            history.valid_loss.append(judged.loss)
            history.valid_accuracy.append(judged.accuracy)
        history.lr.append(tally.lr)
        history.seconds.append(tally.seconds)
        history.train_accuracy.append(tally.n_correct / tally.n_images)
        history.train_loss.append(tally.loss / tally.n_images)


def _stale(history: History, patience: int) -> bool:
    """Say whether the last `patience` epochs brought nothing better, and note it."""
    stale = len(history) > 0 and len(history) - history.best_epoch >= patience
    if stale:
        history.stopped = f"stopped: no epoch was better than {history.best_epoch}"
    return stale


@torch.no_grad()
def _said(teacher: nn.Module, images: Tensor) -> Tensor:
    """Return a model's probabilities, (B, 10)."""
    return teacher(images).softmax(dim=1)


def _averaged(model: nn.Module, share: float) -> AveragedModel:
    """Return a copy of the model that takes up each step as one of the last `share` of all."""
    if not 0 < share <= 1:
        raise ValueError(f"average is a share of the steps, above 0 up to 1, not {share}")

    def rule(mean: Tensor, value: Tensor, n_before: Tensor | int) -> Tensor:
        return mean + (value - mean) / max(1, share * (n_before + 1))

    return AveragedModel(model, avg_fn=rule, use_buffers=True)


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


def _watch(steps: Iterable[Step], epochs: int) -> None:
    """Take all steps, with a bar where somebody looks at it, not in a log."""
    with tqdm(
        unit="batch", leave=False, disable=bool(os.environ.get("TQDM_DISABLE")) or None
    ) as bar:
        for step in steps:
            bar.total = epochs * step.n_batches
            bar.update((step.epoch - 1) * step.n_batches + step.batch - bar.n)
