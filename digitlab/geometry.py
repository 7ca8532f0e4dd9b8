"""MNIST's shape: ten classes of 28 x 28 pixels, the digit in a box of 20 x 20, centred by mass.

Source: LeCun et al., "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import numpy as np
from PIL import Image

N_CLASSES = 10
SIZE = 28  # pixels along each side
BOX = 20  # pixels; the longer side of a digit
MIDDLE = 14.5  # where the mean centre of mass of MNIST lies, in pixels from the edge


def centred(frame: np.ndarray, *, fine: int = 1) -> np.ndarray:
    """Move the centre of mass to where MNIST's lies, by whole pixels of MNIST.

    Args:
        frame: float (28 * fine, 28 * fine) in [0, 1], ink bright on dark.
        fine: how many points of the frame make a pixel of MNIST, along each side.
    """
    mass = max(frame.sum(), 1e-6)
    moved = frame
    for axis in (0, 1):
        line = frame.sum(axis=1 - axis)
        centre = line @ (np.arange(len(line)) + 0.5) / mass / fine
        used = np.flatnonzero(line > 0.05)
        first, last = (used[0] // fine, used[-1] // fine) if len(used) else (0, SIZE - 1)
        move = np.clip(round(MIDDLE - centre), -first, SIZE - 1 - last)
        moved = np.roll(moved, int(move) * fine, axis)
    return moved


def center_in_frame(ink: np.ndarray) -> np.ndarray:
    """Bring a digit to MNIST's geometry: 20 x 20 box, centre of mass in the middle, 28 x 28.

    Args:
        ink: float (H, W) in [0, 1], bright on dark.

    Returns:
        uint8 (28, 28).

    Raises:
        ValueError: where there is no ink.
    """
    rows, columns = np.nonzero(ink > 0.1)
    if not len(rows):
        raise ValueError("there is no ink in this picture, so there is no digit to centre")
    digit = ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    scale = BOX / max(digit.shape)
    height, width = (max(1, round(length * scale)) for length in digit.shape)
    small = Image.fromarray(digit.astype(np.float32)).resize((width, height), Image.Resampling.BOX)
    frame = np.zeros((SIZE, SIZE), np.float32)
    frame[:height, :width] = np.asarray(small)
    return np.rint(centred(frame).clip(0, 1) * 255).astype(np.uint8)
