import math

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

import digitlab as dl
from digitlab.data import Split
from digitlab.inference import Result
from digitlab.show.figure import COLORS, Figure


def result(labels: torch.Tensor, *mistakes: tuple[int, int], sure: float = 0.9) -> Result:
    """Read everything correctly but at these positions, as these classes; always this sure."""
    read = labels.clone()
    for position, digit in mistakes:
        read[position] = digit
    probabilities = torch.full((len(labels), 10), (1 - sure) / 9)
    probabilities[torch.arange(len(labels)), read] = sure
    return Result(probabilities.log(), labels, 0.1, 0.9)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def frames(figure: Figure) -> int:
    return sum(not p.get_fill() for p in figure.axes[0].patches)


# --- Confusion --------------------------------------------------------------------------------


def test_confusion_writes_counts_and_colours_mistakes_only(tiny):
    figure = dl.plot_confusion(result(tiny.labels, (4, 9), (14, 9), (3, 8)))
    written = {text.get_position(): text.get_text() for text in figure.axes[0].texts}
    assert [written[at] for at in ((9, 4), (4, 4), (8, 3), (0, 0))] == ["2", "2", "1", "4"]
    assert len(written) == 12  # nothing stands where nothing is counted
    bold = [t.get_position() for t in figure.axes[0].texts if t.get_weight() == "bold"]
    assert bold == [(digit, digit) for digit in range(10)]
    colored = figure.axes[0].images[0].get_array()
    assert (colored[4, 9], colored[3, 8], colored.sum()) == (2, 1, 3)
    assert figure.alt == (
        "Confusion matrix: 37 of 40 digits read correctly; "
        "most confused: 4 read as 9, 2 times; 3 read as 8, 1 time."
    )
    assert figure.header[-1] == "recall"
    assert figure.rows[4] == (4, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0.5)


def test_confusion_shows_rates_in_percent_of_each_row(tiny):
    figure = dl.plot_confusion(result(tiny.labels, (4, 9)), rates=True)
    written = {text.get_position(): text.get_text() for text in figure.axes[0].texts}
    assert written[9, 4] == "25.0"
    assert written[4, 4] == "75.0"
    assert figure.axes[0].images[0].get_array()[4, 9] == 0.25


def test_confusion_of_a_class_without_digits_is_an_empty_row_and_names_no_mistake(tiny):
    figure = dl.plot_confusion(result(tiny.only(1, 2).labels))
    assert figure.alt == "Confusion matrix: 8 of 8 digits read correctly."
    assert texts(figure) == ["4", "4"]
    recalls = [row[-1] for row in figure.rows]
    assert recalls[1:3] == [1, 1]
    assert np.isnan(recalls[0])


# --- Predictions ------------------------------------------------------------------------------


def test_predictions_list_three_classes_beside_each_digit(tiny):
    figure = dl.plot_predictions(tiny, result(tiny.labels), n=2)
    assert texts(figure)[:2] == ["0", "90 %"]
    assert len(texts(figure)) == 2 * 3 * 2
    assert figure.alt == "2 of 2 digits read correctly, each beside its most probable classes."


def test_the_true_class_stands_out_and_is_listed_however_improbable(tiny):
    figure = dl.plot_predictions(tiny, result(tiny.labels, (0, 7)), n=1)
    bold = [t.get_text() for t in figure.axes[0].texts if t.get_weight() == "bold"]
    bars = [bar for bar in figure.axes[0].patches if bar.get_fill()]
    assert bold == ["0", "1 %"]
    assert [to_hex(bar.get_facecolor()) for bar in bars].count(COLORS[0].lower()) == 1
    assert bars[0].get_width() > bars[1].get_width()
    unsure = result(tiny.labels, (0, 7))
    unsure.logits[0, 0] = -20.0
    assert texts(dl.plot_predictions(tiny, unsure, n=1))[4:] == ["0", "0 %"]


def test_predictions_show_chosen_positions_and_frame_and_name_a_wrong_one(tiny):
    read = result(tiny.labels, (2, 7))
    figure = dl.plot_predictions(tiny, read, positions=torch.tensor([13, 2, 0]))
    assert frames(figure) == 1
    assert figure.alt.endswith("; wrong: 2 read as 7.")
    assert [row[:3] for row in figure.rows] == [(13, 3, 3), (2, 2, 7), (0, 0, 0)]
    assert figure.rows[1][3:] == (0.9, 0.0111)


def test_the_worst_mistakes_come_first(tiny):
    everything = result(tiny.labels, (3, 5), (8, 6), (9, 4))
    everything.logits[8, 8] = -20.0
    figure = dl.plot_mistakes(tiny, everything, n=2)
    assert [row[0] for row in figure.rows] == [8, 3]
    assert figure.title == "The worst 2 of 3 mistakes"
    assert figure.alt == "The worst 2 of 3 mistakes in 40 digits: 8 read as 6, 3 read as 5."

    none = dl.plot_mistakes(tiny, result(tiny.labels))
    assert texts(none) == ["No mistake in 40 digits"]
    assert none.alt == "No mistake in 40 digits."


DIVERGED = Result(torch.full((40, 10), math.nan), torch.arange(40) % 10, math.nan, 0.1)
LABELS = torch.arange(90) % 10
OTHER = result(LABELS[1:41], (1, 3))
MANY = Split(torch.zeros(90, 28, 28, dtype=torch.uint8), LABELS)


@pytest.mark.parametrize(
    ("plot", "words"),
    [
        (lambda tiny: dl.plot_predictions(tiny, OTHER), "this result belongs to other digits"),
        (lambda tiny: dl.plot_mistakes(tiny, OTHER), "this result belongs to other digits"),
        (lambda tiny: dl.plot_predictions(tiny, DIVERGED), "400 of these 400 logits are not num"),
        (lambda tiny: dl.plot_mistakes(tiny, DIVERGED), "400 of these 400 logits are not numbers"),
        (lambda _: dl.plot_reliability(DIVERGED), "400 of these 400 logits are not numbers"),
        (lambda _: dl.plot_predictions(MANY, result(LABELS), n=90), "1 to 60 digits, not 90"),
        (
            lambda _: dl.plot_confusion(Result(torch.zeros(90, 10), LABELS + 3, 0.1, 0.9)),
            "labels must be whole numbers from 0 to 9",
        ),
    ],
)
def test_what_makes_no_figure_is_refused(tiny, plot, words):
    with pytest.raises(ValueError, match=words):
        plot(tiny)


# --- Calibration ------------------------------------------------------------------------------


def test_reliability_draws_how_often_the_model_is_right(tiny):
    figure = dl.plot_reliability(result(tiny.labels, *((i, (i + 1) % 10) for i in range(20))))
    (bar,) = figure.axes[0].containers
    assert bar.lines[0].get_xydata() == pytest.approx(np.array([[0.9, 0.5]]))
    assert figure.title == "Expected calibration error 40.0 %"
    assert "90.0 % sure on average and right in 50.0 %, too sure." in figure.alt


def test_points_of_few_digits_stand_back(tiny):
    logits = result(tiny.labels).logits
    logits[:3] *= 0.2  # three digits are read with less confidence
    figure = dl.plot_reliability(Result(logits, tiny.labels, 0.0, 1.0))
    assert [bar.get_label() for bar in figure.axes[0].containers] == [
        "this model",
        "fewer than 10 digits",
    ]


def test_reliability_of_a_model_that_is_too_unsure_stays_within_0_and_1(tiny):
    figure = dl.plot_reliability(result(tiny.labels[:1], sure=0.7))
    assert figure.alt.endswith("too unsure.")
    (bar,) = figure.axes[0].containers
    low, high = bar.lines[2][0].get_segments()[0][:, 1]
    assert 0 <= low < 1
    assert high == 1


# --- Recipes ----------------------------------------------------------------------------------


def row(recipe: str, accuracy: float, **others: object) -> dict[str, object]:
    values = {"data": "mnist", "parameters": 1000, "seconds": 10.0, "seed": 0}
    return values | {"recipe": recipe, "test_accuracy": accuracy} | others


def test_results_are_means_of_seeds_with_their_reach():
    of_a = [row("a", 0.9), row("a", 0.93), row("a", 0.96, seconds=40.0)]  # one was held up
    figure = dl.plot_results([*of_a, row("b", 0.99, seconds=3.0)])
    bar = figure.axes[0].containers[0]
    assert bar.lines[0].get_xydata().tolist() == [[1000, pytest.approx(0.93)]]
    assert bar.lines[2][0].get_segments()[0][:, 1] == pytest.approx([0.9, 0.96])
    assert figure.rows == [("a", 0.93, 1000, 10.0, 3), ("b", 0.99, 1000, 3.0, 1)]


def test_recipes_differ_by_marker_and_are_named():
    figure = dl.plot_results([row("a", 0.9), row("b", 0.99)])
    markers = [bar.lines[0].get_marker() for bar in figure.axes[1].containers]
    assert len(set(markers)) == 2
    assert [t.get_text() for t in figure.mpl.legends[0].get_texts()] == ["a", "b"]
    assert "a 90.00 % with 1000 parameters in 10.0 seconds" in figure.alt


@pytest.mark.parametrize("longest", [19.0, 60.0, 1000.0])
def test_seconds_can_be_read_off_however_close_they_lie(longest):
    figure = dl.plot_results([row("a", 0.9, seconds=7.2), row("b", 0.99, seconds=longest)])
    axis = figure.axes[1]
    left, right = axis.get_xlim()
    assert sum(left <= tick <= right for tick in axis.get_xticks()) >= 3


def test_results_that_lie_close_together_differ_and_those_that_agree_have_no_reach():
    axis = dl.plot_results([row("a", 0.9911), row("a", 0.9912)]).axes[0].yaxis
    labels = axis.get_major_formatter().format_ticks(axis.get_majorticklocs())
    assert len(labels) == len(set(labels))
    figure = dl.plot_results([row("a", 0.99)] * 3)  # the mean is rounded upwards
    assert figure.rows[0][:2] == ("a", 0.99)


TWO_SETS = [row("a", 0.9), row("a", 0.8, data="optdigits")]


@pytest.mark.parametrize(
    ("rows", "data", "words"),
    [
        ([], None, "no results to show"),
        ([], "mnist", "no results to show"),
        (TWO_SETS, "mnits", "did you mean 'mnist'"),
        (TWO_SETS, None, r"mnist and optdigits cannot be compared; .*data='mnist'"),
    ],
)
def test_results_must_be_there_and_chosen_from_one_data_set(rows, data, words):
    with pytest.raises(ValueError, match=words):
        dl.plot_results(rows, data=data)
    assert dl.plot_results(TWO_SETS, data="optdigits").rows[0][1] == 0.8


MEASURED = {
    "n": 500,
    "n_skipped": 100,
    "kinds": {
        "scan": {"usual": 0.4, "digitize": 0.99, "without clean": 0.9, "without grey": 0.98},
        "photo": {"usual": 0.1, "digitize": 0.97, "without clean": 0.2, "without grey": 0.96},
    },
}


def test_reading_shows_each_kind_and_way_in_percent():
    figure = dl.plot_reading(MEASURED)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["40", "99", "90", "98", "10", "97", "20", "96"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["scan", "photo"]
    assert figure.rows == [("scan", 0.4, 0.99, 0.9, 0.98), ("photo", 0.1, 0.97, 0.2, 0.96)]


def test_names_of_the_ways_begin_above_their_columns():
    figure = dl.plot_reading(MEASURED)
    figure.mpl.canvas.draw()
    ax = figure.axes[0]
    for column, label in enumerate(ax.get_xticklabels()):
        begin = label.get_window_extent().x0
        middle = ax.transData.transform((column, 0))[0]
        assert abs(begin - middle) < 8


def test_reading_says_what_the_steps_are_worth():
    alt = dl.plot_reading(MEASURED).alt
    assert "The usual way reads 25% on average over the kinds, all steps 98.0%" in alt
    assert "at least 97.0%" in alt
    assert "cost most: clean and grey." in alt
