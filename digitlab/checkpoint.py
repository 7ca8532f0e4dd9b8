"""Stop and go on: what a training needs to continue, and whether it is the one that was stopped."""

from __future__ import annotations

import copy
import zlib
from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import nn

from digitlab.data import Split

State = dict[str, Any]  # plain values and tensors


class Stateful(Protocol):
    """A model, an optimizer or a scheduler: what can say and take up where it stands."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: dict[str, Any]) -> Any: ...


def snapshot(
    parts: Mapping[str, Stateful | None], loader_random: torch.Generator, facts: State
) -> State:
    """Return copies of where the parts of a training and its random numbers stand.

    Args:
        parts: by name; those that this training has none of are None.
        loader_random: what the order of the digits is drawn from.
        facts: whatever else is needed to go on.
    """
    state = {name: part.state_dict() if part else None for name, part in parts.items()}
    random = {
        "loader_random": loader_random.get_state(),
        "torch_random": torch.get_rng_state(),
    }
    return copy.deepcopy(state | random | facts)


def restore(
    state: State, parts: Mapping[str, Stateful | None], loader_random: torch.Generator
) -> None:
    """Put the parts of a training and its random numbers back to where `snapshot` took them.

    Raises:
        ValueError: where the state is not of these parts; then nothing is changed.
    """
    for name, part in parts.items():
        names = part.state_dict().keys() if part else set()
        if name not in state or (state[name] or {}).keys() != names:
            raise ValueError(
                f"the {name} to go on with is of another kind than this training's, or of another "
                "version; train anew"
            )
    state = copy.deepcopy(state)  # else the optimizer would write into it
    for name, part in parts.items():
        if part:
            part.load_state_dict(state[name])
    loader_random.set_state(state["loader_random"])
    torch.set_rng_state(state["torch_random"])


def check_same(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
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


def describe_optimizer(optimizer: torch.optim.Optimizer) -> str:
    """Return class and settings in one line, the same before and after training."""
    settings = {
        name: value
        for name, value in optimizer.defaults.items()
        if value not in (None, False) and name not in ("lr", "foreach", "fused", "capturable")
    }
    rates = [group.get("initial_lr", group["lr"]) for group in optimizer.param_groups]
    said = ", ".join(f"{name}={value}" for name, value in sorted(settings.items()))
    return f"{type(optimizer).__name__}(lr={', '.join(map(str, rates))}, {said})"


def describe_model(model: nn.Module) -> str:
    """Return class, number of weights, and a sum over their names and shapes."""
    weights = [(name, tuple(value.shape)) for name, value in model.state_dict().items()]
    n = sum(value.numel() for value in model.state_dict().values())
    return f"{type(model).__name__} of {n} numbers ({zlib.crc32(repr(weights).encode()):08x})"


def describe_digits(split: Split) -> str:
    """Return a sum over all labels and every hundredth image: quick, and no other set has it."""
    some = split.images[::100].contiguous()
    both = zlib.crc32(some.numpy(), zlib.crc32(split.labels.contiguous().numpy()))
    return f"{both:08x}"
