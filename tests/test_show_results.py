import math
import time

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure as MplFigure

from digitlab.data import Split
from digitlab.inference import Result
from digitlab.show import results as plots
from digitlab.show.figure import COLORS, Figure


def result(labels: torch.Tensor, *mistakes: tuple[int, int], sure: float = 0.9) -> Result:
    """Read everything correctly but at these positions, as these classes; always this sure."""
    read = labels.clone()
    for position, digit in mistakes:
        read[position] = digit
    probabilities = torch.full((len(labels), 10), (1 - sure) / 9)
    probabilities[torch.arange(len(labels)), read] = sure
    return Result(probabilities.log(), labels, 0.1, 0.9)


def texts(picture: Figure) -> list[str]:
    return [text.get_text() for ax in picture.axes for text in ax.texts]


def frames(picture: Figure) -> int:
    return sum(not p.get_fill() for p in picture.axes[0].patches)


# --- Confusion --------------------------------------------------------------------------------


def test_confusion_writes_counts_at_true_row_and_read_column(tiny):
    picture = plots.plot_confusion(result(tiny.labels, (4, 9), (14, 9)))

    written = {text.get_position(): text.get_text() for text in picture.axes[0].texts}
    assert written[9, 4] == "2"
    assert written[4, 4] == "2"
    assert written[0, 0] == "4"
    assert len(written) == 11  # nothing stands where nothing is counted


def test_confusion_colours_mistakes_only(tiny):
    picture = plots.plot_confusion(result(tiny.labels, (4, 9), (14, 9)))

    colored = picture.axes[0].images[0].get_array()
    assert colored[4, 9] == 2
    assert colored.sum() == 2


def test_confusion_says_what_is_most_confused(tiny):
    picture = plots.plot_confusion(result(tiny.labels, (4, 9), (14, 9), (3, 8)))

    assert picture.alt == (
        "Confusion matrix: 37 of 40 digits read correctly; "
        "most confused: 4 read as 9, 2 times; 3 read as 8, 1 time."
    )


def test_confusion_of_a_perfect_model_names_no_mistake(tiny):
    picture = plots.plot_confusion(result(tiny.labels))

    assert picture.alt == "Confusion matrix: 40 of 40 digits read correctly."


def test_confusion_shows_rates_in_percent_of_each_row(tiny):
    picture = plots.plot_confusion(result(tiny.labels, (4, 9)), rates=True)

    written = {text.get_position(): text.get_text() for text in picture.axes[0].texts}
    assert written[9, 4] == "25.0"
    assert written[4, 4] == "75.0"
    assert picture.axes[0].images[0].get_array()[4, 9] == 0.25


def test_confusion_table_ends_in_the_recall_of_each_class(tiny):
    table = plots.plot_confusion(result(tiny.labels, (4, 9))).table()

    assert table.header[-1] == "recall"
    assert table.rows[4] == (4, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1, 0.75)


def test_confusion_of_a_class_without_digits_is_an_empty_row(tiny):
    picture = plots.plot_confusion(result(tiny.only(1, 2).labels))

    assert texts(picture) == ["4", "4"]
    recalls = [row[-1] for row in picture.rows]
    assert recalls[1:3] == [1, 1]
    assert np.isnan(recalls[0])


def test_labels_out_of_range_are_refused():
    labels = torch.tensor([3, 12])

    with pytest.raises(ValueError, match="labels must be whole numbers from 0 to 9"):
        plots.plot_confusion(Result(torch.zeros(2, 10), labels, 0.1, 0.9))


def test_confusion_of_10_000_digits_is_quick():
    labels = torch.arange(10_000) % 10
    everything = result(labels, *((i, 3) for i in range(50)))
    start = time.process_time()

    plots.plot_confusion(everything)

    assert time.process_time() - start < 1  # about 0.05 s on an idle machine


# --- Predictions ------------------------------------------------------------------------------


def test_predictions_list_three_classes_beside_each_digit(tiny):
    picture = plots.plot_predictions(tiny, result(tiny.labels), n=2)

    assert texts(picture)[:2] == ["0", "90 %"]
    assert len(texts(picture)) == 2 * 3 * 2
    assert picture.alt == "2 of 2 digits read correctly, each beside its most probable classes."


def test_the_true_class_stands_out_by_weight_and_by_its_bar(tiny):
    picture = plots.plot_predictions(tiny, result(tiny.labels, (0, 7)), n=1)

    bold = [t.get_text() for t in picture.axes[0].texts if t.get_weight() == "bold"]
    bars = [bar for bar in picture.axes[0].patches if bar.get_fill()]
    assert bold == ["0", "1 %"]
    assert [to_hex(bar.get_facecolor()) for bar in bars].count(COLORS[0].lower()) == 1
    assert bars[0].get_width() > bars[1].get_width()


def test_the_true_class_is_listed_however_improbable(tiny):
    everything = result(tiny.labels, (0, 7))
    everything.logits[0, 0] = -20.0

    picture = plots.plot_predictions(tiny, everything, n=1)

    assert texts(picture)[4:] == ["0", "0 %"]


def test_a_wrong_prediction_is_framed_and_named(tiny):
    picture = plots.plot_predictions(tiny, result(tiny.labels, (1, 7)), n=3)

    assert frames(picture) == 1
    assert picture.alt.endswith("; wrong: 1 read as 7.")
    assert picture.rows[1] == (1, 1, 7, 0.9, 0.0111)


def test_predictions_show_chosen_positions(tiny):
    picture = plots.plot_predictions(tiny, result(tiny.labels), positions=torch.tensor([13, 2]))

    assert [row[:2] for row in picture.rows] == [(13, 3), (2, 2)]


def test_the_worst_mistakes_come_first(tiny):
    everything = result(tiny.labels, (3, 5), (8, 6), (9, 4))
    everything.logits[8, 8] = -20.0

    picture = plots.plot_mistakes(tiny, everything, n=2)

    assert [row[0] for row in picture.rows] == [8, 3]
    assert picture.title == "The worst 2 of 3 mistakes"
    assert picture.alt == "The worst 2 of 3 mistakes in 40 digits: 8 read as 6, 3 read as 5."


def test_no_mistake_is_a_picture_too(tiny):
    picture = plots.plot_mistakes(tiny, result(tiny.labels))

    assert texts(picture) == ["No mistake in 40 digits"]
    assert picture.alt == "No mistake in 40 digits."


@pytest.mark.parametrize("plot", [plots.plot_predictions, plots.plot_mistakes])
def test_the_result_of_other_digits_is_refused(tiny, plot):
    with pytest.raises(ValueError, match="this result belongs to other digits"):
        plot(tiny, result(tiny.labels.flip(0), (1, 3)))


@pytest.mark.parametrize(
    "plot",
    [
        plots.plot_predictions,
        plots.plot_mistakes,
        lambda _, diverged: plots.plot_reliability(diverged),
    ],
)
def test_logits_that_are_not_numbers_are_refused(tiny, plot):
    diverged = Result(torch.full((40, 10), math.nan), tiny.labels, math.nan, 0.1)

    with pytest.raises(ValueError, match="400 of these 400 logits are not numbers"):
        plot(tiny, diverged)


def test_too_many_predictions_are_refused():
    many = Split(torch.zeros(90, 28, 28, dtype=torch.uint8), torch.arange(90) % 10)

    with pytest.raises(ValueError, match="1 to 60 digits, not 90"):
        plots.plot_predictions(many, result(many.labels), n=90)


@pytest.mark.parametrize("plot", [plots.plot_predictions, plots.plot_mistakes])
def test_an_empty_split_is_refused(tiny, plot):
    with pytest.raises(ValueError, match="take a split with digits"):
        plot(tiny[:0], result(tiny.labels[:0]))


# --- Calibration ------------------------------------------------------------------------------


def test_reliability_draws_how_often_the_model_is_right(tiny):
    picture = plots.plot_reliability(result(tiny.labels, *((i, (i + 1) % 10) for i in range(20))))

    (bar,) = picture.axes[0].containers
    assert bar.lines[0].get_xydata() == pytest.approx(np.array([[0.9, 0.5]]))
    assert picture.title == "Expected calibration error 40.0 %"
    assert "90.0 % sure on average and right in 50.0 %, too sure." in picture.alt


def test_reliability_says_when_a_model_is_too_unsure(tiny):
    assert plots.plot_reliability(result(tiny.labels, sure=0.7)).alt.endswith("too unsure.")


def test_reliability_stays_within_0_and_1(tiny):
    picture = plots.plot_reliability(result(tiny.labels[:1]))

    (bar,) = picture.axes[0].containers
    low, high = bar.lines[2][0].get_segments()[0][:, 1]
    assert 0 <= low < 1
    assert high == 1


# --- Recipes ----------------------------------------------------------------------------------


def row(recipe: str, accuracy: float, **others: object) -> dict[str, object]:
    values = {"data": "mnist", "parameters": 1000, "seconds": 10.0, "seed": 0}
    return values | {"recipe": recipe, "test_accuracy": accuracy} | others


def test_results_are_means_of_seeds_with_their_reach():
    of_a = [row("a", 0.9), row("a", 0.93), row("a", 0.96, seconds=40.0)]  # one was held up
    picture = plots.plot_results([*of_a, row("b", 0.99, seconds=3.0)])

    bar = picture.axes[0].containers[0]
    assert bar.lines[0].get_xydata().tolist() == [[1000, pytest.approx(0.93)]]
    assert bar.lines[2][0].get_segments()[0][:, 1] == pytest.approx([0.9, 0.96])
    assert picture.rows == [("a", 0.93, 1000, 10.0, 3), ("b", 0.99, 1000, 3.0, 1)]


def test_recipes_differ_by_marker_and_are_named():
    picture = plots.plot_results([row("a", 0.9), row("b", 0.99)])

    markers = [bar.lines[0].get_marker() for bar in picture.axes[1].containers]
    assert len(set(markers)) == 2
    assert [t.get_text() for t in picture.figure.legends[0].get_texts()] == ["a", "b"]
    assert "a 90.00 % with 1000 parameters in 10.0 seconds" in picture.alt


@pytest.mark.parametrize("longest", [19.0, 60.0, 1000.0])
def test_seconds_can_be_read_off_however_close_they_lie(longest):
    picture = plots.plot_results([row("a", 0.9, seconds=7.2), row("b", 0.99, seconds=longest)])

    axis = picture.axes[1]
    left, right = axis.get_xlim()
    assert sum(left <= tick <= right for tick in axis.get_xticks()) >= 3


def test_ticks_of_results_that_lie_close_together_differ():
    axis = plots.plot_results([row("a", 0.9911), row("a", 0.9912)]).axes[0].yaxis
    labels = axis.get_major_formatter().format_ticks(axis.get_majorticklocs())
    assert len(labels) == len(set(labels))


def test_seeds_that_agree_have_no_reach():
    picture = plots.plot_results([row("a", 0.99)] * 3)  # the mean is rounded upwards
    assert picture.rows[0][:2] == ("a", 0.99)


def test_results_of_several_data_sets_must_be_chosen_from():
    rows = [row("a", 0.9), row("a", 0.8, data="optdigits")]

    with pytest.raises(ValueError, match=r"mnist and optdigits cannot be compared; .*data='mnist'"):
        plots.plot_results(rows)
    assert plots.plot_results(rows, data="optdigits").rows[0][1] == 0.8


@pytest.mark.parametrize(
    ("rows", "data", "words"),
    [
        ([], None, "no results to show"),
        ([], "mnist", "no results to show"),
        ([row("a", 0.9)], "mnits", "did you mean 'mnist'"),
    ],
)
def test_missing_results_are_refused_in_one_sentence(rows, data, words):
    with pytest.raises(ValueError, match=words):
        plots.plot_results(rows, data=data)


@pytest.mark.parametrize("plot", [plots.plot_confusion, plots.plot_reliability])
def test_a_plot_draws_into_the_axes_it_is_given(tiny, plot):
    left, right = MplFigure().subplots(1, 2)

    picture = plot(result(tiny.labels), ax=right)

    assert picture.axes == (right,)
    assert picture.figure is right.figure
    assert right.has_data()
    assert not left.has_data()


MEASURED = {
    "n": 500,
    "n_skipped": 100,
    "kinds": {
        "scan": {"usual": 0.4, "digitize": 0.99, "without clean": 0.9, "without grey": 0.98},
        "photo": {"usual": 0.1, "digitize": 0.97, "without clean": 0.2, "without grey": 0.96},
    },
}


def test_reading_shows_each_kind_and_way_in_percent():
    picture = plots.plot_reading(MEASURED)
    texts = [text.get_text() for text in picture.axes[0].texts]
    assert texts == ["40", "99", "90", "98", "10", "97", "20", "96"]
    assert [label.get_text() for label in picture.axes[0].get_yticklabels()] == ["scan", "photo"]
    assert picture.rows == [("scan", 0.4, 0.99, 0.9, 0.98), ("photo", 0.1, 0.97, 0.2, 0.96)]


def test_names_of_the_ways_begin_above_their_columns():
    picture = plots.plot_reading(MEASURED)
    picture.figure.canvas.draw()
    ax = picture.axes[0]
    for column, label in enumerate(ax.get_xticklabels()):
        begin = label.get_window_extent().x0
        middle = ax.transData.transform((column, 0))[0]
        assert abs(begin - middle) < 8


def test_reading_says_what_the_steps_are_worth():
    alt = plots.plot_reading(MEASURED).alt
    assert "The usual way reads 25% on average over the kinds, all steps 98.0%" in alt
    assert "at least 97.0%" in alt
    assert "cost most: clean and grey." in alt


SCALED = {
    "sizes": [
        {
            "digits": 6000,
            "microseconds_per_digit": 50.0,
            "data_megabytes": 4.8,
            "grown_megabytes": 9.0,
        },
        {
            "digits": 600_000,
            "microseconds_per_digit": 51.0,
            "data_megabytes": 475.2,
            "grown_megabytes": 480.0,
        },
    ]
}


def test_scaling_shows_time_and_memory():
    picture = plots.plot_scaling(SCALED)
    time, memory = picture.axes
    assert time.lines[0].get_xydata().tolist() == [[6000, 50], [600_000, 51]]
    assert memory.lines[0].get_xydata().tolist() == [[4.8, 9], [475.2, 480]]
    assert memory.lines[1].get_xydata().tolist() == [[4.8, 4.8], [475.2, 475.2]]
    assert "with 600000 digits 51" in picture.alt
    assert picture.rows == [(6000, 50.0, 4.8, 9.0), (600_000, 51.0, 475.2, 480.0)]
