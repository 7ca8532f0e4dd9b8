"""`digitlab draw`: a real server that asks for its token, and leaves nothing behind."""

import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from digitlab.cli import main
from studies.bench_draw import pad_server

SECONDS = 60


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[int, str, str]]:
    """Give process id, address and token of a pad that is served."""
    with pad_server() as (server, address):
        yield server.pid, *address.split("?token=")


def get(address: str) -> tuple[str, str]:
    """Return where a request ends, and the page there."""
    with urllib.request.urlopen(address, timeout=SECONDS) as answer:
        return answer.url, answer.read().decode()


@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong"])
def test_without_the_token_nothing_is_served(running: tuple[int, str, str], query: str) -> None:
    _, address, _ = running
    where, page = get(address + query)
    assert where.startswith(f"{address}login?")
    assert "Draw a digit" not in page


def test_with_the_token_comes_a_page_that_needs_no_other_machine(
    running: tuple[int, str, str],
) -> None:
    _, address, token = running
    _, page = get(f"{address}?token={token}")
    assert "<title>Draw a digit</title>" in page
    assert "widget-view+json" in page
    assert re.findall('(?:href|src)="(?:https?:)?//[^"]*', page) == []


def test_only_this_machine_is_served(running: tuple[int, str, str]) -> None:
    pid, address, _ = running
    sockets = psutil.Process(pid).net_connections("tcp")
    hosts = {each.laddr.ip for each in sockets if each.status == psutil.CONN_LISTEN}
    assert hosts == {"127.0.0.1"}
    assert address.startswith("http://127.0.0.1:")


def test_a_second_pad_needs_another_port(
    running: tuple[int, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    port = running[1].strip("/").rpartition(":")[2]
    assert main(["draw", "--no-browser", "--port", port]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"digitlab: port {port} is not free; name another one, ")
    assert error.count("\n") == 1


@pytest.mark.parametrize("port", ["-1", "70000"])
def test_a_port_that_does_not_exist_is_refused(
    port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["draw", "--port", port]) == 2
    assert capsys.readouterr().err.startswith(f"digitlab: port {port} is not free; ")


def test_without_voila_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "voila", None)
    assert main(["draw"]) == 2
    assert capsys.readouterr().err == (
        "digitlab: Voila serves the pad and is not installed: pip install voila\n"
    )


def test_ctrl_c_ends_the_server_and_its_kernels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with pad_server() as (server, address):
        get(address)  # so that one kernel is used, and another one starts
        kernels = psutil.Process(server.pid).children(recursive=True)
        server.send_signal(signal.SIGINT)
        output, errors = server.communicate(timeout=SECONDS)
    assert (server.returncode, output, errors) == (0, "the pad is closed\n", "")
    assert kernels
    assert psutil.wait_procs(kernels, timeout=10)[1] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_while_its_first_kernel_starts(how: signal.Signals) -> None:
    command = [sys.executable, "-m", "digitlab", "draw", "--no-browser", "--port", "0"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as server:
        assert server.stderr.readline() == "starting the pad\n"
        while not (kernels := psutil.Process(server.pid).children(recursive=True)):
            time.sleep(0.05)
        server.send_signal(how)
        _, errors = server.communicate(timeout=SECONDS)
    assert "Traceback" not in errors
    assert server.returncode == 0
    assert psutil.wait_procs(kernels, timeout=10)[1] == []
