"""A solved notebook has the references in the place of the stubs, and fails where one is wrong."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from digitlab.exercises import course
from tools import notebooks, solved


def exercise():
    return next(e for e in course.exercises()["01"] if e.name == "shift_right")


def lesson(code):
    cells = [new_code_cell(x) for x in ("import torch\nimport digitlab as dl", *code)]
    return new_notebook(cells=cells)


def test_a_stub_becomes_the_solution_and_its_check_must_be_right(tmp_path):
    notebook = lesson([f"n = 3\n{exercise().stub}", "dl.check(shift_right)"])
    solved.solve(notebook, "01")
    assert notebook.cells[1].source == f"n = 3\n{exercise().solution}"
    assert notebook.cells[2].source.startswith("note = dl.check(shift_right)\nassert note.state")
    assert notebooks.execute(notebook, tmp_path, notebooks.environment("optdigits")) == ""


def test_a_check_that_is_not_right_fails(tmp_path):
    notebook = lesson(["def shift_right(image, n): return image", "dl.check(shift_right)"])
    solved.solve(notebook, "01")
    failed = notebooks.execute(notebook, tmp_path, notebooks.environment("optdigits"))
    assert "AssertionError: shift_right: " in failed


def test_the_copy_lies_in_the_build_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nbformat.write(lesson([exercise().stub]), "01_x.ipynb")
    copy = notebooks.solved(tmp_path / "01_x.ipynb")
    assert copy.parts == ("build", "solved", "01_x.ipynb")
    assert exercise().solution in nbformat.read(copy, as_version=4).cells[1].source


@pytest.mark.parametrize(
    ("call", "name"),
    [("dl.check(f)", "f"), ('dl.check(best, "best", losses=losses)', "best")],
)
def test_the_name_of_what_is_checked_is_told(call, name):
    assert solved._first_name(call) == name
