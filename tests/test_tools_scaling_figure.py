from tools.scaling_figure import plot_scaling

NAMES = ("digits", "microseconds_per_digit", "data_megabytes", "grown_megabytes")
ROWS = [(6000, 50.0, 4.8, 9.0), (600_000, 51.0, 475.2, 480.0)]


def test_scaling_shows_time_and_memory():
    figure = plot_scaling({"sizes": [dict(zip(NAMES, row, strict=True)) for row in ROWS]})
    time, memory = figure.axes
    assert time.lines[0].get_xydata().tolist() == [[6000, 50], [600_000, 51]]
    assert memory.lines[0].get_xydata().tolist() == [[4.8, 9], [475.2, 480]]
    assert memory.lines[1].get_xydata().tolist() == [[4.8, 4.8], [475.2, 475.2]]
    assert "with 600000 digits 51" in figure.alt
    assert figure.rows == ROWS
