"""Other right answers to the exercises of notebook 05, and changes that change nothing."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def by_numpy(history):
    return np.argmin(history.valid_loss) + 1


def by_tensor(history):
    return torch.tensor(history.valid_loss).argmin() + 1


def by_loop(history):
    best, lowest = 0, 100.0
    for epoch, loss in enumerate(history.valid_loss, 1):
        if loss < lowest:
            best, lowest = epoch, loss
    return float(best)


def centred_by_numpy(train_pixels, new_pixels):
    train = train_pixels.numpy()
    return (new_pixels.numpy() - train.mean()) / train.std()


def in_double(train_pixels, new_pixels):
    train = train_pixels.double().flatten()
    mean = train.sum() / len(train)
    return (new_pixels - mean) / ((train - mean) ** 2).mean().sqrt()


def by_torchvision(train_pixels, new_pixels):
    return (new_pixels / train_pixels.std()) - train_pixels.mean() / train_pixels.std()


class OfTorch(nn.Dropout):
    pass


class Functional(nn.Module):
    def __init__(self, p):
        super().__init__()
        self.probability = p

    def forward(self, h):
        return F.dropout(h, self.probability, self.training)


class OfTheNotebook(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        self.p = p

    def forward(self, x):
        if self.training:
            mask = torch.empty_like(x).bernoulli_(1 - self.p)
            x = x * mask / (1 - self.p)
        return x


class ByNumpy(nn.Module):
    def __init__(self, p):
        super().__init__()
        self.p, self.random = p, np.random.default_rng(0)

    def forward(self, h):
        if not self.training:
            return h.clone()
        silent = torch.from_numpy(self.random.random(h.shape) < self.p)
        return torch.where(silent, 0.0, h / (1 - self.p))


def by_slices(losses, patience):
    for epoch in range(patience + 1, len(losses) + 1):
        if min(losses[epoch - patience : epoch]) >= min(losses[: epoch - patience]):
            return epoch
    return len(losses)


def by_best_epoch(losses, patience):
    for epoch in range(1, len(losses) + 1):
        seen = np.array(losses[:epoch])
        if epoch - (seen.argmin() + 1) >= patience:
            return np.int64(epoch)
    return len(losses)


def by_while(losses, patience):
    epoch, best, last_better = 0, None, 0
    while epoch < len(losses) and epoch - last_better < patience:
        if best is None or losses[epoch] < best:
            best, last_better = losses[epoch], epoch + 1
        epoch += 1
    return torch.tensor(epoch)


def as_tensor(on_validation, on_test):
    return on_test[on_validation == on_validation.max()]


def honest_by_numpy(on_validation, on_test):
    return on_test.numpy()[np.argsort(on_validation.numpy())[-1]]


def rounded(on_validation, on_test):
    return round(float(on_test[on_validation.argmax()]), 4)


VARIANTS = {
    "best_epoch": (by_numpy, by_tensor, by_loop),
    "centred": (centred_by_numpy, in_double, by_torchvision),
    "OwnDropout": (OfTorch, Functional, OfTheNotebook, ByNumpy),
    "stops_after": (by_slices, by_best_epoch, by_while),
    "honest_accuracy": (as_tensor, honest_by_numpy, rounded),
}
# name of the exercise -> a changed line, as ast.unparse writes it -> why it is as right
EQUAL = {
    "OwnDropout": {
        "speaks = torch.rand_like(h) > self.p": "no random number is p to the last digit",
    },
    "stops_after": dict.fromkeys(
        ("lowest, waited = (float('inf'), 1)", "lowest, waited = (float('inf'), -1)"),
        "the first epoch sets the count to 0",
    ),
}
