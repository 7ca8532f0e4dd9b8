"""Tricks: each changes what its name says, and nothing of the process that tries it."""

import pytest
import torch
from torch import nn

from digitlab.data import Digits, Split
from digitlab.inference import evaluate
from digitlab.pixels import as_pixels
from digitlab.recipes import RECIPES
from digitlab.runs import build_trainer
from digitlab.trainer import Trainer
from studies import tricks
from studies.tricks import CHOICES, FAST, NARROW, TRICKS, WIDTHS, Trick, on_other_writers, try_trick

BY_NAME = {trick.name.removeprefix("fast: "): trick for trick in TRICKS}


@pytest.fixture
def few(optdigits: Digits) -> Digits:
    return Digits("few", optdigits.train[:200], optdigits.valid[:50], optdigits.test, "", "")


def changed(name: str) -> tuple[nn.Module, nn.Module]:
    """Return the model as it is, and with the trick, from the same seed."""
    trainer = build_trainer(BY_NAME[name].recipe)
    return build_trainer(FAST).model.eval(), BY_NAME[name].change(trainer).eval()


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return what the process is told about numbers too small for float32's full precision."""
    told: list[bool] = []
    monkeypatch.setattr(torch, "set_flush_denormal", told.append)
    return told


@pytest.mark.parametrize("name", sorted(BY_NAME.keys() - {"torch.compile"}))
def test_every_trick_trains_and_is_judged_by_validation(name, few, flushed, monkeypatch):
    trick, seen, fit = BY_NAME[name], [], Trainer.fit

    def watched(trainer: Trainer, train: Split, **plan: int):
        seen.append(trainer)
        assert (len(train), plan, flushed) == (200, {"epochs": 1}, [trick.flush])
        return fit(trainer, train, **plan)

    monkeypatch.setattr(Trainer, "fit", watched)
    row = try_trick(trick, few, seed=1)
    judged = evaluate(seen[0].trained, few.valid)
    assert row == {
        **{"recipe": f"fast: {name}", "data": "few", "seed": 1, "n_train": 200},
        **{"seconds": row["seconds"], "valid_accuracy": judged.accuracy},
        "valid_loss": round(judged.loss, 6),
    }
    assert sum(seen[0].history.seconds) <= row["seconds"] + 0.001
    assert (flushed, trick.flush) == ([trick.flush, False], name == "flush denormals")


def test_a_trick_that_fails_leaves_the_process_as_it_was(few, flushed):
    nothing = Digits("none", few.train[:0], few.valid, few.test, "", "")
    with pytest.raises(ValueError, match="at least one digit"):
        try_trick(Trick("flush denormals", flush=True), nothing, seed=0)
    assert flushed == [True, False]


def test_each_seed_holds_out_another_fifth_of_the_writers(optdigits, monkeypatch):
    split = optdigits.train[:200]
    split = Split(split.images, split.labels, torch.arange(200) // 8)  # 25 writers
    digits = Digits("few", split[:160], split[160:], optdigits.test, "", "")
    judged = []

    def train(trick: Trick, parted: Digits, *, seed: int) -> dict[str, int]:
        assert len(parted.train) == 160
        assert not set(parted.train.writers.tolist()) & set(parted.valid.writers.tolist())
        judged.extend(parted.valid.writers.unique().tolist())
        return {"seed": seed}

    monkeypatch.setattr(tricks, "try_trick", train)
    rows = [on_other_writers(TRICKS[0], digits, seed=seed) for seed in range(5)]
    assert rows == [{"seed": seed, "n_valid": 40} for seed in range(5)]
    assert sorted(judged) == list(range(25))


def test_pooling_after_relu_gives_the_same_values(few):
    before, after = changed("pooling after ReLU")
    kinds = [type(layer).__name__ for layer in after.layers]
    assert kinds[2:5] == ["Conv2d", "ReLU", "MaxPool2d"]
    assert kinds[5:9] == ["Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d"]
    images = as_pixels(few.train.images)
    torch.testing.assert_close(before(images), after(images))


def test_a_stride_visits_a_quarter_of_the_places():
    before, after = changed("stride in place of pooling")
    images = torch.rand(1, 1, 28, 28)
    assert before.layers[:3](images).shape == (1, 24, 14, 14)
    assert after.layers[:3](images).shape == (1, 24, 7, 7)
    assert after(images).shape == (1, 10)


def test_channels_first_lays_weights_and_maps_out_in_the_old_way(few):
    trainer, pixels = build_trainer(BY_NAME["channels first"].recipe), as_pixels(few.train.images)
    assert not trainer.model.layers[:3](pixels).is_contiguous()
    after = BY_NAME["channels first"].change(trainer)
    assert after.layers[2].weight.is_contiguous()
    assert after.layers[:3](trainer.augment(pixels)).is_contiguous()


def test_the_optimizer_that_is_not_fused_does_the_same():
    weights = []
    for name in ("as it is", "optimizer not fused"):
        trainer = build_trainer(BY_NAME[name].recipe)
        BY_NAME[name].change(trainer)
        assert trainer.optimizer.param_groups[0]["fused"] == (name == "as it is")
        torch.manual_seed(0)
        trainer.step(torch.rand(8, 1, 28, 28), torch.arange(8))
        weights.append(trainer.model.layers[2].weight.detach())
    torch.testing.assert_close(*weights)


def test_the_compiled_model_is_the_one_that_is_judged():
    trainer = build_trainer(FAST)
    assert BY_NAME["torch.compile"].change(trainer) is trainer.model
    assert trainer.model._compiled_call_impl


def test_what_was_tried_on_the_way_to_best_differs_as_its_name_says():
    as_it_is, decay, wider, widest, longer, bent = (choice.recipe for choice in CHOICES)
    assert as_it_is == NARROW
    assert decay == NARROW.replace(weight_decay=0.0002)
    for recipe in (wider, widest):
        channels = recipe.options["channels"]
        assert recipe == NARROW.replace(channels=channels)
        assert sum(channels) > sum(NARROW.options["channels"])
    assert longer == NARROW.replace(epochs=64)
    assert bent == NARROW.replace(augment=NARROW.augment | {"elastic": 1.0})
    assert [trick.recipe for trick in WIDTHS] == [NARROW, RECIPES["best"]]
    narrow = {"name": "narrow", "channels": NARROW.options["channels"], "epochs": 44}
    assert RECIPES["best"].replace(**narrow) == NARROW


def test_names_are_told_apart_and_what_is_a_setting_of_the_recipe_is_set_there():
    assert len(BY_NAME) == len(TRICKS)
    assert BY_NAME["one thread"].recipe == FAST.replace(threads=1)
    assert BY_NAME["bfloat16"].recipe == FAST.replace(precision="bfloat16")
    assert {(choice.recipe.precision, choice.threads) for choice in CHOICES} == {("bfloat16", 1)}


def test_the_averaged_weights_are_judged_where_a_recipe_averages():
    trainer = build_trainer(RECIPES["best"])
    assert CHOICES[0].change(trainer) is trainer.averaged.module
    trainer = build_trainer(FAST)
    assert TRICKS[0].change(trainer) is trainer.model
