"""Questions to answer in a notebook: a quiz, and the guesses before a result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import traitlets
from anywidget import AnyWidget
from ipywidgets import HTML, VBox

from digitlab.exercises import course, memory
from digitlab.exercises.compare import told
from digitlab.exercises.records import Choice, Number, Question
from digitlab.exercises.views import Note, marked
from digitlab.plain import plain
from digitlab.show.figure import img_tag

AGAIN = 2  # questions of earlier notebooks that were answered wrongly come back
RIGHT, WRONG = "✓ Right.", "✗ Not quite."


class Asked(AnyWidget):
    """Hold a question in the browser, and what is answered there.

    Attributes:
        text, reply: HTML.
        options: what can be chosen; a text is typed where there are none.
        answer: the place of the option that was chosen, as text, or what was typed.
        asked: how often it was answered.
    """

    _esm = Path(__file__).with_name("question.js")
    _css = Path(__file__).with_name("question.css")

    text = traitlets.Unicode().tag(sync=True)
    options = traitlets.List(traitlets.Unicode()).tag(sync=True)
    numeric = traitlets.Bool(False).tag(sync=True)
    unit = traitlets.Unicode().tag(sync=True)
    button = traitlets.Unicode("Answer").tag(sync=True)
    answer = traitlets.Unicode().tag(sync=True)
    asked = traitlets.Int(0).tag(sync=True)
    reply = traitlets.Unicode().tag(sync=True)


class Form(VBox):
    """A column of questions; where no kernel runs, `html` is shown."""

    html = ""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs)
        return bundle | {"text/html": self.html}


class Quiz(Form):
    """Ask the questions of a notebook, and again some that were answered wrongly before.

    Attributes:
        questions: in the order in which they are asked.
        asked: the widget of each.
    """

    def __init__(self, number: str) -> None:
        own = course.quiz_of(number)
        self.questions: tuple[Question, ...] = (*own, *_to_repeat(number))
        self.html = "".join(_folded(i, each) for i, each in enumerate(own, 1))
        self.asked = [_asked(i, each) for i, each in enumerate(self.questions, 1)]
        self._score = HTML()
        super().__init__([*self.asked, self._score])
        self._right: dict[str, bool] = {}
        for question, asked in zip(self.questions, self.asked, strict=True):
            asked.observe(self._answerer(question, asked), "asked")

    def _answerer(self, question: Question, asked: Asked) -> Callable[[object], None]:
        def answer(_: object) -> None:
            right, words = mark(question, asked.answer)
            if right is None:
                asked.reply = marked(words)
                return
            asked.reply = f"<b>{RIGHT if right else WRONG}</b> {marked(words)}"
            self._right[question.name] = right
            n, of = sum(self._right.values()), len(self.questions)
            kept = memory.change(lambda record: _tell(record, question.name, right))
            self._score.value = f'<p role="status">{n} of {of} right so far. {escape(kept)}</p>'

        return answer


def quiz(number: str) -> Quiz:
    """Return the quiz of a notebook, by its number: "03".

    Raises:
        ValueError: for an unknown number.
    """
    return Quiz(number)


class Guess(Form):
    """Ask for a guess and keep it until the truth is known.

    Attributes:
        asked: the widget.
    """

    def __init__(self, name: str, question: str, options: Sequence[str], unit: str) -> None:
        self.name, self.options = name, [str(option) for option in options]
        choice = f" ({' or '.join(self.options)})" if self.options else ""
        self.html = f"<p>Your guess, before you go on: {marked(question)}{escape(choice)}</p>"
        self.asked = Asked(text=marked(question), options=self.options, unit=unit, button="Keep it")
        if entry := memory.read().guesses.get(name):
            self.asked.reply = f"You guessed {escape(told(entry['guess']))}."
        super().__init__([self.asked])
        self.asked.observe(self._keep, "asked")

    def _keep(self, _: object) -> None:
        answer = self.asked.answer
        guessed = self.options[int(answer)] if self.options else _number(answer)
        if guessed is None:
            guessed = answer[:40]
        kept = memory.change(
            lambda record: record.guesses.update({self.name: {"guess": guessed, "truth": None}})
        )
        self.asked.reply = f"Kept: {escape(told(guessed))}. Go on and see. {escape(kept)}"


def guess(name: str, question: str, *, options: Sequence[str] = (), unit: str = "") -> Guess:
    """Ask for a guess, which `truth` shows beside the result; whoever skips it loses nothing.

    Args:
        name: begins with the number of the notebook: "03-first-loss".
        question: in a line.
        options: where the guess is one of these.
        unit: stands behind the field.
    """
    return Guess(name, question, options, unit)


def truth(name: str, value: Any, *, unit: str = "") -> Note:
    """Show a result, beside the guess where one was made.

    Args:
        name: of the guess.
        value: a number, or one of the guess's options.
        unit: is shown behind both.
    """
    value = plain(value)
    entry = memory.read().guesses.get(name)
    shown = f"Answer: {value}" if isinstance(value, str) else f"It is {told(value)}"
    shown += f"{unit and ' '}{unit}"
    if entry is None:
        return Note("truth", f"{shown}.")

    def tell(record: memory.Record) -> None:
        if name in record.guesses:
            record.guesses[name]["truth"] = value

    memory.change(tell)
    mine = entry["guess"]
    guessed = mine if isinstance(mine, str) else told(mine)
    return Note("truth", f"{shown}; you guessed {guessed}{_apart(mine, value)}.")


def _apart(mine: Any, value: Any) -> str:
    """Say how a guess lies beside the truth."""
    numbers = all(isinstance(x, int | float) and not isinstance(x, bool) for x in (mine, value))
    if not numbers:
        return ", and that is it" if str(mine) == str(value) else ""
    if mine == value:
        return ", and that is it"
    if mine * value <= 0:
        return ""
    factor = max(mine / value, value / mine)
    side = "above" if mine > value else "below"
    if factor >= 2:
        return f", {factor:.3g} times {'as much' if mine > value else 'less'}"
    return f", {100 * abs(mine / value - 1):.2g} % {side}"


def mark(question: Question, answer: str) -> tuple[bool | None, str]:
    """Return whether an answer is right, and what to say; None where it is no answer."""
    if isinstance(question, Choice):
        place = int(answer)
        return place == question.key, question.options[place].explanation
    number = _number(answer)
    if number is None:
        return None, "Type a number, such as 0.5 or 12."
    if abs(number - question.answer()) <= question.tolerance:
        return True, question.explanation
    for slip, words in question.slips:
        if abs(number - slip) <= max(question.tolerance, 1e-9):
            return False, words
    return False, question.explanation


def _number(text: str) -> float | None:
    """Return what a learner typed as a number: 0,5 and 12 % and 1 000 are some."""
    plain_text = text.replace("%", "").replace(" ", "").replace("\u00a0", "").replace(",", ".")
    try:
        return float(plain_text)
    except ValueError:
        return None


def _to_repeat(number: str) -> list[Question]:
    """Return questions of earlier notebooks whose last answer was wrong."""
    kept = memory.read().questions
    earlier = [q for n, group in course.questions().items() if n < number for q in group]
    return [q for q in earlier if q.name in kept and not kept[q.name]["right"]][:AGAIN]


def _tell(record: memory.Record, name: str, right: bool) -> None:
    tries = record.questions.get(name, {}).get("tries", 0)
    record.questions[name] = {"tries": tries + 1, "right": right}


def _asked(place: int, question: Question) -> Asked:
    text = f"{place}. {marked(question.text)}{_below(question)}"
    if isinstance(question, Choice):
        return Asked(text=text, options=[option.text for option in question.options])
    return Asked(text=text, numeric=True, unit=question.unit)


def _below(question: Question) -> str:
    """Return the code and the figure of a question as HTML."""
    code = f"<pre>{escape(question.code)}</pre>" if question.code else ""
    if question.figure is None:
        return code
    figure = question.figure()
    return f"{code}<br>{img_tag(figure.png(), figure.alt)}"


def _folded(place: int, question: Question) -> str:
    """Return a question as HTML in which each answer unfolds what is said to it."""
    if isinstance(question, Number):
        number = f"{told(question.answer())} {question.unit}".strip()
        answers = [("Answer", f"{number}. {question.explanation}")]
    else:
        answers = [
            (option.text, f"{RIGHT if i == question.key else WRONG} {option.explanation}")
            for i, option in enumerate(question.options)
        ]
    details = "".join(
        f"<details><summary>{marked(text)}</summary><p>{marked(words)}</p></details>"
        for text, words in answers
    )
    text = f'<p style="margin-top: 1.5em"><b>{place}. {marked(question.text)}</b></p>'
    return f"{text}{_below(question)}{details}"
