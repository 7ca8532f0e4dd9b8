import math
import time

import numpy as np
import pytest
import torch
from matplotlib.patches import Rectangle

import digitlab as dl
from digitlab.data import Split
from digitlab.show.figure import Figure


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def frames(figure: Figure) -> list[Rectangle]:
    return [p for ax in figure.axes for p in ax.patches if not p.get_fill()]


def sheet(figure: Figure) -> np.ndarray:
    (image,) = figure.axes[0].images
    return image.get_array()


# --- Grids ------------------------------------------------------------------------------------


def test_a_grid_is_one_image_with_a_label_over_each_digit(tiny):
    figure = dl.plot_digits(tiny, n=20)
    assert texts(figure) == [str(i % 10) for i in range(20)]
    assert figure.alt == "20 digits: " + ", ".join(texts(figure)) + "."
    assert np.array_equal(sheet(figure)[-28:, -28:], tiny.images[19])
    assert figure.rows[-1] == (19, 9)


def test_a_grid_takes_other_titles(tiny):
    figure = dl.plot_digits(tiny[:2], titles=["Ada", "Emmy"], title="Two")
    assert (texts(figure), figure.alt) == (["Ada", "Emmy"], "Two: Ada, Emmy.")
    assert not any(texts(dl.plot_digits(tiny[:5], titles=[""] * 5)))


def test_a_wrong_prediction_is_framed_and_named(tiny):
    predictions = tiny.labels.clone()
    predictions[4] = 9
    figure = dl.plot_digits(tiny, n=10, predictions=predictions)
    assert texts(figure)[3:6] == ["3", "4→9", "5"]
    top = sheet(figure).shape[0] - 28 - 0.5
    assert [box.get_xy() for box in frames(figure)] == [(4 * 30 - 0.5, top)]
    assert figure.alt == "9 of 10 digits read correctly; wrong: 4 read as 9."
    assert figure.header == ["position", "label", "read as"]
    assert figure.rows[4] == (4, 4, 9)


def test_a_grid_shows_the_probability_of_what_is_read(tiny):
    probabilities = torch.full((40, 10), 0.02)
    probabilities[torch.arange(40), tiny.labels] = 0.82
    figure = dl.plot_digits(tiny, n=3, probabilities=probabilities)
    assert texts(figure) == ["0  82 %", "1  82 %", "2  82 %"]
    assert figure.rows[1] == (1, 1, 1, 0.82)
    assert figure.title == "3 of 3 digits read correctly"
    assert not frames(figure)
    always_two = dl.plot_digits(
        tiny, n=1, probabilities=probabilities, predictions=torch.full((40,), 2)
    )
    assert texts(always_two) == ["0→2  2 %"]
    assert always_two.title == "0 of 1 digit read correctly"


def test_a_short_split_is_shown_whole_a_long_one_up_to_50_and_more_than_300_are_refused():
    many = Split(torch.zeros(301, 28, 28, dtype=torch.uint8), torch.zeros(301).long())
    shown = [dl.plot_digits(split, **n).title for split, n in ((many[:3], {"n": 100}), (many, {}))]
    assert shown == ["3 digits", "50 digits"]
    assert dl.plot_digits(many, n=300).title == "300 digits"
    with pytest.raises(ValueError, match=r"not 301; .* split\.sample\(100\)"):
        dl.plot_digits(many, n=10_000)


def test_classes_stand_in_rows_of_their_own_up_to_the_last(tiny):
    figure = dl.plot_classes(tiny.only(0, 3), columns=2)
    shown = ~sheet(figure)[1::29].mask.all(axis=1)  # the first pixel row of each class
    assert shown.tolist() == [True, False, False, True]
    assert np.array_equal(sheet(figure)[-28:, 30:], tiny.images[13])
    assert texts(figure) == ["0", "no 1", "no 2", "3"]
    assert "4 digits by class, a row for each: 2 of the 0, 0 of the 1" in figure.alt
    assert figure.rows[3:5] == [(3, 2), (4, 0)]


def test_a_gallery_of_100_digits_is_small_and_quick(optdigits):
    split, probabilities = optdigits.train[:100], torch.full((100, 10), 0.1)
    start = time.process_time()
    png = dl.plot_digits(split, n=100, probabilities=probabilities).png()
    assert len(png) < 60_000
    assert time.process_time() - start < 2  # about 0.3 s on an idle machine


# --- One digit --------------------------------------------------------------------------------


def test_one_digit_shows_every_pixel_value():
    image = torch.zeros(28, 28, dtype=torch.uint8)
    image[2, 5] = 200
    figure = dl.plot_digit(image, 7)
    assert len(texts(figure)) == 784
    assert texts(figure)[2 * 28 + 5] == "200"
    assert figure.title == "28 x 28 pixels of a 7"
    assert "ink in rows 2 to 2 and columns 5 to 5; 100% of the pixels are 0" in figure.alt

    assert texts(dl.plot_digit(torch.tensor([[[0.0, 0.534, 1.0]]]))) == ["0", ".53", "1"]
    assert texts(dl.plot_digit(image, values=False)) == []


# --- Classes ----------------------------------------------------------------------------------


def test_averages_are_means_and_variances_of_pixels():
    images = torch.zeros(3, 28, 28, dtype=torch.uint8)
    images[1], images[2] = 255, 51
    split = Split(images, torch.tensor([3, 3, 1]))
    figure = dl.plot_averages(split, variance=True)
    average, variance = (np.nanmax(ax.images[0].get_array()) for ax in figure.axes)
    assert (average, variance) == (0.5, 0.25)
    assert figure.rows[3] == (3, 2, 0.5, 0.25)
    assert texts(figure)[:4] == ["no 0", "1", "no 2", "3"]
    words = "the 3 has the most ink, the 1 the least; the 3 varies most, the 1 least."
    assert figure.alt.endswith(words)
    assert "varies" not in dl.plot_averages(split).alt


def test_counts_are_bars_from_zero_with_their_numbers(tiny):
    figure = dl.plot_counts(tiny[:25])
    (ax,) = figure.axes
    assert [bar.get_height() for bar in ax.patches] == [3] * 5 + [2] * 5
    assert texts(figure) == ["3"] * 5 + ["2"] * 5
    assert ax.get_ylim()[0] == 0
    assert figure.alt == "25 digits by class: from 2 (the 5) to 3 (the 0)."


# --- Augmentation -----------------------------------------------------------------------------


def test_augmented_digits_stand_right_of_the_original(tiny):
    figure = dl.plot_augment(tiny, lambda images: 1 - images, n=2, columns=2)
    assert np.allclose(sheet(figure)[1:29, :28], tiny.images[0] / 255)
    assert np.allclose(sheet(figure)[1:29, 30:58], 1 - tiny.images[0] / 255)
    assert [box.get_x() for box in frames(figure)] == [-0.5, -0.5]
    change = (1 - 2 * tiny.images[:2].float() / 255).abs().mean()
    assert figure.alt == (
        "Augmentation of 2 digits (0, 1): each as it is and in 1 augmented copy; "
        f"pixels change by {change:.2f} on average."
    )
    assert "9 augmented copies" in dl.plot_augment(tiny, torch.clone).alt


def test_augmentation_that_draws_randomly_is_repeatable_and_leaves_the_generator(tiny):
    before = torch.get_rng_state()
    one, same, other = (sheet(dl.plot_augment(tiny, torch.rand_like, seed=s)) for s in (0, 0, 1))
    assert np.array_equal(one, same, equal_nan=True)
    assert not np.array_equal(one, other, equal_nan=True)
    assert torch.equal(torch.get_rng_state(), before)


THREE = torch.zeros(3, 10)


@pytest.mark.parametrize(
    ("plot", "words"),
    [
        *(
            (lambda tiny, name=name: dl.plot_digits(tiny, **{name: THREE}), f"3 {name} do not fit")
            for name in ("titles", "predictions", "probabilities")
        ),
        (
            lambda tiny: dl.plot_digit(tiny.images),
            r"not \(40, 28, 28\); for several use plot_digits",
        ),
        (lambda _: dl.plot_digit(torch.tensor([[0, math.nan]])), "1 of these 2 pixels are not num"),
        (lambda tiny: dl.plot_augment(tiny, lambda x: x[:, 0]), "must return the shape it got"),
        (
            lambda tiny: dl.plot_augment(tiny, lambda x: x * math.nan),
            "augmented pixels are not num",
        ),
    ],
)
def test_what_makes_no_figure_is_refused_in_one_sentence(tiny, plot, words):
    with pytest.raises(ValueError, match=words):
        plot(tiny)
