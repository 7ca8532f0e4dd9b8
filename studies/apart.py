"""Work in a process of its own, which may be killed, hang, crash or be short of memory."""

from __future__ import annotations

import os
import resource
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

SECONDS, BYTES = 10, 10**9  # of the processor and of memory, what one file may take
WAIT = 120  # seconds, for what does nothing at all
ROOM = 4 * BYTES  # so that what asks for more can be seen, and harms nobody


def memory() -> Path:
    """Return a folder in memory where the system has one."""
    shared = Path("/dev/shm")
    return shared if os.access(shared, os.W_OK) else Path(tempfile.gettempdir())


@contextmanager
def child(work: Callable[[], object]) -> Iterator[int]:
    """Do a work in a copy of this process, which is killed when the block ends."""
    number = os.fork()
    if not number:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    try:
        yield number
    finally:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(number, 0)


def watched(work: Callable[[int], str], numbers: Sequence[int]) -> Iterator[tuple[int, str]]:
    """Do a work for each number apart; yield what it returned, or how its process ended."""
    left = list(numbers)
    while left:
        reads, writes = os.pipe()

        def some(writes: int = writes, left: Sequence[int] = tuple(left)) -> None:
            _each(work, left, writes)

        with child(some) as process:
            os.close(writes)
            with open(reads, encoding="utf-8") as lines:
                for line in lines:
                    yield left.pop(0), line.rstrip("\n")
            _, status = os.waitpid(process, 0)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status):
            raise RuntimeError("the process that reads for us has failed, see above")
        if left and os.WIFSIGNALED(status):
            name = signal.Signals(os.WTERMSIG(status)).name
            late = name in ("SIGALRM", "SIGPROF")
            yield left.pop(0), f"above {SECONDS} s" if late else f"crash: {name}"


def _each(work: Callable[[int], str], numbers: Sequence[int], writes: int) -> None:
    """Write one line for each number; end after the one that took too much memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + ROOM
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    before, terminal = _peak(), os.dup(2)
    with tempfile.TemporaryFile(dir=memory()) as said:
        os.dup2(said.fileno(), 2)
        try:
            for number in numbers:
                length = os.fstat(2).st_size
                signal.setitimer(
                    signal.ITIMER_PROF, SECONDS
                )  # a decoder cannot be stopped otherwise
                signal.alarm(WAIT)
                found = work(number)
                signal.alarm(0)
                signal.setitimer(signal.ITIMER_PROF, 0)
                if os.fstat(2).st_size > length:
                    found = "words on the terminal"
                too_much = _peak() - before > BYTES
                line = "above 1 GB" if too_much else found
                os.write(writes, f"{line}\n".encode())
                if too_much:
                    return
        finally:
            os.dup2(terminal, 2)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
