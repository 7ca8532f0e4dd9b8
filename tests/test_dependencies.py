"""What is imported is declared, in the right group; what is declared is used, or has a reason."""

import ast
import sys
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
OURS = {"digitlab", "studies", "tools", "tests"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
LIBRARY, COURSE, HEIC, TEST = (
    {canonicalize_name(Requirement(line).name) for line in lines}
    for lines in (PROJECT["dependencies"], EXTRAS["course"], EXTRAS["heic"], EXTRAS["test"])
)
NOT_IMPORTED = {
    "jupyter": "learners open the notebooks with it",
    "jupyterlab": "the same, and `make lab`",
    "ipykernel": "the notebooks run in it",
    "codespell": "make lint",
    "mypy": "make lint",
    "onnx": "torch.onnx.export writes with it",
    "onnxscript": "the same",
    "ruff": "make lint",
    "setuptools": "builds the wheel without a network",
}
IF_AT_HAND = {"pyarrow"}  # reads one container of MNIST; without it a sentence says so
FOR_THE_COURSE = ("widgets/", "show/graphs.py", "doctor.py")  # the rest of digitlab works without
BY_NAME = {"import_module", "find_spec", "_course"}  # functions that take the name of a module
DISTRIBUTIONS = metadata.packages_distributions()


def code(path: Path) -> str:
    if path.suffix == ".py":
        return path.read_text("utf-8")
    cells = nbformat.read(path, as_version=4).cells
    lines = [line for c in cells if c.cell_type == "code" for line in c.source.split("\n")]
    return "\n".join(line for line in lines if not line.startswith(("%", "!")))


@cache
def imported(path: Path) -> set[str]:
    """Return the distributions that a file imports from, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(code(path))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in BY_NAME:
            names |= {a.value for a in node.args if isinstance(a, ast.Constant)}
    tops = {name.partition(".")[0] for name in names} - OURS - sys.stdlib_module_names
    tops -= {"scratch", *IF_AT_HAND}  # a file that notebook 08 writes
    return {canonicalize_name(DISTRIBUTIONS.get(top, [top])[0]) for top in tops}


FILES = {
    room: sorted([*(ROOT / room).rglob("*.py"), *(ROOT / room).glob("*.ipynb")])
    for room in (*sorted(OURS), "notebooks")
}


@pytest.mark.parametrize("room", FILES)
def test_every_import_is_declared_in_the_right_group(room: str) -> None:
    wrong = {}
    for path in FILES[room]:
        declared = LIBRARY | (COURSE if room != "digitlab" else set())
        if path == ROOT / "digitlab/reading/opened.py":
            declared |= HEIC
        if path.relative_to(ROOT / room).as_posix().startswith(FOR_THE_COURSE):
            declared |= COURSE
        if room not in ("digitlab", "notebooks"):
            declared |= TEST
        if undeclared := imported(path) - declared:
            wrong[path.name] = undeclared
    assert wrong == {}


def test_what_is_declared_is_imported_in_its_room_or_has_a_reason() -> None:
    used = {room: set().union(*map(imported, paths)) for room, paths in FILES.items()}
    everywhere = set().union(*used.values())
    assert (LIBRARY | HEIC) - used["digitlab"] == set()
    assert COURSE - used["digitlab"] - used["notebooks"] - NOT_IMPORTED.keys() == set()
    assert TEST - everywhere - NOT_IMPORTED.keys() == set()
    assert NOT_IMPORTED.keys() & everywhere == set()
    assert NOT_IMPORTED.keys() <= COURSE | TEST
