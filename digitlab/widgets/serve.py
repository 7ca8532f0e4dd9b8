"""The drawing pad alone, as a web page on this machine."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import socket
import sys
import threading
import webbrowser
from datetime import UTC, datetime
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

from digitlab.files import hold, is_left

PREFIX, HELD = "digitlab-pad-", "held"  # of a server's folder, and the file that it locks there
HOST = "127.0.0.1"  # nobody else's machine reaches it
TITLE, CODE = "Draw a digit", "from digitlab.widgets.pad import DigitPad\n\nDigitPad()"
EXTENSIONS = [  # of JupyterLab and Voila; others do nothing here, or fail
    "@jupyter-widgets/jupyterlab-manager",
    "@voila-dashboards/widgets-manager8",
    "anywidget",
]
PATIENCE = 50  # tenths of a second
MOST = 4  # pages at once; each has a kernel of its own, of about 700 MB
SETTINGS = {
    # a page ends its kernel; one whose page never came, or was lost, is ended here, in seconds
    "MappingKernelManager": {"cull_idle_timeout": 300, "cull_interval": 10},
    "KernelManager": {"transport_encryption": "auto"},  # or each kernel warns
    "VoilaConfiguration": {
        "extension_allowlist": EXTENSIONS,
        "preheat_kernel": True,  # the page need not wait until one has imported torch
    },
}
# Voila's own template without its icons, which another machine would have to send, and with the
# landmark by which screen readers find what matters
TEMPLATE = """\
{%- extends "voila/templates/lab/index.html.j2" -%}
{%- import "spinner.macro.html.j2" as spinner -%}
{%- block notebook_css -%}
{{ resources.include_js("static/voila-style.js") }}
{{ spinner.css() }}
{{ super.super() }}
{%- endblock -%}
{%- block body_header -%}{{ super() }}<main>{%- endblock -%}
{%- block body_footer -%}</main>{{ super() }}{%- endblock -%}
"""

FULL = f"""\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{TITLE}</title></head><body><main>
<h1>{TITLE}</h1>
<p>The pad is open {MOST} times already. Close one of its pages, then load this one again.</p>
</main></body></html>
"""


def serve_pad(*, port: int = 8866, open_browser: bool = True) -> None:
    """Serve the pad until Ctrl-C, to those who know the token.

    Args:
        port: 0 for any that is free.
        open_browser: show the page as soon as it is ready.

    Raises:
        ValueError: where Voila is not installed, or the port is not free.
    """
    if find_spec("voila") is None:
        raise ValueError("Voila serves the pad and is not installed: pip install voila")
    from tornado.ioloop import IOLoop

    port, token = _free(port), secrets.token_hex()
    print("starting the pad", file=sys.stderr)
    _sweep()
    with (
        TemporaryDirectory(prefix=PREFIX) as folder,
        Path(folder, HELD).open("wb") as held,
    ):
        hold(held)
        app = _app(Path(folder), port, token)
        address = f"http://{HOST}:{port}/?token={token}"
        IOLoop.current().add_callback(_begin, app, address, open_browser)
        app.start()


def _sweep() -> None:
    """Delete the folders of servers that were killed."""
    for folder in Path(gettempdir()).glob(f"{PREFIX}*"):
        if is_left(folder / HELD):
            shutil.rmtree(folder, ignore_errors=True)


def _app(folder: Path, port: int, token: str) -> Any:
    """Return a Voila that serves one page, with the pad, out of a folder of its own."""
    import nbformat
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
    from traitlets.config import Config

    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    cells = [new_markdown_cell(f"# {TITLE}"), new_code_cell(CODE)]
    notebook = folder / f"{TITLE}.ipynb"
    nbformat.write(new_notebook(cells=cells, metadata=kernel), notebook)
    (folder / "index.html.j2").write_text(TEMPLATE, "utf-8")
    app = _server()(
        config=Config(SETTINGS),
        config_file_paths=[],  # nobody's settings change ours
        connection_dir_root=str(folder),
        notebook_path=str(notebook),
        ip=HOST,
        port=port,
        port_retries=0,
        token=token,
        open_browser=False,  # it would open the page without the token
        log_level="CRITICAL",
        tornado_settings={"ws_ping_timeout": 30_000},  # ms; Voila's is too long for tornado
    )
    app.initialize([])
    app.template_paths.insert(0, str(folder))
    return app


def _server() -> Any:
    """Return the class of a Voila whose page goes to so many at once, and ends its kernel."""
    from tornado.web import authenticated
    from voila.app import Voila
    from voila.tornado.handler import TornadoVoilaHandler

    class Page(TornadoVoilaHandler):
        @authenticated
        async def get(self, path: str | None = None) -> None:
            kernels = self.kernel_manager
            for _ in range(PATIENCE):  # a page that is loaded anew still ends its kernel
                if len(kernels.list_kernel_ids()) <= MOST:  # with the one that waits for a page
                    break
                await asyncio.sleep(0.1)
            else:
                self.set_status(503)
                await self.finish(FULL)
                return
            for task in filter(asyncio.Task.done, chain(*kernels._pools.values())):
                kernels.get_kernel(task.result()["kernel_id"]).last_activity = datetime.now(UTC)
            self.xsrf_token  # noqa: B018 - the cookie without which a page may not end its kernel
            await super().get(path)

    class Server(Voila):
        def init_handlers(self) -> list[Any]:
            *others, (address, _, settings) = super().init_handlers()
            return [*others, (address, Page, settings)]

    return Server


async def _begin(app: Any, address: str, open_browser: bool) -> None:
    """Tell the address once a kernel is ready, so that the page comes at once."""
    running = asyncio.get_running_loop()

    def end(*_: object) -> None:
        running.call_soon_threadsafe(app.ioloop.add_callback, _end, app)

    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, end)
    await _kernels(app)
    print(f"the pad is at {address} (Ctrl-C ends it)", file=sys.stderr, flush=True)
    if open_browser:
        threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()


async def _end(app: Any) -> None:
    try:
        await _kernels(app)  # one that still starts cannot be ended
        await app.kernel_manager.shutdown_all(now=True)
    finally:
        app.ioloop.stop()


async def _kernels(app: Any) -> None:
    """Wait for the kernels that start ahead of the pages that will need them."""
    for pool in app.kernel_manager._pools.values():
        for kernel in list(pool):
            await (await kernel)["task"]


def _free(port: int) -> int:
    """Return the port where it is free; for 0, one that is."""
    with socket.socket() as trial:
        if os.name == "posix":  # there, a port that was closed a moment ago is free for a server
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, port))
        except (OSError, OverflowError):
            raise ValueError(
                f"port {port} is not free; name another one, from 1024 to 65535, with --port"
            ) from None
        return trial.getsockname()[1]
