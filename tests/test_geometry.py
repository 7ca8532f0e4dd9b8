"""MNIST's geometry: the box of 20 x 20, the centre of mass, the frame of 28 x 28."""

import numpy as np
import pytest

from digitlab.geometry import center_in_frame, centred


def box(image: np.ndarray) -> tuple[int, int]:
    """Return height and width of the ink."""
    rows, columns = np.nonzero(image)
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


def centre_of_mass(image: np.ndarray) -> np.ndarray:
    """Return the place of the ink, in pixels from the top left edge."""
    middles = np.arange(len(image)) + 0.5
    return np.array([image.sum(1) @ middles, image.sum(0) @ middles]) / image.sum()


@pytest.mark.parametrize(
    ("ink", "expected"),
    [
        (np.ones((5, 5)), (20, 20)),
        (np.pad(np.ones((40, 10)), 30), (20, 5)),
        (np.ones((3, 300)), (1, 20)),
        (np.ones((1, 1)), (20, 20)),
        (np.full((20, 20), 7.0), (20, 20)),
        (np.pad(np.full((20, 20), 0.11), 2, constant_values=0.09), (20, 20)),  # faint is no ink
    ],
)
def test_digit_is_brought_into_the_box(ink: np.ndarray, expected: tuple[int, int]) -> None:
    image = center_in_frame(ink)
    assert (image.dtype, image.shape) == (np.uint8, (28, 28))
    assert box(image) == expected
    assert image.max() == min(round(ink.max() * 255), 255)


def test_a_digit_that_is_made_smaller_keeps_the_mean_of_its_ink() -> None:
    stripes = np.tile([1.0, 0.5], (40, 20))
    image = center_in_frame(stripes)
    assert (image[image > 0] == 191).all()  # each pixel is the mean of 2 x 2


def test_centre_of_mass_is_brought_to_the_middle() -> None:
    bowl = np.zeros((60, 50))
    bowl[5:8, 5:45] = bowl[8:50, 5:8] = 1
    assert np.abs(centre_of_mass(center_in_frame(bowl)) - 14.5).max() <= 0.5


@pytest.mark.parametrize("fine", [1, 4])
@pytest.mark.parametrize("corner", [(0, 0), (3, 20), (22, 7), (23, 23)])
def test_a_frame_is_centred_by_whole_pixels_of_mnist(fine: int, corner: tuple[int, int]) -> None:
    frame = np.zeros((28 * fine, 28 * fine))
    down, across = corner[0] * fine, corner[1] * fine
    frame[down : down + 5 * fine, across : across + 5 * fine] = 0.7
    moved = centred(frame, fine=fine)
    assert centre_of_mass(moved) / fine == pytest.approx(14.5)
    places = np.argwhere(moved)
    assert (places.min(axis=0) == 12 * fine).all()
    assert moved.sum() == pytest.approx(frame.sum())


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("fine", [1, 4])
def test_digit_never_leaves_the_frame(turns: int, fine: int) -> None:
    pin = np.full((40, 40), 0.11)
    pin[:2, :2] = 100
    assert box(center_in_frame(np.rot90(pin, turns))) == (20, 20)
    for edge, moves in ((28 * fine - 1, 0), (26 * fine, 1), (26 * fine + fine // 2, 1)):
        frame = np.zeros((28 * fine, 28 * fine))
        frame[edge] = 0.06  # as faint as ink can be
        frame[:fine, :fine] = 500  # would bring that out of the frame
        moved = centred(frame, fine=fine)
        assert np.array_equal(moved, np.roll(frame, (moves * fine, 0), (0, 1)))
        turned = centred(np.rot90(frame, turns), fine=fine)
        assert np.count_nonzero(turned) == np.count_nonzero(frame)


@pytest.mark.parametrize("place", [(25, 25), (2, 2)])
def test_a_faint_dot_is_centred_and_a_fainter_one_stays(place: tuple[int, int]) -> None:
    frame = np.zeros((28, 28))
    frame[place] = 0.06
    assert np.argwhere(centred(frame)).tolist() == [[14, 14]]
    frame[place] = 0.04
    assert np.argwhere(centred(frame)).tolist() == [list(place)]


def test_a_frame_without_ink_stays_as_it_is() -> None:
    assert not centred(np.zeros((28, 28))).any()


@pytest.mark.parametrize("ink", [np.zeros((28, 28)), np.zeros((0, 28)), np.full((9, 9), 0.05)])
def test_picture_without_ink(ink: np.ndarray) -> None:
    with pytest.raises(ValueError, match="no ink in this picture"):
        center_in_frame(ink)
