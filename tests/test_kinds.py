"""The bench of reading: every kind of picture, every way, and a folder of one's own."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digitlab.data import Digits
from digitlab.measured import pretrained
from digitlab.reading.steps import SWITCHABLE
from studies.kinds import (
    ASIDE,
    KINDS,
    bench_reading,
    cleaned,
    labelled_folder,
    pictures,
)


@pytest.fixture
def folder(tmp_path: Path, optdigits: Digits) -> Path:
    lines = ["file,label"]
    for i in range(4):
        image, label = optdigits.test.images[i], int(optdigits.test.labels[i])
        Image.fromarray(255 - image.numpy()).save(tmp_path / f"{i}.png")
        lines.append(f"{i}.png,{label}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines), "utf-8")
    return tmp_path


def test_each_way_of_reading_gets_a_share(optdigits: Digits, folder: Path) -> None:
    facts = bench_reading(
        folder, model=pretrained(), split=optdigits.test, kinds=["inverted"], n=6, n_skipped=2
    )
    ways = ["usual", "digitize", *(f"without {step}" for step in SWITCHABLE)]
    assert list(facts["kinds"]["inverted"]) == ways
    assert all(0 <= share <= 1 for share in facts["kinds"]["inverted"].values())
    assert facts["folder"]["n"] == 4
    assert facts["folder"]["digitize"] >= 0.75


def test_a_folder_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no manifest.csv in this folder"):
        bench_reading(tmp_path, kinds=[], model=pretrained())


@pytest.mark.parametrize("lines", ["", "file,label", "name,digit\n0.png,4", "file,label\n9.png,4"])
def test_a_folder_with_wrong_labels_is_refused_before_the_long_work(
    lines: str, folder: Path
) -> None:
    (folder / "manifest.csv").write_text(lines, "utf-8")
    with pytest.raises(ValueError, match=r"each line of manifest\.csv"):
        bench_reading(folder, model=pretrained())


def test_labels_may_come_from_excel(folder: Path) -> None:
    manifest = folder / "manifest.csv"
    manifest.write_text(manifest.read_text("utf-8"), "utf-8-sig")
    assert len(labelled_folder(folder)[0]) == 4


@pytest.mark.parametrize("kind", [*KINDS, *ASIDE])
def test_each_kind_is_the_same_again_and_explained(kind: str, optdigits: Digits) -> None:
    first, again = (pictures(optdigits.test[:1], kind)[0] for _ in range(2))
    assert np.array_equal(np.asarray(first), np.asarray(again))
    assert min(first.size) > 3


def test_a_picture_without_a_digit_counts_as_a_mistake() -> None:
    assert cleaned(Image.new("L", (30, 30))) is None
