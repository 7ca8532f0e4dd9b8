"""Digits that several test modules share: drawn ones, the embedded ones, and MNIST where it is."""

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from digitlab import idx
from digitlab.data import Digits, Split, load


def strokes(n: int, seed: int) -> Split:
    """Draw pictures of three random strokes each; the labels go round the ten classes."""
    rng = np.random.default_rng(seed)
    images = []
    for points in rng.integers(4, 24, (n, 4, 2)):
        picture = Image.new("L", (28, 28))
        ImageDraw.Draw(picture).line([tuple(map(int, p)) for p in points], fill=255, width=2)
        images.append(np.asarray(picture))
    return Split(torch.from_numpy(np.stack(images)), torch.arange(n) % 10)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Small batches gain nothing from a second thread, and lose much where another test has it."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def own_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep what a test does as a learner in a file of its own."""
    path = tmp_path / "kept" / "progress.json"
    monkeypatch.setenv("DIGITLAB_PROGRESS", str(path))
    monkeypatch.setattr("digitlab.exercises.memory._unkept", [])
    return path


class InterruptAt:
    """Leave the pixels as they are, and press Ctrl-C at one of the batches."""

    def __init__(self, batch: int) -> None:
        self.batches_left = batch + 1  # one batch is looked at before the first step

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        self.batches_left -= 1
        if self.batches_left == 0:
            raise KeyboardInterrupt
        return images


@pytest.fixture
def interrupt_at() -> type[InterruptAt]:
    return InterruptAt


@pytest.fixture
def tiny() -> Split:
    """Return 40 pictures of random strokes, four of each class."""
    return strokes(40, seed=0)


@pytest.fixture(scope="session")
def optdigits() -> Digits:
    return load("optdigits")


@pytest.fixture(scope="session")
def mnist() -> Digits:
    """Return the real MNIST, where it is at hand without downloading."""
    if idx.find("mnist") is None:
        pytest.skip("MNIST is not at hand: set DIGITLAB_DATA to a folder with its files")
    return load("mnist")


@pytest.fixture(scope="session")
def handwriting() -> Digits:
    """Return MNIST where it is at hand, else the embedded digits: written by people, both."""
    return load("mnist" if idx.find("mnist") else "optdigits")


# --- Graphs -------------------------------------------------------------------------------------

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="session")
def svg_parts() -> Callable[[str], tuple[dict[str, str], list[tuple[str, str, str]]]]:
    """Return a reader of what Graphviz drew, as `graph_parts` reads what it was told to draw."""

    def parts(text: str) -> tuple[dict[str, str], list[tuple[str, str, str]]]:
        nodes, edges = {}, []
        for group in ElementTree.fromstring(text).iter(f"{SVG}g"):
            name, _, head = group.findtext(f"{SVG}title", "").partition("->")
            label = "\n".join(element.text or "" for element in group.iter(f"{SVG}text")).strip()
            if group.get("class") == "node":
                nodes[name] = label
            elif group.get("class") == "edge":
                edges.append((name, head, label))
        return nodes, sorted(edges)

    return parts
