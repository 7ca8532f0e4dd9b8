"""`python -m studies`: train many seeds and keep the results, or measure speeds."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from digitlab.cli import FILE, Answer, Commands, parser, run
from digitlab.measured import results
from digitlab.tables import text_table
from studies import bench as benches
from studies import study as studies


def study(args: argparse.Namespace) -> Answer:
    """Train many seeds and keep the results; killed, it goes on when run again."""
    rows = []
    for row in studies.study(args.name, n_seeds=args.seeds):
        rows.append(row)
        done = f"{row['recipe']} on {row['data']}, seed {row['seed']}"
        judged_by = "test_accuracy" if "test_accuracy" in row else "valid_accuracy"  # of tricks
        print(f"{done}: {row[judged_by]:.2%} in {row['seconds']:.1f} s", file=sys.stderr)
    table = studies.summary_table(results())
    if args.readme:
        studies.write_readme(Path(args.readme), table)
    return rows, table


def bench(args: argparse.Namespace) -> Answer:
    """Measure speeds, or how pictures of many kinds are read, each beside the usual way."""
    if args.folder and args.name != "reading":
        raise ValueError(f"the bench {args.name!r} takes no folder of pictures; 'reading' does")
    options = [args.folder] if args.folder else []
    names = list(benches.BENCHES) if args.name == "all" else [args.name]
    facts = {name: benches.BENCHES[name](*options) | studies.where_and_when() for name in names}
    text = "\n\n".join(_bench_table(facts[name], args.folder) for name in names)
    return (facts if args.name == "all" else facts[args.name]), text


def stress(args: argparse.Namespace) -> Answer:
    """Make thousands of faults, and count what is survived; killed, it goes on when run again."""
    from digitlab.files import written
    from studies import stress as faults

    names = [args.name] if args.name else list(faults.PARTS)
    for name, counts in faults.stress(names, workers=args.workers, kept=faults.KEPT):
        print(f"{name}: {dict(counts)}", file=sys.stderr)
    facts = faults.summary(faults.KEPT)
    if args.out:
        with written(args.out) as file:
            file.write((json.dumps(facts, indent=1) + "\n").encode())
        faults.KEPT.unlink()
    return facts, text_table(list(_flat(facts)))


def _bench_table(facts: dict[str, Any], folder: str | None) -> str:
    if "kinds" not in facts:
        return text_table(list(_flat(facts)))
    shares = facts["kinds"] | ({folder: facts["folder"]} if folder else {})
    ways = next(iter(shares.values()))
    rows = [(kind, *(f"{100 * row[way]:.1f}" for way in ways)) for kind, row in shares.items()]
    return text_table(rows, header=("percent of", *ways))


def _flat(facts: dict[str, Any], inside: str = "") -> Iterator[tuple[str, str]]:
    """Yield a line for each value; what lies in a dictionary, or in a list of them, says where."""
    for name, value in facts.items():
        if value and isinstance(value, list) and isinstance(value[0], dict):
            yield from _flat({f"{name} {i}": row for i, row in enumerate(value, 1)}, inside)
        elif isinstance(value, dict):
            yield from _flat(value, f"{inside}{name}: ")
        else:
            yield f"{inside}{name}", str(value)


COMMANDS: Commands = {
    study: {
        "name": {"metavar": "NAME", "help": ", ".join(studies.STUDIES)},
        "--seeds": {"type": int, "default": 3, "metavar": "N", "help": "0 to N-1 (default: 3)"},
        "--readme": FILE | {"help": "put the table of results there"},
    },
    bench: {
        "name": {"metavar": "NAME", "help": f"{', '.join(benches.BENCHES)}, or all"},
        "--folder": FILE
        | {"metavar": "FOLDER", "help": "reading: your own pictures, labelled in manifest.csv"},
    },
    stress: {
        "name": {"nargs": "?", "metavar": "PART", "help": "this one only"},
        "--workers": {"type": int, "default": 2, "metavar": "N", "help": "processes (default: 2)"},
        "--out": FILE | {"help": "keep the sums here, and forget the pieces"},
    },
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its status, see `digitlab.cli.run`."""
    about = "Measure what README and the notebooks claim."
    return run(parser("python -m studies", about, COMMANDS), arguments)


if __name__ == "__main__":
    sys.exit(main())
