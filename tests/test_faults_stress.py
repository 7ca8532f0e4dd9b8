"""The stress finds the faults that it counts: each is made once, and is found."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest
import torch

from digitlab import cli
from digitlab.data import load
from digitlab.files import place_for
from digitlab.idx import read_idx
from digitlab.measured import results
from digitlab.reading.predict import predict
from digitlab.recipes import RECIPES, build_model
from digitlab.runs import Run, load_run, train
from digitlab.trainer import History, Trainer
from studies import apart, faults, mutated, stress
from studies.__main__ import main

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="processes are forked and watched by Linux"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]
FINE = {"answered", "refused"}
MODEL = torch.nn.Linear(1, 1)


@contextmanager
def in_place(path: Path) -> Iterator[IO[bytes]]:
    """Write as a beginner would, slowly."""
    path.parent.mkdir(exist_ok=True)
    with open(path, "wb") as file:
        time.sleep(0.02)
        yield file


@pytest.mark.parametrize("name", ["save", "study", "download"])
def test_a_kill_leaves_nothing_lost_half_or_over(name: str) -> None:
    assert faults.kill(name, 3, 0).keys() <= {"kills", "half written"}


@pytest.mark.parametrize(
    ("name", "fault"), [("save", "digitlab.runs.written"), ("download", "digitlab.idx.written")]
)
def test_a_kill_finds_what_is_written_in_place(
    name: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fault, in_place)
    assert faults.kill(name, 4, 0)["damaged"]


def test_no_room_leaves_what_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "WRITES", {"readme": faults.WRITES["readme"]})
    counts = faults.fill_up()
    ways = Counter(re.sub(".*: ", "", key) for key in counts.elements())
    assert ways.keys() <= {"refused", "written", "not possible here"}
    assert ways["refused"] > 5
    monkeypatch.setattr("studies.study.written", in_place)
    assert any(
        key.endswith((": damaged", ": foreign")) or "foreign" in key for key in faults.fill_up()
    )


def test_rows_of_two_writers_are_all_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "ROWS", 40)
    good = faults.write_together(2)
    wrong = {"failed", "lacking", "double", "torn", "left over"}
    assert (good["rows"], {key for key in wrong if good[key]}) == (120, set())
    monkeypatch.setattr("studies.study.append", cut_in_two)
    assert faults.write_together(2)["torn"]


def cut_in_two(path: Path, row: dict[str, Any]) -> None:
    line = json.dumps(row) + "\n"
    for part in (line[:20], line[20:]):
        with path.open("a") as file:
            file.write(part)
        time.sleep(0.001)


@pytest.mark.parametrize("kind", mutated.KINDS)
def test_damaged_files_are_read_or_refused(kind: str) -> None:
    assert mutated.read_some(kind, 0, 20).keys() <= FINE


def test_damage_is_the_same_for_the_same_seed() -> None:
    content = bytes(range(256)) * 4
    assert mutated.damaged(content, "a") == mutated.damaged(content, "a") != content
    assert len({mutated.damaged(content, str(i)) for i in range(50)}) > 40


def slow(path: Path) -> None:
    while time.process_time() < 1000:
        pass


def big(path: Path) -> None:
    assert sum(bytearray(80_000_000)[::4096]) == 0


READERS = {
    "foreign: KeyError": lambda path: {}[path],
    "foreign: ValueError": lambda path: int("x"),
    "warning: UserWarning": lambda path: warnings.warn("a word", stacklevel=1),
    "words on the terminal": lambda path: os.write(2, b"a word"),
    "crash: SIGKILL": lambda path: os.kill(os.getpid(), signal.SIGKILL),
    "above": slow,
    "above 1 GB": big,
    "answered": lambda path: None,
}


@pytest.mark.parametrize(("found", "reader"), READERS.items(), ids=READERS)
def test_whatever_else_comes_of_a_file_is_counted(
    found: str, reader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "SECONDS", 1)
    monkeypatch.setattr(apart, "BYTES", 50_000_000)
    whole, damage, _ = mutated.KINDS["results"]
    here = os.getpid()  # where a whole file is read once before

    def apart_only(path: Path) -> None:
        if os.getpid() != here:
            reader(path)

    monkeypatch.setitem(mutated.KINDS, "results", (whole, damage, apart_only))
    (said,) = mutated.read_some("results", 0, 1)
    assert said.startswith(found)


def test_a_stress_goes_on_where_it_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, out = tmp_path / "kept.jsonl", tmp_path / "sums.json"
    pieces = [lambda: Counter(kills=2), lambda: Counter(kills=3, lost=1)]
    monkeypatch.setattr(stress, "PARTS", {"one": pieces})
    monkeypatch.setattr(stress, "KEPT", kept)
    assert len(list(stress.stress(["one"], kept=kept))) == 2
    kept.write_bytes(kept.read_bytes()[:-30])
    assert len(list(stress.stress(["one"], kept=kept))) == 1
    assert stress.summary(kept)["parts"] == {"one": {"kills": 5, "lost": 1}}
    assert main(["stress", "--out", str(out)]) == 0
    assert json.loads(out.read_text())["parts"]["one"]["kills"] == 5
    assert not kept.exists()


# --- What a run's file holds, leaf by leaf -----------------------------------------------------


def test_no_leaf_of_a_run_of_another_type_ends_in_a_foreign_error(tmp_path: Path) -> None:
    content, path = mutated.runs()["adam"], tmp_path / "run.pt"
    n = len(list(mutated.leaves(torch.load(io.BytesIO(content), weights_only=True))))
    found = Counter()
    for place in range(n):
        record = torch.load(io.BytesIO(content), weights_only=True)
        inside, name = list(mutated.leaves(record))[place]
        inside[name] = mutated.OTHERS[place % len(mutated.OTHERS)]
        torch.save(record, path)
        found[mutated.outcome(mutated.read_run, path)] += 1
    assert found.keys() == FINE
    assert found["refused"] > n / 2


STATES = {
    "no parts": ({}, "cannot go on without its plan, history, scheduler, model"),
    "no plan": ({"plan": {}}, "cannot go on without its plan"),
    "a tensor in the plan": ({"plan": {"epochs": torch.zeros(3)}}, "cannot go on without its plan"),
    "an optimizer of text": ({"optimizer": "Adam"}, "cannot go on without its optimizer"),
    "no random numbers": ({"torch_random": None}, "cannot go on without its torch_random"),
}


@pytest.mark.parametrize(("change", "words"), STATES.values(), ids=STATES)
def test_a_state_that_is_none_is_refused_where_its_file_is_loaded(
    change: dict[str, Any], words: str, tmp_path: Path
) -> None:
    record = torch.load(io.BytesIO(mutated.runs()["adam"]), weights_only=True)
    if change.get("plan"):
        change = {"plan": record["state"]["plan"] | change["plan"]}
    record["state"] = record["state"] | change if change else {}
    torch.save(record, tmp_path / "run.pt")
    with pytest.raises(ValueError, match=rf"run\.pt is no run that can be used: .*{words}"):
        load_run(tmp_path / "run.pt")


def test_a_run_whose_options_no_model_takes_is_refused(tmp_path: Path) -> None:
    record = torch.load(io.BytesIO(mutated.runs()["adam small"]), weights_only=True)
    for options in ({"hidden": "many"}, {"mean": (1, 2, 3)}, {"dropout": {}}):
        torch.save(record | {"recipe": record["recipe"] | {"options": options}}, tmp_path / "r.pt")
        with pytest.raises(ValueError, match=r"r\.pt is no run that can be used"):
            load_run(tmp_path / "r.pt")


def test_an_optimizer_that_cannot_be_made_is_told_in_one_sentence() -> None:
    with pytest.raises(ValueError, match="SGD cannot learn so: invalid learning rate: -1"):
        train(RECIPES["lenet-sgd"].replace(lr=-1.0), mutated.digits(), device="cpu")
    for n in (-1, 10**30):
        with pytest.raises(ValueError, match=f"threads are a number .*, not {n}"):
            train(RECIPES["lenet-sgd"].replace(threads=n), mutated.digits(), device="cpu")
    with pytest.raises(ValueError, match="betas of a recipe must be"):
        RECIPES["plain-mlp"].replace(betas=(0.9,))


# --- Files that may not grow, names that are empty, weights that are no numbers ----------------


@pytest.mark.parametrize("name", ["save", "study", "ship"])
def test_a_file_that_may_not_grow_is_refused_and_the_old_one_stays(
    name: str, tmp_path: Path
) -> None:
    assert faults._without_room(name, "limited", 100, tmp_path) == "refused"


EMPTY = {
    "results": lambda: results(""),
    "a study": lambda: results(study=""),
    "an idx file": lambda: read_idx(""),
    "a device": lambda: Trainer(MODEL, torch.optim.SGD(MODEL.parameters()), device=""),
    "a run": lambda: load_run(""),
    "a data set": lambda: load(""),
    "a folder": lambda: load("mnist", ""),
    "a place": lambda: place_for(""),
    "a picture": lambda: predict(MODEL, ""),
}


@pytest.mark.parametrize("call", EMPTY.values(), ids=EMPTY)
def test_an_empty_name_is_refused_in_one_sentence(call: Any) -> None:
    with pytest.raises((ValueError, FileNotFoundError)) as refused:
        call()
    assert mutated.refusal(refused.value) == "refused"


def test_weights_that_are_no_numbers_are_one_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = build_model("fast")
    with torch.no_grad():
        next(model.parameters()).fill_(torch.nan)
    run = Run(RECIPES["fast"], model, History(), "optdigits", {}, 0, 1)
    path = run.save(tmp_path / "run.pt")
    assert cli.main(["evaluate", str(path), "--json"]) == 2
    said = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert "this model returns no numbers" in said["error"]
