"""Exercises and quiz of notebook 01, Loading digits."""

from __future__ import annotations

import torch

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

# --- Shift without coming back ----------------------------------------------------------------


def shift_right(image, n):
    """Move a digit (..., 28, 28) by n columns to the right; zeros come in on the left."""
    moved = torch.zeros_like(image)
    moved[..., n:] = image[..., : image.shape[-1] - n]
    return moved


def _pictures():
    images, _ = real_digits(5)
    return {
        "a real digit, n = 3": (images[0], 3),
        "five real digits, n = 8": (images, 8),
        "random numbers, n = 1": (random_numbers(28, 28), 1),
        "n = 0": (images[1], 0),
        "n = 28": (images[2], 28),
    }


def _down(image, n):
    return shift_right(image.mT, n).mT


def _comes_back(image, n):
    return image.roll(n, -1)


def _left(image, n):
    return shift_right(image.flip(-1), n).flip(-1)


SHIFT_RIGHT = Exercise(
    reference=shift_right,
    task="Move a digit to the right and fill with zeros.",
    objective="change a digit by arithmetic",
    cases=_pictures,
    wrong=(
        Wrong(_down, "You moved the rows: the last dimension counts columns, the one before rows."),
        Wrong(_comes_back, "What leaves on the right comes back on the left: that is `roll`."),
        Wrong(_left, "You moved the digit to the left: column 0 of the old one has to land at n."),
    ),
    hints=(
        "The first n columns of the new digit stay zero; which columns of the old one are kept?",
        "Two slices of the last dimension do it, and one of them begins at `n:`.",
        "All but one blank:\nmoved[..., n:] = image[..., : ____]",
    ),
    why=(
        "The columns that stay are the first 28 - n, and they begin at n. "
        "The slice is counted from the width and not as `:-n`, which would be empty for n = 0."
    ),
    start="""
    def shift_right(image, n):
        moved = torch.zeros_like(image)
        ...
        return moved
    """,
)

EXERCISES = (SHIFT_RIGHT,)
QUIZ = ()
