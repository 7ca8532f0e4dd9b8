"""Faults survived, counted: kills, full disks, many writers, damaged files, arrays of any kind."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch

from digitlab.names import Registry
from studies import faults, mutated
from studies.study import alone, append, where_and_when

KEPT = Path("build") / "stress.jsonl"  # what a stress that was killed goes on from
KILLS, BATCH = 125, 25  # of each work
FILES = {
    "pictures": 100_000,
    "arrays": 7_000,
    "runs": 4_000,
    "runs with a right checksum": 4_000,
    "runs with another value": 3_000,
    "results": 2_000,
}
READ_AT_ONCE = 1_000
Batch = Callable[[], Counter[str]]


def _batches() -> Iterator[tuple[str, Batch]]:
    """Yield what is counted: the name of a part, and what does a piece of it."""
    for name in faults.WORKS:
        for seed in range(KILLS // BATCH):
            yield f"kill: {name}", partial(faults.kill, name, BATCH, seed)
    yield "no room", faults.fill_up
    for n in (2, 8):
        for seed in range(3):
            yield f"writers: {n}", partial(faults.write_together, n, seed)
    for kind, n in FILES.items():
        for first in range(0, n, READ_AT_ONCE):
            last = first + READ_AT_ONCE
            yield f"damaged: {kind}", partial(mutated.read_some, kind, first, last)
    for seed in range(4):
        yield "any array", partial(mutated.read_arrays, 500, seed)


PARTS: Registry[list[Batch]] = Registry("part", {})
for _name, _batch in _batches():
    PARTS.setdefault(_name, []).append(_batch)


def stress(
    names: list[str], *, workers: int = 1, kept: Path = KEPT
) -> Iterator[tuple[str, Counter[str]]]:
    """Do what is not yet done of these parts; yield the counts of each piece once it is kept.

    Args:
        names: in `PARTS`.
        workers: processes.
        kept: a file of counts, one line for each piece.
    """
    with alone(kept):
        done = {(row["part"], row["piece"]) for row in _rows(kept)}
        pieces = [(name, piece) for name in names for piece in range(len(PARTS[name]))]
        fork = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(workers, mp_context=fork) as pool:
            works = {pool.submit(_timed, *one): one for one in pieces if one not in done}
            for work in as_completed(works):
                (name, piece), (counts, seconds) = works[work], work.result()
                append(kept, {"part": name, "piece": piece, "counts": counts, "seconds": seconds})
                yield name, counts


def _timed(name: str, piece: int) -> tuple[Counter[str], float]:
    torch.set_num_threads(1)
    start = time.perf_counter()
    counts = PARTS[name][piece]()
    return counts, time.perf_counter() - start


def _rows(kept: Path) -> list[dict[str, Any]]:
    rows = []
    for line in kept.read_text("utf-8").splitlines() if kept.exists() else []:
        with suppress(json.JSONDecodeError):  # a kill cut it short
            rows.append(json.loads(line))
    return rows


def summary(kept: Path = KEPT) -> dict[str, Any]:
    """Return the sums of what is kept: part -> what was counted -> how often."""
    rows, parts = _rows(kept), {name: Counter[str]() for name in PARTS}
    for row in rows:
        parts[row["part"]].update(row["counts"])
    minutes = sum(row["seconds"] for row in rows) / 60
    counted = {name: dict(sorted(counts.items())) for name, counts in parts.items() if counts}
    return {"bench": "stress", "parts": counted, "minutes": round(minutes, 1)} | where_and_when(1)
