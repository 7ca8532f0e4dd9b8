"""Measured speeds, each beside the usual way in the same run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from torch.utils.data import DataLoader

from digitlab.bench_draw import bench_draw
from digitlab.data import Split, batches, load
from digitlab.reading import bench_reading
from digitlab.registry import Registry


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def bench_data(repeats: int = 5) -> dict[str, Any]:
    """Time one epoch of shuffled batches of 64 from all 60 000 training digits.

    Beside it: torchvision's MNIST with ToTensor in a DataLoader that fetches digit by digit, over
    the same pixels. The runs alternate; medians are returned, in seconds.
    """
    digits = load()
    split = _joined(digits.train, digits.valid)
    ours = batches(split, 64, seed=0)
    usual = DataLoader(_torchvision_way(split), batch_size=64, shuffle=True)
    _seconds(lambda: [None for _ in ours])  # warm up
    times: dict[str, list[float]] = {"ours": [], "per_image": []}
    for _ in range(repeats):
        times["ours"].append(_seconds(lambda: [None for _ in ours]))
        times["per_image"].append(_seconds(lambda: [None for _ in usual]))
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


def _joined(first: Split, second: Split) -> Split:
    import torch

    return Split(torch.cat([first.images, second.images]), torch.cat([first.labels, second.labels]))


def _torchvision_way(split: Split) -> Any:
    """Return torchvision's own MNIST class over our pixels, without its reading of files."""
    from torchvision.datasets import MNIST
    from torchvision.transforms import ToTensor

    data_set: Any = MNIST.__new__(MNIST)
    data_set.data, data_set.targets = split.images, split.labels
    data_set.transform, data_set.target_transform = ToTensor(), None
    return data_set


BENCHES: Registry[Callable[..., dict[str, Any]]] = Registry(
    "bench", {"data": bench_data, "draw": bench_draw, "reading": bench_reading}
)
