"""Stop and go on: equal to the bit, and only with the training that was stopped."""

import copy
import io
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from digitlab import checkpoint
from digitlab.augment import Augment
from digitlab.data import Split
from digitlab.recipes import build_model
from digitlab.trainer import History, Interrupted, Trainer, one_cycle

OPTIMIZERS = {
    "Adam": partial(torch.optim.Adam, lr=0.01),
    "SGD": partial(torch.optim.SGD, lr=0.1, momentum=0.9),
}


def small_model(seed: int = 0, hidden: tuple[int, ...] = (16,)) -> nn.Module:
    return build_model("MLP", seed=seed, hidden=hidden, dropout=0.3)


def make_trainer(
    model: nn.Module | None = None, optimizer: Any = OPTIMIZERS["Adam"], **options: Any
) -> Trainer:
    """Return a trainer of a small model with dropout: 3 batches of the 40 tiny digits."""
    model = model or small_model()
    options = {"batch_size": 16, "seed": 3, "device": "cpu"} | options
    return Trainer(model, optimizer(model.parameters()), **options)


def stopped_after(tiny: Split, epochs: int, valid: Split | None = None, **options: Any) -> Any:
    """Return the state of a training that is stopped after some of its 4 epochs."""
    trainer = make_trainer(**options)

    def stop(history: History) -> None:
        if len(history) == epochs:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        trainer.fit(tiny, valid, epochs=4, after_epoch=stop)
    return trainer.snapshot()


def weights(model: nn.Module) -> Tensor:
    return torch.cat([value.flatten() for value in model.state_dict().values()])


def plain(history: History) -> dict[str, object]:
    return {name: value for name, value in vars(history).items() if name != "seconds"}


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


# --- Going on -----------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", [None, one_cycle])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("average", [None, 0.5])
def test_resumed_training_is_equal_to_the_bit(
    tiny: Split, optimizer: str, schedule: Any, average: float | None
) -> None:
    options = {"optimizer": OPTIMIZERS[optimizer], "schedule": schedule, "average": average}
    whole = make_trainer(**options, augment=lambda images: images * torch.rand(1))
    options["augment"] = whole.augment
    expected = whole.fit(tiny, tiny[:9], epochs=4)
    cut = stopped_after(tiny, 2, tiny[:9], **options)
    for state in (cut, cut, through_a_file(cut), whole.snapshot()):
        trainer = make_trainer(small_model(seed=9), **options)
        assert plain(trainer.fit(tiny, tiny[:9], epochs=4, resume=state)) == plain(expected)
        assert torch.equal(weights(trainer.model), weights(whole.model))
        assert torch.equal(weights(trainer.trained), weights(whole.trained))
        assert trainer.best_weights is not None
        assert whole.best_weights is not None
        assert trainer.best_weights.keys() == whole.best_weights.keys()
        for name, value in whole.best_weights.items():
            assert torch.equal(trainer.best_weights[name], value)


def test_a_snapshot_holds_still_while_training_goes_on(tiny: Split) -> None:
    trainer, kept = make_trainer(schedule=one_cycle, average=0.5), []

    def keep_first(_: History) -> None:
        if not kept:
            kept.extend([trainer.snapshot(), copy.deepcopy(trainer.snapshot())])

    trainer.fit(tiny, tiny, epochs=3, after_epoch=keep_first)
    assert repr(kept[0]) == repr(kept[1])


def test_a_snapshot_after_fit_does_not_hold_the_callers_random_numbers(tiny: Split) -> None:
    options: dict[str, Any] = {"epochs": 4, "patience": 1}
    cut, whole = (make_trainer(optimizer=partial(torch.optim.SGD, lr=0.0)) for _ in range(2))
    expected = whole.fit(tiny, tiny, epochs=4)
    assert cut.fit(tiny, tiny, **options).stopped
    torch.manual_seed(77)
    further = make_trainer(optimizer=partial(torch.optim.SGD, lr=0.0))
    assert plain(further.fit(tiny, tiny, epochs=4, resume=cut.snapshot())) == plain(expected)


def test_a_training_out_of_patience_stays_so(tiny: Split) -> None:
    still = partial(torch.optim.SGD, lr=0.0)
    cut = make_trainer(optimizer=still)
    cut.fit(tiny, tiny, epochs=4, patience=1)
    further = make_trainer(optimizer=still)
    history = further.fit(tiny, tiny, epochs=4, patience=1, resume=cut.snapshot())
    assert history == cut.history


def test_nothing_is_snapped_before_the_first_epoch_or_within_one(tiny: Split) -> None:
    trainer = make_trainer()
    with pytest.raises(ValueError, match="a training goes on from the end of an epoch"):
        trainer.snapshot()
    steps = trainer.steps(tiny, epochs=2)
    for _ in range(5):
        next(steps)
    with pytest.raises(ValueError, match="ask in after_epoch"):
        trainer.snapshot()


# --- The same training --------------------------------------------------------------------------

wider = partial(small_model, hidden=(17,))
CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "epochs": ({"epochs": 5}, "epochs 4, not 5"),
    "seed": ({"seed": 8}, "seed 3, not 8"),
    "batch size": ({"batch_size": 20}, "batch_size 16, not 20"),
    "precision": ({"precision": "bfloat16"}, "precision 'float32', not 'bfloat16'"),
    "fewer digits": ({"n": 39}, "digits 40, not 39"),
    "augmentation": ({"augment": torch.clone}, "augment False, not True"),
    "teacher": ({"teacher": small_model()}, "teacher False, not True"),
    "average": ({"average": 0.1}, "average None, not 0.1"),
    "loss": ({"smoothing": 0.1}, "smoothing 0.0, not 0.1"),
    "schedule": ({"schedule": one_cycle}, "schedule 'None', not 'one_cycle'"),
    "model": ({"model": wider()}, r"model_kind 'MLP of 12730 num.*, not 'MLP of 13525 num"),
    "optimizer": ({"optimizer": OPTIMIZERS["SGD"]}, r"optimizer_settings 'Adam\(.*not 'SGD\("),
    "rate": ({"optimizer": partial(torch.optim.Adam, lr=0.02)}, "lr=0.01.*, not 'Adam.*lr=0.02"),
    "betas": ({"optimizer": partial(torch.optim.Adam, lr=0.01, betas=(0.5, 0.9))}, "not .*0.5, 0"),
}


@pytest.mark.parametrize(("change", "words"), CHANGES.values(), ids=CHANGES.keys())
def test_another_training_is_refused_before_anything_is_loaded(
    tiny: Split, change: dict[str, Any], words: str
) -> None:
    state = stopped_after(tiny, 1)
    options = {"epochs": 4, "n": 40} | change
    epochs, n = options.pop("epochs"), options.pop("n")
    trainer = make_trainer(**options)
    before = weights(trainer.model).clone()
    with pytest.raises(ValueError, match=f"the training to resume had .*{words}.*, or train anew"):
        trainer.fit(tiny[:n], epochs=epochs, resume=state)
    assert torch.equal(weights(trainer.model), before)


def test_other_amounts_of_augmentation_and_another_teacher_are_refused(tiny: Split) -> None:
    for name, before, now in [
        ("augment", Augment(shift=1.0), Augment(shift=2.0)),
        ("teacher", small_model(seed=1), small_model(seed=2)),
    ]:
        state = stopped_after(tiny, 1, **{name: before})
        make_trainer(**{name: copy.deepcopy(before)}).fit(tiny, epochs=4, resume=state)
        with pytest.raises(ValueError, match=f"to resume had {name}_"):
            make_trainer(**{name: now}).fit(tiny, epochs=4, resume=state)


def test_other_digits_of_the_same_number_are_refused(tiny: Split) -> None:
    state = stopped_after(tiny, 1, tiny[:9])
    relabelled = Split(tiny.images, tiny.labels.flip(0))
    darker = Split(tiny.images // 2, tiny.labels)
    for train, valid, words in [
        (relabelled, tiny[:9], "digits_sum"),
        (darker, tiny[:9], "digits_sum"),
        (tiny, darker[:9], "valid_sum"),
        (tiny, None, "valid_sum"),
    ]:
        with pytest.raises(ValueError, match=f"the training to resume had {words}"):
            make_trainer().fit(train, valid, epochs=4, resume=state)


def test_what_an_older_plan_does_not_name_is_not_compared(tiny: Split) -> None:
    state = stopped_after(tiny, 1, tiny[:9])
    state["plan"] = {name: state["plan"][name] for name in checkpoint.PLANNED}
    assert len(make_trainer().fit(tiny, tiny[9:], epochs=4, resume=state)) == 4
    del state["plan"]["seed"]
    with pytest.raises(ValueError, match="cannot go on without its plan;"):
        make_trainer().fit(tiny, tiny[9:], epochs=4, resume=state)


def test_what_changes_speed_only_is_no_other_training(tiny: Split) -> None:
    state = stopped_after(tiny, 1, schedule=one_cycle)
    quick = partial(torch.optim.Adam, lr=0.01, fused=True)
    trainer = make_trainer(optimizer=quick, schedule=one_cycle, n_threads=1)
    assert len(trainer.fit(tiny, epochs=4, resume=state)) == 4


# --- A whole state ------------------------------------------------------------------------------

STATES: dict[str, tuple[Any, str]] = {
    "empty": ({}, "cannot go on without its plan, history, scheduler, model"),
    "a list": ([], "cannot go on without its plan, .*takes what snapshot"),
    "no plan": ({"plan": {}}, "cannot go on without its plan;"),
    "a plan of another kind": ({"plan": [1]}, "cannot go on without its plan;"),
    "a history of another kind": ({"history": [1]}, "a history needs one number for each epoch"),
}


@pytest.mark.parametrize(("state", "words"), STATES.values(), ids=STATES.keys())
def test_what_is_no_state_is_refused(tiny: Split, state: Any, words: str) -> None:
    if isinstance(state, dict) and state:
        state = stopped_after(tiny, 1) | state
    with pytest.raises(ValueError, match=words):
        make_trainer().fit(tiny, epochs=4, resume=state)


def test_every_part_that_is_missing_or_of_another_kind_is_named(tiny: Split) -> None:
    options: dict[str, Any] = {"schedule": one_cycle, "average": 0.5}
    state = stopped_after(tiny, 1, tiny[:9], **options)
    for name in state:
        trainer = make_trainer(**options)
        before = weights(trainer.model).clone()
        without = {key: value for key, value in state.items() if key != name}
        with pytest.raises(ValueError, match=f"cannot go on without its {name};"):
            trainer.fit(tiny, tiny[:9], epochs=4, resume=without)
        for wrong in (7, {"x": 1}, torch.zeros(3)):
            with pytest.raises(ValueError, match=name):
                trainer.fit(tiny, tiny[:9], epochs=4, resume=state | {name: wrong})
        assert torch.equal(weights(trainer.model), before)


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return a copy of a tree of dicts and lists with another leaf, or without one."""
    value = copy.copy(value)
    if len(path) > 1:
        value[path[0]] = changed(value[path[0]], path[1:], new)
    elif new is None:
        del value[path[0]]
    else:
        value[path[0]] = new
    return value


@pytest.mark.parametrize(
    ("path", "new"),
    [
        (("model", "layers.2.bias"), torch.zeros(7)),
        (("model", "layers.2.bias"), torch.zeros(16, dtype=torch.float64)),
        (("model", "layers.2.bias"), None),
        (("best_weights", "layers.2.bias"), torch.zeros(7)),
        (("optimizer", "param_groups"), []),
        (("optimizer", "param_groups"), [1]),
        (("optimizer", "param_groups", 0, "params"), [0, 1]),
        (("optimizer", "param_groups", 0, "lr"), "0.1"),
        (("optimizer", "state", 9), {"step": torch.tensor(1.0)}),
        (("optimizer", "state", 0), [1]),
        (("optimizer", "state", 0, "exp_avg"), torch.zeros(5)),
        (("optimizer", "state"), [1]),
        (("optimizer", "state"), None),
        (("scheduler", "last_epoch"), "3"),
        (("scheduler", "base_lrs"), 0.1),
        (("scheduler", "base_lrs"), None),
        (("loader_random",), torch.zeros(3, dtype=torch.uint8)),
        (("history", "lr"), []),
        (("history", "train_loss"), [0.1, 0.2]),
        (("history", "valid_loss"), []),
        (("history", "lr"), ["0.1"]),
        (("history", "lr"), None),
        (("history", "stopped"), 3),
    ],
)
def test_a_leaf_of_another_kind_is_refused(tiny: Split, path: tuple[Any, ...], new: Any) -> None:
    state = stopped_after(tiny, 1, tiny[:9], schedule=one_cycle)
    trainer = make_trainer(schedule=one_cycle)
    with pytest.raises(ValueError, match=f"the {path[0]} to go on|a {path[0]} needs one number"):
        trainer.fit(tiny, tiny[:9], epochs=4, resume=changed(state, path, new))


def test_a_history_comes_back_from_plain_values_as_a_copy() -> None:
    history = History([1.0], [0.5], [], [], [0.1], [2], "stopped")
    values = copy.deepcopy(vars(history))
    again = History.from_dict(values)
    assert again == history
    values["lr"].append(3)
    assert again == replace(history)
