"""Runs: trained from recipes, saved whole, loaded safely, resumed to the bit, compared."""

import hashlib
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from digitlab import runs
from digitlab.augment import Augment
from digitlab.cli import main
from digitlab.data import Digits, Split
from digitlab.inference import evaluate
from digitlab.measured import compare, pretrained, results
from digitlab.models import n_parameters
from digitlab.recipes import RECIPES, build_model
from digitlab.runs import Run, build_trainer, load_run, train
from digitlab.trainer import History, one_cycle
from studies.study import MEMBER, NARROW


@pytest.fixture
def digits(tiny: Split) -> Digits:
    return Digits("tiny", tiny, tiny[:10], tiny[10:30], "drawn by a test", "none")


@pytest.fixture
def run(digits: Digits) -> Run:
    return train("two-conv", digits, epochs=2, device="cpu")


@pytest.fixture
def saved(run: Run, tmp_path: Path) -> Path:
    return run.save(tmp_path / "run.pt")


def weights(model: torch.nn.Module) -> Tensor:
    return torch.cat([value.flatten() for value in model.state_dict().values()])


def plain(history: History) -> dict[str, object]:
    return {name: value for name, value in vars(history).items() if name != "seconds"}


# --- Training -----------------------------------------------------------------------------------


def test_a_run_says_what_it_was_and_what_it_reached(run: Run, digits: Digits) -> None:
    summary = run.summary()
    sizes = {name: summary[name] for name in ("n_train", "n_valid", "n_test")}
    assert sizes == {"n_train": 40, "n_valid": 10, "n_test": 20}
    assert summary["parameters"] == n_parameters(run.model) == RECIPES["two-conv"].parameters
    assert (summary["data"], summary["seed"], summary["epochs"]) == ("tiny", 0, 2)
    for name in ("train", "valid", "test"):
        result = evaluate(run.model, getattr(digits, name))
        assert summary[f"{name}_accuracy"] == result.accuracy
        assert summary[f"{name}_loss"] == pytest.approx(result.loss)
    assert summary["seconds"] == pytest.approx(sum(run.history.seconds), abs=1e-3)
    assert json.loads(json.dumps(summary)) == summary
    assert "recipe='two-conv'" in repr(run)
    assert "<table>" in run._repr_html_()


def test_a_run_is_finished_and_ready_for_use(run: Run) -> None:
    assert run.finished
    assert not run.model.training


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_trains_on_few_digits(name: str, digits: Digits) -> None:
    run = train(name, digits, epochs=1, seed=1)
    assert run.recipe is RECIPES[name]
    assert len(run.history) == 1


def test_a_small_data_set_gets_at_least_the_least_steps(digits: Digits) -> None:
    recipe = RECIPES["plain-mlp"].replace(epochs=1, least_steps=6, batch_size=16)
    assert len(train(recipe, digits).history) == 2  # 3 batches of 40 digits


def test_validation_digits_can_be_learned_once_all_is_chosen(
    digits: Digits, tmp_path: Path
) -> None:
    recipe = RECIPES["plain-mlp"].replace(use_valid=True, epochs=2, least_steps=1)
    run = train(recipe, digits, out=tmp_path / "run.pt")
    n_all = len(digits.train) + len(digits.valid)
    assert run.sizes == {"train": n_all, "test": len(digits.test)}
    assert run.history.valid_accuracy == []
    assert set(run.scores) == {"train_accuracy", "train_loss", "test_accuracy", "test_loss"}
    both = digits.train.joined(digits.valid)
    assert run.scores["train_accuracy"] == evaluate(run.model, both).accuracy
    again = train(resume=tmp_path / "run.pt", digits=digits)
    assert torch.equal(weights(again.model), weights(run.model))


def test_one_seed_is_one_run(digits: Digits) -> None:
    first, same, other = (train("plain-mlp", digits, epochs=1, seed=s) for s in (1, 1, 2))
    assert torch.equal(weights(first.model), weights(same.model))
    assert not torch.equal(weights(first.model), weights(other.model))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"recipe": "two_conv"}, "unknown recipe 'two_conv'; did you mean 'two-conv'"),
        ({"recipe": None}, "say which recipe to train"),
        ({"epochs": 0}, "at least 1 epoch, not 0"),
        ({"seed": -1}, "a seed is a whole number from 0"),
        ({"seed": 2**70}, "a seed is a whole number from 0"),
        ({"precision": "half"}, "unknown precision 'half'"),
        ({"out": "pyproject.toml/run.pt"}, "cannot be written"),
        ({"out": "tests"}, "is a folder"),
        ({"resume": "no.pt"}, "no file 'no.pt'"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    options: dict[str, Any], words: str, digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parents[1])
    monkeypatch.setattr("digitlab.trainer.Trainer.step", lambda *_: pytest.fail("it trained"))
    options = {"recipe": "plain-mlp", "digits": digits} | options
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        train(options.pop("recipe"), **options)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_no_run_is_put_in_the_place_of_a_special_file(run: Run, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # as /dev/null is, which root could replace
    with pytest.raises(ValueError, match="a folder or a device"):
        run.save(tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()


# --- Files --------------------------------------------------------------------------------------


def test_a_saved_run_comes_back_whole(run: Run, saved: Path) -> None:
    loaded = load_run(saved)
    assert loaded.recipe == run.recipe
    assert loaded.history == run.history
    assert loaded.summary() == run.summary()
    assert torch.equal(weights(loaded.model), weights(run.model))
    assert not loaded.model.training
    assert os.listdir(saved.parent) == ["run.pt"]


def test_the_best_weights_come_back_too(digits: Digits, tmp_path: Path) -> None:
    run = train("plain-mlp", digits, epochs=9, out=tmp_path / "run.pt", device="cpu")
    best = load_run(tmp_path / "run.pt", weights="best")
    assert run.history.best_epoch < 9, "choose a training whose last epoch is not its best"
    assert evaluate(best.model, digits.valid).accuracy == max(run.history.valid_accuracy)
    assert not torch.equal(weights(best.model), weights(run.model))
    with pytest.raises(ValueError, match="did you mean 'best'"):
        load_run(tmp_path / "run.pt", weights="bets")


def test_a_small_file_holds_half_precision_and_nothing_to_resume(
    run: Run, digits: Digits, tmp_path: Path
) -> None:
    whole = run.save(tmp_path / "whole.pt").stat().st_size
    small = run.save(tmp_path / "sub" / "small.pt", small=True)
    assert small.stat().st_size < 2.5 * n_parameters(run.model) < whole / 5
    loaded = load_run(small)
    assert torch.equal(weights(loaded.model), weights(run.model).half().float())
    with pytest.raises(ValueError, match="no training that could go on"):
        train(resume=small, digits=digits)
    with pytest.raises(ValueError, match="only the last weights"):
        load_run(small, weights="best")


def test_one_run_is_one_sequence_of_bytes(run: Run, tmp_path: Path) -> None:
    paths = [run.save(tmp_path / name, small=True) for name in ("a.pt", "long-name.pt")]
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_others_may_read_a_saved_run(run: Run, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        assert run.save(tmp_path / "run.pt").stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(before)


def test_a_save_that_fails_leaves_the_old_file_and_no_other(
    saved: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_out_of_space(content: object, file: Any) -> None:
        file.write(b"half a fi")
        raise OSError(28, "No space left on device")

    before = saved.read_bytes()
    monkeypatch.setattr(torch, "save", run_out_of_space)
    with pytest.raises(OSError, match="No space left"):
        run.save(saved)
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == ["run.pt"]


def test_a_new_file_takes_the_place_of_the_old_one_whole(saved: Path, run: Run) -> None:
    reader, before = saved.with_name("reader.pt"), saved.read_bytes()
    os.link(saved, reader)  # what another process that reads it has open
    run.save(saved, small=True)
    assert reader.read_bytes() == before != saved.read_bytes()


class Bomb:
    """Run a command when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("form", ["pickle", "torch", "hidden in a run"])
def test_a_pickle_bomb_does_not_go_off(form: str, run: Run, saved: Path, tmp_path: Path) -> None:
    marker, path = tmp_path / "exploded", tmp_path / "bomb.pt"
    if form == "pickle":
        path.write_bytes(pickle.dumps(Bomb(marker)))
    elif form == "torch":
        torch.save(Bomb(marker), path)
    else:
        torch.save(torch.load(saved, weights_only=True) | {"scores": Bomb(marker)}, path)
    words = "not a saved run" if form == "pickle" else "could run code; it was not loaded"
    with pytest.raises(ValueError, match=words):
        load_run(path)
    assert not marker.exists()
    torch.load(path, weights_only=False) if form != "pickle" else pickle.loads(path.read_bytes())
    assert marker.exists(), "this was no bomb"


def test_files_that_are_not_ours_are_refused(tmp_path: Path) -> None:
    text, png, other = (tmp_path / name for name in ("a.txt", "b.png", "c.pt"))
    text.write_text("hello")
    Image.new("L", (28, 28)).save(png)
    torch.save({"weights": torch.zeros(3)}, other)
    for path, words in [
        (text, "a.txt is not a saved run, or is cut short"),
        (png, "b.png is not a saved run, or is cut short"),
        (other, "c.pt was not saved by digitlab"),
    ]:
        with pytest.raises(ValueError, match=words):
            load_run(path)
    for path in (tmp_path, tmp_path / "nowhere.pt"):
        with pytest.raises(FileNotFoundError, match="there is no file"):
            load_run(path)


@pytest.mark.parametrize("length", [0, 1, 30, 5000, 0.5, 0.9, -100, -22, -1])
def test_a_file_that_is_cut_short_is_refused(saved: Path, length: float) -> None:
    content = saved.read_bytes()
    end = int(length * len(content)) if isinstance(length, float) else length
    saved.write_bytes(content[:end])
    with pytest.raises(ValueError, match=r"^run.pt is (not a saved run|damaged)[^\n]*$"):
        load_run(saved)


def test_damage_anywhere_is_refused_or_harmless(run: Run, tmp_path: Path) -> None:
    path = run.save(tmp_path / "run.pt", small=True)
    content, expected = path.read_bytes(), weights(load_run(path).model)
    for place in [*range(0, 3000, 41), *range(3000, len(content), len(content) // 60)]:
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        try:
            loaded = load_run(path)
        except ValueError as error:
            assert str(error).startswith("run.pt ")  # noqa: PT017
        else:
            assert torch.equal(weights(loaded.model), expected), f"byte {place}"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, "newer digitlab .format 2, this one reads up to 1.; update"),
        ({"version": None}, "update digitlab"),
        ({"recipe": {"name": "x"}}, "not a whole recipe"),
        ({"recipe": 3}, "no run that can be used"),
        ({"weights": {}}, "Missing key"),
        ({"weights": None}, "no run that can be used"),
        ({"history": {"los": []}}, "no run that can be used"),
    ],
)
def test_contents_that_do_not_fit_are_refused(
    saved: Path, change: dict[str, Any], words: str
) -> None:
    torch.save(torch.load(saved, weights_only=True) | change, saved)
    with pytest.raises(ValueError, match=f"^run.pt .*{words}[^\n]*$"):
        load_run(saved)


def test_every_missing_part_is_named(saved: Path) -> None:
    content = torch.load(saved, weights_only=True)
    for key in content.keys() - {"format", "version", "written_with"}:
        torch.save({name: value for name, value in content.items() if name != key}, saved)
        with pytest.raises(ValueError, match=f"no run that can be used: it lacks '{key}'"):
            load_run(saved)


# --- Going on -----------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 4])
def test_an_interrupted_run_goes_on_from_its_file(
    interrupt_at: type, batch: int, digits: Digits, tmp_path: Path
) -> None:
    recipe = RECIPES["dropout-mlp"].replace(batch_size=16)  # 3 batches in an epoch
    options = {"digits": digits, "epochs": 3, "device": "cpu", "out": tmp_path / "run.pt"}
    whole = train(recipe, augment=interrupt_at(99), **options)
    cut = train(recipe, augment=interrupt_at(batch), **options)
    assert not cut.finished
    assert load_run(tmp_path / "run.pt").history.stopped == cut.history.stopped
    further = train(digits=digits, resume=tmp_path / "run.pt", augment=torch.clone, device="cpu")
    assert further.finished
    assert further.history.stopped == ""
    assert plain(further.history) == plain(whole.history)
    assert torch.equal(weights(further.model), weights(whole.model))


def test_a_finished_run_is_not_trained_further(saved: Path, run: Run, digits: Digits) -> None:
    again = train(digits=digits, resume=saved, device="cpu")
    assert again.summary() == run.summary()
    assert torch.equal(weights(again.model), weights(run.model))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"recipe": "three-conv"}, "with recipe 'two-conv', not 'three-conv'"),
        ({"recipe": RECIPES["two-conv"].replace(lr=0.5)}, "other settings"),
        ({"seed": 1}, "with seed 0, not 1"),
        ({"epochs": 9}, "with epochs 2, not 9"),
        ({"augment": torch.clone}, "augment False, not True"),
        ({"precision": "bfloat16"}, "precision 'float32', not 'bfloat16'"),
    ],
)
def test_resuming_another_training_is_refused(
    saved: Path, digits: Digits, change: dict[str, Any], words: str
) -> None:
    options = {"recipe": None} | change
    with pytest.raises(ValueError, match=words):
        train(options.pop("recipe"), digits, resume=saved, **options)


def test_resuming_on_other_digits_is_refused(
    saved: Path, digits: Digits, optdigits: Digits
) -> None:
    with pytest.raises(ValueError, match="with data 'tiny', not 'optdigits'"):
        train(resume=saved, digits=optdigits)
    fewer = Digits("tiny", digits.train[:20], digits.valid, digits.test, "", "")
    with pytest.raises(ValueError, match="with sizes"):
        train(resume=saved, digits=fewer)


def start_training(out: Path, *options: str, epochs: int) -> subprocess.Popen[str]:
    """Start the command line in another process, and wait for the first epoch's file."""
    code = (  # a process started in the background may have been told to ignore Ctrl-C
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from digitlab.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = ["train", "two-conv", "--data", "optdigits", "--epochs", str(epochs)]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *command, *options, "--out", str(out)],
        env=os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not out.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return process


def test_a_killed_training_goes_on_to_the_same_bits(optdigits: Digits, tmp_path: Path) -> None:
    out = tmp_path / "run.pt"
    process = start_training(out, epochs=8)
    process.kill()
    process.communicate()
    cut = load_run(out)
    assert 1 <= len(cut.history) < 8
    assert not cut.scores
    assert main(["train", "--resume", str(out)]) == 0
    whole = train("two-conv", optdigits, epochs=8)
    further = load_run(out)
    assert plain(further.history) == plain(whole.history)
    assert torch.equal(weights(further.model), weights(whole.model))
    left = {path.suffix for path in tmp_path.iterdir() if path != out}
    assert left <= {".part"}  # half a file, if the kill came while saving; nothing ever reads it


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_ctrl_c_keeps_the_run_and_says_how_to_go_on(tmp_path: Path) -> None:
    out = tmp_path / "my run.pt"
    process = start_training(out, "--precision", "bfloat16", epochs=400)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert f"go on with: digitlab train --resume '{out}' --precision bfloat16" in errors
    assert "Traceback" not in errors
    run = load_run(out)
    assert "interrupted in epoch" in run.history.stopped
    assert 1 <= len(run.history) < 400
    assert os.listdir(tmp_path) == [out.name]


# --- Stored results -----------------------------------------------------------------------------


def store(folder: Path, *accuracies: float, recipe: str = "two-conv", data: str = "tiny") -> None:
    rows = [
        {"recipe": recipe, "data": data, "seed": seed, "n_train": 500, "test_accuracy": accuracy}
        for seed, accuracy in enumerate(accuracies)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / f"{recipe}-{data}.jsonl").write_text(text)


def scored(accuracy: float, *, n_train: int = 500, **change: Any) -> Run:
    recipe, sizes = RECIPES["two-conv"].replace(**change), {"train": n_train, "test": 10_000}
    return Run(recipe, None, History(), "tiny", sizes, 0, 3, {"test_accuracy": accuracy})


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(runs, "results", lambda: results(tmp_path))
    store(tmp_path, 0.990, 0.991, 0.992)
    return tmp_path


@pytest.mark.parametrize(("accuracy", "verdict"), [(0.9905, "usual"), (0.95, "low"), (0.5, "low")])
def test_a_run_is_compared_with_the_stored_ones(
    stored: Path, accuracy: float, verdict: str
) -> None:
    comparison = compare(scored(accuracy))
    assert comparison.verdict == verdict
    assert comparison.n_runs == 3
    assert repr(comparison).startswith(f"{verdict}: {accuracy:.2%} of the test digits")
    # mean 0.991, standard deviation 0.001, Student's t of 2 degrees of freedom at 99.5 %: 9.925
    reach = 9.925 * 0.001 * (4 / 3) ** 0.5 + 1 / 10_000  # and one digit
    assert comparison.low == pytest.approx(0.991 - reach, abs=1e-5)
    assert comparison.high == 1.0


def test_a_low_run_is_told_why_or_where_to_look(stored: Path) -> None:
    assert compare(scored(0.9)).text.endswith(
        "look at the learning curves, the learning rate and the number of epochs"
    )
    few = compare(scored(0.9, n_train=100))
    assert few.verdict == "low"
    assert few.text.endswith("; it learned from 100 digits, they from 500")
    assert compare(scored(0.991, n_train=100)).text.endswith("%")


def test_a_run_that_is_too_good_is_called_high(stored: Path) -> None:
    store(stored, 0.90, 0.901, 0.902)
    comparison = compare(scored(0.99))
    assert comparison.verdict == "high"
    assert "test digits among the training digits" in comparison.text


def test_a_run_without_its_like_is_unknown(stored: Path) -> None:
    assert compare(scored(0.9, lr=0.9)).verdict == "unknown"
    assert (
        compare(Run(RECIPES["two-conv"], None, History(), "mnist", {}, 0, 3)).verdict == "unknown"
    )
    store(stored, 0.9, 0.9)
    assert compare(scored(0.9)).verdict == "unknown"


def test_a_run_with_unfinished_scores_is_unknown(stored: Path) -> None:
    unfinished = Run(RECIPES["two-conv"], None, History(), "tiny", {}, 0, 3)
    assert compare(unfinished).verdict == "unknown"


def test_results_leave_out_a_line_that_was_cut_short(tmp_path: Path) -> None:
    store(tmp_path, 0.9, 0.8)
    with (tmp_path / "two-conv-tiny.jsonl").open("a") as file:
        file.write('{"recipe": "two-conv", "data": "ti')
    assert [row["test_accuracy"] for row in results(tmp_path)] == [0.9, 0.8]
    assert results(tmp_path / "nowhere") == []


def test_results_of_tricks_are_returned_where_they_are_asked_for(tmp_path: Path) -> None:
    store(tmp_path, 0.9)
    (tmp_path / "tricks.jsonl").write_text('{"recipe": "fast: as it is", "valid_accuracy": 0.9}\n')
    assert [row["recipe"] for row in results(tmp_path)] == ["two-conv"]
    assert [row["recipe"] for row in results(tmp_path, study="tricks")] == ["fast: as it is"]


def test_shipped_results_name_recipes_that_exist() -> None:
    known = [MEMBER, NARROW, *RECIPES.values()]
    parameters = {recipe.name.split(",")[0]: n_parameters(build_model(recipe)) for recipe in known}
    for row in results():
        name, _, _ = row["recipe"].partition(",")  # "lenet-sgd, varied digits" has its parameters
        assert row["parameters"] == parameters[name]
        assert 0.5 < row["test_accuracy"] <= 1


def test_an_unknown_trained_model_is_answered_with_what_there_is() -> None:
    with pytest.raises(ValueError, match="unknown trained model 'slow'"):
        pretrained("slow")


def test_every_shipped_model_reads_digits(optdigits: Digits) -> None:
    shipped = sorted((runs.PACKAGE / "weights").glob("*.pt"))
    assert sum(path.stat().st_size for path in shipped) < 3e6
    for path in shipped:
        card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        assert card["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        model = pretrained(path.stem)
        assert not model.training
        assert evaluate(model, optdigits.test).accuracy > 0.8  # trained on MNIST alone


def test_the_shipped_ensemble_has_five_members_of_two_recipes(optdigits: Digits) -> None:
    ensemble = runs.pretrained_ensemble()
    assert len(ensemble.members) == 5
    assert not ensemble.training
    alone = [evaluate(member, optdigits.test).loss for member in ensemble.members]
    assert len(set(alone)) == 5
    assert evaluate(ensemble, optdigits.test).loss < sum(alone) / 5
    members = [runs.pretrained_run(name) for name in runs.MEMBERS]
    assert [run.seed for run in members] == [0, 0, 1, 2, 3]
    settings = [run.recipe.settings() for run in members]
    assert settings == [RECIPES["best"].settings(), *[MEMBER.settings()] * 4]


def test_the_model_behind_the_pad_reads_the_embedded_digits_without_having_seen_any(
    optdigits: Digits,
) -> None:
    n_right, n_images = 0.0, 0
    for split in (optdigits.train, optdigits.valid, optdigits.test):
        result = evaluate(pretrained(), split)
        n_right += result.accuracy * result.n_images
        n_images += result.n_images
    assert n_images == 1797
    assert n_right / n_images > 0.96


def test_a_loss_that_would_be_ignored_is_refused(optdigits: Digits) -> None:
    with pytest.raises(ValueError, match="unknown loss 'mse'; choose from cross-entropy"):
        train(RECIPES["fast"].replace(loss="mse"), optdigits, epochs=1)


def test_what_a_bench_stored_is_found_by_its_name() -> None:
    assert runs.stored("reading")["bench"] == "reading"
    with pytest.raises(ValueError, match="unknown stored measurement 'raeding'; did you mean"):
        runs.stored("raeding")


def test_a_trainer_is_built_as_the_recipe_says_and_options_come_first() -> None:
    recipe = RECIPES["tiny"]
    trainer = build_trainer(recipe, seed=3)
    assert (trainer.batch_size, trainer.seed) == (recipe.batch_size, 3)
    assert trainer.augment == Augment(**recipe.augment)
    assert trainer.schedule is one_cycle
    assert trainer.optimizer.param_groups[0]["lr"] == recipe.lr
    assert build_trainer(RECIPES["fast"]).augment is None
    assert build_trainer(RECIPES["fast"]).average is None
    assert build_trainer(RECIPES["best"]).average == RECIPES["best"].average == 0.1
    assert build_trainer(recipe, augment=torch.clone).augment is torch.clone


def test_the_optimizer_takes_what_the_recipe_says_and_else_keeps_its_own() -> None:
    by_name = {
        name: build_trainer(RECIPES[name]).optimizer for name in ("best", "fast", "lenet-sgd")
    }
    options = {name: optimizer.param_groups[0] for name, optimizer in by_name.items()}
    best = RECIPES["best"]
    assert (options["best"]["momentum"], options["best"]["weight_decay"]) == (0.9, 0.0005)
    assert (best.momentum, best.weight_decay) == (0.9, 0.0005)
    assert (options["fast"]["betas"], options["fast"]["weight_decay"]) == ((0.7, 0.9), 0.01)
    assert options["lenet-sgd"]["weight_decay"] == 0


def test_a_setting_that_an_optimizer_does_not_have_is_named() -> None:
    with pytest.raises(ValueError, match="Adam takes no momentum; replace it by None, too"):
        build_trainer(RECIPES["lenet-sgd"].replace(optimizer="Adam"))


def test_a_misspelt_augmentation_is_answered_with_the_nearest_one() -> None:
    recipe = RECIPES["fast"].replace(augment={"rotat": 10.0})
    with pytest.raises(ValueError, match="unknown augmentation 'rotat'; did you mean 'rotate'"):
        build_trainer(recipe)
