"""What cannot work is refused before the first step of a training."""

from __future__ import annotations

import copy
from numbers import Integral

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from digitlab.checkpoint import Augment, Training
from digitlab.data import Split, batches
from digitlab.geometry import N_CLASSES
from digitlab.inference import read_logits
from digitlab.names import unknown

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
    _need_whole("the number of epochs", epochs)
    _need_whole("patience", patience or 1)
    if epochs < 1:
        raise ValueError(f"training takes at least 1 epoch, not {epochs}")
    if patience is not None and patience < 1:
        raise ValueError(f"patience must be at least 1 epoch, not {patience}")
    if patience and valid is None:
        raise ValueError(NEEDS_VALID)


def check_tools(training: Training, train: Split) -> None:
    """Refuse what cannot teach the model, and try it on two digits; random numbers stay."""
    if not torch.is_grad_enabled():
        raise ValueError("gradients are switched off here (torch.no_grad); train outside of it")
    _need_whole("the batch size", training.batch_size)
    if train.images.max() == 1:
        raise ValueError("these images are 0 and 1 of 0 to 255, so all is black: multiply by 255")
    if not 0 <= training.smoothing <= 1:
        raise ValueError(f"smoothing is a share of each label, 0 to 1, not {training.smoothing}")
    if training.schedule is not None and not callable(training.schedule):
        named = repr(training.schedule)
        raise ValueError(f"schedule is a function such as dl.one_cycle, and not {named}")
    _check_optimizer(training.optimizer, training.model)
    images, _ = next(iter(batches(train[:2])))
    with torch.random.fork_rng():
        if training.augment:
            _check_augment(training.augment, images.to(next(training.model.parameters()).device))
        _check_model("model", training.model, images)
        if training.teacher:
            _check_model("teacher", training.teacher, images)
        _check_last_batch(training, images[:1], len(train))


def _need_whole(name: str, number: object) -> None:
    if not isinstance(number, Integral):
        raise ValueError(f"{name} is a whole number, not {number!r}")


def _check_optimizer(optimizer: Optimizer, model: nn.Module) -> None:
    """Refuse one that would change other weights than the model's, or none."""
    weights = {id(weight) for weight in model.parameters()}
    held = [weight for group in optimizer.param_groups for weight in group["params"]]
    if isinstance(optimizer, torch.optim.LBFGS):
        raise ValueError("LBFGS computes each batch several times, which this loop does not do")
    if any(id(weight) not in weights for weight in held):
        raise ValueError(
            "the optimizer holds weights of another model: make it from the parameters() of the "
            "model that is trained"
        )
    if not any(weight.requires_grad for weight in held):
        raise ValueError("the optimizer holds frozen weights only, so nothing would be learned")


def _check_last_batch(training: Training, image: Tensor, n_train: int) -> None:
    """Try a last batch of one digit, which batch norm may not be able to take."""
    if training.batch_size != 1 and n_train % max(2, training.batch_size) != 1:
        return
    try:
        copy.deepcopy(training.model).train()(image.to(next(training.model.parameters()).device))
    except ValueError as error:
        raise ValueError(
            f"the last batch has 1 digit of {n_train}, too few for this model ({error}); choose "
            f"another batch size than {training.batch_size}"
        ) from None


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


def _check_model(name: str, model: nn.Module, images: Tensor) -> None:
    try:
        shape = read_logits(model, [images], len(images)).shape
        found = "" if shape == (len(images), N_CLASSES) else f"it returned {tuple(shape)}"
    except (AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
        found = f"{type(error).__name__}: {error}".splitlines()[0]
    if found:
        raise ValueError(
            f"the {name} must take images (N, 1, 28, 28) and return logits (N, 10), but with "
            f"N={len(images)}: {found}"
        )
