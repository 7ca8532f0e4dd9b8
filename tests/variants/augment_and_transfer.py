"""Other right answers to the exercises of notebook 12, and changes that change nothing."""

import copy

import numpy as np
import torch

import digitlab as dl
from digitlab.exercises.bank import augment_and_transfer as bank


def noise_by_normal(images, most=0.1):
    return torch.clip(torch.normal(images, most), 0, 1)


def noise_by_numpy(images, most=0.1):
    return np.clip(np.random.normal(images.numpy(), most), 0, 1)  # noqa: NPY002


def noise_picture_by_picture(images, most=0.1):
    noisy = images.clone()
    for picture in noisy:
        picture += most * torch.randn(picture.shape)
    return noisy.clamp_(min=0, max=1)


def help_by_numpy(accuracies):
    usual = np.max(accuracies["as they are"])
    return tuple(name for name, reached in accuracies.items() if np.all(np.array(reached) > usual))


def help_as_set(accuracies):
    usual = accuracies["as they are"]
    return {n for n, reached in accuracies.items() if all(a > b for a in reached for b in usual)}


def twice_by_torch(accuracies):
    means = {name: torch.tensor(reached).mean() for name, reached in accuracies.items()}
    usual = means.pop("as they are")
    together = means.pop("all five") - usual
    return torch.stack([mean - usual for mean in means.values()]).sum() - together


def twice_by_numpy(accuracies):
    usual = np.mean(accuracies["as they are"])
    single = [np.mean(accuracies[n]) for n in ("shift", "rotate", "scale", "shear", "elastic")]
    return np.sum(single) - 5 * usual - (np.mean(accuracies["all five"]) - usual)


def split_digit_by_digit(images, labels, change, n_valid, copies=2):
    made, of_made = [], []
    for place in range(n_valid, len(images)):
        for _ in range(copies):
            made.append(change(images[place : place + 1])[0])
            of_made.append(labels[place])
    return (torch.stack(made), torch.stack(of_made)), (images[:n_valid], labels[:n_valid])


def split_interleaved(images, labels, change, n_valid, copies=2):
    n_train = len(images) - n_valid
    valid, train = torch.split(images, [n_valid, n_train])
    of_valid, of_train = torch.split(labels, [n_valid, n_train])
    changed = change(train.repeat_interleave(copies, dim=0))
    return [changed, of_train.repeat_interleave(copies)], [valid, of_valid]


def old_by_hand(source, tuned, old_valid):
    both = copy.deepcopy(tuned)
    with torch.no_grad():
        for name in ("weight", "bias"):
            new, old = (getattr(list(m.modules())[-1], name) for m in (both, source))
            new.copy_(old)
    told = {"before": source, "after": tuned, "old head": both}
    pixels = dl.as_pixels(old_valid.images)
    return {
        name: (model(pixels).argmax(dim=1) == old_valid.labels).float().mean()
        for name, model in told.items()
    }


def old_as_numpy(source, tuned, old_valid):
    return {k: np.float64(v) for k, v in bank.reads_old(source, tuned, old_valid).items()}


VARIANTS = {
    "add_noise": (noise_by_normal, noise_by_numpy, noise_picture_by_picture),
    "surely_help": (help_by_numpy, help_as_set),
    "counted_twice": (twice_by_torch, twice_by_numpy),
    "split_then_change": (split_digit_by_digit, split_interleaved),
    "reads_old": (old_by_hand, old_as_numpy),
}
# name of the exercise -> a changed line, as ast.unparse writes it -> why it is as right
EQUAL = {
    "add_noise": {
        "return (images - most * torch.randn_like(images)).clamp(0, 1)": "noise has no sign",
    },
}
