import dataclasses
import math
import random
import time

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure as MplFigure
from matplotlib.patches import Rectangle

import digitlab as dl
from digitlab.data import Split
from digitlab.show.figure import COLORS, Figure
from digitlab.trainer import History

EMPTY = Split(torch.zeros(0, 28, 28, dtype=torch.uint8), torch.zeros(0, dtype=torch.int64))


def history(*valid_loss: float, train_loss: float = 0.5) -> History:
    n = len(valid_loss)
    accuracies = [1 - loss / 10 for loss in valid_loss]
    losses = [train_loss] * n
    return History(losses, [0.8] * n, list(valid_loss), accuracies, [0.1] * n, [1.0] * n)


def texts(picture: Figure) -> list[str]:
    return [text.get_text() for ax in picture.axes for text in ax.texts]


def frames(picture: Figure) -> list[Rectangle]:
    return [p for ax in picture.axes for p in ax.patches if not p.get_fill()]


# --- Digits -----------------------------------------------------------------------------------


def test_a_grid_is_one_image_with_a_label_over_each_digit(tiny):
    picture = dl.plot_digits(tiny, n=20)

    assert len(picture.axes) == 1
    assert len(picture.axes[0].images) == 1
    assert texts(picture) == [str(i % 10) for i in range(20)]
    assert picture.alt == "20 digits: " + ", ".join(texts(picture)) + "."


def test_a_grid_shows_the_pixels_of_the_split(tiny):
    sheet = dl.plot_digits(tiny, n=1).axes[0].images[0].get_array()

    assert np.array_equal(sheet[-28:, :28], tiny.images[0].numpy())


def test_a_grid_takes_other_titles(tiny):
    picture = dl.plot_digits(tiny[:2], titles=["Ada", "Emmy"])

    assert texts(picture) == ["Ada", "Emmy"]
    assert picture.alt == "2 digits: Ada, Emmy."


def test_a_wrong_prediction_is_framed_and_named(tiny):
    predictions = tiny.labels.clone()
    predictions[4] = 9

    picture = dl.plot_digits(tiny, n=10, predictions=predictions)

    assert texts(picture)[3:6] == ["3", "4→9", "5"]
    assert len(frames(picture)) == 1
    assert picture.alt == "9 of 10 digits read correctly; wrong: 4 read as 9."


def test_a_grid_shows_the_probability_of_what_is_read(tiny):
    probabilities = torch.full((40, 10), 0.02)
    probabilities[torch.arange(40), tiny.labels] = 0.82

    picture = dl.plot_digits(tiny, n=3, probabilities=probabilities)

    assert texts(picture) == ["0  82 %", "1  82 %", "2  82 %"]
    assert picture.rows[1] == (1, 1, 1, 0.82)
    assert not frames(picture)


def test_a_split_shorter_than_n_is_shown_whole(tiny):
    assert dl.plot_digits(tiny[:3], n=100).title == "3 digits"


def test_ten_thousand_digits_in_one_grid_are_refused_with_a_way_out():
    many = Split(torch.zeros(10_000, 28, 28, dtype=torch.uint8), torch.zeros(10_000).long())

    with pytest.raises(ValueError, match=r"not 10000; .* split\.sample\(100\)"):
        dl.plot_digits(many, n=10_000)


@pytest.mark.parametrize("name", ["titles", "predictions", "probabilities"])
def test_what_belongs_to_other_digits_is_refused(tiny, name):
    with pytest.raises(ValueError, match=r"3 (titles|predictions|probabilities) do not fit 40"):
        dl.plot_digits(tiny, **{name: torch.zeros(3, 10)})


def test_classes_stand_in_rows_of_their_own(tiny):
    picture = dl.plot_classes(tiny.only(0, 3), columns=2)

    sheet = picture.axes[0].images[0].get_array()
    shown = ~sheet[1::29].mask.all(axis=1)  # the first pixel row of each class
    assert shown.tolist() == [True, False, False, True]
    assert picture.alt.endswith(
        "2 of the 3, 0 of the 4, 0 of the 5, 0 of the 6, 0 of the 7, 0 of the 8, 0 of the 9."
    )


def test_one_digit_shows_every_pixel_value():
    image = torch.zeros(28, 28, dtype=torch.uint8)
    image[2, 5] = 200

    picture = dl.plot_digit(image, 7)

    assert len(texts(picture)) == 784
    assert texts(picture)[2 * 28 + 5] == "200"
    assert picture.title == "28 x 28 pixels of a 7"
    assert "ink in rows 2 to 2 and columns 5 to 5; 100% of the pixels are 0" in picture.alt


def test_one_digit_of_a_split_shows_hundredths():
    image = torch.tensor([[[0.0, 0.534, 1.0]]])

    assert texts(dl.plot_digit(image)) == ["0", ".53", "1"]


def test_one_digit_without_values_is_only_the_picture(tiny):
    assert not texts(dl.plot_digit(*tiny[0], values=False))


def test_pixels_that_are_not_numbers_are_refused():
    with pytest.raises(ValueError, match="1 of these 784 pixels are not numbers"):
        dl.plot_digit(torch.zeros(784).index_fill(0, torch.tensor([3]), math.nan).view(28, 28))


def test_a_batch_is_no_single_digit(tiny):
    with pytest.raises(ValueError, match=r"not \(40, 28, 28\); for several use plot_digits"):
        dl.plot_digit(tiny.images)


def test_empty_titles_hide_the_labels(tiny):
    assert not any(texts(dl.plot_digits(tiny[:5], titles=[""] * 5)))


def test_classes_above_the_last_one_have_no_row(tiny):
    assert texts(dl.plot_classes(tiny.only(0, 2))) == ["0", "no 1", "2"]


def test_averages_are_means_and_variances_of_pixels():
    images = torch.zeros(2, 28, 28, dtype=torch.uint8)
    images[1] = 255

    picture = dl.plot_averages(Split(images, torch.tensor([3, 3])), variance=True)

    average, variance = (np.nanmax(ax.images[0].get_array()) for ax in picture.axes)
    assert (average, variance) == (0.5, 0.25)
    assert picture.rows[3] == (3, 2, 0.5, 0.25)
    assert "no 4" in texts(picture)


def test_averages_say_which_class_has_most_ink():
    images = torch.stack([torch.full((28, 28), v, dtype=torch.uint8) for v in (9, 200, 50)])

    alt = dl.plot_averages(Split(images, torch.tensor([0, 1, 2]))).alt

    assert "the 1 has the most ink, the 0 the least" in alt


def test_averages_speak_of_variance_where_they_show_it(tiny):
    assert "varies" not in dl.plot_averages(tiny).alt
    assert "varies" in dl.plot_averages(tiny, variance=True).alt


def test_counts_are_bars_from_zero_with_their_numbers(tiny):
    picture = dl.plot_counts(tiny[:25])

    (ax,) = picture.axes
    assert [bar.get_height() for bar in ax.patches] == [3] * 5 + [2] * 5
    assert texts(picture) == ["3"] * 5 + ["2"] * 5
    assert ax.get_ylim()[0] == 0
    assert picture.alt == "25 digits by class: from 2 (the 5) to 3 (the 0)."


def test_augmented_digits_stand_right_of_the_original(tiny):
    picture = dl.plot_augment(tiny, lambda images: 1 - images, n=2, columns=3)

    sheet = picture.axes[0].images[0].get_array()
    assert np.allclose(sheet[1:29, :28], tiny.images[0] / 255)
    assert np.allclose(sheet[1:29, 30:58], 1 - tiny.images[0] / 255)
    assert len(frames(picture)) == 2
    assert "2 digits (0, 1)" in picture.alt


def test_augmentation_that_draws_randomly_is_repeatable_and_leaves_the_generator(tiny):
    before = torch.get_rng_state()

    sheets = [
        dl.plot_augment(tiny, torch.rand_like).axes[0].images[0].get_array() for _ in range(2)
    ]

    assert np.array_equal(*sheets, equal_nan=True)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("augment", "words"),
    [
        (lambda images: images[:, 0], "augment must return the shape it got"),
        (lambda images: images * math.nan, "augmented pixels are not numbers"),
    ],
)
def test_augmentation_that_breaks_the_pixels_is_refused(tiny, augment, words):
    with pytest.raises(ValueError, match=words):
        dl.plot_augment(tiny, augment)


def test_steps_show_each_picture_in_its_own_size():
    steps = {"grey": np.full((60, 90), 200, np.uint8), "centred": np.zeros((28, 28), np.uint8)}

    picture = dl.plot_steps(steps)

    assert [ax.get_title() for ax in picture.axes] == ["grey\n60 x 90", "centred\n28 x 28"]
    assert "grey (60 x 90, mean 200.0), then centred (28 x 28, mean 0.0)" in picture.alt


def test_a_digit_that_came_as_pixels_has_no_steps():
    with pytest.raises(ValueError, match="came as pixels"):
        dl.plot_steps({})


@pytest.mark.parametrize(
    "plot",
    [
        dl.plot_digits,
        dl.plot_classes,
        dl.plot_averages,
        dl.plot_counts,
        lambda split: dl.plot_augment(split, torch.clone),
    ],
)
def test_an_empty_split_is_refused(plot):
    with pytest.raises(ValueError, match="take a split with digits"):
        plot(EMPTY)


@pytest.mark.parametrize("plot", [dl.plot_digits, dl.plot_averages, dl.plot_counts])
def test_a_whole_data_set_is_refused(plot, optdigits):
    with pytest.raises(ValueError, match="take a split with digits"):
        plot(optdigits)


# --- Training ---------------------------------------------------------------------------------


def test_loss_and_accuracy_stand_side_by_side():
    picture = dl.plot_history(history(0.3, 0.1))

    assert [ax.get_title() for ax in picture.axes] == ["Loss", "Accuracy"]
    for ax in picture.axes:
        training, validation = ax.get_lines()
        assert (training.get_label(), validation.get_label()) == ("training", "validation")
        assert training.get_xdata().tolist() == [1, 2]
        assert training.get_linestyle() != validation.get_linestyle()
        assert training.get_marker() != validation.get_marker()
    assert picture.axes[0].get_lines()[1].get_ydata().tolist() == [0.3, 0.1]


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        ((0.31, 0.08), "validation loss falls from 0.31 to 0.08;"),
        ((0.31, 0.08, 0.2), "validation loss falls from 0.31 to 0.08 and rises after epoch 2"),
        ((0.1, 0.3), "validation loss rises from 0.1 to 0.3;"),
        ((0.1, 0.1), "validation loss stays at 0.1;"),
        ((0.1, 0.3, 0.1), "validation loss begins and ends at 0.1;"),
        ((0.25,), "validation loss is 0.25 after 1 epoch;"),
        ((0.3, math.nan), "validation loss is not a finite number from epoch 2 on;"),
    ],
)
def test_alternative_text_says_how_the_curve_runs(losses, words):
    assert words in dl.plot_history(history(*losses)).alt


def test_accuracy_is_said_in_percent_and_is_better_when_it_rises():
    alt = dl.plot_history(history(0.5, 0.2, 0.3), metric="accuracy").alt

    assert (
        "validation accuracy rises from 95.0 % to 98.0 % and falls after epoch 2 to 97.0 %" in alt
    )


def test_a_run_without_validation_is_told_beside_one_with_it():
    without = dataclasses.replace(history(0.3, 0.1), valid_loss=[], valid_accuracy=[])
    alt = dl.plot_history({"a": history(0.3, 0.1), "b": without}).alt
    assert "a: validation accuracy" in alt
    assert "a: training accuracy" not in alt
    assert "b: training accuracy" in alt


def test_the_lowest_validation_loss_is_marked_where_the_curve_turns():
    assert texts(dl.plot_history(history(0.3, 0.1, 0.2))) == ["lowest: epoch 2"]
    assert texts(dl.plot_history(history(0.3, 0.2, 0.1))) == []


def test_gaps_in_a_curve_are_explained():
    picture = dl.plot_history(history(0.3, math.nan))

    titles = [ax.get_title() for ax in picture.axes]
    assert titles[0] == "Loss (gaps: not a finite number)"
    assert picture.axes[0].get_xlim()[1] > 2  # the epochs without a number stay in view


def test_a_history_without_validation_shows_training_alone():
    picture = dl.plot_history(History(train_loss=[0.5], train_accuracy=[0.8]))

    assert [len(ax.get_lines()) for ax in picture.axes] == [1, 1]
    assert "validation" not in picture.alt


def test_runs_differ_by_more_than_colour():
    picture = dl.plot_history({"a": history(0.3), "b": history(0.2)}, metric="loss")

    lines = picture.axes[0].get_lines()
    assert len({(line.get_marker(), line.get_linestyle()) for line in lines}) == 4
    legend = [text.get_text() for text in picture.figure.legends[0].get_texts()]
    assert legend == ["a", "b", "training", "validation"]
    assert "A: validation loss is 0.3" in picture.alt
    assert "b: validation loss is 0.2" in picture.alt


def test_more_runs_than_colours_still_differ():
    picture = dl.plot_history({str(i): history(0.3) for i in range(10)}, metric="loss")

    lines = picture.axes[0].get_lines()
    assert {line.get_label() for line in lines} == {"validation"}
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 10


def test_seeds_are_a_band_around_their_mean():
    picture = dl.plot_history([history(0.3, 0.1), history(0.5, 0.2)], metric="loss")

    ax = picture.axes[0]
    validation, band = ax.get_lines()[1], ax.collections[1].get_paths()[0].vertices
    assert validation.get_ydata() == pytest.approx([0.4, 0.15])
    assert (band[:, 1].min(), band[:, 1].max()) == (0.1, 0.5)
    assert "(mean of 2 seeds, which end between 0.1 and 0.2)" in picture.alt


def test_seeds_that_stopped_early_share_their_first_epochs():
    picture = dl.plot_history([history(0.3, 0.1), history(0.5)], metric="loss")

    assert picture.axes[0].get_lines()[1].get_xdata().tolist() == [1]


def test_table_of_a_history_holds_every_point():
    rows = dl.plot_history(history(0.3, 0.1), metric="loss").table().rows

    assert list(rows) == [
        ("training loss", 1, 0.5),
        ("training loss", 2, 0.5),
        ("validation loss", 1, 0.3),
        ("validation loss", 2, 0.1),
    ]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: dl.plot_history(History()), "history without an epoch"),
        (lambda: dl.plot_history({}), "history without an epoch"),
        (lambda: dl.plot_history({"a": []}), "history without an epoch"),
        (lambda: dl.plot_history(history(1), metric="los"), "did you mean 'loss'"),
        (lambda: dl.plot_history(history(1), ax=MplFigure().subplots()), "add metric='loss'"),
        (lambda: dl.plot_lr([]), "no learning rate"),
        (lambda: dl.plot_lr([0.1, math.inf]), "learning rates are not numbers"),
    ],
)
def test_what_is_no_training_is_refused_in_one_sentence(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_learning_rate_starts_at_zero_and_says_where_it_is_highest():
    picture = dl.plot_lr([0.1, 0.3, 0.2])

    assert picture.axes[0].get_ylim()[0] == 0
    assert picture.axes[0].get_xlabel() == "step"
    assert picture.alt == (
        "Learning rate over 3 steps: 0.1 at first, 0.2 at last, highest at step 2 with 0.3."
    )


def test_learning_rate_of_a_history_runs_over_epochs():
    assert dl.plot_lr(history(1, 1)).alt == (
        "Learning rate over 2 epochs: 0.1 at first, 0.1 at last."
    )


# --- All --------------------------------------------------------------------------------------

PLOTS = {
    "digits": lambda split, ax: dl.plot_digits(split, ax=ax),
    "classes": lambda split, ax: dl.plot_classes(split, ax=ax),
    "digit": lambda split, ax: dl.plot_digit(*split[0], ax=ax),
    "counts": lambda split, ax: dl.plot_counts(split, ax=ax),
    "history": lambda _, ax: dl.plot_history(history(0.3, 0.1), metric="loss", ax=ax),
    "lr": lambda _, ax: dl.plot_lr([0.1, 0.2], ax=ax),
}


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_draws_into_the_axes_it_is_given(tiny, name):
    left, right = MplFigure().subplots(1, 2)

    picture = PLOTS[name](tiny, right)

    assert picture.axes == (right,)
    assert picture.figure is right.figure
    assert right.has_data()
    assert not left.has_data()


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_leaves_settings_and_random_states_alone(tiny, name):
    def state() -> tuple[object, ...]:
        numpy_state = np.random.get_state()[1].tolist()  # noqa: NPY002
        return dict(matplotlib.rcParams), torch.get_rng_state().tolist(), numpy_state

    before, python_state = state(), random.getstate()

    PLOTS[name](tiny, None)._repr_mimebundle_()

    assert state() == before
    assert random.getstate() == python_state


def test_colours_can_be_told_apart_by_colour_blind_readers():
    okabe_ito = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"}

    assert {to_hex(color) for color in COLORS} == okabe_ito


def test_a_gallery_of_100_digits_is_small_and_quick(optdigits):
    split, probabilities = optdigits.train[:100], torch.full((100, 10), 0.1)
    start = time.process_time()

    png = dl.plot_digits(split, n=100, probabilities=probabilities).png()

    assert len(png) < 60_000
    assert time.process_time() - start < 2  # about 0.3 s on an idle machine
