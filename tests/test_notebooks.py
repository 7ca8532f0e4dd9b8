"""What every notebook of the course keeps to, and that each of these rules can fail."""

import re
from functools import cache
from pathlib import Path
from statistics import median

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import digitlab
from tools.notebooks import WIDGET_VIEW, result_text

PATHS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
UNWANTED = {
    "star import": r"^\s*from .+ import \*",
    "hidden code": r"^\s*%+(run|load)\b",
    "absolute path": r"""["'](/|~/|[A-Za-z]:[\\/]+)\w""",
    "fetched address": r"urlopen|urlretrieve|requests\.|retrieve\(|download=True|\b(wget|curl) ",
    "install cell": r"\b(pip|conda) install|^\s*!",
    "module of the library": r"\b(from|import) digitlab\.",
}
ASKS = re.compile(r"dl\.(check|guess|hint|progress|quiz|solution|truth)\(([^\n]|\n(?=[ )]))*\)")
NOT_COMPARED = {"nbval-ignore-output", "nbval-skip"}


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def lesson_cells(notebook):
    """Return the code cells besides those that only ask or answer a learner."""
    return [cell for cell in code_cells(notebook) if not ASKS.fullmatch(cell.source)]


def outputs(notebook):
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def tags(cell):
    return set(cell.metadata.get("tags", []))


def is_valid(notebook):
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) >= (4, 5)


def names_the_kernel_python3(notebook):
    assert notebook.metadata.kernelspec.name == "python3"


def has_unique_ids(notebook):
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


def opens_with_a_title(notebook):
    assert notebook.cells[0].cell_type == "markdown"
    assert notebook.cells[0].source.startswith("# ")


def numbers_its_sections_without_a_gap(notebook):
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    numbers = [int(n) for n in re.findall(r"^## (?:Case )?(\d+)\.", text, re.MULTILINE)]
    assert numbers == list(range(min(numbers, default=0), max(numbers, default=-1) + 1))


def has_at_most_40_code_cells(notebook):
    assert 1 <= len(lesson_cells(notebook)) <= 40


def has_no_cell_above_20_lines(notebook):
    long = [cell.source for cell in code_cells(notebook) if len(cell.source.splitlines()) > 20]
    assert long == []


def has_a_median_of_2_to_6_lines(notebook):
    assert 2 <= median(len(cell.source.splitlines()) for cell in lesson_cells(notebook)) <= 6


def has_no_unwanted_code(notebook):
    source = "\n".join(cell.source for cell in code_cells(notebook))
    found = {name: re.search(form, source, re.MULTILINE) for name, form in UNWANTED.items()}
    assert {name: match[0] for name, match in found.items() if match} == {}


def names_only_what_is_public(notebook):
    source = "\n".join(cell.source for cell in code_cells(notebook))
    assert set(re.findall(r"\bdl\.(\w+)", source)) <= set(digitlab.__all__)


def is_one_clean_run(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def ran_without_errors_and_warnings(notebook):
    errors = [o for o in outputs(notebook) if "error" in o.output_type or o.get("name") == "stderr"]
    assert errors == []


def stores_no_widgets(notebook):
    assert "widgets" not in notebook.metadata
    assert not any(WIDGET_VIEW in output.get("data", {}) for output in outputs(notebook))


def describes_every_figure(notebook):
    for bundle in (output.get("data", {}) for output in outputs(notebook)):
        images = re.findall(r"<img\b[^>]*>", bundle.get("text/html", ""))
        assert images or not any(kind.startswith("image/") for kind in bundle)
        assert all(re.match(r'<img alt="[^"]{15,}"', image) for image in images)


def is_smaller_than_1500_kb(notebook):
    assert len(nbformat.writes(notebook).encode()) < 1_500_000


def ends_in_one_result_of_one_line(notebook):
    assert sum("result" in tags(cell) for cell in code_cells(notebook)) == 1
    assert len(result_text(notebook).splitlines()) == 1


def folds_what_only_proves(notebook):
    for cell in code_cells(notebook):
        folded = cell.metadata.get("jupyter", {}).get("source_hidden", False)
        assert folded == ("proof" in tags(cell))


def is_compared_by_half_or_more(notebook):
    cells = code_cells(notebook)
    sources = [c.source.upper().replace("-", "_") for c in cells if not tags(c) & NOT_COMPARED]
    assert sum("NBVAL_" not in source for source in sources) >= len(cells) / 2


def good():
    """Return a small notebook that keeps every rule."""
    html = {"text/html": '<img alt="ten digits in one row" src="data:image/png;base64,eA==">'}
    cells = [
        new_markdown_cell("# Ten digits\n\n## 1. Look\n\n## 2. Count"),
        new_code_cell("x = dl.load()\nx", execution_count=1),
        new_code_cell("p = figure()\np", execution_count=2),
        new_code_cell("y = x\nprint(y)", execution_count=3, metadata={"tags": ["result"]}),
    ]
    cells[2].outputs = [new_output("display_data", data=html | {"image/png": "eA=="})]
    cells[3].outputs = [new_output("stream", text="reached 1\n")]
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def tag(cell, name):
    cell.metadata["tags"] = [name]


def with_source(source):
    return lambda notebook: notebook.cells[1].update(source=source)


def with_text(source):
    return lambda notebook: notebook.cells.append(new_markdown_cell(source))


def with_output(kind, **content):
    return lambda notebook: notebook.cells[1].outputs.append(new_output(kind, **content))


def with_figure(**data):
    return with_output("display_data", data={k.replace("_", "/"): v for k, v in data.items()})


WAYS_TO_BREAK = [
    (is_valid, lambda n: n.cells[1].update(outputs="none")),
    (is_valid, lambda n: n.update(nbformat_minor=4)),
    (names_the_kernel_python3, lambda n: n.metadata.kernelspec.update(name="digitlab")),
    (has_unique_ids, lambda n: n.cells[1].update(id=n.cells[2].id)),
    (opens_with_a_title, lambda n: n.cells[0].update(source="Ten digits")),
    (opens_with_a_title, lambda n: n.cells.pop(0)),
    (numbers_its_sections_without_a_gap, with_text("## 4. Train")),
    (has_at_most_40_code_cells, lambda n: n.cells.extend([n.cells[1]] * 40)),
    (has_no_cell_above_20_lines, with_source("x\n" * 21)),
    (has_a_median_of_2_to_6_lines, lambda n: n.cells.extend([new_code_cell("x")] * 9)),
    (has_a_median_of_2_to_6_lines, lambda n: n.cells.extend([new_code_cell("x\n" * 7)] * 9)),
    (has_no_unwanted_code, with_source("x = 1\nfrom digitlab import *")),
    (has_no_unwanted_code, with_source("%run helper.py")),
    (has_no_unwanted_code, with_source("open('/home/me/mnist')")),
    (has_no_unwanted_code, with_source('open("C:\\\\mnist")')),
    (has_no_unwanted_code, with_source("MNIST('data', download=True)")),
    (has_no_unwanted_code, with_source("%pip install digitlab")),
    (has_no_unwanted_code, with_source("!ls")),
    (has_no_unwanted_code, with_source("from digitlab.show.figure import canvas")),
    (names_only_what_is_public, with_source("dl.canvas(None, (7, 3))")),
    (is_one_clean_run, lambda n: n.cells[2].update(execution_count=None)),
    (is_one_clean_run, lambda n: n.cells[2].update(execution_count=7)),
    (ran_without_errors_and_warnings, with_output("error", ename="ValueError")),
    (ran_without_errors_and_warnings, with_output("stream", name="stderr", text="deprecated")),
    (stores_no_widgets, with_output("display_data", data={WIDGET_VIEW: {"model_id": "1"}})),
    (stores_no_widgets, lambda n: n.metadata.update(widgets={})),
    (describes_every_figure, with_figure(image_png="eA==")),
    (describes_every_figure, with_figure(**{"image/svg+xml": "<svg/>"})),
    (describes_every_figure, with_figure(text_html='<img alt="digits" src="x">')),
    (describes_every_figure, with_figure(text_html='<img src="x">')),
    (is_smaller_than_1500_kb, with_output("stream", text="x" * 1_500_000)),
    (ends_in_one_result_of_one_line, lambda n: tag(n.cells[2], "result")),
    (ends_in_one_result_of_one_line, lambda n: n.cells[3].metadata.clear()),
    (ends_in_one_result_of_one_line, lambda n: n.cells[3].outputs.clear()),
    (ends_in_one_result_of_one_line, lambda n: n.cells[3].outputs[0].update(text="1\n2\n")),
    (folds_what_only_proves, lambda n: tag(n.cells[1], "proof")),
    (folds_what_only_proves, lambda n: n.cells[1].metadata.update(jupyter={"source_hidden": True})),
    (is_compared_by_half_or_more, lambda n: [tag(c, "nbval-skip") for c in n.cells]),
    (is_compared_by_half_or_more, lambda n: [c.update(source="# NBVAL_SKIP") for c in n.cells]),
]
RULES = list(dict.fromkeys(rule for rule, _ in WAYS_TO_BREAK))


@cache
def stored(path):
    return nbformat.read(path, as_version=nbformat.NO_CONVERT)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_each_notebook(path, rule):
    rule(stored(path))


@pytest.mark.parametrize(("rule", "spoil"), WAYS_TO_BREAK)
def test_a_good_notebook_keeps_the_rule_and_a_spoiled_one_breaks_it(rule, spoil):
    notebook = good()
    rule(notebook)
    spoil(notebook)
    with pytest.raises((AssertionError, nbformat.ValidationError)):
        rule(notebook)
