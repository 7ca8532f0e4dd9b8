"""Runs: a recipe trained on a data set, saved, loaded and resumed."""

from __future__ import annotations

import inspect
import io
import os
import pickle
import platform
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from digitlab import checkpoint
from digitlab.augment import Augment
from digitlab.checkpoint import State
from digitlab.data import Digits, Split, load
from digitlab.files import place_for, written
from digitlab.geometry import SIZE
from digitlab.inference import evaluate, read_logits
from digitlab.models import n_parameters
from digitlab.names import Registry, unknown
from digitlab.plain import make_plain, plain
from digitlab.recipes import RECIPES, Recipe, build_model
from digitlab.tables import html_table
from digitlab.trainer import SCHEDULES, History, Interrupted, Trainer

FORMAT, FORMAT_VERSION = "digitlab run", 2
PLAIN = ("data", "sizes", "seed", "epochs", "scores", "trained_with")  # kept in a file as they are
OPTIMIZERS: Registry[Callable[..., torch.optim.Optimizer]] = Registry(
    "optimizer", {"Adam": torch.optim.Adam, "AdamW": torch.optim.AdamW, "SGD": torch.optim.SGD}
)


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """Hold one training of a recipe and what it reached.

    Attributes:
        recipe: every decision.
        model: with its last weights, in evaluation mode.
        history: one entry for each epoch.
        data: the name of the data set really used.
        sizes: digits in "train", "valid" (where they were not learned, too) and "test".
        seed: of weights, order and dropout.
        epochs: how many were planned.
        scores: loss and accuracy in [0, 1] on training and validation digits, on test digits
            once `judge` has read them; empty in a file written between epochs.
        trained_with: device, precision, threads and versions, name -> value.
        state: what `train(resume=...)` needs; None in a small file.
    """

    recipe: Recipe
    model: nn.Module
    history: History
    data: str
    sizes: dict[str, int]
    seed: int
    epochs: int
    scores: dict[str, float] = field(default_factory=dict)
    trained_with: dict[str, Any] = field(default_factory=dict)
    state: State | None = None

    def __post_init__(self) -> None:
        make_plain(self, "a run", keep=(Tensor,))

    @property
    def seconds(self) -> float:
        """Seconds spent on batches, augmentation and steps."""
        return sum(self.history.seconds)

    @property
    def finished(self) -> bool:
        """Whether all planned epochs were trained."""
        return len(self.history) == self.epochs

    def summary(self) -> dict[str, Any]:
        """Return what the run was and reached, as plain values; accuracies in [0, 1]."""
        return {
            "recipe": self.recipe.name,
            "data": self.data,
            "seed": self.seed,
            **{f"n_{name}": size for name, size in self.sizes.items()},
            "parameters": n_parameters(self.model),
            "epochs": len(self.history),
            "seconds": round(self.seconds, 3),
            "precision": self.recipe.precision,
            **{
                name: round(score, 6) if name.endswith("loss") else score
                for name, score in self.scores.items()
            },
        }

    def judge(self, digits: Digits) -> Run:
        """Return the run with its scores on the test digits, which are best read only once.

        Raises:
            ValueError: for another data set than it was trained on.
        """
        if digits.name != self.data:
            raise ValueError(
                f"this run learned {self.data}; judge it on those digits, not on {digits.name}"
            )
        return replace(self, scores=self.scores | _scores(self.model, {"test": digits.test}))

    def save(self, path: str | os.PathLike[str], *, small: bool = False) -> Path:
        """Write the run to one file, moved into place when whole.

        Args:
            path: of the file; its folder is made.
            small: weights in half precision, and nothing to resume from.

        Raises:
            ValueError: for a place that cannot be written, or a run that could not be loaded
                again; then what was there stays.
        """
        weights = _bare(self.model).state_dict()
        content = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "recipe": self.recipe.to_dict(),
            "history": asdict(self.history),
            **{name: getattr(self, name) for name in PLAIN},
            "weights": _halved(weights) if small else weights,
            "state": None if small else self.state,
        }
        packed = io.BytesIO()
        torch.save(plain(content, keep=(Tensor,)), packed)
        _prove(packed)
        with written(path) as file:
            file.write(packed.getbuffer())
        return Path(path).expanduser()

    def __repr__(self) -> str:
        return f"Run({', '.join(f'{key}={value!r}' for key, value in self.summary().items())})"

    def _repr_html_(self) -> str:
        return html_table(list(self.summary().items()), caption=f"Run of {self.recipe.name}")


def _bare(model: nn.Module) -> nn.Module:
    """Return the model inside of what `torch.compile` or `DataParallel` put around it."""
    inner = (
        model.module if isinstance(model, nn.DataParallel) else getattr(model, "_orig_mod", None)
    )
    return model if inner is None else _bare(inner)


def _prove(packed: io.BytesIO) -> None:
    """Load what is about to be written, so that a file which nobody can open is never made."""
    try:
        packed.seek(0)
        content = torch.load(packed, weights_only=True)
        build_model(Recipe.from_dict(content["recipe"])).load_state_dict(content["weights"])
    except (pickle.UnpicklingError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"this run could not be loaded again, so it is not saved: {reason}"
        ) from None


def _halved(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: w.half() if w.is_floating_point() else w for name, w in weights.items()}


def versions() -> dict[str, str]:
    """Return the versions that a result may depend on."""
    try:
        installed = version("digitlab")
    except PackageNotFoundError:  # a folder of sources does its work, too
        installed = "not installed"
    return {
        "digitlab": installed,
        "torch": str(torch.__version__),
        "python": platform.python_version(),
    }


def build_optimizer(recipe: Recipe, model: nn.Module) -> torch.optim.Optimizer:
    """Return the recipe's optimizer over the model's parameters.

    Raises:
        ValueError: for a setting that this optimizer does not have.
    """
    chosen = {name: getattr(recipe, name) for name in ("momentum", "betas", "weight_decay")}
    options: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    kind = OPTIMIZERS[recipe.optimizer]
    unfit = sorted(options.keys() - inspect.signature(kind).parameters.keys())
    if unfit:
        raise ValueError(f"{recipe.optimizer} takes no {', '.join(unfit)}; replace it by None, too")
    try:  # fused: one pass over all weights takes a third off a step of the fully connected models
        return kind(model.parameters(), lr=recipe.lr, fused=True, **options)
    except ValueError as error:
        reason = f"{str(error)[:1].lower()}{str(error)[1:]}"
        raise ValueError(f"{recipe.optimizer} cannot learn so: {reason}; replace it") from None


def build_trainer(recipe: Recipe, *, seed: int = 0, **options: Any) -> Trainer:
    """Return a trainer of a new model, as the recipe says.

    Args:
        recipe: every decision.
        seed: of weights, order, dropout and augmentation.
        options: of `Trainer`, in place of the recipe's.

    Raises:
        ValueError: for a setting that does not exist.
    """
    if recipe.loss != "cross-entropy":
        raise unknown("loss", recipe.loss, ["cross-entropy"])
    changes = [change.name for change in fields(Augment)]
    for name in recipe.augment or {}:
        if name not in changes:
            raise unknown("augmentation", name, changes)
    model = build_model(recipe, seed=seed)
    settings: dict[str, Any] = {
        "batch_size": recipe.batch_size,
        "seed": seed,
        "schedule": SCHEDULES[recipe.schedule],
        "augment": Augment(**recipe.augment) if recipe.augment else None,
        "smoothing": recipe.smoothing,
        "average": recipe.average,
        "precision": recipe.precision,
        "n_threads": recipe.threads,
    }
    return Trainer(model, build_optimizer(recipe, model), **(settings | options))


def train(  # noqa: PLR0913
    recipe: Recipe | str | None = None,
    digits: Digits | None = None,
    *,
    seed: int | None = None,
    epochs: int | None = None,
    out: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    device: str = "auto",
    teacher: nn.Module | None = None,
) -> Run:
    """Train a recipe and see how well it reads those digits, and the validation digits.

    The test digits stay unread: `run.judge(digits)` reads them, once everything is chosen.

    Args:
        recipe: a recipe or its name; not needed with `resume`.
        digits: what to train on; `load()` by default.
        seed: of weights, order and dropout; 0 by default.
        epochs: in place of the recipe's.
        out: a file that holds the run after each epoch, and the finished one at the end.
        resume: a file that `out` or `Run.save` wrote; training goes on after its last whole epoch.
        device, teacher: see `Trainer`.

    Raises:
        ValueError: for names, digits or a file that cannot be used.
        Interrupted: by Ctrl-C or the stop button; its `run` holds what was learned so far, and the
            file `out` what was learned up to the last whole epoch.
    """
    if out is not None:
        place_for(out)  # else the first epoch would be lost
    begun = None if resume is None else load_run(resume)
    digits = digits or load(begun.data if begun else "auto")
    if begun:
        _check_same(begun, recipe, digits, seed, epochs)
        recipe, seed, epochs = begun.recipe, begun.seed, begun.epochs
    run = _new_run(recipe, digits, seed or 0, epochs)
    trainer = build_trainer(run.recipe, seed=run.seed, device=device, teacher=teacher)
    return _carry_out(replace(run, state=begun.state if begun else None), trainer, digits, out)


def _new_run(recipe: Recipe | str | None, digits: Digits, seed: int, epochs: int | None) -> Run:
    """Return a run that has not begun: everything is decided, and nothing is learned."""
    if recipe is None:
        raise ValueError(f"say which recipe to train: {', '.join(RECIPES)}")
    recipe = RECIPES[recipe] if isinstance(recipe, str) else recipe
    if not 0 <= seed < 2**63:
        raise ValueError(f"a seed is a whole number from 0 to 2**63 - 1, not {seed}")
    sizes = {name: len(split) for name, split in _splits(recipe, digits).items()}
    epochs = recipe.epochs_for(sizes["train"]) if epochs is None else epochs
    return Run(recipe, nn.Identity(), History(), digits.name, sizes, seed, epochs)


def _carry_out(
    run: Run, trainer: Trainer, digits: Digits, out: str | os.PathLike[str] | None
) -> Run:
    """Train from where the run stands, save it after each epoch, judge it at the end."""
    splits, state = _splits(run.recipe, digits), run.state
    run = replace(run, model=trainer.trained, trained_with=_trained_with(trainer), state=None)

    def save(history: History, **scores: float) -> Run:
        so_far = replace(run, history=history, scores=scores, state=trainer.snapshot())
        if out:
            so_far.save(out)
        return so_far

    try:
        trainer.fit(
            splits["train"],
            splits.get("valid"),
            epochs=run.epochs,
            resume=state,
            after_epoch=save if out else None,
        )
        scores = _scores(run.model, {n: s for n, s in splits.items() if n != "test"})
    except KeyboardInterrupt:
        history = trainer.history
        history.stopped = history.stopped or "interrupted after the last epoch"
        raise Interrupted(history, replace(run, history=history)) from None
    run.model.eval()
    return save(trainer.history, **scores)


def _scores(model: nn.Module, splits: dict[str, Split]) -> dict[str, float]:
    scores: dict[str, float] = {}
    for name, split in splits.items():
        result = evaluate(model, split)
        scores |= {f"{name}_accuracy": result.accuracy, f"{name}_loss": result.loss}
    return scores


def _trained_with(trainer: Trainer) -> dict[str, Any]:
    return {
        "device": trainer.device.type,
        "precision": trainer.precision,
        "threads": trainer.n_threads or torch.get_num_threads(),
        "teacher": type(trainer.teacher).__name__ if trainer.teacher else None,
        **versions(),
    }


def _splits(recipe: Recipe, digits: Digits) -> dict[str, Split]:
    """Return "train", "valid" and "test", or, where validation digits are learned, two of them."""
    if recipe.use_valid:
        return {"train": digits.train.joined(digits.valid), "test": digits.test}
    return {"train": digits.train, "valid": digits.valid, "test": digits.test}


def _check_same(
    begun: Run, recipe: Recipe | str | None, digits: Digits, seed: int | None, epochs: int | None
) -> None:
    """Refuse to go on where something was asked for that the file was not trained with."""
    if begun.state is None:
        raise ValueError("this file holds no training that could go on: train the recipe anew")
    if isinstance(recipe, Recipe) and recipe != begun.recipe:
        raise ValueError("the file to resume was trained with other settings; leave the recipe out")
    name = recipe.name if isinstance(recipe, Recipe) else recipe
    sizes = {name: len(split) for name, split in _splits(begun.recipe, digits).items()}
    asked = {"recipe": name, "data": digits.name, "seed": seed, "epochs": epochs, "sizes": sizes}
    checkpoint.check_same(
        vars(begun) | {"recipe": begun.recipe.name},
        {key: value for key, value in asked.items() if value is not None},
    )


def load_run(path: str | os.PathLike[str], *, weights: str = "last") -> Run:
    """Read a run that `Run.save` wrote; code in the file is never executed.

    Args:
        path: of the file.
        weights: "last", or "best" for those of the epoch with the highest validation accuracy.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: for a file that is not ours, not whole, too new, or unsafe.
    """
    if weights not in ("last", "best"):
        raise unknown("choice of weights", weights, ["last", "best"])
    path = Path(path).expanduser()
    content = _read(path)
    try:
        content = _upgraded(content) if content["version"] == 1 else content
        recipe, state = Recipe.from_dict(content["recipe"]), content["state"]
        if weights == "best" and not (state and state["best_weights"]):
            raise ValueError("it keeps only the last weights; use weights='last'")
        if state is not None and content["version"] == FORMAT_VERSION:
            checkpoint.check_whole(state)
        model = build_model(recipe)
        model.load_state_dict(state["best_weights"] if weights == "best" else content["weights"])
        read_logits(model, [torch.zeros(1, 1, SIZE, SIZE)], 1)  # its options work
        plain = {name: content[name] for name in PLAIN}
        history = History.from_dict(content["history"])
        return Run(recipe, model.eval(), history, state=state, **plain)
    except Exception as error:  # a wrong value can make any part stumble
        missing = isinstance(error, KeyError)
        reason = f"it lacks {error}" if missing else " ".join(str(error).split())[:200]
        raise ValueError(f"{path.name} is no run that can be used: {reason}") from None


def _upgraded(content: dict[str, Any]) -> dict[str, Any]:
    """Bring version 1, where the precision stood beside the recipe, to version 2."""
    state = content["state"]
    precision = {"precision": state["plan"]["precision"]} if state else {}
    return content | {
        "recipe": content["recipe"] | precision,
        "trained_with": content["written_with"],
    }


def _read(path: Path) -> dict[str, Any]:
    """Read plain values and tensors from a file of ours, and nothing else."""
    if path.is_dir():
        raise ValueError(f"{path.name!r} is a folder; give the name of a saved run in it")
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path.name!r} here; check the name")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path.name} is not a saved run, or is cut short; save the run again")
    try:
        with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(path) as archive:
            if damaged := archive.testzip():  # torch compares no checksums
                raise zipfile.BadZipFile(f"wrong checksum of {damaged}")
            content = torch.load(path, weights_only=True, map_location="cpu")
    except pickle.UnpicklingError:
        raise ValueError(
            f"{path.name} holds more than numbers and text, which could run code; it was not "
            "loaded: use only files that digitlab saved"
        ) from None
    except Exception as error:  # damage can make the reader stumble in any way
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ValueError(f"{path.name} is damaged ({reason}); save the run again") from None
    if not isinstance(content, dict) or str(content.get("format")) != FORMAT:
        raise ValueError(f"{path.name} was not saved by digitlab; load it with torch.load")
    found = f"{content.get('version')!s:.9}"
    if found not in map(str, range(1, FORMAT_VERSION + 1)):
        raise ValueError(
            f"{path.name} was saved by a newer digitlab (format {found}, this one reads up to "
            f"{FORMAT_VERSION}); update digitlab"
        )
    return content
