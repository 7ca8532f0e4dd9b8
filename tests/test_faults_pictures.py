"""One six in every mode, container, size and orientation that exist: it is read the same."""

import io
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageDraw
from PIL.Image import Transpose

from digitlab.cli import main
from digitlab.measured import pretrained
from digitlab.reading import opened
from digitlab.reading.opened import open_picture
from digitlab.reading.page import read_page
from digitlab.reading.predict import Prediction, predict
from digitlab.recipes import RECIPES
from digitlab.runs import Run
from digitlab.trainer import History

MODES = (  # of Pillow
    *("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "CMYK", "YCbCr", "LAB", "HSV"),
    *("I;16", "I;16B", "I", "F"),
)
COLOURED = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "CMYK", "YCbCr", "LAB", "HSV")
HOLDS = {  # the modes that Pillow writes into each container without cutting off large numbers
    "itself": MODES,
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I;16B"),
    "TIFF": (
        *("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB"),
        *("I;16", "I;16B", "I", "F"),
    ),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
    "GIF": ("1", "L", "LA", "P", "RGB", "RGBA"),
    "JPEG": ("1", "L", "RGB", "CMYK", "YCbCr"),
    "WEBP": COLOURED,
    "AVIF": COLOURED,
    "HEIF": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
}
SEE_THROUGH = {"LA", "La", "RGBA", "RGBa"}
UPRIGHT_ONLY = {"BMP", "GIF"}  # they have no EXIF data
STORED = {  # how the pixels lie in a file whose EXIF data give this orientation
    1: None,
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_90,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_270,
}
SOME = ("PNG I;16", "PNG P", "PNG RGBA", "TIFF F", "TIFF CMYK", "JPEG L", "WEBP RGB", "HEIF RGB")
FEW = ("PNG 1", "PNG L", "PNG I;16", "TIFF L", "JPEG L")
LOSSY = {"JPEG", "WEBP", "AVIF", "HEIF", "GIF"}  # the last one chooses its colours


class Case(NamedTuple):
    container: str
    mode: str
    side: int
    turn: int
    ground: str = "white"


def cases() -> Iterator[Case]:
    for container, modes in HOLDS.items():
        turns = [1] if container in UPRIGHT_ONLY else list(STORED)
        for mode in modes:
            for side, turn in itertools.product((28, 100), turns):
                yield Case(container, mode, side, turn)
            if mode in SEE_THROUGH and container not in UPRIGHT_ONLY:
                yield from (Case(container, mode, 100, turn, "clear") for turn in turns)
            name = f"{container} {mode}"
            if name in SOME or container == "itself":
                yield Case(container, mode, 700, 6)
            if name in SOME:
                yield Case(container, mode, 2000, 8)
            if name in FEW:
                yield Case(container, mode, 6000, 3)


CASES = list(cases())
PLACES = [pytest.param(*place, id=" ".join(place)) for place in dict.fromkeys(c[:2] for c in CASES)]


@cache
def six(side: int = 150) -> Image.Image:
    image = Image.new("L", (300, 300), 255)
    pen = ImageDraw.Draw(image)
    pen.ellipse([100, 150, 190, 240], outline=0, width=22)
    pen.line([(110, 190), (120, 120), (165, 60)], fill=0, width=22)
    return image.resize((side, side))


@cache
def expected(side: int = 150) -> Prediction:
    return predict(reader(), six(side))


@cache
def reader() -> Any:
    return pretrained("tiny")


def in_mode(image: Image.Image, mode: str) -> Image.Image:
    if mode == "LAB":
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        return ImageCms.applyTransform(
            image.convert("RGB"), ImageCms.buildTransform(*profiles, "RGB", "LAB")
        )
    grey = np.asarray(image)
    if mode == "I;16B":
        return Image.frombytes(mode, image.size, (grey.astype(">u2") * 257).tobytes())
    if mode in ("I;16", "I"):
        return Image.fromarray(grey.astype(np.uint16 if mode == "I;16" else np.int32) * 257)
    if mode == "F":
        return Image.fromarray(grey.astype(np.float32) / 255)
    steps = {"PA": ["P"], "La": ["LA"], "RGBa": ["RGBA"], "HSV": ["RGB"]}
    for step in (*steps.get(mode, []), mode):
        image = image.convert(step, dither=Image.Dither.NONE)
    return image


def made(case: Case) -> Image.Image:
    """Return the six as it lies in the file: black ink on white, or black ink and nothing else."""
    image, stored = six(case.side), STORED[case.turn]
    image = image if stored is None else image.transpose(stored)
    if case.ground == "white":
        return in_mode(image, case.mode)
    ink = Image.merge("LA", [Image.new("L", image.size), image.point(lambda level: 255 - level)])
    return in_mode(ink.convert(case.mode.upper()), case.mode)


def exif(turn: int) -> bytes:
    data = Image.Exif()
    data[0x0112] = turn
    return data.tobytes()


def saved(case: Case, folder: Path) -> Image.Image | Path:
    image, path = made(case), folder / f"six.{case.container.lower()}"
    if case.container == "itself":
        image.getexif()[0x0112] = case.turn
        return image
    settings: dict[str, Any] = {} if case.container in UPRIGHT_ONLY else {"exif": exif(case.turn)}
    if case.side > 1000:
        settings |= {"PNG": {"compress_level": 1}, "WEBP": {"method": 0}}.get(case.container, {})
    image.save(path, case.container, **settings)
    return path


def box(found: Prediction) -> np.ndarray:
    """Return left, top, right and bottom of the digit in the picture."""
    places = np.argwhere(found.steps["digit only"] > 127)
    return np.concatenate([places.min(axis=0), places.max(axis=0)])


def check_same(found: Prediction, side: int, *, levels: float, pixels: int, name: object) -> None:
    """Compare digit, box and each step with those of the six in grey levels, upright."""
    wanted = expected(side)
    assert (found.digit, found.note, wanted.digit) == (6, "", 6), name
    assert np.abs(box(found) - box(wanted)).max() <= pixels, name
    assert found.steps.keys() == wanted.steps.keys(), name
    for step, values in wanted.steps.items():
        if not (step == "picture" and "clear" in name):  # it has no ground to be compared
            away = np.abs(found.steps[step].astype(float) - values).mean()
            assert away <= levels, (name, step)


@pytest.mark.parametrize(("container", "mode"), PLACES)
def test_a_picture_is_read_the_same_wherever_it_lies(
    container: str, mode: str, tmp_path: Path
) -> None:
    if container == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    # two levels lose the smooth edges; what loses bytes loses levels
    levels, pixels = (16.0, 1) if mode == "1" else (2.5, 1) if container in LOSSY else (0.05, 0)
    for case in CASES:
        if case[:2] == (container, mode):
            found = predict(reader(), saved(case, tmp_path))
            check_same(found, case.side, levels=levels, pixels=pixels, name=case)


def test_the_table_holds_all_that_exist() -> None:
    assert len(CASES) == len(set(CASES)) > 1000
    assert {case.side for case in CASES} == {28, 100, 700, 2000, 6000}
    for container, mode in itertools.product(HOLDS.keys() - {"itself", "HEIF"}, MODES):
        if mode not in HOLDS[container]:
            cut_off = container in LOSSY and mode in ("I;16", "I;16B", "I", "F")
            try:
                in_mode(six(28), mode).save(io.BytesIO(), container)
                assert cut_off, (container, mode)
            except (OSError, ValueError):
                continue


@pytest.mark.parametrize("side", [100, 2000])
@pytest.mark.parametrize("turn", STORED)
def test_a_page_gives_the_same_box_however_it_lies(turn: int, side: int, tmp_path: Path) -> None:
    wanted = read_page(six(side), reader())[0].box
    for container in ("PNG", "JPEG", "TIFF"):
        found = read_page(saved(Case(container, "L", side, turn), tmp_path), reader())
        assert (found.text, found.size) == ("6", (side, side))
        assert np.abs(np.subtract(found[0].box, wanted)).max() <= max(1, side // 1000)


# --- Ground, numbers and metadata ---------------------------------------------------------------


@pytest.mark.parametrize("threshold", [250, 200, 128])
@pytest.mark.parametrize("side", [100, 300])
@pytest.mark.parametrize("white_ink", [False, True])
def test_hard_edges_on_nothing_are_ink(threshold: int, side: int, white_ink: bool) -> None:
    grey = np.asarray(six(side))
    alpha = np.where(grey < threshold, 255, 0).astype(np.uint8)
    levels = 255 - grey if white_ink else grey
    found = predict(reader(), Image.fromarray(np.dstack([levels] * 3 + [alpha])))
    assert found.digit == 6


@pytest.mark.parametrize("container", ["PNG", "GIF", "WEBP"])
def test_a_colour_that_is_named_transparent_is_no_ink(container: str, tmp_path: Path) -> None:
    path = tmp_path / f"six.{container.lower()}"
    image = in_mode(six(), "P")
    image.info["transparency"] = 255
    image.save(path, container, transparency=255)
    check_same(predict(reader(), path), 150, levels=4, pixels=1, name="clear")


WRONG = (np.nan, np.inf, -np.inf, -0.3, -1e30, 1.3)


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("turn", STORED)
def test_one_number_that_is_no_share_changes_nothing(
    wrong: float, turn: int, tmp_path: Path
) -> None:
    values = np.array(made(Case("TIFF", "F", 150, turn)))
    values[0, 0] = wrong
    Image.fromarray(values).save(tmp_path / "six.tiff", exif=exif(turn))
    found = predict(reader(), tmp_path / "six.tiff")
    check_same(found, 150, levels=0.6, pixels=0, name=(wrong, turn))


def test_shares_beyond_0_and_1_are_cut_off() -> None:
    values = np.asarray(six(), np.float32) / 255
    for low, high in ((-0.5, 1.5), (-1.0, 1.0), (-0.01, 1.01)):
        found = predict(reader(), Image.fromarray(low + (high - low) * values))
        assert (found.digit, found.note) == (6, "")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.full((60, 60), np.nan), "^there is no ink"),
        (np.full((60, 60), np.inf), "^there is no ink"),
        (-1 - np.eye(60), "^the numbers of this picture lie below 0, from -2 to -1, so all is"),
        (np.eye(60) - 1, "from -1 to 0, so all is black; move them to 0 to 1$"),
    ],
)
def test_a_picture_without_light_is_refused_in_one_sentence(values: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        predict(reader(), Image.fromarray(values.astype(np.float32)))


DAMAGED = {  # what stands in place of EXIF data, and whether Pillow sees that it is damaged
    "cut off": (exif(6)[:-9], True),
    "a value beyond the end": (exif(6).replace(b"\0\3\0\0\0\1", b"\0\2\x7f\xff\xff\xff"), True),
    "a type that there is not": (exif(6).replace(b"\1\x12\0\3", b"\1\x12\0\xee"), False),
    "nothing": (b"Exif\0\0", False),
    **{f"orientation {turn}": (exif(turn), False) for turn in (0, 9, 65_535)},
}


@pytest.mark.parametrize("container", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize(("data", "seen"), DAMAGED.values(), ids=DAMAGED)
def test_damaged_exif_data_tell_no_turn_and_are_noted(
    data: bytes, seen: bool, container: str, tmp_path: Path
) -> None:
    path = tmp_path / f"six.{container.lower()}"
    six().save(path, container, exif=data)
    found, page = predict(reader(), path), read_page(path, reader())
    assert (found.digit, page.text) == (6, "6")
    assert found.note == page.note
    assert found.note.startswith("the file is damaged (") == seen
    assert (", note='the file is damaged" in repr(found)) == seen == ("note=" in repr(page))


def test_exif_data_that_cannot_be_parsed_are_noted(tmp_path: Path) -> None:
    six().save(tmp_path / "six.png", exif=b"Exif\0\0no tiff header")
    found = predict(reader(), tmp_path / "six.png")
    assert found.digit == 6
    assert found.note == "the file is damaged (its EXIF data); look whether it was read upright"


def test_the_command_line_tells_the_note_below_its_table_and_in_its_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    six().save(tmp_path / "six.png", exif=DAMAGED["cut off"][0])
    run = Run(RECIPES["tiny"], reader(), History(), "mnist", {}, 0, 1).save(tmp_path / "run.pt")
    words = ["predict", str(run), str(tmp_path / "six.png")]
    assert main(words) == main([*words, "--json"]) == 0
    *table, note, answer = capsys.readouterr().out.splitlines()
    assert len(table) == 3
    assert note == f"{tmp_path / 'six.png'}: {json.loads(answer)[0]['note']}"
    assert ": the file is damaged (Corrupt EXIF data" in note


# --- Damaged files ------------------------------------------------------------------------------


def tiff(change: bytes, at: int) -> bytes:
    file = io.BytesIO()
    six().save(file, "TIFF", compression="tiff_lzw")
    whole = file.getvalue()
    return whole[:at] + change + whole[at + len(change) :]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (tiff(b"\xff" * 40, 20), r"cannot be read whole \(.*decoder error.*\); save it again$"),
        (tiff(b"", 0)[:300], r"is no picture .*read \(.+ data.+\); use PNG or JPEG$"),
    ],
    ids=["pixels", "tags"],
)
def test_what_decoders_print_and_warn_of_stands_in_the_sentence(
    content: bytes, words: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "six.tiff").write_bytes(content)
    with pytest.raises(ValueError, match=rf"^'six\.tiff' {words}"):
        predict(reader(), tmp_path / "six.tiff")
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(os.name == "nt", reason="a shell of Linux or macOS closes it")
def test_a_tiff_file_is_read_where_nothing_can_be_printed(tmp_path: Path) -> None:
    six().save(tmp_path / "six.tiff")
    code = "from digitlab.reading.opened import open_picture as o; print(o('six.tiff').size)"
    command = [sys.executable, "-c", code]
    closed = ["sh", "-c", 'exec "$@" 2>&-', "sh", *command]
    done = subprocess.run(closed, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "(150, 150)\n"


def test_a_photo_of_a_phone_is_read_under_any_name(tmp_path: Path) -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    for name in ("six.heic", "six.jpg"):
        six().save(tmp_path / name, "HEIF", exif=exif(6))
        assert open_picture(tmp_path / name).size == (150, 150)


def test_a_photo_of_a_phone_says_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    opened._knows_heic.cache_clear()
    (tmp_path / "six.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(ValueError, match=r"^'six\.HEIC' .* needs pillow-heif: pip install"):
        predict(reader(), tmp_path / "six.HEIC")
    opened._knows_heic.cache_clear()


def test_a_page_of_countless_marks_is_refused_in_no_time() -> None:
    marks = np.full((900, 900), 255, np.uint8)
    for top, left in itertools.product(range(15, 880, 30), repeat=2):
        marks[top : top + 6 + 8 * (left % 60 > 20), left : left + 8] = 0
    with pytest.raises(ValueError, match="there are 841 marks on this page, too many to be digits"):
        read_page(Image.fromarray(marks), reader())
