"""Other right answers to the exercises of notebook 06, and changes that change nothing."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def by_building(convolutions):
    n_inputs = convolutions(torch.zeros(1, 1, 28, 28)).numel()
    model = nn.Sequential(convolutions, nn.Linear(n_inputs, 10))
    return [n_inputs, sum(p.numel() for p in model.parameters())]


def counts_as_tensors(convolutions):
    return torch.tensor(by_building(convolutions))


def counts_of_numpy(convolutions):
    return tuple(np.array(by_building(convolutions)))


def slash_of_lists():
    return [[-1, -1, 2], [-1, 2, -1], [2, -1, -1]]


def slash_of_numpy():
    return np.eye(3)[::-1].copy()


def slash_as_for_conv2d():
    return (torch.eye(3).flip(1) - 1 / 3)[None, None]


def slash_by_a_slope():
    return torch.tensor([[-2.0, -1, 0], [-1, 0, 1], [0, 1, 2]])


def pool_as_max_pool(maps):
    n_images, channels, height, width = maps.shape
    squares = maps.reshape(n_images, channels, height // 2, 2, width // 2, 2)
    return squares.mean(dim=(3, 5))


def pool_of_pytorch(maps):
    return F.avg_pool2d(maps, 2)


def pool_by_convolution(maps):
    n_channels = maps.shape[1]
    kernel = torch.full((n_channels, 1, 2, 2), 0.25)
    return F.conv2d(maps, kernel, stride=2, groups=n_channels)


def pool_of_numpy(maps):
    numbers = maps.numpy().astype(float)
    n, channels, height, width = numbers.shape
    return numbers.reshape(n, channels, height // 2, 2, width // 2, 2).mean((3, 5))


def pool_by_loops(maps):
    n, channels, height, width = maps.shape
    pooled = torch.zeros(n, channels, height // 2, width // 2)
    for r in range(height // 2):
        for c in range(width // 2):
            square = maps[:, :, 2 * r : 2 * r + 2, 2 * c : 2 * c + 2]
            pooled[:, :, r, c] = square.mean(dim=(2, 3))
    return pooled


VARIANTS = {
    "counts": (by_building, counts_as_tensors, counts_of_numpy),
    "slash_kernel": (slash_of_lists, slash_of_numpy, slash_as_for_conv2d, slash_by_a_slope),
    "average_pool": (
        *(pool_as_max_pool, pool_of_pytorch, pool_by_convolution, pool_of_numpy, pool_by_loops),
    ),
}
EQUAL = {
    "counts": {
        f"n_inputs = convolutions(torch.zeros({n}, 1, 28, 28)).shape[1]": "any number of images"
        for n in (0, 2)
    },
    "slash_kernel": {
        "return torch.eye(3).flip(1) - torch.eye(3)": "a slash is the same from both sides",
        "return torch.eye(3).flip(-1) - torch.eye(3)": "a slash is the same from both sides",
    },
}
