"""Faults made on purpose: kills at any moment, disks that are full, several writers at once."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import io
import os
import random
import resource
import signal
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import cache, partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
import torchvision.datasets

from digitlab import cli, idx
from digitlab.exercises import memory as progress
from digitlab.measured import read_rows
from digitlab.recipes import RECIPES, build_model
from digitlab.runs import Run, load_run
from digitlab.trainer import History
from studies import study as studies
from studies.apart import child, memory, watched
from studies.mutated import refusal

EPOCHS = 6
SIZES = (300_000, 20_000, 60_000, 10_000)  # bytes of the files that are downloaded


# --- What writes --------------------------------------------------------------------------------


class Work(NamedTuple):
    """Say what is done, and what must hold whenever it is killed.

    Attributes:
        do: writes into a folder.
        stands: reads what is there, whole, or raises; a later list begins as an earlier one.
        use: the next use, after which nothing half is left.
        begin: makes room for the next time.
    """

    do: Callable[[Path], object]
    stands: Callable[[Path], list[Any]]
    use: Callable[[Path], object]
    begin: Callable[[Path], object] = lambda folder: None


@cache
def _runs() -> tuple[Run, Run]:
    """Return two runs that have learned nothing, from different seeds."""
    recipe = RECIPES["plain-mlp"]
    return tuple(  # type: ignore[return-value]
        Run(recipe, build_model(recipe, seed=seed), History(), "mnist", {"train": 5}, seed, 7)
        for seed in (0, 1)
    )


def save(folder: Path) -> None:
    """Save one run, then the other."""
    for run in _runs():
        run.save(folder / "run.pt")


def saved(folder: Path) -> list[Any]:
    """Read the run that was saved: it is one of the two."""
    run = load_run(folder / "run.pt")
    expected = _runs()[run.seed].model.state_dict()
    found = run.model.state_dict()
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    return []


def resume(folder: Path) -> None:
    """Train from the command line, or go on with what was killed."""
    path = str(folder / "run.pt")
    begun = ("--resume", path) if os.path.exists(path) else ("fast", "--epochs", str(EPOCHS))
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as said:
        status = cli.main(["train", *begun, "--data", "optdigits", "--out", path])
    if status:
        raise ValueError(said.getvalue().strip())


def trained(folder: Path) -> list[Any]:
    """Read the epochs that are kept: the same as if nobody had killed it, down to the weights."""
    path = folder / "run.pt"
    run = load_run(path) if path.exists() else None
    if run is None:
        return []
    epochs, weights = _whole_training()
    found = _epochs(run)
    assert run.state is not None
    assert found == epochs[: len(found)]
    if run.finished:
        assert all(torch.equal(run.model.state_dict()[name], weights[name]) for name in weights)
    return found


def _epochs(run: Run) -> list[Any]:
    return list(zip(run.history.train_loss, run.history.valid_accuracy, strict=True))


@cache
def _whole_training() -> tuple[list[Any], dict[str, torch.Tensor]]:
    """Return epochs and weights of the training that nobody kills."""
    with TemporaryDirectory(dir=memory()) as folder:
        done(lambda: resume(Path(folder)))
        run = load_run(Path(folder) / "run.pt")
    return _epochs(run), run.model.state_dict()


def write_again(folder: Path) -> None:
    """Write to the same place."""
    path = folder / "run.pt"
    if path.exists():
        load_run(path).save(path)
    else:
        _runs()[0].save(path)
        path.unlink()


def begin_anew(folder: Path) -> None:
    """Begin a new training where one is done."""
    path = folder / "run.pt"
    if path.exists() and load_run(path).scores:
        path.unlink()


def row_of(one: Any, digits: Any, *, seed: int) -> dict[str, Any]:
    """Return a result as if something had been trained."""
    return {"recipe": one.name, "data": "mnist", "seed": seed, "n_train": 5, "test_accuracy": 0.5}


def add_rows(folder: Path, n: int = 30) -> None:
    """Add rows to those of a study."""
    go_on(folder, len(added(folder)) + n)


def go_on(folder: Path, n_seeds: int) -> None:
    """Go on with a study that trains nothing, up to so many seeds."""
    plan = studies.Study((RECIPES["fast"],), ("mnist",), train=row_of)
    with patch.dict(studies.STUDIES, {"stress": plan}), patch.object(studies, "load"):
        for _ in studies.study("stress", n_seeds=n_seeds, results=folder, weights=folder):
            pass


def added(folder: Path) -> list[Any]:
    """Read the rows: each seed once, none is lacking."""
    with warnings.catch_warnings(action="error"):
        seeds = [row["seed"] for row in read_rows(folder / "stress.jsonl")]
    assert seeds == list(range(len(seeds)))
    return seeds


def add_one_row(folder: Path) -> None:
    """Add the row that comes next."""
    add_rows(folder, 1)


def learn(folder: Path, n: int = 30) -> None:
    """Try exercises, one after the other, and keep each."""
    with patch.dict(os.environ, DIGITLAB_PROGRESS=str(folder / "progress.json")):
        for number in range(len(learned(folder)), len(learned(folder)) + n):
            if said := progress.change(partial(tried, number)):
                raise ValueError(said)


def tried(number: int, record: progress.Record) -> None:
    """Note that an exercise was tried."""
    record.exercise(f"{number:06}")["tries"] = number


def learned(folder: Path) -> list[Any]:
    """Read the exercises that were tried: one after the other, none is lacking."""
    with patch.dict(os.environ, DIGITLAB_PROGRESS=str(folder / "progress.json")):
        tries = [entry["tries"] for entry in progress.read().exercises.values()]
    assert tries == list(range(len(tries)))
    return tries


# --- A download that takes its time -------------------------------------------------------------


@cache
def _offered() -> dict[str, bytes]:
    made = random.Random(0)
    names = [file for file, _ in torchvision.datasets.MNIST.resources]
    return {name: made.randbytes(size) for name, size in zip(names, SIZES, strict=True)}


class _Slow(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        content = _offered()[self.path[1:]]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(OSError):  # who asked for it is killed
            for start in range(0, len(content), 20_000):
                self.wfile.write(content[start : start + 20_000])
                time.sleep(0.001)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def mirror() -> Iterator[None]:
    """Offer four files on this machine in place of MNIST's."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Slow)
    sums = [(name, hashlib.md5(content).hexdigest()) for name, content in _offered().items()]
    there: dict[str, Any] = {
        "mirrors": [f"http://127.0.0.1:{server.server_port}/"],
        "resources": sums,
    }
    mnist, here = torchvision.datasets.MNIST, patch.dict(os.environ, no_proxy="127.0.0.1")
    with server, child(server.serve_forever), here, patch.multiple(mnist, None, **there):
        yield


def download(folder: Path) -> None:
    """Fill a cache."""
    with patch.object(idx, "cache_folder", lambda: folder), redirect_stderr(io.StringIO()):
        idx.download("mnist")


def downloaded(folder: Path) -> list[Any]:
    """Read the files that are there: each is whole."""
    there = [name for name in _offered() if (folder / "mnist" / name).exists()]
    for name in there:
        assert (folder / "mnist" / name).read_bytes() == _offered()[name]
    return there


def empty(folder: Path) -> None:
    """Empty the cache."""
    for path in (folder / "mnist").glob("*"):
        path.unlink()


WORKS: dict[str, Work] = {  # one line more for whatever else is kept
    "save": Work(save, saved, save),
    "train --resume": Work(resume, trained, write_again, begin_anew),
    "study": Work(add_rows, added, add_one_row),
    "download": Work(download, downloaded, download, empty),
    "progress": Work(learn, learned, lambda folder: learn(folder, 1)),
}


# --- Kills --------------------------------------------------------------------------------------


def done(work: Callable[[], object]) -> float:
    """Do a work in a process of its own, to its end; return the seconds that it took."""
    start = time.perf_counter()
    with child(work) as process:
        _, status = os.waitpid(process, 0)
    assert status == 0
    return time.perf_counter() - start


def kill(name: str, n: int, seed: int) -> Counter[str]:
    """Kill a work so many times, each at a random moment; count what is wrong afterwards."""
    work, counts = WORKS[name], Counter[str]()
    chance = random.Random(f"{name} {seed}")
    with mirror(), TemporaryDirectory(dir=memory()) as place:
        folder = Path(place)
        work.use(folder)
        work.begin(folder)
        seconds = done(lambda: work.do(folder))
        work.use(folder)
        usual = _names(folder)
        while counts["kills"] < n:
            work.begin(folder)
            before = work.stands(folder)
            moment = chance.choice([(chance.uniform(0, seconds), None), (seconds, folder)])
            counts["kills"] += _killed(partial(work.do, folder), *moment)
            counts["half written"] += bool(_names(folder) - usual)
            wrong = _wrong(work, folder, before, usual)
            counts.update(wrong)
            if wrong:
                _start_afresh(work, folder)
    return counts


def _start_afresh(work: Work, folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            path.unlink()
    work.use(folder)


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


def _killed(work: Callable[[], object], seconds: float, folder: Path | None) -> bool:
    """Kill a work after this time, or as soon as a new file is there; False where it was done."""
    usual, end = _names(folder) if folder else set(), time.monotonic() + seconds
    with child(work) as process:
        while time.monotonic() < end and not (folder and _names(folder) - usual):
            time.sleep(0 if folder else seconds / 20)
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
    assert os.WIFSIGNALED(status) or status == 0
    return os.WIFSIGNALED(status)


def _wrong(work: Work, folder: Path, before: list[Any], usual: set[str]) -> list[str]:
    """Return what is wrong with the files that a kill left, and after their next use."""
    try:
        lost = work.stands(folder)[: len(before)] != before
        work.use(folder)
        work.stands(folder)
    except Exception:
        traceback.print_exc()
        return ["damaged"]
    return ["lost"] * lost + ["left over"] * bool(_names(folder) - usual)


# --- Disks that are full or read-only, and files that may not grow -----------------------------

NEW_USER, NEW_DISKS, READ_ONLY, AGAIN, DETACH = 0x10000000, 0x00020000, 1, 32, 2  # of Linux
ROOM = 12 << 20  # bytes on the disk


def ship_one(seed: int) -> Callable[[Path], None]:
    """Return what writes a trained model and its card."""
    return lambda folder: studies.ship(_runs()[seed], folder, written_by="stress")


def table(text: str) -> Callable[[Path], None]:
    """Return what writes a table into README."""

    def write(folder: Path) -> None:
        path = folder / "README.md"
        if not path.exists():
            path.write_text("<!-- results -->\n<!-- /results -->\n" + "text\n" * 10_000)
        studies.write_readme(path, text)

    return write


WRITES: dict[str, tuple[Callable[[Path], object], Callable[[Path], object]]] = {  # old, new
    "save": (lambda folder: _runs()[0].save(folder / "run.pt"), save),
    "train --out": (lambda folder: None, resume),
    "study": (add_rows, lambda folder: add_rows(folder, 300)),
    "ship": (ship_one(0), ship_one(1)),
    "download": (lambda folder: (folder / "mnist").mkdir(), download),
    "readme": (table("old"), table("new " * 9_000)),
    "progress": (learn, lambda folder: learn(folder, 300)),
}
LEVELS = (0, 1, 100, 4_096, 8_192, 20_000, 65_536, 250_000, 500_000, 3_000_000)
WAYS = ("full", "read-only", "limited")


def fill_up(seed: int = 0) -> Counter[str]:
    """Write everything where there is no room; count the refusals in one sentence."""
    cases = [
        (name, way, level)
        for name in WRITES
        for way in WAYS
        for level in (LEVELS if way != "read-only" else (0,))
    ]
    _runs()
    counts = Counter[str]()
    with mirror(), TemporaryDirectory(dir=memory()) as folder:

        def one(number: int) -> str:
            try:
                if cases[number][1] != "limited":
                    _alone()
            except OSError:
                return "not possible here"
            return _without_room(*cases[number], Path(folder))

        for number, found in watched(one, range(len(cases))):
            name, way, level = cases[number]
            counts[f"{way}: {found}"] += 1
            if found not in ("written", "refused"):
                print(name, way, level, found)
    return counts


def _without_room(name: str, way: str, level: int, folder: Path) -> str:
    """Write where so many bytes are left, and say what came of it."""
    old, new = WRITES[name]
    with _disk(folder) if way != "limited" else TemporaryDirectory(dir=memory()) as place:
        old(Path(place))
        before = _contents(Path(place))
        try:
            with _trouble(way, level, Path(place)):
                new(Path(place))
                return "written"
        except Exception as error:
            found = refusal(error)
        if name == "progress":  # one exercise after the other: the last whole file stays
            return found if len(learned(Path(place))) >= len(before) else "damaged"
        after = _contents(Path(place))
    kept = all(
        after[path].startswith(content) if name == "study" else after[path] == content
        for path, content in before.items()
    )
    return found if kept and not any(path.endswith(".part") for path in after) else "damaged"


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@contextmanager
def _disk(folder: Path) -> Iterator[Path]:
    """Yield a small disk in memory, which no other process sees."""
    _system("mount", b"none", os.fsencode(folder), b"tmpfs", 0, b"size=%d" % ROOM)
    try:
        yield folder
    finally:
        _system("umount2", os.fsencode(folder), DETACH)


@cache
def _alone() -> None:
    """Let this process have disks of its own; a system may forbid that."""
    maps = {"setgroups": "deny", "uid_map": f"0 {os.getuid()} 1", "gid_map": f"0 {os.getgid()} 1"}
    _system("unshare", NEW_USER | NEW_DISKS)
    for name, text in maps.items():
        Path(f"/proc/self/{name}").write_text(text)


def _system(call: str, *arguments: Any) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), call)(*arguments):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), call)


@contextmanager
def _trouble(way: str, level: int, folder: Path) -> Iterator[None]:
    """Leave so many bytes on the disk, or none at all, or let no file be longer."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    if way == "limited":
        resource.setrlimit(resource.RLIMIT_FSIZE, (level, before[1]))
    elif way == "read-only":
        _system("mount", b"none", os.fsencode(folder), b"tmpfs", AGAIN | READ_ONLY, None)
    else:
        room = os.statvfs(folder)
        (folder / "ballast").write_bytes(bytes(room.f_bavail * room.f_bsize - level))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# --- Several writers of one file ----------------------------------------------------------------


def write_together(n: int, seed: int = 0) -> Counter[str]:
    """Let so many processes write the same files at once; count what is wrong with them."""
    with TemporaryDirectory(dir=memory()) as place, mirror():
        folder, (reads, starts) = Path(place), os.pipe()

        def write(number: int) -> None:
            os.close(starts)
            os.read(reads, 1)  # until all are there
            for i in range(ROWS):
                row = row_of(RECIPES["fast"], None, seed=i) | {"recipe": f"writer {number}"}
                studies.append(folder / "many.jsonl", row)
            _share_a_study(folder)
            for _ in range(10):
                save(folder)
            download(folder)

        with contextlib.ExitStack() as writers:
            processes = [
                writers.enter_context(child(partial(write, number))) for number in range(n)
            ]
            os.close(reads)
            os.close(starts)  # now they begin
            failed = sum(os.waitpid(process, 0)[1] != 0 for process in processes)
        return Counter({"failed": failed, **_written_together(n, folder)})


ROWS = 300


def _share_a_study(folder: Path) -> None:
    """Run a study; where another process runs it, wait for what is left."""
    while True:
        try:
            return go_on(folder, ROWS)
        except ValueError as error:  # another one runs it
            if "another process writes" not in str(error):
                raise
            time.sleep(0.001)


def _written_together(n: int, folder: Path) -> Counter[str]:
    with warnings.catch_warnings(record=True) as torn:
        warnings.simplefilter("always")
        rows = [(row["recipe"], row["seed"]) for row in read_rows(folder / "many.jsonl")]
    saved(folder)
    n_lines = len((folder / "many.jsonl").read_bytes().splitlines())
    return Counter(
        {
            "rows": len(rows) + len(added(folder)),
            "lacking": n * ROWS + ROWS - len(set(rows)) - len(added(folder)),
            "double": len(rows) - len(set(rows)),
            "torn": n_lines - len(rows) + len(torn),
            "left over": len(list(folder.rglob("*.part"))),
            "downloads whole": len(downloaded(folder)) == len(SIZES),
        }
    )
