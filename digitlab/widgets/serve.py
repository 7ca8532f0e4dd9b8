"""The drawing pad alone, as a web page on this machine."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import sys
import threading
import webbrowser
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

HOST = "127.0.0.1"  # nobody else's machine reaches it
PAGE = new_notebook(
    cells=[
        new_markdown_cell("# Draw a digit"),
        new_code_cell("from digitlab.widgets.pad import DigitPad\n\nDigitPad()"),
    ],
    metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
)
EXTENSIONS = [  # of JupyterLab and Voila; others do nothing here, or fail
    "@jupyter-widgets/jupyterlab-manager",
    "@voila-dashboards/widgets-manager8",
    "anywidget",
]
SETTINGS = {
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
    port = _free(port)
    from tornado.ioloop import IOLoop
    from traitlets.config import Config
    from voila.app import Voila

    token = secrets.token_hex()
    address = f"http://{HOST}:{port}/?token={token}"
    loop = IOLoop.current()

    async def wait_for_kernels() -> None:
        for pool in app.kernel_manager._pools.values():
            for kernel in list(pool):
                await (await kernel)["task"]

    async def begin() -> None:
        running = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda *_: running.call_soon_threadsafe(loop.add_callback, end))
        await wait_for_kernels()  # so that the page comes at once
        print(f"the pad is at {address} (Ctrl-C ends it)", file=sys.stderr, flush=True)
        if open_browser:
            threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()

    async def end() -> None:
        try:
            await wait_for_kernels()  # one that still starts cannot be ended
            await app.kernel_manager.shutdown_all(now=True)
        finally:
            loop.stop()

    print("starting the pad", file=sys.stderr)
    with TemporaryDirectory(prefix="digitlab-") as folder:
        notebook = Path(folder) / "Draw a digit.ipynb"
        nbformat.write(PAGE, notebook)
        (Path(folder) / "index.html.j2").write_text(TEMPLATE, "utf-8")
        app = Voila(
            config=Config(SETTINGS),
            config_file_paths=[],  # nobody's settings change ours
            connection_dir_root=folder,
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
        app.template_paths.insert(0, folder)
        loop.add_callback(begin)
        app.start()


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
