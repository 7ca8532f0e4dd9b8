"""The shape of the house: who imports whom, how long things are, public names, importing."""

import ast
import io
import os
import statistics
import subprocess
import sys
import tokenize
from functools import cache
from pathlib import Path

import nbformat
import pytest

import digitlab

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "digitlab"
# A module imports from the lines above its own, and from none beside it.
LAYERS = (
    "files formats geometry names plain tables",
    "pixels",
    "augment idx metrics models pen reading.opened reading.paper",
    "data reading.light recipes",
    "checkpoint inference reading.strokes",
    "plans reading.steps",
    "trainer",
    "reading.predict runs",
    "measured",
    "reading.page show.figure",
    "show.charts show.digits show.graphs show.layers show.movements",
    "show.pages show.results show.training",
    "exercises.compare exercises.guard exercises.honesty exercises.memory",
    "exercises.records exercises.views",
    " ".join(
        f"exercises.bank.{path.stem}" for path in sorted(PACKAGE.glob("exercises/bank/[a-z]*.py"))
    ),
    "exercises.checking exercises.course exercises.standing",
    "exercises.desk",
    "widgets.base widgets.controls",
    "widgets.pager",
    "widgets.augmenting widgets.confusion widgets.layers widgets.pad widgets.quiz widgets.samples",
    "widgets.serve widgets.training",
    "doctor",
    "cli",
)
LAYER_OF = {name: i for i, names in enumerate(LAYERS) for name in names.split()}
LIBRARIES = {  # the folders and modules that need one import it at their top, others in functions
    "matplotlib": {"show", "widgets"},
    "sklearn": {"show"},
    "anywidget": {"widgets"},
    "ipywidgets": {"widgets"},
    "nbformat": set(),
    "voila": set(),
    "torchvision": set(),
    "torchviz": set(),
    "torchview": set(),
    "torchinfo": set(),
    "pygraphviz": set(),
}
AWAIT = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT  # as notebooks have it
PATHS = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.stem not in {"__init__", "__main__"}
}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def names_imported(nodes) -> set[str]:
    """Return `a.b` for `import a.b`, and `a.b` for `from a import b`."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def imported_by(path: Path) -> set[str]:
    """Return the modules of the library that this file imports, anywhere in it."""
    names = {name.removeprefix("digitlab.") for name in names_imported(ast.walk(tree(path)))}
    return {name for name in PATHS if any(f"{n}.".startswith(f"{name}.") for n in names)}


# --- Who imports whom -------------------------------------------------------------------------


@pytest.mark.parametrize("module", PATHS)
def test_module_imports_only_from_lower_layers(module):
    assert module in LAYER_OF, f"say in LAYERS where {module} stands"
    below = {name for name, layer in LAYER_OF.items() if layer < LAYER_OF[module]}
    wrong = imported_by(PATHS[module]) - below
    assert not wrong, f"{module} imports from beside or above itself: {wrong}"


def test_every_module_in_the_order_exists():
    assert LAYER_OF.keys() == PATHS.keys()


def test_the_trainer_knows_no_recipe_and_no_data_set():
    for module in ("trainer", "checkpoint", "inference"):
        names = {node.id for node in ast.walk(tree(PATHS[module])) if isinstance(node, ast.Name)}
        assert not names & {"load", "Digits", "Recipe", "RECIPES", "MODELS", "build_model"}
        assert "recipes" not in imported_by(PATHS[module])


def test_figures_take_what_is_computed_and_run_no_model():
    for module in (name for name in PATHS if name.startswith("show.")):
        imported = {
            name.rsplit(".", 1)[-1] for name in names_imported(ast.walk(tree(PATHS[module])))
        }
        assert not imported & {"evaluate", "read_logits", "layer_output", "predict", "pretrained"}


@pytest.mark.parametrize("room", ["digitlab", "studies", "tools"])
def test_nothing_imports_the_workshop(room):
    """The library knows neither studies nor tools, and these do not know each other."""
    others = {"studies", "tools", "tests"} - {room}
    for path in (ROOT / room).rglob("*.py"):
        rooms = {name.split(".")[0] for name in names_imported(ast.walk(tree(path)))}
        assert not rooms & others, f"{path.name} imports {rooms & others}"


def test_the_library_does_not_look_for_its_checkout():
    for path in PATHS.values():
        source = path.read_text("utf-8")
        for word in (".parents[", "tests/", "notebooks/", "figures/"):
            assert word not in source, f"{path.name} speaks of {word}"


@pytest.mark.parametrize("module", PATHS)
def test_large_libraries_are_imported_where_they_are_needed(module):
    at_the_top = {name.split(".")[0] for name in names_imported(tree(PATHS[module]).body)}
    allowed = {name for name, rooms in LIBRARIES.items() if module.split(".")[0] in rooms}
    needless = at_the_top & LIBRARIES.keys() - allowed
    assert not needless, f"import {needless} inside the function that needs it"


def test_no_pyplot():
    for path in PATHS.values():
        assert "matplotlib.pyplot" not in names_imported(ast.walk(tree(path)))


# --- How long things are ----------------------------------------------------------------------

NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
NO_CODE |= {tokenize.ENCODING, tokenize.ENDMARKER}


def lines_of_code(source: str) -> int:
    """Count the lines that hold more than blanks, comments and docstrings."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    spans = [range(t.start[0], t.end[0] + 1) for t in tokens if t.type not in NO_CODE]
    lines = {line for span in spans for line in span}
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        if documented and ast.get_docstring(node) is not None:
            lines -= set(range(body[0].lineno, body[0].end_lineno + 1))
    return len(lines)


def test_lines_of_code_are_counted_without_blanks_comments_and_docstrings():
    source = '"""Doc.\n\nMore.\n"""\n# why\nx = [\n\n    1,  # one\n]\n\n'
    source += 'def f():\n    """Doc."""\n    return """\n\n"""\n'
    assert lines_of_code(source) == 7


def test_lines_of_code_are_told(capsys):
    counts = {name: lines_of_code(path.read_text("utf-8")) for name, path in PATHS.items()}
    with capsys.disabled():
        said = ", ".join(f"{name} {n}" for name, n in counts.items())
        print(f"\nlines of code: {sum(counts.values())} ({said})")


@pytest.mark.parametrize("room", ["digitlab", "studies", "tools"])
def test_a_function_fits_on_a_screen(room):
    """Its docstring counted: 40 lines for a function, 200 for a class."""
    most = {ast.FunctionDef: 40, ast.AsyncFunctionDef: 40, ast.ClassDef: 200}
    long = {
        f"{path.name}: {node.name}": length
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(tree(path))
        if type(node) in most and (length := node.end_lineno - node.lineno + 1) > most[type(node)]
    }
    assert not long


# --- Public names -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", digitlab.__all__)
def test_public_name_is_found_and_explained(name):
    value = getattr(digitlab, name)
    assert name in dir(digitlab)
    assert name not in {module.split(".")[0] for module in PATHS}, "the module would shadow it"
    assert value.__doc__
    assert not value.__doc__.startswith(f"{name}("), "this is what dataclass writes by itself"


def test_notebooks_import_nothing_but_public_names():
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        source = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
        cells = compile(source, path.name, "exec", ast.PyCF_ONLY_AST | AWAIT)
        names = names_imported(ast.walk(cells))
        inner = {name for name in names if name.startswith("digitlab.")}
        assert not inner, f"{path.name} imports {inner}; make it public"


def test_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        digitlab.laod  # noqa: B018


# --- Importing --------------------------------------------------------------------------------


def python(code: str) -> tuple[float, str]:
    """Run code in a new interpreter: seconds of processor time, and all that it printed."""
    start = os.times()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    end = os.times()
    spent = end.children_user + end.children_system - start.children_user - start.children_system
    return spent, done.stdout


def test_import_is_quick():
    pairs = [(python("import digitlab")[0], python("pass")[0]) for _ in range(5)]
    assert statistics.median(ours - nothing for ours, nothing in pairs) <= 0.1


def test_import_prints_nothing_and_leaves_torch_for_later():
    code = "import sys, digitlab.cli; print({'torch', 'matplotlib', 'numpy'} & set(sys.modules))"
    assert python(code)[1] == "set()\n"


def test_importing_every_module_prints_nothing_and_changes_no_state():
    code = "import torch; before = torch.get_rng_state(), torch.get_num_threads()\n"
    code += "".join(f"import digitlab.{module}\n" for module in PATHS)
    code += "assert torch.equal(before[0], torch.get_rng_state())\n"
    code += "assert before[1] == torch.get_num_threads()\n"
    assert python(code)[1] == ""
