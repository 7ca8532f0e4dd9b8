"""Document 004's three wishes, granted to its own network: does each of them help, and how much?"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from typing import Any

from torch import Tensor

from digitlab.data import Digits, load
from digitlab.inference import evaluate
from digitlab.models import n_parameters
from digitlab.recipes import RECIPES, Recipe
from digitlab.runs import build_trainer

VARIED = {"shift": 1.5, "rotate": 8.0, "scale": 0.08, "shear": 6.0, "elastic": 0.5}
TWO_CONV = RECIPES["two-conv"].replace(threads=1)
LONGER = TWO_CONV.replace(epochs=4)
FEW = LONGER.replace(least_steps=600)
PEN_LR, PEN_BATCHES = 0.002, 1000
SIZES = (100, 500, 2500, 10_000)  # of the learning curve; all 50 000 stand above it


@dataclass(frozen=True)
class Wish:
    """Say how a training differs from document 004's.

    Attributes:
        name: what it is called in the study's rows.
        recipe: with other settings.
        n_train: this many training digits, others for each seed; None for all.
        pen_first: the network has learned to read digits drawn from the movements of a pen.
    """

    name: str
    recipe: Recipe
    n_train: int | None = None
    pen_first: bool = False

    @property
    def threads(self) -> int | None:
        """How many threads of the processor it takes; None for all."""
        return self.recipe.threads


def grant(wish: Wish, digits: Digits, *, seed: int) -> dict[str, Any]:
    """Train once; return what it took and how well it reads validation and test digits."""
    some = digits.train if wish.n_train is None else digits.train.sample(wish.n_train, seed=seed)
    trainer = build_trainer(wish.recipe, seed=seed)
    if wish.pen_first:
        trainer.model.load_state_dict(after_pen_digits(seed))
    epochs = wish.recipe.epochs_for(len(some))
    start = time.perf_counter()
    trainer.fit(some, epochs=epochs)
    row = {
        "recipe": wish.name,
        "data": digits.name,
        "seed": seed,
        "n_train": len(some),
        "parameters": n_parameters(trainer.model),
        "epochs": epochs,
        "seconds": round(time.perf_counter() - start, 3),
    }
    for split in ("valid", "test"):
        result = evaluate(trainer.trained, getattr(digits, split))
        row |= {f"{split}_accuracy": result.accuracy, f"{split}_loss": round(result.loss, 6)}
    return row


@cache
def after_pen_digits(seed: int) -> dict[str, Tensor]:
    """Return document 004's weights after it has learned the pen digits of 30 writers."""
    recipe = TWO_CONV.replace(augment=VARIED, epochs=1, least_steps=PEN_BATCHES)
    drawn = load("pendigits").train.draw(jitter=0.02, seed=seed)
    trainer = build_trainer(recipe, seed=seed)
    trainer.fit(drawn, epochs=recipe.epochs_for(len(drawn)))
    return {name: values.clone() for name, values in trainer.model.state_dict().items()}


WISHES = (
    Wish("two-conv, longer", LONGER),
    Wish("two-conv, longer, varied digits", LONGER.replace(augment=VARIED)),
    Wish("two-conv, twice the channels", TWO_CONV.replace(channels=(32, 64))),
    Wish("two-conv, pen digits first", TWO_CONV, pen_first=True),
    *(Wish(f"two-conv, {n} digits", FEW, n) for n in SIZES),
    *(Wish(f"two-conv, {n} varied digits", FEW.replace(augment=VARIED), n) for n in SIZES),
    *(
        Wish(f"two-conv, pen digits first, {n} digits", FEW.replace(lr=PEN_LR), n, pen_first=True)
        for n in SIZES[:3]
    ),
)
