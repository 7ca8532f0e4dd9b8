import _thread
import gzip
import hashlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torchvision.datasets

from digitlab import idx as idx_module
from digitlab.idx import DamagedFileError, download, find, read_all, read_idx

SHAPES = {  # as in MNIST, but smaller
    "train-images-idx3-ubyte": (6, 28, 28),
    "train-labels-idx1-ubyte": (6,),
    "t10k-images-idx3-ubyte": (4, 28, 28),
    "t10k-labels-idx1-ubyte": (4,),
}
IMAGES = "train-images-idx3-ubyte"
LABELS = "train-labels-idx1-ubyte"


def idx(values: np.ndarray) -> bytes:
    """Write an array in the IDX format."""
    code, big_endian = {"u": (8, "u1"), "i": (12, ">i4")}[values.dtype.kind]
    header = bytes([0, 0, code, values.ndim]) + np.array(values.shape, ">i4").tobytes()
    return header + values.astype(big_endian).tobytes()


RNG = np.random.default_rng(0)
ARRAYS = {name: RNG.integers(0, 10, shape, dtype=np.uint8) for name, shape in SHAPES.items()}
PLAIN = {name: idx(values) for name, values in ARRAYS.items()}
GZIPPED = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in PLAIN.items()}


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    """Let MNIST be smaller, the cache be empty, and no setting point elsewhere."""
    monkeypatch.setattr(idx_module, "FILES", SHAPES)
    monkeypatch.setattr(idx_module, "cache_folder", lambda: tmp_path / "cache")
    for name, content in PLAIN.items():
        sha256 = hashlib.sha256(content).hexdigest()
        monkeypatch.setitem(idx_module.SOURCES["mnist"].sha256, name, sha256)
    monkeypatch.delenv("DIGITLAB_DATA", raising=False)
    monkeypatch.chdir(tmp_path)


def write(folder: Path, contents: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


# --- Reading ----------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
@pytest.mark.parametrize(
    "values",
    [
        np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
        np.array([[1, -2, 2**31 - 1], [-(2**31), 0, 256]], np.int32),
        np.zeros((0, 28, 28), np.uint8),
        np.array(7, np.uint8),
    ],
)
def test_idx_file_gives_its_values(tmp_path, values, pack):
    path = tmp_path / "values"
    path.write_bytes(pack(idx(values)))
    read = read_idx(str(path))
    assert (read.dtype, read.shape) == (values.dtype, values.shape)
    assert read.dtype.isnative
    assert (read == values).all()
    read[...] = 1


WHOLE = PLAIN[IMAGES]
WHOLE_GZ = GZIPPED[f"{IMAGES}.gz"]
DAMAGED = {
    "truncated gz": (WHOLE_GZ[:-100], "truncated or corrupted"),
    "gz with an impossible block": (WHOLE_GZ[:10] + b"\xff" * 9, "truncated or corrupted"),
    "gz with a wrong checksum": (WHOLE_GZ[:-8] + b"\0" * 8, "truncated or corrupted"),
    "gz with something behind it": (WHOLE_GZ + b"more", "truncated or corrupted"),
    "empty": (b"", r"is not an IDX file: it should begin with 0, 0, then 8 or 12"),
    "text": (b"<!DOCTYPE html>", r"is not an IDX file: .* begins with \[60, 33, 68, 79\]"),
    "wrong magic": (b"\0\0\x0d\3" + WHOLE[4:], r"begins with \[0, 0, 13, 3\]"),
    "little endian": (WHOLE[3::-1] + WHOLE[4:], r"begins with \[3, 8, 0, 0\]"),
    "header cut": (WHOLE[:6], "should hold 16 bytes or more for its 3 dimensions, but it holds 6"),
    "truncated": (WHOLE[:-1], r"should hold 4720 bytes for its shape \(6, 28, 28\).* 4719"),
    "too long": (WHOLE + b"\0", r"should hold 4720 bytes .* holds 4721"),
    "negative": (b"\0\0\x08\2" + b"\xff" * 8 + b"1", r"should hold .* for its shape \(4294967295"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_file_is_named_with_what_was_expected_and_what_to_do(tmp_path, damage):
    content, expected = DAMAGED[damage]
    path = tmp_path / IMAGES
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=f"^{IMAGES} .*{expected}.*; delete it and fetch it"):
        read_idx(path)


def test_cut_anywhere_a_file_is_damaged(tmp_path):
    path = tmp_path / LABELS
    for content in (PLAIN[LABELS], GZIPPED[f"{LABELS}.gz"]):
        for n in range(len(content)):
            path.write_bytes(content[:n])
            with pytest.raises(DamagedFileError, match=f"^{LABELS} .*; delete it"):
                read_idx(path)


def test_a_folder_in_place_of_a_file_is_named(tmp_path):
    (tmp_path / IMAGES).mkdir()
    with pytest.raises(ValueError, match=f"^'{IMAGES}' is a folder; name a file in it"):
        read_idx(tmp_path / IMAGES)


def test_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / IMAGES).symlink_to(IMAGES)  # a root user may read every file, but no such link
    with pytest.raises(DamagedFileError, match=rf"^{IMAGES} cannot be read \(.+\); .*permission"):
        read_idx(tmp_path / IMAGES)


def test_file_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing-here"):
        read_idx(tmp_path / "nothing-here")


# --- Verifying --------------------------------------------------------------------------------

OTHER = idx((ARRAYS[IMAGES] + 1) % 10)
MISPLACED = {
    "labels as images": (IMAGES, PLAIN[LABELS], r"should have the shape \(6, 28, 28\).* \(6,\)"),
    "images as labels": (LABELS, PLAIN[IMAGES], r"should have the shape \(6,\).* \(6, 28, 28\)"),
    "test as train": (IMAGES, PLAIN["t10k-images-idx3-ubyte"], r"\(6, 28, 28\).* \(4, 28, 28\)"),
    "other bytes": (IMAGES, OTHER, r"has the right form but other bytes than the published"),
    "truncated": (IMAGES, PLAIN[IMAGES][:-1], "should hold 4720 bytes"),
}


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
@pytest.mark.parametrize("mistake", MISPLACED)
def test_every_file_is_verified(tmp_path, mistake, pack):
    name, content, expected = MISPLACED[mistake]
    write(tmp_path / "mine", PLAIN | {name: pack(content)})
    with pytest.raises(ValueError, match=rf"^{name} .*{expected}.*; (put|delete)") as error:
        read_all("mnist", find("mnist", "mine"))
    assert str(tmp_path) not in str(error.value)


def test_other_container_of_the_same_bytes_passes(tmp_path):
    again = {f"{name}.gz": gzip.compress(PLAIN[name], 1, mtime=7) for name in PLAIN}
    assert again != GZIPPED
    write(tmp_path / "mine", again)
    assert (read_all("mnist", find("mnist", "mine"))[IMAGES] == ARRAYS[IMAGES]).all()


# --- Finding ----------------------------------------------------------------------------------

MIXED = {f"{IMAGES}.gz": GZIPPED[f"{IMAGES}.gz"]} | {k: PLAIN[k] for k in PLAIN if k != IMAGES}


@pytest.mark.parametrize("below", ["", "mnist", "MNIST/raw"])
@pytest.mark.parametrize("contents", [PLAIN, GZIPPED, PLAIN | GZIPPED, MIXED])
def test_layouts_that_are_accepted(tmp_path, below, contents):
    write(tmp_path / "mine" / below, contents)
    found = find("mnist", tmp_path / "mine")
    assert found.kind == "folder"
    assert {path.parent for path in found.paths.values()} == {tmp_path / "mine" / below}
    arrays = read_all("mnist", found)
    assert list(arrays) == list(SHAPES)
    assert all((arrays[name] == ARRAYS[name]).all() for name in SHAPES)


PLACES = {  # the first that holds the files is taken
    "argument": "folder",
    "env": "$DIGITLAB_DATA",
    "here/data": "data/",
    "data": "data/",
    "cache/mnist": "cache",
}


@pytest.mark.parametrize("first", PLACES)
def test_places_are_searched_in_their_order(tmp_path, monkeypatch, first):
    places = list(PLACES)[list(PLACES).index(first) :]
    for place in places:
        write(tmp_path / place, PLAIN)
    (tmp_path / "here").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "here")
    if "env" in places:
        monkeypatch.setenv("DIGITLAB_DATA", str(tmp_path / "env"))
    found = find("mnist", tmp_path / first if first == "argument" else None)
    assert (found.kind, found.paths[IMAGES].parent) == (PLACES[first], tmp_path / first)


def test_nothing_is_found_where_nothing_is():
    assert find("mnist") is None


def test_home_folder_may_be_written_short(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write(tmp_path / "mine", PLAIN)
    assert find("mnist", "~/mine").kind == "folder"


@pytest.mark.parametrize("kind", ["folder", "$DIGITLAB_DATA", "data/"])
def test_partial_set_is_named_with_what_is_missing(tmp_path, monkeypatch, kind):
    write(tmp_path / "data", {IMAGES: b"", f"{LABELS}.gz": b""})
    if kind == "$DIGITLAB_DATA":
        monkeypatch.setenv("DIGITLAB_DATA", "data")
    missing = "t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte"
    with pytest.raises(ValueError, match=f"^only some of MNIST's files .* {missing} .*; add") as e:
        find("mnist", "data" if kind == "folder" else None)
    assert kind in str(e.value)


@pytest.mark.parametrize("name", [IMAGES, f"{IMAGES}.gz"])
@pytest.mark.parametrize("put", [Path.mkdir, lambda path: path.symlink_to("nowhere")])
def test_folder_or_dead_link_in_place_of_a_file_is_a_missing_file(tmp_path, name, put):
    mine = write(tmp_path / "mine", {k: v for k, v in PLAIN.items() if k != IMAGES})
    put(mine / name)
    with pytest.raises(ValueError, match=f"only some of MNIST's files .* {IMAGES} "):
        find("mnist", "mine")


def test_partial_cache_waits_for_the_rest(tmp_path):
    write(tmp_path / "cache" / "mnist", {f"{IMAGES}.gz": WHOLE_GZ})
    assert find("mnist") is None


def test_sets_do_not_take_the_files_of_each_other(tmp_path):
    write(tmp_path / "data", PLAIN)
    assert find("fashion") is None
    write(tmp_path / "data" / "FashionMNIST" / "raw", PLAIN)
    assert find("fashion").paths[IMAGES].parent == tmp_path / "data" / "FashionMNIST" / "raw"


def test_unknown_set_is_answered_with_the_nearest_one():
    with pytest.raises(ValueError, match=r"unknown data set 'minst'; did you mean 'mnist'\?"):
        find("minst")


@pytest.mark.parametrize("name", ["mnist", "fashion", "kmnist"])
def test_torchvision_has_the_same_files(name):
    data_set = getattr(torchvision.datasets, idx_module.SOURCES[name].torchvision)
    assert sorted(file for file, _ in data_set.resources) == sorted(GZIPPED)
    assert data_set.mirrors


# --- Downloading ------------------------------------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    """Serve files whole, or in one of the ways in which networks fail."""

    def do_GET(self) -> None:
        name = self.path.rsplit("/", 1)[1]
        self.server.asked.append(name)
        way = self.server.ways.get(name, "whole")
        content = b"x" * len(GZIPPED[name]) if way == "other bytes" else GZIPPED[name]
        self.send_response(404 if way == "missing" else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if way == "together":
            self.server.meeting.wait()
        half = len(content) // 2
        with suppress(OSError):  # the other side may have closed
            self.wfile.write(content[:half])
            if way == "interrupted":
                time.sleep(0.1)  # until the half is being written: opening cannot be interrupted
                _thread.interrupt_main()
            if way == "dripping":
                self.drip(content[half:])
            elif way != "truncated":
                self.wfile.write(content[half:])

    def drip(self, content: bytes) -> None:
        for byte in content:
            self.wfile.write(bytes([byte]))
            time.sleep(0.005)

    def log_message(self, *args: object) -> None:
        pass


class Mirror(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ways: dict[str, str] = {}
        self.asked: list[str] = []
        self.meeting = threading.Barrier(2, timeout=60)
        self.address = f"http://127.0.0.1:{self.server_port}/"


RESOURCES = [(file, hashlib.md5(content).hexdigest()) for file, content in GZIPPED.items()]


@contextmanager
def serving() -> Iterator[Mirror]:
    with Mirror() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def mirror(monkeypatch):
    """Start a server that stands in for torchvision's addresses."""
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", RESOURCES)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as server:
        monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [server.address])
        yield server


def cached(tmp_path: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (tmp_path / "cache" / "mnist").glob("*")}


def test_download_fills_the_cache(mirror, tmp_path, capfd):
    found = download("mnist")
    assert found.kind == "cache"
    assert (read_all("mnist", found)[IMAGES] == ARRAYS[IMAGES]).all()
    assert cached(tmp_path) == GZIPPED
    assert find("mnist") == found
    out, err = capfd.readouterr()
    assert out == ""
    assert all(file in err for file in GZIPPED)
    assert str(tmp_path) not in err


def test_second_download_asks_for_nothing(mirror):
    download("mnist")
    download("mnist")
    assert sorted(mirror.asked) == sorted(GZIPPED)


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        ("truncated", "ChunkedEncodingError"),
        ("other bytes", "other bytes than the published ones"),
        ("missing", "status 404"),
        ("dripping", "it took more than 0.3 seconds"),
    ],
)
def test_failed_download_ends_with_a_reason_and_leaves_nothing_to_trust(
    mirror, tmp_path, monkeypatch, way, reason
):
    monkeypatch.setattr(idx_module, "DOWNLOAD_SECONDS", 0.3)
    mirror.ways[f"{IMAGES}.gz"] = way
    start = time.monotonic()
    said = rf"^{IMAGES}.gz could not be downloaded \({mirror.address}: {reason}\); try again .*$"
    with pytest.raises(OSError, match=said):
        download("mnist")
    assert time.monotonic() - start < 20  # what drips would take minutes
    assert cached(tmp_path) == {}
    assert find("mnist") is None


def test_rerun_goes_on_with_the_remaining_files(mirror, tmp_path):
    mirror.ways["t10k-images-idx3-ubyte.gz"] = "truncated"
    with pytest.raises(OSError, match="t10k-images"):
        download("mnist")
    assert len(cached(tmp_path)) == 2
    mirror.ways.clear()
    mirror.asked.clear()
    download("mnist")
    assert mirror.asked == ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"]
    assert cached(tmp_path) == GZIPPED


def test_interrupted_download_leaves_whole_files_only(mirror, tmp_path):
    mirror.ways[f"{LABELS}.gz"] = "interrupted"
    with pytest.raises(KeyboardInterrupt):
        download("mnist")
    assert cached(tmp_path) == {f"{IMAGES}.gz": WHOLE_GZ}
    mirror.ways.clear()
    download("mnist")
    assert cached(tmp_path) == GZIPPED


def test_damaged_file_in_the_cache_is_replaced(mirror, tmp_path):
    write(tmp_path / "cache" / "mnist", GZIPPED | {f"{IMAGES}.gz": WHOLE_GZ[:-100]})
    download("mnist")
    assert mirror.asked == [f"{IMAGES}.gz"]
    assert cached(tmp_path) == GZIPPED


@pytest.mark.parametrize("way", ["truncated", "closed"])
def test_second_mirror_is_asked_when_the_first_fails(mirror, tmp_path, way, monkeypatch):
    with serving() as first:
        first.ways = dict.fromkeys(GZIPPED, way)
        if way == "closed":
            first.shutdown()
            first.server_close()
        mirrors = [first.address, mirror.address]
        monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", mirrors)
        download("mnist")
    assert cached(tmp_path) == GZIPPED


def test_cache_that_cannot_be_written_is_an_oserror(mirror, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(OSError, match="could not be downloaded"):
        download("mnist")


def test_two_downloads_at_once_do_no_harm(mirror, tmp_path):
    mirror.ways = dict.fromkeys(GZIPPED, "together")  # neither gets a file before both ask for it
    with ThreadPoolExecutor() as both:
        found = list(both.map(download, ["mnist", "mnist"]))
    assert found[0] == found[1] == find("mnist")
    assert cached(tmp_path) == GZIPPED
    assert len(mirror.asked) == 8
