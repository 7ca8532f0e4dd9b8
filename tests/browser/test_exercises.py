"""A learner at work in a real JupyterLab: wrong, a hint, mended; a guess; a quiz by keyboard."""

from __future__ import annotations

import pytest
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import expect

from digitlab.exercises import course

START = "import torch\nimport digitlab as dl\ndl.exercises.load('own.py')"
OWN = '''
from digitlab.exercises import Choice, Exercise, Number, Option, Wrong, real_digits


def inverted(images):
    """Return the pixels, uint8, with dark and bright exchanged."""
    return 255 - images


EXERCISES = (
    Exercise(
        reference=inverted,
        task="Exchange dark and bright.",
        objective="x",
        cases=lambda: {"three digits": (real_digits(3)[0],)},
        wrong=(Wrong(lambda images: 1 - images, "You took 1 for white; uint8 pixels go to 255."),),
        hints=("What is white?", "One subtraction.", "return ____ - images"),
        why="White is 255. So dark becomes bright.",
    ),
)
QUIZ = (
    Choice(
        name="own-white",
        text="What is white in uint8?",
        objective="x",
        options=(Option("1", "That is white for floats."), Option("255", "The largest byte.")),
        right=1,
    ),
    Number(
        name="own-black",
        text="And black?",
        objective="x",
        answer=lambda: 0,
        explanation="Nothing is there.",
    ),
)
'''
CELLS = [
    START,
    'dl.guess("own-x", "How bright is white?")',
    'dl.truth("own-x", 255)',
    "def inverted(images): return 1 - images",
    "dl.check(inverted)",
    'dl.hint("inverted")',
    "def inverted(images): return 255 - images",
    "dl.check(inverted)",
    'dl.solution("inverted")',
    'dl.quiz("own")',
    "dl.progress()",
]
RUN = """i => {
  const { content } = jupyterapp.shell.currentWidget;
  content.activeCellIndex = i;
  return jupyterapp.commands.execute('notebook:run-cell');
}"""


@pytest.fixture(scope="module")
def opened(lab):
    (lab.server.folder / "own.py").write_text(OWN)
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in CELLS])
    with lab.open(notebook) as opened:
        opened.page.set_default_timeout(20_000)
        opened.run_all()
        yield opened


@pytest.fixture(scope="module")
def page(opened):
    return opened.page


def cell(page, i):
    return page.locator(".jp-Notebook .jp-CodeCell").nth(i)


def test_a_wrong_answer_is_named_and_a_hint_and_a_mended_one_follow(page):
    wrong = cell(page, 4)
    expect(wrong).to_contain_text("✗ inverted: not right yet")
    expect(wrong).to_contain_text("You took 1 for white; uint8 pixels go to 255.")
    assert wrong.get_by_alt_text("got: a tensor (3, 28, 28) of uint8").count() == 3
    expect(cell(page, 5)).to_contain_text("What is white?")
    expect(cell(page, 7)).to_contain_text("✓ inverted: right")
    expect(cell(page, 8)).to_contain_text("▸     return 255 - images")


def test_a_guess_is_typed_and_stands_beside_the_truth(page):
    guess = cell(page, 1).locator("form")
    guess.get_by_role("textbox").fill("100")
    guess.get_by_role("textbox").press("Enter")
    expect(guess.get_by_role("status")).to_contain_text("Kept: 100. Go on and see.")
    page.evaluate(RUN, 2)
    expect(cell(page, 2)).to_contain_text("It is 255; you guessed 100, 2.55 times less.")


def test_a_quiz_is_answered_by_keyboard_alone(page):
    first, second = cell(page, 9).locator("form").all()
    first.get_by_role("radio").first.focus()
    before = page.evaluate("() => jupyterapp.shell.currentWidget.content.activeCellIndex")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(first.get_by_role("status")).to_contain_text("✗ Not quite. That is white for floats.")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(first.get_by_role("status")).to_contain_text("✓ Right. The largest byte.")
    page.keyboard.press("Tab")
    page.keyboard.type("0")
    page.keyboard.press("Enter")
    expect(second.get_by_role("status")).to_contain_text("✓ Right. Nothing is there.")
    expect(cell(page, 9)).to_contain_text("2 of 2 right so far")
    after = page.evaluate("() => jupyterapp.shell.currentWidget.content.activeCellIndex")
    assert after == before, "the keys moved through the notebook, too"


def test_progress_shows_it_all(page):
    page.evaluate(RUN, 10)
    row = cell(page, 10).get_by_role("row", name="own")
    expect(row).to_contain_text("✓")
    expect(row).to_contain_text("2 of 2")
    expect(row).to_contain_text("off by a factor of 2.55")


def test_progress_lists_every_notebook(page):
    for number in course.MODULES:
        assert cell(page, 10).get_by_role("cell", name=number, exact=True).count() >= 1


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_axe_finds_nothing_wrong(opened, theme):
    from axe_playwright_python.sync_playwright import Axe

    opened.theme(theme)
    found = Axe().run(opened.page, {"include": [".jp-OutputArea-output"]}).response
    assert found["passes"], "axe looked at nothing"
    assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == []
