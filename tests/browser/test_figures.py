"""Figures carry their alternative texts into a page: live, reopened and exported."""

from __future__ import annotations

import io

import nbformat
import numpy as np
import pytest
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image

START = """
import torch, digitlab as dl
digits = dl.load("optdigits").valid
model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
history = dl.History([0.9, 0.4], [0.7, 0.9], [0.5, 0.3], [0.8, 0.9], [0.1, 0.1], [1.0, 1.0])
logits = torch.eye(10)[(digits.labels + (digits.labels == 4)) % 10]
result = dl.Result(logits, digits.labels, loss=0.1, accuracy=0.9)
"""
FIGURES = (
    "dl.plot_digits(digits, n=20)",
    """dl.plot_digits(digits[:3], titles=["<b>", "'7' & \\"9\\"", "4→9 ≠ &amp;"])""",
    "dl.plot_history(history)",
    "dl.plot_confusion(result)",
    "dl.draw_blocks(model)",
    "dl.draw_graph(model)",
    "dl.draw_graph(model, 'autograd')",
)
WIDTH_WHEN_LOADED = "image => image.decode().then(() => image.naturalWidth)"


@pytest.fixture(scope="module")
def texts():
    """Return the alternative text of each figure."""
    names = {}
    exec(START, names)
    return [eval(source, names).alt for source in FIGURES]


@pytest.fixture(scope="module")
def live(lab, texts):
    """Run a notebook that draws each figure of `texts`, and save it."""
    notebook = new_notebook(cells=[new_code_cell(source) for source in (START, *FIGURES)])
    with lab.open(notebook) as opened:
        opened.run_all()
        opened.save()
        yield opened


def texts_in(page):
    """Return the alternative texts of all figures in a page, having seen each of them."""
    images = page.locator(".jp-OutputArea-output img")
    images.nth(len(FIGURES) - 1).wait_for()
    for image in images.all():
        assert image.is_visible()
        assert image.evaluate(WIDTH_WHEN_LOADED) > 0
    return images.evaluate_all("images => images.map(image => image.alt)")


def test_a_live_notebook_shows_each_figure_with_its_text(live, texts):
    assert texts_in(live.page) == texts
    assert live.page.locator("[data-mime-type*=error], [data-mime-type*=stderr]").count() == 0


def test_a_saved_notebook_shows_them_before_it_runs_one_from_somebody_else_too(lab, live, texts):
    with lab.open(live.path) as reopened:
        assert texts_in(reopened.page) == texts
    notebook = nbformat.read(live.path, as_version=4)
    notebook.metadata["title"] = "not what was signed here, so that its HTML is not trusted"
    with lab.open(notebook) as opened:
        assert texts_in(opened.page) == texts


def test_the_exported_page_shows_them(lab, live, texts):
    exported = live.path.with_suffix(".html")
    exported.write_text(HTMLExporter().from_filename(live.path)[0], encoding="utf-8")
    with lab.page() as page:
        page.goto(exported.as_uri())
        assert texts_in(page) == texts


@pytest.fixture
def dark(live):
    """Change the running JupyterLab to its dark theme until the end."""
    live.theme("JupyterLab Dark")
    yield live.page
    live.theme("JupyterLab Light")


def test_figures_stay_on_white_in_the_dark_theme(dark):
    outputs = dark.locator(".jp-OutputArea-output:has(img)").all()
    assert len(outputs) == len(FIGURES)
    for output in outputs:
        with Image.open(io.BytesIO(output.screenshot())) as image:
            pixels = np.asarray(image.convert("L"))  # from the figure to the page on its right
        assert np.median(pixels[:, 3]) == 255
        assert pixels[:, -3].max() < 50
