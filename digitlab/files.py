"""Files that are whole or not there: written beside their place, and moved into it."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

PathLike = str | os.PathLike[str]


@contextmanager
def written(path: PathLike) -> Iterator[IO[bytes]]:
    """Open a new file that takes the place of `path` once all is written.

    What else happens, a kill too, leaves what was there; what a kill leaves beside it goes when the
    next one is written. A link stays a link, and a file keeps its mode.

    Raises:
        ValueError: where no file can be written.
    """
    place = place_for(path)
    part = _part(place)
    try:
        with writing(path), _opened(part) as file:
            yield file
            file.flush()
            if place.exists():
                shutil.copymode(place, part)
            if sys.platform == "win32":
                file.close()  # an open file cannot be moved there
            os.replace(part, place)  # still locked, so that nobody sweeps it
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def writing(path: PathLike) -> Iterator[None]:
    """Say in one sentence why a file could not be written.

    Raises:
        ValueError: in place of what the system says.
    """
    try:
        yield
    except OSError as error:
        raise _unwritable(path, error) from None


def place_for(path: PathLike) -> Path:
    """Return where a file can be written, behind a link if it is one, and make its folder.

    What killed processes left beside it goes.

    Raises:
        ValueError: where none can be: by its name, its folder or its mode.
    """
    try:
        if not os.fspath(path):
            raise OSError(0, "it has no name")
        place = Path(path).expanduser().resolve()
        if os.fspath(path).endswith(("/", os.sep)) or (place.exists() and not place.is_file()):
            raise OSError(0, "that is a folder or a device")
        if place.exists() and not place.stat().st_mode & 0o222:
            raise OSError(0, "it is write-protected")
        place.parent.mkdir(parents=True, exist_ok=True)
        _sweep(place)
        _part(place).open("ab").close()
        _part(place).unlink(missing_ok=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise _unwritable(path, error) from None
    return place


def hold(file: IO[bytes]) -> bool:
    """Lock an open file until it is closed, or its process ends; False where another has it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            at = file.tell()
            file.seek(1 << 30)  # a byte that nobody reads or writes
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            file.seek(at)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def is_left(path: Path) -> bool:
    """Say whether the process that held a file is gone."""
    with suppress(OSError), path.open("rb+") as file:
        return hold(file)
    return False


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.{threading.get_native_id()}.part")


def _opened(part: Path) -> IO[bytes]:
    """Open a new file and lock it; another process may sweep it before it is locked."""
    while True:
        file = part.open("wb")
        if hold(file) and part.exists() and os.path.samestat(os.fstat(file.fileno()), part.stat()):
            return file
        file.close()


def _sweep(path: Path) -> None:
    """Delete what killed processes left beside a file."""
    begin = f"{path.name}."
    for part in path.parent.glob("*.part"):
        number = part.name.removeprefix(begin).removesuffix(".part")
        if part.name.startswith(begin) and number.isdecimal():
            with suppress(OSError), part.open("rb+") as file:
                if hold(file):
                    _unlink(part, file)


def _unlink(part: Path, file: IO[bytes]) -> None:
    """Delete a locked file, before another process can lock it where the system allows that."""
    if sys.platform == "win32":
        file.close()
    part.unlink(missing_ok=True)


def _unwritable(path: PathLike, error: Exception) -> ValueError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return ValueError(f"{os.fspath(path)!r} cannot be written ({reason}); name another file")
