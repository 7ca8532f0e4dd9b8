import gzip
import hashlib
import os
import socket

import numpy as np
import pytest
import torch
import torchvision.datasets
from torch.utils.data import DataLoader, Subset

from digitlab import idx
from digitlab.data import Digits, Split, batches, load
from digitlab.pixels import as_pixels


def fingerprint(split: Split) -> str:
    """Return the beginning of a hash of all pixels and labels."""
    content = split.images.numpy().tobytes() + split.labels.numpy().tobytes()
    return hashlib.sha256(content).hexdigest()[:16]


def rows(split: Split) -> set[bytes]:
    return {image.numpy().tobytes() for image in split.images}


# --- Split ------------------------------------------------------------------------------------

IMAGES = torch.zeros(3, 28, 28, dtype=torch.uint8)
LABELS = torch.tensor([0, 5, 9])


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (IMAGES.float(), LABELS, r"images must be .*uint8.*\(N, 28, 28\).*float32.*\(3, 28, 28\)"),
        (IMAGES[:, :14], LABELS, r"these are torch.uint8 of shape \(3, 14, 28\)"),
        (IMAGES[0], LABELS, r"these are torch.uint8 of shape \(28, 28\)"),
        (IMAGES[:, None], LABELS, r"these are torch.uint8 of shape \(3, 1, 28, 28\)"),
        (IMAGES.numpy(), LABELS, r"tensor.*ndarray"),
        (IMAGES.tolist(), LABELS, r"tensor.*list"),
        (IMAGES, LABELS.int(), r"labels must be .*int64.*\(3,\).*int32"),
        (IMAGES, LABELS[:2], r"one for each image.*\(2,\)"),
        (IMAGES, LABELS[:, None], r"\(3, 1\)"),
        (IMAGES, LABELS.tolist(), r"tensor.*list"),
        (IMAGES, LABELS + 1, r"labels must lie in 0 to 9, but these go from 1 to 10"),
        (IMAGES, LABELS - 1, r"these go from -1 to 8"),
    ],
)
def test_split_refuses_other_tensors(images, labels, message):
    with pytest.raises(ValueError, match=message):
        Split(images, labels)


@pytest.mark.parametrize("writers", [LABELS[:2], LABELS.float(), LABELS.tolist()])
def test_split_refuses_writers_that_do_not_fit(writers):
    with pytest.raises(ValueError, match=r"writers must be .*int64.*\(3,\)"):
        Split(IMAGES, LABELS, writers)


def test_one_digit_is_pixels_and_a_label(tiny):
    image, label = tiny[13]
    assert (image.shape, image.dtype) == ((1, 28, 28), torch.float32)
    assert torch.equal(image[0], tiny.images[13] / 255)
    assert (type(label), label) == (int, 3)
    for index in (-1, np.int64(39), torch.tensor(39)):
        assert torch.equal(tiny[index][0], tiny[39][0])
    assert [label for _, label in tiny] == tiny.labels.tolist()


@pytest.mark.parametrize(
    ("index", "error"),
    [(40, IndexError), (-41, IndexError), *((i, TypeError) for i in (1.0, "1", [1, 2], None))],
)
def test_what_is_no_place(tiny, index, error):
    with pytest.raises(error):
        tiny[index]


@pytest.mark.parametrize(
    ("part", "labels"),
    [
        (slice(3), [0, 1, 2]),
        (slice(-2, None), [8, 9]),
        (slice(0, 40, 15), [0, 5, 0]),
        (slice(50, 60), []),
    ],
)
def test_slice_is_a_smaller_split(tiny, part, labels):
    split = tiny[part]
    assert isinstance(split, Split)
    assert split.labels.tolist() == labels
    assert torch.equal(split.images, tiny.images[part])


def test_only_some_classes(tiny):
    split = tiny.only(7, 3)
    assert split.labels.tolist() == [3, 7] * 4
    assert torch.equal(split.images, tiny.images[(tiny.labels == 3) | (tiny.labels == 7)])
    assert len(tiny.only()) == 0
    for digit in (10, -1):
        with pytest.raises(ValueError, match=f"digits are 0 to 9, not {digit}"):
            tiny.only(3, digit)


def test_joined_splits_hold_both_and_the_writers_that_are_known(tiny: Split) -> None:
    joined = tiny[:3].joined(tiny[5:9])
    assert torch.equal(joined.images, tiny.images[[0, 1, 2, 5, 6, 7, 8]])
    assert torch.equal(joined.labels, tiny.labels[[0, 1, 2, 5, 6, 7, 8]])
    known = Split(tiny.images, tiny.labels, torch.arange(len(tiny)))
    assert known[:3].joined(known[7:8]).writers.tolist() == [0, 1, 2, 7]
    assert known.joined(Split(tiny.images, tiny.labels)).writers is None


def test_sample_is_repeatable_and_of_different_digits(tiny):
    before = torch.get_rng_state()
    first, again, other = tiny.sample(30, seed=1), tiny.sample(30, seed=1), tiny.sample(30, seed=2)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.images, again.images)
    assert not torch.equal(first.images, other.images)
    assert len(rows(first)) == 30
    assert torch.equal(tiny.sample(30).images, tiny.sample(30, seed=0).images)
    assert (len(tiny.sample(0)), len(tiny.sample(40))) == (0, 40)
    for n in (-1, 41):
        with pytest.raises(ValueError, match=f"cannot draw {n} different digits from 40"):
            tiny.sample(n)


@pytest.mark.parametrize(
    "part",
    [lambda s: s[5:9], lambda s: s.only(3), lambda s: s.sample(7), lambda s: s.pick(s.labels > 4)],
)
def test_writers_follow_their_digits(tiny, part):
    written = Split(tiny.images, tiny.labels, torch.arange(40))
    chosen = part(written)
    assert torch.equal(tiny.images[chosen.writers], chosen.images)


def test_split_shows_itself(tiny):
    assert repr(tiny) == "Split(40 digits of 28 x 28 pixels)"
    html = tiny.only(4)._repr_html_()
    assert "Split(4 digits" in html
    assert html.count("<td>0</td>") == 9
    assert html.count("<td>4</td>") == 1


# --- In torch's own loaders -------------------------------------------------------------------


@pytest.mark.parametrize("chosen", [lambda s: s, lambda s: Subset(s, range(40)), lambda s: s[:]])
def test_plain_dataloader_works_and_gives_the_same_batches(tiny, chosen):
    plain = DataLoader(chosen(tiny), batch_size=16)
    for (images, labels), (expected, expected_labels) in zip(batches(tiny, 16), plain, strict=True):
        assert torch.equal(images, expected)
        assert torch.equal(labels, expected_labels)
        assert (labels.dtype, images.dtype) == (torch.int64, torch.float32)


def test_pixels_lie_in_memory_as_channels_last(tiny):
    pixels = as_pixels(tiny.images)
    assert torch.equal(pixels, tiny.images.unsqueeze(1) / 255)
    assert pixels.stride() == (784, 1, 28, 1)
    assert pixels.is_contiguous()


# --- Batches ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "sizes"), [(1, [1] * 40), (16, [16, 16, 8]), (40, [40]), (99, [40])]
)
def test_last_batch_may_be_short(tiny, size, sizes):
    loader = batches(tiny, size, seed=0)
    assert [len(labels) for _, labels in loader] == sizes
    assert (len(loader), len(loader.dataset)) == (len(sizes), 40)
    assert [len(labels) for _, labels in batches(tiny.sample(40).joined(tiny))] == [64, 16]
    assert list(batches(tiny[:0], size)) == []


def order(loader) -> list[bytes]:
    return [image.numpy().tobytes() for images, _ in loader for image in images]


def test_epochs_differ_and_one_seed_gives_the_same_ones(tiny):
    loader, again, other = (batches(tiny, 16, seed=seed) for seed in (3, 3, 4))
    epochs = [order(loader), order(loader)]
    assert epochs[0] != epochs[1]
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(order(batches(tiny)))
    assert [order(again), order(again)] == epochs
    assert order(other) not in epochs


def test_labels_stay_with_their_images(tiny):
    label_of = dict(zip(order(batches(tiny)), tiny.labels.tolist(), strict=True))
    for images, labels in batches(tiny, 7, seed=1):
        assert [label_of[image.numpy().tobytes()] for image in images] == labels.tolist()


@pytest.mark.parametrize("seed", [None, 0])
def test_batches_own_their_generator(tiny, seed):
    before = torch.get_rng_state()
    expected = order(batches(tiny, 16, seed=seed))
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)
    assert order(batches(tiny, 16, seed=seed)) == expected
    in_order = [(image / 255).numpy().tobytes() for image in tiny.images]
    assert (expected == in_order) == (seed is None)  # without a seed the order is kept


@pytest.mark.parametrize("size", [0, -1])
def test_batch_of_no_digits(tiny, size):
    with pytest.raises(ValueError, match=f"a batch needs at least 1 digit, not {size}"):
        batches(tiny, size)


# --- The embedded digits ----------------------------------------------------------------------


def all_digits(digits: Digits) -> torch.Tensor:
    return torch.cat([digits.train.images, digits.valid.images, digits.test.images])


def test_embedded_digits_have_their_sizes_and_are_disjoint(optdigits):
    splits = (optdigits.train, optdigits.valid, optdigits.test)
    assert [len(split) for split in splits] == [1197, 300, 300]
    for split in splits:
        assert (split.counts() / len(split) - 0.1).abs().max() < 0.007
    assert len(torch.unique(all_digits(optdigits), dim=0)) == 1797


def test_embedded_digits_are_the_same_for_everybody(optdigits):
    labels = torch.cat([optdigits.valid.labels, optdigits.test.labels]).numpy()
    assert hashlib.sha256(labels.tobytes()).hexdigest()[:16] == "91a068459e848cd2"
    ink = all_digits(optdigits)[:300].double().sum().item() / 255 / 300
    assert ink == pytest.approx(110.824, abs=0.01)  # of a digit


def test_embedded_digits_have_the_geometry_of_mnist(optdigits):
    images = all_digits(optdigits).numpy()
    rows, columns = images.any(axis=2), images.any(axis=1)
    assert (np.maximum(rows.sum(axis=1), columns.sum(axis=1)) == 20).all()
    ink = np.stack([images.sum(axis=2), images.sum(axis=1)]) @ (np.arange(28) + 0.5)
    centres = ink / images.sum(axis=(1, 2))
    assert np.abs(centres - 14.5).max() <= 0.51
    assert np.abs(centres.mean(axis=1) - 14.5).max() < 0.05
    assert 0.11 < images.mean() / 255 < 0.15


def test_embedded_digits_say_where_they_come_from(optdigits):
    assert repr(optdigits) == (
        "Digits('optdigits', train=1197, valid=300, test=300, source='scikit-learn')"
    )
    assert "CC BY 4.0" in optdigits.licence
    assert "Alpaydin" in optdigits.notes
    assert "<td>test</td><td>300</td>" in optdigits._repr_html_()
    assert "<caption>Digits(&#x27;optdigits&#x27;, train=1197" in optdigits._repr_html_()


def test_embedded_digits_look_like_mnist_on_the_average(optdigits, mnist):
    def average(split: Split) -> torch.Tensor:
        return torch.stack([split.only(d).images.float().mean(0).flatten() for d in range(10)])

    ours, theirs = average(optdigits.train), average(mnist.train)
    closeness = [torch.corrcoef(torch.stack(pair))[0, 1] for pair in zip(ours, theirs, strict=True)]
    assert min(closeness) > 0.65


# --- MNIST ------------------------------------------------------------------------------------


def test_mnist_is_split_the_same_for_everybody(mnist):
    assert [len(s) for s in (mnist.train, mnist.valid, mnist.test)] == [50_000, 10_000, 10_000]
    assert (mnist.train.counts() / 5 - mnist.valid.counts()).abs().max() <= 1
    assert fingerprint(mnist.valid) == "fec0887417c096cf"
    assert fingerprint(mnist.test) == "a0863a96c44e5666"


def test_mnist_shows_the_kind_of_source_and_no_path(mnist):
    shown = repr(mnist) + mnist._repr_html_() + mnist.notes
    assert mnist.source in {"$DIGITLAB_DATA", "data/", "cache"}
    assert str(next(iter(idx.find("mnist").paths.values())).parent) not in shown


@pytest.fixture(scope="module")
def written(mnist) -> Digits:
    if idx.writers_path(idx.find("mnist")) is None:
        pytest.skip(f"{idx.WRITERS_FILE} does not lie beside MNIST")
    return load("mnist", by="writer")


def test_no_writer_is_on_both_sides_and_no_digit_is_lost(written, mnist):
    train, valid = (set(split.writers.tolist()) for split in (written.train, written.valid))
    assert not train & valid
    assert len(train | valid) == 539
    assert fingerprint(written.valid) == "3e13db4c4f7e42e8"
    counts = written.train.counts() + written.valid.counts()
    assert torch.equal(counts, mnist.train.counts() + mnist.valid.counts())


# --- A data set of the size of MNIST ----------------------------------------------------------


@pytest.fixture(scope="module")
def standin(tmp_path_factory):
    """Write a folder of four files in MNIST's format: a dot whose place gives the label."""
    folder = tmp_path_factory.mktemp("standin")
    rng = np.random.default_rng(0)
    for part, n in (("train", 60_000), ("t10k", 10_000)):
        labels = rng.integers(0, 10, n, dtype=np.uint8)
        images = np.zeros((n, 28, 28), np.uint8)
        images[np.arange(n), 14, labels] = 255
        for kind, values in (("images-idx3-ubyte", images), ("labels-idx1-ubyte", labels)):
            header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">i4").tobytes()
            (folder / f"{part}-{kind}").write_bytes(header + values.tobytes())
    return folder


@pytest.fixture
def alone(monkeypatch, tmp_path):
    """Leave a folder without any data, no settings, and no network."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    for name in ("DIGITLAB_DATA", "DIGITLAB_DIGITS", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for data_set in ("MNIST", "FashionMNIST", "KMNIST"):
        monkeypatch.setattr(getattr(torchvision.datasets, data_set), "mirrors", [nowhere])
    monkeypatch.setattr(idx, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def trusted(standin, monkeypatch):
    """Take the stand-in for the published MNIST."""
    for file in idx.FILES:
        sha256 = hashlib.sha256((standin / file).read_bytes()).hexdigest()
        monkeypatch.setitem(idx.SOURCES["mnist"].sha256, file, sha256)
    return standin


def test_load_from_a_folder(alone, trusted, capsys):
    digits = load("mnist", trusted)
    assert repr(digits) == "Digits('mnist', train=50000, valid=10000, test=10000, source='folder')"
    assert (digits.train.images[:, 14].argmax(1) == digits.train.labels).all()
    assert (digits.train.counts() / 5 - digits.valid.counts()).abs().max() <= 1
    assert fingerprint(digits.valid) == "5a81e643218e5965"
    digits.train.images[0] = 7  # pixels may be written to
    assert str(trusted) not in repr(digits) + digits._repr_html_() + digits.notes + digits.licence
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["auto", "mnist"])
def test_load_takes_what_is_at_hand(alone, trusted, monkeypatch, name, capsys):
    monkeypatch.setenv("DIGITLAB_DATA", str(trusted))
    digits = load(name)
    assert (digits.name, digits.source) == ("mnist", "$DIGITLAB_DATA")
    assert capsys.readouterr().err == ""


def test_load_by_writer_needs_their_file(alone, trusted):
    with pytest.raises(ValueError, match=r"needs MNIST and QMNIST's file qmnist-train.*beside it"):
        load("mnist", trusted, by="writer")


def test_load_by_writer_takes_their_file(alone, trusted, monkeypatch):
    table = np.zeros((60_000, 8), ">i4")
    table[:, idx.WRITER_COLUMN] = np.arange(60_000) // 100
    content = bytes([0, 0, 12, 2]) + np.array(table.shape, ">i4").tobytes() + table.tobytes()
    path = trusted / idx.WRITERS_FILE
    path.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    monkeypatch.setitem(idx.SOURCES["mnist"].sha256, idx.WRITERS_FILE, sha256)
    digits = load("mnist", trusted, by="writer")
    path.write_bytes(content[:-1] + b"\x01")
    with pytest.raises(ValueError, match=f"than the published {idx.WRITERS_FILE}"):
        load("mnist", trusted, by="writer")
    path.unlink()
    assert (len(digits.train), len(digits.valid)) == (50_000, 10_000)
    assert not set(digits.train.writers.tolist()) & set(digits.valid.writers.tolist())


def test_damaged_file_at_hand_is_an_error_and_no_reason_to_take_other_digits(
    alone, trusted, monkeypatch
):
    sha256 = idx.SOURCES["mnist"].sha256
    monkeypatch.setitem(sha256, "t10k-labels-idx1-ubyte", "0" * 64)
    with pytest.raises(ValueError, match=r"t10k-labels-idx1-ubyte has the right form but other"):
        load("auto", trusted)


def test_damaged_cache_waits_for_a_network(alone, trusted, monkeypatch):
    monkeypatch.setitem(idx.SOURCES["mnist"].sha256, "t10k-labels-idx1-ubyte", "0" * 64)
    os.symlink(trusted, alone / "cache")
    with pytest.raises(OSError, match="could not be downloaded"):
        load("mnist")
    assert load("auto").name == "optdigits"


def test_damaged_cache_is_replaced_by_what_was_published(alone, trusted, monkeypatch):
    cache, resources = alone / "cache" / "mnist", []
    cache.mkdir(parents=True)
    for file in idx.FILES:
        content = gzip.compress((trusted / file).read_bytes(), 1)
        (cache / f"{file}.gz").write_bytes(content)
        resources.append((f"{file}.gz", hashlib.md5(content).hexdigest()))
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", resources)
    (cache / "t10k-labels-idx1-ubyte").write_bytes(b"damaged")
    assert load("mnist").source == "cache"


@pytest.mark.parametrize("name", ["fashion", "kmnist"])
def test_other_sets_have_their_own_folders(alone, trusted, monkeypatch, name):
    os.symlink(trusted, alone / name)
    digits = load(name, alone)
    assert (digits.name, len(digits.train), digits.source) == (name, 50_000, "folder")


# --- Without MNIST ----------------------------------------------------------------------------


@pytest.mark.parametrize("choice", [None, ""])
def test_auto_falls_back_with_one_line_that_says_what_to_do(alone, monkeypatch, capsys, choice):
    if choice is not None:
        monkeypatch.setenv("DIGITLAB_DIGITS", choice)
    assert load().name == "optdigits"
    out, err = capsys.readouterr()
    *_, line = err.splitlines()
    assert out == ""
    assert line.startswith("MNIST is not at hand: ")
    assert "DIGITLAB_DATA" in line


@pytest.mark.parametrize("name", ["mnist", "fashion", "kmnist"])
def test_set_asked_for_by_name_is_never_another(alone, name):
    with pytest.raises(OSError, match=r"^train-images-idx3-ubyte.gz could not be downloaded \("):
        load(name)


def test_embedded_digits_can_be_chosen_from_outside(alone, monkeypatch, capsys):
    monkeypatch.setenv("DIGITLAB_DIGITS", "optdigits")
    assert load().name == "optdigits"
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("DIGITLAB_DIGITS", "mnist")
    with pytest.raises(OSError, match="could not be downloaded"):
        load()


def test_choice_from_outside_is_for_auto_alone(alone, trusted, monkeypatch):
    monkeypatch.setenv("DIGITLAB_DIGITS", "optdigits")
    assert load("mnist", trusted).name == "mnist"


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("MNIST", "mnist"), ("optdigit", "optdigits"), ("fashion-mnist", "fashion"), (None, "")],
)
def test_unknown_name_is_answered_with_the_nearest_one(alone, monkeypatch, name, nearest):
    with pytest.raises(ValueError, match=f"unknown data set {name!r}; .*{nearest}"):
        load(name)
    monkeypatch.setenv("DIGITLAB_DIGITS", str(name))
    with pytest.raises(ValueError, match=f"unknown data set in DIGITLAB_DIGITS '{name}'; .*"):
        load()


@pytest.mark.parametrize("name", ["optdigits", "fashion"])
def test_only_mnist_knows_its_writers(alone, standin, name):
    os.symlink(standin, alone / "fashion")
    with pytest.raises(ValueError, match="MNIST"):
        load(name, alone, by="writer")


def test_unknown_way_to_split(alone):
    with pytest.raises(ValueError, match=r"unknown way to split 'writers'; did you mean 'writer'"):
        load("mnist", by="writers")
