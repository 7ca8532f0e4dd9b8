"""Other right answers to the exercises of notebook 00, and changes that change nothing."""

import numpy as np
import torch


def from_the_table(run, few_run):
    return round(run.scores["valid_accuracy"] - few_run.scores["valid_accuracy"], 3)


def by_what_is_misread(run, few_run):
    misread = 1 - few_run.scores["valid_accuracy"]
    return np.float32(misread - (1 - run.scores["valid_accuracy"]))


def at_once(predictions, labels):
    return (predictions == labels).float().mean()


def as_doubles(predictions, labels):
    return (predictions == labels).double().mean().item()


def by_numpy(predictions, labels):
    return np.mean(predictions.numpy() == labels.numpy())


def by_lists(predictions, labels):
    same = [p == y for p, y in zip(predictions.tolist(), labels.tolist(), strict=True)]
    return sum(same) / len(same)


def by_places(predictions, labels):
    right = torch.tensor(0)
    for i in range(len(labels)):
        right += predictions[i] == labels[i]
    return right / len(labels)


def by_mode(inverted_result):
    return inverted_result.predictions.mode().values


def by_counting(inverted_result):
    read = inverted_result.predictions.tolist()
    return max(range(10), key=read.count)


def by_unique(inverted_result):
    digits, counts = np.unique(inverted_result.predictions, return_counts=True)
    return digits[counts.argmax()]


VARIANTS = {
    "lost_accuracy": (from_the_table, by_what_is_misread),
    "fraction_right": (at_once, as_doubles, by_numpy, by_lists, by_places),
    "read_most": (by_mode, by_counting, by_unique),
}
EQUAL = {
    "fraction_right": {
        "for prediction, label in zip(predictions, labels, strict=False):": "there is one for each",
    },
}
