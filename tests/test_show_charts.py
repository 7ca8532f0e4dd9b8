import math

import numpy as np
import pytest
import torch

from digitlab.show.charts import Axis, plot_dots, plot_grid, plot_images, plot_lines, plot_paths
from digitlab.show.figure import COLORS, MARKERS


def lines(values, **options):
    return plot_lines(values, **{"title": "Title", "x": "step", "y": "loss"} | options)


def labels(axis) -> list[str]:
    return [label.get_text() for label in axis.get_ticklabels()]


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize(
    "figure",
    [
        lines({"one": [2, 1]}),
        plot_dots({"one": [1, 2]}, title="Title", x="seconds"),
        plot_grid({"one": [1, 2]}, title="Title", x="column", y="row"),
        plot_images({"one": torch.eye(3)}, title="Title"),
        plot_paths({"one": [(0, 1), (1, 1)]}, lambda x, y: x + y, title="Title"),
    ],
    ids=["lines", "dots", "grid", "images", "paths"],
)
def test_every_chart_says_its_title_and_can_be_drawn(figure):
    assert figure.title == "Title"
    assert "Title" in {figure.axes[0].get_title(), figure.mpl.get_suptitle()}
    assert figure.alt.startswith("Title")
    assert len(figure.rows[0]) == len(figure.header)
    assert figure.png()


@pytest.mark.parametrize(
    ("numbers", "options", "words"),
    [
        ({}, {}, r"nothing to show; give \{name: numbers\}"),
        ({"empty": []}, {}, "nothing to show; give every line a number"),
        ({"diverged": [1, math.nan]}, {}, r"1 of these 2 numbers .* lower the learning rate"),
        ({"a": [1, 2, 3]}, {"at": [1, 2]}, "3 numbers do not fit 2 places"),
        ({"a": [0, 1]}, {"y": Axis("error", log=True)}, "no place for 0: leave out log"),
    ],
)
def test_what_cannot_be_shown_is_refused(numbers, options, words):
    with pytest.raises(ValueError, match=words):
        lines(numbers, **options)


# --- Lines ------------------------------------------------------------------------------------


def test_lines_keep_their_colour_and_marker_by_number():
    first, second = lines({"a": [2, 1], "b": [3, 4]}).axes[0].get_lines()
    assert (first.get_color(), first.get_marker()) == (COLORS[0], MARKERS[0])
    assert (second.get_color(), second.get_marker()) == (COLORS[1], MARKERS[1])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([3, 2, 1], "a: 3 at 0, 1 at 2."),
        ([3, 1, 2], "a: 3 at 0, 2 at 2, lowest 1 at 1."),
        ([2, 3, 1], "a: 2 at 0, 1 at 2, highest 3 at 1."),
        ([2, 2], "a: 2 at 0, 2 at 1."),
        ([2], "a: 2 at 0."),
    ],
)
def test_lines_are_told_by_where_they_begin_turn_and_end(values, said):
    assert lines({"a": values}).alt == f"Title (loss over step). {said}"


def test_markers_alone_are_told_by_the_lowest_and_the_highest():
    figure = lines({"a": {"x": 2, "y": 1, "z": 3}}, joined=False)
    assert figure.alt.endswith("a: lowest 1 at y, highest 3 at z.")
    assert figure.axes[0].get_lines()[0].get_linestyle() == "None"


def test_seeds_are_a_mean_in_a_band_from_the_lowest_to_the_highest():
    figure = lines({"a": {1: [1, 2, 6], 2: [4, 4, 4]}})
    (line,), (band,) = figure.axes[0].get_lines(), figure.axes[0].collections
    assert line.get_ydata().tolist() == [3, 4]
    assert band.get_datalim(figure.axes[0].transData).intervaly.tolist() == [1, 6]
    assert figure.rows == [("a", 1, "3"), ("a", 2, "4")]


def test_many_whole_places_get_whole_ticks():
    figure = lines({"a": range(1, 21)}, at=range(1, 21))
    ticks = figure.axes[0].get_xticks()
    assert len(ticks) < 20
    assert all(tick == round(tick) for tick in ticks)


def test_places_may_be_tensors_and_few_whole_ones_get_a_tick_each():
    figure = lines({"a": torch.tensor([3.0, 2.0])}, at=torch.tensor([3, 100]))
    assert labels(figure.axes[0].xaxis) == ["3", "100"]
    assert figure.alt.endswith("a: 3 at 3, 2 at 100.")


def test_axis_shows_percent_limits_and_marks():
    axis = Axis("accuracy", percent=True, limits=(0, 1), marks={"chance": 0.1})
    figure = lines({"a": [0.5, 0.9125]}, y=axis)
    ax = figure.axes[0]
    assert ax.get_ylim() == (0, 1)
    assert ax.get_lines()[1].get_ydata() == [0.1, 0.1]
    assert "100 %" in labels(ax.yaxis)
    assert [text.get_text() for text in figure.mpl.legends[0].texts] == ["a", "chance"]
    assert figure.alt.endswith("50 % at 0, 91.25 % at 1; marked is chance.")


def test_a_logarithmic_axis_of_little_range_is_marked_in_plain_numbers():
    ax = lines({"a": [0.2, 20]}, y=Axis("error", log=True)).axes[0]
    assert ax.get_yscale() == "log"
    assert {"0.2", "0.5", "1", "2", "5", "10", "20"} <= set(labels(ax.yaxis))


# --- Dots -------------------------------------------------------------------------------------


def test_one_dot_is_written_and_several_get_a_line_at_their_mean():
    figure = plot_dots({"one": 3, "several": [1, 2, 6]}, title="Title", x="seconds")
    assert texts(figure) == ["3"]
    dots, several, mean = figure.axes[0].get_lines()
    assert (dots.get_xdata(), several.get_xdata().tolist()) == ([3], [1, 2, 6])
    assert mean.get_xdata() == [3]
    assert figure.alt == "Title (seconds). one: 3; several: 3 (from 1 to 6)."


def test_bold_names_are_set_off_by_colour_and_weight():
    figure = plot_dots({"they": 3, "we": 2}, title="", x="", bold={"we"})
    assert [line.get_color() for line in figure.axes[0].get_lines()] == [COLORS[0], COLORS[1]]
    weights = [label.get_fontweight() for label in figure.axes[0].get_yticklabels()]
    assert weights == ["normal", "bold"]


def test_errors_reach_to_both_sides_of_the_mean():
    figure = plot_dots({"a": [1, 3]}, title="", x="", errors={"a": 5})
    (bar,) = figure.axes[0].containers[0][2]
    assert bar.get_segments()[0][:, 0].tolist() == [-3, 7]


# --- Grid, images, paths ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "numbers",
    [
        {(2, "a"): 0.1, (1, "a"): 0.4, (1, "b"): 0.2},
        {1: {"a": 0.4, "b": 0.2}, 2: {"a": 0.1}},
    ],
)
def test_grid_sorts_numbers_and_leaves_gaps_white(numbers):
    figure = plot_grid(numbers, title="Title", x="letter", y="count", percent=True)
    assert texts(figure) == ["40 %", "20 %", "10 %", ""]
    assert labels(figure.axes[0].yaxis) == ["1", "2"]
    assert figure.rows == [(1, "40 %", "20 %"), (2, "10 %", "")]
    assert figure.alt == (
        "Title. 2 x 2 numbers, count by letter: "
        "lowest 10 % at count 2, letter a, highest 40 % at count 1, letter a."
    )


def test_a_large_grid_is_colour_alone():
    assert texts(plot_grid({"a": range(151)}, title="", x="", y="")) == []


def test_images_of_different_sizes_are_told():
    figure = plot_images({"a": torch.eye(4), "b": np.eye(2)}, title="Title")
    assert figure.alt == "Title: a, 4 x 4; b, 2 x 2."
    assert [ax.get_images()[0].get_array().shape for ax in figure.axes] == [(4, 4), (2, 2)]


def test_paths_are_judged_by_their_way_to_the_lowest_point():
    walks = {"near": [(4, 1), (0, 0)], "far": torch.tensor([[4.0, 1.0], [4.0, -1.0], [3.0, 0.0]])}
    figure = plot_paths(walks, lambda x, y: x**2 + y**2, title="Title")
    assert figure.rows == [("near", 1, "0.00"), ("far", 2, "3.00")]
    assert "far ends 3.00 from it after 2 steps" in figure.alt
