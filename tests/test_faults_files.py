"""Files and streams as people have them: cut short, locked, foreign, full or closed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from digitlab.files import place_for, written
from digitlab.measured import results
from digitlab.recipes import RECIPES, build_model
from digitlab.runs import Run, load_run, train
from digitlab.trainer import History
from studies.study import ship


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(path: Path, content: bytes = b"new") -> None:
    with written(path) as file:
        file.write(content)


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def fail(file: IO[bytes], error: BaseException) -> None:
    file.write(b"half")
    raise error


# --- A file takes the place of another one -----------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "it has no name"),
        ("new/", "a folder or a device"),
        ("folder", "a folder or a device"),
        (os.devnull, "a folder or a device"),
        ("locked", "write-protected"),
        ("n" * 250, "too long"),
        ("n\0", "null"),
        ("file/below", "cannot be written"),
    ],
)
def test_a_place_that_takes_no_file_is_refused_before_the_first_epoch(
    name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    for other in ("file", "locked"):
        Path(other).touch(0o444 if other == "locked" else 0o644)
    before = left(tmp_path)
    with pytest.raises(ValueError, match=f"cannot be written .*{words}|{words}.*another file"):
        train("plain-mlp", out=name)
    assert left(tmp_path) == before


def test_a_link_stays_a_link_and_a_mode_stays_a_mode(tmp_path: Path) -> None:
    target, link, gone = tmp_path / "a" / "target", tmp_path / "link", tmp_path / "gone"
    target.parent.mkdir()
    target.write_bytes(b"old")
    target.chmod(0o640)
    link.symlink_to(target)
    gone.symlink_to(tmp_path / "later")
    write(link)
    write(gone)
    assert (target.read_bytes(), oct(target.stat().st_mode)[-3:]) == (b"new", "640")
    assert link.is_symlink()
    assert gone.is_symlink()
    assert (tmp_path / "later").read_bytes() == b"new"


def test_a_home_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert place_for("~/runs/a.pt") == tmp_path / "runs" / "a.pt"
    write(tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"a\.pt is not a saved run"):
        load_run("~/a.pt")


def test_what_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    write(path, b"old")
    for error, words in (
        (OSError(28, "No space left"), r"run.pt' cannot be written \(No space left\); name ano"),
        (KeyboardInterrupt("stop"), "stop"),
    ):
        with pytest.raises((ValueError, KeyboardInterrupt), match=words), written(path) as file:
            fail(file, error)
    assert left(tmp_path) == ["run.pt"]
    assert path.read_bytes() == b"old"


WRITER = """
import sys, time
from digitlab.files import written
with written(sys.argv[1]) as file:
    file.write(b"half"); file.flush()
    print("writes", flush=True)
    time.sleep(60)
"""


def test_what_a_kill_left_is_swept_and_what_another_process_writes_is_not(tmp_path: Path) -> None:
    path, mine = tmp_path / "run.pt", tmp_path / "run.pt.mine.part"
    mine.touch()
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writes\n"
        write(path)
        assert left(tmp_path) == ["run.pt", f"run.pt.{writer.pid}.part", mine.name]
        writer.kill()
    write(path)
    assert left(tmp_path) == ["run.pt", mine.name]


# --- Results written by several, and by others -------------------------------------------------

ROW = {"recipe": "a", "data": "b", "seed": 0, "n_train": 5, "test_accuracy": 0.5}
FOREIGN = [
    *(b"3", b"null", b"[]", b'"text"', b"{}", b"\xff\xfe\x00", b"PK\x03\x04", b"[" * 5000),
    *(json.dumps({k: v for k, v in ROW.items() if k != key}).encode() for key in ROW),
    *(json.dumps(ROW | {key: None}).encode() for key in ROW),
    *(json.dumps(ROW | {"test_accuracy": score}).encode() for score in (float("nan"), "1", 2)),
]


@pytest.mark.parametrize("line", FOREIGN)
def test_a_foreign_line_among_the_results_is_left_out_and_named(
    line: bytes, tmp_path: Path
) -> None:
    good = json.dumps(ROW).encode()
    (tmp_path / "a.jsonl").write_bytes(b"\n".join([good, line, good, b'{"recipe": "cut', b""]))
    with pytest.warns(UserWarning, match="^line 2 of a.jsonl is no result") as said:
        assert results(tmp_path) == [ROW, ROW]
    assert len(said) == 1


STUDY = """
import sys; from pathlib import Path
from studies.study import STUDIES, Study, study
from digitlab.recipes import RECIPES

def train(recipe, digits, seed):
    print("trains", flush=True); sys.stdin.readline()
    return {"recipe": recipe.name, "data": digits.name, "seed": seed, "n_train": 5,
            "test_accuracy": 0.5}

STUDIES["slow"] = Study((RECIPES["tiny"],), ("optdigits",), train=train)
folder = Path(sys.argv[1])
print(len(list(study("slow", n_seeds=2, results=folder, weights=folder))))
"""


def test_two_studies_at_once_do_not_double_a_row(tmp_path: Path) -> None:
    command, pipe = [sys.executable, "-c", STUDY, str(tmp_path)], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "trains\n"
        second = subprocess.run(command, capture_output=True, text=True, input="\n\n")
        assert "ValueError: another process writes slow.jsonl; wait until" in second.stderr
        assert first.communicate("\n\n")[0] == "trains\n2\n"
    assert subprocess.run(command, capture_output=True, text=True).stdout == "0\n"
    assert [row["seed"] for row in results(tmp_path)] == [0, 1]


def test_a_kill_while_weights_ship_leaves_those_that_were_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "tiny.pt")
    write(tmp_path / "tiny.json")
    monkeypatch.setattr(os, "replace", interrupt)
    run = Run(RECIPES["tiny"], build_model("tiny"), History(), "mnist", {}, 0, 1)
    with pytest.raises(KeyboardInterrupt):
        ship(run, tmp_path, written_by="a test")
    assert [(tmp_path / name).read_bytes() for name in left(tmp_path)] == [b"new", b"new"]
