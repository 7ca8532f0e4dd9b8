"""Runs: a recipe trained on a data set, saved, loaded, resumed, and set beside stored results."""

from __future__ import annotations

import inspect
import json
import os
import pickle
import platform
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import version
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from torch import Tensor, nn

from digitlab.augment import Augment
from digitlab.data import Digits, Split, load
from digitlab.models import Ensemble, build_model, n_parameters
from digitlab.recipes import RECIPES, Recipe
from digitlab.registry import Registry, unknown
from digitlab.tables import html_table
from digitlab.trainer import SCHEDULES, History, Trainer, evaluate

FORMAT, FORMAT_VERSION = "digitlab run", 1
PACKAGE = Path(__file__).parent
MEMBERS = ("best", "member", "member-1", "member-2", "member-3")  # of the shipped ensemble
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
        scores: loss and accuracy in [0, 1] on each split; empty in a file written between epochs.
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
    state: dict[str, Any] | None = None

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
            **{
                name: round(score, 6) if name.endswith("loss") else score
                for name, score in self.scores.items()
            },
        }

    def save(self, path: str | os.PathLike[str], *, small: bool = False) -> Path:
        """Write the run to one file, moved into place when whole.

        Args:
            path: of the file; its folder is made.
            small: weights in half precision, and nothing to resume from.
        """
        weights = self.model.state_dict()
        content = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "written_with": versions(),
            "recipe": self.recipe.to_dict(),
            "history": asdict(self.history),
            "data": self.data,
            "sizes": self.sizes,
            "seed": self.seed,
            "epochs": self.epochs,
            "scores": self.scores,
            "weights": _halved(weights) if small else weights,
            "state": None if small else self.state,
        }
        path = _place_for(path)
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            with part.open("wb") as file:
                torch.save(content, file)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
        return path

    def __repr__(self) -> str:
        return f"Run({', '.join(f'{key}={value!r}' for key, value in self.summary().items())})"

    def _repr_html_(self) -> str:
        return html_table(list(self.summary().items()), caption=f"Run of {self.recipe.name}")


def _place_for(path: str | os.PathLike[str]) -> Path:
    """Return the path of a file that can be written, and make its folder."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise ValueError(
            f"{path} cannot be written ({error.strerror}); name another file"
        ) from None
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is a folder or a device, so no run can be kept there")
    return path


def _halved(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: w.half() if w.is_floating_point() else w for name, w in weights.items()}


def versions() -> dict[str, str]:
    """Return the versions that a result may depend on."""
    return {
        "digitlab": version("digitlab"),
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
    # fused: one pass over all weights takes a third off a step of the fully connected models
    return kind(model.parameters(), lr=recipe.lr, fused=True, **options)


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
    }
    return Trainer(model, build_optimizer(recipe, model), **(settings | options))


def train(
    recipe: Recipe | str | None = None,
    digits: Digits | None = None,
    *,
    seed: int | None = None,
    epochs: int | None = None,
    out: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    augment: Callable[[Tensor], Tensor] | None = None,
    device: str = "auto",
    precision: str = "float32",
    teacher: nn.Module | None = None,
) -> Run:
    """Train a recipe, then judge the model on the splits, on test only this once.

    Args:
        recipe: a recipe or its name; not needed with `resume`.
        digits: what to train on; `load()` by default.
        seed: of weights, order and dropout; 0 by default.
        epochs: in place of the recipe's.
        out: a file that holds the run after each epoch, and the finished one at the end.
        resume: a file that `out` or `Run.save` wrote; training goes on after its last whole epoch.
        augment: in place of the recipe's.
        device, precision, teacher: see `Trainer`.

    Raises:
        ValueError: for names, digits or a file that cannot be used.
    """
    if out:
        _place_for(out)  # else the first epoch would be lost
    begun = load_run(resume) if resume else None
    digits = digits or load(begun.data if begun else "auto")
    if begun:
        _check_resumable(begun, recipe, digits, seed, epochs)
        recipe, seed, epochs = begun.recipe, begun.seed, begun.epochs
    if recipe is None:
        raise ValueError(f"say which recipe to train: {', '.join(RECIPES)}")
    recipe = RECIPES[recipe] if isinstance(recipe, str) else recipe
    splits = _splits(recipe, digits)
    sizes = {name: len(split) for name, split in splits.items()}
    seed = seed or 0
    if not 0 <= seed < 2**63:
        raise ValueError(f"a seed is a whole number from 0 to 2**63 - 1, not {seed}")
    epochs = recipe.epochs_for(sizes["train"]) if epochs is None else epochs
    options: dict[str, Any] = {"device": device, "precision": precision, "teacher": teacher}
    options |= {"augment": augment} if augment else {}
    trainer = build_trainer(recipe, seed=seed, **options)
    model = trainer.trained

    def run_so_far(history: History, scores: dict[str, float] | None = None) -> Run:
        return Run(
            recipe, model, history, digits.name, sizes, seed, epochs, scores or {}, trainer.state
        )

    def save_so_far(history: History) -> None:
        if out:
            run_so_far(history).save(out)

    history = trainer.fit(
        splits["train"],
        splits.get("valid"),
        epochs=epochs,
        resume=begun.state if begun else None,
        after_epoch=save_so_far,
    )
    scores: dict[str, float] = {}
    for name, split in splits.items():
        result = evaluate(model, split)
        scores |= {f"{name}_accuracy": result.accuracy, f"{name}_loss": result.loss}
    model.eval()
    run = run_so_far(history, scores)
    if out:
        run.save(out)
    return run


def _splits(recipe: Recipe, digits: Digits) -> dict[str, Split]:
    """Return "train", "valid" and "test", or, where validation digits are learned, two of them."""
    if recipe.use_valid:
        return {"train": digits.train.joined(digits.valid), "test": digits.test}
    return {"train": digits.train, "valid": digits.valid, "test": digits.test}


def _check_resumable(
    begun: Run, recipe: Recipe | str | None, digits: Digits, seed: int | None, epochs: int | None
) -> None:
    if begun.state is None:
        raise ValueError("this file holds no training that could go on: train the recipe anew")
    if isinstance(recipe, Recipe) and recipe != begun.recipe:
        raise ValueError("the file to resume was trained with other settings; leave the recipe out")
    name = recipe.name if isinstance(recipe, Recipe) else recipe
    sizes = {name: len(split) for name, split in _splits(begun.recipe, digits).items()}
    asked = {"recipe": name, "data": digits.name, "seed": seed, "epochs": epochs, "sizes": sizes}
    for key, value in asked.items():
        stored = begun.recipe.name if key == "recipe" else getattr(begun, key)
        if value is not None and value != stored:
            raise ValueError(
                f"the file to resume was trained with {key} {stored!r}, not {value!r}; resume it "
                "with the same, or train anew"
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
    path = Path(path)
    content = _read(path)
    try:
        recipe = Recipe.from_dict(content["recipe"])
        state = content["state"]
        if weights == "best" and not (state and state["best_weights"]):
            raise ValueError("it keeps only the last weights; use weights='last'")
        model = build_model(recipe, seed=content["seed"])
        model.load_state_dict(state["best_weights"] if weights == "best" else content["weights"])
        return Run(
            recipe,
            model.eval(),
            History(**content["history"]),
            content["data"],
            content["sizes"],
            content["seed"],
            content["epochs"],
            content["scores"],
            state,
        )
    except (KeyError, TypeError, RuntimeError, ValueError, AttributeError) as error:
        missing = isinstance(error, KeyError)
        reason = f"it lacks {error}" if missing else " ".join(str(error).split())
        raise ValueError(f"{path.name} is no run that can be used: {reason}") from None


def _read(path: Path) -> dict[str, Any]:
    """Read plain values and tensors from a file of ours, and nothing else."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path.name!r} here; check the name")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path.name} is not a saved run, or is cut short; save the run again")
    try:
        with zipfile.ZipFile(path) as archive:
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
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"{path.name} was not saved by digitlab; load it with torch.load")
    if content.get("version") not in range(1, FORMAT_VERSION + 1):
        raise ValueError(
            f"{path.name} was saved by a newer digitlab (format {content.get('version')}, this "
            f"one reads up to {FORMAT_VERSION}); update digitlab"
        )
    return content


# --- Stored results -----------------------------------------------------------------------------


def results(
    folder: str | os.PathLike[str] = PACKAGE / "results", *, study: str = "*"
) -> list[dict[str, Any]]:
    """Return the stored results of trainings: one dict for each recipe, data set and seed.

    Each holds what `Run.summary` returns, and `machine`, `versions` and `date`. The studies
    "tricks", "choices" and "widths", judged by validation alone, are returned only where they are
    asked for.
    """
    return [
        row
        for path in sorted(Path(folder).glob(f"{study}.jsonl"))
        for row in read_rows(path)
        if study == path.stem or "test_accuracy" in row
    ]


def stored(name: str) -> dict[str, Any]:
    """Return what `digitlab bench NAME` measured on the machine that is named there.

    Raises:
        ValueError: for a name under which nothing is stored.
    """
    names = sorted(path.stem for path in (PACKAGE / "results").glob("*.json"))
    if name not in names:
        raise unknown("stored measurement", name, names)
    facts = json.loads((PACKAGE / "results" / f"{name}.json").read_text(encoding="utf-8"))
    assert isinstance(facts, dict)
    return facts


def read_rows(path: Path) -> Iterable[dict[str, Any]]:
    """Read the whole lines of a JSON lines file; a line cut short by a kill is left out."""
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue


def pretrained(name: str = "best") -> nn.Module:
    """Return a trained model that comes with digitlab, in evaluation mode.

    Args:
        name: of a recipe, trained on MNIST with seed 0; or "member" to "member-3", of the ensemble.

    Raises:
        ValueError: for a recipe that no trained model is shipped for.
    """
    return pretrained_run(name).model


def pretrained_ensemble() -> Ensemble:
    """Return `best` and four narrower networks, which come with digitlab, as one.

    The four learned by another optimizer, each from another seed, to err on other digits.
    """
    return Ensemble(pretrained(member) for member in MEMBERS).eval()


def pretrained_run(name: str = "best") -> Run:
    """Return the whole run of a trained model that comes with digitlab, as `load_run` does."""
    shipped = sorted(path.stem for path in (PACKAGE / "weights").glob("*.pt"))
    if name not in shipped:
        raise unknown("trained model", name, shipped)
    return load_run(PACKAGE / "weights" / f"{name}.pt")


@dataclass(frozen=True)
class Comparison:
    """Say where a run lies among the stored runs of the same recipe and data.

    Attributes:
        verdict: "usual", "low", "high", or "unknown" where fewer than 3 runs are stored.
        accuracy: on test, in [0, 1].
        low, high: 99 of 100 further runs are expected between these accuracies.
        n_runs: how many are stored.
        text: the same in one sentence.
    """

    verdict: str
    accuracy: float
    low: float
    high: float
    n_runs: int
    text: str

    def __repr__(self) -> str:
        return self.text


def compare(run: Run) -> Comparison:
    """Compare a run with the stored results of many seeds.

    Where a low run learned from fewer digits than they did, it says so.

    Source: the 99 % prediction interval of Student's t for one more run of the same kind, and one
    digit more to each side.
    """
    from scipy.stats import t

    what = f"{run.recipe.name} on {run.data}"
    accuracy = run.scores.get("test_accuracy", float("nan"))
    rows = [r for r in results() if (r["recipe"], r["data"]) == (run.recipe.name, run.data)]
    same = [row["test_accuracy"] for row in rows]
    if len(same) < 3 or run.recipe != RECIPES.get(run.recipe.name) or not run.scores:
        text = f"unknown: there are no stored runs like this one of {what} to compare it with"
        return Comparison("unknown", accuracy, float("nan"), float("nan"), len(same), text)
    middle, n = mean(same), len(same)
    one_digit = 1 / run.sizes["test"]  # accuracies are no finer than this
    reach = float(t.ppf(0.995, n - 1)) * stdev(same) * (1 + 1 / n) ** 0.5 + one_digit
    low, high = middle - reach, min(middle + reach, 1.0)
    verdict = "low" if accuracy < low else "high" if accuracy > high else "usual"
    advice = {
        "usual": "",
        "low": "; look at the learning curves, the learning rate and the number of epochs",
        "high": "; look for test digits among the training digits",
    }[verdict]
    if verdict == "low" and run.sizes["train"] < rows[0]["n_train"]:
        advice = f"; it learned from {run.sizes['train']} digits, they from {rows[0]['n_train']}"
    text = (
        f"{verdict}: {accuracy:.2%} of the test digits; {n} stored runs of {what} let expect "
        f"{low:.2%} to {high:.2%}{advice}"
    )
    return Comparison(verdict, accuracy, low, high, n, text)
