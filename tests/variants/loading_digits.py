"""Other right answers to the exercises of notebook 01, and changes that change nothing."""

import numpy as np
import torch
from torch.nn import functional as F


def by_columns(image, n):
    moved = torch.zeros_like(image)
    for column in range(28 - n):
        moved[..., column + n] = image[..., column]
    return moved


def by_padding(image, n):
    return F.pad(image, (n, 0))[..., :28]


def by_numpy(image, n):
    return np.pad(image.numpy(), [(0, 0)] * (image.ndim - 1) + [(n, 0)])[..., :28]


VARIANTS = {"shift_right": (by_columns, by_padding, by_numpy)}
# name of the exercise -> a changed line, as ast.unparse writes it -> why it is as right
EQUAL = {
    "shift_right": {
        "moved[..., n:] = image[..., :image.shape[-2] - n]": "the pictures are square",
    },
}
