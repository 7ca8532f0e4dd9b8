"""The wheel: it holds the library alone, and works in an empty place away from the checkout."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest
from PIL import Image, ImageDraw

import digitlab
from digitlab.cli import COMMANDS
from digitlab.recipes import RECIPES

ROOT = Path(__file__).parent.parent
# Each line is a call of the command `digitlab`, with the status that it ends with
CALLS = [
    *((command.__name__, "--help") for command in COMMANDS),
    ("recipes",),
    ("data", "optdigits"),
    ("train", "plain-mlp", "--data", "optdigits", "--epochs", "1", "--out", "run.pt"),
    ("evaluate", "run.pt"),
    ("predict", "run.pt", "one.png"),
    ("doctor",),
]
# Done in one process, since each would import torch anew
WORK = f"""
import contextlib, importlib, io, json
import digitlab, digitlab.cli
found = {{"home": digitlab.__file__, "public": [], "calls": {{}}, "rooms": []}}
found["public"] = [name for name in {list(digitlab.__all__)} if getattr(digitlab, name)]
for room in ("studies", "tools", "tests"):
    with contextlib.suppress(ImportError):
        found["rooms"].append(importlib.import_module(room).__name__)
for call in {CALLS}:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            status = digitlab.cli.main(list(call))
        except SystemExit as end:
            status = end.code
    found["calls"][" ".join(call)] = status, out.getvalue()
found["stored"] = digitlab.stored("fast")["bench"], len(digitlab.results())
found["trained"] = [digitlab.pretrained(name) is not None for name in digitlab.RECIPES]
print(json.dumps(found))
"""


def run(*command: str | Path, **options) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it from a copy of the whole checkout, without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    left_out = ignore_patterns(".git", ".venv", ".*_cache", "__pycache__", "build", "*.egg-info")
    copytree(ROOT, folder / "checkout", ignore=left_out)
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    run(sys.executable, "-m", "pip", "wheel", *offline, "-w", folder, folder / "checkout")
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path) -> dict:
    """Install the wheel alone into an empty environment, and do there all that it can."""
    place = wheel.parent / "elsewhere"
    run(sys.executable, "-m", "venv", "--without-pip", place)
    paths = sysconfig.get_paths(vars={"base": str(place), "platbase": str(place)})
    packages = Path(paths["purelib"])
    target = ("--no-deps", "--no-index", "--target", packages)
    run(sys.executable, "-m", "pip", "install", "--disable-pip-version-check", *target, wheel)
    # what digitlab stands on, without what leads to the checkout: such files work only below `site`
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    work = place / "work"
    work.mkdir()
    paper = Image.new("L", (80, 80), 255)
    ImageDraw.Draw(paper).line([(40, 10), (40, 70)], fill=0, width=8)
    paper.save(work / "one.png")
    jupyter = Path(sys.prefix, "share", "jupyter")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "DIGITLAB"))}
    environment |= {"HOME": str(work), "JUPYTER_PATH": str(jupyter), "OMP_NUM_THREADS": "1"}
    python = Path(paths["scripts"]) / Path(sys.executable).name
    return json.loads(run(python, "-c", WORK, cwd=work, env=environment)) | {"packages": packages}


def test_the_wheel_holds_the_library_with_all_its_files_and_nothing_else(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    suffixes = {".py", ".css", ".js", ".json", ".jsonl", ".npz", ".pt"}
    library = {path for path in (ROOT / "digitlab").rglob("*") if path.suffix in suffixes}
    assert names == {path.relative_to(ROOT).as_posix() for path in library}


def test_every_public_name_works_from_the_wheel(installed: dict) -> None:
    assert Path(installed["home"]).parent.parent == installed["packages"]
    assert installed["public"] == list(digitlab.__all__)
    assert installed["rooms"] == []
    assert installed["stored"] == ["fast", len(digitlab.results())]
    assert installed["trained"] == [True] * len(RECIPES)


@pytest.mark.parametrize("call", [" ".join(call) for call in CALLS])
def test_every_command_works_from_the_wheel(installed: dict, call: str) -> None:
    status, text = installed["calls"][call]
    assert (status, bool(text)) == (0, True), text
