"""The bench of reading: every kind of picture shows its digit, and each way is counted rightly."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from digitlab.data import Digits, Split
from digitlab.measured import pretrained, stored
from digitlab.reading.predict import predict
from studies import kinds
from studies.kinds import ASIDE, KINDS, accuracy, bench_reading, cleaned, labelled_folder, pictures


class Corner(nn.Module):
    """Read the digit that the first pixel names, times ten."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return nn.functional.one_hot((25.5 * images[:, 0, 0, 0]).round().long(), 10).float()


@pytest.fixture
def named() -> Split:
    """Return six digits, dark but for the first pixel, which names them: 1 to 6."""
    images = torch.zeros(6, 28, 28, dtype=torch.uint8)
    images[:, 0, 0] = 10 * torch.arange(1, 7)
    return Split(images, torch.arange(1, 7))


@pytest.fixture
def folder(tmp_path: Path, optdigits: Digits) -> Path:
    lines = ["file,label"]
    for i in range(4):
        image, label = optdigits.test.images[i], int(optdigits.test.labels[i])
        Image.fromarray(255 - image.numpy()).save(tmp_path / f"{i}.png")
        lines.append(f"{i}.png,{label}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines), "utf-8")
    return tmp_path


@pytest.fixture(scope="module")
def clear(optdigits: Digits) -> Split:
    """Return a 2 and a 3, read easily as they are."""
    split = optdigits.test
    sure = predict(pretrained(), list(split.images.numpy()))
    first = {
        p.digit: i
        for i, p in enumerate(sure)
        if p.digit == split.labels[i] and p.probability > 0.99
    }
    return split.pick(torch.tensor([first[digit] for digit in (2, 3)]))


@pytest.mark.parametrize("kind", [*KINDS, *ASIDE])
def test_each_kind_shows_its_digits_and_the_same_again(kind, clear):
    drawn, again = pictures(clear, kind), pictures(clear[:1], kind)
    assert np.array_equal(drawn[0], again[0])
    assert np.array_equal(drawn[0], clear.images[0]) == (kind == "MNIST")
    assert accuracy(pretrained(), [cleaned(p) for p in drawn], clear.labels.tolist()) == 1
    usual, said = (stored("reading")["kinds"][kind][way] for way in ("usual", "digitize"))
    assert usual <= said >= 0.95


def test_a_picture_without_a_digit_is_a_mistake(named):
    assert cleaned(Image.new("L", (30, 30))) is None
    pixels = [*named.images.numpy()[:3], None]
    assert accuracy(Corner(), pixels, [1, 2, 3, 0]) == 0.75
    assert accuracy(Corner(), pixels, [1, 2, 4, 0]) == 0.5


def test_the_usual_way_turns_light_pictures_round():
    light = np.full((56, 56), 250, np.uint8)
    light[:20] = 10
    usual = kinds.usual_way(Image.fromarray(light))
    assert usual.shape == (28, 28)
    assert (usual[0, 0], usual[-1, -1]) == (245, 5)
    assert kinds.usual_way(Image.fromarray(255 - light))[0, 0] == 245


def test_each_way_of_reading_gets_its_share(named, folder, monkeypatch):
    def clean(picture: Image.Image, skip: tuple[str, ...] = ()) -> np.ndarray | None:
        return None if skip == ["clean"] else np.asarray(picture)

    monkeypatch.setattr(kinds, "cleaned", clean)
    wrong = Split(named.images, torch.tensor([1, 2, 3, 0, 0, 0]))
    facts = bench_reading(model=Corner(), split=wrong, kinds=["MNIST"], n=6, n_skipped=6)
    shares = facts["kinds"]["MNIST"]
    assert shares == {
        **dict.fromkeys(stored("reading")["kinds"]["MNIST"], 0.5),
        "without clean": 0,
    }
    mine = bench_reading(folder, model=pretrained(), split=named, n=6, kinds=[])["folder"]
    assert (mine["n"], mine["usual"]) == (4, 1)


@pytest.mark.parametrize("lines", ["", "file,label", "name,digit\n0.png,4", "file,label\n9.png,4"])
def test_a_folder_with_wrong_labels_or_none_is_refused_before_the_long_work(lines, folder):
    (folder / "manifest.csv").write_text(lines, "utf-8")
    with pytest.raises(ValueError, match=r"each line of manifest\.csv"):
        bench_reading(folder, model=pretrained())
    (folder / "manifest.csv").unlink()
    with pytest.raises(ValueError, match=r"no manifest.csv in this folder"):
        labelled_folder(folder)


def test_labels_may_come_from_excel(folder):
    manifest = folder / "manifest.csv"
    manifest.write_text(manifest.read_text("utf-8"), "utf-8-sig")
    assert [path.name for path in labelled_folder(folder)[0]] == [f"{i}.png" for i in range(4)]
