"""Arrays of every kind, in every place that takes pixels: read, or refused in one sentence."""

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from torch import Tensor, nn

from digitlab.augment import change_stroke, erase, warp
from digitlab.data import Digits, Split
from digitlab.inference import evaluate, layer_output
from digitlab.metrics import accuracy, confusion_matrix
from digitlab.pixels import as_batch, as_numbers, as_pixels
from digitlab.reading.page import read_page
from digitlab.reading.predict import Prediction, predict
from digitlab.reading.steps import digitize
from digitlab.show.digits import plot_digit, plot_digits
from digitlab.show.layers import plot_features, plot_map, plot_weights
from digitlab.trainer import Trainer

MODEL = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
DIGIT = np.linspace(0, 1, 784).reshape(28, 28)
EXACT = np.arange(784).reshape(28, 28) % 256 / 256  # in 8 bits and more
LABELS = torch.zeros(1, dtype=torch.int64)


def quantized(pixels: Tensor) -> Tensor:
    with warnings.catch_warnings(action="ignore"):  # deprecated
        return torch.quantize_per_tensor(pixels.float(), 0.01, 0, torch.quint8)


READ: dict[str, Callable[[np.ndarray], Any]] = {
    "float16": lambda digit: digit.astype(np.float16),
    "longdouble": lambda digit: digit.astype(np.longdouble),
    "big-endian": lambda digit: digit.astype(">f4"),
    "in Fortran's order": np.asfortranarray,
    "from right to left": lambda digit: digit[:, ::-1][:, ::-1],
    "masked nowhere": np.ma.masked_array,
    "a parameter": lambda digit: nn.Parameter(torch.tensor(digit)),
    "bfloat16": lambda digit: torch.tensor(digit).bfloat16(),
    "negated in its bits": lambda digit: torch.tensor(-1j * digit).conj().imag,
}
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "objects": (lambda: DIGIT.astype(object), "but these are object; make them floats$"),
    "text": (lambda: DIGIT.astype(str), "but these are .*; make them floats$"),
    "bytes": (lambda: DIGIT.astype("S8"), "but these are .*S8; make them floats$"),
    "dates": (lambda: np.zeros((28, 28), "M8[D]"), r"are datetime64\[D\]; make"),
    "durations": (lambda: np.full((28, 28), "NaT", "m8[s]"), r"are timedelta64\[s\]; make"),
    "void": (lambda: np.zeros((28, 28), "V4"), r"are \|V4; make them floats"),
    "records": (lambda: np.zeros((28, 28), [("a", "f4")]), "; make them floats"),
    "complex": (lambda: DIGIT + 1j, "are complex128; take their .real part$"),
    "complex tensor": (lambda: torch.tensor(DIGIT + 1j), "complex128; take their .real part$"),
    "masked": (lambda: np.ma.masked_array(DIGIT, DIGIT > 0.5), r"masked in part; .*filled\(0\)$"),
    "sparse": (lambda: torch.eye(28).to_sparse(), r"are torch.sparse_coo; .*\.to_dense\(\)$"),
    "rows": (lambda: torch.eye(28).to_mkldnn(), r"are torch._mkldnn; .*\.to_dense\(\)$"),
    "quantized": (lambda: quantized(torch.eye(28)), r"are torch.quint8; .*\.dequantize\(\)$"),
    "meta": (lambda: torch.empty(28, 28, device="meta"), "on the device meta, which has no values"),
    "nested": (
        lambda: torch.nested.nested_tensor([torch.eye(28)], layout=torch.jagged),
        r"are nested; fill the gaps with \.to_padded_tensor\(0\)$",
    ),
    "bits": (lambda: torch.empty(28, 28, dtype=torch.bits8), "are torch.bits8; make them floats$"),
    "scipy's": (lambda: scipy.sparse.csr_array(DIGIT), "not csr_array$"),
    "a list": (lambda: DIGIT.tolist(), "not list$"),
    "a memory": (lambda: memoryview(b"abc"), "not memoryview$"),
    "a number": (lambda: np.float32(0.5), "not float32$"),
    "nothing": (lambda: None, "not NoneType$"),
}
NO_DIGIT = {
    "NaN": (np.full((28, 28), np.nan), "but 784 of these 784 are no numbers"),
    "one infinity": (np.diag([np.inf] + 27 * [0.5]), "but 1 of these 784 are no numbers"),
    "below 0": (DIGIT - 2, "but these go from -2.00 to -1.00"),
    "beyond float32": (DIGIT * 1e300, "are no numbers"),
    "no dimension": (np.array(0.5), r"not \(\)"),
    "one dimension": (np.zeros(784), r"not \(784,\)"),
    "too many": (np.zeros((1, 1, 1, 28, 28)), r"not \(1, 1, 1, 28, 28\)"),
    "three colours": (np.zeros((28, 28, 3)), r"not (\(28, 3\)|\(28, 28, 3\))"),
    "0 and 1 of 255": (np.eye(28, dtype=np.uint8), "0 and 1 of 0 to 255"),
    "wide integers": (np.full((28, 28), 2**63, np.uint64), "divide 0 to 255 by 255"),
}
TAKES_ARRAYS: dict[str, Callable[[Any], object]] = {
    "predict": lambda values: predict(MODEL, values),
    "predict many": lambda values: predict(MODEL, [EXACT, values]),
    "layer_output": lambda values: layer_output(MODEL, values, "1"),
    "as_numbers": as_numbers,
    "as_batch": as_batch,
    "plot_digit": plot_digit,
    "plot_features": plot_features,
    "plot_weights": plot_weights,
}
TAKES_TENSORS: dict[str, Callable[[Any], object]] = {
    "images": lambda values: Split(values, LABELS),
    "labels": lambda values: Split(torch.zeros(1, 28, 28, dtype=torch.uint8), values),
    "as_pixels": as_pixels,
    "warp": warp,
    "change_stroke": lambda values: change_stroke(values, 1),
    "erase": lambda values: erase(values, 3),
    "accuracy": lambda values: accuracy(values, LABELS),
    "confusion": lambda values: confusion_matrix(LABELS, values),
    "plot_map": lambda values: plot_map(values, values),
    "evaluate": lambda values: evaluate(MODEL, values),
    "fit": lambda values: Trainer(MODEL, torch.optim.SGD(MODEL.parameters())).fit(values, epochs=1),
    "Digits": lambda values: Digits("a", values, values, values, "", ""),
    "plot_digits": plot_digits,
    "digitize": digitize,
    "read_page": read_page,
}


@pytest.mark.parametrize("form", READ.values(), ids=READ)
def test_real_numbers_in_any_form_are_read_the_same(form: Callable[[np.ndarray], Any]) -> None:
    given = form(EXACT)
    pixels = torch.tensor(EXACT, dtype=torch.float32)
    torch.testing.assert_close(as_numbers(given), pixels, rtol=0, atol=0)
    assert torch.equal(predict(MODEL, given).pixels, pixels)
    assert torch.equal(predict(MODEL, [given])[0].pixels, pixels)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int8, np.uint16, np.int64, np.uint64])
def test_whole_numbers_of_0_and_1_are_black_and_white_unless_they_are_bytes(dtype: type) -> None:
    given = np.eye(28, dtype=dtype) * (255 if dtype is np.uint8 else 1)
    for digit in (given, torch.tensor(given)):
        assert torch.equal(predict(MODEL, digit).pixels, torch.eye(28))


@pytest.mark.parametrize("place", TAKES_ARRAYS.values(), ids=TAKES_ARRAYS)
@pytest.mark.parametrize(("make", "words"), REFUSED.values(), ids=REFUSED)
def test_what_holds_no_real_numbers_is_refused(
    make: Callable[[], Any], words: str, place: Callable[[Any], object]
) -> None:
    values = make()
    if isinstance(values, list) and place is TAKES_ARRAYS["predict"]:
        words = "not list$|not float$"  # a list holds digits
    with pytest.raises(ValueError, match=words):
        place(values)


@pytest.mark.parametrize("place", TAKES_TENSORS.values(), ids=TAKES_TENSORS)
@pytest.mark.parametrize("make", [make for make, _ in REFUSED.values()], ids=REFUSED)
def test_no_kind_of_array_ends_in_a_foreign_error(
    make: Callable[[], Any], place: Callable[[Any], object]
) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]{10,300}$"):
        place(make())


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize(("values", "words"), NO_DIGIT.values(), ids=NO_DIGIT)
def test_numbers_that_are_no_digit_are_refused(values: np.ndarray, words: str, many: bool) -> None:
    with pytest.raises(ValueError, match=words):
        predict(MODEL, [EXACT, values] if many else values)


def test_a_layer_takes_bytes_as_pixels_and_not_as_0_to_255() -> None:
    digit = (EXACT * 255).astype(np.uint8)
    found = layer_output(MODEL, digit[None], "1")
    torch.testing.assert_close(found, MODEL(torch.tensor(digit)[None, None] / 255).detach())


KINDS = (
    arrays.integer_dtypes() | arrays.unsigned_integer_dtypes() | arrays.floating_dtypes()
    | arrays.complex_number_dtypes() | arrays.boolean_dtypes() | arrays.datetime64_dtypes()
    | arrays.timedelta64_dtypes() | arrays.byte_string_dtypes() | arrays.unicode_string_dtypes()
)  # fmt: skip
SHAPES = st.sampled_from([(28, 28), (1, 28, 28), (2, 28, 28), (2, 1, 28, 28), (0, 28, 28)])


def answer(read: Callable[[Any], Any], given: Any) -> Any:
    """Return what is read, or None where it is refused in one sentence."""
    try:
        return read(given)
    except ValueError as error:
        words = str(error)
    assert len(words.splitlines()) == 1
    return None


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_any_array_is_read_or_refused(data: st.DataObject) -> None:
    shape = data.draw(SHAPES | arrays.array_shapes(min_dims=0, max_dims=5, max_side=3))
    values = data.draw(arrays.arrays(data.draw(KINDS), shape))
    found = answer(lambda values: predict(MODEL, values), values)
    for one in [found] if isinstance(found, Prediction) else found or []:
        assert 0 <= one.pixels.min() <= one.pixels.max() <= 1
        assert one.probabilities.isfinite().all()


# --- Pictures that are none ---------------------------------------------------------------------

NO_PICTURE = {
    "bytes": (b"six.png", "file name, not bytes|name of a file, not bytes"),
    "a class": (int, "file name, not type|name of a file, not type"),
    "no name": ("", "^'' is no name of a picture; give the name of a file$"),
    "a null in it": ("a\0b.png", r"^'a\\x00b.png' cannot be read whole \(embedded null byte\)"),
    "two lines": ("a\nb.png", r"^there is no file 'a\\nb.png' here; check the name$"),
    "a long name": ("a" * 300, "^'a{79} cannot be read whole \\(File name too long\\)"),
    "a device": (os.devnull, "^'null' is no file; save the picture in one first$"),
}
READERS = [digitize, read_page, lambda picture: predict(MODEL, picture)]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(("source", "words"), NO_PICTURE.values(), ids=NO_PICTURE)
@pytest.mark.skipif(os.name == "nt", reason="names of files as Linux and macOS have them")
def test_what_is_no_picture_is_refused(source: Any, words: str, read: Callable) -> None:
    with pytest.raises(ValueError, match=words):
        read(source)


@pytest.mark.parametrize("read", READERS[:2])
def test_an_array_is_no_picture_until_pillow_makes_one_of_it(read: Callable) -> None:
    with pytest.raises(ValueError, match=r"not ndarray; Image\.fromarray makes one of an array$"):
        read(DIGIT)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ValueError, match=r"^'pipe\.png' is no file; save the picture in one first"):
        digitize(tmp_path / "pipe.png")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "La", "LAB", "F", "I", "1", "P"])
@pytest.mark.parametrize(
    "size", [(1, 1), (1, 700), (3000, 2), (3, 28), (400, 30), (0, 4), (65, 65)]
)
def test_noise_of_any_size_is_read_or_refused(mode: str, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).bytes(4 * (size[0] + 8) * size[1])
    n_bytes = len(Image.new(mode, size).tobytes())
    picture = Image.frombytes(mode, size, noise[:n_bytes])
    for read in (digitize, lambda picture: read_page(picture, MODEL)):
        answer(read, picture)
