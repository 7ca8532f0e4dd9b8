"""What was measured: stored results of many trainings, and the trained models that ship."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from torch import nn

from digitlab.models import Ensemble
from digitlab.names import unknown
from digitlab.recipes import RECIPES
from digitlab.runs import Run, load_run

RESULTS = Path(__file__).with_name("results")
WEIGHTS = Path(__file__).with_name("weights")
MEMBERS = ("best", "member", "member-1", "member-2", "member-3")  # of the shipped ensemble
EACH_ROW = {"recipe": str, "data": str, "seed": int, "n_train": int}  # what each result holds


def results(folder: str | os.PathLike[str] = RESULTS, *, study: str = "*") -> list[dict[str, Any]]:
    """Return the stored results of trainings: one dict for each recipe, data set and seed.

    Each holds what `Run.summary` returns, and `machine`, `versions` and `date`. The studies
    "tricks", "choices" and "widths", judged by validation alone, are returned only where they are
    asked for.

    Raises:
        ValueError: for an empty name.
    """
    if not study or not os.fspath(folder):
        raise ValueError("the name of the folder or of the study is empty; put a name there")
    return [
        row
        for path in sorted(Path(folder).glob(f"{study}.jsonl"))
        for row in read_rows(path)
        if study == path.stem or "test_accuracy" in row
    ]


def stored(name: str) -> dict[str, Any]:
    """Return what `python -m studies bench NAME` measured on the machine that is named there.

    Raises:
        ValueError: for a name under which nothing is stored.
    """
    names = sorted(path.stem for path in RESULTS.glob("*.json"))
    if name not in names:
        raise unknown("stored measurement", name, names)
    facts = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    assert isinstance(facts, dict)
    return facts


def read_rows(path: Path) -> Iterable[dict[str, Any]]:
    """Read the results in a JSON lines file.

    A line cut short by a kill is left out; one of another kind is left out with a warning.
    """
    lines = path.read_bytes().splitlines() if path.exists() else []
    for number, line in enumerate(lines, 1):
        row = _row(line)
        if row is not None:
            yield row
        elif not line.startswith(b"{") or line.endswith(b"}"):
            said = f"line {number} of {path.name} is no result of a training and is left out"
            warnings.warn(said, stacklevel=2)


def _row(line: bytes) -> dict[str, Any] | None:
    """Return the result in a line, or None where there is none."""
    try:
        row = json.loads(line.decode())
        known = all(isinstance(row[name], kind) for name, kind in EACH_ROW.items())
        judged = [row[name] for name in ("test_accuracy", "valid_accuracy") if name in row]
        return row if known and judged and 0 <= min(judged) <= max(judged) <= 1 else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


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
    shipped = sorted(path.stem for path in WEIGHTS.glob("*.pt"))
    if name not in shipped:
        raise unknown("trained model", name, shipped)
    return load_run(WEIGHTS / f"{name}.pt")


@dataclass(frozen=True, repr=False)
class Comparison:
    """Say where a run lies among the stored runs of the same recipe and data.

    Attributes:
        verdict: "usual", "low", "high", or "unknown" where fewer than 3 runs are stored.
        text: the same in one sentence, with the numbers.
    """

    verdict: str
    text: str

    def __repr__(self) -> str:
        return f"{self.verdict}: {self.text}"


def compare(run: Run) -> Comparison:
    """Compare a run with the stored results of many seeds.

    Where a low run learned from fewer digits than they did, it says so.

    Source: the 99 % prediction interval of Student's t for one more run of the same kind, and one
    digit more to each side.
    """
    from scipy.stats import t

    what = f"{run.recipe.name} on {run.data}"
    if not run.finished:
        done = f"only {len(run.history)} of {run.epochs} epochs were trained"
        return Comparison("unknown", f"{done}, so it cannot be compared with whole runs of {what}")
    rows = [r for r in results() if (r["recipe"], r["data"]) == (run.recipe.name, run.data)]
    same = [row["test_accuracy"] for row in rows]
    n = len(same)
    if n < 3 or run.recipe != RECIPES.get(run.recipe.name) or "test_accuracy" not in run.scores:
        text = f"there are no stored runs like this one of {what} to compare it with"
        return Comparison("unknown", text)
    accuracy, middle = run.scores["test_accuracy"], mean(same)
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
    return Comparison(
        verdict,
        f"{accuracy:.2%} of the test digits; judging by {n} stored runs of {what}, one expects "
        f"{low:.2%} to {high:.2%}{advice}",
    )
