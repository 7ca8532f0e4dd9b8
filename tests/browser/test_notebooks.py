"""Every notebook that uses a widget of its own, run from top to bottom in a real JupyterLab."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from digitlab import _NAMES

WIDGETS = {
    name
    for module, names in _NAMES.items()
    if module.startswith("widgets.")
    for name in names.split()
    if name != "truth"
}
FORMS = {"guess", "quiz"}  # every notebook has them, and a test of their own
MADE = rf"\bdl\.({'|'.join(sorted(WIDGETS))})\("
EMBEDDED = "import os\n\nos.environ['DIGITLAB_DIGITS'] = 'optdigits'"  # seconds, not a minute
FOLDER = Path(__file__).parents[2] / "notebooks"


def widgets_in(path: Path) -> list[str]:
    """Return the names of the widgets that a notebook makes, from top to bottom."""
    notebook = nbformat.read(path, as_version=4)
    return [
        name
        for cell in notebook.cells
        if cell.cell_type == "code"
        for name in re.findall(MADE, cell.source)
    ]


PATHS = [path for path in sorted(FOLDER.glob("*.ipynb")) if {*widgets_in(path)} - FORMS]


def test_these_notebooks_use_widgets() -> None:
    numbers = [path.name.partition("_")[0] for path in PATHS]
    assert numbers == ["00", "02", "04", "06", "09", "10", "11", "12"]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_all_its_widgets_are_live(lab, path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(0, new_code_cell(EMBEDDED))
    log: list[str] = []
    with lab.open(notebook) as opened:
        page = opened.page
        page.on("console", lambda m: log.append(m.text) if m.type == "error" else None)
        page.on("request", lambda request: log.append(request.url))
        opened.run_all()
        live = page.locator(".jp-OutputArea-output > .widget-vbox")
        live.nth(len(widgets_in(path)) - 1).wait_for()
        assert live.count() == len(widgets_in(path))
        assert all(view.locator("input, button, select").count() >= 2 for view in live.all())
        assert page.locator("[data-mime-type*=error], [data-mime-type*=stderr]").count() == 0
    own = re.compile(rf"{re.escape(lab.server.address)}/|data:|blob:|ws:")
    assert [entry for entry in log if not own.match(entry)] == []
