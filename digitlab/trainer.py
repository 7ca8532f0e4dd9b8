"""The training loop, what it records, and evaluation."""

from __future__ import annotations

import copy
import math
import os
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from digitlab.data import N_CLASSES, Split, batches
from digitlab.metrics import accuracy
from digitlab.registry import Registry, unknown
from digitlab.tables import html_table

Loader = DataLoader[tuple[Tensor, Tensor]]
Augment = Callable[[Tensor], Tensor]
Schedule = Callable[[torch.optim.Optimizer, int], LRScheduler]
COUNTED = 100  # batches at once: one by one costs 3 % of a small step, a whole epoch takes memory


def one_cycle(optimizer: torch.optim.Optimizer, n_steps: int) -> LRScheduler:
    """Raise the learning rate to the optimizer's own in a tenth of the steps, then lower it to 0.

    Both in a straight line; momentum stays as the optimizer has it. After the last step the rate
    is no longer of use: take a new scheduler before any further one.

    Source: Smith and Topin 2018, "Super-convergence".
    """
    # a scheduler that was here before left "max_lr", and "lr" as low as it went
    highest = [group.get("max_lr", group["lr"]) for group in optimizer.param_groups]
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        highest,
        total_steps=max(3, n_steps),
        pct_start=min(0.9, max(0.1, 1.5 / n_steps)),  # PyTorch cannot rise in one step exactly
        anneal_strategy="linear",
        cycle_momentum=False,
    )


SCHEDULES = Registry[Schedule | None]("schedule", {"constant": None, "one-cycle": one_cycle})


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


@dataclass(frozen=True, repr=False, eq=False)
class Result:
    """Hold what a model says of every digit in a split, in the split's order.

    Attributes:
        logits: float (N, 10).
        labels: int64 (N,), the truth.
        loss: mean cross-entropy.
        accuracy: fraction of digits read correctly.
    """

    logits: Tensor
    labels: Tensor
    loss: float
    accuracy: float

    @property
    def n_images(self) -> int:
        """How many digits were judged."""
        return len(self.labels)

    @property
    def predictions(self) -> Tensor:
        """The most probable class of each digit: int64 (N,)."""
        return self.logits.argmax(dim=1)

    @property
    def probabilities(self) -> Tensor:
        """Softmax of the logits: float (N, 10)."""
        return self.logits.softmax(dim=1)

    def __repr__(self) -> str:
        return (
            f"Result(loss={self.loss:.4f}, accuracy={self.accuracy:.4f}, n_images={self.n_images})"
        )


PRECISIONS: Registry[torch.dtype | None] = Registry(
    "precision", {"float32": None, "bfloat16": torch.bfloat16}
)


def pick_device(device: str = "auto") -> torch.device:
    """Return the accelerator where there is one, for "auto", else what was asked for."""
    if device != "auto":
        return torch.device(device)
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


@torch.no_grad()
def read_logits(model: nn.Module, images: Iterable[Tensor], n_images: int) -> Tensor:
    """Return the model's logits, float (n_images, 10), for batches of pixels (B, 1, 28, 28).

    Dropout and batch norm are switched to evaluation, and each layer's mode is put back.
    """
    device = next(model.parameters(), torch.empty(0)).device
    modes = [(layer, layer.training) for layer in model.modules()]
    model.eval()
    logits, start = torch.empty(0), 0
    try:
        for batch in images:
            found: Tensor = model(batch.to(device)).float().cpu()
            if len(batch) == n_images:
                return found
            if not start:  # one place for all: many small tensors would break up the memory
                logits = torch.empty(n_images, *found.shape[1:])
            logits[start : start + len(batch)] = found
            start += len(batch)
        return logits
    finally:
        for layer, mode in modes:
            layer.training = mode


def evaluate(model: nn.Module, split: Split, *, batch_size: int = 250) -> Result:
    """Judge a model on every digit of a split; its mode is put back afterwards.

    Raises:
        ValueError: for an empty split, or something else.
    """
    if not isinstance(split, Split) or not len(split):
        raise ValueError("a model is judged by a split such as digits.test, with a digit or more")
    images = (images for images, _ in batches(split, batch_size))
    logits = read_logits(model, images, len(split))
    loss = F.cross_entropy(logits, split.labels, reduction="sum").item() / len(split)
    return Result(logits, split.labels, loss, accuracy(logits, split.labels))


class Trainer:
    """Train a model: the loop that notebook 03 writes by hand.

    Args:
        model: takes float (N, 1, 28, 28) in [0, 1], returns logits (N, 10).
        optimizer: over the model's parameters.
        batch_size: digits in a batch.
        seed: of the order of digits, of dropout and of augmentation.
        schedule: (optimizer, number of steps) -> scheduler, stepped after each batch.
        augment: float (B, 1, 28, 28) in [0, 1] -> the same shape and range.
        device: "auto", "cpu", "cuda" or "mps"; it changes speed only.
        smoothing: the part of each label that is spread over all classes, in [0, 1]; it keeps a
            model from being too sure.
        precision: "float32", or "bfloat16" for mixed precision, slow on many processors.
        teacher: a trained model in evaluation mode; its probabilities are learned in place of the
            labels (Hinton et al. 2015, "Distilling the knowledge in a neural network").
        average: use a running mean of the weights over about this share of the steps so far, in
            (0, 1], in place of the last weights (Shamir and Zhang 2013, "Stochastic gradient
            descent for non-smooth optimization").

    Attributes:
        trained: the model to use: `model`, or a copy of it with averaged weights.
        history: the epochs so far.
        state: what `fit(resume=...)` needs to go on after the last whole epoch; plain values.
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
        teacher: nn.Module | None = None,
        average: float | None = None,
    ) -> None:
        self.device = pick_device(device)
        self.model = model.to(self.device)
        self.optimizer = optimizer
        self.batch_size = batch_size
        self.seed = seed
        self.schedule = schedule
        self.augment = augment
        self.smoothing = smoothing
        self.precision, dtype = precision, PRECISIONS[precision]
        self.autocast = torch.autocast(self.device.type, dtype) if dtype else nullcontext()
        self.teacher = teacher.to(self.device) if teacher else None
        if average is not None and not 0 < average <= 1:
            raise ValueError(f"average is a share of the steps, above 0 up to 1, not {average}")
        self.average = average
        self.averaged: AveragedModel | None = None
        if average:
            rule = _mean_of_last(average)
            self.averaged = AveragedModel(self.model, avg_fn=rule, use_buffers=True)
        self.trained: nn.Module = self.averaged.module if self.averaged else self.model
        self.scheduler: LRScheduler | None = None
        self.history = History()
        self.state: dict[str, Any] | None = None
        self.best_weights: dict[str, Tensor] | None = None

    def fit(
        self,
        train: Split,
        valid: Split | None = None,
        *,
        epochs: int,
        patience: int | None = None,
        keep: str = "last",
        resume: dict[str, Any] | None = None,
        after_epoch: Callable[[History], None] | None = None,
    ) -> History:
        """Train for a number of epochs.

        Interrupting (the stop button, Ctrl-C) keeps history and weights so far and says so.

        Args:
            train: the digits to learn from.
            valid: the digits by which the best epoch is chosen.
            epochs: passes over `train`.
            patience: stop after this many epochs without a better validation accuracy.
            keep: the weights that the model ends with, "last" or "best" on `valid`.
            resume: the `state` of an earlier trainer with the same plan.
            after_epoch: called with the history after each epoch.

        Raises:
            ValueError: before the first step, for digits or a plan that cannot work.
            FloatingPointError: as soon as the loss is not a finite number.
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
                print(
                    f"{self.history.stopped}; history and weights so far are kept", file=sys.stderr
                )
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
        resume: dict[str, Any] | None = None,
        after_epoch: Callable[[History], None] | None = None,
    ) -> Generator[Step, None, None]:
        """Train one batch for each `next`: the loop of `fit`, for who does more in between.

        The epochs so far are in `history`. Random numbers drawn on the processor between two
        steps change nothing; on an accelerator they do, and a resumed training draws others.
        """
        self._check(train, valid, epochs, patience)
        plan = self._plan(train, epochs)
        loader = batches(train, self.batch_size, seed=self.seed)
        n_batches = len(loader)
        n_steps = epochs * n_batches
        self.scheduler = self.schedule(self.optimizer, n_steps) if self.schedule else None
        self.best_weights = None
        with _own_randomness(self.seed) as swap_randomness:
            self.history = history = self._restore(resume, plan, loader) if resume else History()
            self.state = self._snapshot(plan, loader, history)
            for epoch in range(len(history) + 1, epochs + 1):
                self.model.train()
                seconds, losses, n_correct = 0.0, 0.0, 0
                said, truth = list[Tensor](), list[Tensor]()
                start = time.perf_counter()
                for batch, (images, labels) in enumerate(loader, start=1):
                    lr = self.optimizer.param_groups[0]["lr"]
                    loss, logits = self.step(images, labels)
                    if not math.isfinite(loss):
                        raise FloatingPointError(
                            f"the loss became {loss} in epoch {epoch}, batch {batch}, at learning "
                            f"rate {lr:.3g}; try a learning rate ten times smaller"
                        )
                    losses += loss * labels.numel()
                    said.append(logits)
                    truth.append(labels)
                    if len(said) == COUNTED or batch == n_batches:
                        n_correct += int(torch.cat(said).argmax(1).cpu().eq(torch.cat(truth)).sum())
                        said, truth = [], []
                    seconds += time.perf_counter() - start
                    swap_randomness()
                    try:
                        yield Step(epoch, batch, n_batches, loss, logits, labels)
                    finally:
                        swap_randomness()
                    start = time.perf_counter()
                judged = evaluate(self.trained, valid) if valid else None
                history.seconds.append(seconds)
                history.lr.append(lr)
                history.train_loss.append(losses / len(train))
                history.train_accuracy.append(n_correct / len(train))
                if judged:
                    history.valid_loss.append(judged.loss)
                    history.valid_accuracy.append(judged.accuracy)
                    if history.best_epoch == epoch:
                        self.best_weights = copy.deepcopy(self.trained.state_dict())
                self.state = self._snapshot(plan, loader, history)
                if after_epoch:
                    after_epoch(history)
                if patience and epoch - history.best_epoch >= patience:
                    history.stopped = f"stopped: no epoch was better than {history.best_epoch}"
                    break

    def step(self, images: Tensor, labels: Tensor) -> tuple[float, Tensor]:
        """Learn from one batch; return its mean loss, without smoothing, and its logits (B, 10)."""
        images, labels = images.to(self.device), labels.to(self.device)
        if self.augment:
            images = self.augment(images)
        self.optimizer.zero_grad()
        targets = labels
        with self.autocast:
            if self.teacher:
                with torch.no_grad():
                    targets = self.teacher(images).softmax(dim=1)  # (B, 10)
            logits = self.model(images)
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

    def _plan(self, train: Split, epochs: int) -> dict[str, Any]:
        """Return what must be the same where a training goes on."""
        return {
            "epochs": epochs,
            "digits": len(train),
            "batch_size": self.batch_size,
            "seed": self.seed,
            "augment": self.augment is not None,
            "smoothing": self.smoothing,
            "teacher": self.teacher is not None,
            "average": self.average,
            "precision": self.precision,
        }

    def _snapshot(self, plan: dict[str, Any], loader: Loader, history: History) -> dict[str, Any]:
        assert loader.generator is not None
        state = {
            "plan": plan,
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict() if self.averaged else None,
            "best_weights": self.best_weights,
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict() if self.scheduler else None,
            "loader_random": loader.generator.get_state(),
            "torch_random": torch.get_rng_state(),
            "history": asdict(history),
        }
        return copy.deepcopy(state)

    def _restore(self, state: dict[str, Any], plan: dict[str, Any], loader: Loader) -> History:
        for key, value in plan.items():
            if (before := state["plan"].get(key, value)) != value:
                raise ValueError(
                    f"the training to resume had {key} {before!r}, not {value!r}; "
                    "resume it with the same, or train anew"
                )
        assert loader.generator is not None
        state = copy.deepcopy(state)  # else the optimizer would write into it
        self.model.load_state_dict(state["model"])
        if self.averaged:
            self.averaged.load_state_dict(state["averaged"])
        self.best_weights = state["best_weights"]
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler:
            self.scheduler.load_state_dict(state["scheduler"])
        loader.generator.set_state(state["loader_random"])
        torch.set_rng_state(state["torch_random"])
        return History(**state["history"])

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


def _mean_of_last(share: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """Return how a mean takes up one value more: as one of the last `share` of all so far."""
    return lambda mean, value, n_before: mean + (value - mean) / max(1, share * (n_before + 1))


@contextmanager
def _own_randomness(seed: int) -> Iterator[Callable[[], None]]:
    """Seed dropout and augmentation; yield what swaps the global generator for the caller's own."""
    other = torch.get_rng_state()

    def swap() -> None:
        nonlocal other
        this = torch.get_rng_state()
        torch.set_rng_state(other)
        other = this

    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            yield swap
    finally:
        torch.set_rng_state(other)


def _progress() -> Any:
    off = bool(os.environ.get("TQDM_DISABLE")) or None  # None: where it is not watched, as in a log
    return tqdm(unit="batch", leave=False, disable=off)
