"""What was measured: stored results, comparisons with them, and the models that ship."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from digitlab import measured
from digitlab.data import Digits
from digitlab.inference import evaluate
from digitlab.measured import compare, pretrained, pretrained_ensemble, pretrained_run, results
from digitlab.models import n_parameters
from digitlab.recipes import RECIPES, build_model
from digitlab.runs import Run
from digitlab.trainer import History
from studies.study import MEMBER, NARROW
from studies.wishes import WISHES

# --- Stored results -----------------------------------------------------------------------------


def store(folder: Path, *accuracies: float, name: str = "two-conv-tiny") -> None:
    row = {"recipe": "two-conv", "data": "tiny", "seed": 0, "n_train": 500}
    rows = [row | {"seed": seed, "test_accuracy": a} for seed, a in enumerate(accuracies)]
    others = [row | {"recipe": "tiny", "test_accuracy": 0.1}, row | {"data": "mnist"}]
    others[1]["test_accuracy"] = 0.2
    lines = [json.dumps(row) + "\n" for row in rows + others]
    (folder / f"{name}.jsonl").write_text("".join(lines))


def scored(accuracy: float, *, n_train: int = 500, **change: Any) -> Run:
    recipe, sizes = RECIPES["two-conv"].replace(**change), {"train": n_train, "test": 10_000}
    return Run(recipe, nn.Identity(), History(), "tiny", sizes, 0, 0, {"test_accuracy": accuracy})


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(measured, "results", lambda: results(tmp_path))
    store(tmp_path, 0.990, 0.991, 0.992)
    return tmp_path


@pytest.mark.parametrize(
    ("accuracy", "verdict"), [(0.9905, "usual"), (1.0, "usual"), (0.95, "low"), (0.5, "low")]
)
def test_a_run_is_compared_with_the_stored_ones(
    stored: Path, accuracy: float, verdict: str
) -> None:
    comparison = compare(scored(accuracy))
    assert comparison.verdict == verdict
    # mean 0.991, standard deviation 0.001, Student's t of 2 degrees of freedom at 99.5 %: 9.925
    low = 0.991 - 9.925 * 0.001 * (4 / 3) ** 0.5 - 1 / 10_000  # and one digit
    assert repr(comparison).startswith(
        f"{verdict}: {accuracy:.2%} of the test digits; judging by 3 stored runs of two-conv on "
        f"tiny, one expects {low:.2%} to 100.00%"
    )


def test_a_run_is_told_where_to_look(stored: Path) -> None:
    assert compare(scored(0.991, n_train=100)).text.endswith("100.00%")
    low = compare(scored(0.9)).text
    assert low.endswith("; look at the learning curves, the learning rate and the number of epochs")
    few = compare(scored(0.9, n_train=100)).text
    assert few.endswith("; it learned from 100 digits, they from 500")
    store(stored, 0.90, 0.901, 0.902)
    high = compare(scored(0.99))
    assert high.verdict == "high"
    assert high.text.endswith("; look for test digits among the training digits")
    assert f"{0.901 + 9.925 * 0.001 * (4 / 3) ** 0.5 + 1e-4:.2%};" in high.text


def test_a_run_without_its_like_is_unknown(stored: Path) -> None:
    unfinished = Run(RECIPES["two-conv"], nn.Identity(), History(), "tiny", {}, 0, 0)
    elsewhere = Run(RECIPES["two-conv"], nn.Identity(), History(), "kmnist", {}, 0, 0)
    for run in (scored(0.9, lr=0.9), unfinished, elsewhere):
        comparison = compare(run)
        assert comparison.verdict == "unknown"
        assert f"no stored runs like this one of two-conv on {run.data}" in comparison.text
    store(stored, 0.9, 0.9)
    assert compare(scored(0.9)).verdict == "unknown"


def test_results_leave_out_a_line_that_was_cut_short(tmp_path: Path) -> None:
    store(tmp_path, 0.9, 0.8)
    with (tmp_path / "two-conv-tiny.jsonl").open("a") as file:
        file.write('{"recipe": "two-conv", "data": "ti')
    assert [row["test_accuracy"] for row in results(tmp_path)] == [0.9, 0.8, 0.1, 0.2]
    assert results(tmp_path / "nowhere") == []
    assert list(measured.read_rows(tmp_path / "nowhere.jsonl")) == []


def test_results_judged_by_validation_are_returned_where_they_are_asked_for(
    tmp_path: Path,
) -> None:
    store(tmp_path, 0.9)
    row = {"recipe": "fast: as it is", "data": "tiny", "seed": 0, "n_train": 5}
    (tmp_path / "tricks.jsonl").write_text(json.dumps(row | {"valid_accuracy": 0.9}))
    assert [row["recipe"] for row in results(tmp_path)] == ["two-conv", "tiny", "two-conv"]
    assert [row["recipe"] for row in results(tmp_path, study="tricks")] == ["fast: as it is"]


def test_what_a_bench_stored_is_found_by_its_name() -> None:
    assert measured.stored("reading")["bench"] == "reading"
    with pytest.raises(ValueError, match="unknown stored measurement 'raeding'; did you mean"):
        measured.stored("raeding")


def test_shipped_results_name_recipes_that_exist() -> None:
    known = [MEMBER, NARROW, *RECIPES.values()]
    parameters = {recipe.name.split(",")[0]: n_parameters(build_model(recipe)) for recipe in known}
    parameters |= {wish.name: n_parameters(build_model(wish.recipe)) for wish in WISHES}
    for row in results():
        name, _, _ = row["recipe"].partition(",")  # "lenet-sgd, varied digits" has its parameters
        assert row["parameters"] == parameters.get(row["recipe"], parameters[name])
        assert 0.5 < row["test_accuracy"] <= 1


# --- Shipped models -----------------------------------------------------------------------------


def test_an_unknown_trained_model_is_answered_with_what_there_is() -> None:
    with pytest.raises(ValueError, match="unknown trained model 'slow'"):
        pretrained("slow")


def test_every_shipped_model_reads_digits_and_has_its_card(optdigits: Digits) -> None:
    shipped = sorted(measured.WEIGHTS.glob("*.pt"))
    assert sum(path.stat().st_size for path in shipped) < 3e6
    assert {path.stem for path in shipped} >= {*RECIPES, *measured.MEMBERS}
    for path in shipped:
        card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        assert card["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        model = pretrained(path.stem)
        assert not model.training
        assert evaluate(model, optdigits.test).accuracy > 0.8  # trained on MNIST alone


def test_the_shipped_ensemble_has_five_members_of_two_recipes(optdigits: Digits) -> None:
    ensemble = pretrained_ensemble()
    assert not ensemble.training
    alone = [evaluate(member, optdigits.test).loss for member in ensemble.members]
    assert len(set(alone)) == 5
    assert evaluate(ensemble, optdigits.test).loss < sum(alone) / 5
    members = [pretrained_run(name) for name in measured.MEMBERS]
    assert [run.seed for run in members] == [0, 0, 1, 2, 3]
    assert [run.recipe.name for run in members] == ["best", *["member"] * 4]


def test_the_model_behind_the_pad_reads_the_embedded_digits_without_having_seen_any(
    optdigits: Digits,
) -> None:
    everything = optdigits.train.joined(optdigits.valid).joined(optdigits.test)
    assert len(everything) == 1797
    assert evaluate(pretrained(), everything).accuracy > 0.96
