"""A real JupyterLab in a real browser: `with lab.open(notebook) as opened: opened.run_all()`."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from nbformat import NotebookNode

if TYPE_CHECKING:  # it may be missing
    from playwright.sync_api import Browser, Page

SECONDS = 240  # for everything that may take long on a busy machine
SERVER_FLAGS = (
    "--no-browser",
    "--allow-root",
    "--ServerApp.ip=127.0.0.1",
    "--ServerApp.port_retries=0",
    "--LabApp.expose_app_in_browser=True",
    "--LabApp.extension_manager=readonly",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LanguageServerManager.autodetect=False",
)
BROWSER_FLAGS = (
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # nothing leaves this machine
)
PYTHON = {"name": "python3", "display_name": "Python 3 (ipykernel)"}
NO_NEWS = '{"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": true}}'
READY = """async ms => {  // the kernel answered; the light says "idle" before it does
  const end = Date.now() + ms, nap = () => new Promise(r => setTimeout(r, 100));
  for (; Date.now() < end; await nap()) {
    const app = window.jupyterapp; if (!app) continue;
    await app.restored;
    const p = app.shell.currentWidget; if (!p || !p.sessionContext) continue;
    await p.context.ready; const sc = p.sessionContext; await Promise.race([sc.ready, nap()]);
    const k = sc.session && sc.session.kernel; if (!k) continue;
    if (!await Promise.race([k.info, nap()])) continue;
    if (k.connectionStatus === 'connected' && k.status === 'idle') return true;
  }
  return false;
}"""
RUN_ALL = """ms => Promise.race([  // false where a cell failed
  window.jupyterapp.commands.execute('notebook:run-all-cells'),
  new Promise(r => setTimeout(() => r(`not done after ${ms} ms`), ms))])"""
SAVE = "() => window.jupyterapp.shell.currentWidget.context.save()"
SHUT_DOWN = "() => window.jupyterapp.shell.currentWidget?.sessionContext?.shutdown()"


@dataclass(frozen=True)
class Opened:
    """Hold a notebook that is open in JupyterLab: playwright's page, and the file behind it."""

    page: Page
    path: Path

    def run_all(self) -> None:
        done = self.page.evaluate(RUN_ALL, 1000 * SECONDS)
        assert done is True, self.page.inner_text(".jp-Notebook")

    def save(self) -> None:
        self.page.evaluate(SAVE)

    def theme(self, name: str) -> None:
        self.page.evaluate(
            f"jupyterapp.commands.execute('apputils:change-theme', {{theme: '{name}'}})"
        )
        self.page.locator(f"[data-jp-theme-name='{name}']").wait_for(state="attached")
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")


@dataclass(frozen=True)
class Server:
    """Hold where a JupyterLab runs, and the folder of its notebooks."""

    address: str
    token: str
    folder: Path


@dataclass(frozen=True)
class Lab:
    """Hold a running JupyterLab and a browser."""

    server: Server
    browser: Browser

    @contextmanager
    def open(self, notebook: NotebookNode | Path) -> Iterator[Opened]:
        """Open a copy of a notebook, without running it, in a window that shows all its cells."""
        if isinstance(notebook, Path):
            notebook = nbformat.read(notebook, as_version=nbformat.NO_CONVERT)
        notebook.metadata.setdefault("kernelspec", PYTHON)  # or JupyterLab asks which one
        path = self.server.folder / f"{secrets.token_hex(4)}.ipynb"
        nbformat.write(notebook, path)
        with self.page() as page:
            page.goto(f"{self.server.address}/lab/tree/{path.name}?reset&token={self.server.token}")
            assert page.evaluate(READY, 1000 * SECONDS), page.inner_text("body")
            try:
                yield Opened(page, path)
            finally:
                page.evaluate(SHUT_DOWN)

    @contextmanager
    def page(self) -> Iterator[Page]:
        """Open an empty page, which fails the test where its scripts raise an error."""
        errors: list[object] = []
        page = self.browser.new_page(viewport={"width": 1200, "height": 5000})
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: errors.append(error))  # no built-in function here
        with page:
            yield page
        assert errors == []


@contextmanager
def jupyterlab(folder: Path) -> Iterator[Server]:
    """Start JupyterLab with settings of its own."""
    notebooks, log_file = folder / "notebooks", folder / "lab.log"
    private = {
        "IPYTHONDIR": folder / "ipython",
        "DIGITLAB_PROGRESS": folder / "progress.json",
        "JUPYTER_CONFIG_DIR": folder / "config",
        "JUPYTER_DATA_DIR": folder / "data",
        "JUPYTER_RUNTIME_DIR": folder / "runtime",
        "JUPYTERLAB_SETTINGS_DIR": folder / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": folder / "workspaces",
    }
    notebooks.mkdir()
    (folder / "config" / "labconfig").mkdir(parents=True)
    (folder / "config" / "labconfig" / "page_config.json").write_text(NO_NEWS)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex()
    own = (f"--ServerApp.port={port}", f"--IdentityProvider.token={token}")
    with (
        log_file.open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *SERVER_FLAGS, *own],
            cwd=notebooks,
            env={**os.environ, **{name: str(path) for name, path in private.items()}},
            stdout=log,
            stderr=log,
            start_new_session=True,
        ) as server,
    ):
        try:
            wait_for(port, server, log_file)
            yield Server(f"http://127.0.0.1:{port}", token, notebooks)
        finally:
            server.terminate()  # it ends its kernels
            with suppress(subprocess.TimeoutExpired):
                server.wait(20)
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)  # whatever is left


def wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server answers."""
    end = time.monotonic() + SECONDS
    while server.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"JupyterLab does not answer:\n{log.read_text()}")


@pytest.fixture(scope="session")
def chromium() -> str | None:
    """Return the path of the system's Chromium, else of the one that playwright fetched."""
    if found := shutil.which("chromium"):
        return found
    if find_spec("playwright") is None:
        return None
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


@pytest.fixture(scope="session")
def server(chromium: str | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    missing = [name for name in ("jupyterlab", "playwright") if find_spec(name) is None]
    missing += [] if chromium else ["chromium"]
    if missing:
        required = os.environ.get("DIGITLAB_BROWSER") == "required"
        (pytest.fail if required else pytest.skip)(f"not installed: {', '.join(missing)}")
    with jupyterlab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture(scope="module")  # while playwright runs, other tests cannot use asyncio
def lab(server: Server, chromium: str | None) -> Iterator[Lab]:
    from playwright.sync_api import sync_playwright

    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium, args=BROWSER_FLAGS) as browser,
    ):
        yield Lab(server, browser)
