"""The figure of what a digit takes to learn on more and more digits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.ticker import EngFormatter

from digitlab.show.figure import WIDTH, Figure, canvas, looks


def plot_scaling(measured: Mapping[str, Any]) -> Figure:
    """Show the time a digit takes to learn, and the memory, on more and more digits.

    Args:
        measured: what `python -m studies bench scaling` stored, as `stored("scaling")` returns it.
    """
    rows = [tuple(row.values()) for row in measured["sizes"]]
    digits, microseconds, data, grown = (np.array(column) for column in zip(*rows, strict=True))
    mpl, (time, memory) = canvas(None, (WIDTH, 2.8), 2)
    [line] = looks(["digitlab"])
    time.plot(digits, microseconds, **line)
    time.set(xscale="log", ylim=(0, 1.3 * microseconds.max()))
    time.set(xlabel="digits", ylabel="microseconds a digit")
    time.xaxis.set_major_formatter(EngFormatter(sep=""))
    memory.plot(data, grown, **line, label="the process grew by")
    memory.plot(data, data, color="black", linestyle=":", label="the data alone")
    memory.set(xlabel="megabytes of digits", ylabel="megabytes")
    memory.legend(frameon=False)
    for axis in (time, memory):
        axis.grid(alpha=0.3)
    title = "Learning from more and more digits"
    mpl.suptitle(title, size="large")
    alt = (
        f"{title}: with {digits[0]} digits {microseconds[0]:.0f} microseconds a digit, with "
        f"{digits[-1]} digits {microseconds[-1]:.0f}; there the process grew by {grown[-1]:.0f} "
        f"megabytes, of which {data[-1]:.0f} are the digits."
    )
    header = ("digits", "microseconds a digit", "megabytes of digits", "megabytes grown")
    return Figure(mpl, (time, memory), title, alt, rows, header)
