"""Find out why digitlab does not work here, and say what cures it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Any

from digitlab import idx

OLDEST_PYTHON = (3, 11)
LIBRARIES = {"PIL", "digitlab", "matplotlib", "numpy", "platformdirs", "scipy", "sklearn", "torch"}
SHADOWING = (sys.stdlib_module_names | LIBRARIES | {"torchvision", "tqdm"}) - {"test"}


@dataclass(frozen=True)
class Check:
    """Hold what was looked at, whether it is well, what was found, and what cures it."""

    name: str
    ok: bool
    found: str
    cure: str = ""


def _python() -> str:
    if sys.version_info < OLDEST_PYTHON:
        raise ValueError(f"this is Python {platform.python_version()}")
    return f"{platform.python_version()} on {platform.system()} {platform.machine()}"


def _torch() -> str:
    import torch
    import torchvision

    torchvision.ops.nms(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.ones(1), 0.5)  # compiled code
    device = "an accelerator" if torch.accelerator.is_available() else "no accelerator"
    threads = torch.get_num_threads()
    return f"{torch.__version__} with {torchvision.__version__}, {device}, {threads} threads"


def _data() -> str:
    chosen = os.environ.get("DIGITLAB_DIGITS") or "auto"
    name = "mnist" if chosen == "auto" else chosen
    if name == "optdigits":
        return "optdigits, as DIGITLAB_DIGITS says"
    found = idx.find(name)
    if found is None:
        instead = "optdigits, inside scikit-learn; " if chosen == "auto" else ""
        return f"{instead}{name} is not here, load() tries to download it"
    return f"{name}, from {found.kind}, {len(idx.read_all(name, found))} files verified"


def _writing() -> str:
    for folder in (Path.cwd(), idx.cache_folder()):
        while not folder.exists():  # made when it is needed
            folder = folder.parent
        with tempfile.TemporaryFile(dir=folder):
            pass
    return "this folder and the user's cache"


def _widgets() -> str:
    from jupyter_core.paths import jupyter_path

    versions = {
        name: metadata.version(name) for name in ("ipywidgets", "jupyterlab_widgets", "anywidget")
    }
    text = ", ".join(f"{name} {version}" for name, version in versions.items())
    majors = versions["ipywidgets"].split(".")[0], versions["jupyterlab_widgets"].split(".")[0]
    if majors != ("8", "3"):
        raise ValueError(f"{text}: JupyterLab 4 needs ipywidgets 8 with jupyterlab_widgets 3")
    for extension in ("@jupyter-widgets/jupyterlab-manager", "anywidget"):
        if not any(Path(place, extension).is_dir() for place in jupyter_path("labextensions")):
            raise ValueError(f"{text}, but JupyterLab does not see the extension {extension}")
    return text


def _graphviz() -> str:
    if shutil.which("dot"):
        return "the program dot"
    if util.find_spec("pygraphviz"):
        return "the one inside pygraphviz"
    raise ValueError("neither the program dot nor pygraphviz")


def _kernel() -> str:
    from jupyter_client.kernelspec import KernelSpecManager

    program = Path(KernelSpecManager().get_kernel_spec("python3").argv[0])
    here = Path(sys.executable)
    if program.is_absolute() and program.parent != here.parent:
        raise ValueError(f"the kernel python3 starts another Python: {program}")
    return f"python3 starts this Python, ipykernel {metadata.version('ipykernel')}"


def _names() -> str:
    folders = (Path.cwd(), Path.cwd() / "notebooks")
    hiding = sorted(
        path.name for folder in folders for path in folder.glob("*.py") if path.stem in SHADOWING
    )
    if hiding:
        raise ValueError(f"a module would be hidden by {', '.join(hiding)}")
    return "no file here hides a module"


CHECKS: dict[str, tuple[Callable[[], str], str]] = {
    "Python": (_python, "install Python 3.11 or newer, then make a new environment with it"),
    "torch": (
        _torch,
        "install both together: "
        "python -m pip install --force-reinstall torch torchvision -c constraints.txt",
    ),
    "data": (
        _data,
        "delete what is damaged, or let DIGITLAB_DATA name a folder with all four MNIST files",
    ),
    "writing": (_writing, "work in a folder of your own that has free space"),
    "widgets": (_widgets, 'python -m pip install --force-reinstall "ipywidgets>=8" anywidget'),
    "Graphviz": (_graphviz, "python -m pip install pygraphviz"),
    "kernel": (
        _kernel,
        "python -m pip install ipykernel; if another kernel comes first: "
        "python -m jupyter kernelspec remove python3",
    ),
    "names": (_names, "rename the file, and delete the folder __pycache__ beside it"),
}


def run_checks() -> list[Check]:
    """Look at everything that digitlab needs; nothing is downloaded and nothing changed."""
    return [_run(name, look, cure) for name, (look, cure) in CHECKS.items()]


def _run(name: str, look: Callable[[], str], cure: str) -> Check:
    try:
        return Check(name, True, _without_paths(look()))
    except Exception as error:  # whatever is broken, the other checks go on
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        return Check(name, False, _without_paths(f"{kind}{error}"), cure)


def _without_paths(text: str) -> str:
    """Return one line that tells nothing about who works here and where."""
    for place, name in ((os.getcwd(), "."), (str(Path.home()), "~")):
        text = text.replace(place, name) if len(place) > 1 else text
    text = re.sub(r"(?<![\w~.])([A-Za-z]:)?([/\\][\w.+@-]+)+", "<path>", text)
    return " ".join(text.split())


def text(checks: Sequence[Check]) -> str:
    """Return the checks line by line with the cures, and the block for a bug report."""
    lines = []
    for check in checks:
        lines.append(f"{'ok  ' if check.ok else 'FAIL'}  {check.name:<8}  {check.found}")
        if not check.ok:
            lines.append(f"{'':16}cure: {check.cure}")
    return "\n".join([*lines, "", "for a bug report (no names, no paths):", "", report(checks)])


def report(checks: Sequence[Check]) -> str:
    """Return a Markdown block that is safe to paste in public."""
    versions = ", ".join(f"{name} {_version(name)}" for name in ("digitlab", *_needed()))
    lines = [f"{c.name}: {'ok' if c.ok else 'FAIL'}, {c.found}" for c in checks]
    return "\n".join(["```", *lines, f"versions: {versions}", "```"])


def to_dict(checks: Sequence[Check]) -> dict[str, Any]:
    """Return plain values: `ok`, and `checks` with `name, ok, found, cure` each."""
    return {"ok": all(c.ok for c in checks), "checks": [asdict(check) for check in checks]}


def _needed() -> list[str]:
    """Return what digitlab asks for, by name; the most important where it is not installed."""
    try:
        lines = metadata.requires("digitlab") or []
    except metadata.PackageNotFoundError:
        return ["torch", "torchvision", "numpy"]
    return [re.split(r"[^\w-]", line)[0] for line in lines]


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
