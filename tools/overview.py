"""notebooks/README.md: the course at a glance, made from the notebooks themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import nbformat
from nbformat import NotebookNode

from digitlab.exercises import course

OPENING = re.compile(
    r"# \d\db? · (?P<title>.+?)\n+"
    r"\*\*After this notebook you can\*\* (?P<goals>.+?)\n+"
    r"\*\*You need\*\* (?P<needs>.+?) \*\*Time\*\* (?P<read>\d+) minutes to read[^,]*, "
    r"(?P<compute>.+?) to compute, (?P<practise>\d+) to practise",
    re.DOTALL,
)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
EXERCISE = re.compile(r"^\*\*\d\. (.+?)\.?\*\*", re.MULTILINE)
HEAD = """# The course at a glance

Made from the notebooks by `python -m tools overview`, and tested against them. Minutes to compute
are those of a laptop with two cores, on MNIST."""
PLAN = """## A plan for a class

Each notebook has a timing plan, two questions to ask and the usual mistake in its metadata, for the
teacher (in JupyterLab: property inspector, advanced tools, notebook metadata). The core path leads
from a first look to one's own handwriting. The options can be taken in any order once the notebooks
that they need are known; without them nothing in the core is missed."""
SENTENCES = """## The documents, sentence by sentence

What each of the five documents says, in our words, and the section that shows it."""
GLOSSARY = """## Glossary

Each term, and the place that introduces it."""


@dataclass(frozen=True)
class Lesson:
    """Hold what a notebook says of itself: in its prose, its first cell and its metadata."""

    path: Path
    text: str
    opening: dict[str, str]
    exercises: list[str]
    facts: dict[str, Any]
    minutes: float
    places: dict[str, str]

    @property
    def number(self) -> str:
        """What the name of its file begins with: 03, or 03b for one that came between."""
        return course.number_in(self.path)

    @property
    def link(self) -> str:
        """The notebook's number, as a link in Markdown."""
        return f"[{self.number}]({self.path.name})"

    def place_of(self, term: str) -> str:
        """Return a link to the section where a term first stands in bold."""
        before, _, _ = self.text.lower().partition(f"**{term.lower()}")
        return self.section(self.text[: len(before)])

    def section(self, before: str) -> str:
        """Return a link to the last section that begins in the text before a place."""
        heading = HEADING.findall(before)[-1]
        anchor = quote(heading.replace(" ", "-"))
        return f"[{self.number}, {heading}]({self.path.name}#{anchor})"

    @property
    def class_minutes(self) -> int:
        """Minutes in class, as the timing plan for the teacher begins."""
        return int(self.facts["teacher"]["timing"].split()[0])


def read_lesson(path: Path) -> Lesson:
    """Read what a notebook says of itself.

    Raises:
        ValueError: for a notebook that does not open as all do.
    """
    notebook = nbformat.read(path, as_version=4)
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    opening = OPENING.match(text)
    if opening is None:
        raise ValueError(f"{path.name} does not open with title, goals, needs and minutes")
    exercises = EXERCISE.findall(text.partition("## Exercises")[2])
    facts = dict(notebook.metadata["digitlab"])
    minutes, places = minutes_to_read(notebook), texts_before(notebook)
    return Lesson(path, text, opening.groupdict(), exercises, facts, minutes, places)


def minutes_to_read(notebook: NotebookNode) -> float:
    """Return how long a notebook takes to read, up to its exercises.

    That is 180 words a minute, and half a minute for a cell of code.
    """
    minutes = 0.0
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## Exercises"):
            break
        minutes += 0.5 if cell.cell_type == "code" else len(cell.source.split()) / 180
    return minutes


def texts_before(notebook: NotebookNode) -> dict[str, str]:
    """Return, for the id of each cell, the prose that stands up to it."""
    texts, so_far = {}, ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            so_far += f"{cell.source}\n\n"
        texts[cell.id] = so_far
    return texts


def trained(lesson: Lesson) -> str:
    """Return a list of what a notebook promises, with the exercises and questions that train it."""
    number, goals = lesson.number, " ".join(lesson.opening["goals"].split())
    group, asked = course.exercises().get(number, ()), course.questions().get(number, ())
    lines = []
    for goal in sorted({each.objective for each in (*group, *asked)}, key=goals.find):
        names = [f"`{each.name}`" for each in group if each.objective == goal]
        places = [str(i) for i, each in enumerate(asked, 1) if each.objective == goal]
        ways = [", ".join(names)] if names else []
        ways += [f"quiz {', '.join(places)}"] if places else []
        lines.append(f"- {goal}: [{'; '.join(ways)}]({lesson.path.name}#Exercises)")
    return "\n".join(lines)


def sentences(lessons: Sequence[Lesson]) -> str:
    """Return a table: what the documents say, one after the other, and where it is shown."""
    rows = sorted(
        (said["document"], place, i, said["says"], lesson.section(lesson.places[said["cell"]]))
        for place, lesson in enumerate(lessons)
        for i, said in enumerate(lesson.facts.get("sentences", ()))
    )
    table = ["| document | says | shown in |", "|---|---|---|"]
    return "\n".join(table + [f"| {row[0]} | {row[3]} | {row[4]} |" for row in rows])


def overview(paths: Sequence[Path]) -> str:
    """Return notebooks/README.md: a table, what each notebook is for, a class plan, a glossary."""
    lessons = [read_lesson(path) for path in paths]
    table = [
        "| | notebook | document | read | compute | practise |",
        "|---|---|---|---:|---:|---:|",
    ]
    each, terms = [], []
    for lesson in lessons:
        said, document = lesson.opening, lesson.facts.get("document", "")
        minutes = f"{said['read']} | {said['compute']} | {said['practise']}"
        table.append(f"| {lesson.link} | {said['title']} | {document} | {minutes} |")
        each += [
            f"**{lesson.link} {said['title']}**",
            f"After it you can {said['goals']}",
            f"*You need* {said['needs']} *Exercises:* {'; '.join(lesson.exercises)}.",
            trained(lesson),
        ]
        explained = lesson.facts["terms"].items()
        terms += [f"- **{term}**: {meaning} {lesson.place_of(term)}" for term, meaning in explained]
    plan = []
    for way in ("core", "option"):
        chosen = [lesson for lesson in lessons if lesson.facts["path"] == way]
        hours = sum(lesson.class_minutes for lesson in chosen) / 60
        names = ", ".join(f"{lesson.link} ({lesson.class_minutes} min)" for lesson in chosen)
        plan.append(f"- **{way.capitalize()}**, {hours:.1f} hours in class: {names}")
    parts = [HEAD, "\n".join(table), "## What each notebook is for", *each]
    parts += [
        PLAN,
        "\n".join(plan),
        SENTENCES,
        sentences(lessons),
        GLOSSARY,
        "\n".join(sorted(terms, key=str.lower)),
    ]
    return "\n\n".join(parts) + "\n"
