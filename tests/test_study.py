"""Studies: rows appended one by one, so that a kill loses nothing and a rerun goes on."""

import hashlib
import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from digitlab.cli import main
from digitlab.data import Digits, Split
from digitlab.measured import results
from digitlab.recipes import RECIPES, build_model
from digitlab.runs import load_run, train
from studies import study as module
from studies.study import append, distil, study, summary_table, write_readme
from studies.tricks import TRICKS, Trick, try_trick


@pytest.fixture
def quick(tiny: Split, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make the study "quick" of two recipes on two tiny data sets; return what it loads."""
    loaded: list[str] = []

    def load(name: str, *, by: str) -> Digits:
        loaded.append(name)
        assert by == "digit"
        return Digits(name, tiny, tiny[:10], tiny[10:20], "drawn by a test", "none")

    for name in ("plain-mlp", "lenet-sgd"):
        recipe = RECIPES[name].replace(epochs=1, least_steps=1)
        monkeypatch.setitem(RECIPES, name, recipe)
    monkeypatch.setitem(module.STUDIES, "quick", module.Study(("plain-mlp", "lenet-sgd"), ships=1))
    monkeypatch.setattr(module, "load", load)
    return loaded


def run_study(folder: Path, n_seeds: int = 2) -> list[dict[str, Any]]:
    return list(study("quick", n_seeds=n_seeds, results=folder / "r", weights=folder / "w"))


def keys(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(row["recipe"], row["data"], row["seed"]) for row in rows]


def test_a_study_trains_every_recipe_set_and_seed_once(quick: list[str], tmp_path: Path) -> None:
    rows = run_study(tmp_path)
    assert len(set(keys(rows))) == len(rows) == 8
    assert results(tmp_path / "r") == rows
    assert quick == ["mnist", "optdigits"]
    for row in rows:
        assert {"test_accuracy", "test_loss", "valid_accuracy", "train_accuracy"} <= row.keys()
        assert {"seconds", "parameters", "epochs", "machine", "versions", "date"} <= row.keys()


def test_a_second_run_repeats_nothing(quick: list[str], tmp_path: Path) -> None:
    run_study(tmp_path)
    before = (tmp_path / "r" / "quick.jsonl").read_bytes()
    quick.clear()
    assert run_study(tmp_path) == []
    assert quick == []
    assert (tmp_path / "r" / "quick.jsonl").read_bytes() == before


def test_more_seeds_extend_a_study(quick: list[str], tmp_path: Path) -> None:
    first = run_study(tmp_path, n_seeds=1)
    further = run_study(tmp_path, n_seeds=3)
    assert len(first) == 4
    assert {row["seed"] for row in further} == {1, 2}
    assert results(tmp_path / "r") == first + further


def test_a_row_is_on_disk_before_it_is_told(quick: list[str], tmp_path: Path) -> None:
    steps = study("quick", n_seeds=1, results=tmp_path / "r", weights=tmp_path / "w")
    row = next(steps)
    assert results(tmp_path / "r") == [row]


@pytest.mark.parametrize("cut", [1, 2, 40])
def test_a_line_that_a_kill_cut_is_trained_anew(quick: list[str], tmp_path: Path, cut: int) -> None:
    rows = run_study(tmp_path)
    path = tmp_path / "r" / "quick.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    again = run_study(tmp_path)
    assert keys(again) == ([] if cut == 1 else keys(rows[-1:]))  # 1: only the end of the line
    append(path, {"recipe": "x", "test_accuracy": 0.5})
    assert keys(results(tmp_path / "r")[:8]) == keys(rows)
    assert results(tmp_path / "r")[8]["recipe"] == "x"


def test_the_shipped_models_are_those_of_the_first_seed_on_mnist(
    quick: list[str], tmp_path: Path, tiny: Split
) -> None:
    run_study(tmp_path)
    names = sorted(path.name for path in (tmp_path / "w").iterdir())
    assert names == ["lenet-sgd.json", "lenet-sgd.pt", "plain-mlp.json", "plain-mlp.pt"]
    for path in (tmp_path / "w").glob("*.pt"):
        card = json.loads(path.with_suffix(".json").read_text())
        assert card["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        run = load_run(path)
        assert (run.data, run.seed, run.recipe.name) == ("mnist", 0, path.stem)
        assert card.items() >= run.summary().items()
        assert path.stat().st_size < 2 * run.summary()["parameters"]  # half precision, packed


def test_a_study_may_ship_more_seeds_than_the_first(
    quick: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(module.STUDIES, "quick", module.Study(("plain-mlp",), ships=2))
    run_study(tmp_path, n_seeds=3)
    names = sorted(path.name for path in (tmp_path / "w").glob("*.pt"))
    assert names == ["plain-mlp-1.pt", "plain-mlp.pt"]
    assert load_run(tmp_path / "w" / "plain-mlp-1.pt").seed == 1


def test_the_card_says_how_a_model_was_trained(
    quick: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = partial(train, precision="bfloat16")
    monkeypatch.setitem(module.STUDIES, "quick", module.Study(("plain-mlp",), train=half, ships=1))
    rows = run_study(tmp_path, n_seeds=1)
    card = json.loads((tmp_path / "w" / "plain-mlp.json").read_text())
    assert [row["precision"] for row in rows] == ["bfloat16", "bfloat16"]
    assert card["command"] == (
        "digitlab train plain-mlp --data mnist --seed 0 --precision bfloat16"
    )


def test_a_student_is_taught_by_the_shipped_ensemble(
    tiny: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    student = RECIPES["fast"].replace(epochs=1, least_steps=1)
    digits = Digits("mnist", tiny, tiny[:10], tiny[10:20], "drawn by a test", "none")
    teacher = build_model("plain-mlp", seed=1).eval()
    monkeypatch.setattr(module, "pretrained_ensemble", lambda: teacher)
    taught = distil(student, digits, seed=3)
    options = {"seed": 3, "precision": module.precision(taught)}
    assert taught.scores == train(student, digits, teacher=teacher, **options).scores
    assert taught.scores != train(student, digits, **options).scores


def test_ctrl_c_ends_a_study_and_keeps_no_half_result(
    quick: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("digitlab.trainer.Trainer.step", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_study(tmp_path)
    assert results(tmp_path / "r") == []
    assert not (tmp_path / "w").exists()


def test_a_killed_study_goes_on(quick: list[str], tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from studies import study as module
from digitlab.cli import main
from digitlab.recipes import RECIPES
for name in ("plain-mlp", "lenet-sgd"):
    RECIPES[name] = RECIPES[name].replace(epochs=1, least_steps=1)
module.STUDIES["quick"] = module.Study(("plain-mlp", "lenet-sgd"), ("optdigits",))
folder = Path(sys.argv[1])
for row in module.study("quick", n_seeds=500, results=folder / "r", weights=folder / "w"):
    pass
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while len(results(tmp_path / "r")) < 3:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.communicate()
    kept = [row for row in results(tmp_path / "r") if row["seed"] < 3]
    assert len(set(keys(kept))) == len(kept) >= 3
    further = run_study(tmp_path, n_seeds=3)
    assert not set(keys(further)) & set(keys(kept))
    assert len(keys(further + kept)) == 12


def test_an_unknown_study_or_no_seed_is_refused(quick: list[str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown study 'quik'; did you mean 'quick'"):
        next(study("quik", results=tmp_path, weights=tmp_path))
    with pytest.raises(ValueError, match="at least 1 seed, not 0"):
        run_study(tmp_path, n_seeds=0)


def test_the_table_holds_means_and_spreads(quick: list[str], tmp_path: Path) -> None:
    rows = run_study(tmp_path)
    for row in rows:
        row["test_accuracy"] = 0.98 + 0.01 * row["seed"]
    table = summary_table(rows).splitlines()
    assert [line.split(" | ")[0] for line in table[2:4]] == ["| plain-mlp", "| lenet-sgd"]
    assert table[2].count("98.50 ± 0.71 %") == 2
    assert " | 2 | " in table[2]


def test_readme_keeps_all_but_the_table(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("a\n<!-- results -->\nold\n<!-- /results -->\nb\n", encoding="utf-8")
    write_readme(readme, "new ±")
    expected = "a\n<!-- results -->\nnew ±\n<!-- /results -->\nb\n"
    assert readme.read_text(encoding="utf-8") == expected
    readme.write_text("no marks", encoding="utf-8")
    with pytest.raises(ValueError, match=r"README.md has no lines <!-- results -->"):
        write_readme(readme, "new")
    assert readme.read_text(encoding="utf-8") == "no marks"


def test_a_study_of_tricks_keeps_rows_and_ships_no_model(
    quick: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tricks = (Trick("one step", RECIPES["fast"].replace(batch_size=500)), *TRICKS[1:2])
    monkeypatch.setitem(module.STUDIES, "quick", module.Study(tricks, ("mnist",), train=try_trick))
    rows = run_study(tmp_path)
    assert [row["recipe"] for row in rows] == ["one step", "fast: no unshuffle"] * 2
    assert "test_accuracy" not in rows[0], "tricks are chosen by validation"
    assert not (tmp_path / "w").exists()
    assert run_study(tmp_path) == []


def test_the_command_line_tells_the_accuracy_by_which_a_row_is_judged(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"recipe": "x", "data": "mnist", "seed": 0, "seconds": 1.0, "valid_accuracy": 0.5}
    rows = [row, row | {"test_accuracy": 0.75}]
    monkeypatch.setattr(module, "study", lambda name, n_seeds: iter(rows))
    assert main(["study", "tricks"]) == 0
    assert "50.00% in 1.0 s\nx on mnist, seed 0: 75.00%" in capsys.readouterr().err


def test_a_changed_recipe_is_studied_under_its_own_name(
    quick: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = RECIPES["plain-mlp"].replace(name="plain-mlp, wide", hidden=(50,))
    monkeypatch.setitem(module.STUDIES, "quick", module.Study((wide,)))
    rows = run_study(tmp_path, n_seeds=1)
    assert [row["recipe"] for row in rows] == ["plain-mlp, wide"] * 2
    assert not (tmp_path / "w").exists()


def test_the_card_of_a_changed_recipe_names_its_study(
    quick: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = RECIPES["plain-mlp"].replace(name="wide", hidden=(50,))
    monkeypatch.setitem(module.STUDIES, "quick", module.Study((wide,), ships=1))
    run_study(tmp_path, n_seeds=1)
    assert load_run(tmp_path / "w" / "wide.pt").recipe == wide
    card = json.loads((tmp_path / "w" / "wide.json").read_text())
    assert card["command"] == card["written_by"] == "digitlab study quick"
