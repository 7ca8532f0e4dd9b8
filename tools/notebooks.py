"""Run the notebooks of the course in order, or test them: `python -m digitlab.course`."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from digitlab import data
from digitlab.tables import text_table
from tools.overview import overview

CELL_TIMEOUT = 300  # seconds
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


def run_all(paths: Sequence[Path], digits: str, out: Path | None) -> int:
    """Run notebooks with a line each and a table at the end; `out=None` writes them back."""
    outcomes = []
    for i, path in enumerate(paths, 1):
        print(f"[{i}/{len(paths)}] {path.stem} ... ", end="", flush=True)
        outcome = run(path, out / path.name if out else path, environment(digits))
        print(f"FAILED in {outcome.error}" if outcome.error else f"{outcome.seconds:.0f} s")
        outcomes.append(outcome)
    rows = [
        (o.notebook, round(o.seconds, 1), "FAILED, see above" if o.error else o.result)
        for o in outcomes
    ]
    print("\n" + text_table(rows, header=("notebook", "seconds", "result")))
    print(f"\nexecuted copies: {out}{os.sep}" if out else "\nwhat ran through has new outputs")
    return int(any(outcome.error for outcome in outcomes))


def check_all(paths: Sequence[Path], digits: str) -> int:
    """Test notebooks with nbval: strict on MNIST where it is at hand, and lax on optdigits."""
    modes = [("optdigits", ["--nbval-lax"])]
    if digits == "mnist":
        modes.insert(0, ("mnist", ["--nbval", "--nbval-sanitize-with=tests/nbval.cfg"]))
    else:
        print("SKIPPED: comparing the notebooks' outputs, which needs MNIST (see `digitlab data`)")
    status = 0
    for name, options in modes:
        print(f"\nnotebooks on {name}: pytest {options[0]}", flush=True)
        command = [sys.executable, "-m", "pytest", *options, "--nbval-current-env"]
        command += [f"--nbval-cell-timeout={CELL_TIMEOUT}", *map(str, paths)]
        status |= subprocess.run(command, env=environment(name), check=False).returncode
    return int(status != 0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run or test notebooks; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m digitlab.course", description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all in notebooks/")
    parser.add_argument("--out", type=Path, default=Path("build"), help="folder of executed copies")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--write", action="store_true", help="write the outputs back; needs MNIST")
    way.add_argument("--test", action="store_true", help="test the notebooks with nbval")
    way.add_argument("--overview", action="store_true", help="write the README.md beside them anew")
    options = parser.parse_args(arguments)
    paths = options.notebooks or sorted(Path("notebooks").glob("*.ipynb"))
    if not paths:
        parser.error("there is no notebooks/*.ipynb here; run this in the folder of the course")
    if missing := [str(path) for path in paths if not path.is_file()]:
        parser.error(f"no such notebook: {', '.join(missing)}")
    if options.overview:
        paths[0].with_name("README.md").write_text(overview(paths), encoding="utf-8")
        return 0

    try:
        digits = data.load()
    except (ValueError, OSError) as error:
        sys.exit(str(error))
    print(f"the notebooks read {digits.name}, from {digits.source}", flush=True)
    if options.test:
        return check_all(paths, digits.name)
    if options.write and digits.name != "mnist":
        sys.exit("outputs that are committed come from MNIST; name its folder in DIGITLAB_DATA")
    return run_all(paths, digits.name, None if options.write else options.out)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped")
