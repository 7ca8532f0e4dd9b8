"""Other right answers to the exercises of notebook 03, and changes that change nothing."""

import numpy as np
import torch
import torch.nn.functional as F


def by_hand(first_losses):
    found = 0
    for spread in sorted(first_losses):
        if 2.1 <= first_losses[spread] <= 2.503:
            found = spread
    return found


def by_tensor(first_losses):
    spreads, losses = (torch.tensor(list(x)) for x in (first_losses, first_losses.values()))
    return spreads[(losses - torch.tensor(10.0).log()).abs() < 0.2].max()


def by_numpy(first_losses):
    spreads, losses = (np.array(list(x)) for x in (first_losses, first_losses.values()))
    return spreads[abs(losses - np.log(10)) < 0.2].max()


def by_torch(logits):
    return F.log_softmax(logits, dim=1)


def by_logsumexp(logits):
    return logits - torch.logsumexp(logits, 1)[:, None]


def in_double(logits):
    z = logits.double()
    z = z - z.max(1, keepdim=True)[0]
    return z - torch.log(torch.exp(z).sum(1)).reshape(-1, 1)


def log_by_numpy(logits):
    z = logits.numpy()
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def digit_by_digit(logits):
    rows = []
    for z in logits:
        z = z - z.max()
        rows.append(z - z.exp().sum().log())
    return torch.stack(rows)


def of_the_notebook(model, optimizer, loader):
    model.train()
    total_loss, n_images = 0.0, 0
    for images, labels in loader:
        optimizer.zero_grad()
        logits = model(images)
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        optimizer.step()
        total_loss += loss.item() * len(labels)
        n_images += len(labels)
    return total_loss / n_images


def zero_at_the_end(model, optimizer, loader):
    model.train()
    model.zero_grad()
    total, n = 0, 0
    for x, y in loader:
        loss = torch.nn.CrossEntropyLoss()(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        total = total + loss.detach() * x.shape[0]
        n += x.shape[0]
    model.eval()
    return total / n


def sums_of_losses(model, optimizer, loader):
    total, n = 0.0, 0
    for x, y in loader:
        model.train(True)
        for weights in model.parameters():
            weights.grad = None
        each = F.cross_entropy(model(x), y, reduction="none")
        each.mean().backward()
        optimizer.step()
        total += each.sum().item()
        n += y.numel()
    return total / n


VARIANTS = {
    "largest_spread": (by_hand, by_tensor, by_numpy),
    "log_probabilities": (by_torch, by_logsumexp, in_double, log_by_numpy, digit_by_digit),
    "loop_from_memory": (of_the_notebook, zero_at_the_end, sums_of_losses),
}
# name of the exercise -> a changed line, as ast.unparse writes it -> why it is as right
EQUAL = {
    "largest_spread": {
        "near = [spread for spread, loss in first_losses.items() if abs(loss - 2.303) <= 0.2]": (
            "no loss is 0.2 away to the last digit"
        ),
    },
}
