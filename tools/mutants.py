"""Mutants: small faults put into a module one by one, which its tests must notice.

`python -m tools mutants metrics trainer` changes copies under build/mutants, so the checkout stays
as it is, and goes on where it stopped; delete a module's folder there to try all of its mutants
again. Needs `pip install mutmut` (3.8 was used). Survivors are kept, with a reason each, in
tests/survivors.md.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PARTS = ("digitlab", "studies", "tools", "tests", "notebooks", "pyproject.toml")
TESTS = {  # where they are not those of the module's own name
    "trainer": "trainer checkpoint",
    "plans": "trainer checkpoint",
    "reading.light": "reading_steps",
    "reading.strokes": "reading_steps",
    "show.figure": "figure",
}
QUICK = "not outside"  # what starts another process takes seconds for each mutant
SURVIVED = 0  # exit code of a mutant's tests


def tests_of(module: str) -> list[str]:
    """Return the test files that belong to a module, which is named from `digitlab` on."""
    names = TESTS.get(module, module.replace(".", "_")).split()
    return [f"tests/test_{name}.py" for name in names]


def prepare(module: str) -> Path:
    """Copy what the tests need, and tell mutmut what to change; return the folder."""
    folder = ROOT / "build" / "mutants" / module
    for part in PARTS:
        source, target = ROOT / part, folder / part
        if source.is_dir():
            skip = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=skip)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    path = f"digitlab/{module.replace('.', '/')}.py"
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(
            "\n[tool.mutmut]\n"
            'source_paths = ["digitlab"]\n'
            f'only_mutate = ["{path}"]\n'
            'also_copy = ["studies", "tools", "notebooks"]\n'
            f"pytest_add_cli_args_test_selection = {json.dumps(tests_of(module))}\n"
            f'pytest_add_cli_args = ["-p", "no:cacheprovider", "-k", "{QUICK}"]\n'
        )
    return folder


def mutmut(folder: Path, *words: str, quiet: bool = True) -> str:
    """Run mutmut in one process, with one thread, without MNIST, behind what else is at work."""
    command = ["nice", "-n", "10", sys.executable, "-m", "mutmut", *words]
    out = subprocess.PIPE if quiet else None
    env = {name: value for name, value in os.environ.items() if name != "DIGITLAB_DATA"}
    env["OMP_NUM_THREADS"] = "1"
    done = subprocess.run(command, cwd=folder, env=env, stdout=out, text=True, check=False)
    return done.stdout or ""


def outcomes(folder: Path) -> dict[str, int | None]:
    """Return how the tests of each mutant ended; None where they were not run."""
    found: dict[str, int | None] = {}
    for path in (folder / "mutants" / "digitlab").rglob("*.meta"):
        found |= json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
    return found


def change(folder: Path, name: str) -> tuple[str, str]:
    """Return what a mutant takes away and what it puts there."""
    lines = mutmut(folder, "show", name).splitlines()
    kept = [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    before, after = (
        " ".join(line[1:].strip() for line in kept if line[0] == sign) for sign in "-+"
    )
    return before, after


def is_wording(before: str, after: str) -> bool:
    """Say whether only the words of a message changed; tests name the ones that matter."""
    return before.lower() == after.lower().replace("xx", "")


def mutants(modules: Sequence[str], sample: int | None = None) -> Iterator[dict[str, Any]]:
    """Try all mutants of each module, or so many of them; yield how many died, and which did not.

    Args:
        modules: named from `digitlab` on, as `metrics` or `show.figure`.
        sample: mutants of each module, drawn at random, the same ones each time.
    """
    for module in modules:
        folder = prepare(module)
        names: list[str] = []
        if sample:
            mutmut(folder, "run", "--max-children", "1", "no mutant of this name")
            every = sorted(outcomes(folder))
            names = random.Random(0).sample(every, min(sample, len(every)))
        mutmut(folder, "run", "--max-children", "1", *names, quiet=False)
        codes = {name: code for name, code in outcomes(folder).items() if code is not None}
        changes = {name: change(folder, name) for name, code in codes.items() if code == SURVIVED}
        survivors = {name: pair for name, pair in changes.items() if not is_wording(*pair)}
        killed = sum(code != SURVIVED for code in codes.values())
        row = {
            "module": module,
            "mutants": len(codes) - len(changes) + len(survivors),
            "killed": killed,
            "wording": len(changes) - len(survivors),
            "survivors": {name.split(".")[-1]: pair for name, pair in survivors.items()},
        }
        (folder / "survivors.json").write_text(json.dumps(row, indent=1), encoding="utf-8")
        yield row


def text(rows: Sequence[dict[str, Any]]) -> str:
    """Return the survivors as Markdown, one table for each module, with room for reasons."""
    lines = []
    for row in rows:
        lines += [f"## {row['module']}: {row['killed']} of {row['mutants']} killed", ""]
        lines += ["| before | after | why it lives |", "| --- | --- | --- |"]
        for before, after in row["survivors"].values():
            lines.append(f"| `{before}` | `{after}` | |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__)
    parser.add_argument("modules", nargs="+")
    parser.add_argument("--sample", type=int)
    arguments = parser.parse_args()
    print(text(list(mutants(arguments.modules, arguments.sample))))
