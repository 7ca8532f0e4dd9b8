from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.colors import to_hex

import digitlab as dl
from digitlab.reading.page import Page, PageDigit
from digitlab.show.figure import COLORS


def test_steps_show_each_image_in_its_own_size():
    steps = {"grey": np.full((60, 90), 200, np.uint8), "centred": np.zeros((28, 28), np.uint8)}
    figure = dl.plot_steps(steps)
    assert [ax.get_title() for ax in figure.axes] == ["grey\n60 x 90", "centred\n28 x 28"]
    assert [ax.images[0].get_array().max() for ax in figure.axes] == [200, 0]
    assert "grey (60 x 90, mean 200.0), then centred (28 x 28, mean 0.0)" in figure.alt


def test_a_digit_that_came_as_pixels_has_no_steps():
    with pytest.raises(ValueError, match="came as pixels"):
        dl.plot_steps({})


def test_a_page_frames_each_digit_dashed_where_it_is_unsure():
    read = [SimpleNamespace(digit=7, probability=0.99), SimpleNamespace(digit=1, probability=0.6)]
    boxes = [(10, 20, 30, 40), (60, 20, 10, 40)]
    digits = [PageDigit(box, 0, of) for box, of in zip(boxes, read, strict=True)]
    figure = dl.plot_page(Page(tuple(digits), (100, 80), np.zeros((80, 100, 3), np.uint8)))
    patches = figure.axes[0].patches
    assert [patch.get_bbox().bounds for patch in patches] == boxes
    assert [patch.get_linestyle() for patch in patches] == ["-", "--"]
    assert [to_hex(patch.get_edgecolor()) for patch in patches] == [c.lower() for c in COLORS[:2]]
    assert [text.get_text() for text in figure.axes[0].texts] == ["7  99%", "1  60%"]
    assert figure.rows[1] == (1, 1, 0.6, 60, 20, 10, 40)
    assert figure.alt == (
        "2 digits on this page, row by row: 71. The least sure has a probability of 60%."
    )
