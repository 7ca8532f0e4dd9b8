import pytest
import torch
import torch.nn.functional as F

from digitlab import metrics

LABELS = torch.tensor([0, 1, 1, 2])
PREDICTIONS = torch.tensor([0, 1, 7, 2])


def test_accuracy_is_the_fraction_of_right_predictions():
    assert metrics.accuracy(PREDICTIONS, LABELS) == 0.75
    assert metrics.accuracy(F.one_hot(PREDICTIONS, 10).float(), LABELS) == 0.75  # the highest


def test_confusion_matrix_has_the_truth_in_its_rows():
    matrix = metrics.confusion_matrix(PREDICTIONS.int(), LABELS)
    assert (matrix.dtype, matrix.shape) == (torch.int64, (10, 10))
    assert (matrix[1, 7], matrix[7, 1]) == (1, 0)
    assert (matrix.sum(), matrix.trace()) == (4, 3)


def test_recall_of_a_class_without_digits_is_nan():
    recall = metrics.recall(PREDICTIONS, LABELS)

    assert recall[:3].tolist() == [1, 0.5, 1]
    assert recall[3:].isnan().all()


def test_mean_nll_is_the_cross_entropy():
    logits = torch.randn(50, 10, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(50) % 10
    losses = metrics.nll(logits, labels)
    assert (losses.dtype, losses.shape) == (torch.float64, (50,))
    assert losses.mean().item() == pytest.approx(F.cross_entropy(logits, labels).item())


def sure(probability: float, n: int) -> torch.Tensor:
    """Give class 0 this probability, `n` times."""
    rest = torch.full((n, 9), (1 - probability) / 9)
    return torch.cat([torch.full((n, 1), probability), rest], dim=1)


def test_calibration_error_is_the_gap_between_sure_and_right():
    labels = torch.tensor([0] * 6 + [1] * 4)  # right in 60 %
    found = metrics.calibration(sure(0.9, 10), labels)
    assert found.error == pytest.approx(0.3)
    assert found.counts.tolist() == [0] * 13 + [10, 0]  # of 15 bins
    assert found.confidence[13] == pytest.approx(0.9)
    assert found.accuracy[13] == pytest.approx(0.6)


def test_calibration_error_weighs_bins_by_their_digits():
    probabilities = torch.cat([sure(0.5, 1), sure(1.0, 3)])
    found = metrics.calibration(probabilities, torch.zeros(4, dtype=torch.int64))
    assert found.error == pytest.approx(0.5 / 4)


@pytest.mark.parametrize(
    ("probability", "bins", "counts"),
    [
        (0.5, 2, [1, 0]),  # a bin holds its upper edge
        (0.1, 1, [1]),  # as sure of each class
        (0.0, 3, [1, 0, 0]),
        (1 + 5e-7, 3, [0, 0, 1]),  # rounding
    ],
)
def test_every_probability_has_its_bin(probability, bins, counts):
    row = torch.zeros(1, 10, dtype=torch.float64)
    row[0, 0] = probability
    if probability == 0.1:
        row[:] = 0.1
    found = metrics.calibration(row, LABELS[:1], bins=bins)
    assert found.counts.tolist() == counts
    assert [bool(c.isnan()) for c in found.confidence] == [n == 0 for n in counts]
    assert [bool(a.isnan()) for a in found.accuracy] == [n == 0 for n in counts]


@pytest.mark.parametrize(
    ("predictions", "labels", "words"),
    [
        (torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), "no digits"),
        (PREDICTIONS, torch.tensor([0, 1, 2, 10]), "labels must be whole numbers from 0 to 9"),
        (torch.tensor([0, 1, 2, -1]), LABELS, "predictions must be whole numbers"),
        (PREDICTIONS.float(), LABELS, "predictions must be whole numbers"),
        (PREDICTIONS[:3], LABELS, r"must be as many, but they have the shapes \(3,\) and \(4,\)"),
        (PREDICTIONS, LABELS[:, None], "must be as many"),
        (PREDICTIONS[:, None, None], LABELS, r"not \(4, 1, 1\)"),
        (torch.zeros(4, 7), LABELS, r"must have shape \(N,\) or \(N, 10\)"),
    ],
)
def test_what_cannot_be_judged_is_refused_in_one_sentence(predictions, labels, words):
    with pytest.raises(ValueError, match=words):
        metrics.confusion_matrix(predictions, labels)


@pytest.mark.parametrize("judge", [metrics.nll, metrics.calibration])
def test_classes_alone_say_nothing_about_how_sure_a_model_is(judge):
    with pytest.raises(ValueError, match=r"must have shape \(N, 10\), not \(4,\)"):
        judge(PREDICTIONS, LABELS)


def test_calibration_needs_a_bin():
    with pytest.raises(ValueError, match="calibration needs at least 1 bin, not 0"):
        metrics.calibration(sure(0.9, 4), LABELS, bins=0)


def test_negative_numbers_are_no_probabilities():
    with pytest.raises(ValueError, match=r"result\.probabilities"):
        metrics.calibration(sure(0.9, 2) - torch.eye(10)[:2], LABELS[:2])


@pytest.mark.parametrize("bad", [1.5, float("nan")])
def test_calibration_refuses_what_are_no_probabilities(bad):
    with pytest.raises(ValueError, match=r"result\.probabilities"):
        metrics.calibration(torch.full((2, 10), bad), LABELS[:2])
