"""Benches: both ways do the same work, the stopwatch runs it, and what was promised comes out."""

import json
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from digitlab.data import Digits, batches
from digitlab.inference import evaluate, threads
from digitlab.measured import pretrained
from digitlab.models import Ensemble
from digitlab.recipes import RECIPES
from digitlab.runs import build_trainer
from studies import bench, bench_draw
from studies.__main__ import main
from studies.peers import standard_script


@pytest.fixture
def few(optdigits: Digits, monkeypatch: pytest.MonkeyPatch) -> Digits:
    digits = Digits("few", optdigits.train[:300], optdigits.valid[:20], optdigits.test, "", "")
    monkeypatch.setattr(bench, "load", lambda name="mnist": digits)
    return digits


def test_a_stopwatch_runs_the_work_and_counts_its_seconds():
    done = []
    assert 0.02 <= bench._seconds(lambda *seconds: done.append(time.sleep(*seconds)), 0.02) < 0.5
    assert len(done) == 1
    assert 20 <= min(bench_draw._milliseconds(time.sleep, [0.02] * 3)) < 500
    assert len(bench_draw._milliseconds(done.append, [1, 2, 3])) == 2
    assert done[1:] == [1, 2, 3]


def test_works_that_take_turns_are_each_timed_and_run_to_their_end(monkeypatch):
    turns, clock = [], [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])

    def work(name: str, seconds: float):
        for step in range(25):
            turns.append(name)
            clock[0] += seconds
            yield step

    seconds = bench._take_turns(work("quick", 1.0), work("slow", 2.0))
    assert seconds == [25, 50]
    turn = ["quick"] * 10 + ["slow"] * 10
    assert turns == turn + turn + ["quick"] * 5 + ["slow"] * 5


def test_bench_data_goes_through_the_same_pixels_in_both_ways(few, monkeypatch):
    usual = torch.utils.data.DataLoader(bench._torchvision_way(few.train), batch_size=64)
    for (ours, labels), (theirs, their_labels) in zip(batches(few.train), usual, strict=True):
        assert torch.equal(labels, their_labels)
        torch.testing.assert_close(ours, theirs)
    seconds = iter([1.0, 30.0, 2.0, 50.0, 3.0, 60.0])
    sizes = []
    monkeypatch.setattr(
        bench, "_seconds", lambda work, loader: sizes.append(len(loader)) or next(seconds)
    )
    facts = bench.bench_data(repeats=3)
    assert sizes == [5] * 6  # 320 digits
    assert facts.items() >= {"data": "few", "n_digits": 320, "batch_size": 64, "repeats": 3}.items()
    found = facts["ours_seconds"], facts["per_image_seconds"], facts["times_cheaper"]
    assert found == (2, 50, 25)


def test_bench_fast_measures_seeds_and_the_standard_script(few, monkeypatch):
    def train(name: str, digits: Digits, *, seed: int) -> SimpleNamespace:
        scores = {"test_accuracy": 0.98 + seed / 1000}
        judged = SimpleNamespace(scores=scores)
        return SimpleNamespace(seconds=2.0 + seed, judge=lambda digits: judged)

    def train_until(goal: float, train_set, test_set) -> tuple[float, int, float]:
        assert (goal, len(train_set), len(test_set)) == (0.99, 300, 300)
        assert train_set[0][0].min().item() == pytest.approx(-0.1307 / 0.3081)
        return 30.0, 4, 0.991

    monkeypatch.setattr(bench, "train", train)
    monkeypatch.setattr(bench, "train_until", train_until)
    assert bench.bench_fast(n_seeds=3) == {
        **{"bench": "fast", "data": "few", "n_digits": 300, "seeds": 3},
        **{"seconds": 3.0, "seconds_worst": 4.0, "times_faster": 10.0},
        **{"test_accuracy": 0.981, "test_accuracy_spread": 0.001, "test_accuracy_worst": 0.98},
        **{"script_seconds": 30.0, "script_epochs": 4, "script_accuracy": 0.991},
    }


def test_the_standard_script_trains_until_it_reaches_the_goal(few, monkeypatch):
    monkeypatch.setattr(
        standard_script, "build", lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(10))
    )
    learned, judged = (bench._torchvision_way(split) for split in (few.train, few.test[:50]))
    seconds, epochs, accuracy = standard_script.train_until(0.6, learned, judged)
    assert 0.6 <= accuracy < 1
    assert 1 <= epochs < 14
    assert 0 < seconds < 60
    one = bench._torchvision_way(few.train[:2])
    assert standard_script.train_until(2.0, one, one)[1] == 14, "it gives up"


def test_the_bare_loop_learns_what_the_trainer_learns(few):
    recipe, losses = RECIPES["dropout-mlp"], []
    for loop in (bench._train, lambda *of: list(bench._bare_steps(*of))):
        trainer = build_trainer(recipe)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bench, "build_trainer", lambda _, trainer=trainer: trainer)
            with torch.random.fork_rng():
                torch.manual_seed(0)
                loop(recipe, few.train)
        losses.append(evaluate(trainer.model, few.valid).loss)
    untrained = evaluate(build_trainer(recipe).model, few.valid).loss
    assert losses[0] == losses[1] < untrained


def test_bench_train_compares_every_recipe(few, monkeypatch):
    def take_turns(*works) -> list[float]:
        steps = [len(list(work)) for work in works]
        assert len({*steps[: 2 + (steps[2] > 0)]}) == 1, "as many steps each"
        return [0.2, 0.3, 0.05]

    monkeypatch.setattr(bench, "RECIPES", {name: RECIPES[name] for name in ("plain-mlp", "fast")})
    monkeypatch.setattr(bench, "_take_turns", take_turns)
    facts = bench.bench_train(repeats=1, n_digits=200)
    assert facts == {
        **{"bench": "train", "data": "few", "repeats": 1},
        **{"plain-mlp batch_ms": 50, "plain-mlp trainer_to_bare": 1.5},  # 4 batches
        **{"fast batch_ms": 200, "fast trainer_to_bare": 1.5, "fast convolutions_to_bare": 0.25},
    }


def test_the_convolutions_alone_get_what_they_get_in_the_model():
    first, second = bench._convolutions(RECIPES["fast"], torch.rand(3, 1, 28, 28))
    assert first[1].shape == (3, 4, 14, 14)
    assert second[1].shape == (3, 24, 7, 7)
    assert (first[1].requires_grad, second[1].requires_grad) == (False, True)
    assert not first[0]._forward_hooks
    assert len(list(bench._steps_alone([first, second], n_steps=2))) == 2
    assert all(layer.weight.grad.abs().sum() > 0 for layer, _ in (first, second))
    assert second[1].grad.abs().sum() > 0


def test_bench_scaling_trains_on_each_size_and_sees_the_memory_grow(few, monkeypatch):
    trained, held = [], []

    def train(recipe, split) -> None:
        trained.append(len(split))
        if len(split) == 700:
            held.append(np.ones(10_000_000))  # 80 MB
            time.sleep(0.007)

    monkeypatch.setattr(bench, "_train", train)
    small, large = bench.bench_scaling(sizes=(64, 700), repeats=2)["sizes"]
    assert trained == [320, 64, 64, 700, 700]
    assert (small["digits"], large["digits"]) == (64, 700)
    assert large["data_megabytes"] == pytest.approx(700 * (784 + 8) / 1e6, abs=0.06)
    assert 10 <= large["microseconds_per_digit"] < 1000
    assert small["grown_megabytes"] < 50 < 150 < large["grown_megabytes"] < 250


def test_bench_robust_reads_strange_digits_and_gives_intervals(few):
    facts = bench.bench_robust(recipes=("fast",))["fast"]
    model = pretrained("fast")
    result, embedded = evaluate(model, few.test), few.train.joined(few.valid).joined(few.test)
    assert facts["embedded"] == evaluate(model, embedded).accuracy
    assert facts["distorted"].keys() == bench.DISTORTIONS.keys()
    assert facts["distorted"].pop("as they are") == pytest.approx(result.accuracy)
    assert all(0.3 < read < result.accuracy + 0.01 for read in facts["distorted"].values())
    assert min(facts["distorted"].values()) < result.accuracy - 0.02
    assert facts["test_loss"] == pytest.approx(result.loss, abs=1e-4)
    low, high = facts["calibration_error_interval"]
    assert 0.005 < low < facts["calibration_error"] < high < low + 0.06


def test_bench_infer_reads_one_digit_on_one_thread_and_many(few, monkeypatch):
    def seconds(work, *one_digit) -> float:
        read = work(*one_digit)
        if not one_digit:
            assert read.n_images == 300
            return 0.5
        assert (len(read), torch.get_num_threads(), torch.is_grad_enabled()) == (1, 1, False)
        return 0.002

    monkeypatch.setattr(bench, "_seconds", seconds)
    with threads(2):
        facts = bench.bench_infer(repeats=1, recipes=("fast",))
    assert (facts["fast one_digit_ms"], facts["fast digits_per_second"]) == (2, 600)


def test_bench_ensemble_judges_the_members_and_all_of_them(few, monkeypatch):
    members = [pretrained("fast"), pretrained("tiny")]
    together = Ensemble(members).eval()
    monkeypatch.setattr(bench, "pretrained_ensemble", lambda: together)
    facts = bench.bench_ensemble()
    alone = [evaluate(member, few.test).accuracy for member in members]
    assert (facts["members"], facts["members_test_accuracy"]) == (2, alone)
    assert facts["test_accuracy"] == evaluate(together, few.test).accuracy


def test_bench_draw_times_the_pad_where_there_is_no_browser(optdigits, monkeypatch):
    monkeypatch.setattr(bench_draw, "load", lambda name: {"optdigits": optdigits}[name])
    seen = []

    def milliseconds(work, inputs) -> list[float]:
        seen.append(len(inputs))
        if len(inputs) < 6:
            work(inputs[0])
        else:
            with Image.open(inputs[0]) as photo:
                assert photo.size == (4000, 3000)
        return [1.0, 5.0, 2.0]

    monkeypatch.setenv("PATH", "")  # there is no browser on it
    monkeypatch.setattr(bench_draw, "_milliseconds", milliseconds)
    facts = bench_draw.bench_draw(repeats=2)
    summary = {"median": 2.0, "worst": 5.0}
    for name in ("pixels_to_bars_ms", "digitize_drawing_ms", "digitize_12_megapixels_ms"):
        assert facts[name] == summary
    assert seen == [3, 3, 6]
    assert facts["first_paint_ms"] is facts["pen_up_to_bars_ms"] is None


def test_all_benches_are_one_document_and_one_table_after_the_other(capsys, monkeypatch):
    kinds = {"clean": {"usual": 0.5, "digitize": 1.0}}
    sizes = [{"digits": 6}, {"digits": 7}]
    quick = {
        "one": lambda: {"a": {"b": 1}, "c": [1, 2], "sizes": sizes},
        "reading": lambda *folder: (
            {"kinds": kinds} | ({"folder": kinds["clean"]} if folder else {})
        ),
    }
    monkeypatch.setattr(bench, "BENCHES", quick)
    assert main(["bench", "all", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["one"]["a"] == {"b": 1}
    assert facts["reading"]["kinds"] == kinds
    assert facts["one"].keys() >= {"machine", "versions", "date"}
    assert main(["bench", "all"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[:3] == [["a:", "b", "1"], ["c", "[1,", "2]"], ["sizes", "1:", "digits", "6"]]
    assert main(["bench", "reading", "--folder", "mine"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["percent", "of", "usual", "digitize"]
    assert lines[2:] == [["clean", "50.0", "100.0"], ["mine", "50.0", "100.0"]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["date"], "did you mean 'data'?"), (["data", "--folder", "x"], "takes no folder")],
)
def test_a_mistake_gets_one_sentence(arguments, words, capsys):
    assert main(["bench", *arguments]) == 2
    said = capsys.readouterr().err
    assert (said.startswith("python -m studies: "), said.count("\n")) == (True, 1)
    assert words in said
