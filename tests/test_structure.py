"""The shape of the library: who imports whom, how long modules are, what importing costs."""

import ast
import io
import statistics
import subprocess
import sys
import time
import tokenize
from functools import cache
from pathlib import Path

import pytest

import digitlab

PACKAGE = Path(digitlab.__file__).parent
LAYERS = (  # a module imports from its own layer and from those before it
    "registry tables",
    "recipes metrics files",
    "data augment models",
    "trainer",
    "runs cleanup digitize paper",
    "prediction",
    "page",
    "picture plots layer_plots page_plots result_plots graphs tricks",
    "study",
    "widgets exercises",
    "bench bench_draw reading doctor overview course figures draw cli",
)
LAYER_OF = {name: i for i, names in enumerate(LAYERS) for name in names.split()}
CORE = {"recipes", "metrics", "files", "data", "augment", "models"}
CORE |= {"trainer", "runs", "prediction", "digitize", "cleanup"}
DRAWING = {
    "picture",
    "plots",
    "layer_plots",
    "page_plots",
    "result_plots",
    "graphs",
    "figures",
    "widgets",
}
LIBRARIES = {  # the modules that need one may import it at their top, all others in functions
    "matplotlib": DRAWING,
    "sklearn": {"layer_plots"},
    "anywidget": {"widgets"},
    "ipywidgets": {"widgets"},
    "voila": set(),
    "torchvision": set(),
    "torchviz": set(),
    "torchview": set(),
    "torchinfo": set(),
    "pooch": set(),
    "psutil": set(),
}
PATHS = [p for p in sorted(PACKAGE.rglob("*.py")) if p.stem not in {"__init__", "__main__"}]


def module_of(path: Path) -> str:
    """Return the name right below the package: for widgets/pad.py it is `widgets`."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


MODULES = sorted({module_of(path) for path in PATHS})


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


def imported_by(module: str) -> set[str]:
    """Return the modules of the library that this one imports, anywhere in it."""
    paths = [path for path in PATHS if module_of(path) == module]
    names = set().union(*(names_imported(ast.walk(tree(path))) for path in paths))
    parts = [name.split(".") for name in names]
    return {part[1] for part in parts if part[0] == "digitlab"} & set(MODULES) - {module}


# --- Who imports whom -------------------------------------------------------------------------


@pytest.mark.parametrize("module", MODULES)
def test_module_has_its_place_and_imports_from_the_left_only(module):
    assert module in LAYER_OF, f"say in LAYERS where {module} stands"
    wrong = {name for name in imported_by(module) if LAYER_OF[name] > LAYER_OF[module]}
    assert not wrong, f"{module} imports from its right: {wrong}"


def test_modules_import_each_other_without_a_circle():
    left = {module: imported_by(module) for module in MODULES}
    while free := {module for module, names in left.items() if not names & left.keys()}:
        left = {module: names for module, names in left.items() if module not in free}
    assert not left, f"these import each other in a circle: {set(left)}"


def test_trainer_knows_neither_mnist_nor_recipes():
    names = {
        node.id for node in ast.walk(tree(PACKAGE / "trainer.py")) if isinstance(node, ast.Name)
    }
    assert not names & {"load", "Digits", "Recipe", "RECIPES", "MODELS", "build_model"}
    assert imported_by("trainer") <= {"data", "metrics", "registry", "tables"}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_large_libraries_are_imported_where_they_are_needed(path):
    at_the_top = {name.split(".")[0] for name in names_imported(tree(path).body)}
    allowed = {name for name, modules in LIBRARIES.items() if module_of(path) in modules}
    needless = at_the_top & LIBRARIES.keys() - allowed
    assert not needless, f"import {needless} inside the function that needs it"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_no_pyplot(path):
    assert "matplotlib.pyplot" not in names_imported(ast.walk(tree(path)))


# --- How long modules are ---------------------------------------------------------------------

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


def test_modules_are_short(capsys):
    of_file = {path: lines_of_code(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py")}
    total = dict.fromkeys(MODULES, 0)
    for path in PATHS:
        total[module_of(path)] += of_file[path]
    with capsys.disabled():
        print("\nlines of code:", ", ".join(f"{name} {n}" for name, n in total.items()))
    core = sum(total.get(name, 0) for name in CORE)
    library = sum(n for name, n in total.items() if name != "exercises")
    too_long = {path.name: n for path, n in of_file.items() if n > 400}
    # 350 of the core read real pictures; a thousand of the library are widgets and their pad, and
    # another thousand measure what README and notebooks claim
    assert (core < 2220, library < 6470, too_long) == (True, True, {}), (core, library)


# --- Public names -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", digitlab.__all__)
def test_public_name_is_found_and_explained(name):
    value = getattr(digitlab, name)
    assert name in dir(digitlab)
    assert name not in MODULES, "the submodule would shadow it"
    assert value.__doc__
    assert not value.__doc__.startswith(f"{name}("), "this is what dataclass writes by itself"


def test_public_names_are_sorted_and_named_once():
    assert list(digitlab.__all__) == sorted(set(digitlab.__all__))


def test_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        digitlab.laod  # noqa: B018


# --- Importing --------------------------------------------------------------------------------


def python(code: str) -> tuple[float, str]:
    """Run code in a new interpreter: seconds, and all that it printed."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return time.perf_counter() - start, done.stdout


def test_import_is_quick():
    pairs = [(python("import digitlab")[0], python("pass")[0]) for _ in range(7)]
    assert statistics.median(ours - nothing for ours, nothing in pairs) <= 0.1


def test_import_prints_nothing_and_leaves_torch_for_later():
    code = "import sys, digitlab; print({'torch', 'numpy', 'matplotlib'} & set(sys.modules))"
    assert python(code)[1] == "set()\n"


def test_importing_every_module_prints_nothing_and_changes_no_state():
    code = "import torch; before = torch.get_rng_state(), torch.get_num_threads()\n"
    code += "".join(f"import digitlab.{module}\n" for module in MODULES)
    code += "assert torch.equal(before[0], torch.get_rng_state())\n"
    code += "assert before[1] == torch.get_num_threads()\n"
    assert python(code)[1] == ""
