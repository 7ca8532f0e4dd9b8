"""The training loop, what it records, and evaluation."""

from __future__ import annotations

import copy
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from digitlab.data import N_CLASSES, Split, batches
from digitlab.registry import Registry, unknown
from digitlab.tables import html_table

Loader = DataLoader[tuple[Tensor, Tensor]]
Augment = Callable[[Tensor], Tensor]
Schedule = Callable[[torch.optim.Optimizer, int], LRScheduler]


def one_cycle(optimizer: torch.optim.Optimizer, n_steps: int) -> LRScheduler:
    """Raise the learning rate to the optimizer's own, then lower it to nearly 0.

    Source: Smith and Topin 2018, "Super-convergence".
    """
    highest = [group["lr"] for group in optimizer.param_groups]
    return torch.optim.lr_scheduler.OneCycleLR(optimizer, highest, total_steps=n_steps)


SCHEDULES: Registry[Schedule | None] = Registry(
    "schedule", {"constant": None, "one-cycle": one_cycle}
)


@dataclass
class History:
    """Record a training: one entry in each list for each epoch.

    Losses are means over digits, accuracies fractions in [0, 1], seconds those of batches,
    augmentation and steps. Training figures are taken while the weights change; the lists of
    validation stay empty where there was none.
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
        return 1 + self.valid_accuracy.index(max(self.valid_accuracy))

    def _repr_html_(self) -> str:
        columns = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "stopped"}
        columns = {name: values for name, values in columns.items() if values}
        rows = [
            [epoch, *(f"{value:.4g}" for value in values)]
            for epoch, values in enumerate(zip(*columns.values(), strict=True), start=1)
        ]
        return html_table(rows, header=["epoch", *columns], caption=self.stopped)


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
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return accelerator or torch.device("cpu")


@torch.no_grad()
def evaluate(model: nn.Module, split: Split, *, batch_size: int = 1000) -> Result:
    """Judge a model on every digit of a split; its mode is put back afterwards.

    Raises:
        ValueError: for an empty split.
    """
    if not len(split):
        raise ValueError("there is no digit in this split to judge the model by")
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    try:
        logits = torch.cat(
            [model(images.to(device)).float().cpu() for images, _ in batches(split, batch_size)]
        )
    finally:
        model.train(was_training)
    loss = F.cross_entropy(logits, split.labels, reduction="sum").item() / len(split)
    accuracy = (logits.argmax(dim=1) == split.labels).sum().item() / len(split)
    return Result(logits, split.labels, loss, accuracy)


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
        precision: "float32", or "bfloat16" for mixed precision, slow on many processors.

    Attributes:
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
        device: str = "auto",
        precision: str = "float32",
    ) -> None:
        self.device = pick_device(device)
        self.model = model.to(self.device)
        self.optimizer = optimizer
        self.batch_size = batch_size
        self.seed = seed
        self.schedule = schedule
        self.augment = augment
        self.precision = PRECISIONS[precision]
        self.scheduler: LRScheduler | None = None
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
        self._check(train, valid, epochs, patience, keep, resume)
        loader = batches(train, self.batch_size, seed=self.seed)
        n_steps = epochs * len(loader)
        self.scheduler = self.schedule(self.optimizer, n_steps) if self.schedule else None
        history = History()
        with _own_randomness(self.seed), _progress(n_steps) as bar:
            if resume:
                history = self._restore(resume, loader)
                bar.update(len(history) * len(loader))
            try:
                for epoch in range(len(history) + 1, epochs + 1):
                    self.model.train()
                    start, losses, n_correct = time.perf_counter(), 0.0, 0
                    for batch, (images, labels) in enumerate(loader, start=1):
                        loss, logits = self.step(images, labels)
                        self._check_loss(loss, epoch, batch)
                        losses += loss * len(labels)
                        n_correct += int((logits.argmax(dim=1).cpu() == labels).sum())
                        bar.update()
                    history.seconds.append(time.perf_counter() - start)
                    history.lr.append(self.optimizer.param_groups[0]["lr"])
                    history.train_loss.append(losses / len(train))
                    history.train_accuracy.append(n_correct / len(train))
                    if valid:
                        self._validate(valid, history)
                    self.state = self._snapshot(epochs, loader, history)
                    if after_epoch:
                        after_epoch(history)
                    if patience and epoch - history.best_epoch >= patience:
                        history.stopped = f"stopped: no better epoch than {history.best_epoch}"
                        break
            except KeyboardInterrupt:
                history.stopped = f"interrupted in epoch {epoch} of {epochs}"
                print(f"{history.stopped}; history and weights so far are kept", file=sys.stderr)
        if keep == "best" and self.best_weights:
            self.model.load_state_dict(self.best_weights)
        return history

    def step(self, images: Tensor, labels: Tensor) -> tuple[float, Tensor]:
        """Learn from one batch; return its mean loss and its logits (B, 10)."""
        images, labels = images.to(self.device), labels.to(self.device)
        if self.augment:
            images = self.augment(images)
        self.optimizer.zero_grad()
        with torch.autocast(self.device.type, self.precision, enabled=bool(self.precision)):
            logits = self.model(images)
            loss = F.cross_entropy(logits, labels)
        loss.backward()
        self.optimizer.step()
        if self.scheduler:
            self.scheduler.step()
        return loss.item(), logits.detach()

    def _validate(self, valid: Split, history: History) -> None:
        result = evaluate(self.model, valid)
        history.valid_loss.append(result.loss)
        history.valid_accuracy.append(result.accuracy)
        if history.best_epoch == len(history):
            self.best_weights = copy.deepcopy(self.model.state_dict())

    def _snapshot(self, epochs: int, loader: Loader, history: History) -> dict[str, Any]:
        assert loader.generator is not None
        state = {
            "epochs": epochs,
            "model": self.model.state_dict(),
            "best_weights": self.best_weights,
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict() if self.scheduler else None,
            "loader_random": loader.generator.get_state(),
            "torch_random": torch.get_rng_state(),
            "history": asdict(history),
        }
        return copy.deepcopy(state)

    def _restore(self, state: dict[str, Any], loader: Loader) -> History:
        assert loader.generator is not None
        self.model.load_state_dict(state["model"])
        self.best_weights = state["best_weights"]
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler:
            self.scheduler.load_state_dict(state["scheduler"])
        loader.generator.set_state(state["loader_random"])
        torch.set_rng_state(state["torch_random"])
        self.state = state
        return History(**copy.deepcopy(state["history"]))

    def _check(
        self,
        train: Split,
        valid: Split | None,
        epochs: int,
        patience: int | None,
        keep: str,
        resume: dict[str, Any] | None,
    ) -> None:
        """Refuse, before the first step, what would fail or mislead later."""
        for name, split in {"train": train, "valid": valid}.items():
            if split is not None and not isinstance(split, Split):
                raise ValueError(f"{name} must be a Split, not {type(split).__name__}")
            if split is not None and not len(split):
                raise ValueError(f"the {name} split is empty; give it at least one digit")
        if epochs < 1:
            raise ValueError(f"training takes at least 1 epoch, not {epochs}")
        if keep not in ("last", "best"):
            raise unknown("choice of weights", keep, ["last", "best"])
        if (patience or keep == "best") and valid is None:
            raise ValueError("choosing the best epoch needs a valid split: fit(train, valid, ...)")
        if resume and resume["epochs"] != epochs:
            raise ValueError(
                f"the training to resume planned {resume['epochs']} epochs, so resume it with "
                f"epochs={resume['epochs']}, not {epochs}"
            )
        with torch.no_grad(), torch.random.fork_rng():
            self._check_model(train[:2])

    def _check_model(self, split: Split) -> None:
        images, labels = next(iter(batches(split)))
        augmented = self.augment(images) if self.augment else images
        if augmented.shape != images.shape or not 0 <= augmented.min() <= augmented.max() <= 1:
            raise ValueError(
                f"augment must keep the shape {tuple(images.shape)} and pixels in [0, 1], but it "
                f"returned {tuple(augmented.shape)}, pixels from {augmented.min():.2f} to "
                f"{augmented.max():.2f}"
            )
        try:
            logits = evaluate(self.model, split).logits
        except (RuntimeError, ValueError, IndexError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(
                f"the model does not take images of shape (N, 1, 28, 28): {reason}"
            ) from error
        if logits.shape != (len(labels), N_CLASSES):
            raise ValueError(
                f"the model must return logits of shape (N, 10), but for {len(labels)} digits it "
                f"returned {tuple(logits.shape)}"
            )

    def _check_loss(self, loss: float, epoch: int, batch: int) -> None:
        if not math.isfinite(loss):
            lr = self.optimizer.param_groups[0]["lr"]
            raise FloatingPointError(
                f"the loss became {loss} in epoch {epoch}, batch {batch}, at learning rate "
                f"{lr:.3g}; try a learning rate ten times smaller"
            )


@contextmanager
def _own_randomness(seed: int) -> Iterator[None]:
    """Seed dropout and augmentation, and give the global generator back as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def _progress(n_steps: int) -> Any:
    return tqdm(total=n_steps, unit="batch", leave=False, disable=None)  # None: not in a log file
