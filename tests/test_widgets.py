"""Each widget is driven by its controls, without a browser."""

import ast
import asyncio
import dataclasses
import io
import re
import threading
from base64 import b64decode
from html import unescape

import numpy as np
import pytest
import torch
from ipywidgets import HTML, Widget
from PIL import Image
from torch import nn
from traitlets import TraitError

from digitlab.augment import Augment
from digitlab.data import Digits
from digitlab.inference import Result, evaluate
from digitlab.recipes import RECIPES, build_model
from digitlab.runs import build_optimizer
from digitlab.show.figure import DPI, count
from digitlab.trainer import SCHEDULES, History, Step, Trainer
from digitlab.widgets.augmenting import AugmentExplorer
from digitlab.widgets.confusion import ConfusionExplorer
from digitlab.widgets.controls import Choice, Slider, labelled
from digitlab.widgets.layers import LayerExplorer
from digitlab.widgets.pager import Pager
from digitlab.widgets.samples import SampleBrowser
from digitlab.widgets.training import TrainingDesk, _Curves


def shown(widget: Widget) -> list[str]:
    """Return the alternative texts of a widget's figures, and its sentences."""
    parts = getattr(widget, "children", [])
    own = widget.value if isinstance(widget, HTML) else ""
    found = re.findall(r'alt="([^"]*)"|aria-label="([^"]*)"|<p>(.*?)</p>|<code>(.*?)</code>', own)
    return [unescape("".join(f)) for f in found] + [text for part in parts for text in shown(part)]


def sweep(control: Choice | Slider):
    """Set every value that a control can have, and leave the last."""
    if isinstance(control, Choice):
        values = control.values
    else:
        n_steps = round((control.max - control.min) / control.step)
        values = [control.min + i * control.step for i in range(n_steps + 1)]
    for value in values:
        control.value = value
        yield value


@pytest.fixture
def result(tiny) -> Result:
    """Return a reading of `tiny` in which every third digit is read as the next class."""
    torch.manual_seed(0)
    read = torch.where(torch.arange(40) % 3 == 0, (tiny.labels + 1) % 10, tiny.labels)
    logits = torch.rand(40, 10) + 4 * torch.rand(40, 1) * torch.eye(10)[read] + torch.eye(10)[read]
    return Result(logits, tiny.labels, loss=1.0, accuracy=0.65)


@pytest.fixture
def tiny_digits(tiny) -> Digits:
    return Digits("tiny", tiny, tiny[3:], tiny[:5], source="", licence="")


# --- All of them ------------------------------------------------------------------------------


WIDGETS = {
    "samples": lambda tiny, *_: SampleBrowser(tiny),
    "confusion": lambda tiny, result, _: ConfusionExplorer(tiny, result),
    "layers": lambda tiny, *_: LayerExplorer(build_model("fast", seed=0), tiny),
    "augment": lambda tiny, *_: AugmentExplorer(tiny),
    "desk": lambda _, __, digits: TrainingDesk(digits),
}


def controls(widget: Widget):
    yield from (widget,) if hasattr(widget, "description") else ()
    for part in getattr(widget, "children", []):
        yield from controls(part)


@pytest.mark.parametrize("name", WIDGETS)
def test_each_names_its_controls_and_shows_as_a_figure_with_the_texts_of_its_parts(
    name, tiny, result, tiny_digits
):
    widget = WIDGETS[name](tiny, result, tiny_digits)
    names = [c.description for c in controls(widget) if not isinstance(c, HTML)]
    assert names
    assert all(names)
    assert len(set(names)) == len(names)
    bundle = widget._repr_mimebundle_()
    alt = unescape(re.match(r'<img alt="([^"]*)" src="data:image/png', bundle["text/html"])[1])
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert len(bundle["text/html"]) < 80_000
    texts = [text for text in shown(widget) if not text.startswith("Nothing is trained")]
    assert texts
    assert all(text in alt for text in texts)


def test_a_slider_moves_to_the_nearest_value_inside():
    slider = Slider(min=1, max=5, value=9)
    assert slider.value == 5
    slider.end_at(3)
    assert (slider.value, slider.unit) == (3, "of 3")
    slider.value = -1
    assert slider.value == 1


def test_a_choice_keeps_its_value_where_new_options_have_it():
    choice = Choice(options={"one": 1, "two": 2}, value=2)
    assert choice._index == 1
    choice.options = labelled([0, 1, 2])
    assert (choice.value, choice._index) == (2, 2)
    choice._index = 1  # what the page does
    assert choice.value == 1
    choice.options = labelled(["a", "b"])
    assert (choice.value, choice._index) == ("a", 0)
    with pytest.raises(TraitError, match="10 is not one of"):
        choice.value = 10


def test_a_pager_turns_to_the_last_position_and_draws_each_page_once():
    drawn = []
    pager = Pager(4, lambda: drawn.append(pager.shown.tolist()))
    pager.choose(torch.arange(10, 20))
    assert [pager.shown.tolist() for _ in sweep(pager)] == [*drawn]
    assert drawn == [[10, 11, 12, 13], [14, 15, 16, 17], [18, 19]]
    assert (pager.first, pager.unit) == (8, "of 3")
    pager.choose(torch.arange(5))
    assert drawn[3:] == [[0, 1, 2, 3]]
    pager.choose(torch.arange(0))
    assert (drawn[4:], pager.value, pager.max) == ([[]], 1, 1)


# --- SampleBrowser ----------------------------------------------------------------------------


def test_the_browser_shows_the_chosen_class_and_its_average(tiny):
    browser = SampleBrowser(tiny.only(2, 5))
    assert browser.digit.values == ["all", 2, 5]  # and no class without digits
    assert shown(browser)[0] == "Digits 1 to 8 of 8: 2, 5, 2, 5, 2, 5, 2, 5."
    browser.digit.value = 5
    grid, _, average = shown(browser)
    assert grid == "Digits 1 to 4 of 4: 5, 5, 5, 5."
    pixels = tiny.only(5).images.float().mean(dim=0)
    assert average == (
        f"Average of 4 digits of the 5: mean pixel {pixels.mean():.0f}, "
        f"brightest {pixels.max():.0f} of 255."
    )


def test_the_browser_begins_another_class_on_its_first_page_and_enlarges_each_digit(tiny):
    browser = SampleBrowser(tiny)
    browser.page.value, browser.place.value = 2, 10
    labels = ", ".join(map(str, tiny.labels[30:].tolist()))
    assert shown(browser)[0] == f"Digits 31 to 40 of 40: {labels}."
    browser.digit.value = 7
    assert (browser.page.value, browser.place.value, browser.position) == (1, 4, 37)
    seen = []
    for _ in sweep(browser.place):
        cells = re.findall(r"<td[^>]*>(\d+)</td>", browser._values.value)
        assert list(map(int, cells)) == tiny.images[browser.position].flatten().tolist()
        assert shown(browser)[1].startswith(f"Position {browser.position}: 28 x 28 pixels of a 7")
        seen.append(browser.position)
    assert seen == [7, 17, 27, 37]


# --- ConfusionExplorer ------------------------------------------------------------------------


def matching(explorer: ConfusionExplorer) -> set[int]:
    """Find the chosen digits one by one."""
    read = explorer.result.predictions.tolist()
    return {
        i
        for i, truth in enumerate(explorer.split.labels.tolist())
        if explorer.truth.value in ("all", truth)
        and explorer.read_as.value in ("all", read[i])
        and explorer.kind.value in ("right and wrong", "right" if truth == read[i] else "wrong")
    }


def test_the_explorer_finds_the_digits_of_a_choice(tiny, result):
    explorer = ConfusionExplorer(tiny, result)
    choices = [("truth", "all"), ("kind", "right"), ("order", "least sure first")]
    choices += [("kind", "wrong"), ("read_as", "all"), ("truth", 3), ("kind", "right and wrong")]
    for name, value in choices:
        getattr(explorer, name).value = value
        positions = explorer.positions
        assert set(positions.tolist()) == matching(explorer)
        sure = result.probabilities[positions].amax(dim=1)
        descending = explorer.order.value == "surest first"
        assert torch.equal(sure, sure.sort(descending=descending).values)
        said = f"{count(len(positions), 'digit')}, {explorer.order.value}: "
        assert said in shown(explorer)[1] or not len(positions)
    assert len(positions) == 4
    explorer.truth.value = "all"
    explorer.page.value = explorer.page.max
    assert shown(explorer)[1].startswith("37 to 40 of ")
    explorer.kind.value = "right"
    assert shown(explorer)[1].startswith("1 to 12 of ")


def test_the_explorer_opens_on_the_most_frequent_mistake_frames_it_and_says_what_is_empty(
    tiny, result
):
    explorer = ConfusionExplorer(tiny, result)
    truth, read = explorer.truth.value, explorer.read_as.value
    assert read == (truth + 1) % 10
    assert shown(explorer)[0].endswith(f" Framed: a {truth} read as a {read}.")
    explorer.kind.value = "right"
    cell = f"a {truth} read as a {read}, right only"
    assert shown(explorer)[1] == f"There is no digit here: {cell}."
    explorer.kind.value = "right and wrong"
    explorer.truth.value, explorer.read_as.value = "all", 5
    assert shown(explorer)[0].endswith(" Framed: any digit read as a 5.")
    (box,) = explorer._all.axes[0].patches
    assert box.get_bbox().bounds == (4.5, -0.5, 1, 10)


def test_a_result_without_mistakes_shows_all_digits_and_a_wrong_one_is_refused(tiny, result):
    perfect = ConfusionExplorer(tiny, Result(torch.eye(10)[tiny.labels], tiny.labels, 0.0, 1.0))
    assert (perfect.truth.value, perfect.read_as.value) == ("all", "all")
    with pytest.raises(ValueError, match="belongs to other digits"):
        ConfusionExplorer(tiny[:30], result)


# --- LayerExplorer ----------------------------------------------------------------------------


def test_every_layer_shows_its_filters_and_what_it_makes(tiny):
    maps = [nn.Conv2d(1, 3, 5), nn.Conv2d(3, 2, 5), nn.ReLU()]
    explorer = LayerExplorer(nn.Sequential(*maps, nn.Flatten(), nn.Linear(800, 10)), tiny)
    assert explorer.layer.value == "0"
    found = [shown(explorer)[1:] for _ in sweep(explorer.layer)]
    filters, outputs = zip(*found, strict=True)
    assert filters[0].startswith("Weights of 3 filters: images of 5 x 5")
    assert filters[1].startswith("Weights of 2 filters: images of 5 x 5")
    assert filters[2:] == (
        "2 has no weights: it learns nothing.",
        "3 has no weights: it learns nothing.",
        "The weights of 4 (10 x 800 and 10) do not lie on pixels.",
    )
    starts = ["3 feature maps of 24 x 24", "2 feature maps of 20 x 20", "2 feature maps of 20 x 20"]
    starts += ["Output of 800 neurons", "Output of 10 neurons"]
    assert all(output.startswith(start) for output, start in zip(outputs, starts, strict=True))
    assert explorer.snapshot().alt.startswith("Layer 4. Position 0, a 0: ")


def test_every_digit_goes_through_a_model_that_stays_as_it_is_and_whose_errors_come_out(tiny):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 3), nn.Dropout()).train()
    explorer, outputs = LayerExplorer(model, tiny[:4]), set()
    assert shown(explorer)[1].startswith("Weights of 3 neurons: images of 28 x 28")
    for position in sweep(explorer.position):
        digit, _, output = shown(explorer)
        assert digit.startswith(f"Position {position:.0f}, a {position:.0f}: ")
        outputs.add(output)
    assert len(outputs) == 4
    assert all(layer.training for layer in model)
    model[1] = nn.Linear(5, 10)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        explorer.position.value = 1
    with pytest.raises(ValueError, match="holds no layers"):
        LayerExplorer(nn.Flatten(), tiny)


def test_filters_are_shown_for_each_input_of_a_convolution(tiny):
    explorer = LayerExplorer(nn.Sequential(nn.Conv2d(1, 3, 3), nn.Conv2d(3, 2, 3)), tiny)
    assert explorer.channel.layout.display == "none"
    explorer.layer.value = "1"
    weights = explorer.model[1].weight
    assert (explorer.channel.layout.display, explorer.channel.unit) == (None, "of 0 to 2")
    for channel in sweep(explorer.channel):
        lowest = weights[:, int(channel)].min().item()
        assert f"weights from {lowest:.2g} to " in shown(explorer)[1]
    assert channel == 2


# --- AugmentExplorer --------------------------------------------------------------------------


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Augment)])
def test_each_slider_sets_its_amount_and_the_line_of_code_and_draws_again(tiny, name):
    explorer = AugmentExplorer(tiny)
    for slider in explorer.amounts.values():
        slider.value = 0
    assert explorer.code == "dl.Augment()"
    assert "pixels change by 0.00 on average" in shown(explorer)[1]
    amount = explorer.amounts[name]
    amount.value = amount.max
    code = ast.parse(explorer.code, mode="eval").body
    asked = {keyword.arg: ast.literal_eval(keyword.value) for keyword in code.keywords}
    assert asked == {name: amount.max}
    assert explorer.augment == Augment(**asked)
    line, words = shown(explorer)
    assert line == explorer.code
    assert words.startswith(f"{line}. Augmentation of 5 digits (0, 1, 2, 3, 4)")
    assert "change by 0.00" not in words
    drawn = explorer._digits.value
    explorer.again.click()
    assert explorer.code == line
    assert explorer._digits.value != drawn


# --- TrainingDesk -----------------------------------------------------------------------------


def ready(digits: Digits, epochs: int = 3) -> TrainingDesk:
    """Return a desk with settings for few digits: three batches in an epoch."""
    desk = TrainingDesk(digits, "lenet-sgd")
    desk.lr.value, desk.batch_size.value, desk.epochs.value = 0.02, 16, epochs
    return desk


def usual(digits: Digits) -> Trainer:
    """Train the same without a desk."""
    recipe = RECIPES["lenet-sgd"].replace(lr=0.02, batch_size=16, epochs=3)
    model = build_model(recipe, seed=0)
    schedule = SCHEDULES[recipe.schedule]
    trainer = Trainer(model, build_optimizer(recipe, model), batch_size=16, schedule=schedule)
    trainer.fit(digits.train, digits.valid, epochs=3)
    return trainer


def switched(desk: TrainingDesk) -> tuple[bool, ...]:
    """Say which of Start, Pause and Stop are off."""
    return desk.start.disabled, desk.pause.disabled, desk.stop.disabled


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


async def until(true) -> None:
    while not true():
        await asyncio.sleep(0)


def test_a_desk_trains_nothing_by_itself_and_each_recipe_brings_its_settings(tiny_digits):
    desk = TrainingDesk(tiny_digits)
    assert (desk.model, len(desk.history)) == (None, 0)
    assert desk.status == "Nothing is trained yet: choose the settings, then press Start."
    assert switched(desk) == (False, True, True)
    assert desk.snapshot().alt == "Training over 1 epoch: nothing is trained yet."
    for name in sweep(desk.recipe):
        recipe = RECIPES[name]
        assert (desk.lr.value, desk.batch_size.value) == (recipe.lr, recipe.batch_size)
        assert desk.epochs.value == recipe.epochs_for(40)
    desk.lr.value, desk.batch_size.value, desk.epochs.value = 0.02, 16, 7
    trainer = desk._build()
    assert trainer.optimizer.param_groups[0]["lr"] == 0.02
    assert trainer.batch_size == 16
    with pytest.raises(ValueError, match="did you mean 'plain-mlp'"):
        TrainingDesk(tiny_digits, "plain_mpl")


def test_a_desk_trains_what_the_trainer_trains(tiny_digits):
    desk, trainer = ready(tiny_digits), usual(tiny_digits)
    history = asyncio.run(desk.train())
    assert desk.history is history
    assert same_weights(desk.model, trainer.model)
    assert history.train_loss == trainer.history.train_loss
    assert history.valid_loss == pytest.approx(trainer.history.valid_loss)
    assert history.valid_accuracy == trainer.history.valid_accuracy
    result = evaluate(desk.model, tiny_digits.valid, batch_size=2 * 16)
    assert (history.valid_loss[-1], history.valid_accuracy[-1]) == (result.loss, result.accuracy)
    share = 100 * result.accuracy
    assert desk.status == f"Done: {share:.2f} % of 37 validation digits are read correctly."
    assert desk.snapshot().rows[-1] == (3, history.valid_loss[-1], history.valid_accuracy[-1])


def test_other_tasks_have_a_turn_between_any_two_batches(tiny_digits):
    async def main() -> None:
        desk, seen = ready(tiny_digits), []
        desk.start.click()
        while not desk.history.valid_loss[2:]:
            await asyncio.sleep(0)
            seen.append((len(desk._steps), desk._where))
        assert {n for n, _ in seen} == set(range(10))
        assert seen.count(seen[-1]) >= 3  # and between the pieces that judge an epoch

    asyncio.run(main())


def test_the_live_figure_shows_what_the_snapshot_shows(tiny_digits):
    desk = ready(tiny_digits)
    asyncio.run(desk.train())
    encoded = re.search('base64,([^"]*)', desk._figure.value)[1]
    live = np.asarray(Image.open(io.BytesIO(b64decode(encoded))), float)
    drawn = io.BytesIO()
    desk.snapshot().mpl.savefig(drawn, format="png", dpi=DPI)
    whole = np.asarray(Image.open(drawn).convert("RGB"), float)
    assert live.shape == whole.shape
    assert abs(live - whole).mean() < 0.5


def test_a_loss_above_the_axis_makes_the_axis_longer():
    curves = _Curves(1)
    curves.plot([Step(1, 1, 2, 0.1, 40.0, torch.zeros(1, 10), torch.ones(1).long())], History())
    assert curves.axes["loss"].get_ylim() == (0, 80)


def test_a_paused_training_waits_and_goes_on_as_if_nothing_had_been(tiny_digits):
    async def main() -> None:
        desk = ready(tiny_digits)
        desk.start.click()
        await until(lambda: len(desk._steps) == 5)
        desk.pause.click()
        await until(lambda: desk.pause.description == "Go on")
        n_steps = len(desk._steps)
        for _ in range(20):
            torch.rand(7)  # another cell that draws random numbers
            await asyncio.sleep(0)
        assert len(desk._steps) == n_steps < 9
        assert desk.status.startswith("Paused: epoch 2 of 3")
        desk.pause.click()
        await until(lambda: desk.pause.description == "Pause")
        await asyncio.wait([desk._task])
        assert same_weights(desk.model, usual(tiny_digits).model)

    asyncio.run(main())


def test_a_stopped_training_keeps_what_was_learned_and_can_start_anew(tiny_digits):
    async def main() -> None:
        desk = ready(tiny_digits)
        desk.start.click()
        await until(lambda: len(desk._steps) == 4)
        assert desk.recipe.disabled
        assert desk.start.disabled
        desk.stop.click()
        await asyncio.wait([desk._task])
        assert desk._task.cancelled()
        assert (len(desk.history), len(desk.history.valid_loss)) == (1, 1)
        assert desk.history.stopped.startswith("stopped in epoch 2 of 3, batch ")
        assert desk.status == f"Training {desk.history.stopped}; what was learned is kept."
        assert not desk.model.training
        assert not desk.recipe.disabled
        desk.start.click()
        await until(lambda: not desk._task.done())
        await desk._task
        assert same_weights(desk.model, usual(tiny_digits).model)

    asyncio.run(main())


def test_buttons_work_in_another_thread_as_jupyterlab_clicks_them_while_paused_too(tiny_digits):
    async def main() -> None:
        desk = ready(tiny_digits)
        await asyncio.to_thread(desk.start.click)
        await until(lambda: len(desk._steps) == 2)
        desk.pause.click()
        await until(lambda: desk.status.startswith("Paused"))
        threading.Timer(0.1, desk.stop.click).start()  # while the event loop sleeps
        await asyncio.wait([desk._task], timeout=20)
        assert desk._task.cancelled()
        assert desk._task.get_loop() is asyncio.get_running_loop()
        assert desk.pause.description == "Pause"
        assert switched(desk) == (False, True, True)

    asyncio.run(main())


def test_a_loss_that_is_no_number_is_said_in_the_desk(tiny_digits):
    desk = ready(tiny_digits, epochs=20)
    desk.lr.options = labelled([1e30])
    asyncio.run(desk.train())
    assert re.fullmatch(
        r"The training ended: the loss became (nan|inf) in epoch \d+, batch \d, at learning rate "
        r".*; try a learning rate ten times smaller\.",
        desk.status,
    )
    assert desk.history.stopped in desk.status


def test_any_other_error_is_said_and_reaches_the_event_loop(tiny_digits):
    errors: list[BaseException] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, e: errors.append(e["exception"]))
        desk = ready(tiny_digits)
        desk.digits = dataclasses.replace(tiny_digits, train=tiny_digits.train[:0])
        desk.start.click()
        await until(lambda: errors)
        assert desk.status == f"The training ended: {errors[0]}."
        assert not desk.start.disabled

    asyncio.run(main())
    assert "the train split is empty" in str(errors[0])


def test_a_desk_trains_one_model_at_a_time(tiny_digits):
    async def main() -> None:
        desk = ready(tiny_digits)
        desk.start.click()
        await until(lambda: desk._steps)
        first = desk._task
        desk.start.click()
        await asyncio.sleep(0)
        assert desk._task is first
        with pytest.raises(ValueError, match="training already"):
            await desk.train()
        await first

    asyncio.run(main())


def test_start_says_what_to_do_where_no_notebook_runs(tiny_digits):
    desk = ready(tiny_digits)
    for button in (desk.pause, desk.stop, desk.start):
        button.click()
    assert "asyncio.run(desk.train())" in desk.status
    assert desk.model is None
