"""`digitlab draw`: a real server that asks for its token, and leaves nothing behind."""

import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from digitlab.cli import main
from digitlab.widgets import serve
from studies.bench_draw import pad_server

SECONDS = 60


@dataclass
class Running:
    """A pad that is served: the process, its address and token, and its folder for files."""

    server: subprocess.Popen[str]
    address: str
    token: str
    folder: Path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        with pad_server() as (server, address):
            yield Running(server, *address.split("?token="), folder)


def get(address: str) -> tuple[str, str]:
    """Return where a request ends, and the page there."""
    with urllib.request.urlopen(address, timeout=SECONDS) as answer:
        return answer.url, answer.read().decode()


@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong"])
def test_without_the_token_nothing_is_served(running: Running, query: str) -> None:
    where, page = get(running.address + query)
    assert where.startswith(f"{running.address}login?")
    assert "Draw a digit" not in page


def test_only_this_machine_is_served(running: Running) -> None:
    sockets = psutil.Process(running.server.pid).net_connections("tcp")
    hosts = {each.laddr.ip for each in sockets if each.status == psutil.CONN_LISTEN}
    assert hosts == {"127.0.0.1"}
    assert running.address.startswith("http://127.0.0.1:")


def test_a_second_pad_needs_another_port(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    port = running.address.strip("/").rpartition(":")[2]
    assert main(["draw", "--no-browser", "--port", port]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"digitlab: port {port} is not free; name another one, ")
    assert error.count("\n") == 1


def test_a_page_needs_no_other_machine_and_ctrl_c_leaves_nothing_behind(running: Running) -> None:
    _, page = get(f"{running.address}?token={running.token}")
    assert "<title>Draw a digit</title>" in page
    assert "widget-view+json" in page
    assert re.findall('(?:href|src)="(?:https?:)?//[^"]*', page) == []
    kernels = psutil.Process(running.server.pid).children(recursive=True)
    running.server.send_signal(signal.SIGINT)  # while one kernel is used, and another one starts
    output, errors = running.server.communicate(timeout=SECONDS)
    assert (running.server.returncode, output, errors) == (0, "the pad is closed\n", "")
    assert kernels
    assert psutil.wait_procs(kernels, timeout=10)[1] == []
    assert list(running.folder.iterdir()) == []


FULL = """
from digitlab.widgets import serve
serve.MOST, serve.PATIENCE = 1, 20
serve.serve_pad(port=0, open_browser=False)
"""

FORGETFUL = """
from digitlab.widgets import serve
serve.SETTINGS["MappingKernelManager"] = {"cull_idle_timeout": 8, "cull_interval": 1}
serve.serve_pad(port=0, open_browser=False)
"""


def wait_for_kernels(server: psutil.Process, number: int) -> list[psutil.Process]:
    """Wait until a server has so many kernels, and return them."""
    end = time.monotonic() + SECONDS
    while len(kernels := server.children()) != number:
        assert time.monotonic() < end, f"{len(kernels)} kernels, not {number}"
        time.sleep(0.1)
    return kernels


def get_until_full(address: str) -> urllib.error.HTTPError:
    """Open pages until one is refused: a kernel that still starts is not counted yet."""
    for _ in range(5):
        try:
            get(address)
        except urllib.error.HTTPError as error:
            if error.code == 503:
                return error
            raise
        time.sleep(1)
    raise AssertionError("no page is refused")


def test_one_page_too_many_is_told_so_and_a_killed_server_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with pad_server("-c", FULL) as (server, address):
        full = get_until_full(address)
        assert "open 4 times already. Close one" in full.read().decode()
        kernels = psutil.Process(server.pid).children()
        assert len(kernels) >= 2  # one of a page, and one that waits for the next
        server.kill()
    assert psutil.wait_procs(kernels, timeout=SECONDS)[1] == []
    assert [path.name[:13] for path in tmp_path.iterdir()] == ["digitlab-pad-"]
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    serve._sweep()
    assert list(tmp_path.iterdir()) == []


def test_a_page_that_nobody_looks_at_gives_its_kernel_back() -> None:
    with pad_server("-c", FORGETFUL) as (server, address):
        kernels = wait_for_kernels(psutil.Process(server.pid), 1)  # it waits for the page
        get(address)
        assert psutil.wait_procs(kernels, timeout=SECONDS)[1] == []


@pytest.mark.parametrize("port", ["-1", "70000"])
def test_a_port_that_does_not_exist_is_refused(
    port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["draw", "--port", port]) == 2
    assert capsys.readouterr().err.startswith(f"digitlab: port {port} is not free; ")


def test_without_voila_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "digitlab.widgets.serve", raising=False)
    for name in ("voila", "nbformat", "tornado", "traitlets", "ipywidgets"):
        monkeypatch.setitem(sys.modules, name, None)
    assert main(["draw"]) == 2
    assert capsys.readouterr().err == (
        "digitlab: Voila serves the pad and is not installed: pip install voila\n"
    )


def test_it_ends_cleanly_while_its_first_kernel_starts() -> None:
    command = [sys.executable, "-m", "digitlab", "draw", "--no-browser", "--port", "0"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as server:
        assert server.stderr.readline() == "starting the pad\n"
        while not (kernels := psutil.Process(server.pid).children(recursive=True)):
            time.sleep(0.05)
        server.send_signal(signal.SIGTERM)
        _, errors = server.communicate(timeout=SECONDS)
    assert "Traceback" not in errors
    assert server.returncode == 0
    assert psutil.wait_procs(kernels, timeout=10)[1] == []
