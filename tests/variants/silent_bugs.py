"""Other right answers to the exercises of notebook 14, and changes that change nothing."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def caught_by_ratio(one_batch):
    names = []
    for name, losses in one_batch.items():
        if math.isnan(losses[-1]) or losses[-1] / losses[0] >= 0.1:
            names.append(name)
    return tuple(names)


def caught_by_set(one_batch):
    healthy = {name for name, losses in one_batch.items() if losses[-1] < losses[0] / 10}
    return set(one_batch) - healthy


def error_by_pytorch(outputs, targets):
    return F.mse_loss(outputs.flatten(), targets)


def error_as_columns(outputs, targets):
    return nn.MSELoss()(outputs, targets.unsqueeze(1))


def error_by_numpy(outputs, targets):
    return np.square(outputs.numpy()[:, 0] - targets.numpy()).mean()


def left_out_by_is(optimizer, model):
    held = [p for group in optimizer.param_groups for p in group["params"]]
    return len([p for p in model.parameters() if not any(p is q for q in held)])


def left_out_by_sets(optimizer, model):
    held = set()
    for group in optimizer.param_groups:
        held |= set(group["params"])  # tensors are hashed by identity
    return torch.tensor(len(set(model.parameters()) - held))


def bug_by_weights_in_a_row(step, new_model, images, labels):
    def after(move):
        model = new_model()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        for _ in range(3):
            move(model, optimizer, images, labels)
        return nn.utils.parameters_to_vector(model.parameters()).detach().numpy()

    def right(model, optimizer, images, labels):
        optimizer.zero_grad()
        nn.CrossEntropyLoss()(model(images), labels).backward()
        optimizer.step()

    return np.abs(after(step) - after(right)).max() > 1e-5


def bug_by_gradients(step, new_model, images, labels):
    model = new_model()
    for _ in range(3):
        before = [p.detach().clone() for p in model.parameters()]
        loss = F.cross_entropy(model(images), labels)
        slopes = torch.autograd.grad(loss, list(model.parameters()))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        step(model, optimizer, images, labels)
        for old, slope, new in zip(before, slopes, model.parameters(), strict=True):
            if not torch.allclose(old - 0.5 * slope, new, atol=1e-5):
                return torch.tensor(True)
    return torch.tensor(False)


VARIANTS = {
    "caught": (caught_by_ratio, caught_by_set),
    "squared_error": (error_by_pytorch, error_as_columns, error_by_numpy),
    "n_left_out": (left_out_by_is, left_out_by_sets),
    "has_bug": (bug_by_weights_in_a_row, bug_by_gradients),
}
# name of the exercise -> a changed line, as ast.unparse writes it -> why it is as right
EQUAL = {
    "has_bug": {
        "for _ in range(3):": "three steps show whatever two show",
        "pairs = zip(moved.parameters(), twin.parameters(), strict=False)": "a twin has as many",
    },
}
