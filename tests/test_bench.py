"""Benches: both ways deliver the same digits, and the figures that are promised come out."""

import json

import pytest
import torch

from digitlab import bench
from digitlab.bench import BENCHES, bench_data
from digitlab.cli import main
from digitlab.data import Digits, batches


@pytest.fixture
def few(optdigits: Digits, monkeypatch: pytest.MonkeyPatch) -> Digits:
    digits = Digits("few", optdigits.train[:300], optdigits.valid[:20], optdigits.test, "", "")
    monkeypatch.setattr(bench, "load", lambda: digits)
    return digits


def test_bench_data_measures_all_training_digits(few: Digits) -> None:
    facts = bench_data(repeats=2)
    expected = {"bench": "data", "data": "few", "n_digits": 320, "batch_size": 64, "repeats": 2}
    assert facts.items() >= expected.items()
    ratio = facts["per_image_seconds"] / facts["ours_seconds"]
    assert facts["times_cheaper"] == pytest.approx(ratio, rel=0.05, abs=0.1)


def test_both_ways_deliver_the_same_pixels(few: Digits) -> None:
    usual = torch.utils.data.DataLoader(bench._torchvision_way(few.train), batch_size=64)
    for (ours, labels), (theirs, their_labels) in zip(batches(few.train), usual, strict=True):
        assert torch.equal(labels, their_labels)
        torch.testing.assert_close(ours, theirs)


def test_the_command_line_prints_the_figures(
    few: Digits, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "data", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"] == "few"
    assert set(BENCHES) >= {"data", "draw"}
