"""Other right answers to the exercises of notebook 04, and changes that change nothing."""

import numpy as np
import torch
from torch import nn


def by_the_formula(w, slope, lr, beta1=0.0, beta2=0.0, eps=1e-8):
    m = beta1 * 0 + (1 - beta1) * slope
    v = beta2 * 0 + (1 - beta2) * slope**2
    return w - lr * (m / (1 - beta1)) / ((v / (1 - beta2)) ** 0.5 + eps)


def by_where(w, slope, lr):
    step = torch.where(slope > 0, lr, -lr)
    return w - step * (slope != 0)


def sign_by_numpy(w, slope, lr):
    return w.numpy() - lr * np.sign(slope.numpy().astype(float))


def by_optimizer(w, slope, lr):
    w = nn.Parameter(w.clone())
    w.grad = slope
    torch.optim.Adam([w], lr=lr, betas=(0.0, 0.0)).step()
    return w


def by_uniform(n, m, generator):
    limit = np.sqrt(6 / (n + m))
    return torch.empty(m, n).uniform_(-limit, limit, generator=generator)


def by_xavier(n, m, generator):
    return nn.init.xavier_uniform_(torch.empty(m, n), generator=generator)


def as_parameter(n, m, generator):
    layer = nn.Linear(n, m)
    bound = 6**0.5 / (n + m) ** 0.5
    nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
    return layer.weight


def in_double(n, m, generator):
    even = torch.rand((m, n), generator=generator, dtype=torch.float64)
    return (even - 0.5) * 2 * (6 / (m + n)) ** 0.5


def by_trying(budget):
    h = 0
    while 785 * (h + 1) + 10 * (h + 1) + 10 <= budget:
        h += 1
    return h


def rounded_down(budget):
    return int((budget - 10) / (784 + 1 + 10))


def by_torch(budget):
    return torch.tensor(budget - 10).div(795, rounding_mode="floor")


def by_numpy(budget):
    return np.floor((budget - 10) / 795)


def sorted_by_size(found):
    best = max(found.values(), key=lambda pair: pair[1])[1]
    for sizes in sorted(found, key=lambda sizes: found[sizes][0]):
        if best - found[sizes][1] < 0.015:
            return sizes
    return None


def as_list(found):
    return list(sorted_by_size(found))


def as_tensor(found):
    return torch.tensor(sorted_by_size(found))


def width_of_one_layer(found):
    sizes = sorted_by_size(found)
    return sizes[0] if len(sizes) == 1 else sizes


VARIANTS = {
    "adam_without_memory": (by_the_formula, by_where, sign_by_numpy, by_optimizer),
    "glorot": (by_uniform, by_xavier, as_parameter, in_double),
    "widest_hidden": (by_trying, rounded_down, by_torch, by_numpy),
    "smallest_good": (sorted_by_size, as_list, as_tensor, width_of_one_layer),
}
# name of the exercise -> a changed line, as ast.unparse writes it -> why it is as right
EQUAL = {
    "smallest_good": {
        "good = {sizes: n for sizes, (n, accuracy) in found.items() if accuracy >= best - 0.015}": (
            "no accuracy is 0.015 below the best to the last digit"
        ),
    },
}
