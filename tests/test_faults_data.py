"""MNIST as people have it: other names, folders and containers; whatever lacks is said."""

import gzip
import hashlib
import io
import pickle
import struct
import sys
import tracemalloc
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

from digitlab import data, idx
from digitlab.data import load
from digitlab.formats import CONTAINERS, DamagedFileError

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
Arrays = dict[str, np.ndarray]


def as_idx(values: np.ndarray) -> bytes:
    return struct.pack(f">4B{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()


def in_any_order(arrays: Arrays, part: str) -> str:
    images = arrays[f"{part}-images-idx3-ubyte"].reshape(-1, 784)
    rows = np.column_stack([images, arrays[f"{part}-labels-idx1-ubyte"]])
    return hashlib.sha256(b"".join(sorted(map(bytes, rows)))).hexdigest()


@pytest.fixture
def arrays(monkeypatch, tmp_path) -> Arrays:
    """Let MNIST be 60 and 20 digits, of which 10 are set aside, and nothing else be at hand."""
    rng, made = np.random.default_rng(0), {}
    for part, n in (("train", 60), ("t10k", 20)):
        images = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        images[0, 0, 0] = 255
        made[f"{part}-images-idx3-ubyte"] = images
        made[f"{part}-labels-idx1-ubyte"] = rng.permutation(n).astype(np.uint8) % 10
    hashes = {name: hashlib.sha256(as_idx(values)).hexdigest() for name, values in made.items()}
    hashes |= {part: in_any_order(made, part) for part in ("train", "t10k")}
    for name, sha256 in hashes.items():
        monkeypatch.setitem(idx.SOURCES["mnist"].sha256, name, sha256)
    monkeypatch.setattr(idx, "FILES", {name: values.shape for name, values in made.items()})
    set_aside = data._set_aside
    monkeypatch.setattr(data, "_set_aside", lambda split, n: set_aside(split, n // 1000))
    monkeypatch.setattr(idx, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.delenv("DIGITLAB_DATA", raising=False)
    monkeypatch.delenv("DIGITLAB_DIGITS", raising=False)
    monkeypatch.chdir(tmp_path)
    return made


def four(arrays: Arrays) -> tuple[np.ndarray, ...]:
    return tuple(arrays.values())


# --- Names and folders ------------------------------------------------------------------------

LAYOUTS = {
    "a dot": "{dotted}",
    "a dot, gzipped": "{dotted}.gz",
    "a folder a file": "{name}/{name}",
    "a folder a file, with a dot": "{name}/{dotted}",
    "a folder a file, dots in both": "{dotted}/{dotted}.gz",
    "a folder with the ending of the archive": "{name}.gz/{name}",
    "torchvision's": "MNIST/raw/{name}",
    "torchvision's, gzipped": "MNIST/raw/{name}.gz",
    "a tutorial's": "MNIST_data/{name}.gz",
    "data below": "data/{name}",
}


def write(folder: Path, arrays: Arrays, layout: str = "{name}") -> Path:
    for name, values in arrays.items():
        path = folder / layout.format(name=name, dotted=name.replace("-idx", ".idx"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(as_idx(values)) if path.suffix == ".gz" else as_idx(values))
    return folder


@pytest.mark.parametrize("layout", LAYOUTS)
def test_files_are_found_under_the_names_that_people_have(arrays, tmp_path, layout):
    folder = write(tmp_path / "mine", arrays, LAYOUTS[layout])
    assert_the_digits(load("auto", folder), arrays)


@pytest.mark.parametrize("named", ["set", "set/MNIST", "set/MNIST/raw"])
def test_any_folder_on_the_way_to_the_files_may_be_named(arrays, tmp_path, named):
    write(tmp_path / "set", arrays, "MNIST/raw/{name}")
    assert_the_digits(load("auto", named), arrays)


def assert_the_digits(digits: data.Digits, arrays: Arrays) -> None:
    """Compare test, and what is in training and validation together, by their order."""
    assert (digits.name, digits.source) == ("mnist", "folder")
    assert (digits.test.images.numpy() == arrays["t10k-images-idx3-ubyte"]).all()
    assert (digits.test.labels.numpy() == arrays["t10k-labels-idx1-ubyte"]).all()
    aside = data._set_aside(data._split(arrays[IMAGES], arrays[LABELS]), 10_000)
    for ours, theirs in zip((digits.train, digits.valid), aside, strict=True):
        assert torch.equal(ours.images, theirs.images)
        assert torch.equal(ours.labels, theirs.labels)


# --- Containers -------------------------------------------------------------------------------


def npz(folder: Path, arrays: Arrays) -> None:
    names = ("x_train", "y_train", "x_test", "y_test")
    np.savez(folder / "mnist.npz", **dict(zip(names, four(arrays), strict=True)))


def tensors(folder: Path, arrays: Arrays, zipped: bool = True) -> None:
    (folder / "MNIST/processed").mkdir(parents=True)
    x_train, y_train, x_test, y_test = map(torch.from_numpy, four(arrays))
    for name, pair in {
        "training": (x_train, y_train.long()),
        "test": (x_test, y_test.long()),
    }.items():
        path = folder / f"MNIST/processed/{name}.pt"
        torch.save(pair, path, _use_new_zipfile_serialization=zipped)


def csv(folder: Path, arrays: Arrays, train="train.csv", test="test.csv", header=True) -> None:
    x_train, y_train, x_test, y_test = four(arrays)
    first = ["label", *(f"pixel{i}" for i in range(784))]
    for name, images, labels in ((train, x_train, y_train), (test, x_test, y_test)):
        table = [first] * header + np.column_stack([labels, images.reshape(-1, 784)]).tolist()
        (folder / name).write_text("\n".join(",".join(map(str, row)) for row in table))


class Python2(pickle._Pickler):
    """Write bytes as Python 2 wrote its strings."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_bytes(self, content: bytes) -> None:
        self.write(b"T" + struct.pack("<i", len(content)) + content)
        self.memoize(content)

    dispatch[bytes] = save_bytes


def tutorials_sets(arrays: Arrays, floats: type = np.float32, most: int = 256) -> tuple:
    n = len(arrays[IMAGES]) * 5 // 6
    x_train, y_train, x_test, y_test = four(arrays)
    x_train, x_test = (x.reshape(-1, 784).astype(floats) / floats(most) for x in (x_train, x_test))
    y_train, y_test = y_train.astype(np.int64), y_test.astype(np.int64)
    return (x_train[:n], y_train[:n]), (x_train[n:], y_train[n:]), (x_test, y_test)


def old_pickle(folder: Path, arrays: Arrays) -> None:
    file = io.BytesIO()
    Python2(file, 2).dump(tutorials_sets(arrays))
    content = file.getvalue().replace(b"numpy._core", b"numpy.core")
    (folder / "mnist.pkl.gz").write_bytes(gzip.compress(content, 1))


def new_pickle(protocol: int, most: int):
    def save(folder: Path, arrays: Arrays) -> None:
        sets = tutorials_sets(arrays, np.float32, most)
        (folder / "mnist.pkl").write_bytes(pickle.dumps(sets, protocol))

    return save


def pictures(folder: Path, arrays: Arrays, parts=("train", "test"), name="{i}.png") -> None:
    x_train, y_train, x_test, y_test = four(arrays)
    for part, images, labels in ((parts[0], x_train, y_train), (parts[1], x_test, y_test)):
        of_class = [0] * 10
        for digit in range(10):
            (folder / part / str(digit)).mkdir(parents=True)
            (folder / part / str(digit) / "._0.png").write_bytes(b"what a Mac leaves")
        for i, (image, label) in enumerate(zip(images, labels, strict=True)):
            path = folder / part / str(label) / name.format(i=i, of_class=of_class[label])
            Image.fromarray(image).save(path)
            of_class[label] += 1


def parquet(folder: Path, arrays: Arrays) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not at hand")
    write_table = pytest.importorskip("pyarrow.parquet").write_table
    x_train, y_train, x_test, y_test = four(arrays)
    (folder / "mnist").mkdir()
    for part, images, labels in (("train", x_train, y_train), ("test", x_test, y_test)):
        cells = []
        for image in images:
            Image.fromarray(image).save(file := io.BytesIO(), "PNG")
            cells.append({"bytes": file.getvalue(), "path": None})
        table = pyarrow.table({"image": cells, "label": labels.astype(np.int64)})
        write_table(table, folder / f"mnist/{part}-00000-of-00001.parquet")


WAYS = {
    "Keras' npz": npz,
    "torchvision's tensors": tensors,
    "torchvision's tensors, as before 2020": lambda *a: tensors(*a, zipped=False),
    "csv": csv,
    "csv without a header": lambda *a: csv(*a, "mnist_train.csv", "mnist_test.csv", header=False),
    "pickle of Python 2": old_pickle,
    "pickle of protocol 2": new_pickle(2, 255),
    "pickle of protocol 5": new_pickle(5, 256),
    "pictures": pictures,
    "pictures with words": lambda *a: pictures(*a, ("training", "testing"), "no_{i:05}.png"),
    "parquet": parquet,
}


@pytest.mark.parametrize("way", WAYS)
def test_other_containers_give_the_same_digits(arrays, tmp_path, way):
    (folder := tmp_path / "mine").mkdir()
    WAYS[way](folder, arrays)
    digits = load("auto", folder)
    assert_the_digits(digits, arrays)
    assert "MNIST, from " in digits.notes
    assert "the published digits and labels, in their order" in digits.notes
    assert str(tmp_path) not in digits.notes + repr(digits)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("file", [IMAGES, LABELS, "t10k-images-idx3-ubyte"])
def test_other_digits_in_the_same_container_are_refused(arrays, tmp_path, way, file):
    (folder := tmp_path / "mine").mkdir()
    other = {name: values.copy() for name, values in arrays.items()}
    other[file][-1] = (other[file][-1] + 1) % 10
    WAYS[way](folder, other)
    with pytest.raises(DamagedFileError, match="other digits or labels than the published MNIST"):
        load("auto", folder)


def test_digits_in_another_order_are_verified_and_say_so(arrays, tmp_path):
    pictures(tmp_path / "mine", arrays, name="{of_class}.png")
    digits = load("mnist", tmp_path / "mine")
    assert "in another order" in digits.notes
    assert torch.equal(digits.train.joined(digits.valid).counts(), torch.full((10,), 6))
    with pytest.raises(ValueError, match="QMNIST"):
        load("mnist", tmp_path / "mine", by="writer")


def test_a_container_is_opened_for_mnist_alone(arrays, tmp_path):
    (folder := tmp_path / "mine").mkdir()
    csv(folder, arrays)
    with pytest.raises(
        ValueError, match=r"holds test.csv, train.csv; to be KMNIST it lacks train-"
    ):
        load("kmnist", folder)


# --- What is lacking --------------------------------------------------------------------------


def without(*names: str):
    def make(folder: Path, arrays: Arrays) -> None:
        npz(folder, arrays)
        content = dict(np.load(folder / "mnist.npz"))
        np.savez(folder / "mnist.npz", **{k: v for k, v in content.items() if k not in names})

    return make


def contest(folder: Path, arrays: Arrays) -> None:
    csv(folder, arrays)
    rows = [line.partition(",")[2] for line in (folder / "test.csv").read_text().splitlines()]
    (folder / "test.csv").write_text("\n".join(rows))


def half(way, name: str):
    def make(folder: Path, arrays: Arrays) -> None:
        way(folder, arrays)
        (path := folder / name).rename(folder.parent / path.name)

    return make


def shorter(way):
    return lambda folder, arrays: way(folder, {k: v[:-1] for k, v in arrays.items()})


LACKING = {
    "nothing at all": (lambda *_: None, r"\(folder\) holds nothing; .* lacks train-images-idx3"),
    "holidays": (
        lambda folder, _: [(folder / f"{i}.jpg").touch() for i in range(8)],
        r"holds 0.jpg, 1.jpg, 2.jpg, 3.jpg, 4.jpg and 3 more; to be MNIST it lacks train-images",
    ),
    "contest": (contest, "test.csv holds pixels without labels.* lacking are the labels of the te"),
    "half a csv": (half(csv, "test.csv"), "holds train.csv; to be MNIST it lacks mnist_test.csv"),
    "half the pictures": (half(pictures, "train"), "holds test; to be MNIST it lacks train/0"),
    "npz without y_test": (without("y_test"), "mnist.npz cannot be read as Keras' archive .*KeyEr"),
    "short npz": (shorter(npz), "mnist.npz should hold 20 digits with their labels, but .* 19;"),
    "short pictures": (shorter(pictures), "test should hold 20 digits .*, but it holds 19"),
    "no picture of a 7": (half(pictures, "test/7"), "test cannot be read as folders of pictures"),
    "short csv": (shorter(csv), "test.csv should hold 20 digits"),
}


@pytest.mark.parametrize("lack", LACKING)
@pytest.mark.parametrize("name", ["auto", "mnist"])
def test_named_folder_is_never_passed_over(arrays, tmp_path, monkeypatch, name, lack):
    (folder := tmp_path / "mine").mkdir()
    make, words = LACKING[lack]
    make(folder, arrays)
    write(tmp_path / "cache" / "mnist", arrays)
    write(tmp_path / "data", arrays)
    with pytest.raises(ValueError, match=words) as error:
        load(name, folder)
    assert str(tmp_path) not in str(error.value)
    monkeypatch.setenv("DIGITLAB_DATA", str(folder))
    with pytest.raises(ValueError, match=words.replace("(folder", "($DIGITLAB_DATA")[-40:]):
        load(name)


def test_named_folder_is_not_passed_over_for_another_named_one(arrays, tmp_path, monkeypatch):
    monkeypatch.setenv("DIGITLAB_DATA", str(write(tmp_path / "good", arrays)))
    (tmp_path / "mine").mkdir()
    with pytest.raises(ValueError, match=r"the named folder \(folder\) holds nothing"):
        load("auto", tmp_path / "mine")


@pytest.mark.parametrize("name", ["auto", "optdigits"])
def test_embedded_digits_are_not_given_for_a_named_folder(arrays, tmp_path, monkeypatch, name):
    monkeypatch.setenv("DIGITLAB_DIGITS", "optdigits")
    with pytest.raises(ValueError, match="embedded digits lie in no folder; leave it out"):
        load(name, write(tmp_path / "mine", arrays))


def test_place_of_mnist_may_lack_the_other_sets_and_says_so(arrays, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DIGITLAB_DATA", str(write(tmp_path / "mine", arrays)))
    write(tmp_path / "cache" / "kmnist", arrays)
    assert load("kmnist").source == "cache"
    assert capsys.readouterr().err == "$DIGITLAB_DATA has no KMNIST; looking further\n"


def test_a_file_in_place_of_the_folder_and_no_name_at_all(arrays, tmp_path):
    npz(tmp_path, arrays)
    with pytest.raises(ValueError, match=r"which is a file; name the folder that it lies in"):
        load("auto", "mnist.npz")
    with pytest.raises(ValueError, match="folder names '', which is not a folder"):
        load("auto", "")


def test_other_files_in_data_do_no_harm(arrays, tmp_path):
    (tmp_path / "data").mkdir()
    csv(tmp_path / "data", arrays, header=False)
    assert idx.find("mnist") is None


# --- Damage and malice ------------------------------------------------------------------------


class Calls:
    def __reduce__(self):
        return print, ("code from the pickle ran",)


class Builds:
    """Ask a class that is allowed to take another state, method or shape."""

    def __reduce__(self):
        return np.ndarray, ((2**40,),), {"__setstate__": print}


FOREIGN = {
    "calls": pickle.dumps([Calls()] * 3),
    "builds": pickle.dumps([Builds()] * 3),
    "numbers": pickle.dumps([1, 2, 3]),
    "objects": pickle.dumps([(np.array([None]), np.array([{}]))] * 3, 2),
    "text": b"<!DOCTYPE html>",
    "empty": b"",
}


@pytest.mark.parametrize("content", FOREIGN)
def test_nothing_in_a_pickle_is_run(arrays, tmp_path, content, capsys):
    (folder := tmp_path / "mine").mkdir()
    (folder / "mnist.pkl.gz").write_bytes(gzip.compress(FOREIGN[content]))
    with pytest.raises(
        DamagedFileError, match=r"^mnist.pkl.gz cannot be read as the pickle of old"
    ):
        load("auto", folder)
    assert capsys.readouterr() == ("", "")


ASKS = {  # for 64 MB, in a few bytes
    "bytearray": b"\x80\x05\x96" + struct.pack("<Q", 2**26),
    "bytes": b"\x80\x04\x8e" + struct.pack("<Q", 2**26),
    "place in the memo": b"\x80\x02Nr" + struct.pack("<I", 2**22) + b".",
}


@pytest.mark.parametrize("ask", ASKS)
def test_a_small_pickle_gets_no_more_memory_than_it_has_bytes(arrays, tmp_path, ask):
    (tmp_path / "mnist.pkl").write_bytes(ASKS[ask])
    tracemalloc.start()
    with pytest.raises(DamagedFileError, match=r"^mnist.pkl cannot be read as"):
        load("auto", tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


@pytest.mark.parametrize("way", [npz, tensors, csv, old_pickle, parquet], ids=lambda f: f.__name__)
def test_damaged_container_is_named(arrays, tmp_path, way):
    (folder := tmp_path / "mine").mkdir()
    way(folder, arrays)
    path = min(path for path in folder.rglob("*") if path.is_file() and "train" not in path.name)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for n in (0, 1, 100, len(content) // 2, len(content) - 5):
        path.write_bytes(content[:n])
        with pytest.raises(DamagedFileError, match=f"^{path.name} (cannot|has|should)"):
            load("auto", folder)
    for place in rng.integers(0, min(len(content), 600), 30):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        try:
            assert_the_digits(load("auto", folder), arrays)  # not every byte means something
        except DamagedFileError as error:
            assert str(error).startswith(path.name)  # noqa: PT017


@pytest.mark.parametrize("content", [b"no picture", "large", "jpeg"])
def test_damaged_picture_is_named(arrays, tmp_path, content):
    pictures(tmp_path / "mine", arrays)
    path = next((tmp_path / "mine/test/3").glob("[0-9]*.png"))
    if content == "large":
        Image.new("L", (280, 280)).save(path)
    elif content == "jpeg":
        Image.new("L", (28, 28)).save(path, "JPEG")
    else:
        path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=rf"^test/3/{path.name} cannot be read as a picture"):
        load("auto", tmp_path / "mine")


def test_parquet_without_pyarrow_is_a_sentence(arrays, tmp_path, monkeypatch):
    for part in ("train", "test"):
        (tmp_path / f"{part}-00000-of-00001.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        ValueError, match=r"test-00000-of-00001.parquet needs pyarrow .*pip install"
    ):
        load("auto", tmp_path)


HUGE = 200_000_000


@pytest.mark.parametrize("shape", [(6, 28, 28), (HUGE // 784, 28, 28)])
def test_small_file_that_unpacks_to_a_huge_one_is_refused_by_its_header(tmp_path, shape):
    header = struct.pack(">4B3I", 0, 0, 8, 3, *shape)
    path = tmp_path / f"{IMAGES}.gz"
    path.write_bytes(gzip.compress(header + bytes(HUGE), 1))
    tracemalloc.start()
    words = "should hold 4720 bytes .* 4721 or more|should have the shape"
    with pytest.raises(DamagedFileError, match=words):
        idx.read_verified(path, IMAGES, (6, 28, 28), None)
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


@pytest.mark.parametrize(
    "shape", [(1,) * 65, (1,) * 255, (0, 2**32 - 1, 2**32 - 1, 2**32 - 1)], ids=len
)
def test_shape_that_no_array_can_have_is_a_sentence(tmp_path, shape):
    path = tmp_path / IMAGES
    content = struct.pack(f">4B{len(shape)}I", 0, 0, 8, len(shape), *shape)
    path.write_bytes(content + b"7" * min(shape))
    with pytest.raises(DamagedFileError, match=f"^{IMAGES} should hold an array .* {len(shape)}: "):
        idx.read_idx(path)


def test_container_that_unpacks_to_a_huge_one_is_refused(arrays, tmp_path, monkeypatch):
    monkeypatch.setattr("digitlab.formats.MOST_BYTES", 100_000)
    assert CONTAINERS[0].title == "Keras' archive"
    for way, name in ((old_pickle, "mnist.pkl.gz"), (npz, "mnist.npz")):
        blank = {name: np.zeros_like(values) for name, values in arrays.items()}
        blank[IMAGES] = np.zeros((1000, 28, 28), np.uint8)
        way(tmp_path, blank)
        with pytest.raises(DamagedFileError, match=f"^{name} holds more than"):
            load("auto", tmp_path)
        (tmp_path / name).unlink()


# --- The real one -----------------------------------------------------------------------------

REAL = ["Keras' npz", "torchvision's tensors", "pickle of Python 2", "csv", "parquet"]


@pytest.mark.parametrize("way", REAL)
def test_real_mnist_is_verified_in_other_containers(mnist, tmp_path, way):
    (folder := tmp_path / "mine").mkdir()
    WAYS[way](folder, idx.read_all("mnist", idx.find("mnist")))
    digits = load("mnist", folder)
    assert digits.notes.endswith("in their order")
    for part in ("train", "valid", "test"):
        ours, theirs = getattr(digits, part), getattr(mnist, part)
        assert torch.equal(ours.images, theirs.images)
        assert torch.equal(ours.labels, theirs.labels)


def test_real_mnist_is_verified_in_another_order(mnist, tmp_path):
    arrays = idx.read_all("mnist", idx.find("mnist"))
    npz(tmp_path, {name: values[::-1] for name, values in arrays.items()})
    digits = load("mnist", tmp_path)
    assert "in another order" in digits.notes
    assert torch.equal(digits.test.images.flip(0), mnist.test.images)
