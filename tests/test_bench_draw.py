"""The bench of the drawing pad: the promised figures, with a browser or without one."""

import json

import pytest

from digitlab.cli import main

IN_PYTHON = {"pixels_to_bars_ms", "digitize_drawing_ms", "digitize_12_megapixels_ms"}


def test_the_figures_come_as_one_json_document(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")  # there is no browser on it
    assert main(["bench", "draw", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures.keys() >= IN_PYTHON
    assert all(0 < figures[name]["median"] <= figures[name]["worst"] for name in IN_PYTHON)
    assert figures["first_paint_ms"] is figures["pen_up_to_bars_ms"] is None
