"""Other right answers to the exercises of notebook 13, and changes that change nothing."""

import numpy as np
import torch
import torch.nn.functional as F

import digitlab as dl
from digitlab.exercises.bank import fast_and_accurate as bank


def seconds_by_numpy(work, wait, clock, repeats):
    def once():
        wait()
        start = clock()
        work()
        wait()
        return clock() - start

    once()
    return np.median([once() for _ in range(repeats)])


def seconds_with_two_warm_ups(work, wait, clock, repeats):
    for _ in range(2):
        work()
    wait()
    taken = []
    while len(taken) < repeats:
        start = clock()
        work()
        wait()
        taken += [clock() - start]
    return sorted(taken)[len(taken) // 2]


def count_by_building(channels, pools):
    model = dl.build_model("SmallCNN", channels=channels, pools=pools, unshuffle=2)
    return dl.n_parameters(model)


def count_by_numpy(channels, pools):
    ends = np.array([4, *channels])
    side = 14
    for _ in range(sum(pools)):
        side = int(side / 2)
    weights = 9 * (ends[:-1] * ends[1:]).sum() + 2 * ends[1:].sum()
    return weights + side**2 * ends[-1] * 10 + 10


def count_in_torch(channels, pools):
    return torch.tensor(bank.count_small(channels, pools))


def worth_by_numpy(tried):
    def column(name, key):
        return np.array([row[key] for row in tried[name]])

    usual = "fast: as it is"
    return tuple(
        name.removeprefix("fast: ")
        for name in tried
        if np.median(column(name, "seconds")) / np.median(column(usual, "seconds")) < 0.9
        and np.mean(column(name, "valid_accuracy")) >= column(usual, "valid_accuracy").min()
    )


def worth_as_set(tried):
    return set(bank.worth_it(tried))


def step_in_one_loop(student, teachers, optimizer, images):
    target = 0
    for teacher in teachers:
        target = target + F.softmax(teacher(images), dim=-1).detach() / len(teachers)
    loss = -(target * student(images).log_softmax(dim=1)).sum(dim=1).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def step_by_ensemble(student, teachers, optimizer, images):
    with torch.inference_mode():
        target = dl.Ensemble(teachers)(images).softmax(dim=1)
    loss = F.cross_entropy(student(images), target.clone())
    student.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach().numpy()


VARIANTS = {
    "fair_seconds": (seconds_by_numpy, seconds_with_two_warm_ups),
    "count_small": (count_by_building, count_by_numpy, count_in_torch),
    "worth_it": (worth_by_numpy, worth_as_set),
    "step_with_teacher": (step_in_one_loop, step_by_ensemble),
}
# name of the exercise -> a changed line, as ast.unparse writes it -> why it is as right
EQUAL = {
    "count_small": {
        "for n_out, pool in zip(channels, pools, strict=False):": "both are of one length",
    },
}
