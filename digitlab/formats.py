"""MNIST as other tools keep it: archives, pickles, tensors, tables, and pictures in folders."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

if TYPE_CHECKING:  # the command line takes names from `idx`, and does without NumPy
    import numpy as np

Pair = tuple[Any, Any]  # images and labels, as a container gives them
MOST_BYTES = 2**28  # MNIST as float32 fits
ARRAYS = re.compile(r"numpy[\w.]*\.(_reconstruct|_frombuffer|ndarray|dtype)|_codecs\.encode")


class DamagedFileError(ValueError):
    """A data file that is there and does not hold what it should."""


@dataclass(frozen=True)
class Container:
    """Say how a tool other than MNIST's authors keeps the digits.

    Args:
        title: what it is.
        train: patterns of paths below a folder, one of which holds the training digits.
        test: the same for the test digits.
        reader: takes a path and "train" or "test", returns images and labels in any number type.
    """

    title: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    reader: Callable[[Path, str], Pair]

    def find(self, folder: Path) -> list[Path | None]:
        """Return where the training and the test digits lie."""
        return [
            next((path for pattern in patterns for path in sorted(folder.glob(pattern))), None)
            for patterns in (self.train, self.test)
        ]

    def missing_half(self, folder: Path) -> str | None:
        """Return what is lacking where only the training or only the test digits are there."""
        train, test = self.find(folder)
        half = self.test if train else self.train
        return half[0] if bool(train) != bool(test) else None

    def read(self, path: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
        """Read the digits of one part, "train" or "test".

        Returns:
            Images uint8 (N, 28, 28), and labels uint8 (N,).

        Raises:
            DamagedFileError: for whatever cannot be read.
        """
        try:
            with warnings.catch_warnings(action="ignore"):  # what is read is verified
                _bounded(path.stat().st_size, path)
                images, labels = (_as_uint8(values) for values in self.reader(path, part))
                return images.reshape(-1, 28, 28), labels.reshape(-1)
        except DamagedFileError:
            raise
        except Exception as error:  # each library has errors of its own
            raise DamagedFileError(
                f"{shown(path)} cannot be read as {self.title} ({type(error).__name__}); delete it "
                "and fetch it again"
            ) from None


def shown(path: Path) -> str:
    """Return the name of a file, or of the folder with the pictures of all classes."""
    return path.parent.name if path.is_dir() else path.name


def at_most(n_bytes: int, file: BinaryIO | gzip.GzipFile) -> bytearray:
    """Read no more than so many bytes; reserve no more memory than for those that are there."""
    content = bytearray()
    while part := file.read(min(n_bytes - len(content), 1 << 20)):
        content += part
    return content


def _bounded(n_bytes: int, path: Path) -> None:
    if n_bytes > MOST_BYTES:
        raise DamagedFileError(
            f"{path.name} holds more than {MOST_BYTES >> 20} MB, and MNIST's pixels are 55 MB; get "
            "MNIST's four files"
        )


def _as_uint8(values: Any) -> np.ndarray:
    """Undo a division by 255 or, as in the old pickle, by 256."""
    import numpy as np

    values = np.asarray(values)
    if values.dtype.kind == "f":
        top = values.max()
        values = values * (1 if top > 1 else 255 if top == 1 else 256)
        np.rint(values, out=values)
    if not (values.min() >= 0 and values.max() <= 255):
        raise OverflowError
    return values.astype(np.uint8)


def _read_archive(path: Path, part: str) -> Pair:
    import numpy as np

    with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
        _bounded(sum(member.file_size for member in archive.zip.infolist()), path)
        return archive[f"x_{part}"], archive[f"y_{part}"]


def _read_tensors(path: Path, part: str) -> Pair:
    import torch

    images, labels = torch.load(path, weights_only=True, map_location="cpu")
    return images.numpy(), labels.numpy()


# --- Pickles, opened without running what is in them --------------------------------------------


class _Noted:
    """Stand for what a pickle would call: note with what, and call nothing."""

    def __init__(self, *args: Any) -> None:
        self.args = args

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Unpickler(pickle._Unpickler):  # the compiled one reserves memory as a damaged file asks
    dispatch: ClassVar = {  # so does a bytearray; bytes do for both
        **pickle._Unpickler.dispatch,
        pickle.BYTEARRAY8[0]: pickle._Unpickler.dispatch[pickle.BINBYTES8[0]],
    }

    def find_class(self, module: str, name: str) -> Any:
        if not ARRAYS.fullmatch(f"{module}.{name}"):
            raise pickle.UnpicklingError
        return type(name, (_Noted,), {})


def _read_pickle(path: Path, part: str) -> Pair:
    import numpy as np

    with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
        content = io.BytesIO(at_most(MOST_BYTES + 1, file))
    _bounded(content.getbuffer().nbytes, path)
    *train, test = _Unpickler(content, encoding="latin1").load()
    content.close()  # 220 MB
    images, labels = zip(*(train if part == "train" else [test]), strict=True)  # train, validation
    return np.concatenate([*map(_array, images)]), np.concatenate([*map(_array, labels)])


def _array(noted: Any) -> np.ndarray:
    import numpy as np

    if type(noted).__name__ == "_frombuffer":
        content, dtype, shape, order = noted.args[:4]
    else:
        _, shape, dtype, by_columns, content = noted.state
        order = "F" if by_columns else "C"
    if isinstance(content, _Noted):  # Python 3 writes bytes in an old protocol as encoded text
        content = content.args[0]
    if isinstance(content, str):
        content = content.encode("latin1")
    kind = f"{dtype.state[1]}{dtype.args[0]}"
    if not re.fullmatch("[<>|][uif][1248]", kind):
        raise TypeError
    return np.frombuffer(content, kind).reshape(shape, order=order)


# --- Tables and pictures ------------------------------------------------------------------------


def _read_csv(path: Path, part: str) -> Pair:
    import numpy as np

    with open(path, encoding="utf-8") as file:
        first = file.readline().split(",")
    if len(first) == 784:
        raise DamagedFileError(
            f"{path.name} holds pixels without labels, as in Kaggle's contest Digit Recognizer, "
            "whose 42 000 labelled digits are of MNIST's training and test digits mixed; what is "
            "lacking are the labels of the test digits: get MNIST's four files"
        )
    header = not first[-1].strip().isdigit()
    table = np.loadtxt(path, np.uint8, delimiter=",", skiprows=int(header), ndmin=2)
    return table[:, 1:], table[:, 0]


def _read_parquet(path: Path, part: str) -> Pair:
    try:
        import pyarrow.parquet
    except ImportError:
        raise DamagedFileError(
            f"{path.name} needs pyarrow to be read: run `pip install pyarrow` and try again, or "
            "get MNIST's four files"
        ) from None
    table = pyarrow.parquet.ParquetFile(path)
    rows = range(table.metadata.num_row_groups)
    _bounded(sum(table.metadata.row_group(i).total_byte_size for i in rows), path)
    columns = table.read(columns=["image", "label"])
    pictures = [_pixels(io.BytesIO(cell["bytes"])) for cell in columns["image"].to_pylist()]
    return pictures, columns["label"].to_numpy()


def _read_pictures(path: Path, part: str) -> Pair:
    """Read folders of pictures; a number in each name, where no two are alike, is the place."""
    folder = path.parent  # the path is that of class 0
    pictures = [
        (digit, picture)
        for digit in range(10)
        for picture in sorted((folder / str(digit)).iterdir())
        if picture.suffix.lower() == ".png" and not picture.name.startswith(".")
    ]
    numbers = [int(re.findall(r"\d+", f"0{picture.stem}")[-1]) for _, picture in pictures]
    if len(set(numbers)) == len(numbers):
        pictures = [pair for _, pair in sorted(zip(numbers, pictures, strict=True))]
    images = []
    for digit, picture in pictures:
        try:
            images.append(_pixels(picture))
        except Exception as error:
            raise DamagedFileError(
                f"{folder.name}/{digit}/{picture.name} cannot be read as a picture of 28 x 28 "
                f"pixels ({type(error).__name__}); delete the folders and fetch them again"
            ) from None
    return images, [digit for digit, _ in pictures]


def _pixels(file: str | os.PathLike[str] | io.BytesIO) -> np.ndarray:
    import numpy as np
    from PIL import Image

    with Image.open(file, formats=["PNG"]) as picture:
        if picture.size != (28, 28):
            raise ValueError
        return np.asarray(picture.convert("L"))


CONTAINERS = (
    Container("Keras' archive", ("mnist.npz",), ("mnist.npz",), _read_archive),
    Container(
        "the pickle of old tutorials",
        ("mnist.pkl.gz", "mnist.pkl"),
        ("mnist.pkl.gz", "mnist.pkl"),
        _read_pickle,
    ),
    Container("torchvision's tensors", ("training.pt",), ("test.pt",), _read_tensors),
    Container(
        "a table of pixels",
        ("mnist_train.csv", "train.csv"),
        ("mnist_test.csv", "test.csv"),
        _read_csv,
    ),
    Container(
        "Hugging Face's Parquet",
        ("train*.parquet", "train/*.parquet"),
        ("test*.parquet", "test/*.parquet"),
        _read_parquet,
    ),
    Container(
        "folders of pictures", ("train/0", "training/0"), ("test/0", "testing/0"), _read_pictures
    ),
)
