"""The training loop: equal to the one written by hand, repeatable, clear in errors."""

import math
import os
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from digitlab.data import Digits, Split, batches
from digitlab.inference import evaluate
from digitlab.pixels import as_pixels
from digitlab.recipes import build_model
from digitlab.trainer import (
    PRECISIONS,
    SCHEDULES,
    History,
    Interrupted,
    Trainer,
    one_cycle,
    pick_device,
)


def small_model(seed: int = 0) -> nn.Module:
    return build_model("MLP", seed=seed, hidden=(16,), dropout=0.3)


def make_trainer(model: nn.Module | None = None, *, lr: float = 0.01, **options: Any) -> Trainer:
    """Return a trainer of a small model with dropout: 3 batches of the 40 tiny digits."""
    model = model or small_model()
    options = {"batch_size": 16, "seed": 3, "device": "cpu"} | options
    return Trainer(model, torch.optim.Adam(model.parameters(), lr=lr), **options)


def weights(model: nn.Module) -> Tensor:
    return torch.cat([value.flatten() for value in model.state_dict().values()]).clone()


def plain(history: History) -> dict[str, object]:
    return {name: value for name, value in vars(history).items() if name != "seconds"}


# --- Learning ---------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", [None, one_cycle])
def test_fit_equals_the_loop_written_by_hand(tiny: Split, schedule: Any) -> None:
    model, losses = small_model(), []
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    loader = batches(tiny, 16, seed=3)
    scheduler = schedule(optimizer, 2 * len(loader)) if schedule else None
    with torch.random.fork_rng():
        torch.manual_seed(3)
        for _ in range(2):
            total = 0.0
            for images, labels in loader:
                optimizer.zero_grad()
                loss = F.cross_entropy(model(images), labels)
                loss.backward()
                optimizer.step()
                if scheduler:
                    scheduler.step()
                total += loss.item() * len(labels)
            losses.append(total / len(tiny))
    trainer = make_trainer(schedule=schedule)
    assert trainer.fit(tiny, epochs=2).train_loss == losses
    assert torch.equal(weights(trainer.model), weights(model))


def test_one_seed_gives_one_training_and_another_seed_another(tiny: Split) -> None:
    first, same, other = make_trainer(), make_trainer(), make_trainer(seed=4)
    losses = [trainer.fit(tiny, epochs=2).train_loss for trainer in (first, same, other)]
    assert losses[0] == losses[1] != losses[2]
    assert torch.equal(weights(first.model), weights(same.model))


def test_a_validation_split_changes_nothing_in_the_training(tiny: Split) -> None:
    with_valid, without = make_trainer(), make_trainer()
    with_valid.fit(tiny, tiny[:7], epochs=2)
    without.fit(tiny, epochs=2)
    assert torch.equal(weights(with_valid.model), weights(without.model))


def test_augmentation_draws_from_the_trainers_seed_and_the_callers_numbers_stay(
    tiny: Split,
) -> None:
    def fit(seed: int, augment: Any = lambda images: images * torch.rand(1)) -> Tensor:
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        trainer = make_trainer(augment=augment)
        trainer.fit(tiny, tiny, epochs=1)
        assert torch.equal(torch.get_rng_state(), before)
        return weights(trainer.model)

    assert torch.equal(fit(1), fit(2))
    assert not torch.equal(fit(1), fit(1, augment=None))


def test_history_has_one_entry_per_epoch_in_every_list(tiny: Split) -> None:
    history = make_trainer(schedule=one_cycle).fit(tiny, tiny[:9], epochs=3)
    assert [len(values) for values in history.columns().values()] == [3] * 6
    assert len(history) == 3
    assert history.lr[0] > history.lr[1] > history.lr[2] < 1e-5
    assert history.stopped == ""
    html = history._repr_html_()
    assert "<th>epoch</th><th>train_loss</th>" in html
    assert f"<tr><td>1</td><td>{history.train_loss[0]:.4g}</td>" in html
    assert "stopped" not in html


def test_history_without_validation_leaves_its_lists_empty(tiny: Split) -> None:
    history = make_trainer().fit(tiny, epochs=2)
    assert history.valid_loss == history.valid_accuracy == []
    assert "valid" not in history._repr_html_()
    with pytest.raises(ValueError, match="no validation"):
        _ = history.best_epoch


@pytest.mark.parametrize("counted", [1, 2, 20])
def test_training_figures_are_means_over_digits_with_a_short_last_batch(
    tiny: Split, monkeypatch: pytest.MonkeyPatch, counted: int
) -> None:
    monkeypatch.setattr("digitlab.trainer.COUNTED", counted)
    trainer = make_trainer(nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), lr=0.0)
    history = trainer.fit(tiny, tiny, epochs=2)
    assert history.train_loss == pytest.approx(history.valid_loss, rel=1e-5)
    assert history.train_accuracy == history.valid_accuracy
    assert history.valid_loss == [evaluate(trainer.model, tiny).loss] * 2


def test_seconds_count_steps_alone(tiny: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer, clock = make_trainer(), [0.0]
    monkeypatch.setattr("digitlab.trainer.time.perf_counter", lambda: clock[0])

    def pass_time(model: nn.Module, *_: object) -> None:
        clock[0] += 1 if model.training else 100  # seconds: learning, judging

    trainer.model.register_forward_hook(pass_time)
    for _ in trainer.steps(tiny, tiny, epochs=2):
        clock[0] += 1000  # what others do between two steps
    assert trainer.history.seconds == [3.0, 3.0]


def test_real_digits_are_learned(optdigits: Digits) -> None:
    trainer = make_trainer(build_model("MLP", hidden=(64,)), batch_size=64)
    history = trainer.fit(optdigits.train, optdigits.valid, epochs=4)
    assert history.valid_accuracy[-1] > 0.9
    assert history.train_loss[-1] < history.train_loss[0] / 3


# --- Step by step -----------------------------------------------------------------------------


def test_steps_train_as_fit_does_whatever_is_drawn_in_between(tiny: Split) -> None:
    whole, stepped = make_trainer(), make_trainer()
    history = whole.fit(tiny, tiny, epochs=2)
    torch.manual_seed(5)
    expected, drawn = torch.rand(8), []
    torch.manual_seed(5)
    draw = lambda *_: drawn.append(torch.rand(1))  # noqa: E731
    for _ in stepped.steps(tiny, tiny, epochs=2, after_epoch=draw):
        draw()
    assert plain(stepped.history) == plain(history)
    assert torch.equal(weights(stepped.model), weights(whole.model))
    assert torch.equal(torch.cat(drawn), expected)


def test_steps_say_where_the_training_stands(tiny: Split) -> None:
    trainer, model = make_trainer(schedule=one_cycle), small_model()
    expected = one_cycle(torch.optim.Adam(model.parameters(), lr=0.01), 6)
    for n, step in enumerate(trainer.steps(tiny, epochs=2)):
        assert (step.epoch, step.batch, step.n_batches) == (n // 3 + 1, n % 3 + 1, 3)
        assert step.lr == pytest.approx(0.01 * expected.lr_lambdas[0](n))
        assert step.loss == pytest.approx(F.cross_entropy(step.logits, step.labels).item())
        assert step.accuracy == (step.logits.argmax(1) == step.labels).float().mean().item()
        reached = step.accuracy
        step.labels[:] = 10  # worked out once: curves of many steps are drawn again and again
        assert step.accuracy == reached


def test_closing_the_steps_stops_and_gives_generator_and_threads_back(
    tiny: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    trainer = make_trainer(n_threads=2)
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    steps = trainer.steps(tiny, tiny, epochs=9)
    next(steps)
    drawn = [torch.rand(1)]
    assert threads == [2]
    steps.close()
    drawn.append(torch.rand(1))
    assert threads == [2, torch.get_num_threads()]
    assert len(trainer.history) == 0
    assert torch.equal(torch.cat(drawn), expected)


# --- Settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n_steps", [1, 2, 3, 7, 20, 101])
def test_one_cycle_rises_for_a_tenth_of_the_steps_then_falls_to_nearly_0(n_steps: int) -> None:
    optimizer = torch.optim.SGD(small_model().parameters(), lr=0.1)
    scheduler, rates = one_cycle(optimizer, n_steps), []
    for _ in range(n_steps):
        rates.append(optimizer.param_groups[0]["lr"] / 0.1)
        optimizer.step()
        scheduler.step()
    top = max(n_steps // 10 - 1, 0)
    assert rates[0] == pytest.approx(0.04)
    assert all(0 < rate <= 1 for rate in rates)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top + 1 :] == sorted(rates[top + 1 :], reverse=True)
    assert rates[-1] == pytest.approx(4e-6 if n_steps > 1 else 0.04)
    if n_steps == 101:
        assert rates[5] == pytest.approx(0.04 + 0.96 * 5 / 9.1)  # a straight line up
        assert rates[10] == pytest.approx(1 - 0.9 / 90.9)
        assert rates[55] == pytest.approx(0.5, abs=0.01)  # a straight line down


def test_a_fit_after_a_one_cycle_starts_again_from_the_full_learning_rate(tiny: Split) -> None:
    trainer = make_trainer(schedule=one_cycle)
    first, again = trainer.fit(tiny, epochs=2), trainer.fit(tiny, epochs=2)
    assert again.lr == first.lr
    assert again is not first


def test_smoothed_labels_are_learned_and_the_plain_loss_is_reported(tiny: Split) -> None:
    model = small_model().eval()  # without dropout
    images, labels = next(iter(batches(tiny, 16, seed=3)))
    smooth = torch.full((16, 10), 0.01).scatter(1, labels[:, None], 0.91)
    expected = -(smooth * model(images).log_softmax(dim=1)).sum(dim=1).mean()
    (slope,) = torch.autograd.grad(expected, model.layers[-1].bias)
    plain_loss = F.cross_entropy(model(images), labels).item()
    trainer = make_trainer(model, smoothing=0.1)
    assert trainer.step(images, labels)[0] == pytest.approx(plain_loss)
    torch.testing.assert_close(model.layers[-1].bias.grad, slope)


def test_a_student_learns_what_its_teacher_says_of_the_same_pixels(tiny: Split) -> None:
    model, teacher = small_model().eval(), build_model("fast", seed=5).eval()
    images, labels = next(iter(batches(tiny, 16, seed=3)))
    turned = images.flip(3)
    said = teacher(turned).softmax(dim=1)
    expected = -(said * model(turned).log_softmax(dim=1)).sum(dim=1).mean()
    (slope,) = torch.autograd.grad(expected, model.layers[-1].bias)
    plain_loss = F.cross_entropy(model(turned), labels).item()
    trainer = make_trainer(model, teacher=teacher, augment=lambda images: images.flip(3))
    assert trainer.step(images, labels)[0] == pytest.approx(plain_loss)
    torch.testing.assert_close(model.layers[-1].bias.grad, slope)
    assert all(p.grad is None for p in teacher.parameters())


def test_averaged_weights_are_the_mean_of_the_last_steps_and_are_judged(tiny: Split) -> None:
    trainer, total = make_trainer(average=1.0), torch.tensor(0.0)
    for n, _ in enumerate(trainer.steps(tiny, tiny, epochs=3), start=1):
        total = total + weights(trainer.model)
        torch.testing.assert_close(weights(trainer.trained), total / n)
    assert evaluate(trainer.trained, tiny).loss == trainer.history.valid_loss[-1]
    assert evaluate(trainer.model, tiny).loss != trainer.history.valid_loss[-1]
    with_buffers = build_model("SmallCNN", channels=(2,), pools=(True,))
    late = make_trainer(with_buffers, average=0.2)  # the mean of one step, for five steps
    same = [
        torch.equal(weights(late.trained), weights(late.model)) for _ in late.steps(tiny, epochs=2)
    ]
    assert same == [True] * 5 + [False]


def test_bfloat16_trains_and_is_not_float32(tiny: Split) -> None:
    half, full = make_trainer(precision="bfloat16"), make_trainer()
    losses = half.fit(tiny, epochs=2).train_loss, full.fit(tiny, epochs=2).train_loss
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert weights(half.model).dtype == torch.float32
    smoothed = make_trainer(precision="bfloat16", smoothing=0.1)
    loss, logits = smoothed.step(as_pixels(tiny.images), tiny.labels)
    assert loss == F.cross_entropy(logits, tiny.labels).item()  # in full precision


def test_names_of_settings_are_answered_with_the_nearest() -> None:
    assert SCHEDULES["one-cycle"] is one_cycle
    assert SCHEDULES["constant"] is PRECISIONS["float32"] is None
    with pytest.raises(ValueError, match="unknown precision 'float16'; did you mean 'bfloat16'"):
        make_trainer(precision="float16")
    with pytest.raises(ValueError, match="unknown schedule 'onecycle'; did you mean 'one-cycle'"):
        _ = SCHEDULES["onecycle"]


def test_a_device_is_taken_as_it_is_named_and_else_the_best_at_hand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for found in (torch.device("cuda"), None):
        monkeypatch.setattr(
            torch.accelerator, "current_accelerator", lambda found=found, **_: found
        )
        assert pick_device("cpu") == torch.device("cpu")
        assert pick_device() == (found or torch.device("cpu"))


# --- Choosing an epoch --------------------------------------------------------------------------


def test_patience_stops_after_epochs_without_a_better_one(tiny: Split) -> None:
    trainer = make_trainer(lr=0.0)  # nothing is learned, so no epoch is better
    history = trainer.fit(tiny, tiny, epochs=9, patience=2)
    assert (len(history), history.best_epoch) == (3, 1)
    assert history.stopped == "stopped: no epoch was better than 1"
    assert "<caption>stopped: no epoch" in history._repr_html_()
    assert make_trainer(lr=0.0).fit(tiny, tiny, epochs=3, patience=2).stopped == ""


def test_keep_best_ends_with_the_weights_of_the_best_epoch(tiny: Split) -> None:
    kept: list[Tensor] = []
    trainer = make_trainer()

    def spoil_later_epochs(history: History) -> None:
        kept.append(weights(trainer.model))
        trainer.optimizer.param_groups[0]["lr"] = 3.0

    history = trainer.fit(tiny, tiny, epochs=3, keep="best", after_epoch=spoil_later_epochs)
    assert history.best_epoch < 3
    assert torch.equal(weights(trainer.model), kept[history.best_epoch - 1])
    assert evaluate(trainer.model, tiny).accuracy == max(history.valid_accuracy)


def test_a_progress_bar_counts_batches_unless_it_is_switched_off(
    tiny: Split, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bars: list[Any] = []

    class Bar:
        n = total = 0

        def __init__(self, **options: Any) -> None:
            self.options = options
            bars.append(self)

        def update(self, n: int) -> None:
            self.n += n

        __enter__ = lambda self: self  # noqa: E731
        __exit__ = lambda *_: None  # noqa: E731

    monkeypatch.setattr("digitlab.trainer.tqdm", Bar)
    for value, off in {"": None, "1": True}.items():
        monkeypatch.setitem(os.environ, "TQDM_DISABLE", value)
        make_trainer().fit(tiny, epochs=2)
        assert (bars[-1].n, bars[-1].total) == (6, 6)
        assert bars[-1].options == {"unit": "batch", "leave": False, "disable": off}


# --- Ctrl-C -------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 2, 5, 6])
def test_ctrl_c_ends_fit_with_what_was_learned_so_far(
    interrupt_at: type, tiny: Split, batch: int
) -> None:
    trainer, whole = make_trainer(augment=interrupt_at(batch)), make_trainer()
    before, expected = weights(trainer.model), whole.fit(tiny, tiny, epochs=3)
    with pytest.raises(KeyboardInterrupt) as caught:
        trainer.fit(tiny, tiny, epochs=3)
    stop, epoch = caught.value, (batch - 1) // 3 + 1
    assert isinstance(stop, Interrupted)
    assert stop.history is trainer.history
    assert stop.history.train_loss == expected.train_loss[: epoch - 1]
    assert str(stop) == f"interrupted in epoch {epoch} of 3; history and weights so far are kept"
    assert stop._render_traceback_() == [f"Interrupted: {stop}"]
    assert torch.equal(weights(trainer.model), before) == (batch == 1)
    if (batch - 1) % 3:
        with pytest.raises(ValueError, match="a training goes on from the end of an epoch"):
            trainer.snapshot()


def test_ctrl_c_while_validating_leaves_lists_of_one_length(tiny: Split) -> None:
    trainer, judged = make_trainer(), []

    def interrupt_second_validation(model: nn.Module, *_: object) -> None:
        if not model.training:
            judged.append(1)
            if len(judged) == 3:  # the first is the look before the first step
                raise KeyboardInterrupt

    trainer.model.register_forward_hook(interrupt_second_validation)
    with pytest.raises(Interrupted, match="interrupted in epoch 2 of 4"):
        trainer.fit(tiny, tiny, epochs=4)
    assert [len(values) for values in trainer.history.columns().values()] == [1] * 6
    assert trainer.model.training


def test_ctrl_c_after_the_last_epoch_names_that_epoch(tiny: Split) -> None:
    def interrupt(history: History) -> None:
        if len(history) == 2:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="interrupted in epoch 2 of 2") as caught:
        make_trainer().fit(tiny, epochs=2, after_epoch=interrupt)
    assert len(caught.value.history) == 2


# --- Errors before the first step ---------------------------------------------------------------

PLANS: dict[str, tuple[dict[str, Any], str]] = {
    "no epochs": ({"epochs": 0}, "at least 1 epoch, not 0"),
    "keep": ({"keep": "lst", "valid": 9}, "unknown choice of weights 'lst'; did you mean 'last'"),
    "keep without valid": ({"keep": "best"}, "needs a valid split"),
    "patience without valid": ({"patience": 2}, "needs a valid split"),
    "no patience": ({"patience": 0, "valid": 9}, "patience must be at least 1 epoch, not 0"),
    "empty valid": ({"valid": 0}, "the valid split is empty"),
    "empty train": ({"train": 0}, "the train split is empty"),
    "empty batch": ({"batch_size": 0}, "a batch needs at least 1 digit"),
}


@pytest.mark.parametrize(("plan", "words"), PLANS.values(), ids=PLANS.keys())
def test_a_plan_that_cannot_work_is_refused_before_the_first_step(
    tiny: Split, plan: dict[str, Any], words: str
) -> None:
    options = {"epochs": 1, "train": 40, "valid": None} | plan
    trainer = make_trainer(batch_size=options.pop("batch_size", 16))
    before = weights(trainer.model)
    train, valid = tiny[: options.pop("train")], options.pop("valid")
    with pytest.raises(ValueError, match=words):
        trainer.fit(train, None if valid is None else tiny[:valid], **options)
    assert torch.equal(weights(trainer.model), before)


def test_what_is_no_split_is_refused(tiny: Split, optdigits: Digits) -> None:
    with pytest.raises(ValueError, match=r"train must be a Split such as digits.train, not Digits"):
        make_trainer().fit(optdigits, epochs=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"train must be a Split .*not NoneType"):
        make_trainer().fit(None, epochs=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"valid must be a Split such as digits.valid, not Tensor"):
        make_trainer().fit(tiny, tiny.images, epochs=1)  # type: ignore[arg-type]


NOT_PIXELS: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "too bright": (lambda images: images + 1, r"\(2, 1, 28, 28\) with pixels from 1.0 to 2.0"),
    "too dark": (lambda images: images - 0.5, "with pixels from -0.5 to 0.5"),
    "not a number": (lambda images: images * math.nan, "with pixels from nan to nan"),
    "another shape": (lambda images: images[:, :, :20], r"\(2, 1, 20, 28\) with pixels"),
    "a forgotten return": (lambda images: None, "NoneType"),
    "a list": (list, "it got, but it returned list"),
}


@pytest.mark.parametrize(("augment", "words"), NOT_PIXELS.values(), ids=NOT_PIXELS.keys())
def test_augmentation_that_does_not_return_pixels_is_refused(
    tiny: Split, augment: Any, words: str
) -> None:
    trainer = make_trainer(augment=augment)
    before = weights(trainer.model)
    with pytest.raises(ValueError, match=rf"augment must return \(2, 1, 28, 28\) .*{words}"):
        trainer.fit(tiny, epochs=1)
    assert torch.equal(weights(trainer.model), before)


def test_augmentation_may_leave_nothing_but_paper(tiny: Split) -> None:
    for augment in (torch.zeros_like, torch.ones_like):
        assert len(make_trainer(augment=augment).fit(tiny, epochs=1)) == 1


WRONG_MODELS = {
    "other pixels": (nn.Linear(100, 10), "RuntimeError: .*mat1 and mat2 shapes"),
    "five classes": (nn.Linear(784, 5), r"it returned \(2, 5\)"),
    "no batch": (nn.Sequential(nn.Linear(784, 10), nn.Flatten(0)), r"it returned \(20,\)"),
    "a tuple": (nn.LSTM(784, 10), "AttributeError: 'tuple' object"),
}


@pytest.mark.parametrize(("layer", "words"), WRONG_MODELS.values(), ids=WRONG_MODELS.keys())
def test_a_model_that_does_not_fit_the_digits_is_refused(
    tiny: Split, layer: nn.Module, words: str
) -> None:
    trainer = make_trainer(nn.Sequential(nn.Flatten(), layer))
    before = weights(trainer.model)
    with pytest.raises(ValueError, match=f"must take images .* with N=2: {words}[^\n]*$"):
        trainer.fit(tiny.only(6, 7), epochs=1)
    assert torch.equal(weights(trainer.model), before)


@pytest.mark.parametrize("share", [0, -0.1, 1.5, math.nan])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=f"above 0 up to 1, not {share}"):
        make_trainer(average=share)


def test_a_loss_that_is_not_finite_stops_at_once_and_names_the_rate_that_was_used(
    tiny: Split,
) -> None:
    def halve(optimizer: torch.optim.Optimizer, n_steps: int) -> Any:
        return torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)

    words = r"loss became (nan|inf) in epoch 1, batch 2, at learning rate 5e\+29; try a learning"
    with pytest.raises(FloatingPointError, match=words):
        make_trainer(lr=1e30, schedule=halve).fit(tiny, epochs=2)
