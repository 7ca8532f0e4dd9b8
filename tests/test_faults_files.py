"""Files and streams as people have them: cut short, locked, foreign, full or closed."""

from __future__ import annotations

import io
import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from PIL import Image, ImageDraw

from digitlab import cli
from digitlab.data import Digits
from digitlab.files import place_for, written
from digitlab.measured import results
from digitlab.recipes import RECIPES, Recipe, build_model
from digitlab.runs import Run, load_run, train
from digitlab.trainer import History
from studies.__main__ import COMMANDS as MEASURING
from studies.__main__ import main as studies
from studies.study import STUDIES, Study, ship, study
from tools.__main__ import COMMANDS as MAKING
from tools.__main__ import main as tools


def seven() -> bytes:
    paper, packed = Image.new("L", (80, 80), 255), io.BytesIO()
    ImageDraw.Draw(paper).line([(20, 15), (60, 15), (35, 65)], fill=0, width=8)
    paper.save(packed, "png")
    return packed.getvalue()


PICTURE, PIPE = seven(), subprocess.PIPE


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a run that has learned nothing."""
    run = Run(RECIPES["tiny"], build_model("tiny"), History(), "mnist", {}, 0, 1)
    return run.save(tmp_path_factory.mktemp("model") / "run.pt")


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
from digitlab import cli
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


SLOW = """
import sys
from pathlib import Path
from digitlab.files import hold

with Path(sys.argv[1]).open("ab") as file:
    print(hold(file), flush=True)
    sys.stdin.readline()
"""


def test_two_studies_at_once_do_not_double_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judged(recipe: Recipe, digits: Digits, *, seed: int) -> dict[str, Any]:
        with pytest.raises(ValueError, match=r"another process writes one\.jsonl; wait until its"):
            next(another)
        return ROW | {"recipe": recipe.name, "data": digits.name, "seed": seed}

    one = Study((RECIPES["tiny"],), ("optdigits",), train=judged)
    monkeypatch.setitem(STUDIES, "one", one)
    first, another = (study("one", n_seeds=1, results=tmp_path, weights=tmp_path) for _ in range(2))
    command = [sys.executable, "-c", SLOW, str(tmp_path / "one.jsonl")]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"True\n"
        with pytest.raises(ValueError, match=r"another process writes one\.jsonl; wait until its"):
            next(study("one", results=tmp_path, weights=tmp_path))
        other.communicate(b"\n")
    assert len(list(first)) == len(results(tmp_path)) == 1


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


# --- What a command prints, and where ----------------------------------------------------------

FULL = Path("/dev/full")


def digitlab(*words: str | bytes, **streams: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "digitlab", *words], **streams)


@pytest.mark.parametrize("words", [("recipes",), ("recipes", "--json"), ("--help",), ("no",)])
def test_a_closed_pipe_is_quiet(words: tuple[str, ...]) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    with digitlab(*words, stdout=writes, stderr=PIPE) as command:
        os.close(writes)
        said = command.communicate()[1]
    assert b"Traceback" not in said
    assert b"Exception" not in said
    assert command.returncode == (2 if words == ("no",) else 0)


@pytest.mark.skipif(not FULL.exists(), reason="this system has no full device")
def test_a_full_disk_is_told_in_one_sentence() -> None:
    with FULL.open("wb") as full:
        with digitlab("recipes", stdout=full, stderr=PIPE) as command:
            said = command.communicate()[1]
        assert said == b"digitlab: the answer cannot be written (No space left on device)\n"
        assert command.returncode == 2
        with digitlab("recipes", "none", "--json", stdout=PIPE, stderr=full) as command:
            answer = json.loads(command.communicate()[0])
        assert answer["error"].startswith("unknown recipe 'none'")
        assert command.returncode == 2


def test_a_terminal_that_cannot_show_a_name_shows_it_as_numbers(
    tmp_path: Path, model_file: Path
) -> None:
    shown = {"\N{SNOWMAN}.png": "\\u2603.png"}
    if sys.platform == "linux":  # elsewhere a name is text
        shown["\udcff.png"] = "\\udcff.png"
    for name in shown:
        (tmp_path / name).write_bytes(PICTURE)
    ascii_only = os.environ | {"PYTHONIOENCODING": "ascii"}
    words = ("predict", str(model_file), *shown)
    with digitlab(*words, cwd=tmp_path, env=ascii_only, stdout=PIPE, stderr=PIPE) as command:
        out, err = command.communicate()
    assert (command.returncode, err) == (0, b"")
    assert [line.split()[0] for line in out.decode().splitlines()[2:]] == list(shown.values())


PRESS = """
import os, signal, sys
from digitlab.__main__ import main

class CtrlC:
    def find_spec(self, name, *_):
        if name == wanted:
            os.kill(os.getpid(), signal.SIGINT)

wanted = sys.argv.pop(1)
sys.meta_path.insert(0, CtrlC())
sys.exit(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no process can press Ctrl-C there")
@pytest.mark.parametrize("module", ["digitlab.cli", "digitlab.recipes", "digitlab.data", "torch"])
def test_ctrl_c_while_importing_is_quiet(module: str) -> None:
    command = [sys.executable, "-c", PRESS, module, "evaluate", "no.pt"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) in ((-signal.SIGINT, ""), (1, "digitlab: interrupted\n"))


def as_json(capsys: pytest.CaptureFixture[str], *words: str, status: int) -> Any:
    """Run a command; return all of its standard output, which is one JSON document."""
    assert cli.main([*words, "--json"]) == status
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    return json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


@pytest.mark.parametrize(
    "words",
    [
        *(["nonsense"], [], ["train", "--epochs", "many"], ["predict"], ["recipes", "none"]),
        *(["train", "plain-mlp", "--out="], ["data", ""], ["predict", "run.pt", ""]),
    ],
)
def test_a_mistake_is_a_document_too(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert list(as_json(capsys, *words, status=2)) == ["error"]


def test_numbers_that_json_lacks_are_null(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = {"nan": math.nan, "both": [math.inf, (-math.inf, 1.5)]}
    monkeypatch.setattr(cli, "_recipe", lambda recipe: lost)
    found = as_json(capsys, "recipes", "tiny", status=0)
    assert found == {"nan": None, "both": [None, [None, 1.5]]}


def commands() -> Iterator[tuple[Any, str, str]]:
    """Yield each argument that takes a name or a file, in each of the command lines."""
    for main, known in ((cli.main, cli.COMMANDS), (studies, MEASURING), (tools, MAKING)):
        for command, options in known.items():
            for option, settings in options.items():
                if "action" not in settings:
                    yield main, command.__name__, option if option.startswith("-") else ""


@pytest.mark.parametrize(("main", "command", "option"), list(commands()))
def test_an_empty_argument_is_refused(
    main: Any, command: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in ([option, ""], [f"{option}="]) if option else ([""],):
        assert main([command, *words]) == 2
        assert "an argument is empty" in capsys.readouterr().err


def test_the_bad_one_of_many_pictures_is_named(
    tmp_path: Path, model_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "good.png").write_bytes(PICTURE)
    Image.new("L", (80, 80), 255).save(tmp_path / "blank.png")
    for bad, said in (
        (tmp_path / "blank.png", "'blank.png': there is no ink"),
        (tmp_path / "no.png", "there is no file 'no.png'"),
        (tmp_path, f"{tmp_path.name!r} is a folder"),
    ):
        words = ("predict", str(model_file), str(tmp_path / "good.png"), str(bad))
        assert as_json(capsys, *words, status=2)["error"].startswith(said)


@pytest.mark.parametrize("option", ["--resume", "--out"])
def test_the_command_line_finds_a_home(
    option: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "run.pt").write_text("no run")
    words = ["train", "plain-mlp", "--data", "optdigits", option, "~/run.pt", "--seed", "-1"]
    said = as_json(capsys, *words, status=2)["error"]
    assert said.startswith("run.pt is not a saved run" if option == "--resume" else "a seed is")
    assert left(tmp_path) == ["run.pt"]
