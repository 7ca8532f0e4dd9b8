"""The widgets in a real JupyterLab: every control by mouse and by keyboard."""

from __future__ import annotations

import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import expect

from tools.notebooks import clean

START = """
import digitlab as dl
from digitlab.widgets.augmenting import AugmentExplorer
from digitlab.widgets.confusion import ConfusionExplorer
from digitlab.widgets.layers import LayerExplorer
from digitlab.widgets.samples import SampleBrowser
from digitlab.widgets.training import TrainingDesk
digits, model = dl.load("optdigits"), dl.pretrained()
result = dl.evaluate(model, digits.test)
"""
CELLS = {
    "samples": "SampleBrowser(digits.test)",
    "confusion": "ConfusionExplorer(digits.test, result)",
    "layers": "LayerExplorer(model, digits.test[:40])",
    "augment": "AugmentExplorer(digits.test)",
    "desk": "desk = TrainingDesk(digits)\ndesk",
}
LAST = "print(desk.pause.description, 6 * 7)"
CONTROLS = {
    "samples": ["Digit", "Page", "Enlarge"],
    "confusion": ["True class", "Read as", "Show", "Order", "Page"],
    "layers": ["Position", "Layer", "Input channel"],
    "augment": ["shift", "rotate", "scale", "shear", "elastic", "stroke", "erase"],
    "desk": ["Recipe", "Learning rate", "Batch size", "Epochs"],
}
ALL = [(widget, control) for widget, names in CONTROLS.items() for control in names]
FIRST = {  # another choice that gives the control something to do
    ("confusion", "Page"): ("Read as", "all"),
    ("layers", "Input channel"): ("Layer", "layers.4: Conv2d"),
}
BUTTONS = {"augment": ["Draw again"], "desk": ["Start"]}  # that are not switched off
NAME = """() => {
  const e = document.activeElement;
  return e.labels?.[0]?.innerText.trim() || e.innerText;
}"""
ACTIVE_CELL = "() => jupyterapp.shell.currentWidget.content.activeCellIndex"
RUN_LAST = """() => {
  const { content } = jupyterapp.shell.currentWidget;
  content.activeCellIndex = content.widgets.length - 1;
  return jupyterapp.commands.execute('notebook:run-cell');
}"""


class Shown:
    """One widget in a page: its controls, and what it shows."""

    def __init__(self, page, name):
        self.page = page
        self.name = name
        outputs = page.locator(".jp-OutputArea-output:has(> .widget-vbox)")
        self.whole = outputs.nth([*CELLS].index(name))

    def control(self, name):
        return self.whole.get_by_label(name, exact=True)

    def button(self, name):
        return self.whole.get_by_role("button", name=name, exact=True)

    def texts(self):
        """Return what the figures show, in words, and the other sentences."""
        found = self.whole.locator("img, [role=img], p, code").evaluate_all(
            "all => all.map(one => one.alt || one.ariaLabel || one.innerText)"
        )
        return "\n".join(found)

    def texts_when(self, true):
        """Return the texts as soon as they fit."""
        for _ in range(200):
            if true(texts := self.texts()):
                return texts
            self.page.wait_for_timeout(50)
        raise AssertionError(texts)

    def says(self, pattern):
        return self.texts_when(lambda texts: re.search(pattern, texts))


@pytest.fixture(scope="module")
def log():
    """Collect what a page must not do."""
    return []


@pytest.fixture(scope="module")
def opened(lab, log):
    cells = [START, *CELLS.values(), LAST]
    with lab.open(new_notebook(cells=[new_code_cell(cell) for cell in cells])) as opened:
        page = opened.page
        page.set_default_timeout(10_000)
        page.on("console", lambda m: log.append(m.text) if m.type == "error" else None)
        page.on("request", lambda r: None if is_local(r.url) else log.append(r.url))
        opened.run_all()
        Shown(page, "desk").says("nothing is trained yet")
        yield opened


@pytest.fixture(scope="module")
def live(opened):
    return opened.page


def is_local(address):
    return address.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:"))


# --- Controls ---------------------------------------------------------------------------------


@pytest.fixture
def moved(live, request):
    """Return a widget and one of its controls, and put all back after the test."""
    name, control_name = request.param
    widget = Shown(live, name)
    before = widget.texts()
    choice, value = FIRST.get(request.param, (control_name, None))
    old = widget.control(choice).input_value()
    if value:
        widget.control(choice).select_option(value)
        widget.texts_when(lambda texts: texts != before)
    yield widget, widget.control(control_name)
    set_to(widget.control(choice), old)
    for _ in range(2):  # once may be too early: the kernel can have more to do
        widget.texts_when(lambda texts: texts == before)
        live.wait_for_timeout(200)


def set_to(control, value):
    slider = control.get_attribute("type") == "range"
    control.fill(value) if slider else control.select_option(value)


def values_of(control):
    return control.locator("option").all_inner_texts()


@pytest.mark.parametrize("moved", ALL, indirect=True, ids=str)
def test_each_control_moves_by_keyboard_over_its_range(live, moved):
    widget, control = moved
    before, start = widget.texts(), control.input_value()
    control.focus()
    cell = live.evaluate(ACTIVE_CELL)
    control.press("Home")
    if control.get_attribute("type") == "range":
        low, high, step = (float(control.get_attribute(name)) for name in ("min", "max", "step"))
        found = [control.input_value()]
        for key in ("ArrowRight", "End", "ArrowLeft"):
            control.press(key)
            found.append(control.input_value())
        assert [*map(float, found)] == pytest.approx([low, low + step, high, high - step])
    else:
        found = [control.input_value()]
        for _ in values_of(control)[1:]:
            control.press("ArrowDown")
            found.append(control.input_value())
        assert found == values_of(control)
    if widget.name != "desk" and found[-1] != start:
        widget.texts_when(lambda texts: texts != before)
    assert live.evaluate(ACTIVE_CELL) == cell, "the keys moved through the notebook, too"


@pytest.mark.parametrize("moved", ALL, indirect=True, ids=str)
def test_each_control_moves_by_mouse_to_both_ends(live, moved):
    widget, control = moved
    before, start = widget.texts(), control.input_value()
    slider = control.get_attribute("type") == "range"
    for end in ("max", "min"):
        if slider:
            box = control.bounding_box()
            x = 2 if end == "min" else box["width"] - 2
            live.mouse.click(box["x"] + x, box["y"] + box["height"] / 2)
            assert float(control.input_value()) == float(control.get_attribute(end))
        else:
            control.click()
            live.keyboard.press("Home" if end == "min" else "End")
            live.keyboard.press("Enter")
            assert control.input_value() == values_of(control)[0 if end == "min" else -1]
        if widget.name != "desk" and control.input_value() != start:
            widget.texts_when(lambda texts: texts != before)


def test_a_recipe_brings_its_settings(live):
    desk = Shown(live, "desk")
    desk.control("Recipe").select_option("lenet-sgd")
    rate = desk.control("Learning rate")
    for _ in range(100):
        if rate.input_value() == "0.05":
            break
        live.wait_for_timeout(50)
    assert (rate.input_value(), desk.control("Batch size").input_value()) == ("0.05", "64")
    desk.control("Recipe").select_option("fast")


def test_draw_again_changes_the_figure_by_mouse_and_by_keyboard(live):
    augment = Shown(live, "augment")
    image, button = augment.whole.locator("img"), augment.button("Draw again")
    seen = {image.get_attribute("src")}
    for draw in (button.click, lambda: button.press("Enter"), lambda: button.press("Space")):
        draw()
        for _ in range(100):
            if image.get_attribute("src") not in seen:
                break
            live.wait_for_timeout(50)
        seen.add(image.get_attribute("src"))
    assert len(seen) == 4


# --- Training ---------------------------------------------------------------------------------


def output_of_last(live):
    """Run the last cell, and return what it prints."""
    output = live.locator(".jp-Cell").last.locator(".jp-OutputArea-output")
    live.evaluate(RUN_LAST)
    return output.inner_text().strip()


def test_a_training_starts_pauses_goes_on_and_stops_while_cells_run(live):
    desk = Shown(live, "desk")
    desk.control("Recipe").select_option("best")  # which takes long enough to be stopped
    expect(desk.control("Batch size")).to_have_value("128")
    desk.button("Start").click()
    desk.says(r"Training: epoch 1 of \d+, batch \d+ of \d+, loss \d")
    assert desk.control("Recipe").is_disabled()
    assert output_of_last(live) == "Pause 42"
    desk.says("Training: epoch")
    desk.button("Pause").press("Space")
    desk.says(r"Paused: epoch \d+ of")
    assert output_of_last(live) == "Go on 42"
    paused = desk.texts()
    live.wait_for_timeout(500)
    assert desk.texts() == paused
    desk.button("Go on").press("Enter")
    desk.says("Training: epoch")
    desk.says("validation accuracy after epoch 1")
    desk.button("Stop").click()
    stopped = desk.says(
        r"Training stopped in epoch \d+ of \d+, batch \d+ .*what was learned is kept"
    )
    assert re.search(r"Training over \d+ epochs, \d+\.\d\d done: training loss \d", stopped)
    expect(desk.button("Stop")).to_be_disabled()  # the buttons follow what is said
    expect(desk.button("Start")).to_be_enabled()


# --- For everybody ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", CELLS)
def test_tab_goes_through_all_controls_in_order(live, name):
    expected = [c for c in CONTROLS[name] if (name, c) != ("layers", "Input channel")]
    expected += BUTTONS.get(name, [])
    Shown(live, name).control(expected[0]).focus()
    order = [live.evaluate(NAME)]
    for _ in expected[1:]:
        live.keyboard.press("Tab")
        order.append(live.evaluate(NAME))
    assert order == expected


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_axe_finds_nothing_wrong(opened, theme):
    from axe_playwright_python.sync_playwright import Axe

    opened.theme(theme)
    found = Axe().run(opened.page, context=".jp-OutputArea-output").response
    assert found["passes"], "axe looked at nothing"
    assert [(v["id"], [n["html"] for n in v["nodes"]]) for v in found["violations"]] == []


def test_nothing_is_wider_than_a_narrow_notebook(live):
    live.set_viewport_size({"width": 1030, "height": 5000})  # 600 pixels for an output
    live.wait_for_timeout(1000)
    widths = [
        Shown(live, name).whole.evaluate("e => [e.clientWidth, e.scrollWidth]") for name in CELLS
    ]
    live.set_viewport_size({"width": 1200, "height": 5000})
    assert all(needed <= width < 620 for width, needed in widths)


def test_nothing_went_wrong_and_nothing_left_the_machine(live, log):
    assert log == []
    assert live.locator("[data-mime-type*=error], [data-mime-type*=stderr]").count() == 0


# --- Without a kernel -------------------------------------------------------------------------


def test_a_saved_and_cleaned_notebook_shows_figures_with_text_before_it_runs(lab, opened):
    opened.save()
    notebook = nbformat.read(opened.path, as_version=4)
    clean(notebook)  # as `make outputs` does: JupyterLab looks for a live widget where it can
    with lab.open(notebook) as reopened:
        images = reopened.page.locator(".jp-OutputArea-output img")
        images.nth(len(CELLS) - 1).wait_for()
        texts = images.evaluate_all("images => images.map(image => image.alt)")
        assert reopened.page.locator(".jupyter-widgets").count() == 0
    starts = ("Sample browser. Digits 1 to 30 of", "Confusion explorer. Confusion matrix: ")
    starts += ("Layer layers.1. Position 0, a ", "dl.Augment(shift=2.0, rotate=15.0). Augm")
    starts += ("Training over ",)
    assert len(texts) == len(starts)
    assert all(text.startswith(start) for text, start in zip(texts, starts, strict=True))
