"""Exercises that answer: what is asked, checks, hints, solutions, and what a learner has done.

A teacher's own lie in a file with `EXERCISES`, see `load`.
"""

from digitlab.exercises.compare import Between, OneOf
from digitlab.exercises.course import load
from digitlab.exercises.records import (
    Choice,
    Exercise,
    Number,
    Open,
    Option,
    Wrong,
    random_numbers,
    real_digits,
)

__all__ = [
    "Between",
    "Choice",
    "Exercise",
    "Number",
    "OneOf",
    "Open",
    "Option",
    "Wrong",
    "load",
    "random_numbers",
    "real_digits",
]
