"""What each trick in `fast` is worth, and what was tried on the way to `best`: by validation."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from digitlab.data import Digits
from digitlab.inference import evaluate
from digitlab.recipes import RECIPES, Recipe
from digitlab.runs import build_trainer
from digitlab.trainer import Trainer

FAST, BEST = RECIPES["fast"], RECIPES["best"]
# `best` as it was at first
NARROW = BEST.replace(name="narrow", channels=(16, 16, 32, 32, 64, 64), epochs=44)


@dataclass(frozen=True)
class Trick:
    """Say how a training differs from the recipe as it is.

    Attributes:
        name: what it is called in the study's rows.
        recipe: with other settings.
        change: of a trainer before it begins; returns the model to be judged.
        flush: numbers too small for float32's full precision become 0.
    """

    name: str
    recipe: Recipe = FAST
    change: Callable[[Trainer], nn.Module] = lambda trainer: trainer.trained
    flush: bool = False

    @property
    def threads(self) -> int | None:
        """How many threads of the processor it takes; None for all."""
        return self.recipe.threads


def try_trick(trick: Trick, digits: Digits, *, seed: int) -> dict[str, Any]:
    """Train once; return what it took and read, judged by the validation digits alone.

    `seconds` counts everything from the first batch to the last step, compiling and averaging too.
    """
    trainer = build_trainer(trick.recipe, seed=seed)
    model = trick.change(trainer)
    torch.set_flush_denormal(trick.flush)
    try:
        start = time.perf_counter()
        trainer.fit(digits.train, epochs=trick.recipe.epochs)
        seconds = time.perf_counter() - start
    finally:
        torch.set_flush_denormal(False)
    judged = evaluate(model, digits.valid)
    return {
        "recipe": trick.name,
        "data": digits.name,
        "seed": seed,
        "n_train": len(digits.train),
        "seconds": round(seconds, 3),
        "valid_accuracy": judged.accuracy,
        "valid_loss": round(judged.loss, 6),
    }


def on_other_writers(trick: Trick, digits: Digits, *, seed: int) -> dict[str, Any]:
    """Train once without a fifth of the writers, each seed without another; be judged by these.

    Args:
        trick: as for `try_trick`.
        digits: that know their writers.
        seed: of the training; seeds 0 to 4 judge every digit once.
    """
    known = digits.train.joined(digits.valid)
    assert known.writers is not None
    writers = known.writers.unique()
    order = torch.randperm(len(writers), generator=torch.Generator().manual_seed(7))
    held = torch.isin(known.writers, writers[order[seed % 5 :: 5]])
    parted = replace(digits, train=known.pick(~held), valid=known.pick(held))
    return try_trick(trick, parted, seed=seed) | {"n_valid": len(parted.valid)}


# --- Changes that are no settings of a recipe -----------------------------------------------------


def _pool_last(trainer: Trainer) -> nn.Module:
    """Pool after batch norm and ReLU, as most networks do."""
    layers = list(trainer.model.get_submodule("layers").children())
    for i in [i for i, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]:
        relu = next(k for k in range(i, len(layers)) if isinstance(layers[k], nn.ReLU))
        layers.insert(relu, layers.pop(i))
    trainer.model.layers = nn.Sequential(*layers)
    return trainer.model


def _stride(trainer: Trainer) -> nn.Module:
    """Let the first convolution visit every other place, in place of pooling."""
    layers: Any = trainer.model.layers
    layers[2].stride = (2, 2)
    layers[3] = nn.Identity()
    return trainer.model


def _channels_first(trainer: Trainer) -> nn.Module:
    """Bring pixels and weights into PyTorch's usual order."""
    trainer.augment = lambda images: images.clone(memory_format=torch.contiguous_format)
    return trainer.model.to(memory_format=torch.contiguous_format)


def _loop_optimizer(trainer: Trainer) -> nn.Module:
    """Step one tensor of weights after the other."""
    for group in trainer.optimizer.param_groups:
        group.update(fused=False, foreach=False)
    return trainer.model


def _compile(trainer: Trainer) -> nn.Module:
    trainer.model.compile()
    return trainer.model


TRICKS = (
    Trick("fast: as it is"),
    Trick("fast: no unshuffle", FAST.replace(unshuffle=1)),
    Trick("fast: pooling after ReLU", change=_pool_last),
    Trick("fast: stride in place of pooling", change=_stride),
    Trick("fast: two batch norms", FAST.replace(first_norm=True)),
    Trick("fast: half the channels", FAST.replace(channels=(12, 32))),
    Trick("fast: twice the channels", FAST.replace(channels=(48, 128))),
    Trick("fast: channels first", change=_channels_first),
    Trick("fast: optimizer not fused", change=_loop_optimizer),
    Trick("fast: constant learning rate", FAST.replace(schedule="constant", lr=0.007)),
    Trick("fast: PyTorch's betas", FAST.replace(betas=None)),
    Trick("fast: no smoothing", FAST.replace(smoothing=0.0)),
    Trick("fast: batches of 128", FAST.replace(batch_size=128, lr=0.012)),
    Trick("fast: batches of 1024", FAST.replace(batch_size=1024, lr=0.04)),
    Trick("fast: shifted digits", FAST.replace(augment={"shift": 1.0})),
    Trick("fast: averaged weights", FAST.replace(average=0.2)),
    Trick("fast: one thread", FAST.replace(threads=1)),
    Trick("fast: flush denormals", flush=True),
    Trick("fast: bfloat16", FAST.replace(precision="bfloat16")),
    Trick("fast: torch.compile", change=_compile),
)
CHOICES = tuple(
    Trick(f"narrow: {name}", recipe)
    for name, recipe in {
        "as it is": NARROW,
        "weight decay 0.0002": NARROW.replace(weight_decay=0.0002),
        "wider layers": NARROW.replace(channels=(16, 16, 48, 48, 96, 96)),
        "half as wide again": NARROW.replace(channels=BEST.options["channels"]),
        "64 passes": NARROW.replace(epochs=64),
        "twice the bending": NARROW.replace(augment=(BEST.augment or {}) | {"elastic": 1.0}),
    }.items()
)
WIDTHS = tuple(Trick(recipe.name, recipe) for recipe in (NARROW, BEST))
