"""Studies: many trainings whose results are kept, so that prose and tables can rest on them."""

from __future__ import annotations

import datetime
import hashlib
import io
import json
import os
import platform
import statistics
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from digitlab.data import Digits, load
from digitlab.files import hold, place_for, writing, written
from digitlab.measured import RESULTS, WEIGHTS, pretrained_ensemble, read_rows
from digitlab.names import Registry
from digitlab.recipes import RECIPES, Recipe, document_recipes
from digitlab.runs import Run, train, versions
from studies.tricks import (
    CHOICES,
    NARROW,
    TRICKS,
    WIDTHS,
    Trick,
    on_other_writers,
    try_trick,
)
from studies.wishes import VARIED, WISHES, Wish, grant

DATA_SETS = ("mnist", "optdigits")


def judged(recipe: Recipe, digits: Digits, *, seed: int) -> Run:
    """Train a recipe, and read the test digits at the end."""
    return train(recipe, digits, seed=seed).judge(digits)


@dataclass(frozen=True)
class Study:
    """Say what is trained from each seed: every one of `what` on every set of `data`.

    Attributes:
        what: recipes, tricks or wishes, each with a name of its own.
        data: names of data sets, see `load`.
        by: how validation is parted from training, see `load`.
        train: (one of `what`, digits, seed=...) -> a run, or a row.
        ships: models from this many seeds come with digitlab, trained on MNIST.
    """

    what: tuple[Recipe | Trick | Wish, ...]
    data: tuple[str, ...] = DATA_SETS
    by: str = "digit"
    train: Callable[..., Run | dict[str, Any]] = judged
    ships: int = 0


def distil(student: Recipe, digits: Digits, *, seed: int) -> Run:
    """Train a student on what the members of the shipped ensemble say together."""
    return train(student, digits, seed=seed, teacher=pretrained_ensemble()).judge(digits)


VARIATIONS = tuple(  # the documents' networks, trained longer on digits that are never the same
    RECIPES[name].replace(name=f"{name}, varied digits", augment=VARIED, epochs=epochs, threads=1)
    for name, epochs in {"dropout-mlp": 40, "lenet-sgd": 20}.items()
)
MEMBER = NARROW.replace(  # learns otherwise than `best`, to err on other digits
    name="member", optimizer="AdamW", lr=0.003, momentum=None, weight_decay=None, epochs=24
)
STUDENTS = (
    NARROW.replace(name="narrow, taught by an ensemble"),
    RECIPES["best"].replace(name="best, taught by an ensemble", epochs=44),
)
STUDIES = Registry(
    "study",
    {
        "documents": Study((*document_recipes(), RECIPES["fast"]), ships=1),
        "tiny": Study((RECIPES["tiny"],), ships=1),
        "best": Study((RECIPES["best"],), ships=1),
        "narrow": Study((NARROW,)),
        "members": Study((MEMBER,), ("mnist",), ships=4),
        "distilled": Study(STUDENTS, ("mnist",), train=distil),
        "variations": Study(VARIATIONS, ("mnist",)),
        "wishes": Study(WISHES, ("mnist",), train=grant),
        "tricks": Study(TRICKS, ("mnist",), by="writer", train=try_trick),
        "choices": Study(CHOICES, ("mnist",), by="writer", train=try_trick),
        "widths": Study(WIDTHS, ("mnist",), by="writer", train=on_other_writers),
    },
)


def where_and_when(threads: int | None = None) -> dict[str, Any]:
    """Return machine, versions and date, without which a measured number says little."""
    capability = torch.backends.cpu.get_cpu_capability()
    machine = f"{platform.machine()} {capability}, {threads or torch.get_num_threads()} threads"
    return {"machine": machine, "versions": versions(), "date": datetime.date.today().isoformat()}


def study(
    name: str,
    *,
    n_seeds: int = 3,
    results: Path = RESULTS,
    weights: Path = WEIGHTS,
) -> Iterator[dict[str, Any]]:
    """Train what is not yet in the study's file; yield each new row once it is written there.

    Rows are appended one by one, so a study that was killed goes on where it stopped, and a larger
    `n_seeds` extends it.

    Args:
        name: of the study.
        n_seeds: seeds 0 to n_seeds - 1 of each training.
        results: the folder of the study's JSON lines.
        weights: the folder of the models that are shipped.

    Raises:
        ValueError: for an unknown study, or no seed.
    """
    plan = STUDIES[name]
    if n_seeds < 1:
        raise ValueError(f"a study takes at least 1 seed, not {n_seeds}")
    path = results / f"{name}.jsonl"
    with alone(path):
        done = {(row["recipe"], row["data"], row["seed"]) for row in read_rows(path)}
        for data in plan.data:
            digits: Digits | None = None
            for seed, one in product(range(n_seeds), plan.what):
                if (one.name, data, seed) in done:
                    continue
                digits = digits or load(data, by=plan.by)
                trained = plan.train(one, digits, seed=seed)
                if isinstance(trained, Run) and data == "mnist" and seed < plan.ships:
                    ship(trained, weights, written_by=f"python -m studies study {name}")
                facts = trained.summary() if isinstance(trained, Run) else trained
                row = facts | where_and_when(one.threads)
                append(path, row)
                yield row


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep a file of results to one study at a time; two would train the same and double it."""
    place_for(path)
    with path.open("ab+") as file:
        if not hold(file):
            raise ValueError(f"another process writes {path.name}; wait until its study ends")
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":  # a kill cut this line short
                file.write(b"\n")
                file.flush()
        yield


def append(path: Path, row: dict[str, Any]) -> None:
    """Add one JSON line in one write, so that several processes may add theirs.

    Raises:
        ValueError: where it cannot be written; the lines before it stay.
    """
    with writing(path), path.open("ab", buffering=0) as file:
        file.write((json.dumps(row) + "\n").encode())


def ship(run: Run, folder: Path, *, written_by: str) -> None:
    """Write a small file of the trained model and its card."""
    number = f"-{run.seed}" if run.seed else ""
    command = written_by
    if run.recipe == RECIPES.get(run.recipe.name):
        command = f"digitlab train {run.recipe.name} --data {run.data} --seed {run.seed}"
    path = folder / f"{run.recipe.name}{number}.pt"
    with TemporaryDirectory() as aside:
        packed = _packed(run.save(Path(aside) / path.name, small=True))
    card = run.summary() | {
        "command": command,
        "written_by": written_by,
        "versions": versions(),
        "sha256": hashlib.sha256(packed).hexdigest(),
    }
    with written(path) as file, written(path.with_suffix(".json")) as card_file:
        file.write(packed)
        card_file.write((json.dumps(card, indent=1) + "\n").encode())


def _packed(path: Path) -> bytes:
    """Pack a file of torch.save anew, a tenth smaller; torch.load reads it as before."""
    packed = io.BytesIO()
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(packed, "w") as smaller:
        for part in archive.infolist():
            smaller.writestr(part, archive.read(part), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def summary_table(rows: list[dict[str, Any]]) -> str:
    """Return a Markdown table: one line for each recipe, mean and spread over its seeds."""
    lines = [
        "| recipe | source | parameters | epochs | seeds | seconds | MNIST test | embedded test |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, recipe in RECIPES.items():
        of_recipe = [row for row in rows if row["recipe"] == name]
        mnist, embedded = ([r for r in of_recipe if r["data"] == data] for data in DATA_SETS)
        if mnist and embedded:
            seconds = statistics.median(row["seconds"] for row in mnist)
            lines.append(
                f"| {name} | {recipe.source} | {recipe.parameters:,} | {recipe.epochs} | "
                f"{len(mnist)} | {seconds:.0f} | {_mean_and_spread(mnist)} | "
                f"{_mean_and_spread(embedded)} |"
            )
    machines = sorted({row["machine"] for row in rows})
    lines += ["", f"Mean ± standard deviation over the seeds. Machine: {'; '.join(machines)}."]
    return "\n".join(lines)


def _mean_and_spread(rows: list[dict[str, Any]]) -> str:
    accuracies = [100 * row["test_accuracy"] for row in rows]
    spread = f" ± {statistics.stdev(accuracies):.2f}" if len(rows) > 1 else ""
    return f"{statistics.mean(accuracies):.2f}{spread} %"


def write_readme(path: Path, table: str) -> None:
    """Put the table between the marks in README."""
    before, mark, rest = path.read_text(encoding="utf-8").partition("<!-- results -->\n")
    _, end, after = rest.partition("<!-- /results -->")
    if not (mark and end):
        raise ValueError(f"{path.name} has no lines <!-- results --> and <!-- /results -->")
    with written(path) as file:
        file.write(f"{before}{mark}{table}\n{end}{after}".encode())
