"""How quickly the drawing pad answers: in Python alone, and in a browser."""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from digitlab.data import load
from digitlab.reading.steps import digitize

BROWSERS = ("chromium", "google-chrome", "chromium-browser")
# Milliseconds from each pen-up to the last change of the bars before the next line
WATCH = """() => {
  window.waits = [];
  const pad = document.querySelector(".digit-pad"), bars = pad.querySelector("ul");
  let up = null;
  pad.addEventListener("pointerdown", () => { up = null; }, true);
  pad.addEventListener("pointerup", () => { up = performance.now(); waits.push(NaN); }, true);
  new MutationObserver(() => {
    if (up !== null) waits[waits.length - 1] = performance.now() - up;
  }).observe(bars, { subtree: true, childList: true, attributes: true });
}"""


def bench_draw(repeats: int = 50) -> dict[str, Any]:
    """Time the drawing pad: milliseconds, those of the browser None where there is none."""
    from digitlab.widgets.pad import DigitPad

    pad, drawings = DigitPad(), []
    for image in load("optdigits").test.images[: repeats + 1].numpy():
        pad.image = image
        drawings.append(pad.image)

    def draw(drawing: np.ndarray) -> None:
        pad.drawing.set_state({"pixels": memoryview(drawing.tobytes())})

    answers = _milliseconds(draw, drawings)
    pictures = [Image.fromarray(drawing) for drawing in drawings]
    cleaned = _milliseconds(digitize, pictures)
    with TemporaryDirectory() as folder:
        photo = _photo(Path(folder), drawings[0])
        photos = _milliseconds(digitize, [photo] * 6)
    return {
        "bench": "draw",
        "repeats": repeats,
        "pixels_to_bars_ms": _summary(answers),
        "digitize_drawing_ms": _summary(cleaned),
        "digitize_12_megapixels_ms": _summary(photos),
        **_in_browser(),
    }


def _milliseconds(work: Callable[[Any], object], inputs: list[Any]) -> list[float]:
    """Return how long each input took, the first one left out."""
    times = []
    for each in inputs:
        start = time.perf_counter()
        work(each)
        times.append(1000 * (time.perf_counter() - start))
    return times[1:]


def _summary(times: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(times), 1), "worst": round(max(times), 1)}


def _photo(folder: Path, drawing: np.ndarray) -> Path:
    """Write a JPEG of 4000 x 3000 pixels: a drawing on paper in uneven light, with noise."""
    large = np.asarray(Image.fromarray(drawing).resize((3000, 3000)).convert("L"), np.float32)
    paper = np.pad(large, ((0, 0), (500, 500)), constant_values=255)
    light = np.linspace(0.5, 0.9, paper.shape[1], dtype=np.float32)
    noise = np.random.default_rng(0).standard_normal((750, 1000)).astype(np.float32)
    photo = paper * light + 4 * noise.repeat(4, axis=0).repeat(4, axis=1)
    path = folder / "photo.jpg"
    Image.fromarray(photo.clip(0, 255).astype(np.uint8)).convert("RGB").save(path, quality=90)
    return path


# --- In a browser ---------------------------------------------------------------------------------


@contextmanager
def pad_server(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `digitlab draw` in a process of its own; give it, and the address with the token."""
    usual = ("-m", "digitlab", "draw", "--no-browser", "--port", "0")
    command = [sys.executable, *(arguments or usual)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as server:
        assert server.stderr is not None
        try:
            said = server.stderr.readline() + server.stderr.readline()
            found = re.search(r"http://\S+", said)
            if found is None:
                raise RuntimeError(f"digitlab draw does not start: {said}{server.stderr.read()}")
            yield server, found[0]
        finally:
            server.terminate()


def _in_browser(n_lines: int = 20) -> dict[str, Any]:
    """Return the pad's first paint, and the time from each pen-up to the new bars."""
    browser_path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if find_spec("playwright") is None or browser_path is None:
        return {"first_paint_ms": None, "pen_up_to_bars_ms": None}
    from playwright.sync_api import sync_playwright

    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=browser_path) as browser,
        pad_server() as (_, address),
    ):
        page = browser.new_page()
        start = time.perf_counter()
        page.goto(address, wait_until="commit")
        page.locator(".digit-pad canvas").wait_for()
        painted = 1000 * (time.perf_counter() - start)
        page.evaluate(WATCH)
        box = page.locator(".digit-pad canvas").bounding_box()
        assert box is not None
        for line in range(n_lines):
            x, y = box["x"] + 60 + 8 * line, box["y"] + 60
            page.mouse.move(x, y)
            page.mouse.down()
            page.mouse.move(x - 20, y + 150, steps=10 + 3 * line)  # each takes longer
            page.mouse.up()
            page.wait_for_timeout(400)
        waits = page.evaluate("waits")
    return {"first_paint_ms": round(painted), "pen_up_to_bars_ms": _summary(waits)}
