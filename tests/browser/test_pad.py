"""The drawing pad in a real JupyterLab, and alone on its own page."""

from __future__ import annotations

import statistics
import time

import numpy as np
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from digitlab.reading.steps import STEPS
from studies.bench_draw import WATCH, pad_server

SWITCHES = [name for name, step in STEPS.items() if step.optional]
CELLS = (
    "from digitlab.widgets.pad import DigitPad\nDigitPad()",
    "import numpy as np\nother = DigitPad()\nother",
    "one = np.full((100, 100), 255, np.uint8)\none[15:85, 46:54] = 0\nother.image = one",
)
SEVEN = ((70, 70), (200, 70), (130, 220))
# What is on the paper: the share of dark pixels
INK = """canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return data.filter((value, i) => i % 4 === 0 && value < 128).length / (data.length / 4);
}"""
ACTIVE_CELL = "() => jupyterapp.shell.currentWidget.content.activeCellIndex"
NAME = """() => {
  const e = document.activeElement;
  return e.ariaLabel ?? e.labels?.[0]?.innerText.trim() ?? e.innerText;
}"""


class Pad:
    """One pad in a page: what a hand does on it, and what it shows."""

    def __init__(self, page, number=0):
        self.page = page
        self.whole = page.locator(".digit-pad").nth(number)
        self.steps = page.locator(".digit-steps").nth(number)
        self.canvas = self.whole.locator("canvas")
        self.message = self.whole.locator(".message")

    def at(self, point):
        box = self.canvas.bounding_box()
        return box["x"] + point[0], box["y"] + point[1]

    def line(self, *points):
        self.page.mouse.move(*self.at(points[0]))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.at(point), steps=6)
        self.page.mouse.up()

    def keys(self, *names):
        for name in names:
            self.page.keyboard.press(name)

    def press(self, name):
        self.whole.get_by_role("button", name=name).click()

    def says(self, start):
        """Wait for the message; return it when it has not changed for a while."""
        texts = [""]
        while len(texts) < 4 or len(set(texts[-4:])) > 1:
            self.message.filter(has_text=start).wait_for()
            texts.append(self.message.inner_text())
            self.page.wait_for_timeout(100)
        return texts[-1]

    def ink(self):
        return self.canvas.evaluate(INK)

    def clear(self):
        self.press("Clear")
        self.says("The pad is empty")


@pytest.fixture(scope="module")
def log():
    """Collect what a page must not do."""
    return []


@pytest.fixture(scope="module")
def live(lab, log):
    """Run a notebook with two pads; the second one shows a picture from Python."""
    with lab.open(new_notebook(cells=[new_code_cell(source) for source in CELLS])) as opened:
        opened.page.set_default_timeout(10_000)
        watch(opened.page, log)
        opened.run_all()
        Pad(opened.page, 1).says("1: ")
        yield opened.page


def watch(page, log):
    page.on("console", lambda m: log.append(m.text) if m.type == "error" else None)
    page.on("request", lambda r: None if is_local(r.url) else log.append(r.url))


def is_local(address):
    return address.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:"))


@pytest.fixture
def pad(live):
    pad = Pad(live)
    yield pad
    pad.clear()


# --- Drawing --------------------------------------------------------------------------------------


def test_an_untouched_pad_shows_and_reads_its_example(live):
    pad = Pad(live)
    pad.says("7: ")
    assert pad.ink() > 0.02


def test_the_first_line_takes_the_place_of_the_example(live):
    pad = Pad(live)
    pad.line((140, 50), (140, 230))
    pad.says("1: ")
    pad.press("Undo")
    pad.says("The pad is empty")
    pad.press("Undo")
    pad.says("7: ")


def test_a_seven_drawn_with_the_mouse_is_read(pad):
    pad.clear()
    pad.line(*SEVEN)
    text = pad.says("7: ")
    best, second = pad.whole.locator("li.best"), pad.whole.locator("li.second")
    assert best.inner_text().split()[0] == "7"
    assert f"second best {second.inner_text().split()[0]}: " in text


def test_a_seven_drawn_by_keyboard_is_read(pad):
    pad.clear()
    pad.canvas.focus()
    cell = pad.page.evaluate(ACTIVE_CELL)
    pad.keys(*["ArrowLeft"] * 7, "Space", *["ArrowRight"] * 13, "Shift+ArrowRight")
    pad.page.keyboard.down("ArrowLeft")  # two keys at once go diagonally
    pad.keys(*["ArrowDown"] * 7)
    pad.page.keyboard.up("ArrowLeft")
    pad.keys(*["ArrowDown"] * 7)
    assert pad.whole.get_by_role("status").inner_text() == "The pen is down."
    pad.keys("Enter")
    pad.says("7: ")
    assert pad.whole.get_by_role("status").inner_text() == "The pen is up."
    assert pad.page.evaluate(ACTIVE_CELL) == cell, "the keys moved through the notebook, too"


def test_a_finger_draws_and_does_not_scroll(pad):
    pad.clear()
    page = pad.page
    devices = page.context.new_cdp_session(page)

    def touch(kind, *points):
        fingers = [dict(zip("xy", pad.at(point), strict=True)) for point in points]
        devices.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

    scrolled = page.evaluate("window.scrollY")
    touch("touchStart", (140, 40))
    for y in range(50, 240, 10):
        touch("touchMove", (140, y))
    touch("touchEnd")
    pad.says("1: ")
    assert page.evaluate("window.scrollY") == scrolled


def test_undo_takes_back_one_line_after_the_other(pad):
    pad.clear()
    pad.line((140, 40), (140, 240))
    one = pad.says("1: ")
    ink = pad.ink()
    pad.line((60, 40), (220, 240))
    pad.message.filter(has_not_text=one).wait_for()
    pad.press("Undo")
    assert pad.says("1: ") == one
    assert pad.ink() == ink
    pad.press("Undo")
    pad.says("The pad is empty")
    pad.press("Undo")  # the clearing


def test_the_eraser_takes_ink_away(pad):
    pad.clear()
    eraser = pad.whole.get_by_role("button", name="Eraser")
    pad.line((140, 40), (140, 240))
    pad.says("1: ")
    eraser.press("Space")
    assert eraser.get_attribute("aria-pressed") == "true"
    pad.line((140, 40), (140, 240))
    pad.says("The pad is empty")
    eraser.click()
    assert eraser.get_attribute("aria-pressed") == "false"


def test_the_pen_can_be_thin_and_thick(pad):
    width = pad.whole.get_by_label("Pen width")
    box = width.bounding_box()
    dots = []
    for place in (2, box["width"] - 2):
        pad.page.mouse.click(box["x"] + place, box["y"] + box["height"] / 2)
        pad.clear()
        pad.line((140, 140), (140, 140))
        dots.append(pad.ink())
    assert width.input_value() == "40"
    assert dots[1] > 30 * dots[0] > 0  # as 40 * 40 to 6 * 6
    for key, value in (("Home", "6"), ("ArrowRight", "8"), ("End", "40"), ("ArrowLeft", "38")):
        width.press(key)
        assert width.input_value() == value
    width.fill("20")


def test_an_image_from_python_appears_and_can_be_drawn_on(live):
    other = Pad(live, 1)
    one = other.ink()
    assert one == pytest.approx(0.056, abs=0.01)
    other.line((60, 60), (220, 60))
    assert other.ink() > one
    other.press("Undo")
    assert other.ink() == one


# --- Steps ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SWITCHES)
def test_each_step_is_switched_by_mouse_and_by_keyboard(live, name):
    other = Pad(live, 1)
    column = other.steps.locator(".widget-vbox").filter(has=live.get_by_label(name, exact=True))
    box, left_out = column.get_by_role("checkbox"), column.get_by_text("left out")
    on = STEPS[name].usual
    for switch in (box.click, lambda: box.press("Space")):
        assert box.is_checked() == on
        switch()
        on = not on
        if STEPS[name].without is None:  # nothing stands in its place
            left_out.wait_for(state="detached" if on else "visible")
    assert box.is_checked() == on == STEPS[name].usual


def test_the_steps_are_shown_with_text(live):
    texts = Pad(live, 1).steps.locator("img").evaluate_all("all => all.map(one => one.alt)")
    assert texts[-1] == "28 x 28: 28 x 28 pixels"
    assert len(texts) >= sum(step.usual for step in STEPS.values())


# --- For everybody --------------------------------------------------------------------------------


def test_tab_goes_through_all_controls_in_order(live):
    Pad(live).canvas.focus()
    order = [live.evaluate(NAME)]
    boxes = Pad(live).steps.locator("input")
    for _ in range(4 + boxes.count()):
        live.keyboard.press("Tab")
        order.append(live.evaluate(NAME))
    assert order[:5] == ["Drawing pad", "Undo", "Clear", "Eraser", "Pen width"]
    assert sorted(order[5:]) == sorted(SWITCHES)


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_axe_finds_nothing_wrong(live, theme):
    live.evaluate(f"jupyterapp.commands.execute('apputils:change-theme', {{theme: '{theme}'}})")
    live.locator(f"[data-jp-theme-name='{theme}']").wait_for(state="attached")
    live.locator("#jupyterlab-splash").wait_for(state="detached")
    assert violations(live, ".jp-OutputArea-output") == []


def violations(page, where=None):
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, context=where).response
    assert found["passes"], "axe looked at nothing"
    return [(v["id"], [node["html"] for node in v["nodes"]]) for v in found["violations"]]


def test_the_bars_follow_the_pen_up_quickly(pad):
    pad.page.evaluate(WATCH)
    for x in range(40, 240, 20):
        pad.clear()
        pad.line((x, 40), (140, 220))
        pad.page.wait_for_timeout(400)
    waits = pad.page.evaluate("waits")[1::2]  # each line came after a click on Clear
    assert len(waits) == 10
    assert np.isfinite(waits).all()
    assert statistics.median(waits) < 200  # 50 on a quiet machine, which a test cannot have


def test_nothing_went_wrong_and_nothing_left_the_machine(live, log):
    assert log == []
    assert live.locator("[data-mime-type*=error], [data-mime-type*=stderr]").count() == 0


# --- Alone ----------------------------------------------------------------------------------------


def test_the_page_of_digitlab_draw_reads_a_seven(lab):
    log = []
    with pad_server() as (_, address), lab.page() as page:
        watch(page, log)
        page.goto(address)
        pad = Pad(page)
        pad.says("7: ")
        pad.clear()
        pad.line(*SEVEN)
        pad.says("7: ")
        pad.steps.get_by_label("no lines").click()
        pad.steps.get_by_text("left out").nth(1).wait_for()
        assert page.title() == "Draw a digit"
        assert violations(page) == []
        assert log == []


def test_ten_reloads_leave_one_kernel_that_waits(lab):
    with pad_server() as (server, address):
        process = psutil.Process(server.pid)
        kernels, memory = [], []
        with lab.page() as page:
            page.goto(address)
            for _ in range(10):
                Pad(page).says("7: ")
                kernels.append(settled(process, 2))
                memory.append(sum(each.memory_info().rss for each in process.children()))
                page.reload()
            Pad(page).says("7: ")
            page.goto("about:blank")  # away, as when a tab is closed
            kernels.append(settled(process, 1))
    assert kernels == [2] * 10 + [1]
    assert max(memory) < 2 * 10**9  # two kernels of about 700 MB each


def settled(process, number):
    """Wait until a server has so many kernels; return how many it has."""
    end = time.monotonic() + 90
    while (found := len(process.children())) != number and time.monotonic() < end:
        time.sleep(0.1)
    return found
