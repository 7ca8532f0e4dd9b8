"""Stop and go on: what a training needs to continue, and whether it is the one that was stopped."""

from __future__ import annotations

import copy
import zlib
from collections.abc import Callable
from types import UnionType
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader

from digitlab.data import Split

Loader = DataLoader[tuple[Tensor, Tensor]]
State = dict[str, Any]  # plain values and tensors
Augment = Callable[[Tensor], Tensor]
PARTS = ("scheduler", "model", "averaged", "optimizer")  # the first tells version 1
PLANNED = {"epochs", "digits", "batch_size", "seed", "smoothing", "average", "precision"}
SPEED = ("foreach", "fused", "capturable")  # of an optimizer: these change nothing else
KINDS: dict[str, type | UnionType] = {  # of what a snapshot holds
    "plan": dict,
    "history": object,  # it refuses other kinds itself
    "scheduler": dict | None,
    "model": dict,
    "averaged": dict | None,
    "optimizer": dict,
    "best_weights": dict | None,
    "loader_random": Tensor,
    "torch_random": Tensor,
}


class Training(Protocol):
    """What of a `Trainer` goes into a snapshot and into a plan."""

    model: nn.Module
    trained: nn.Module
    averaged: AveragedModel | None
    optimizer: Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler | None
    best_weights: dict[str, Tensor] | None
    schedule: Callable[..., Any] | None
    augment: Augment | None
    teacher: nn.Module | None
    batch_size: int
    seed: int
    smoothing: float
    average: float | None
    precision: str


def randomness(loader: Loader) -> State:
    """Return where the random numbers stand: of the digits' order, of dropout and augmentation."""
    return {"loader_random": loader.generator.get_state(), "torch_random": torch.get_rng_state()}


def snapshot(training: Training, facts: State) -> State:
    """Return copies of where the parts of a training stand, and of these facts."""
    return copy.deepcopy(_standing(training) | {"best_weights": training.best_weights} | facts)


def restore(training: Training, state: State, loader: Loader) -> None:
    """Put the parts of a training and its random numbers back to where `snapshot` took them.

    Args:
        training: the one that is to go on.
        state: whole, and of the same plan.
        loader: draws the order of the digits.

    Raises:
        ValueError: where a part is of another kind; then nothing is changed.
    """
    standing = _standing(training) | randomness(loader)
    fits = {name: _fits(state[name], now) for name, now in standing.items()}
    fits["optimizer"] = _fits_optimizer(state["optimizer"], training.optimizer)
    best, weights = state["best_weights"], training.trained.state_dict()
    fits["best_weights"] = best is None or _fits(best, weights)
    for name, fit in fits.items():
        if not fit:
            raise ValueError(
                f"the {name} to go on with is of another kind than this training's, or of another "
                "version; train anew"
            )
    state = copy.deepcopy(state)  # else the optimizer would write into it
    groups = zip(state["optimizer"]["param_groups"], training.optimizer.param_groups, strict=True)
    for was, now in groups:
        was |= {name: now[name] for name in SPEED if name in now}
    for name in PARTS:
        if state[name] is not None:
            getattr(training, name).load_state_dict(state[name])
    training.best_weights = state["best_weights"]
    loader.generator.set_state(state["loader_random"])
    torch.set_rng_state(state["torch_random"])


def _standing(training: Training) -> State:
    parts = {name: getattr(training, name) for name in PARTS}
    return {name: None if part is None else part.state_dict() for name, part in parts.items()}


def _fits(value: Any, like: Any) -> bool:
    """Say whether both have the same names, lengths, types and shapes; numbers may differ."""
    if isinstance(like, Tensor):
        same_type = isinstance(value, Tensor) and value.dtype == like.dtype
        return same_type and value.shape == like.shape
    if isinstance(like, dict):
        same_names = isinstance(value, dict) and value.keys() == like.keys()
        return same_names and all(_fits(value[name], like[name]) for name in like)
    if isinstance(like, list | tuple):
        same_length = isinstance(value, list | tuple) and len(value) == len(like)
        return same_length and all(map(_fits, value, like))
    return isinstance(value, int | float if isinstance(like, int | float) else type(like))


def _fits_optimizer(state: Any, optimizer: Optimizer) -> bool:
    """Compare what is kept for each weight with the weights: a new optimizer keeps nothing."""
    names = isinstance(state, dict) and state.keys() == {"state", "param_groups"}
    if not names or not _fits(*map(_groups, (state, optimizer.state_dict()))):
        return False
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    kept, places = state["state"], set(range(len(weights)))
    if not isinstance(kept, dict) or not kept.keys() <= places:
        return False
    if not all(isinstance(values, dict) for values in kept.values()):
        return False
    kinds = {tuple((name, type(value)) for name, value in kept[place].items()) for place in kept}
    return len(kinds) < 2 and all(  # the same of each weight
        value.shape in ((), weights[place].shape)
        if isinstance(value, Tensor)
        else value is None or isinstance(value, int | float)
        for place in kept
        for value in kept[place].values()
    )


def _groups(state: State) -> Any:
    """Return what an optimizer says of its weights, without what changes its speed only."""
    groups = state["param_groups"]
    if isinstance(groups, list) and all(isinstance(group, dict) for group in groups):
        return [{name: group[name] for name in group.keys() - SPEED} for group in groups]
    return groups


def plan(training: Training, train: Split, valid: Split | None, epochs: int) -> State:
    """Return what must be the same where a training goes on."""
    return {
        "epochs": epochs,
        "digits": len(train),
        "digits_sum": _digits(train),
        "valid_sum": _digits(valid) if valid else None,
        "model_kind": _model(training.model),
        "optimizer_settings": _optimizer(training.optimizer),
        "schedule": _described(training.schedule),
        "batch_size": training.batch_size,
        "seed": training.seed,
        "augment": training.augment is not None,
        "augment_settings": _described(training.augment),
        "smoothing": training.smoothing,
        "teacher": training.teacher is not None,
        "teacher_weights": _weights(training.teacher) if training.teacher else None,
        "average": training.average,
        "precision": training.precision,
    }


def check_same(before: State, now: State) -> None:
    """Refuse to go on with another training than the one that was stopped.

    Args:
        before: the plan of the training that was stopped; what it does not name is not compared.
        now: the plan of the one that is to go on.

    Raises:
        ValueError: naming the first difference.
    """
    for key, value in now.items():
        if (was := before.get(key, value)) != value:
            raise ValueError(
                f"the training to resume had {key} {was!r}, not {value!r}; "
                "resume it with the same, or train anew"
            )


def check_whole(state: State) -> None:
    """Refuse what `snapshot` did not return: something else, or a part of it.

    Raises:
        ValueError: naming what is missing, or is of another type.
    """
    parts = state if isinstance(state, dict) else {}
    missing = [
        name
        for name, kind in KINDS.items()
        if name not in parts or not isinstance(parts[name], kind)
    ]
    if not missing and not _is_plan(parts["plan"]):
        missing = ["plan"]
    if missing:
        raise ValueError(
            f"a training cannot go on without its {', '.join(missing)}; resume=... takes what "
            "snapshot() returned"
        )


def _is_plan(plan: State) -> bool:
    return plan.keys() >= PLANNED and not any(isinstance(value, Tensor) for value in plan.values())


def _optimizer(optimizer: Optimizer) -> str:
    """Return class and settings in one line, the same before and after training."""
    settings = []
    for group in _groups(optimizer.state_dict()):
        rate = group.get("initial_lr", group["lr"])
        others = {
            name: group[name] for name in sorted(group.keys() - {"lr", "initial_lr", "params"})
        }
        said = [f"{name}={value}" for name, value in others.items() if value not in (None, False)]
        settings.append(", ".join([f"lr={rate}", *said]))
    return f"{type(optimizer).__name__}({'; '.join(settings)})"


def _model(model: nn.Module) -> str:
    """Return class, number of weights, and a sum over their names and shapes."""
    weights = [(name, tuple(value.shape)) for name, value in model.state_dict().items()]
    n = sum(value.numel() for value in model.state_dict().values())
    return f"{type(model).__name__} of {n} numbers ({zlib.crc32(repr(weights).encode()):08x})"


def _weights(model: nn.Module) -> str:
    """Return a sum over all weights."""
    weights = torch.cat([value.double().flatten().cpu() for value in model.state_dict().values()])
    return f"{zlib.crc32(weights.numpy().tobytes()):08x}"


def _digits(split: Split) -> str:
    """Return a sum over all labels and every hundredth image: quick, and no other set has it."""
    some = split.labels.numpy().tobytes() + split.images[::100].numpy().tobytes()
    return f"{zlib.crc32(some):08x}"


def _described(rule: object) -> str:
    """Return a dataclass with its values, a function by its name."""
    return getattr(rule, "__name__", "") or repr(rule).partition(" at 0x")[0]
