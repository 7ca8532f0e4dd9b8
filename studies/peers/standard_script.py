"""The usual way to train on MNIST, as most tutorials show it, to measure against.

The design is that of PyTorch's own example: two convolutions of 3 x 3 with 32 and 64 filters, one
pooling, dropout, Adadelta at 1.0 that falls by 0.7 each epoch, batches of 64, and a DataLoader over
torchvision's data set, which turns every digit into a picture, a tensor and normalised pixels anew.
"""

import time
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader

MOST_EPOCHS = 14


def build() -> nn.Module:
    """Return the network: 1 199 882 weights and biases."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(9216, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 10),
    )


def train_until(goal: float, train_set: Any, test_set: Any) -> tuple[float, int, float]:
    """Train until `goal` of the test digits are read; return seconds, epochs and accuracy.

    The sets yield (float (1, 28, 28), int). Seconds are those of batches and steps.
    """
    model = build()
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    loader = DataLoader(train_set, batch_size=64, shuffle=True)
    seconds, accuracies = 0.0, list[float]()
    while len(accuracies) < MOST_EPOCHS and goal > max(accuracies, default=0):
        model.train()
        start = time.perf_counter()
        for images, labels in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
        seconds += time.perf_counter() - start
        scheduler.step()
        accuracies.append(judge(model, test_set))
    return seconds, len(accuracies), accuracies[-1]


@torch.no_grad()
def judge(model: nn.Module, test_set: Any) -> float:
    """Return the share of digits that are read correctly."""
    model.eval()
    n_right = 0.0
    for images, labels in DataLoader(test_set, batch_size=1000):
        n_right += (model(images).argmax(dim=1) == labels).sum().item()
    return n_right / len(test_set)
