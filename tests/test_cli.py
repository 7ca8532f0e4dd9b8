"""The command line: sentences for people, one JSON document for machines, a status for both."""

import json
import os
import re
import shlex
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from digitlab import cli, idx
from digitlab.cli import main
from digitlab.inference import evaluate
from digitlab.recipes import RECIPES
from digitlab.runs import load_run
from digitlab.trainer import Trainer
from studies import __main__ as studies
from tools import __main__ as tools

ON = ["--data", "optdigits"]
PROMISED = {
    *("recipe", "data", "n_train", "n_valid", "n_test", "parameters", "epochs", "seconds"),
    *("train_accuracy", "valid_accuracy", "test_accuracy", "test_loss", "file"),
}


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> Any:
    """Run a command; return the one JSON document that is all of its standard output."""
    assert main([*arguments, "--json"]) == status
    output = capsys.readouterr().out
    assert output.count("\n") == 1

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(output, parse_constant=refuse)


@pytest.fixture(scope="module")
def run_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a short training from the command line."""
    out = tmp_path_factory.mktemp("runs") / "sub" / "run.pt"
    command = ["train", "plain-mlp", *ON, "--epochs", "3", "--out", str(out)]
    assert main(command) == 0
    return out


@pytest.fixture
def one(tmp_path: Path) -> Path:
    paper = Image.new("L", (80, 80), 255)
    ImageDraw.Draw(paper).line([(40, 10), (40, 70)], fill=0, width=8)
    paper.save(tmp_path / "one.png")
    return tmp_path / "one.png"


# --- What is printed ----------------------------------------------------------------------------


ROOMS = {main: cli.COMMANDS, studies.main: studies.COMMANDS, tools.main: tools.COMMANDS}
DOORS = [(room, command) for room, commands in ROOMS.items() for command in commands]


@pytest.mark.parametrize(("room", "command"), DOORS, ids=lambda part: part.__name__)
def test_help_says_what_a_command_does(
    room: Any, command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        room([command.__name__, "--help"])
    text = capsys.readouterr().out
    about = command.__doc__
    assert about in " ".join(text.split())
    assert about[0].isupper()
    assert about.endswith(".")
    assert "--json" in text
    assert max(len(line) for line in text.splitlines()) <= 100
    assert all(settings["help"] for settings in ROOMS[room][command].values())


def test_the_parser_names_what_the_registries_hold(capsys: pytest.CaptureFixture[str]) -> None:
    known = {"train": [*RECIPES, *idx.NAMES], "data": [*idx.NAMES, *idx.SPLITS]}
    for command, names in known.items():
        with pytest.raises(SystemExit, match="0"):
            main([command, "--help"])
        assert set(names) <= set(re.split(r"[\s,;()]+", capsys.readouterr().out))


@pytest.mark.parametrize(
    "arguments", [[], ["nonsense"], ["train", "--epochs", "many"], ["predict"]]
)
def test_a_wrong_call_is_explained(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert "usage: digitlab" in capsys.readouterr().err


def test_recipes_as_json_hold_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    found = as_json(capsys, "recipes")
    assert [row["name"] for row in found] == list(RECIPES)
    for row in found:
        recipe = RECIPES[row["name"]]
        assert row["source"] == recipe.source
        assert row["parameters"] == recipe.parameters
        assert {*row["states"], *row["assumed"]} == set(recipe.settings()) <= set(row)
        assert row["lr"] == recipe.lr


def test_recipes_as_text_say_whose_decision_each_setting_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["recipes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == list(RECIPES)
    assert main(["recipes", "two-conv"]) == 0
    text = capsys.readouterr().out
    assert len(text.splitlines()) == 2 + len(RECIPES["two-conv"].settings())
    assert ("chosen by us" in text, "stated by document 004" in text) == (True, True)
    assert as_json(capsys, "recipes", "two-conv")["name"] == "two-conv"


def test_data_says_what_was_found(capsys: pytest.CaptureFixture[str]) -> None:
    facts = as_json(capsys, "data", "optdigits")
    assert (facts["n_train"], facts["n_valid"], facts["n_test"]) == (1197, 300, 300)
    assert facts["data"] == "optdigits"
    assert facts["licence"]


def test_train_prints_what_it_promises(run_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = as_json(capsys, "train", "plain-mlp", *ON, "--epochs", "2", "--seed", "1", "--test")
    assert facts.keys() >= PROMISED
    assert (facts["recipe"], facts["data"], facts["seed"]) == ("plain-mlp", "optdigits", 1)
    assert (facts["n_train"], facts["n_valid"], facts["n_test"]) == (1197, 300, 300)
    assert (facts["parameters"], facts["epochs"], facts["file"]) == (244_522, 2, None)
    assert all(0.5 < facts[f"{split}_accuracy"] <= 1 for split in ("train", "valid", "test"))


def test_a_training_without_validation_digits_ends_with_a_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = RECIPES["tiny"].replace(least_steps=1)
    monkeypatch.setitem(RECIPES, "tiny", tiny.replace(augment=None, batch_size=600))
    assert main(["train", "tiny", *ON, "--epochs", "1"]) == 0
    assert " -  " in capsys.readouterr().out.splitlines()[-1]


def test_train_all_trains_each_document_in_the_precision_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [r.name for r in cli.document_recipes()] == list(RECIPES)[:5]
    monkeypatch.setattr(cli, "document_recipes", lambda: [RECIPES["plain-mlp"]] * 2)
    options = [*ON, "--epochs", "1", "--precision", "bfloat16", "--test"]
    assert main(["train", "all", *options, "--json"]) == 0
    captured = capsys.readouterr()
    rows = json.loads(captured.out)
    assert [(row["recipe"], row["precision"]) for row in rows] == [("plain-mlp", "bfloat16")] * 2
    assert all(row.keys() >= PROMISED for row in rows)
    said = f"plain-mlp: {rows[0]['test_accuracy']:.2%} on test\n"
    assert captured.err == 2 * said


def test_a_finished_file_may_be_resumed(run_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = as_json(capsys, "train", "--resume", str(run_file))
    assert facts["file"] == str(run_file)
    assert facts["epochs"] == 3
    assert load_run(run_file).summary() | {"file": str(run_file)} == facts


@pytest.mark.parametrize("weights", ["last", "best"])
def test_evaluate_judges_a_file(
    weights: str, run_file: Path, optdigits: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = as_json(capsys, "evaluate", str(run_file), "--weights", weights)
    expected = evaluate(load_run(run_file, weights=weights).model, optdigits.test)
    assert facts["test_accuracy"] == expected.accuracy
    assert facts["test_loss"] == expected.loss
    assert (facts["data"], facts["n_test"], facts["recipe"]) == ("optdigits", 300, "plain-mlp")
    assert main(["evaluate", str(run_file), "--weights", weights]) == 0
    assert f"{expected.accuracy:.2%} of 300 test digits" in capsys.readouterr().out


def test_predict_reads_pictures(
    run_file: Path, one: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = as_json(capsys, "predict", str(run_file), str(one), str(one))
    assert len(found) == 2
    assert found[0]["image"] == str(one)
    assert found[0]["digit"] in range(10)
    assert sum(found[0]["probabilities"]) == pytest.approx(1)
    assert found[0]["probability"] == max(found[0]["probabilities"])
    assert main(["predict", str(run_file), str(one)]) == 0
    assert f"{found[0]['digit']}" in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize("ok", [True, False])
def test_doctor_fails_where_a_check_fails(
    ok: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from digitlab import doctor

    check = doctor.Check("sky", ok, "what it looks like", "wait")
    monkeypatch.setattr(doctor, "run_checks", lambda: [check])
    facts = as_json(capsys, "doctor", status=int(not ok))
    assert facts["ok"] is ok
    assert main(["doctor"]) == int(not ok)
    assert "what it looks like" in capsys.readouterr().out


# --- Mistakes -----------------------------------------------------------------------------------

MISTAKES = {
    "unknown recipe": (["train", "two_conv"], "unknown recipe 'two_conv'; did you mean 'two-"),
    "no recipe": (["train"], "say which recipe to train"),
    "unknown data": (["train", "two-conv", "--data", "minst"], "did you mean 'mnist'?"),
    "unknown split": (["data", "optdigits", "--by", "writr"], "did you mean 'writer'?"),
    "no such folder": (["data", "mnist", "--folder", "nowhere"], "not a folder"),
    "no epochs": (["train", "plain-mlp", *ON, "--epochs", "0"], "at least 1 epoch, not 0"),
    "negative seed": (["train", "plain-mlp", *ON, "--seed", "-1"], "a whole number from 0"),
    "all to one file": (["train", "all", "--out", "a.pt"], "name the recipe"),
    "out below a file": (["train", "plain-mlp", *ON, "--out", "one.png/a.pt"], "cannot be written"),
    "resume nothing": (["train", "--resume", "no.pt"], "there is no file 'no.pt' here"),
    "other precision": (
        ["train", "--resume", "run.pt", "--precision", "bfloat16"],
        "keeps its pre",
    ),
    "unknown precision": (["train", "fast", *ON, "--precision", "bfloat"], "mean 'bfloat16'?"),
    "unknown weights": (["evaluate", "run.pt", "--weights", "bst"], "did you mean 'best'?"),
    "predict a run": (["predict", "run.pt", "one.png", "run.pt"], "'run.pt' is no picture"),
}


@pytest.mark.parametrize(("arguments", "words"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_gets_one_sentence_and_status_2(
    arguments: list[str],
    words: str,
    run_file: Path,
    one: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(one.parent)
    Path("run.pt").write_bytes(run_file.read_bytes())
    assert main([*arguments, "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("digitlab: ")
    assert captured.err.count("\n") == 1
    assert json.loads(captured.out) == {"error": captured.err[len("digitlab: ") : -1]}
    assert words in captured.err
    assert sorted(os.listdir()) == ["one.png", "run.pt"]


def test_a_lost_loss_gets_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RECIPES, "plain-mlp", RECIPES["plain-mlp"].replace(lr=1e30))
    assert main(["train", "plain-mlp", *ON]) == 2
    assert "digitlab: the loss became nan in epoch 1" in capsys.readouterr().err


def test_a_bug_of_ours_shows_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "text_table", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["recipes"])


def test_ctrl_c_outside_the_loop_ends_with_status_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("digitlab.data.load", interrupt)
    assert main(["train", "plain-mlp"]) == 1
    assert capsys.readouterr().err == "digitlab: interrupted\n"


STEPS = 19  # batches of 64 in the 1 197 embedded digits


@pytest.mark.parametrize(("name", "options"), [("plain-mlp", ["--out", "a b.pt"]), ("all", [])])
@pytest.mark.parametrize("n_steps", [3, STEPS + 3])
def test_an_interrupted_training_tells_how_to_go_on_where_it_can(
    name: str,
    options: list[str],
    n_steps: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    steps, step = iter(range(n_steps)), Trainer.step

    def interrupted(*inputs: Any) -> Any:
        if next(steps, None) is None:
            raise KeyboardInterrupt
        return step(*inputs)

    monkeypatch.setattr(Trainer, "step", interrupted)
    command = ["train", name, *ON, "--epochs", "2", "--json", *options]
    assert main(command) == 1
    out, err = capsys.readouterr()
    assert json.loads(out) == {"error": "interrupted"}
    go_on = "go on with: digitlab train --resume 'a b.pt'\n"
    kept = options and n_steps > STEPS
    assert err == (go_on if kept else "") + "digitlab: interrupted\n"
    monkeypatch.undo()
    if kept:
        monkeypatch.chdir(tmp_path)
        assert as_json(capsys, *shlex.split(go_on)[4:])["epochs"] == 2


# --- The program itself -------------------------------------------------------------------------


def test_the_program_ends_with_its_status() -> None:
    command = [sys.executable, "-m", "digitlab", "recipes", "two_conv"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "digitlab: unknown recipe 'two_conv'; did you mean 'two-conv'?\n"


def test_recipes_answer_within_a_moment_and_without_torch() -> None:
    code = "import sys; from digitlab.cli import main; main(['recipes']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "torchvision", "numpy", "sklearn", "matplotlib"}
    assert not heavy & set(done.stdout.splitlines()[-1].split())

    def seconds(command: list[str]) -> float:
        start = os.times()
        subprocess.run([sys.executable, *command], check=True, capture_output=True)
        end = os.times()  # processor time: a busy machine does not change it much
        return sum(end[2:4]) - sum(start[2:4])

    times = [seconds(["-m", "digitlab", "recipes"]) for _ in range(5)]
    if statistics.median(times) >= 0.3:  # a slow machine: what remains is our own share
        times = [s - seconds(["-c", "pass"]) + 0.05 for s in sorted(times)[:3]]
    assert statistics.median(times) < 0.3
