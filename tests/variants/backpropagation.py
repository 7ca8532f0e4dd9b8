"""Other right answers to the exercises of notebook 03b, and changes that change nothing."""

import math
from collections import Counter, defaultdict

import numpy as np
import torch
import torch.nn.functional as F


def by_where(inputs, slope):
    return torch.where(inputs > 0, slope, 0.0)


def relu_by_autograd(inputs, slope):
    inputs = inputs.clone().requires_grad_()
    inputs.relu().backward(slope)
    return inputs.grad


def relu_by_numpy(inputs, slope):
    return np.where(inputs.numpy() > 0, slope.numpy(), 0)


def filled(inputs, slope):
    slope = slope.clone()
    slope[inputs <= 0] = 0
    return slope


def with_zeros_first(notes):
    slopes = {name: 0 for result, inputs in notes for name in (result, *dict(inputs))}
    slopes[notes[-1][0]] = 1
    for result, inputs in notes[::-1]:
        for name, local in inputs:
            slopes[name] += slopes[result] * local
    return slopes


def by_default(notes):
    slopes = defaultdict(float)
    slopes[notes[-1][0]] += 1.0
    for i in range(len(notes) - 1, -1, -1):
        result, inputs = notes[i]
        for name, local in inputs:
            slopes[name] += local * slopes[result]
    return dict(slopes)


def by_ways(notes):
    """Follow each way from the loss on its own, and add."""
    steps, found = dict(notes), Counter({name: 0.0 for name, _ in notes})
    for _, inputs in notes:
        found.update({name: 0.0 for name, _ in inputs})
    todo = [(notes[-1][0], 1.0)]
    while todo:
        name, slope = todo.pop()
        found[name] += slope
        todo += [(earlier, slope * local) for earlier, local in steps.get(name, [])]
    return dict(found)


def by_autograd(pixels, labels, first, second):
    first, second = first.clone().requires_grad_(), second.clone().requires_grad_()
    F.cross_entropy((pixels @ first).relu() @ second, labels).backward()
    return first.grad, second.grad


def as_list(pixels, labels, first, second):
    hidden = torch.relu(pixels @ first)
    given = torch.softmax(hidden @ second, 1)
    given[torch.arange(len(labels)), labels] -= 1
    given /= len(given)
    awake = (hidden > 0).float()
    return [torch.einsum("ni,nk,hk,nh->ih", pixels, given, second, awake), hidden.mT @ given]


def divided_at_the_end(pixels, labels, first, second):
    hidden = (pixels @ first).clamp(min=0)
    p = (hidden @ second).softmax(1) - torch.eye(10)[labels]
    n = pixels.shape[0]
    return (pixels.T @ (p @ second.T * hidden.sign()) / n, hidden.T @ p / n)


def by_ratio(first_and_last):
    return min(first_and_last, key=lambda f: abs(np.log10(np.divide(*first_and_last[f]))))


def by_larger_over_smaller(first_and_last):
    best, least = None, math.inf
    for factor, pair in first_and_last.items():
        if max(pair) / min(pair) < least:
            best, least = factor, max(pair) / min(pair)
    return best


def speed_holds_the_rate(slope, w, lr, mu, n_steps):
    v, path = 0.0, []
    for _ in range(n_steps):
        v = mu * v - lr * slope(w)
        w += v
        path.append(w)
    return path


def in_torch(slope, w, lr, mu, n_steps):
    w = torch.tensor(w, dtype=torch.float64)
    speed, path = torch.zeros(()), []
    for _ in range(n_steps):
        speed = mu * speed + slope(w)
        w = w - lr * speed
        path.append(w.clone())
    return tuple(path)


def by_optimizer(slope, w, lr, mu, n_steps):
    w = torch.tensor(w, requires_grad=True)
    optimizer, path = torch.optim.SGD([w], lr=lr, momentum=mu), []
    for _ in range(n_steps):
        w.grad = slope(w.detach())
        optimizer.step()
        path.append(w.item())
    return path


def filled_array(slope, w, lr, mu, n_steps):
    path, speed = np.zeros(n_steps), 0
    for i in range(n_steps):
        speed = speed * mu + slope(w)
        w = w - speed * lr
        path[i] = w
    return path


VARIANTS = {
    "through_relu": (by_where, relu_by_autograd, relu_by_numpy, filled),
    "all_slopes": (with_zeros_first, by_default, by_ways),
    "two_slopes": (by_autograd, as_list, divided_at_the_end),
    "steadiest": (by_ratio, by_larger_over_smaller),
    "momentum": (speed_holds_the_rate, in_torch, by_optimizer, filled_array),
}
# name of the exercise -> a changed line, as ast.unparse writes it -> why it is as right
EQUAL: dict[str, dict[str, str]] = {}
