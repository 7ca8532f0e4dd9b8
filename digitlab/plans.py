"""What cannot work is refused before the first step of a training."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from digitlab.data import Split, batches
from digitlab.geometry import N_CLASSES
from digitlab.inference import read_logits
from digitlab.names import unknown

Augment = Callable[[Tensor], Tensor]
NEEDS_VALID = "choosing the best epoch needs a valid split: fit(train, valid, ...)"


def check_keep(keep: str, valid: Split | None) -> None:
    """Refuse to keep weights that there are not."""
    if keep not in ("last", "best"):
        raise unknown("choice of weights", keep, ["last", "best"])
    if keep == "best" and valid is None:
        raise ValueError(NEEDS_VALID)


def check_settings(train: Split, valid: Split | None, epochs: int, patience: int | None) -> None:
    """Refuse splits and numbers of epochs that would fail or mislead later."""
    for name, split in {"train": train, "valid": valid}.items():
        if split is None and name == "valid":
            continue
        if not isinstance(split, Split):
            found = type(split).__name__
            raise ValueError(f"{name} must be a Split such as digits.{name}, not {found}")
        if not len(split):
            raise ValueError(f"the {name} split is empty; give it at least one digit")
    if epochs < 1:
        raise ValueError(f"training takes at least 1 epoch, not {epochs}")
    if patience is not None and patience < 1:
        raise ValueError(f"patience must be at least 1 epoch, not {patience}")
    if patience and valid is None:
        raise ValueError(NEEDS_VALID)


def check_tools(model: nn.Module, augment: Augment | None, train: Split) -> None:
    """Try augmentation and model on two digits; random numbers stay as they are."""
    images, _ = next(iter(batches(train[:2])))
    with torch.random.fork_rng():
        if augment:
            _check_augment(augment, images.to(next(model.parameters(), images).device))
        _check_model(model, images)


def _check_augment(augment: Augment, images: Tensor) -> None:
    pixels = augment(images)
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


def _check_model(model: nn.Module, images: Tensor) -> None:
    try:
        shape = read_logits(model, [images], len(images)).shape
        found = "" if shape == (len(images), N_CLASSES) else f"it returned {tuple(shape)}"
    except (AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
        found = f"{type(error).__name__}: {error}".splitlines()[0]
    if found:
        raise ValueError(
            "the model must take images (N, 1, 28, 28) and return logits (N, 10), but with "
            f"N={len(images)}: {found}"
        )
