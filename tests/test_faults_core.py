"""Faults that people met elsewhere, tried here: nothing wrong goes by in silence."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from digitlab.data import Digits, Split
from digitlab.inference import evaluate
from digitlab.measured import compare
from digitlab.reading.predict import predict
from digitlab.recipes import RECIPES, build_model
from digitlab.runs import Run, load_run, train
from digitlab.trainer import Interrupted, Trainer

LENET = RECIPES["lenet-sgd"]


def flat(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Flatten(), *layers)


@pytest.fixture(scope="module")
def run(optdigits: Digits) -> Run:
    few = dataclasses.replace(optdigits, train=optdigits.train[:200])
    return train(LENET, few, epochs=1)


# --- What is saved can be opened --------------------------------------------------------------


def test_numbers_of_numpy_and_torch_become_pythons_own(optdigits: Digits, tmp_path: Path) -> None:
    few = dataclasses.replace(optdigits, train=optdigits.train[:200])
    recipe = LENET.replace(lr=np.logspace(-3, -1, 3)[1], batch_size=np.int64(50))
    recipe = recipe.replace(momentum=torch.tensor(0.5))
    made = train(recipe, few, epochs=np.int64(1), seed=np.int64(3), out=tmp_path / "run.pt")
    again = load_run(tmp_path / "run.pt")
    assert again.recipe == made.recipe
    assert (again.seed, again.epochs) == (3, 1)
    assert [type(v) for v in (recipe.lr, recipe.batch_size, again.seed)] == [float, int, int]


@pytest.mark.parametrize(
    "change",
    [
        {"lr": "0.1"},
        {"epochs": 1.5},
        {"batch_size": True},
        {"augment": {"shift": "2"}},
        {"name": 3},
    ],
)
def test_a_recipe_refuses_values_of_another_type(change: dict[str, object]) -> None:
    (name,) = change
    with pytest.raises(ValueError, match=f"{name} of a recipe must be"):
        LENET.replace(**change)


def test_what_is_wrapped_around_a_model_is_left_out_of_its_file(run: Run, tmp_path: Path) -> None:
    for wrapped in (torch.compile(run.model, backend="eager"), nn.DataParallel(run.model)):
        path = dataclasses.replace(run, model=wrapped).save(tmp_path / "run.pt")
        assert load_run(path).model.state_dict().keys() == run.model.state_dict().keys()


def test_a_run_that_could_not_be_loaded_leaves_the_file_before(run: Run, tmp_path: Path) -> None:
    path = run.save(tmp_path / "run.pt")
    before = path.read_bytes()
    changed = build_model(LENET)
    nn.utils.parametrizations.weight_norm(changed.layers[-1])
    for broken in (
        dataclasses.replace(run, model=changed),
        dataclasses.replace(run, state={"plan": Path()}),
    ):
        with pytest.raises(ValueError, match="could not be loaded again, so it is not saved"):
            broken.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("field", "value"),
    [("seed", "0"), ("epochs", 2.5), ("sizes", {"train": "many"}), ("scores", []), ("data", None)],
)
def test_a_loaded_run_is_checked_like_a_new_one(
    run: Run, tmp_path: Path, field: str, value: object
) -> None:
    content = torch.load(run.save(tmp_path / "run.pt"), weights_only=True) | {field: value}
    torch.save(content, tmp_path / "run.pt")
    with pytest.raises(ValueError, match=rf"run.pt is no run .* {field} of a run must be"):
        load_run(tmp_path / "run.pt")


# --- What is trained is what was meant --------------------------------------------------------


def trainer(model: nn.Module, weights: list[Tensor] | None = None, **options: object) -> Trainer:
    held = list(model.parameters()) if weights is None else weights
    kind = options.pop("optimizer", torch.optim.SGD)
    return Trainer(model, kind(held, lr=0.1), device="cpu", **options)


def frozen() -> nn.Module:
    return flat(nn.Linear(784, 10)).requires_grad_(False)


LINEAR = flat(nn.Linear(784, 10))
NORM = flat(nn.Linear(784, 8), nn.BatchNorm1d(8), nn.Linear(8, 10))
PLANS = {
    "weights of another model": (trainer(LINEAR, list(NORM.parameters())), "of another model"),
    "frozen weights": (trainer(frozen()), "frozen weights only"),
    "LBFGS": (trainer(LINEAR, optimizer=torch.optim.LBFGS), "LBFGS computes"),
    "a last batch of one": (trainer(NORM, batch_size=39), "the last batch has 1 digit of 40"),
    "batches of one": (trainer(NORM, batch_size=1), "the last batch has 1 digit of 40"),
    "negative smoothing": (trainer(LINEAR, smoothing=-0.1), "0 to 1, not -0.1"),
    "smoothing above 1": (trainer(LINEAR, smoothing=1.1), "0 to 1, not 1.1"),
    "no smoothing": (trainer(LINEAR, smoothing=math.nan), "0 to 1, not nan"),
    "half a digit": (trainer(LINEAR, batch_size=2.5), "batch size is a whole number, not 2.5"),
    "a schedule's name": (trainer(LINEAR, schedule="one-cycle"), "a function such as dl.one_cycle"),
    "a teacher of five": (trainer(LINEAR, teacher=flat(nn.Linear(784, 5))), "the teacher must"),
}


@pytest.mark.parametrize(("trainer", "words"), PLANS.values(), ids=PLANS.keys())
def test_a_plan_is_refused_before_the_first_step(tiny: Split, trainer: Trainer, words: str) -> None:
    before = [value.clone() for value in trainer.model.state_dict().values()]
    with pytest.raises(ValueError, match=words):
        trainer.fit(tiny, epochs=1)
    after = trainer.model.state_dict().values()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_batch_norm_learns_where_the_last_batch_has_two(tiny: Split) -> None:
    assert len(trainer(NORM, batch_size=38).fit(tiny, epochs=1)) == 1


def test_training_without_gradients_and_in_half_epochs_is_refused(tiny: Split) -> None:
    with torch.no_grad(), pytest.raises(ValueError, match="gradients are switched off"):
        trainer(LINEAR).fit(tiny, epochs=1)
    with pytest.raises(ValueError, match=r"epochs is a whole number, not 1\.5"):
        trainer(LINEAR).fit(tiny, epochs=1.5)


def test_pixels_of_0_and_1_as_bytes_are_refused(tiny: Split) -> None:
    black = Split((tiny.images > 127).byte(), tiny.labels)
    for work in (
        lambda: predict(LINEAR, black.images),
        lambda: predict(LINEAR, black),
        lambda: trainer(LINEAR).fit(black, epochs=1),
    ):
        with pytest.raises(ValueError, match="0 and 1 of 0 to 255, so all is black"):
            work()
    assert predict(LINEAR, torch.zeros(28, 28, dtype=torch.uint8)).digit in range(10)


# --- What is read has ten classes, and numbers ------------------------------------------------


@pytest.mark.parametrize("n", [1, 9, 20])
def test_a_model_of_other_classes_is_refused(tiny: Split, n: int) -> None:
    for work in (evaluate, predict):
        with pytest.raises(
            ValueError, match=rf"logits \(N, 10\), but this one returned \(N, {n}\)"
        ):
            work(flat(nn.Linear(784, n)), tiny)


def test_a_network_of_nan_gives_no_answer(tiny: Split) -> None:
    model = flat(nn.Linear(784, 10))
    with torch.no_grad():
        model[1].weight.fill_(math.nan)
    for work in (evaluate, predict):
        with pytest.raises(ValueError, match="for 40 of 40 digits this model returns no numbers"):
            work(model, tiny)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_models_of_other_precision_read_the_same(tiny: Split, dtype: torch.dtype) -> None:
    model = build_model("fast", seed=0).eval()
    expected = evaluate(model, tiny).logits
    found = evaluate(model.to(dtype), tiny).logits
    assert found.dtype == torch.float32
    assert (found - expected).abs().max() < 0.05
    assert predict(model, tiny.images[0]).digit == int(found[0].argmax())


def test_a_run_that_was_stopped_is_not_compared(run: Run) -> None:
    stopped = dataclasses.replace(run, epochs=5)
    assert compare(stopped).verdict == "unknown"
    assert "only 1 of 5 epochs were trained" in compare(stopped).text


@pytest.mark.parametrize("name", ["fast", "plain-mlp", "best"])
def test_a_stopped_run_goes_on_whatever_its_layers_keep(
    name: str, optdigits: Digits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = dataclasses.replace(optdigits, train=optdigits.train[:120], valid=optdigits.valid[:40])
    recipe = RECIPES[name].replace(batch_size=40, use_valid=False)
    whole = train(recipe, few, epochs=2)
    step, n_left = Trainer.step, iter(range(4))

    def stop_in_the_second_epoch(self: Trainer, *batch: Tensor) -> tuple[float, Tensor]:
        if next(n_left, None) is None:
            raise KeyboardInterrupt
        return step(self, *batch)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", stop_in_the_second_epoch)
        with pytest.raises(Interrupted):
            train(recipe, few, epochs=2, out=tmp_path / "run.pt")
    further = train(digits=few, resume=tmp_path / "run.pt")
    for run in (further, load_run(further.save(tmp_path / "run.pt"))):
        for ours, expected in zip(
            *(r.model.state_dict().values() for r in (run, whole)), strict=True
        ):
            assert torch.equal(ours, expected)
    assert load_run(tmp_path / "run.pt", weights="best").model.state_dict()
