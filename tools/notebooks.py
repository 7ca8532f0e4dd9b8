"""Run the notebooks of the course in order, or test them: `python -m tools notebooks`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from digitlab import data
from digitlab.cli import Answer, FailedError
from digitlab.exercises import course
from digitlab.tables import text_table
from tools.solved import solve

CELL_TIMEOUT = 300  # seconds
STDERR = 2  # of this process, whatever sys.stderr is
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
PROGRESS = re.compile(r"%\|.*\| \d+/\d+ \[")  # tqdm, as text


@dataclass(frozen=True)
class Outcome:
    """Hold what one notebook reached, or `error`: where and why it stopped."""

    notebook: str
    seconds: float
    result: str
    error: str = ""


def environment(digits: str) -> dict[str, str]:
    """Return the environment of a kernel in which "auto" means the data set `digits`."""
    variables = {**os.environ, "DIGITLAB_DIGITS": digits, "TQDM_DISABLE": "1"}
    variables["DIGITLAB_PROGRESS"] = "off"  # nobody's own is touched
    if folder := variables.get("DIGITLAB_DATA"):  # a kernel works in the notebook's folder
        variables["DIGITLAB_DATA"] = str(Path(folder).expanduser().absolute())
    return variables


def execute(notebook: NotebookNode, folder: Path, variables: dict[str, str]) -> str:
    """Run all cells in place and in order; return where and why it stopped, or "" at the end."""
    started: list[NotebookNode] = []
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        coalesce_streams=True,
        store_widget_state=False,
        on_cell_execute=lambda cell, cell_index: started.append(cell),
    )
    try:
        client.execute(env=variables)
    except CellExecutionError as error:
        reason = f"{error.ename}: {error.evalue.strip().partition(chr(10))[0]}"
    except TimeoutError:
        reason = f"not done after {CELL_TIMEOUT} seconds"
    except RuntimeError:
        reason = "the kernel died; often there was not enough memory"
    else:
        return ""
    if not started:
        return reason
    return f"cell [{len(started)}] {started[-1].source.partition(chr(10))[0]!r}: {reason}"


def clean(notebook: NotebookNode) -> None:
    """Remove, in place, what is true of one run only: widget views, progress bars and timing."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata.kernelspec = {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    }
    notebook.metadata.get("language_info", {}).pop("version", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET_VIEW, None)
        if "outputs" in cell:
            cell.outputs = [o for o in cell.outputs if not PROGRESS.search(_text(o))]


def _text(output: NotebookNode) -> str:
    return str(output.get("text") or output.get("data", {}).get("text/plain", ""))


def result_text(notebook: NotebookNode) -> str:
    """Return the text under the cells with the tag `result`."""
    outputs = [
        output
        for cell in notebook.cells
        if "result" in cell.metadata.get("tags", [])
        for output in cell.get("outputs", [])
    ]
    return "".join(map(_text, outputs)).strip()


def run(path: Path, target: Path, variables: dict[str, str]) -> Outcome:
    """Execute one notebook and put the cleaned copy at `target`; a failed one never over itself."""
    start = time.perf_counter()
    try:
        notebook = nbformat.read(path, as_version=4)
    except ValueError:
        return Outcome(path.stem, 0, "", "this file is not a notebook; get it again with git")
    error = execute(notebook, path.parent, variables)
    clean(notebook)
    if not error or target != path:
        target.parent.mkdir(parents=True, exist_ok=True)
        whole = target.with_suffix(".tmp")
        nbformat.write(notebook, whole)
        whole.replace(target)
    return Outcome(path.stem, time.perf_counter() - start, result_text(notebook), error)


def find(paths: Sequence[Path]) -> list[Path]:
    """Return these notebooks, or all of the course.

    Raises:
        ValueError: for one that is not there, or outside the folder of the course.
    """
    found = list(paths) or sorted(Path("notebooks").glob("*.ipynb"))
    if not found:
        raise ValueError("there is no notebooks/*.ipynb here; run this in the folder of the course")
    if missing := [str(path) for path in found if not path.is_file()]:
        raise ValueError(f"no such notebook: {', '.join(missing)}")
    return found


def announced_digits() -> str:
    """Return the name of the data set that the notebooks will read, and tell it."""
    digits = data.load()
    say(f"the notebooks read {digits.name}, from {digits.source}\n")
    return digits.name


def say(text: str) -> None:
    """Tell how far it is; standard output is for what comes of it."""
    print(text, end="", file=sys.stderr, flush=True)


def run_all(paths: Sequence[Path], digits: str, out: Path | None) -> Answer:
    """Run notebooks with a line each and a table at the end; `out=None` writes them back.

    Raises:
        FailedError: where one of them stopped; the others ran.
    """
    outcomes = []
    for i, path in enumerate(paths, 1):
        say(f"[{i}/{len(paths)}] {path.stem} ... ")
        outcome = run(path, out / path.name if out else path, environment(digits))
        say(f"FAILED in {outcome.error}\n" if outcome.error else f"{outcome.seconds:.0f} s\n")
        outcomes.append(outcome)
    rows = [
        (o.notebook, round(o.seconds, 1), "FAILED, see above" if o.error else o.result)
        for o in outcomes
    ]
    where = f"executed copies: {out}{os.sep}" if out else "what ran through has new outputs"
    table = text_table(rows, header=("notebook", "seconds", "result"))
    answer = [asdict(outcome) for outcome in outcomes], f"\n{table}\n\n{where}"
    if any(outcome.error for outcome in outcomes):
        raise FailedError(answer)
    return answer


def solved(path: Path) -> Path:
    """Return a copy of a notebook in which the exercises are solved, and must be right."""
    notebook = nbformat.read(path, as_version=4)
    solve(notebook, course.number_in(path))
    copy = Path("build", "solved", path.name)
    copy.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, copy)
    return copy


def _passes(paths: Sequence[Path], digits: str, options: Sequence[str]) -> bool:
    """Say whether notebooks pass nbval, which shows what it does."""
    say(f"\nnotebooks on {digits}: pytest {options[0]}\n")
    command = [sys.executable, "-m", "pytest", *options, "--nbval-current-env"]
    command += [f"--nbval-cell-timeout={CELL_TIMEOUT}", *map(str, paths)]
    done = subprocess.run(command, env=environment(digits), check=False, stdout=STDERR)
    return done.returncode == 0


def check_all(paths: Sequence[Path], digits: str) -> Answer:
    """Test notebooks with nbval: strict on MNIST where it is at hand, lax on optdigits, and solved.

    Raises:
        FailedError: where one of them does not pass.
    """
    modes = {
        "mnist": ["--nbval", "--nbval-sanitize-with=tests/nbval.cfg"],
        "optdigits": ["--nbval-lax"],
    }
    if digits != "mnist":
        del modes["mnist"]
        say("SKIPPED: comparing the notebooks' outputs, which needs MNIST (see `digitlab data`)\n")
    passed = {name: _passes(paths, name, options) for name, options in modes.items()}
    passed["solved"] = _passes([solved(path) for path in paths], "optdigits", ["--nbval-lax"])
    places = {name: f"on {name}" for name in modes} | {"solved": "solved"}
    words = [f"{places[name]} they {'pass' if well else 'FAIL'}" for name, well in passed.items()]
    answer = passed, f"the notebooks: {', '.join(words)}"
    if not all(passed.values()):
        raise FailedError(answer)
    return answer
