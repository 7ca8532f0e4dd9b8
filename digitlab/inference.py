"""Reading with a model: what it says of digits, what a layer puts out, how good it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from digitlab.data import Split, batches
from digitlab.geometry import N_CLASSES
from digitlab.metrics import accuracy
from digitlab.names import unknown
from digitlab.pixels import as_batch, as_numbers


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


def evaluate(model: nn.Module, split: Split, *, batch_size: int = 250) -> Result:
    """Judge a model on every digit of a split; its mode is put back afterwards.

    Raises:
        ValueError: for an empty split, or something else; for a model of other classes, or one
            whose weights are not numbers.
    """
    if not isinstance(split, Split) or not len(split):
        raise ValueError("a model is judged by a split such as digits.test, with a digit or more")
    images = (images for images, _ in batches(split, batch_size))
    return judge(read_logits(model, images, len(split)), split.labels)


def judge(logits: Tensor, labels: Tensor) -> Result:
    """Compare logits float (N, 10) with the truth, int64 (N,)."""
    need_logits(logits)
    loss = F.cross_entropy(logits, labels, reduction="sum").item() / len(labels)
    return Result(logits, labels, loss, accuracy(logits, labels))


def need_logits(logits: Tensor) -> None:
    """Refuse what is no answer to "which digit": other shapes than (N, 10), and no numbers.

    Raises:
        ValueError: saying what came.
    """
    if logits.ndim != 2 or logits.shape[1] != N_CLASSES:
        shape = ("N", *logits.shape[1:])
        raise ValueError(
            f"there are {N_CLASSES} classes of digits, so a model returns logits (N, {N_CLASSES}), "
            f"but this one returned ({', '.join(map(str, shape))})"
        )
    bad = int((~logits.isfinite()).any(dim=1).sum())
    if bad:
        raise ValueError(
            f"for {bad} of {len(logits)} digits this model returns no numbers (NaN or infinite): "
            "its training has diverged; train it anew with a lower learning rate"
        )


@torch.no_grad()
def read_logits(model: nn.Module, images: Iterable[Tensor], n_images: int) -> Tensor:
    """Return the model's logits, float (n_images, 10), for batches of pixels (B, 1, 28, 28).

    Dropout and batch norm are switched to evaluation, and each layer's mode is put back.
    """
    weights = next(model.parameters(), torch.empty(0))
    modes = [(layer, layer.training) for layer in model.modules()]
    model.eval()
    logits, start = torch.empty(0), 0
    try:
        for batch in images:
            found: Tensor = model(batch.to(weights)).float().cpu()
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


def layer_output(model: nn.Module, images: Tensor, layer: str) -> Tensor:
    """Return what one layer of a model puts out; the model stays as it is.

    Args:
        model: any model; it runs as in `evaluate`, without dropout.
        images: uint8 or float in [0, 1], (N, 1, 28, 28) or one digit (1, 28, 28).
        layer: its name in `model.named_modules()`, for example "layers.3".

    Returns:
        float (N, ...), on the processor.

    Raises:
        ValueError: for a layer that the model never runs, or an unknown one, with the nearest; for
            pixels of another shape or range.
    """
    layers = {name: module for name, module in model.named_modules() if name}
    if layer not in layers:
        raise unknown("layer", layer, layers)
    pixels = as_numbers(images, "images")
    batch = as_batch(pixels if pixels.ndim == 4 else pixels[None])
    caught: list[Tensor] = []
    with layers[layer].register_forward_hook(lambda _, __, output: caught.append(output.clone())):
        read_logits(model, [batch], len(batch))
    if not caught:
        raise ValueError(f"this model never runs its layer {layer!r}; choose another one")
    return caught[-1].cpu()


@contextmanager
def threads(n: int | None) -> Iterator[None]:
    """Compute in `n` threads of the processor; None leaves their number as it is.

    For a single digit take one: to wake a second one costs more than it brings.

    Raises:
        ValueError: for a number that no processor has.
    """
    if n is not None and not 0 <= n < 2**15:
        raise ValueError(f"threads are a number of those of the processor, not {n}; None takes all")
    before = torch.get_num_threads()
    torch.set_num_threads(n or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
