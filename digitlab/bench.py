"""Measured speeds, each beside the usual way in the same run."""

from __future__ import annotations

import runpy
import statistics
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

from digitlab.bench_draw import bench_draw
from digitlab.data import Split, as_pixels, batches, load
from digitlab.models import build_model
from digitlab.prediction import one_thread
from digitlab.reading import bench_reading
from digitlab.recipes import RECIPES, Recipe
from digitlab.registry import Registry
from digitlab.runs import build_trainer, train
from digitlab.trainer import evaluate

GOAL = 0.99  # of the test digits
PEER = Path(__file__).parents[1] / "tests" / "peers" / "standard_script.py"


def _seconds(work: Callable[..., object], *inputs: object) -> float:
    start = time.perf_counter()
    work(*inputs)
    return time.perf_counter() - start


# --- Data -----------------------------------------------------------------------------------------


def bench_data(repeats: int = 5) -> dict[str, Any]:
    """Time one epoch of shuffled batches of 64 from all 60 000 training digits.

    Beside it: torchvision's MNIST with ToTensor in a DataLoader that fetches digit by digit, over
    the same pixels. The runs alternate; medians are returned, in seconds.
    """
    digits = load()
    split = digits.train.joined(digits.valid)
    ours = batches(split, 64, seed=0)
    usual = DataLoader(_torchvision_way(split), batch_size=64, shuffle=True)
    _go_through(ours)  # warm up
    times: dict[str, list[float]] = {"ours": [], "per_image": []}
    for _ in range(repeats):
        times["ours"].append(_seconds(_go_through, ours))
        times["per_image"].append(_seconds(_go_through, usual))
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {
        "bench": "data",
        "data": digits.name,
        "n_digits": len(split),
        "batch_size": 64,
        "repeats": repeats,
        "ours_seconds": round(medians["ours"], 6),
        "per_image_seconds": round(medians["per_image"], 6),
        "times_cheaper": round(medians["per_image"] / medians["ours"], 1),
    }


def _go_through(loader: Iterable[object]) -> None:
    for _ in loader:
        pass


def _torchvision_way(split: Split, *, normalized: bool = False) -> Any:
    """Return torchvision's own MNIST class over our pixels, without its reading of files."""
    from torchvision.datasets import MNIST
    from torchvision.transforms import Compose, Normalize, ToTensor

    data_set: Any = MNIST.__new__(MNIST)
    data_set.data, data_set.targets = split.images, split.labels
    steps = [ToTensor(), *([Normalize((0.1307,), (0.3081,))] if normalized else [])]
    data_set.transform, data_set.target_transform = Compose(steps), None
    return data_set


# --- Training -------------------------------------------------------------------------------------


def bench_fast(n_seeds: int = 30) -> dict[str, Any]:
    """Time the recipe `fast`, and the standard script until it reads 99 % of the test digits.

    The script (tests/peers) runs between the first and the second half of the seeds, on the same
    training digits; its figures are None where the tests are not at hand.
    """
    digits = load()
    half = n_seeds // 2
    runs = [train("fast", digits, seed=seed) for seed in range(half)]
    seconds, epochs, accuracy = None, None, None
    if PEER.exists():
        sets = (_torchvision_way(split, normalized=True) for split in (digits.train, digits.test))
        seconds, epochs, accuracy = runpy.run_path(str(PEER))["train_until"](GOAL, *sets)
    runs += [train("fast", digits, seed=seed) for seed in range(half, n_seeds)]
    times = [run.seconds for run in runs]
    read = [run.scores["test_accuracy"] for run in runs]
    return {
        "bench": "fast",
        "data": digits.name,
        "n_digits": len(digits.train),
        "seeds": n_seeds,
        "seconds": round(statistics.median(times), 3),
        "seconds_worst": round(max(times), 3),
        "test_accuracy": round(statistics.mean(read), 5),
        "test_accuracy_spread": round(statistics.stdev(read), 5),
        "test_accuracy_worst": min(read),
        "script_seconds": seconds and round(seconds, 1),
        "script_epochs": epochs,
        "script_accuracy": accuracy,
        "times_faster": seconds and round(seconds / statistics.median(times), 1),
    }


def bench_train(repeats: int = 5, n_batches: int = 200) -> dict[str, Any]:
    """Compare training through `Trainer` with the same loop written bare, for every recipe.

    Both alternate; for each recipe the milliseconds of a bare batch are given, and the median of
    the ratios.
    """
    digits = load()
    facts: dict[str, Any] = {"bench": "train", "data": digits.name, "repeats": repeats}
    for name, recipe in RECIPES.items():
        few = digits.train[: n_batches * recipe.batch_size]
        bare, ratios = [], []
        for _ in range(repeats):
            bare.append(_seconds(_train_bare, recipe, few))
            ratios.append(_seconds(_train, recipe, few) / bare[-1])
        n_steps = -(-len(few) // recipe.batch_size)
        facts[f"{name} batch_ms"] = round(1000 * statistics.median(bare) / n_steps, 2)
        facts[f"{name} trainer_to_bare"] = round(statistics.median(ratios), 3)
    return facts


def _train(recipe: Recipe, split: Split) -> None:
    build_trainer(recipe).fit(split, epochs=1)


def _train_bare(recipe: Recipe, split: Split) -> None:
    """Train one epoch with nothing but the lines that no training can do without."""
    trainer = build_trainer(recipe)
    model, optimizer, augment = trainer.model, trainer.optimizer, trainer.augment
    loader = batches(split, recipe.batch_size, seed=0)
    scheduler = trainer.schedule(optimizer, len(loader)) if trainer.schedule else None
    model.train()
    for images, labels in loader:
        optimizer.zero_grad()
        logits = model(augment(images) if augment else images)
        loss = F.cross_entropy(logits, labels, label_smoothing=recipe.smoothing)
        loss.backward()
        optimizer.step()
        if scheduler:
            scheduler.step()


# --- Reading --------------------------------------------------------------------------------------


def bench_infer(repeats: int = 7, recipes: tuple[str, ...] = ("fast", "best")) -> dict[str, Any]:
    """Time models: one digit on one thread, and the test digits in batches of 500."""
    digits = load()
    facts: dict[str, Any] = {"bench": "infer", "data": digits.name, "repeats": repeats}
    one = as_pixels(digits.test.images[:1])
    for name in recipes:
        model = build_model(name, seed=0).eval()
        whole = partial(evaluate, model, digits.test, batch_size=500)
        seconds = statistics.median(_seconds(whole) for _ in range(repeats))
        facts[f"{name} digits_per_second"] = round(len(digits.test) / seconds)
        with one_thread(), torch.inference_mode():
            seconds = statistics.median(_seconds(model, one) for _ in range(100 * repeats))
        facts[f"{name} one_digit_ms"] = round(1000 * seconds, 3)
    return facts


BENCHES: Registry[Callable[..., dict[str, Any]]] = Registry(
    "bench",
    {
        "data": bench_data,
        "train": bench_train,
        "fast": bench_fast,
        "infer": bench_infer,
        "draw": bench_draw,
        "reading": bench_reading,
    },
)
