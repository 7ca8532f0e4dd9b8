"""Other right answers to the exercises of notebook 09, and changes that change nothing."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import digitlab as dl


def narrow(lenet):
    return dl.build_model("lenet-sgd", channels=(2, 16))


def one_filter(lenet):
    return dl.build_model("lenet-sgd", channels=(1, 1), hidden=(200, 100))


def all_smaller(lenet):
    return type(lenet)(channels=(4, 8), hidden=(60, 42), pooling="average")


def by_weights(model):
    n = torch.tensor(0)
    for layer in model.modules():
        if type(layer) in (nn.Conv2d, nn.Linear):
            n = n + layer.weight.numel() + (0 if layer.bias is None else layer.bias.numel())
    return n


def by_calls(model):
    def own(layer):
        bias = 1 if getattr(layer, "bias", None) is not None else 0
        if isinstance(layer, nn.Conv2d):
            k, _ = layer.kernel_size
            return (layer.in_channels * k * k + bias) * layer.out_channels
        if isinstance(layer, nn.Linear):
            return (layer.in_features + bias) * layer.out_features
        return np.int64(0)

    def walk(layer):
        return own(layer) + sum(walk(child) for child in layer.children())

    return walk(model)


class OtherNames(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(6272, 10)
        self.b = nn.Conv2d(8, 8, kernel_size=3, padding="same")
        self.a = nn.Conv2d(1, 8, kernel_size=(3, 3), padding=1)

    def forward(self, x):
        x = torch.relu(self.a(x))
        x = torch.add(self.b(x), x).clamp(min=0)
        return self.out(x.reshape(len(x), -1))


class InPlace(nn.Module):
    def __init__(self):
        super().__init__()
        self.start = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU())
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.last = nn.Sequential(nn.Flatten(), nn.Linear(8 * 28 * 28, 10))

    def forward(self, images):
        hidden = self.start(images)
        both = self.second(hidden)
        both += hidden
        return self.last(F.relu(both))


VARIANTS = {
    "smaller": (narrow, one_filter, all_smaller),
    "count_parameters": (by_weights, by_calls),
    "WithSkip": (OtherNames, InPlace),
}
EQUAL = {
    "smaller": {
        f"return dl.build_model('lenet-sgd', channels=({first}, {second}))": "at most half as well"
        for first, second in ((4, 8), (2, 8), (3, 9), (3, 7))
    },
    "count_parameters": {
        f"inputs = layer.in_channels * layer.kernel_size[{i}] ** 2": "the filters are square"
        for i in (1, -1)
    },
}
