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
from typing import TYPE_CHECKING, Any, BinaryIO

from digitlab.files import written
from digitlab.formats import (
    CONTAINERS,
    MOST_BYTES,
    Container,
    DamagedFileError,
    at_most,
    shown,
)
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
    # of all digits in any order: the sorted rows of 784 pixels and the label
    "train": "386a0fff07efe9ae3f934853780556ca1fe630371d4964508a3e3256c2063b0e",
    "t10k": "292a2c8e9008782f6c6c94df46012a17c808c2666413d175e62502bbcf68dd61",
}
SOURCES = Registry(
    "data set",
    {
        "mnist": Source(
            "MNIST",
            "MNIST",
            ("", "mnist", "MNIST/raw", "MNIST/processed", "MNIST_data", "mnist_png", "data"),
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
    return _read(Path(path))[0]


def _read(path: Path, wanted: tuple[int, ...] | None = None) -> tuple[np.ndarray, str]:
    """Return the values and the SHA-256 of the uncompressed bytes."""
    if path.is_dir():
        raise DamagedFileError(f"{path.name!r} is a folder; name a file in it")
    try:
        with open(path, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else open(path, "rb") as content:
            return _values(content, path.name, wanted)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DamagedFileError(
            f"{path.name} is truncated or corrupted ({error}); delete it and fetch it again"
        ) from None
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DamagedFileError(
            f"{path.name} cannot be read ({error.strerror}); give yourself the permission to read "
            "it, or fetch it again"
        ) from None


def _values(
    content: BinaryIO | gzip.GzipFile, name: str, wanted: tuple[int, ...] | None
) -> tuple[np.ndarray, str]:
    """Read what the header says, and one byte more: a small file may unpack to a huge one."""
    import numpy as np

    head, dtype, shape = _header(content, name)
    if wanted is not None and shape != wanted:
        raise DamagedFileError(
            f"{name} should have the shape {wanted}, but it has {shape}, as if another file lay "
            "under this name; put the right one in its place"
        )
    n = dtype.itemsize * math.prod(shape)
    body = at_most(n + 1, content)
    if len(body) != n:
        raise DamagedFileError(
            f"{name} should hold {len(head) + n} bytes for its shape {shape}, but it holds "
            f"{len(head) + len(body)}{' or more' if len(body) > n else ''}; delete it and fetch it "
            "again"
        )
    try:
        values = np.frombuffer(body, dtype).reshape(shape)
    except ValueError:
        raise DamagedFileError(
            f"{name} should hold an array of at most 64 dimensions, but its header states "
            f"{len(shape)}: {str(shape)[:60]}; delete it and fetch it again"
        ) from None
    sha256 = hashlib.sha256(head)
    sha256.update(body)
    return values.astype(dtype.newbyteorder("="), copy=False), sha256.hexdigest()


def _header(
    content: BinaryIO | gzip.GzipFile, name: str
) -> tuple[bytes, np.dtype[Any], tuple[int, ...]]:
    import numpy as np

    head = content.read(4)
    types: dict[int, np.dtype[Any]] = {8: np.dtype(np.uint8), 12: np.dtype(">i4")}
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in types:
        raise DamagedFileError(
            f"{name} is not an IDX file: it should begin with 0, 0, then 8 or 12, "
            f"but it begins with {list(head)}; delete it and fetch it again"
        )
    start = 4 + 4 * head[3]
    sizes = content.read(start - 4)
    if len(sizes) < start - 4:
        raise DamagedFileError(
            f"{name} should hold {start} bytes or more for its {head[3]} dimensions, but it "
            f"holds {4 + len(sizes)}; delete it and fetch it again"
        )
    shape = struct.unpack(f">{head[3]}I", sizes)
    if math.prod(shape) >= 2**48:
        raise DamagedFileError(
            f"{name} should hold more bytes than disks have for its shape {str(shape)[:60]}; "
            "delete it and fetch it again"
        )
    return head + sizes, types[head[2]], shape


def read_verified(path: Path, name: str, shape: tuple[int, ...], sha256: str | None) -> np.ndarray:
    """Read an IDX file and compare shape and SHA-256 with what it must hold.

    Raises:
        DamagedFileError: naming the file, what was expected, and what to do.
    """
    values, found = _read(path, shape)
    if sha256 and found != sha256:
        raise DamagedFileError(
            f"{path.name} has the right form but other bytes than the published {name} "
            f"(SHA-256 {found[:12]}, expected {sha256[:12]}); delete it and fetch it again"
        )
    return values


# --- Where the files are ------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """Say where a data set lies; `kind` names the place without the machine's path.

    `paths` has the four IDX files, or what holds "train" and "t10k" in another container.
    """

    kind: str
    paths: dict[str, Path]
    container: Container | None = None


def cache_folder() -> Path:
    """Return the user's cache folder, where downloads go."""
    from platformdirs import user_cache_path

    return user_cache_path("digitlab")


def _places(folder: str | os.PathLike[str] | None) -> Iterator[tuple[str, Path]]:
    if folder is not None:
        yield "folder", _existing(folder, "folder")
    if from_environment := os.environ.get("DIGITLAB_DATA"):
        yield "$DIGITLAB_DATA", _existing(from_environment, "DIGITLAB_DATA")
    here = Path.cwd()
    for parent in (here, *here.parents):
        yield "data/", parent / "data"
    yield "cache", cache_folder()


def _existing(folder: str | os.PathLike[str], origin: str) -> Path:
    path = Path(folder).expanduser()
    if not os.fspath(folder) or not path.is_dir():
        kind = "a file; name the folder that it lies in" if path.is_file() else "not a folder"
        raise ValueError(f"{origin} names {os.fspath(folder)!r}, which is {kind}; correct it")
    return path


def _below(place: Path, folders: tuple[str, ...]) -> Iterator[Path]:
    """Yield where a set's files may lie: below a place, or in it where its own name says so."""
    names = place.absolute().parts
    for parts in (Path(below).parts for below in folders):
        for n in range(len(parts) + 1):
            if names[len(names) - n :] == parts[:n]:
                yield place.joinpath(*parts[n:])


def _path_of(name: str, folder: Path) -> Path | None:
    """Look for a file, also with a dot in its name, gzipped, or in a folder of its own name."""
    names = [name + gz for name in (name, name.replace("-idx", ".idx")) for gz in ("", ".gz")]
    paths = [inside / name for inside in (folder, *map(folder.joinpath, names)) for name in names]
    return next((path for path in paths if os.path.isfile(path)), None)


def find(name: str, folder: str | os.PathLike[str] | None = None) -> Found | None:
    """Look for the four files of a data set, or in a named folder for MNIST in other containers.

    Returns None where they are nowhere.

    Raises:
        ValueError: for a named folder that does not exist or does not hold the set, and for any
            that holds only some of the files.
    """
    source = SOURCES[name]
    for kind, place in _places(folder):
        folders = list(_below(place, source.folders))
        for paths in (looked := [_idx_paths(below) for below in folders]):
            if len(paths) == len(FILES):
                return Found(kind, paths)
        named = kind in ("folder", "$DIGITLAB_DATA")
        if named and source.sha256 and (found := _in_container(kind, folders)):
            return found
        some = next((paths for paths in looked if paths), None)
        if some and kind != "cache":  # a download goes on there
            missing = ", ".join(file for file in FILES if file not in some)
            raise ValueError(
                f"only some of {source.title}'s files are there ({kind}), and {missing} not; add "
                "what is missing, or remove the others"
            )
        if kind == "folder" or (named and name == "mnist"):
            raise ValueError(_lacking(kind, place, folders, source))
        if named:
            print(f"{kind} has no {source.title}; looking further", file=sys.stderr)
    return None


def _idx_paths(folder: Path) -> dict[str, Path]:
    paths = {file: _path_of(file, folder) for file in FILES}
    return {file: path for file, path in paths.items() if path}


def _in_container(kind: str, folders: list[Path]) -> Found | None:
    for below in folders:
        for container in CONTAINERS:
            train, test = container.find(below)
            if train and test:
                return Found(kind, {"train": train, "t10k": test}, container)
    return None


def _lacking(kind: str, place: Path, folders: list[Path], source: Source) -> str:
    """Say what a named folder holds, and what it lacks to be a data set."""
    try:
        names = sorted(os.listdir(place))
    except OSError as error:
        names = [f"what cannot be listed ({error.strerror})"]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    halves = [half for below in folders for c in CONTAINERS if (half := c.missing_half(below))]
    lacking = halves[0] if halves and source.sha256 else ", ".join(FILES)
    where = "" if "" in source.folders else f" in {' or '.join(source.folders)} below it"
    return (
        f"the named folder ({kind}) holds {', '.join(names[:5]) or 'nothing'}{more}; to be "
        f"{source.title} it lacks {lacking}{where}: add that, or name another folder"
    )


def writers_path(found: Found) -> Path | None:
    """Return QMNIST's label file where it lies beside the MNIST files."""
    return _path_of(WRITERS_FILE, next(iter(found.paths.values())).parent)


def read_all(name: str, found: Found) -> dict[str, np.ndarray]:
    """Read and verify the four files, or what stands for them in another container."""
    sha256 = SOURCES[name].sha256
    if found.container:
        return _read_container(found.container, found.paths, sha256)
    return {
        file: read_verified(found.paths[file], file, shape, sha256.get(file))
        for file, shape in FILES.items()
    }


def _read_container(
    container: Container, paths: dict[str, Path], sha256: dict[str, str]
) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for part in ("t10k", "train"):  # the smaller one first: it is refused sooner
        path = paths[part]
        name = shown(path)
        images, labels = container.read(path, "train" if part == "train" else "test")
        pair = {f"{part}-images-idx3-ubyte": images, f"{part}-labels-idx1-ubyte": labels}
        n, n_found = FILES[f"{part}-labels-idx1-ubyte"][0], {len(images), len(labels)}
        if n_found != {n}:
            raise DamagedFileError(
                f"{name} should hold {n} digits with their labels, but it holds "
                f"{' and '.join(map(str, sorted(n_found)))}; get MNIST's four files"
            )
        if not _published(pair, sha256) and _in_any_order(images, labels) != sha256[part]:
            raise DamagedFileError(
                f"{name} has the right form but other digits or labels than the published MNIST "
                "in any order; delete it and fetch it again"
            )
        arrays |= pair
    return {file: arrays[file] for file in FILES}


def _published(arrays: dict[str, np.ndarray], sha256: dict[str, str]) -> bool:
    """Compare the IDX files that these arrays would make with the published ones."""
    for file, values in arrays.items():
        header = struct.pack(f">4B{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
        if hashlib.sha256(header + values.tobytes()).hexdigest() != sha256[file]:
            return False
    return True


def _in_any_order(images: np.ndarray, labels: np.ndarray) -> str:
    rows = (image.tobytes() + label.tobytes() for image, label in zip(images, labels, strict=True))
    return hashlib.sha256(b"".join(sorted(rows))).hexdigest()


def in_order(name: str, found: Found, arrays: dict[str, np.ndarray]) -> bool:
    """Say whether the digits stand where the published files have them."""
    return not found.container or _published(arrays, SOURCES[name].sha256)


# --- Downloading --------------------------------------------------------------------------------


def download(name: str) -> Found:
    """Download the files that are not yet in the user's cache.

    Each is compared with the published MD5 sum, written beside its place, and moved when whole.

    Raises:
        OSError: where no mirror delivers them in time.
    """
    import torchvision.datasets

    source = SOURCES[name]
    data_set = getattr(torchvision.datasets, source.torchvision)
    folder = cache_folder() / name
    paths = {}
    for file, md5 in data_set.resources:
        paths[file.removesuffix(".gz")] = _download_one(data_set.mirrors, file, md5, folder)
    return Found("cache", paths)


def _download_one(mirrors: list[str], file: str, md5: str, folder: Path) -> Path:
    path, problems = folder / file, []
    if path.is_file() and _is_published(path.read_bytes(), md5):
        return path
    for mirror in mirrors:
        try:
            content, problem = _fetched(mirror + file), "other bytes than the published ones"
            if _is_published(content, md5):
                with written(path) as kept:
                    kept.write(content)
                return path
        except ValueError:
            problem = "the cache cannot be written"
        except OSError as error:  # whatever requests raises is one, too
            response = getattr(error, "response", None)
            status = "" if response is None else f"status {response.status_code}"
            problem = status or error.strerror or type(error).__name__
        problems.append(f"{mirror}: {problem}")
    raise OSError(
        f"{file} could not be downloaded ({'; '.join(problems)}); try again with a network, or set "
        "DIGITLAB_DATA to a folder with the data set's files"
    )


def _is_published(content: bytes, md5: str) -> bool:
    return hashlib.md5(content, usedforsecurity=False).hexdigest() == md5


def _fetched(url: str) -> bytes:
    """Return what an address holds; end a download that drags on or has no end."""
    import requests

    print(f"downloading {url}", file=sys.stderr)
    end, content = time.monotonic() + DOWNLOAD_SECONDS, bytearray()
    headers = {"Accept-Encoding": "identity"}  # the MD5 sum is that of the bytes as they are kept
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUTS) as response:
        response.raise_for_status()
        for part in response.iter_content(64):  # few bytes, to look at the clock often
            content += part
            if time.monotonic() > end:
                late = f"it took more than {DOWNLOAD_SECONDS} seconds"
                raise TimeoutError(errno.ETIMEDOUT, late)
            if len(content) > MOST_BYTES:
                break
    return bytes(content)
