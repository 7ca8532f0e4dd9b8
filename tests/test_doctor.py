import json
import re
import sys
from importlib import metadata
from pathlib import Path

import pytest

from digitlab import doctor, idx
from digitlab.runs import versions


def found_by(name: str) -> doctor.Check:
    return doctor._run(name, *doctor.CHECKS[name])


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Work in an empty folder, with an empty cache and no data named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(idx, "cache_folder", lambda: tmp_path / "cache" / "digitlab")
    monkeypatch.delenv("DIGITLAB_DATA", raising=False)
    monkeypatch.delenv("DIGITLAB_DIGITS", raising=False)
    return tmp_path


def test_everything_is_well_where_the_tests_run(elsewhere):
    checks = doctor.run_checks()
    assert [check for check in checks if not check.ok] == []
    assert [check.name for check in checks] == list(doctor.CHECKS)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ("", "optdigits, inside scikit-learn; mnist is not here, load() tries to download it"),
        ("auto", "optdigits, inside scikit-learn; mnist is not here, load() tries to download it"),
        ("fashion", "fashion is not here, load() tries to download it"),
        ("optdigits", "optdigits, as DIGITLAB_DIGITS says"),
    ],
)
def test_the_data_are_those_that_load_would_take(elsewhere, monkeypatch, chosen, found):
    monkeypatch.setenv("DIGITLAB_DIGITS", chosen)
    assert found_by("data").found == found


def test_a_failing_check_comes_with_its_cure():
    def look():
        raise ImportError("no module named torch")

    check = doctor._run("torch", look, "install it")
    assert check == doctor.Check("torch", False, "ImportError: no module named torch", "install it")
    assert "FAIL  torch     ImportError: no module named torch\n" in doctor.text([check])
    assert "cure: install it" in doctor.text([check])
    assert "cure" not in doctor.text([doctor._run("Python", lambda: "3.14", "install it")])


def test_an_old_python_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 9))
    assert not found_by("Python").ok


def test_damaged_data_are_named(elsewhere):
    (elsewhere / "data").mkdir()
    for name in idx.FILES:
        (elsewhere / "data" / name).write_bytes(b"<html>not here</html>")
    check = found_by("data")
    assert not check.ok
    assert "train-images-idx3-ubyte is not an IDX file" in check.found


def test_a_place_that_cannot_be_written_is_found(elsewhere, monkeypatch):
    (elsewhere / "file").touch()
    monkeypatch.setattr(idx, "cache_folder", lambda: elsewhere / "file" / "digitlab")
    assert not found_by("writing").ok


def test_widget_versions_that_do_not_match_are_found(monkeypatch):
    versions = {"ipywidgets": "7.8.1", "jupyterlab_widgets": "1.1.1", "anywidget": "0.9"}
    monkeypatch.setattr(doctor.metadata, "version", versions.get)
    assert "needs ipywidgets 8" in found_by("widgets").found


def test_a_front_end_that_jupyterlab_does_not_see_is_found(monkeypatch):
    monkeypatch.setattr("jupyter_core.paths.jupyter_path", lambda *parts: [])
    assert "does not see the extension" in found_by("widgets").found


@pytest.mark.parametrize(
    ("program", "module", "ok"),
    [("/bin/dot", None, True), (None, object(), True), (None, None, False)],
)
def test_graphviz_is_a_program_or_inside_pygraphviz(monkeypatch, program, module, ok):
    monkeypatch.setattr(doctor.shutil, "which", lambda name: program)
    monkeypatch.setattr(doctor.util, "find_spec", lambda name: module)
    assert found_by("Graphviz").ok is ok


def test_a_kernel_of_another_python_is_found(tmp_path, monkeypatch):
    folder = tmp_path / "kernels" / "python3"
    folder.mkdir(parents=True)
    kernel = {"argv": [str(tmp_path / "python"), "-m", "ipykernel"], "display_name": "x"}
    (folder / "kernel.json").write_text(json.dumps(kernel))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    assert "starts another Python" in found_by("kernel").found


@pytest.mark.parametrize("name", ["torch.py", "random.py", "notebooks/digitlab.py"])
def test_a_file_that_hides_a_module_is_named(elsewhere, name):
    (elsewhere / "notebooks").mkdir()
    (elsewhere / name).touch()
    check = found_by("names")
    assert not check.ok
    assert Path(name).name in check.found


def test_the_report_tells_nothing_about_the_machine(elsewhere):
    def look():
        raise OSError(f"{elsewhere}/a.pt, {Path.home()}/b.pt, /mnt/ada/c.pt, C:\\Users\\ada\\d.pt")

    report = doctor.report([doctor._run("data", look, f"look into {elsewhere}")])
    assert "OSError: ./a.pt, ~/b.pt, <path>, <path>" in report
    assert not re.search(rf"ada|{re.escape(str(elsewhere))}|{re.escape(str(Path.home()))}", report)


def test_the_report_names_the_version_of_each_dependency():
    assert re.search(r"versions: digitlab \d.*, torch 2\..*, pygraphviz \d", doctor.report([]))


def test_a_folder_of_sources_that_is_not_installed_does_its_work(monkeypatch):
    find = metadata.Distribution.from_name

    def from_name(name):
        if name == "digitlab":
            raise metadata.PackageNotFoundError(name)
        return find(name)

    monkeypatch.setattr(metadata.Distribution, "from_name", from_name)
    assert "versions: digitlab not installed, torch 2." in doctor.report([])
    assert versions()["digitlab"] == "not installed"


def test_the_dictionary_is_ready_for_json():
    checks = [doctor.Check("torch", False, "missing", "install it"), doctor.Check("data", True, "")]
    described = json.loads(json.dumps(doctor.to_dict(checks)))
    assert described["ok"] is False
    assert described["checks"][0] == {
        "name": "torch", "ok": False, "found": "missing", "cure": "install it"
    }  # fmt: skip
