import re
import subprocess
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from nbval.plugin import get_sanitize_patterns

from digitlab.cli import FailedError
from tools import notebooks as course
from tools.__main__ import main


def write_notebook(path, *sources, printed=""):
    """Write a notebook whose last cell carries the tag `result` and shows `printed`."""
    cells = [new_code_cell(source, execution_count=i) for i, source in enumerate(sources, 1)]
    cells[-1].metadata.tags = ["result"]
    cells[-1].outputs = [new_output("stream", text=printed)] if printed else []
    nbformat.write(new_notebook(cells=cells), path)
    return path


def read(path):
    return nbformat.read(path, as_version=4)


@pytest.fixture
def embedded(monkeypatch):
    monkeypatch.setenv("DIGITLAB_DIGITS", "optdigits")


def test_a_failing_notebook_is_named_and_the_others_run(tmp_path, capsys, embedded):
    bad = write_notebook(tmp_path / "00_bad.ipynb", "x = 0", "1 / x\n", "print('never')")
    source = "import os\nprint('on', os.environ['DIGITLAB_DIGITS'], 'in', os.getcwd())"
    fine = write_notebook(tmp_path / "01_fine.ipynb", source)
    assert main(["notebooks", str(bad), str(fine), "--out", str(tmp_path / "build")]) == 1
    out, err = capsys.readouterr()
    told, first, second = err.splitlines()
    assert told.startswith("the notebooks read optdigits, from ")
    failed = "FAILED in cell [2] '1 / x': ZeroDivisionError: division by zero"
    assert first == f"[1/2] 00_bad ... {failed}"
    assert second.startswith("[2/2] 01_fine ... ")
    assert f"on optdigits in {tmp_path}" in out
    assert read(tmp_path / "build" / "01_fine.ipynb").cells[0].outputs[0].text.startswith("on ")


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import time\ntime.sleep(60)", "cell [1] 'import time': not done after 1 seconds"),
        ("import os\nos._exit(1)", "cell [1] 'import os': the kernel died; often there was not "),
        (None, "this file is not a notebook"),
    ],
)
def test_what_cannot_be_run_is_reported(source, error, tmp_path, monkeypatch):
    monkeypatch.setattr(course, "CELL_TIMEOUT", 1)
    path = tmp_path / "a.ipynb"
    write_notebook(path, source) if source else path.write_text("<html>")
    outcome = course.run(path, tmp_path / "out.ipynb", course.environment("optdigits"))
    assert outcome.error.startswith(error)


def test_writing_back_keeps_ids_and_leaves_a_failed_notebook_alone(tmp_path):
    fine = write_notebook(tmp_path / "fine.ipynb", "print('new')", printed="old\n")
    bad = write_notebook(tmp_path / "bad.ipynb", "print('new')\n1 / 0", printed="old\n")
    ids = [cell.id for cell in read(fine).cells]
    with pytest.raises(FailedError, match="what ran through has new outputs"):
        course.run_all([fine, bad], "optdigits", None)
    assert [cell.id for cell in read(fine).cells] == ids
    assert course.result_text(read(fine)) == "new"
    assert course.result_text(read(bad)) == "old"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.ipynb", "--write"], "come from MNIST"),
        (["no.ipynb"], "no such notebook: no"),
        ([], "run"),
    ],
)
def test_what_cannot_be_done_is_refused(arguments, words, tmp_path, capsys, embedded, monkeypatch):
    write_notebook(tmp_path / "a.ipynb", "print(1)", printed="1\n")
    monkeypatch.chdir(tmp_path)
    assert main(["notebooks", *arguments]) == 2
    assert words in capsys.readouterr().err.splitlines()[-1]


def test_a_kernel_finds_data_named_from_another_folder(monkeypatch):
    monkeypatch.setenv("DIGITLAB_DATA", "../shared/mnist")
    folder = Path(course.environment("mnist")["DIGITLAB_DATA"])
    assert folder.is_absolute()
    assert folder.parts[-3:] == ("..", "shared", "mnist")


def test_cleaning_drops_progress_bars_and_widget_views_but_keeps_their_pictures():
    bar = {course.WIDGET_VIEW: {}, "text/plain": "  0%|          | 0/5 [00:00<?, ?it/s]"}
    pad = {course.WIDGET_VIEW: {}, "text/html": "<img>", "text/plain": "DigitPad()"}
    cell = new_code_cell("fit()", metadata={"execution": {"started": "today"}})
    cell.outputs = [new_output("display_data", data=data) for data in (bar, pad)]
    cell.outputs.append(new_output("stream", name="stderr", text="100%|####| 5/5 [00:01<00:00]\r"))
    notebook = new_notebook(cells=[cell], metadata={"widgets": {"state": {}}})
    course.clean(notebook)
    assert [set(output.data) for output in cell.outputs] == [{"text/html", "text/plain"}]
    assert cell.metadata == {}
    assert set(notebook.metadata) == {"kernelspec"}


def test_cleaning_keeps_warnings_and_errors_and_makes_metadata_the_same_on_every_machine():
    cell = new_code_cell("fit()")
    cell.outputs = [new_output("stream", name="stderr", text="a warning"), new_output("error")]
    language = {"name": "python", "version": "3.14.1"}
    metadata = {"kernelspec": {"name": "conda-env", "display_name": "x"}, "language_info": language}
    notebook = new_notebook(cells=[cell], metadata=metadata)
    course.clean(notebook)
    assert len(cell.outputs) == 2
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.language_info == {"name": "python"}


@pytest.mark.parametrize(
    ("digits", "expected"),
    [
        ("mnist", [("--nbval", "mnist"), ("--nbval-lax", "optdigits")]),
        ("optdigits", [("--nbval-lax", "optdigits")]),
    ],
)
def test_notebooks_are_compared_on_mnist_then_run_on_the_embedded_digits_then_solved(
    monkeypatch, capsys, digits, expected
):
    runs = []

    def record(command, *, env, **_):
        runs.append((command[3], env["DIGITLAB_DIGITS"]))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(course.subprocess, "run", record)
    passed, words = course.check_all([], digits)
    assert runs == [*expected, ("--nbval-lax", "optdigits")]
    assert passed == {**{name: True for _, name in expected}, "solved": True}
    assert words.endswith("on optdigits they pass, solved they pass")
    assert ("SKIPPED" in capsys.readouterr().err) == (digits != "mnist")


def test_an_output_that_differs_fails_where_outputs_are_compared(tmp_path, monkeypatch):
    path = write_notebook(tmp_path / "a.ipynb", "print(1)", printed="2\n")
    run = subprocess.run

    def strict_alone(command, **options):
        done = subprocess.CompletedProcess(command, 0)
        return run(command, **options) if "--nbval" in command else done

    monkeypatch.setattr(course.subprocess, "run", strict_alone)
    with pytest.raises(FailedError, match="on mnist they FAIL, on optdigits they pass"):
        course.check_all([path], "mnist")


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ('<img src="data:image/png;base64,eA==">', '<img src="data:image/png;base64,+/9=">'),
        ("Digits('mnist', source='cache')", "Digits('mnist', source='$DIGITLAB_DATA')"),
        ("source=&#x27;data/&#x27;)</caption>", "source=&#x27;cache&#x27;)</caption>"),
    ],
)
def test_pixels_and_the_kind_of_source_are_not_compared(here, there):
    for pattern, blank in get_sanitize_patterns(Path("tests/nbval.cfg").read_text("utf-8")):
        here, there = re.sub(pattern, blank, here), re.sub(pattern, blank, there)
    assert here == there
