"""MNIST's files: the IDX format, where they are looked for, what they must hold, downloading."""

from __future__ import annotations

import errno
import gzip
import hashlib
import math
import os
import struct
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digitlab.names import Registry

if TYPE_CHECKING:  # the command line takes its names from here, and does without NumPy
    import numpy as np

FILES = {  # what a data set in MNIST's format consists of, with the shapes
    "train-images-idx3-ubyte": (60_000, 28, 28),
    "train-labels-idx1-ubyte": (60_000,),
    "t10k-images-idx3-ubyte": (10_000, 28, 28),
    "t10k-labels-idx1-ubyte": (10_000,),
}
WRITERS_FILE = "qmnist-train-labels-idx2-int"
WRITERS_SHAPE = (60_000, 8)
WRITER_COLUMN = 2  # class, series, writer, ...
DOWNLOAD_SECONDS = 300  # for one file; a rerun goes on with the next
TIMEOUTS = (5, 20)  # seconds until a mirror answers, and between two bytes


@dataclass(frozen=True)
class Source:
    """Say where a data set in MNIST's format comes from and how its files are recognised."""

    title: str
    torchvision: str  # the class whose `mirrors` and `resources` hold addresses and MD5 sums
    folders: tuple[str, ...]  # below a data folder
    licence: str
    sha256: dict[str, str]  # of the uncompressed bytes


SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    WRITERS_FILE: "bb1b6e1ec7b04fd5696f1ed50b5f58f8ef195118edd5c93c81783df9740b8ac5",
}
SOURCES = Registry(
    "data set",
    {
        "mnist": Source(
            "MNIST",
            "MNIST",
            ("", "mnist", "MNIST/raw"),
            "CC BY-SA 3.0, as Keras and others state it; its authors' page named no licence",
            SHA256,
        ),
        "fashion": Source(
            "Fashion-MNIST", "FashionMNIST", ("fashion", "FashionMNIST/raw"), "MIT", {}
        ),
        "kmnist": Source("KMNIST", "KMNIST", ("kmnist", "KMNIST/raw"), "CC BY-SA 4.0", {}),
    },
)
NAMES = ("auto", "optdigits", *SOURCES)  # what `load` takes
SPLITS = ("digit", "writer")


class DamagedFileError(ValueError):
    """A data file that is there and does not hold what it should."""


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a file in the IDX format, plain or gzipped.

    The format: two zero bytes, a type code (8 for uint8, 12 for int32), the number of dimensions,
    each dimension as a big-endian int32, then the values.

    Returns:
        uint8 or int32, in the shape that the file states.

    Raises:
        DamagedFileError: for a file that is truncated, corrupted, unreadable or not IDX at all.

    Source: LeCun et al., "The MNIST database of handwritten digits".
    """
    return _parse_idx(_uncompressed(Path(path)), Path(path).name)


def _uncompressed(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DamagedFileError(
            f"{path.name} is truncated or corrupted ({error}); delete it and get it anew"
        ) from None
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DamagedFileError(
            f"{path.name} cannot be read ({error.strerror}); give yourself the permission to read "
            "it, or get it anew"
        ) from None


def _parse_idx(content: bytes, name: str) -> np.ndarray:
    import numpy as np

    types: dict[int, np.dtype[Any]] = {8: np.dtype(np.uint8), 12: np.dtype(">i4")}
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in types:
        raise DamagedFileError(
            f"{name} is not an IDX file: it should begin with 0, 0, then 8 or 12, "
            f"but it begins with {list(content[:4])}; delete it and get it anew"
        )
    dtype, start = types[content[2]], 4 + 4 * content[3]
    if len(content) < start:
        raise DamagedFileError(
            f"{name} should hold {start} bytes or more for its {content[3]} dimensions, but it "
            f"holds {len(content)}; delete it and get it anew"
        )
    shape = struct.unpack_from(f">{content[3]}I", content, 4)
    expected = start + dtype.itemsize * math.prod(shape)
    if len(content) != expected:
        raise DamagedFileError(
            f"{name} should hold {expected} bytes for its shape {shape}, but it holds "
            f"{len(content)}; delete it and get it anew"
        )
    values = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return values.astype(dtype.newbyteorder("="))  # a copy that may be written to


def read_verified(path: Path, name: str, shape: tuple[int, ...], sha256: str | None) -> np.ndarray:
    """Read an IDX file and compare shape and SHA-256 with what it must hold.

    Raises:
        DamagedFileError: naming the file, what was expected, and what to do.
    """
    content = _uncompressed(path)
    values = _parse_idx(content, path.name)
    if values.shape != shape:
        raise DamagedFileError(
            f"{path.name} should have the shape {shape}, but it has {values.shape}, as if another "
            f"file lay under this name; put {name} in its place"
        )
    found = hashlib.sha256(content).hexdigest()
    if sha256 and found != sha256:
        raise DamagedFileError(
            f"{path.name} has the right form but other bytes than the published {name} "
            f"(SHA-256 {found[:12]}, expected {sha256[:12]}); delete it and get it anew"
        )
    return values


# --- Where the files are ------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """Say where the files of a data set lie; `kind` names the place without the machine's path."""

    kind: str
    paths: dict[str, Path]


def cache_folder() -> Path:
    """Return the user's cache folder, where downloads go."""
    import pooch

    return Path(pooch.os_cache("digitlab"))


def _places(folder: str | os.PathLike[str] | None) -> Iterator[tuple[str, Path]]:
    if folder is not None:
        yield "folder", _existing(Path(folder).expanduser(), "folder")
    if from_environment := os.environ.get("DIGITLAB_DATA"):
        yield "$DIGITLAB_DATA", _existing(Path(from_environment).expanduser(), "DIGITLAB_DATA")
    here = Path.cwd()
    for parent in (here, *here.parents):
        yield "data/", parent / "data"
    yield "cache", cache_folder()


def _existing(folder: Path, origin: str) -> Path:
    if not folder.is_dir():
        raise ValueError(f"{origin} names {str(folder)!r}, which is not a folder; correct it")
    return folder


def _with_or_without_gz(folder: Path, name: str) -> Path | None:
    candidates = (folder / name, folder / f"{name}.gz")
    return next((path for path in candidates if path.is_file()), None)


def find(name: str, folder: str | os.PathLike[str] | None = None) -> Found | None:
    """Look for the four files of a data set; None where there are none.

    Raises:
        ValueError: for a folder that does not exist, or one that holds only some of the files.
    """
    source = SOURCES[name]
    for kind, place in _places(folder):
        for below in source.folders:
            paths = {file: _with_or_without_gz(place / below, file) for file in FILES}
            missing = [file for file, path in paths.items() if path is None]
            if not missing:
                return Found(kind, {file: path for file, path in paths.items() if path})
            if len(missing) < len(FILES) and kind != "cache":  # a download goes on there
                raise ValueError(
                    f"only some of {source.title}'s files are there ({kind}), and "
                    f"{', '.join(missing)} not; add what is missing, or remove the others"
                )
    return None


def writers_path(found: Found) -> Path | None:
    """Return QMNIST's label file where it lies beside the MNIST files."""
    return _with_or_without_gz(next(iter(found.paths.values())).parent, WRITERS_FILE)


def read_all(name: str, found: Found) -> dict[str, np.ndarray]:
    """Read and verify the four files."""
    sha256 = SOURCES[name].sha256
    return {
        file: read_verified(found.paths[file], file, shape, sha256.get(file))
        for file, shape in FILES.items()
    }


# --- Downloading --------------------------------------------------------------------------------


def download(name: str) -> Found:
    """Download the files that are not yet in the user's cache.

    Each is written beside its place, compared with the published MD5 sum, and moved when whole.

    Raises:
        OSError: where no mirror delivers them in time.
    """
    import pooch
    import torchvision.datasets

    pooch.get_logger().setLevel("WARNING")  # it would print the path of the cache

    source = SOURCES[name]
    data_set = getattr(torchvision.datasets, source.torchvision)
    folder = cache_folder() / name
    paths = {}
    for file, md5 in data_set.resources:
        paths[file.removesuffix(".gz")] = _download_one(data_set.mirrors, file, md5, folder)
    return Found("cache", paths)


def _download_one(mirrors: list[str], file: str, md5: str, folder: Path) -> Path:
    import pooch

    problems = []
    for mirror in mirrors:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return Path(pooch.retrieve(mirror + file, f"md5:{md5}", file, folder, None, _fetch))
        except OSError as error:  # whatever requests raises is one, too
            response = getattr(error, "response", None)
            status = "" if response is None else f"status {response.status_code}"
            problem = status or error.strerror or type(error).__name__
        except ValueError:
            problem = "other bytes than the published ones"
        problems.append(f"{mirror}: {problem}")
    raise OSError(
        f"{file} could not be downloaded ({'; '.join(problems)}); try again with a network, or set "
        "DIGITLAB_DATA to a folder with the data set's files"
    )


def _fetch(url: str, target: str, _: object) -> None:
    """Write what an address holds to a file; end a download that drags on, which pooch does not."""
    import requests

    print(f"downloading {url}", file=sys.stderr)
    end = time.monotonic() + DOWNLOAD_SECONDS
    headers = {"Accept-Encoding": "identity"}  # the MD5 sum is that of the bytes as they are kept
    with (
        requests.get(url, headers=headers, stream=True, timeout=TIMEOUTS) as response,
        open(target, "wb") as file,
    ):
        response.raise_for_status()
        for part in response.iter_content(64):  # few bytes, to look at the clock often
            file.write(part)
            if time.monotonic() > end:
                late = f"it took more than {DOWNLOAD_SECONDS} seconds"
                raise TimeoutError(errno.ETIMEDOUT, late)
