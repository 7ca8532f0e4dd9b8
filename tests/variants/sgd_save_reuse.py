"""Other right answers to the exercises of notebook 08, and changes that change nothing."""

import copy
from collections import OrderedDict

import numpy as np
import torch
import torch.nn.functional as F

import digitlab as dl


def advantage_by_best_rates(plain, with_momentum):
    best_plain = max(plain, key=plain.get)
    best = max(with_momentum, key=with_momentum.get)
    return with_momentum[best] - plain[best_plain]


def advantage_as_a_tensor(plain, with_momentum):
    return torch.tensor(advantage_by_best_rates(plain, with_momentum))


def advantage_of_numpy(plain, with_momentum):
    best = [np.array(list(group.values())).max() for group in (with_momentum, plain)]
    return np.subtract(*best)


def advantage_read_off(plain, with_momentum):
    return round(advantage_by_best_rates(plain, with_momentum), 3)


def thaw_by_layer(model, split, lr):
    model.requires_grad_(False)
    last = model.layers[-1].requires_grad_(True)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    dl.Trainer(model, optimizer, batch_size=32, seed=0).fit(split, epochs=1)
    return dl.n_parameters(last)


def only_the_optimizer(model, split, lr):
    last = model.layers[-1]
    optimizer = torch.optim.Adam(last.parameters(), lr=lr / 10)
    dl.Trainer(model, optimizer, batch_size=64, seed=0).fit(split, epochs=2)
    return last.weight.numel() + last.bias.numel()


def by_loop(model, split, lr):
    for weights in list(model.parameters())[:-2]:
        weights.requires_grad = False
    learning = [weights for weights in model.parameters() if weights.requires_grad]
    optimizer = torch.optim.SGD(learning, lr=lr)
    for images, labels in dl.batches(split, 64, seed=0):
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
    return torch.tensor(sum(weights.numel() for weights in learning))


def checkpoint_with_more(model, optimizer):
    return {
        "epoch": 3,
        "optimizer": copy.deepcopy(optimizer.state_dict()),
        "model": OrderedDict(model.state_dict()),
    }


def checkpoint_tensor_by_tensor(model, optimizer):
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    return {"model": weights, "optimizer": optimizer.state_dict()}


VARIANTS = {
    "fair_advantage": (
        *(advantage_by_best_rates, advantage_as_a_tensor, advantage_of_numpy, advantage_read_off),
    ),
    "fine_tune_last_layer": (thaw_by_layer, only_the_optimizer, by_loop),
    "checkpoint": (checkpoint_with_more, checkpoint_tensor_by_tensor),
}
EQUAL = {
    "fine_tune_last_layer": {
        "weights.requires_grad = True": "the optimizer holds the last layer alone",
        "dl.Trainer(model, optimizer).fit(split, epochs=2)": "how long it learns is not asked for",
    },
}
