"""Measured speeds, each beside the usual way in the same run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from digitlab.augment import Augment
from digitlab.data import Split, batches, load
from digitlab.inference import evaluate, read_logits, threads
from digitlab.measured import pretrained, pretrained_ensemble
from digitlab.metrics import accuracy, calibration
from digitlab.names import Registry
from digitlab.pixels import as_pixels
from digitlab.recipes import RECIPES, Recipe, build_model
from digitlab.runs import build_trainer, train
from studies.bench_draw import bench_draw
from studies.kinds import bench_reading
from studies.peers.standard_script import train_until

GOAL = 0.99  # of the test digits


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

    The script runs between the first and the second half of the seeds, on the same training digits.
    """
    digits = load()
    half = n_seeds // 2
    runs = [train("fast", digits, seed=seed) for seed in range(half)]
    sets = (_torchvision_way(split, normalized=True) for split in (digits.train, digits.test))
    seconds, epochs, accuracy = train_until(GOAL, *sets)
    runs += [train("fast", digits, seed=seed) for seed in range(half, n_seeds)]
    times = [run.seconds for run in runs]
    read = [run.judge(digits).scores["test_accuracy"] for run in runs]
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
        "script_seconds": round(seconds, 1),
        "script_epochs": epochs,
        "script_accuracy": accuracy,
        "times_faster": round(seconds / statistics.median(times), 1),
    }


def bench_train(repeats: int = 7, n_digits: int = 20_000) -> dict[str, Any]:
    """Compare an epoch through `Trainer` with the same loop written bare, for every recipe.

    They take turns, ten batches each; for each recipe the milliseconds of a bare batch are given,
    the median of the ratios, and which part of the bare loop the model's convolutions take where
    they run alone.
    """
    digits = load()
    split = digits.train[:n_digits]
    facts: dict[str, Any] = {"bench": "train", "data": digits.name, "repeats": repeats}
    for name, recipe in RECIPES.items():
        n_steps = -(-len(split) // recipe.batch_size)
        convolutions = _convolutions(recipe, as_pixels(split.images[: recipe.batch_size]))
        seconds = [
            _take_turns(
                _bare_steps(recipe, split),
                build_trainer(recipe).steps(split, epochs=1),
                _steps_alone(convolutions, n_steps),
            )
            for _ in range(repeats)
        ]
        median = statistics.median
        facts[f"{name} batch_ms"] = round(1000 * median(s[0] for s in seconds) / n_steps, 2)
        facts[f"{name} trainer_to_bare"] = round(median(s[1] / s[0] for s in seconds), 3)
        if convolutions:
            facts[f"{name} convolutions_to_bare"] = round(median(s[2] / s[0] for s in seconds), 3)
    return facts


def _take_turns(*works: Iterator[object]) -> list[float]:
    """Return the seconds of each: ten steps of one, ten of the next, so all share the noise."""
    seconds, left = [0.0] * len(works), True
    while left:
        for i, work in enumerate(works):
            start = time.perf_counter()
            left = bool(list(islice(work, 10)))
            seconds[i] += time.perf_counter() - start
    return seconds


def _convolutions(recipe: Recipe, images: Tensor) -> list[tuple[nn.Module, Tensor]]:
    """Return each convolution of the recipe's model with what comes in."""
    model = build_model(recipe)
    found: list[tuple[nn.Module, Tensor]] = []

    def keep(layer: nn.Module, inputs: tuple[Tensor, ...], _: Tensor) -> None:
        incoming = inputs[0].detach()
        found.append((layer, incoming.requires_grad_(bool(found))))  # pixels need no gradient

    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    hooks = [layer.register_forward_hook(keep) for layer in layers]
    model(images)
    for hook in hooks:
        hook.remove()
    return found


def _steps_alone(convolutions: list[tuple[nn.Module, Tensor]], n_steps: int) -> Iterator[None]:
    for _ in range(n_steps):
        for layer, incoming in convolutions:
            layer.zero_grad()
            outgoing = layer(incoming)
            outgoing.backward(outgoing)
        yield


def _train(recipe: Recipe, split: Split) -> None:
    build_trainer(recipe).fit(split, epochs=1)


def _bare_steps(recipe: Recipe, split: Split) -> Iterator[None]:
    """Train one epoch, a batch for each `next`, with no line that a training can do without."""
    trainer = build_trainer(recipe)
    model, optimizer, augment = trainer.model, trainer.optimizer, trainer.augment
    averaged = trainer.averaged
    loader = batches(split, recipe.batch_size, seed=0)
    scheduler = trainer.schedule(optimizer, len(loader)) if trainer.schedule else None
    model.train()
    for images, labels in loader:
        optimizer.zero_grad()
        logits = model(augment(images) if augment else images)
        loss = F.cross_entropy(logits, labels, label_smoothing=recipe.smoothing)
        loss.backward()
        optimizer.step()
        if averaged:
            averaged.update_parameters(model)
        if scheduler:
            scheduler.step()
        yield


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
        with threads(1), torch.inference_mode():
            seconds = statistics.median(_seconds(model, one) for _ in range(100 * repeats))
        facts[f"{name} one_digit_ms"] = round(1000 * seconds, 3)
    return facts


def bench_ensemble() -> dict[str, Any]:
    """Judge the shipped ensemble's members, one by one and together, on MNIST's test digits."""
    digits, ensemble = load(), pretrained_ensemble()
    one_by_one = [evaluate(member, digits.test).accuracy for member in ensemble.members]
    together = evaluate(ensemble, digits.test)
    return {
        "bench": "ensemble",
        "data": digits.name,
        "members": len(one_by_one),
        "members_test_accuracy": one_by_one,
        "test_accuracy": together.accuracy,
        "test_loss": round(together.loss, 5),
    }


# --- Many digits, strange digits ------------------------------------------------------------------


def bench_scaling(
    sizes: tuple[int, ...] = (6_000, 20_000, 60_000, 200_000, 600_000), repeats: int = 3
) -> dict[str, Any]:
    """Time one epoch of `fast`, digits shifted at random, on more and more digits.

    The 60 000 digits of MNIST are repeated as often as it takes. `grown_megabytes` is by how much
    the memory of the whole process grew over that with only these 60 000 loaded.
    """
    import psutil

    process = psutil.Process()
    digits = load()
    split = digits.train.joined(digits.valid)
    recipe = RECIPES["fast"].replace(augment={"shift": 2.0})
    _train(recipe, split[:6000])  # libraries take their memory now
    before = process.memory_info().rss
    rows = []
    for size in sizes:
        many = split.pick(torch.arange(size) % len(split))
        times, grown = [], 0
        for _ in range(repeats):
            times.append(_seconds(_train, recipe, many))
            grown = max(grown, process.memory_info().rss - before)
        rows.append(
            {
                "digits": size,
                "microseconds_per_digit": round(1e6 * statistics.median(times) / size, 1),
                "data_megabytes": round(many.images.nbytes / 1e6 + many.labels.nbytes / 1e6, 1),
                "grown_megabytes": round(grown / 1e6, 1),
            }
        )
        del many
    return {"bench": "scaling", "data": digits.name, "repeats": repeats, "sizes": rows}


DISTORTIONS = {
    "as they are": {},
    "shifted by up to 4 pixels": {"shift": 4.0},
    "turned by up to 25 degrees": {"rotate": 25.0},
    "scaled by up to 25 %": {"scale": 0.25},
    "sheared by up to 20 degrees": {"shear": 20.0},
    "bent by 1 pixel": {"elastic": 1.0},
    "strokes 2 pixels thinner or thicker": {"stroke": 2.0},
    "a square of up to 10 pixels erased": {"erase": 10.0},
}


def bench_robust(recipes: tuple[str, ...] = ("fast", "best")) -> dict[str, Any]:
    """Let the shipped models read all embedded digits, and distorted MNIST test digits.

    For the digits as they are: negative log likelihood and calibration error, too, the latter with
    the middle 95 of 100 values that as many digits drawn anew, with putting back, give.
    """
    digits, strange = load(), load("optdigits")
    embedded = strange.train.joined(strange.valid).joined(strange.test)
    facts: dict[str, Any] = {"bench": "robust", "data": digits.name}
    for name in recipes:
        model, reached = pretrained(name), {}
        for said, amounts in DISTORTIONS.items():
            with torch.random.fork_rng():
                torch.manual_seed(0)
                images = Augment(**amounts)(as_pixels(digits.test.images))
            logits = read_logits(model, images.split(500), len(images))
            reached[said] = accuracy(logits, digits.test.labels)
        result = evaluate(model, digits.test)
        facts[name] = {
            "embedded": evaluate(model, embedded).accuracy,
            "distorted": reached,
            "test_loss": round(result.loss, 5),
            "calibration_error": round(calibration(result.probabilities, result.labels).error, 5),
            "calibration_error_interval": _interval(result.probabilities, result.labels),
        }
    return facts


def _interval(probabilities: Tensor, labels: Tensor, n_draws: int = 1000) -> list[float]:
    generator, n = torch.Generator().manual_seed(0), len(labels)
    draws = (torch.randint(n, (n,), generator=generator) for _ in range(n_draws))
    errors = [calibration(probabilities[drawn], labels[drawn]).error for drawn in draws]
    cuts = statistics.quantiles(errors, n=40)  # from 2.5 to 97.5 of 100
    return [round(cuts[0], 5), round(cuts[-1], 5)]


BENCHES: Registry[Callable[..., dict[str, Any]]] = Registry(
    "bench",
    {
        "data": bench_data,
        "train": bench_train,
        "fast": bench_fast,
        "infer": bench_infer,
        "ensemble": bench_ensemble,
        "scaling": bench_scaling,
        "robust": bench_robust,
        "draw": bench_draw,
        "reading": bench_reading,
    },
)
