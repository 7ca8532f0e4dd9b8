"""Studies: rows appended one by one, so that a kill loses nothing and a rerun goes on."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from digitlab.data import Digits, Split
from digitlab.measured import results
from digitlab.recipes import RECIPES, build_model
from digitlab.runs import load_run, train
from studies import study as module
from studies.__main__ import main
from studies.study import STUDIES, Study, append, distil, study, summary_table, write_readme
from studies.tricks import TRICKS, Trick, try_trick
from studies.wishes import TWO_CONV, WISHES, Wish, after_pen_digits, grant

WIDE = RECIPES["plain-mlp"].replace(name="wide", hidden=(50,), epochs=1, least_steps=1)


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
    two = (RECIPES["plain-mlp"], RECIPES["lenet-sgd"].replace(threads=2))
    monkeypatch.setitem(STUDIES, "quick", Study(two, ships=1))
    monkeypatch.setattr(module, "load", load)
    return loaded


def run_study(folder: Path, n_seeds: int = 2) -> list[dict[str, Any]]:
    return list(study("quick", n_seeds=n_seeds, results=folder / "r", weights=folder / "w"))


def keys(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(row["recipe"], row["data"], row["seed"]) for row in rows]


def test_a_study_trains_every_recipe_set_and_seed_once_tells_of_each_and_is_extended(
    quick, tmp_path
):
    first = []
    for row in study("quick", n_seeds=1, results=tmp_path / "r", weights=tmp_path / "w"):
        first.append(row)
        assert results(tmp_path / "r") == first, "a row is on disk before it is told"
    assert len(set(keys(first))) == len(first) == 4
    assert quick == ["mnist", "optdigits"]
    assert run_study(tmp_path, n_seeds=1) == []
    assert quick == ["mnist", "optdigits"], "nothing is loaded for nothing"
    further = run_study(tmp_path, n_seeds=3)
    assert len(further) == 8
    assert {row["seed"] for row in further} == {1, 2}
    assert results(tmp_path / "r") == first + further
    mlp, lenet, *_ = first
    expected = train("plain-mlp", module.load("mnist", by="digit")).summary()
    assert mlp.items() >= (expected | {"seconds": mlp["seconds"]}).items()
    assert {"test_accuracy", "valid_accuracy", "train_accuracy", "precision"} <= mlp.keys()
    assert {"machine", "versions", "date"} <= mlp.keys()
    assert lenet["machine"].endswith(", 2 threads")


def test_a_line_that_a_kill_cut_is_trained_anew(quick, tmp_path):
    rows, path = run_study(tmp_path, n_seeds=1), tmp_path / "r" / "quick.jsonl"
    whole = path.read_bytes()
    for cut in (1, 2, 40):
        path.write_bytes(whole[:-cut])
        again = run_study(tmp_path, n_seeds=1)
        assert keys(again) == ([] if cut == 1 else keys(rows[-1:]))  # 1: only the end of the line
        append(path, rows[0] | {"recipe": "x"})
        *kept, added = results(tmp_path / "r")
        assert (keys(kept), added["recipe"]) == (keys(rows), "x")


def test_the_first_seeds_on_mnist_ship_with_a_card_each(quick, tmp_path, monkeypatch):
    monkeypatch.setitem(STUDIES, "quick", Study((RECIPES["plain-mlp"], WIDE), ships=2))
    run_study(tmp_path, n_seeds=3)
    commands = {}
    for path in (tmp_path / "w").glob("*.pt"):
        card, run = json.loads(path.with_suffix(".json").read_text()), load_run(path)
        assert card["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert card["written_by"] == "python -m studies study quick"
        assert card.items() >= run.summary().items()
        assert (run.data, run.state) == ("mnist", None)
        assert path.stat().st_size < 2 * run.summary()["parameters"]  # half precision, packed
        commands[path.name] = card["command"]
    again = "digitlab train plain-mlp --data mnist --seed"
    assert commands == {
        "plain-mlp.pt": f"{again} 0",
        "plain-mlp-1.pt": f"{again} 1",
        "wide.pt": "python -m studies study quick",
        "wide-1.pt": "python -m studies study quick",
    }


def test_a_student_is_taught_by_the_shipped_ensemble(tiny, monkeypatch):
    student = RECIPES["fast"].replace(epochs=1, least_steps=1)
    digits = Digits("mnist", tiny, tiny[:10], tiny[10:20], "drawn by a test", "none")
    teacher = build_model("plain-mlp", seed=1).eval()
    monkeypatch.setattr(module, "pretrained_ensemble", lambda: teacher)
    taught = distil(student, digits, seed=3)
    assert taught.scores == train(student, digits, seed=3, teacher=teacher).judge(digits).scores
    assert taught.scores != train(student, digits, seed=3).judge(digits).scores


def test_what_ships_is_what_its_recipe_repeats():
    for name, plan in STUDIES.items():
        recipes = {one.name: getattr(one, "recipe", one) for one in plan.what}
        same = [RECIPES.get(called, recipe) == recipe for called, recipe in recipes.items()]
        assert all(same), f"{name} trains something else under the name of a recipe"
    trained = [
        one for name in ("best", "narrow", "members", "distilled") for one in STUDIES[name].what
    ]
    assert {(recipe.precision, recipe.threads) for recipe in trained} == {("bfloat16", 1)}


def test_ctrl_c_ends_a_study_and_keeps_no_half_result(quick, tmp_path, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    tricks = Study(TRICKS[:1], ("mnist",), train=try_trick)
    monkeypatch.setattr("digitlab.trainer.Trainer.step", interrupt)
    for plan in (STUDIES["quick"], tricks):
        monkeypatch.setitem(STUDIES, "quick", plan)
        with pytest.raises(KeyboardInterrupt):
            run_study(tmp_path)
    assert [path.stat().st_size for path in tmp_path.rglob("*.*")] == [0]


def test_an_unknown_study_or_no_seed_is_refused(quick, capsys):
    assert main(["study", "quik"]) == 2
    assert main(["study", "quick", "--seeds", "0"]) == 2
    said = capsys.readouterr().err
    assert "unknown study 'quik'; did you mean 'quick'" in said
    assert "at least 1 seed, not 0" in said


def test_the_table_holds_means_and_spreads():
    rows = [
        {"recipe": name, "data": data, "test_accuracy": accuracy, "seconds": 1, "machine": "this"}
        for name in ("lenet-sgd", "plain-mlp")
        for data in ("mnist", "optdigits")
        for accuracy in (0.98, 0.99)
    ]
    table = summary_table(rows).splitlines()
    assert [line.split(" | ")[0] for line in table[2:4]] == ["| plain-mlp", "| lenet-sgd"]
    assert table[2].count("98.50 ± 0.71 %") == 2
    assert " | 2 | " in table[2]


def test_readme_keeps_all_but_the_table(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("a\n<!-- results -->\nold\n<!-- /results -->\nb\n", encoding="utf-8")
    write_readme(readme, "new ±")
    expected = "a\n<!-- results -->\nnew ±\n<!-- /results -->\nb\n"
    assert readme.read_text(encoding="utf-8") == expected
    readme.write_text("no marks", encoding="utf-8")
    with pytest.raises(ValueError, match=r"README.md has no lines <!-- results -->"):
        write_readme(readme, "new")
    assert readme.read_text(encoding="utf-8") == "no marks"


def test_a_study_of_tricks_keeps_rows_and_ships_no_model(quick, tmp_path, monkeypatch):
    tricks = (Trick("one step", RECIPES["fast"].replace(batch_size=500)), *TRICKS[1:2])
    monkeypatch.setitem(STUDIES, "quick", Study(tricks, ("mnist",), train=try_trick, ships=1))
    rows = run_study(tmp_path)
    assert [row["recipe"] for row in rows] == ["one step", "fast: no unshuffle"] * 2
    assert "test_accuracy" not in rows[0], "tricks are chosen by validation"
    assert not (tmp_path / "w").exists()
    assert run_study(tmp_path) == []


def test_the_command_line_tells_the_accuracy_by_which_a_row_is_judged(
    monkeypatch, capsys, tmp_path
):
    row = {"recipe": "x", "data": "mnist", "seed": 0, "seconds": 1.0, "valid_accuracy": 0.5}
    rows = [row, row | {"test_accuracy": 0.75}]
    monkeypatch.setattr(module, "study", lambda name, n_seeds: iter(rows))
    readme = tmp_path / "README.md"
    readme.write_text("<!-- results -->\n<!-- /results -->", "utf-8")
    assert main(["study", "tricks", "--readme", str(readme)]) == 0
    out, err = capsys.readouterr()
    assert "50.00% in 1.0 s\nx on mnist, seed 0: 75.00%" in err
    assert f"<!-- results -->\n{out}<!-- /results -->" == readme.read_text("utf-8")


def test_a_wish_learns_the_digits_it_names_and_is_judged_by_validation_and_test(tiny, monkeypatch):
    monkeypatch.setattr("studies.wishes.PEN_BATCHES", 2)
    after_pen_digits.cache_clear()
    digits = Digits("mnist", tiny, tiny[:10], tiny[10:20], "drawn by a test", "none")
    quick = TWO_CONV.replace(epochs=1, least_steps=1)
    few = grant(Wish("few", quick, n_train=8), digits, seed=1)
    assert (few["recipe"], few["seed"], few["n_train"], few["epochs"]) == ("few", 1, 8, 1)
    assert {"valid_accuracy", "valid_loss", "test_accuracy", "test_loss"} <= few.keys()
    assert few | {"seconds": 0} == grant(Wish("few", quick, 8), digits, seed=1) | {"seconds": 0}
    after = grant(Wish("few", quick, 8, pen_first=True), digits, seed=1)
    assert after["valid_loss"] != few["valid_loss"], "it began elsewhere"
    after_pen_digits.cache_clear()


def test_all_wishes_are_stored_and_belong_to_document_004():
    stored = {(row["recipe"], row["seed"]) for row in results(study="wishes")}
    assert stored >= {(wish.name, seed) for wish in WISHES for seed in range(3)}
    assert {wish.recipe.model for wish in WISHES} == {"TwoConv"}
