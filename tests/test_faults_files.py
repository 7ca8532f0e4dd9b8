"""Files and streams as people have them: cut short, locked, foreign, full or closed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from digitlab.files import place_for, written
from digitlab.runs import load_run, train


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(path: Path, content: bytes = b"new") -> None:
    with written(path) as file:
        file.write(content)


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
