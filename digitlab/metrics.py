"""How good predictions are: pure functions on tensors.

Everywhere `labels` are the truth, int64 (N,), and `predictions` classes int64 (N,), or logits or
probabilities float (N, 10). Accuracies, recalls and confidences are fractions in [0, 1].

Raises:
    ValueError: for no digits, other shapes, or classes outside 0 to 9.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from digitlab.geometry import N_CLASSES
from digitlab.pixels import is_tensor, kind_of


def accuracy(predictions: Tensor, labels: Tensor) -> float:
    """Return the fraction of digits that are read correctly."""
    return _classes(predictions, labels).eq(labels).double().mean().item()


def confusion_matrix(predictions: Tensor, labels: Tensor) -> Tensor:
    """Count how often each class (row) is read as each class (column).

    Returns int64 (10, 10); its sum is N, its diagonal counts what is right.
    """
    classes = _classes(predictions, labels)
    pairs = labels * N_CLASSES + classes
    return torch.bincount(pairs, minlength=N_CLASSES**2).reshape(N_CLASSES, N_CLASSES)


def recall(predictions: Tensor, labels: Tensor) -> Tensor:
    """Return for each class the fraction of its digits that are read correctly.

    Returns float64 (10,); NaN where a class has no digit.
    """
    matrix = confusion_matrix(predictions, labels).double()
    return matrix.diagonal() / matrix.sum(dim=1)


def nll(logits: Tensor, labels: Tensor) -> Tensor:
    """Return for each digit the negative logarithm of the probability given to its true class.

    Takes logits float (N, 10); returns float64 (N,), whose mean is the cross-entropy loss.
    """
    _classes(logits, labels, scores=True)
    return -logits.double().log_softmax(dim=1).gather(1, labels[:, None]).squeeze(1)


@dataclass(frozen=True, eq=False)
class Calibration:
    """Hold how often a model is right where it is this sure, from unsure to sure.

    Attributes:
        confidence: float64 (bins,), mean probability of the prediction; NaN in an empty bin.
        accuracy: float64 (bins,), fraction that is right; NaN in an empty bin.
        counts: int64 (bins,), digits in the bin.
    """

    confidence: Tensor
    accuracy: Tensor
    counts: Tensor

    @property
    def error(self) -> float:
        """Return the expected calibration error: the mean distance of the two, over all digits."""
        distance = (self.confidence - self.accuracy).abs().nan_to_num()
        return ((distance * self.counts).sum() / self.counts.sum()).item()


def calibration(probabilities: Tensor, labels: Tensor, *, bins: int = 15) -> Calibration:
    """Compare the probability of each prediction with how often such predictions are right.

    Args:
        probabilities: float (N, 10), rows that add to 1.
        labels: the truth.
        bins: equal steps of the probability from 0 to 1.

    Raises:
        ValueError: for probabilities outside [0, 1] or NaN.

    Source: Guo et al. 2017, "On calibration of modern neural networks".
    """
    if bins < 1:
        raise ValueError(f"calibration needs at least 1 bin, not {bins}")
    right = _classes(probabilities, labels, scores=True).eq(labels).double()
    sure = probabilities.double().amax(dim=1)
    if not 0 <= float(probabilities.min()) <= float(sure.max()) <= 1 + 1e-6:
        raise ValueError(
            "probabilities must lie in 0 to 1, but some of these do not (or are NaN); "
            "pass result.probabilities, not result.logits"
        )
    place = (sure * bins).ceil().long().clamp(1, bins) - 1  # (N,), a bin holds its upper edge
    counts = torch.bincount(place, minlength=bins)
    return Calibration(
        confidence=torch.bincount(place, weights=sure, minlength=bins) / counts,
        accuracy=torch.bincount(place, weights=right, minlength=bins) / counts,
        counts=counts,
    )


def _classes(predictions: Tensor, labels: Tensor, *, scores: bool = False) -> Tensor:
    """Check both and return the predicted classes, int64 (N,)."""
    for name, values in (("labels", labels), ("predictions", predictions)):
        if not isinstance(values, Tensor) or not values.ndim or not is_tensor(values, values.dtype):
            raise ValueError(f"{name} must be a tensor (N, ...), but these are {kind_of(values)}")
    if not len(labels):
        raise ValueError("there are no digits to judge: labels is empty")
    if len(predictions) != len(labels) or labels.ndim != 1:
        raise ValueError(
            f"predictions and labels must be as many, but they have the shapes "
            f"{tuple(predictions.shape)} and {tuple(labels.shape)}"
        )
    classes = predictions
    if predictions.ndim == 2 and predictions.shape[1] == N_CLASSES:
        classes = predictions.argmax(dim=1)
    elif scores or predictions.ndim != 1:
        shapes = "(N, 10)" if scores else "(N,) or (N, 10)"
        raise ValueError(f"predictions must have shape {shapes}, not {tuple(predictions.shape)}")
    for name, values in (("labels", labels), ("predictions", classes)):
        if values.is_floating_point() or not 0 <= int(values.min()) <= int(values.max()) < 10:
            raise ValueError(
                f"{name} must be whole numbers from 0 to 9, but these are {values.dtype} "
                f"from {values.min().item()} to {values.max().item()}"
            )
    return classes.long()
