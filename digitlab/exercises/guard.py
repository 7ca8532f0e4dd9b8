"""Run what a learner wrote so that nothing it does ends the notebook."""

from __future__ import annotations

import builtins
import contextlib
import ctypes
import io
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np
import torch

from digitlab.inference import threads

SECONDS = 3.0
MEMORY = 1 << 30  # bytes more than the notebook has
PRINTED = 10_000  # characters
AGAIN = 0.01  # seconds after which a run that caught its end is ended again


@dataclass(frozen=True)
class Outcome:
    """Hold what a run returned, or one sentence on why it did not come to its end.

    Attributes:
        error: the type of what was raised, or None.
        printed: the beginning of what it printed.
    """

    value: Any = None
    problem: str = ""
    error: type[BaseException] | None = None
    printed: str = ""

    @property
    def stopped(self) -> bool:
        """Whether it took too much: of time, memory, text, or the notebook itself."""
        stops = _TooLongError, _FloodError, _ExitError, SystemExit, MemoryError, RecursionError
        return self.error is not None and issubclass(self.error, stops)


class _TooLongError(BaseException):
    """No `except Exception` of the learner catches it."""


class _FloodError(BaseException):
    pass


class _ExitError(BaseException):
    pass


class _Short(io.StringIO):
    def write(self, text: str) -> int:
        if self.tell() + len(text) > PRINTED:
            raise _FloodError
        return super().write(text)


def attempt(run: Callable[[], Any], *, seconds: float = SECONDS) -> Outcome:
    """Call a learner's function; whatever it does, an answer comes soon after `seconds`.

    The global random numbers of torch and NumPy begin anew at each call, and go on after it as if
    nothing had been drawn.
    """
    said = _Short()
    try:
        with (
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
            warnings.catch_warnings(),
            _seeded(),
            threads(1),  # of small tensors, more would wait for each other
            _no_exit(),
            _memory(MEMORY),
            _clock(seconds),
        ):
            warnings.simplefilter("ignore")
            value = run()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return Outcome(None, _explained(error, seconds), type(error), said.getvalue()[:500])
    return Outcome(value, printed=said.getvalue()[:500])


ENDS: dict[type[BaseException] | tuple[type[BaseException], ...], str] = {
    _TooLongError: "it was not done after {seconds:.0f} seconds and was stopped; "
    "does a loop never end?",
    _FloodError: f"it printed more than {PRINTED} characters and was stopped; print less",
    (_ExitError, SystemExit): "it called exit(), which would end the notebook; "
    "return the answer instead",
    RecursionError: "it calls itself without end; which call should be the last?",
    MemoryError: "it asked for more than 1 GB of memory; is a shape far too large?",
}


def _explained(error: BaseException, seconds: float) -> str:
    """Return one sentence that helps."""
    for kinds, sentence in ENDS.items():
        if isinstance(error, kinds):
            return sentence.format(seconds=seconds)
    if "allocate memory" in str(error):
        return ENDS[MemoryError]
    if isinstance(error, NameError) and "____" in str(error):
        return "a blank ____ is not filled in yet"
    text = str(error).strip().partition("\n")[0]
    text = text if len(text) <= 200 else f"{text[:197]}..."
    return f"it stopped{_line(error)} with {type(error).__name__}{': ' if text else ''}{text}"


def _line(error: BaseException) -> str:
    """Return where in the learner's code an error arose, as far as it is known."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "ipykernel" in f.filename or f.filename.startswith("<")]
    return f" in the line `{own[-1].line}`" if own and own[-1].line else ""


@contextlib.contextmanager
def _seeded() -> Iterator[None]:
    state = np.random.get_state()  # noqa: NPY002 (what learners use)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002


@contextlib.contextmanager
def _no_exit() -> Iterator[None]:
    """Make exit, quit and input raise, those that IPython puts into a notebook, too."""

    def leave(*_: object) -> None:
        raise _ExitError

    def ask(*_: object) -> None:
        raise RuntimeError("nobody answers input() in a check; take what you need as an argument")

    with contextlib.ExitStack() as patches:
        for module in (sys.modules["__main__"], builtins):
            for name, instead in {"exit": leave, "quit": leave, "input": ask}.items():
                if hasattr(module, name):
                    patches.enter_context(mock.patch.object(module, name, instead))
        yield


@contextlib.contextmanager
def _memory(n_bytes: int) -> Iterator[None]:
    """Let this process have so many bytes more, where the system can limit it (Linux)."""
    if sys.platform != "linux":
        yield
        return
    import resource

    with open("/proc/self/statm", encoding="ascii") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = now + n_bytes
    if soft != resource.RLIM_INFINITY:
        most = min(most, soft)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextlib.contextmanager
def _clock(seconds: float) -> Iterator[None]:
    """Raise in this thread after so many seconds, and again until it ends."""
    main = threading.current_thread() is threading.main_thread()
    with _alarm(seconds) if main and hasattr(signal, "setitimer") else _watchdog(seconds):
        yield


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def ring(*_: object) -> None:
        raise _TooLongError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _watchdog(seconds: float) -> Iterator[None]:
    """Do the same where no signal can, as on Windows; it waits for a call into C to return."""
    ended, ident = threading.Event(), threading.get_ident()

    def bark() -> None:
        if not ended.wait(seconds):
            stop = ctypes.py_object(_TooLongError)
            while not ended.is_set():
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), stop)
                ended.wait(AGAIN)

    dog = threading.Thread(target=bark, daemon=True)
    dog.start()
    try:
        yield
    finally:
        ended.set()
        dog.join()
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), None)
