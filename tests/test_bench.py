"""Benches: both ways deliver the same digits, and the figures that are promised come out."""

import json
from pathlib import Path

import pytest
import torch

from digitlab.cli import main
from digitlab.data import Digits, batches
from digitlab.inference import evaluate
from digitlab.measured import pretrained
from digitlab.models import Ensemble
from digitlab.recipes import RECIPES
from digitlab.runs import build_trainer
from studies import bench
from studies.bench import BENCHES, bench_data


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


def test_bench_fast_measures_seeds_and_the_standard_script(
    few: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "GOAL", 0.5)
    facts = bench.bench_fast(n_seeds=2)
    assert facts.items() >= {"bench": "fast", "data": "few", "n_digits": 300, "seeds": 2}.items()
    assert 0.5 < facts["test_accuracy_worst"] <= facts["test_accuracy"]
    assert 0 < facts["seconds"] <= facts["seconds_worst"]
    assert facts["script_accuracy"] >= 0.5
    ratio = facts["script_seconds"] / facts["seconds"]
    assert facts["times_faster"] == pytest.approx(ratio, rel=0.2, abs=0.1)


def test_without_the_standard_script_fast_is_measured_alone(
    few: Digits, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bench, "PEER", tmp_path / "none.py")
    facts = bench.bench_fast(n_seeds=2)
    assert facts["script_seconds"] is facts["times_faster"] is None


def test_the_bare_loop_learns_what_the_trainer_learns(few: Digits) -> None:
    recipe, losses = RECIPES["dropout-mlp"], []
    for loop in (bench._train, lambda *of: list(bench._bare_steps(*of))):
        trainer = build_trainer(recipe)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bench, "build_trainer", lambda _, trainer=trainer: trainer)
            with torch.random.fork_rng():
                torch.manual_seed(0)
                loop(recipe, few.train)
        losses.append(evaluate(trainer.model, few.valid).loss)
    assert losses[0] == losses[1]


def test_bench_train_compares_every_recipe(few: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    few_recipes = {name: RECIPES[name] for name in ("plain-mlp", "fast")}
    monkeypatch.setattr(bench, "RECIPES", few_recipes)
    facts = bench.bench_train(repeats=1, n_digits=200)
    for name in few_recipes:
        assert facts[f"{name} batch_ms"] > 0
        assert 0.2 < facts[f"{name} trainer_to_bare"] < 20
    assert facts["fast convolutions_to_bare"] > 0
    assert "plain-mlp convolutions_to_bare" not in facts


def test_the_convolutions_alone_get_what_they_get_in_the_model() -> None:
    recipe = RECIPES["fast"]
    first, second = bench._convolutions(recipe, torch.rand(3, 1, 28, 28))
    assert first[1].shape == (3, 4, 14, 14)
    assert second[1].shape == (3, 24, 7, 7)
    assert (first[1].requires_grad, second[1].requires_grad) == (False, True)
    assert not first[0]._forward_hooks
    assert len(list(bench._steps_alone([first, second], n_steps=2))) == 2
    for layer, _ in (first, second):
        assert layer.weight.grad.abs().sum() > 0
    assert second[1].grad.abs().sum() > 0


def test_bench_scaling_measures_each_size(few: Digits) -> None:
    facts = bench.bench_scaling(sizes=(64, 700), repeats=1)
    assert [row["digits"] for row in facts["sizes"]] == [64, 700]
    assert facts["sizes"][1]["data_megabytes"] == pytest.approx(700 * (784 + 8) / 1e6, abs=0.06)
    assert all(row["microseconds_per_digit"] > 0 for row in facts["sizes"])
    assert all(row["grown_megabytes"] >= 0 for row in facts["sizes"])


def test_bench_robust_reads_strange_digits_and_gives_intervals(
    few: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "load", lambda name="mnist": few)
    facts = bench.bench_robust(recipes=("best",))["best"]
    result = evaluate(pretrained("best"), few.test)
    assert facts["distorted"].keys() == bench.DISTORTIONS.keys()
    assert facts["distorted"]["as they are"] == pytest.approx(result.accuracy)
    assert facts["test_loss"] == pytest.approx(result.loss, abs=1e-4)
    low, high = facts["calibration_error_interval"]
    assert 0 <= low < high < 0.1


def test_bench_infer_reads_one_digit_and_many(few: Digits) -> None:
    facts = bench.bench_infer(repeats=1, recipes=("fast",))
    assert facts["fast one_digit_ms"] > 0
    assert facts["fast digits_per_second"] > 100


def test_bench_ensemble_judges_the_members_and_all_of_them(
    few: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = [pretrained("fast"), pretrained("tiny")]
    monkeypatch.setattr(bench, "pretrained_ensemble", lambda: Ensemble(members).eval())
    facts = bench.bench_ensemble()
    alone = [evaluate(member, few.test).accuracy for member in members]
    assert facts["members_test_accuracy"] == alone
    assert facts["test_loss"] < max(evaluate(member, few.test).loss for member in members)


def test_the_command_line_prints_the_figures(
    few: Digits, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "data", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"] == "few"
    assert set(BENCHES) == {
        "data",
        "train",
        "fast",
        "infer",
        "ensemble",
        "scaling",
        "robust",
        "draw",
        "reading",
    }


def test_all_benches_are_one_document_and_one_table_after_the_other(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = {"clean": {"usual": 0.5, "digitize": 1.0}}
    sizes = [{"digits": 6}, {"digits": 7}]
    quick = {
        "one": lambda: {"a": {"b": 1}, "c": [1, 2], "sizes": sizes},
        "reading": lambda: {"kinds": kinds},
    }
    monkeypatch.setattr(bench, "BENCHES", quick)
    assert main(["bench", "all", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["one"]["a"] == {"b": 1}
    assert facts["reading"]["kinds"] == kinds
    assert facts["one"].keys() >= {"machine", "versions", "date"}
    assert main(["bench", "all"]) == 0
    text = capsys.readouterr().out
    assert [line.split() for line in text.splitlines()[:4]] == [
        ["a:", "b", "1"],
        ["c", "[1,", "2]"],
        ["sizes", "1:", "digits", "6"],
        ["sizes", "2:", "digits", "7"],
    ]
    assert "percent of" in text
