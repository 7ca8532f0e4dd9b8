"""notebooks/README.md: what it says is what the notebooks say."""

import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools.__main__ import main
from tools.overview import minutes_to_read, overview, read_lesson

FOLDER = Path(__file__).parent.parent / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))
LESSONS = [read_lesson(path) for path in PATHS]
README = (FOLDER / "README.md").read_text(encoding="utf-8")


def prose(path: Path) -> str:
    cells = nbformat.read(path, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown").lower()


def test_the_readme_is_the_one_made_from_the_notebooks():
    assert overview(PATHS) == README


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.path.stem)
def test_a_lesson_is_in_the_table_with_goals_exercises_and_a_place_in_the_plan(lesson):
    minutes = "{read} | {compute} | {practise} |".format(**lesson.opening)
    assert f"| {lesson.link} | {lesson.opening['title']} |" in README
    assert minutes in README
    assert lesson.opening["goals"] in README
    assert len(lesson.exercises) >= 3
    assert lesson.facts["path"] in ("core", "option")
    assert f"{lesson.link} ({lesson.class_minutes} min)" in README
    assert 45 <= lesson.class_minutes <= 90


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.path.stem)
def test_a_lesson_needs_earlier_ones_and_the_core_needs_only_the_core(lesson):
    known = {each.number: each for each in LESSONS}
    needed = re.findall(r"\d\db?", lesson.opening["needs"])
    assert all(n < lesson.number for n in needed)
    if lesson.facts["path"] == "core" and lesson.number != "10":  # its models come trained
        assert all(known[n].facts["path"] == "core" for n in needed)


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.path.stem)
def test_the_stated_minutes_are_those_that_reading_takes(lesson):
    assert int(lesson.opening["read"]) == pytest.approx(lesson.minutes, rel=0.2)


def test_minutes_are_counted_by_words_and_cells_up_to_the_exercises():
    lesson = [new_markdown_cell("one two three " * 60), new_code_cell("x"), new_code_cell("x")]
    cells = [*lesson, new_markdown_cell("## Exercises"), new_code_cell("x")]
    assert minutes_to_read(new_notebook(cells=cells)) == 2


def test_each_sentence_of_the_documents_is_shown_in_a_cell_that_is_there():
    told = [
        said | {"by": lesson} for lesson in LESSONS for said in lesson.facts.get("sentences", ())
    ]
    assert {said["document"] for said in told} == {"000", "001", "002", "003", "004"}
    for said in told:
        assert said["cell"] in said["by"].places
        assert f"| {said['document']} | {said['says']} | [{said['by'].number}, " in README
    assert len(told) > 40


def test_the_five_documents_are_each_in_one_notebook():
    documents = [lesson.facts["document"] for lesson in LESSONS if "document" in lesson.facts]
    assert sorted(documents) == ["000", "001", "002", "003", "004"]
    for lesson in LESSONS:
        if document := lesson.facts.get("document"):
            assert f"document {document}" in prose(lesson.path)


def test_a_term_is_explained_where_it_first_stands_in_bold():
    texts = [prose(path) for path in PATHS]
    seen = set()
    for place, lesson in enumerate(LESSONS):
        for term in lesson.facts["terms"]:
            assert term not in seen
            seen.add(term)
            first = [
                i
                for i, text in enumerate(texts)
                if re.search(rf"\*\*{re.escape(term.lower())}", text)
            ]
            assert first[0] == place, f"{term} is bold in {first}"
    assert len(seen) > 60


def test_a_notebook_that_opens_otherwise_is_named(tmp_path):
    path = tmp_path / "00_other.ipynb"
    nbformat.write(new_notebook(cells=[new_markdown_cell("# Other")]), path)
    with pytest.raises(ValueError, match=r"00_other.ipynb does not open with title, goals"):
        read_lesson(path)


def test_the_command_writes_the_file_beside_the_notebooks(tmp_path):
    (tmp_path / PATHS[0].name).write_bytes(PATHS[0].read_bytes())
    assert main(["overview", str(tmp_path / PATHS[0].name)]) == 0
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert text == overview(PATHS[:1])
