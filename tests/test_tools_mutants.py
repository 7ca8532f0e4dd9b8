from pathlib import Path

import pytest

from tools import mutants

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("module", ["metrics", "show.figure", *mutants.TESTS])
def test_every_module_has_its_tests(module):
    assert (ROOT / "digitlab" / f"{module.replace('.', '/')}.py").exists()
    assert all((ROOT / path).exists() for path in mutants.tests_of(module))


@pytest.mark.parametrize(
    ("before", "after", "wording"),
    [
        ('"train anew"', '"XXtrain anewXX"', True),
        ('"train anew"', '"TRAIN ANEW"', True),
        ("if bins < 1:", "if bins <= 1:", False),
        ('unknown("loss", loss)', "unknown(None, loss)", False),
    ],
)
def test_words_of_a_message_are_told_from_faults(before, after, wording):
    assert mutants.is_wording(before, after) == wording


def test_survivors_are_a_table_with_room_for_reasons():
    row = {"module": "metrics", "mutants": 9, "killed": 8, "survivors": {"x_1": ("a < b", "a > b")}}
    lines = mutants.text([row]).splitlines()
    assert lines[0] == "## metrics: 8 of 9 killed"
    assert lines[-1] == "| `a < b` | `a > b` | |"
