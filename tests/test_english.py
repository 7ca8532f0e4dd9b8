"""Phrases over which a reader stumbles: each was found in the course once."""

import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
CLIPPED = {
    "let expect": "suggest, or make one expect",
    "who comes": "whoever gets",
    "does not lie at its": "does not come from its",
    "how it hangs together": "how the parts fit together",
    "fewer of them do": "fewer of them happen",
    "get it anew": "make it again",
    "the surest of": "the most certain of",
    "counts its digits too much": "gives its digits too much weight",
}


def prose(path: Path) -> str:
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


@pytest.mark.parametrize(
    "path",
    sorted([*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("*.md"), *ROOT.glob("studies/*.md")]),
    ids=lambda path: path.stem,
)
def test_no_sentence_has_a_phrase_that_readers_stumbled_over(path):
    text = " ".join(prose(path).lower().split())
    assert {phrase for phrase in CLIPPED if re.search(rf"\b{phrase}\b", text)} == set()
