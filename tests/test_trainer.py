"""The training loop: equal to the one written by hand, repeatable, resumable, clear in errors."""

import copy
import io
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from digitlab.data import Digits, Split, as_pixels, batches
from digitlab.inference import evaluate
from digitlab.names import Registry
from digitlab.recipes import build_model
from digitlab.trainer import SCHEDULES, History, Trainer, one_cycle


def small_model(seed: int = 0) -> nn.Module:
    return build_model("MLP", seed=seed, hidden=(16,), dropout=0.3)


def make_optimizer(name: str, model: nn.Module) -> torch.optim.Optimizer:
    if name == "SGD":
        return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return torch.optim.Adam(model.parameters(), lr=0.01)


def make_trainer(
    *, model: nn.Module | None = None, optimizer: str = "Adam", **options: object
) -> Trainer:
    """Return a trainer of a small model with dropout: 3 batches of the 40 tiny digits."""
    model = model or small_model()
    options = {"batch_size": 16, "seed": 3, "device": "cpu"} | options
    return Trainer(model, make_optimizer(optimizer, model), **options)


def weights(model: nn.Module) -> Tensor:
    return torch.cat([value.flatten() for value in model.state_dict().values()])


# --- Learning ---------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", [None, one_cycle])
def test_fit_equals_the_loop_written_by_hand(tiny: Split, schedule: object) -> None:
    model, history = small_model(), []
    optimizer = make_optimizer("Adam", model)
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
            history.append(total / len(tiny))
    trainer = make_trainer(schedule=schedule)
    assert trainer.fit(tiny, epochs=2).train_loss == history
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


def test_fit_leaves_the_global_generator_alone(tiny: Split) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    make_trainer(augment=lambda images: images * torch.rand(1)).fit(tiny, tiny, epochs=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_augmentation_draws_from_the_trainers_seed(tiny: Split) -> None:
    def fit(seed: int) -> Tensor:
        torch.manual_seed(seed)
        trainer = make_trainer(augment=lambda images: images * torch.rand(1))
        trainer.fit(tiny, epochs=1)
        return weights(trainer.model)

    assert torch.equal(fit(1), fit(2))
    plain = make_trainer()
    plain.fit(tiny, epochs=1)
    assert not torch.equal(fit(1), weights(plain.model))


def test_history_has_one_entry_per_epoch_in_every_list(tiny: Split) -> None:
    history = make_trainer(schedule=one_cycle).fit(tiny, tiny[:9], epochs=3)
    columns = [values for values in vars(history).values() if isinstance(values, list)]
    assert [len(values) for values in columns] == [3] * 6
    assert len(history) == 3
    assert all(0 <= a <= 1 for a in history.train_accuracy + history.valid_accuracy)
    assert all(s > 0 for s in history.seconds)
    assert history.lr[0] > history.lr[1] > history.lr[2] < 1e-5
    assert history.stopped == ""


def test_one_cycle_rises_for_a_tenth_of_the_steps_then_falls_to_nearly_0() -> None:
    optimizer = make_optimizer("SGD", small_model())
    highest, rates = optimizer.param_groups[0]["lr"], []
    scheduler = one_cycle(optimizer, 101)
    for _ in range(101):
        rates.append(optimizer.param_groups[0]["lr"] / highest)
        optimizer.step()
        scheduler.step()
    assert 8 <= rates.index(max(rates)) <= 11
    assert max(rates) == pytest.approx(1, abs=0.05)
    assert rates[55] == pytest.approx(0.5, abs=0.02)  # a straight line down
    assert rates[-1] < 1e-4


@pytest.mark.parametrize("n_steps", range(1, 40))
def test_one_cycle_takes_any_number_of_steps(n_steps: int) -> None:
    optimizer = make_optimizer("SGD", small_model())
    scheduler = one_cycle(optimizer, n_steps)
    rates = [optimizer.param_groups[0]["lr"]]
    for _ in range(n_steps - 1):
        optimizer.step()
        scheduler.step()
        rates.append(optimizer.param_groups[0]["lr"])
    assert all(0 <= rate <= 0.1 for rate in rates)
    assert rates[-1] < 1e-5 if n_steps > 2 else min(rates) > 0.001  # two steps make no cycle


def test_smoothed_labels_are_learned(tiny: Split) -> None:
    model = small_model().eval()  # without dropout
    images, labels = next(iter(batches(tiny, 16, seed=3)))
    smooth = torch.full((16, 10), 0.01).scatter(1, labels[:, None], 0.91)
    expected = -(smooth * model(images).log_softmax(dim=1)).sum(dim=1).mean()
    (slope,) = torch.autograd.grad(expected, model.layers[-1].bias)
    plain = F.cross_entropy(model(images), labels).item()
    trainer = make_trainer(model=model, smoothing=0.1)
    assert trainer.step(images, labels)[0] == pytest.approx(plain)
    torch.testing.assert_close(model.layers[-1].bias.grad, slope)


def test_a_student_learns_what_its_teacher_says_of_the_same_pixels(tiny: Split) -> None:
    model, teacher = small_model().eval(), build_model("fast", seed=5).eval()
    images, labels = next(iter(batches(tiny, 16, seed=3)))
    turned = images.flip(3)
    said = teacher(turned).softmax(dim=1)
    expected = -(said * model(turned).log_softmax(dim=1)).sum(dim=1).mean()
    (slope,) = torch.autograd.grad(expected, model.layers[-1].bias)
    plain = F.cross_entropy(model(turned), labels).item()
    trainer = make_trainer(model=model, teacher=teacher, augment=lambda images: images.flip(3))
    assert trainer.step(images, labels)[0] == pytest.approx(plain)
    torch.testing.assert_close(model.layers[-1].bias.grad, slope)
    assert all(p.grad is None for p in teacher.parameters())


def test_averaged_weights_are_the_mean_of_the_last_steps(tiny: Split) -> None:
    trainer = make_trainer(average=1.0)
    means, total = [], 0.0
    for n, _ in enumerate(trainer.steps(tiny, epochs=3), start=1):
        total = total + weights(trainer.model).detach().clone()
        means.append(total / n)
        torch.testing.assert_close(weights(trainer.trained), means[-1])
    late = make_trainer(average=0.2)  # the mean of one step, for five steps
    steps = late.steps(tiny, epochs=3)
    for n in range(1, 7):
        next(steps)
        same = torch.equal(weights(late.trained), weights(late.model))
        assert same == (n <= 5)


@pytest.mark.parametrize("share", [0, -0.1, 1.5, math.nan])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=f"above 0 up to 1, not {share}"):
        make_trainer(average=share)


def test_what_is_judged_and_chosen_are_the_averaged_weights(tiny: Split) -> None:
    trainer = make_trainer(average=0.5)
    history = trainer.fit(tiny, tiny, epochs=2)
    assert evaluate(trainer.trained, tiny).loss == history.valid_loss[-1]
    assert evaluate(trainer.model, tiny).loss != history.valid_loss[-1]


def test_history_without_validation_leaves_its_lists_empty(tiny: Split) -> None:
    history = make_trainer().fit(tiny, epochs=2)
    assert history.valid_loss == history.valid_accuracy == []
    assert "valid" not in history._repr_html_()
    with pytest.raises(ValueError, match="no validation"):
        _ = history.best_epoch


@pytest.mark.parametrize("counted", [1, 2, 20])
def test_training_loss_is_the_mean_over_digits_with_a_short_last_batch(
    tiny: Split, monkeypatch: pytest.MonkeyPatch, counted: int
) -> None:
    monkeypatch.setattr("digitlab.trainer.COUNTED", counted)
    trainer = make_trainer(model=nn.Sequential(nn.Flatten(), nn.Linear(784, 10)))
    trainer.optimizer.param_groups[0]["lr"] = 0.0  # the weights stay, so the order is all the same
    history = trainer.fit(tiny, epochs=1)
    assert history.train_loss[0] == pytest.approx(evaluate(trainer.model, tiny).loss, rel=1e-5)
    assert history.train_accuracy[0] == evaluate(trainer.model, tiny).accuracy


def test_seconds_count_steps_alone(tiny: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer, clock = make_trainer(), [0.0]
    monkeypatch.setattr("digitlab.trainer.time.perf_counter", lambda: clock[0])

    def pass_time(model: nn.Module, *_: object) -> None:
        clock[0] += 1 if model.training else 100  # seconds: learning, judging

    trainer.model.register_forward_hook(pass_time)
    for _ in trainer.steps(tiny, tiny, epochs=2):
        clock[0] += 1000  # what others do between two steps
    assert trainer.history.seconds == [3.0, 3.0]


def test_steps_train_as_fit_does_whatever_is_drawn_in_between(tiny: Split) -> None:
    whole, stepped = make_trainer(), make_trainer()
    history = whole.fit(tiny, tiny, epochs=2)
    torch.manual_seed(5)
    expected = torch.rand(6)
    torch.manual_seed(5)
    drawn = [torch.rand(1) for _ in stepped.steps(tiny, tiny, epochs=2)]
    assert plain(stepped.history) == plain(history)
    assert torch.equal(weights(stepped.model), weights(whole.model))
    assert torch.equal(torch.cat(drawn), expected)


def test_steps_say_where_the_training_stands(tiny: Split) -> None:
    steps = list(make_trainer().steps(tiny, epochs=2))
    assert [(step.epoch, step.batch, step.n_batches) for step in steps] == [
        (epoch, batch, 3) for epoch in (1, 2) for batch in (1, 2, 3)
    ]
    assert all(step.loss > 0 and 0 <= step.accuracy <= 1 for step in steps)


def test_closing_the_steps_stops_and_gives_the_generator_back(tiny: Split) -> None:
    trainer = make_trainer()
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    steps = trainer.steps(tiny, tiny, epochs=9)
    next(steps)
    drawn = [torch.rand(1)]
    steps.close()
    drawn.append(torch.rand(1))
    assert len(trainer.history) == 0
    assert torch.equal(torch.cat(drawn), expected)
    assert evaluate(trainer.model, tiny).n_images == 40


def test_a_fit_after_a_one_cycle_starts_again_from_the_full_learning_rate(tiny: Split) -> None:
    trainer = make_trainer(schedule=one_cycle)
    first, again = trainer.fit(tiny, epochs=2), trainer.fit(tiny, epochs=2)
    assert again.lr == first.lr


def test_bfloat16_trains_and_is_not_float32(tiny: Split) -> None:
    half, full = make_trainer(precision="bfloat16"), make_trainer()
    losses = half.fit(tiny, epochs=2).train_loss, full.fit(tiny, epochs=2).train_loss
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert weights(half.model).dtype == torch.float32


def test_bfloat16_gives_the_loss_in_full_precision(tiny: Split) -> None:
    trainer = make_trainer(precision="bfloat16", smoothing=0.1)
    loss, logits = trainer.step(as_pixels(tiny.images), tiny.labels)
    assert loss == F.cross_entropy(logits.float(), tiny.labels).item()


def test_real_digits_are_learned(optdigits: Digits) -> None:
    trainer = make_trainer(model=build_model("MLP", hidden=(64,)), batch_size=64)
    history = trainer.fit(optdigits.train, optdigits.valid, epochs=4)
    assert history.valid_accuracy[-1] > 0.9
    assert history.train_loss[-1] < history.train_loss[0] / 3


# --- Choosing an epoch --------------------------------------------------------------------------


def test_patience_stops_after_epochs_without_a_better_one(tiny: Split) -> None:
    trainer = make_trainer(optimizer="SGD")
    trainer.optimizer.param_groups[0]["lr"] = 0.0  # nothing is learned, so no epoch is better
    history = trainer.fit(tiny, tiny, epochs=9, patience=2)
    assert len(history) == 3
    assert history.best_epoch == 1
    assert history.stopped == "stopped: no epoch was better than 1"


def test_keep_best_ends_with_the_weights_of_the_best_epoch(tiny: Split) -> None:
    kept: list[Tensor] = []
    trainer = make_trainer(optimizer="SGD")

    def spoil_later_epochs(history: History) -> None:
        kept.append(weights(trainer.model).clone())
        trainer.optimizer.param_groups[0]["lr"] = 30.0

    history = trainer.fit(tiny, tiny, epochs=3, keep="best", after_epoch=spoil_later_epochs)
    assert history.best_epoch < 3
    assert torch.equal(weights(trainer.model), kept[history.best_epoch - 1])
    assert evaluate(trainer.model, tiny).accuracy == max(history.valid_accuracy)


# --- Going on -----------------------------------------------------------------------------------


def plain(history: History) -> dict[str, object]:
    return {name: value for name, value in vars(history).items() if name != "seconds"}


def through_a_file(state: dict[str, object]) -> dict[str, object]:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("schedule", [None, one_cycle])
@pytest.mark.parametrize("optimizer", ["Adam", "SGD"])
@pytest.mark.parametrize("average", [None, 0.5])
def test_resumed_training_is_equal_to_the_bit(
    tiny: Split, optimizer: str, schedule: object, average: float | None
) -> None:
    def fit(**options: object) -> tuple[Trainer, History]:
        trainer = make_trainer(optimizer=optimizer, schedule=schedule, average=average)
        return trainer, trainer.fit(tiny, tiny[:9], epochs=4, **options)

    states: list[dict[str, object]] = []
    whole = make_trainer(optimizer=optimizer, schedule=schedule, average=average)
    expected = whole.fit(
        tiny, tiny[:9], epochs=4, after_epoch=lambda _: states.append(whole.state or {})
    )
    for state in (states[1], states[1], through_a_file(states[1]), states[3]):
        trainer, history = fit(resume=state)
        assert plain(history) == plain(expected)
        assert torch.equal(weights(trainer.model), weights(whole.model))
        assert torch.equal(weights(trainer.trained), weights(whole.trained))
        assert trainer.best_weights.keys() == whole.best_weights.keys()
        for name, value in whole.best_weights.items():
            assert torch.equal(trainer.best_weights[name], value)


def test_the_state_holds_still_while_training_goes_on(tiny: Split) -> None:
    trainer, kept = make_trainer(schedule=one_cycle), []

    def keep_first(_: History) -> None:
        if not kept:
            kept.extend([trainer.state, copy.deepcopy(trainer.state)])

    trainer.fit(tiny, tiny, epochs=3, after_epoch=keep_first)
    assert repr(kept[0]) == repr(kept[1])


@pytest.mark.parametrize("batch", [1, 2, 5, 6])
def test_an_interrupted_training_keeps_what_it_has_and_goes_on(
    interrupt_at: type, tiny: Split, batch: int, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = make_trainer(augment=interrupt_at(99))
    expected = whole.fit(tiny, tiny, epochs=3)
    cut = make_trainer(augment=interrupt_at(batch))
    before = weights(cut.model).clone()
    history = cut.fit(tiny, tiny, epochs=3)
    epoch = (batch - 1) // 3 + 1
    assert len(history) == epoch - 1
    assert history.stopped == f"interrupted in epoch {epoch} of 3"
    assert "history and weights so far are kept" in capsys.readouterr().err
    assert torch.equal(weights(cut.model), before) == (batch == 1)
    further = make_trainer(model=small_model(seed=9), augment=interrupt_at(99))
    assert plain(further.fit(tiny, tiny, epochs=3, resume=cut.state)) == plain(expected)
    assert torch.equal(weights(further.model), weights(whole.model))


def test_an_interruption_while_validating_leaves_lists_of_one_length(tiny: Split) -> None:
    trainer = make_trainer()
    judged = []

    def interrupt_second_validation(model: nn.Module, *_: object) -> None:
        if not model.training:
            judged.append(1)
            if len(judged) == 3:  # the first is the look before the first step
                raise KeyboardInterrupt

    trainer.model.register_forward_hook(interrupt_second_validation)
    history = trainer.fit(tiny, tiny, epochs=4)
    assert len(history) == len(history.valid_loss) == len(history.seconds) == 1
    assert history.stopped == "interrupted in epoch 2 of 4"
    assert "<table>" in history._repr_html_()
    assert trainer.model.training


def test_an_interruption_after_an_epoch_keeps_that_epoch(tiny: Split) -> None:
    def interrupt(history: History) -> None:
        if len(history) == 2:
            raise KeyboardInterrupt

    trainer = make_trainer()
    assert len(trainer.fit(tiny, epochs=3, after_epoch=interrupt)) == 2
    assert len(make_trainer().fit(tiny, epochs=3, resume=trainer.state)) == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epochs": 5}, "epochs 4, not 5"),
        ({"seed": 8}, "seed 3, not 8"),
        ({"batch_size": 20}, "batch_size 16, not 20"),
        ({"precision": "bfloat16"}, "precision 'float32', not 'bfloat16'"),
        ({"n": 39}, "digits 40, not 39"),
        ({"augment": torch.clone}, "augment False, not True"),
        ({"teacher": small_model()}, "teacher False, not True"),
        ({"average": 0.1}, "average None, not 0.1"),
    ],
)
def test_resuming_with_another_plan_is_refused(
    tiny: Split, change: dict[str, object], words: str
) -> None:
    trainer = make_trainer()
    trainer.fit(tiny, epochs=4, after_epoch=lambda _: None)
    options = {"epochs": 4, "n": 40} | change
    epochs, n = options.pop("epochs"), options.pop("n")
    with pytest.raises(ValueError, match=words):
        make_trainer(**options).fit(tiny[:n], epochs=epochs, resume=trainer.state)


# --- Errors before the first step ---------------------------------------------------------------

NOT_PIXELS = {
    "too bright": lambda images: images + 1,
    "too dark": lambda images: images - 0.5,
    "not a number": lambda images: images * math.nan,
    "another shape": lambda images: images[:, :, :20],
    "a forgotten return": lambda images: None,
}


@pytest.mark.parametrize("augment", NOT_PIXELS.values(), ids=NOT_PIXELS.keys())
def test_augmentation_that_does_not_return_pixels_is_refused(tiny: Split, augment: object) -> None:
    trainer = make_trainer(augment=augment)
    before = weights(trainer.model).clone()
    with pytest.raises(ValueError, match=r"augment must return .*\[0, 1\]"):
        trainer.fit(tiny, epochs=1)
    assert torch.equal(weights(trainer.model), before)


WRONG_MODELS = {
    "other pixels": (nn.Linear(100, 10), "mat1 and mat2 shapes"),
    "five classes": (nn.Linear(784, 5), r"returned \(2, 5\)"),
    "eleven classes": (nn.Linear(784, 11), r"returned \(2, 11\)"),
    "no batch": (nn.Sequential(nn.Linear(784, 10), nn.Flatten(0)), r"returned \(20,\)"),
    "a tuple": (nn.LSTM(784, 10), "'tuple' object"),
}


@pytest.mark.parametrize(("layer", "words"), WRONG_MODELS.values(), ids=WRONG_MODELS.keys())
def test_a_model_that_does_not_fit_the_digits_is_refused(
    tiny: Split, layer: nn.Module, words: str
) -> None:
    trainer = make_trainer(model=nn.Sequential(nn.Flatten(), layer))
    before = weights(trainer.model).clone()
    with pytest.raises(ValueError, match=f"must take images .* return logits .*{words}"):
        trainer.fit(tiny.only(6, 7), epochs=1)
    assert torch.equal(weights(trainer.model), before)


WRONG_PLANS = [
    ({"epochs": 0}, "at least 1 epoch, not 0"),
    ({"epochs": -3}, "at least 1 epoch, not -3"),
    ({"keep": "first"}, "unknown choice of weights 'first'"),
    ({"keep": "best"}, "needs a valid split"),
    ({"patience": 2}, "needs a valid split"),
    ({"patience": 0, "valid": 9}, "patience must be at least 1"),
    ({"valid": 0}, "the valid split is empty"),
    ({"train": 0}, "the train split is empty"),
]


@pytest.mark.parametrize(("plan", "words"), WRONG_PLANS)
def test_a_plan_that_cannot_work_is_refused_before_the_first_step(
    tiny: Split, plan: dict[str, object], words: str
) -> None:
    trainer = make_trainer()
    before = weights(trainer.model).clone()
    options = {"epochs": 1, "train": 40, "valid": None} | plan
    train, valid = tiny[: options.pop("train")], options.pop("valid")
    with pytest.raises(ValueError, match=words):
        trainer.fit(train, None if valid is None else tiny[:valid], **options)
    assert torch.equal(weights(trainer.model), before)


def test_what_is_no_split_is_refused(tiny: Split, optdigits: Digits) -> None:
    with pytest.raises(ValueError, match=r"train must be a Split .*not Digits"):
        make_trainer().fit(optdigits, epochs=1)
    with pytest.raises(ValueError, match=r"valid must be a Split .*not Tensor"):
        make_trainer().fit(tiny, tiny.images, epochs=1)


def test_unknown_names_are_answered_with_the_nearest(tiny: Split) -> None:
    with pytest.raises(ValueError, match="did you mean 'bfloat16'"):
        make_trainer(precision="float16")
    with pytest.raises(ValueError, match="did you mean 'one-cycle'"):
        _ = SCHEDULES["onecycle"]
    assert isinstance(SCHEDULES, Registry)
    with pytest.raises(ValueError, match="at least 1 digit"):
        make_trainer(batch_size=0).fit(tiny, epochs=1)


def test_a_loss_that_is_not_finite_stops_at_once(tiny: Split) -> None:
    trainer = make_trainer(optimizer="SGD")
    trainer.optimizer.param_groups[0]["lr"] = 1e30
    with pytest.raises(FloatingPointError) as caught:
        trainer.fit(tiny, epochs=2)
    text = str(caught.value)
    assert "epoch 1, batch 2, at learning rate 1e+30" in text
    assert "try a learning rate" in text


def test_the_error_of_a_lost_loss_names_the_rate_that_was_used(tiny: Split) -> None:
    def halve(optimizer: torch.optim.Optimizer, n_steps: int) -> object:
        return torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)

    trainer = make_trainer(optimizer="SGD", schedule=halve)
    trainer.optimizer.param_groups[0]["lr"] = 1e30
    with pytest.raises(FloatingPointError, match=r"batch 2, at learning rate 5e\+29"):
        trainer.fit(tiny, epochs=2)


# --- Evaluation ---------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [7, 16, 40, 1000])
def test_evaluate_counts_the_short_last_batch(tiny: Split, batch_size: int) -> None:
    model = small_model().eval()
    pixels, labels = next(iter(batches(tiny, 40)))
    result = evaluate(model, tiny, batch_size=batch_size)
    assert result.n_images == 40
    assert result.loss == pytest.approx(F.cross_entropy(model(pixels), labels).item())
    assert result.accuracy == (model(pixels).argmax(1) == labels).sum().item() / 40
    assert torch.equal(result.predictions, result.logits.argmax(dim=1))
    assert torch.allclose(result.probabilities.sum(dim=1), torch.ones(40))
    assert not result.logits.requires_grad


@pytest.mark.parametrize("mode", [True, False])
def test_evaluate_puts_the_mode_of_every_layer_back(tiny: Split, mode: bool) -> None:
    model = nn.Sequential(small_model(), nn.BatchNorm1d(10)).train(mode)
    model[1].eval()  # as one does with a layer that is not to change
    modes = [module.training for module in model.modules()]
    evaluate(model, tiny)
    assert [module.training for module in model.modules()] == modes


def test_evaluate_puts_the_mode_back_after_an_error(tiny: Split) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(3, 10))
    with pytest.raises(RuntimeError):
        evaluate(model, tiny)
    assert model.training


def test_evaluate_needs_a_split_with_a_digit_and_no_parameters(
    tiny: Split, optdigits: Digits
) -> None:
    for digits in (tiny[:0], optdigits):
        with pytest.raises(ValueError, match=r"judged by a split such as digits\.test"):
            evaluate(small_model(), digits)
    ten_rows = nn.Sequential(nn.Flatten(), nn.AdaptiveAvgPool1d(10))
    assert evaluate(ten_rows, tiny).logits.shape == (40, 10)


def test_what_was_read_right_in_a_batch_is_worked_out_once(tiny: Split) -> None:
    step = next(make_trainer().steps(tiny, epochs=1))
    reached = step.accuracy
    step.labels.fill_(0)  # curves of thousands of steps are drawn again and again
    assert step.accuracy == reached
    assert 0 <= reached <= 1
