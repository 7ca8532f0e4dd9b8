"""Recipes: every decision of a training, as data."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from digitlab.names import Registry, unknown
from digitlab.plain import make_plain
from digitlab.tables import html_table

if TYPE_CHECKING:  # torch takes seconds, and a list of recipes does without it
    from torch import nn

DOCUMENTS = {
    "document 000": "Handwritten Digit Recognition using PyTorch (fully connected, dropout)",
    "document 001": "Handwritten Digit Recognition using PyTorch (three convolutions)",
    "document 002": "Handwritten Digit Recognition with PyTorch (fully connected)",
    "document 003": "MNIST Handwritten Digit Recognition with PyTorch CNN",
    "document 004": "MNIST Digit Recognition with CNN",
}


@dataclass(frozen=True, kw_only=True, repr=False)
class Recipe:
    """Hold every decision of one training.

    Attributes:
        name: what `dl.train(name)` takes.
        source: "document 000" to "document 004", or "house" for a recipe of our own.
        model: a name in `MODELS`.
        options: all options of that model.
        parameters: weights and biases of the model; None where `replace` changed the model.
        optimizer: a name in torch.optim.
        lr: learning rate; under a schedule the highest.
        momentum: of SGD; None for the others.
        betas: of Adam and AdamW; None for PyTorch's own.
        weight_decay: of the optimizer, see torch.optim; None for PyTorch's own.
        loss: "cross-entropy".
        schedule: "constant", or "one-cycle" (quickly up, then slowly down, a step at a time).
        batch_size: digits in a batch.
        epochs: passes over the training digits.
        least_steps: on a small data set, as many epochs as this number of batches takes.
        augment: what `Augment` takes, name -> amount; None for digits as they are.
        smoothing, average: of labels and of weights, see `Trainer`; None for no average.
        precision: "float32" or "bfloat16", see `Trainer`.
        threads: of the processor; None for all.
        use_valid: learn from the validation digits, too; only for settings that are chosen already.
        states: the settings that the document states.
        claim: test accuracy in [0, 1] that the document reports, where it gives a number.
    """

    name: str
    source: str
    model: str
    options: dict[str, Any]
    parameters: int | None
    optimizer: str
    lr: float
    momentum: float | None = None
    betas: tuple[float, float] | None = None
    weight_decay: float | None = None
    loss: str = "cross-entropy"
    schedule: str = "one-cycle"
    batch_size: int = 64
    epochs: int
    least_steps: int
    augment: dict[str, float] | None = None
    smoothing: float = 0.0
    average: float | None = None
    precision: str = "float32"
    threads: int | None = None
    use_valid: bool = False
    states: tuple[str, ...] = ()
    claim: float | None = None

    def __post_init__(self) -> None:
        make_plain(self, "a recipe")

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self.settings().items())
        return f"Recipe({self.name!r}, {settings})"

    @property
    def assumed(self) -> tuple[str, ...]:
        """The settings that no document states: we chose them."""
        return tuple(name for name in self.settings() if name not in self.states)

    def settings(self) -> dict[str, Any]:
        """Return the settings by their names; those that are off (None, 0, False) are left out."""
        training = {name: getattr(self, name) for name in TRAINING}
        used = {k: v for k, v in training.items() if v or (k == "weight_decay" and v == 0)}
        return {"model": self.model, **self.options, **used}

    def epochs_for(self, n_train: int) -> int:
        """Return the epochs on `n_train` digits: `epochs`, or more to reach `least_steps`."""
        steps_per_epoch = max(1, math.ceil(n_train / self.batch_size))
        return max(self.epochs, math.ceil(self.least_steps / steps_per_epoch))

    def replace(self, **changes: Any) -> Recipe:
        """Return a recipe with other settings; they are no longer what the document states.

        Another `model` brings its own options: those that are not named here keep its defaults.

        Raises:
            ValueError: for an unknown setting, with the nearest known one; with another `model`,
                `build_model` raises it.
        """
        before = self.settings()
        same_model = changes.get("model", self.model) == self.model
        for name in changes:
            if same_model and name not in {*before, "name", *TRAINING}:
                raise unknown("setting", name, [*before, *TRAINING])
        fields = {key: changes.pop(key) for key in ("name", "model", *TRAINING) if key in changes}
        options = (self.options if same_model else {}) | _tuples(changes)
        parameters = self.parameters if same_model and options == self.options else None
        new = dataclasses.replace(self, **fields, options=options, parameters=parameters)
        after = new.settings()
        states = tuple(key for key in self.states if key in after and after[key] == before[key])
        return dataclasses.replace(new, states=states)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON and saved runs hold them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """Return the recipe that `to_dict` wrote.

        Raises:
            ValueError: for a field that is unknown or missing.
        """
        if not isinstance(values, dict):
            raise ValueError(f"a recipe is a set of named values, not {values!r}")
        fields = [field.name for field in dataclasses.fields(cls)]
        for name in values:
            if name not in fields:
                raise unknown("field of a recipe", name, fields)
        try:
            return cls(**{name: _tuples(value) for name, value in values.items()})
        except TypeError as error:
            raise ValueError(f"this is not a whole recipe: {error}") from None

    def rows(self) -> list[tuple[str, str, str]]:
        """Return one row for each setting: its name, its value, and whose decision it is."""
        stated = f"stated by {self.source}"
        return [
            (name, _plain(value), stated if name in self.states else "chosen by us")
            for name, value in self.settings().items()
        ]

    def _repr_html_(self) -> str:
        return html_table(
            self.rows(),
            header=("setting", "value", "whose decision"),
            caption=f"Recipe {self.name}: {self.parameters or 'unknown number of'} parameters",
        )


# what is not among these is a setting of the training
BESIDE = {"name", "source", "model", "options", "parameters", "states", "claim"}
TRAINING = [field.name for field in dataclasses.fields(Recipe) if field.name not in BESIDE]


def _tuples(value: Any) -> Any:
    """Recipes hold tuples, so that they can be compared."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(value) if isinstance(value, list) else value


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {amount:g}" for name, amount in value.items())
    return "-".join(map(str, value)) if isinstance(value, tuple) else str(value)


ALL = (
    Recipe(
        name="plain-mlp",
        source="document 002",
        model="MLP",
        options={"hidden": (256, 128, 64, 32), "dropout": 0.0, "mean": 0.0, "std": 1.0},
        parameters=244_522,
        optimizer="Adam",
        lr=0.003,
        epochs=7,
        least_steps=2000,
        states=("model", "hidden", "mean", "std", "optimizer", "loss"),
    ),
    Recipe(
        name="dropout-mlp",
        source="document 000",
        model="MLP",
        options={"hidden": (512, 256, 128, 64), "dropout": 0.02, "mean": 0.5, "std": 0.5},
        parameters=575_050,
        optimizer="Adam",
        lr=0.0015,
        epochs=8,
        least_steps=1000,
        smoothing=0.05,
        states=("model", "mean", "std", "optimizer", "loss", "batch_size"),
        claim=0.97,
    ),
    Recipe(
        name="two-conv",
        source="document 004",
        model="TwoConv",
        options={"channels": (16, 32), "pooling": "max", "hidden": 64, "dropout": 0.25},
        parameters=105_866,
        optimizer="Adam",
        lr=0.005,
        epochs=3,
        least_steps=500,
        states=("model",),
    ),
    Recipe(
        name="three-conv",
        source="document 001",
        model="ThreeConv",
        options={"channels": (16, 32, 64), "hidden": 64},
        parameters=60_874,
        optimizer="Adam",
        lr=0.007,
        batch_size=128,
        epochs=3,
        least_steps=500,
        states=("model",),
    ),
    Recipe(
        name="lenet-sgd",
        source="document 003",
        model="LeNet5",
        options={
            "channels": (6, 16),
            "pooling": "max",
            "hidden": (120, 84),
            "mean": 0.1307,
            "std": 0.3081,
        },
        parameters=61_706,
        optimizer="SGD",
        lr=0.05,
        momentum=0.9,
        epochs=5,
        least_steps=800,
        states=("optimizer", "loss"),
    ),
    Recipe(
        name="fast",
        source="house",
        model="SmallCNN",
        options={"channels": (24, 64), "pools": (True, True), "unshuffle": 2, "first_norm": False},
        parameters=20_610,
        optimizer="AdamW",
        lr=0.028,
        betas=(0.7, 0.9),
        batch_size=384,
        epochs=1,
        least_steps=130,
        smoothing=0.05,
    ),
    Recipe(
        name="tiny",
        source="house",
        model="SmallCNN",
        options={
            "channels": (8, 16, 16, 16),
            "pools": (True, False, True, True),
            "unshuffle": 1,
            "first_norm": True,
        },
        parameters=7_522,
        optimizer="AdamW",
        lr=0.015,
        batch_size=128,
        epochs=20,
        least_steps=1000,
        augment={"shift": 1.5, "rotate": 8.0, "scale": 0.08, "shear": 6.0},
        threads=1,
        use_valid=True,
    ),
    Recipe(
        name="best",
        source="house",
        model="SmallCNN",
        options={
            "channels": (24, 24, 48, 48, 96, 96),
            "pools": (False, True, False, True, False, True),
            "unshuffle": 1,
            "first_norm": True,
        },
        parameters=170_626,
        optimizer="SGD",
        lr=0.05,
        momentum=0.9,
        weight_decay=0.0005,
        schedule="constant",
        batch_size=128,
        epochs=36,
        least_steps=1000,
        augment={
            "shift": 2.0,
            "rotate": 10.0,
            "scale": 0.1,
            "shear": 10.0,
            "elastic": 0.5,
            "stroke": 0.5,
        },
        average=0.1,
        precision="bfloat16",
        threads=1,
        use_valid=True,
    ),
)
RECIPES = Registry("recipe", {recipe.name: recipe for recipe in ALL})


def document_recipes() -> Iterable[Recipe]:
    """Return the recipes of the five documents, in the order of the course."""
    return (recipe for recipe in RECIPES.values() if recipe.source in DOCUMENTS)


def build_model(recipe: Recipe | str, *, seed: int = 0, **options: Any) -> nn.Module:
    """Build an untrained model with weights drawn from `seed`.

    Args:
        recipe: a recipe, or the name of a recipe or of a model.
        seed: the same seed gives the same weights.
        options: of the model, in place of the recipe's (`hidden=...`, `dropout=...`).

    Raises:
        ValueError: for an unknown name or option, with the nearest known one.
    """
    import torch

    from digitlab.models import MODELS

    chosen = RECIPES.get(recipe, recipe) if isinstance(recipe, str) else recipe
    if isinstance(chosen, Recipe):
        name, settings = chosen.model, chosen.options | options
    elif chosen in MODELS:
        name, settings = chosen, options
    else:
        raise unknown("recipe or model", recipe, [*RECIPES, *MODELS])
    known = list(inspect.signature(MODELS[name]).parameters)
    for option in settings:
        if option not in known:
            raise unknown(f"option of {name}", option, known)
    with torch.random.fork_rng(devices=[]):  # weights are drawn on the processor
        torch.default_generator.manual_seed(seed)
        model = MODELS[name](**settings)
    return model.to(memory_format=torch.channels_last)  # pooling is several times quicker
