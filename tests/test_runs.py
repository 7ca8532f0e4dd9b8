"""Runs: trained from recipes, saved whole, loaded safely, resumed to the bit."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from digitlab.augment import Augment
from digitlab.data import Digits, Split
from digitlab.inference import evaluate
from digitlab.models import n_parameters
from digitlab.recipes import RECIPES, build_model
from digitlab.runs import Run, build_trainer, load_run, train
from digitlab.trainer import History, Interrupted, Trainer, one_cycle


@pytest.fixture
def digits(tiny: Split) -> Digits:
    return Digits("tiny", tiny, tiny[:10], tiny[10:30], "drawn by a test", "none")


@pytest.fixture
def run(digits: Digits) -> Run:
    return train("three-conv", digits, epochs=2, device="cpu")


@pytest.fixture
def saved(run: Run, tmp_path: Path) -> Path:
    return run.save(tmp_path / "run.pt")


def weights(model: torch.nn.Module) -> Tensor:
    return torch.cat([value.flatten() for value in model.state_dict().values()])


def plain(history: History) -> dict[str, object]:
    return {name: value for name, value in vars(history).items() if name != "seconds"}


# --- Training -----------------------------------------------------------------------------------


def test_a_run_says_what_it_was_and_what_it_reached(run: Run, digits: Digits) -> None:
    assert run.finished
    assert not run.model.training
    summary = run.summary()
    expected = {
        "recipe": "three-conv",
        "data": "tiny",
        "seed": 0,
        "n_train": 40,
        "n_valid": 10,
        "n_test": 20,
        "parameters": 60_874,
        "epochs": 2,
        "seconds": round(sum(run.history.seconds), 3),
        "precision": "float32",
    }
    for name in ("train", "valid"):
        result = evaluate(run.model, getattr(digits, name))
        expected |= {f"{name}_accuracy": result.accuracy, f"{name}_loss": round(result.loss, 6)}
    assert list(summary.items()) == list(expected.items())
    assert json.loads(json.dumps(summary)) == summary
    assert repr(run).startswith("Run(recipe='three-conv', data='tiny', seed=0, n_train=40, ")
    assert "<caption>Run of three-conv</caption>" in run._repr_html_()
    assert "<td>n_train</td><td>40</td>" in run._repr_html_()


def test_a_run_says_what_it_was_trained_with(
    digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "set_num_threads", lambda n: None)
    recipe = RECIPES["plain-mlp"].replace(precision="bfloat16", threads=2)
    teacher = build_model("tiny").eval()
    run = train(recipe, digits, epochs=1, device="cpu", teacher=teacher)
    words = {"device": "cpu", "precision": "bfloat16", "threads": 2, "teacher": "SmallCNN"}
    assert words.items() <= run.trained_with.items()
    assert run.trained_with["torch"] == torch.__version__
    assert run.summary()["precision"] == "bfloat16"
    plain_one = train("plain-mlp", digits, epochs=1, device="cpu")
    assert (plain_one.trained_with["threads"], plain_one.trained_with["teacher"]) == (1, None)


def test_the_test_digits_are_read_when_a_run_is_judged_and_not_before(
    run: Run, digits: Digits, tmp_path: Path
) -> None:
    assert "test_accuracy" not in run.scores
    judged = run.judge(digits)
    result = evaluate(run.model, digits.test)
    expected = run.scores | {"test_accuracy": result.accuracy, "test_loss": result.loss}
    assert judged.scores == expected
    assert load_run(judged.save(tmp_path / "run.pt")).scores == expected


def test_a_run_is_not_judged_by_other_digits(run: Run, digits: Digits) -> None:
    others = replace(digits, name="others")
    with pytest.raises(ValueError, match="this run learned tiny; judge it on those digits, not on"):
        run.judge(others)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_trains_on_few_digits(name: str, digits: Digits) -> None:
    run = train(name, digits, epochs=1, seed=1)
    assert run.recipe is RECIPES[name]
    assert (len(run.history), run.epochs, run.seed) == (1, 1, 1)


def test_a_small_data_set_gets_at_least_the_least_steps(digits: Digits) -> None:
    recipe = RECIPES["plain-mlp"].replace(epochs=1, least_steps=6, batch_size=16)
    assert len(train(recipe, digits).history) == 2  # 3 batches of 40 digits


def test_validation_digits_can_be_learned_once_all_is_chosen(
    digits: Digits, tmp_path: Path
) -> None:
    recipe = RECIPES["plain-mlp"].replace(use_valid=True, epochs=2, least_steps=1)
    run = train(recipe, digits, out=tmp_path / "run.pt")
    assert run.sizes == {"train": 50, "test": 20}
    assert run.history.valid_accuracy == []
    assert set(run.scores) == {"train_accuracy", "train_loss"}
    both = digits.train.joined(digits.valid)
    assert run.scores["train_accuracy"] == evaluate(run.model, both).accuracy
    again = train(resume=tmp_path / "run.pt", digits=digits)
    assert torch.equal(weights(again.model), weights(run.model))


def test_one_seed_is_one_run(digits: Digits) -> None:
    first, same, other = (train("plain-mlp", digits, epochs=1, seed=s) for s in (None, 0, 2))
    assert torch.equal(weights(first.model), weights(same.model))
    assert not torch.equal(weights(first.model), weights(other.model))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"recipe": "two_conv"}, "unknown recipe 'two_conv'; did you mean 'two-conv'"),
        ({"recipe": None}, "say which recipe to train: plain-mlp, dropout-mlp"),
        ({"recipe": RECIPES["fast"].replace(loss="mse")}, "unknown loss 'mse'; choose from cross"),
        ({"recipe": RECIPES["fast"].replace(precision="half")}, "unknown precision 'half'"),
        ({"recipe": RECIPES["fast"].replace(schedule="cycle")}, "unknown schedule 'cycle'"),
        ({"recipe": RECIPES["fast"].replace(optimizer="Adan")}, "unknown optimizer 'Adan'; did yo"),
        ({"epochs": 0}, "at least 1 epoch, not 0"),
        ({"seed": -1}, "a seed is a whole number from 0"),
        ({"seed": 2**63}, "a seed is a whole number from 0"),
        ({"out": "pyproject.toml/run.pt"}, "cannot be written"),
        ({"out": "tests"}, "is a folder"),
        ({"resume": "no.pt"}, "no file 'no.pt'"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    options: dict[str, Any], words: str, digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parents[1])
    monkeypatch.setattr(Trainer, "step", lambda *_: pytest.fail("it trained"))
    options = {"recipe": "plain-mlp", "digits": digits} | options
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        train(options.pop("recipe"), **options)


def test_a_trainer_is_built_as_the_recipe_says_and_options_come_first() -> None:
    recipe = RECIPES["tiny"]
    trainer = build_trainer(recipe, seed=3)
    assert (trainer.batch_size, trainer.seed) == (recipe.batch_size, 3)
    assert trainer.augment == Augment(**recipe.augment)
    assert trainer.schedule is one_cycle
    assert trainer.optimizer.param_groups[0]["lr"] == recipe.lr
    fast, best = build_trainer(RECIPES["fast"]), build_trainer(RECIPES["best"])
    assert (fast.augment, fast.average, fast.n_threads, fast.smoothing) == (None, None, None, 0.05)
    assert (best.schedule, best.average, best.n_threads) == (None, 0.1, 1)
    assert (best.precision, fast.precision) == ("bfloat16", "float32")
    assert build_trainer(recipe, augment=torch.clone).augment is torch.clone
    same = build_model(recipe, seed=3)
    assert torch.equal(weights(trainer.model), weights(same))


def test_the_optimizer_takes_what_the_recipe_says_and_else_keeps_its_own() -> None:
    names = ("best", "fast", "lenet-sgd")
    best, fast, lenet = (build_trainer(RECIPES[name]).optimizer.param_groups[0] for name in names)
    assert (best["momentum"], best["weight_decay"]) == (0.9, 0.0005)
    assert (fast["betas"], fast["weight_decay"]) == ((0.7, 0.9), 0.01)
    assert lenet["weight_decay"] == 0
    assert best["fused"]
    with pytest.raises(ValueError, match="Adam takes no momentum; replace it by None, too"):
        build_trainer(RECIPES["lenet-sgd"].replace(optimizer="Adam"))


def test_a_misspelt_augmentation_is_answered_with_the_nearest_one() -> None:
    recipe = RECIPES["fast"].replace(augment={"rotat": 10.0})
    with pytest.raises(ValueError, match="unknown augmentation 'rotat'; did you mean 'rotate'"):
        build_trainer(recipe)


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
    small = run.save(tmp_path / "sub" / "deep" / "small.pt", small=True)
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
    with pytest.raises(ValueError, match="is a folder; give the name of a saved run in it"):
        load_run(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load_run(tmp_path / "nowhere.pt")


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
        ({"version": 3}, "newer digitlab .format 3, this one reads up to 2.; update"),
        ({"version": 0}, "update digitlab"),
        ({"version": None}, "update digitlab"),
        ({"recipe": {"name": "x"}}, "not a whole recipe"),
        ({"recipe": 3}, "no run that can be used"),
        ({"weights": {}}, "Missing key"),
        ({"weights": None}, "no run that can be used"),
        ({"history": {"los": []}}, "a history needs one number for each epoch"),
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
    for key in content.keys() - {"format", "version", "trained_with"}:
        torch.save({name: value for name, value in content.items() if name != key}, saved)
        with pytest.raises(ValueError, match=f"no run that can be used: it lacks '{key}'"):
            load_run(saved)


# --- Going on -----------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 4, 9])
def test_an_interrupted_run_goes_on_from_its_file(
    batch: int, digits: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, recipe = tmp_path / "run.pt", RECIPES["dropout-mlp"].replace(batch_size=16)
    options: dict[str, Any] = {"digits": digits, "epochs": 3, "device": "cpu"}
    whole = train(recipe, **options)  # 3 batches in an epoch
    steps, step = [], Trainer.step

    def interrupted_step(self: Trainer, *batch_: Tensor) -> tuple[float, Tensor]:
        steps.append(1)
        if len(steps) == batch:
            raise KeyboardInterrupt
        return step(self, *batch_)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", interrupted_step)
        with pytest.raises(Interrupted) as caught:
            train(recipe, out=out, **options)
    cut, n_whole = caught.value.run, (batch - 1) // 3
    assert cut.history.stopped == f"interrupted in epoch {n_whole + 1} of 3"
    assert cut.history.train_loss == whole.history.train_loss[:n_whole]
    assert not cut.finished
    assert not cut.scores
    assert evaluate(cut.model, digits.test).n_images == 20
    assert out.exists() == (n_whole > 0)
    if n_whole:
        assert not load_run(out).finished
        further = train(digits=digits, resume=out, device="cpu")
        assert further.finished
        assert plain(further.history) == plain(whole.history)
        assert further.scores == whole.scores
        assert torch.equal(weights(further.model), weights(whole.model))


def test_ctrl_c_while_the_model_is_judged_loses_nothing(
    digits: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("digitlab.runs.evaluate", interrupt)
        with pytest.raises(Interrupted, match="interrupted after the last epoch; history") as stop:
            train("plain-mlp", digits, epochs=2, out=tmp_path / "run.pt")
    assert len(stop.value.history) == len(stop.value.run.history) == 2
    assert train(resume=tmp_path / "run.pt", digits=digits).scores["valid_accuracy"] > 0


def test_a_finished_run_is_not_trained_further(saved: Path, run: Run, digits: Digits) -> None:
    again = train(digits=digits, resume=saved, device="cpu")
    assert again.summary() == run.summary()
    assert torch.equal(weights(again.model), weights(run.model))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"recipe": "two-conv"}, "had recipe 'three-conv', not 'two-conv'"),
        ({"recipe": RECIPES["three-conv"].replace(lr=0.5)}, "other settings; leave the recipe out"),
        ({"seed": 1}, "had seed 0, not 1"),
        ({"epochs": 9}, "had epochs 2, not 9"),
        ({"teacher": build_model("tiny")}, "had teacher False, not True"),
    ],
)
def test_resuming_another_training_is_refused(
    saved: Path, digits: Digits, change: dict[str, Any], words: str
) -> None:
    options = {"recipe": None} | change
    with pytest.raises(ValueError, match=words):
        train(options.pop("recipe"), digits, resume=saved, **options)
    for same in ("three-conv", RECIPES["three-conv"]):
        train(same, digits, resume=saved, seed=0, epochs=2)


def test_resuming_on_other_digits_is_refused(
    saved: Path, digits: Digits, optdigits: Digits
) -> None:
    with pytest.raises(ValueError, match="had data 'tiny', not 'optdigits'"):
        train(resume=saved, digits=optdigits)
    fewer = Digits("tiny", digits.train[:20], digits.valid, digits.test, "", "")
    with pytest.raises(ValueError, match=r"had sizes \{'train': 40, .*, not \{'train': 20"):
        train(resume=saved, digits=fewer)
    shuffled = Digits("tiny", digits.train.sample(40), digits.valid, digits.test, "", "")
    with pytest.raises(ValueError, match="had digits_sum"):
        train(resume=saved, digits=shuffled)


@pytest.mark.parametrize("state", [{}, {"plan": {}}])
def test_a_file_with_half_a_state_is_refused(saved: Path, digits: Digits, state: Any) -> None:
    torch.save(torch.load(saved, weights_only=True) | {"state": state}, saved)
    with pytest.raises(ValueError, match="a training cannot go on without its"):
        train(resume=saved, digits=digits)


TRAIN = """
import signal, sys, torch
from digitlab.data import Digits, Split
from digitlab.runs import train
signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent may have it ignored
torch.set_num_threads(1)
few = Split(*torch.load(sys.argv[1]))
try:
    train("plain-mlp", Digits("few", few, few, few, "", ""), epochs=40, out=sys.argv[2])
except KeyboardInterrupt as stop:
    print(type(stop).__name__, len(stop.history), stop.run.history.stopped)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_training_stopped_from_outside_goes_on_to_the_same_bits(
    how: signal.Signals, tiny: Split, tmp_path: Path
) -> None:
    few = tiny.joined(tiny).joined(tiny).joined(tiny)  # three batches
    digits = Digits("few", few, few, few, "", "")
    torch.save((few.images, few.labels), tmp_path / "digits")
    out = tmp_path / "runs" / "my run.pt"
    command = [sys.executable, "-c", TRAIN, str(tmp_path / "digits"), str(out)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not out.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(how)
    said, errors = process.communicate(timeout=120)
    cut = load_run(out)
    n = len(cut.history)
    assert 1 <= n < 40
    assert not cut.scores
    left = [path.suffix for path in out.parent.iterdir() if path != out]
    if how == signal.SIGINT:
        ended = (f"Interrupted {m} interrupted in epoch {m + 1} of 40\n" for m in (n, n + 1))
        assert said in ended  # the stop may come while an epoch is saved
        assert (process.returncode, "Traceback" in errors, left) == (0, False, [])
    assert set(left) <= {".part"}  # half a file, if the kill came while saving; nobody reads it
    further = train(digits=digits, resume=out)
    whole = train("plain-mlp", digits, epochs=40)
    assert plain(further.history) == plain(whole.history)
    assert torch.equal(weights(further.model), weights(whole.model))


# --- Files of version 1 -------------------------------------------------------------------------

OLD_PLAN = ("epochs", "digits", "batch_size", "seed", "augment", "smoothing", "teacher")


def as_version_1(path: Path, precision: str = "float32") -> None:
    """Write a file as it was before precision and threads were in the recipe."""
    content = torch.load(path, weights_only=True)
    content |= {"version": 1, "written_with": content.pop("trained_with")}
    for name in ("precision", "threads"):
        del content["recipe"][name]
    state = content["state"]
    state["plan"] = {name: state["plan"][name] for name in (*OLD_PLAN, "average", "precision")}
    if state["scheduler"]:
        optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
        one = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=6)
        state["scheduler"] = {k: v for k, v in one.state_dict().items() if k != "anneal_func"}
    torch.save(content, path)


def unfinished(out: Path, digits: Digits, **change: Any) -> Run:
    """Write a file that is stopped after the first of two epochs; return the whole run."""
    recipe = RECIPES["dropout-mlp"].replace(batch_size=16, **change)
    whole = train(recipe, digits, epochs=2, device="cpu")
    save = Run.save
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "save", lambda self, path: save(self, path) and 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train(recipe, digits, epochs=2, device="cpu", out=out)
    return whole


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_file_of_version_1_goes_on_where_its_schedule_was_constant(
    precision: str, digits: Digits, tmp_path: Path
) -> None:
    out = tmp_path / "run.pt"
    whole = unfinished(out, digits, schedule="constant", precision=precision)
    as_version_1(out)
    cut = load_run(out)
    assert (cut.recipe, len(cut.history)) == (whole.recipe, 1)
    assert cut.trained_with["torch"] == torch.__version__
    further = train(resume=out, digits=digits, device="cpu")
    assert plain(further.history) == plain(whole.history)
    assert torch.equal(weights(further.model), weights(whole.model))
    whole.save(out)
    as_version_1(out)
    assert load_run(out, weights="best").recipe == whole.recipe


def test_a_one_cycle_of_version_1_is_refused(digits: Digits, tmp_path: Path) -> None:
    out = tmp_path / "run.pt"
    unfinished(out, digits, schedule="one-cycle")
    as_version_1(out)
    assert load_run(out).recipe.schedule == "one-cycle"
    with pytest.raises(ValueError, match=r"^the scheduler to go on with .* version; train anew$"):
        train(resume=out, digits=digits)
