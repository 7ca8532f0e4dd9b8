"""How far a learner has come, as a figure and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from digitlab.exercises.memory import Record
from digitlab.exercises.records import Exercise, Open, Question
from digitlab.show.figure import COLORS, Figure, canvas, img_tag
from digitlab.tables import Row, Table

SIGNS = {"done": "✓", "tried": "~", "given up": "x", "": "○"}
LOOKS = {  # marker and colour of each state
    "done": ("s", COLORS[2]),
    "tried": ("^", COLORS[4]),
    "given up": ("X", COLORS[1]),
    "": (".", "#767676"),
}
HEADER = ("notebook", "exercises", "quiz", "guesses")


@dataclass(frozen=True, repr=False)
class Standing:
    """Hold how far a learner has come: exercises, questions and guesses, by notebook."""

    record: Record
    groups: Mapping[str, Sequence[Exercise | Open]]
    asked: Mapping[str, Sequence[Question]]

    @property
    def next(self) -> str:
        """Where to go on: the first exercise that is neither done nor given up."""
        for number, group in self.groups.items():
            for each in group:
                if self.record.state(each.name) in ("", "tried"):
                    return f"Go on in notebook {number} with {each.name}: {each.task}"
        return "All exercises are done or given up."

    def table(self) -> Table:
        """Return for each notebook its exercises with a sign, its quiz and its guesses."""
        done = f"{self._states().count('done')} of {len(self._states())} exercises done"
        signs = "✓ done, ~ tried, x given up, ○ not yet"
        rows = [self._row(number) for number in self.groups]
        return Table(rows, HEADER, f"{done} ({signs}). {self.next}")

    def figure(self) -> Figure:
        """Draw a sign for each exercise, the notebooks below each other."""
        mpl, (ax,) = canvas(None, (4.5, 0.9 + 0.22 * len(self.groups)))
        for state, (marker, color) in LOOKS.items():
            places = [
                (x, y)
                for y, group in enumerate(self.groups.values())
                for x, each in enumerate(group, 1)
                if self.record.state(each.name) == state
            ]
            xs, ys = [x for x, _ in places], [y for _, y in places]
            ax.plot(xs, ys, marker, color=color, label=state or "not yet", markersize=8)
        ax.set(xlabel="exercise", ylabel="notebook")
        ax.set_xticks(range(1, 1 + max(map(len, self.groups.values()), default=1)))
        ax.set_yticks(range(len(self.groups)), list(self.groups))
        ax.set_ylim(len(self.groups) - 0.5, -0.5)
        mpl.legend(loc="outside upper left", ncols=4, frameon=False, handletextpad=0.1)
        rows = [self._row(number) for number in self.groups]
        alt = f"Your exercises: {', '.join(f'{a} {b}' for a, b, *_ in rows)}."
        return Figure(mpl, (ax,), "Your exercises", alt, rows, HEADER)

    def _states(self) -> list[str]:
        return [self.record.state(each.name) for group in self.groups.values() for each in group]

    def _row(self, number: str) -> Row:
        signs = " ".join(SIGNS[self.record.state(each.name)] for each in self.groups[number])
        asked = self.asked.get(number, ())
        right = sum(self.record.questions.get(q.name, {}).get("right", False) for q in asked)
        mine = [g for name, g in self.record.guesses.items() if name.startswith(f"{number}-")]
        return number, signs, f"{right} of {len(asked)}" if asked else "", _closeness(mine)

    def __repr__(self) -> str:
        return repr(self.table())

    def _repr_html_(self) -> str:
        figure = self.figure()
        return f"{img_tag(figure.png(), figure.alt)}{self.table()._repr_html_()}"


def _closeness(guesses: Sequence[Mapping[str, Any]]) -> str:
    """Say how near guesses came: by which factor numbers were off, how many words were right."""
    seen = [(g["guess"], g["truth"]) for g in guesses if g["truth"] is not None]
    numbers = [pair for pair in seen if all(isinstance(x, int | float) for x in pair)]
    words = [pair for pair in seen if pair not in numbers]
    factors = [max(a / b, b / a) for a, b in numbers if a * b > 0]
    parts = [f"off by a factor of {median(factors):.3g} ({len(factors)})"] if factors else []
    if words:
        parts.append(f"{sum(str(a) == str(b) for a, b in words)} of {len(words)} right")
    return "; ".join(parts)
