"""Other right answers to the exercises of notebook 10b, and changes that change nothing."""

import math

import numpy as np
import torch

import digitlab as dl


def by_adding(results):
    total = 0
    for result in results.values():
        total = total + result.logits.double().softmax(1)
    return total.max(1).indices


def by_numpy(results):
    all_probabilities = np.array([r.probabilities.numpy() for r in results.values()])
    return np.average(all_probabilities, axis=0).argmax(axis=-1)


def by_coins(results):
    together = by_adding(results)
    best = sorted(results, key=lambda name: results[name].accuracy)[-1]
    labels = results[best].labels
    a = int(((together == labels) & (results[best].predictions != labels)).sum())
    b = int(((together != labels) & (results[best].predictions == labels)).sum())
    ways = sum(math.comb(a + b, k) for k in range(min(a, b) + 1))
    return torch.tensor(min(1.0, 2 * ways / 2 ** (a + b)))


def by_coins_rounded(results):
    return np.float32(f"{by_coins(results).item():.2g}")


def by_coin_for_each(probabilities, bins):
    sure, read = probabilities.max(dim=1)
    right = torch.rand(len(sure)) < sure
    return dl.calibration(probabilities, torch.where(right, read, (read + 5) % 10), bins=bins).error


def by_hand(probabilities, bins):
    sure = probabilities.numpy().max(axis=1)
    right = np.random.random(len(sure)) < sure  # noqa: NPY002
    place = np.clip(np.ceil(sure * bins), 1, bins)
    gaps = [
        (place == b).sum() * abs(sure[place == b].mean() - right[place == b].mean())
        for b in np.unique(place)
    ]
    return torch.tensor(sum(gaps) / len(sure))


VARIANTS = {
    "vote": (by_adding, by_numpy),
    "by_luck": (by_coins, by_coins_rounded),
    "error_by_luck": (by_coin_for_each, by_hand),
}
EQUAL = {
    "vote": {
        "return probabilities.sum(dim=0).argmax(dim=1)": "a sum is five times the mean",
        "return probabilities.mean(dim=0).argmax(dim=-1)": "the last dimension is the second",
    },
    "by_luck": {
        "together = torch.stack([r.probabilities for r in results.values()])"
        ".sum(dim=0).argmax(dim=1)": "a sum is five times the mean",
        "return binomtest(only_vote, only_vote + only_best).pvalue "
        "if only_vote - only_best else 1.0": "of an even split it is 1 as well",
    },
    "error_by_luck": {
        "labels = torch.multinomial(probabilities, 1)[:, -1]": "there is one column",
        "labels = torch.multinomial(probabilities, 2)[:, 0]": "the first of two draws is one draw",
    },
}
