"""`python -m tools`: notebooks run or tested, figures, the course's overview, mutants."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from digitlab.cli import Answer, Commands, parser, run


def notebooks(args: argparse.Namespace) -> Answer:
    """Run the notebooks of the course in order, or test them."""
    from tools import notebooks as course

    paths = course.find(args.notebooks)
    digits = course.announced_digits()
    if args.test:
        return course.check_all(paths, digits)
    if not args.write:
        return course.run_all(paths, digits, args.out)
    if digits != "mnist":
        raise ValueError(
            "outputs that are committed come from MNIST; name its folder in DIGITLAB_DATA"
        )
    return course.run_all(paths, digits, None)


def figures(args: argparse.Namespace) -> Answer:
    """Draw everything under figures/ from the trained models and the stored results."""
    from tools.figures import make_figures

    names = [path.name for path in make_figures(args.out)]
    return names, f"{len(names)} figures in {args.out}"


def overview(args: argparse.Namespace) -> Answer:
    """Write the README.md beside the notebooks, made from what they say of themselves."""
    from tools.notebooks import find
    from tools.overview import overview as course_overview

    paths = find(args.notebooks)
    readme = paths[0].with_name("README.md")
    readme.write_text(course_overview(paths), encoding="utf-8")
    return str(readme), f"{readme} tells of {len(paths)} notebooks"


def mutants(args: argparse.Namespace) -> Answer:
    """Put small faults into modules, one by one, and list those that their tests miss."""
    from tools.mutants import mutants as faults
    from tools.mutants import text

    rows = list(faults(args.modules, args.sample))
    return rows, text(rows)


def _path(text: str) -> Path:
    return Path(text).expanduser()


WHICH: dict[str, Any] = {"nargs": "*", "type": _path, "help": "default: all in notebooks/"}
COMMANDS: Commands = {
    notebooks: {
        "notebooks": WHICH,
        "--out": {"type": _path, "default": Path("build"), "help": "folder of executed copies"},
        "--write": {"action": "store_true", "help": "write the outputs back; needs MNIST"},
        "--test": {"action": "store_true", "help": "test the notebooks with nbval"},
    },
    figures: {"--out": {"type": _path, "default": Path("figures"), "help": "default: figures/"}},
    overview: {"notebooks": WHICH},
    mutants: {
        "modules": {"nargs": "+", "metavar": "MODULE", "help": "as metrics or show.figure"},
        "--sample": {"type": int, "metavar": "N", "help": "so many of each, drawn at random"},
    },
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its status, see `digitlab.cli.run`."""
    about = "Make the course: its notebooks' outputs, its figures, its overview."
    return run(parser("python -m tools", about, COMMANDS), arguments)


if __name__ == "__main__":
    sys.exit(main())
