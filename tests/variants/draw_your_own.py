"""Other right answers to the exercises of notebook 11, and changes that change nothing."""

import numpy as np
import torch
from PIL import ImageOps
from scipy import ndimage


def by_set(reading):
    found = {way[8:] for way in reading["MNIST"] if way.startswith("without ")}
    for shares in reading.values():
        found -= {way[8:] for way, share in shares.items() if share < 0.9}
    return found


def by_text(reading):
    return ", ".join(f"without {step}" for step in by_set(reading))


def by_array(reading):
    return np.array(tuple(by_set(reading)))


def by_skew(photo):
    grey = np.array(photo.convert("L")).astype(np.float32)
    away = grey - ndimage.gaussian_filter(grey, 20)
    return grey if (away**3).mean() > 0 else 255 - grey


def by_the_farthest(photo):
    grey = photo.convert("L")
    values = np.asarray(grey).astype(float)
    away = values - ndimage.median_filter(values, 25)
    if away.flat[np.abs(away).argmax()] < 0:
        grey = ImageOps.invert(grey)
    return torch.tensor(np.asarray(grey) * 1.0)


def by_counting(sure, right, threshold):
    n = n_right = 0
    for confidence, is_right in zip(sure.tolist(), right.tolist(), strict=True):
        if confidence >= threshold:
            n, n_right = n + 1, n_right + is_right
    return [n / len(sure), n_right / n if n else 1]


def by_tensors(sure, right, threshold):
    mask = torch.ge(sure, threshold).float()
    n = mask.sum()
    share_right = (mask * right).sum() / n
    return torch.stack([mask.mean(), torch.where(n > 0, share_right, torch.ones(()))])


def by_numpy(sure, right, threshold):
    chosen = right.numpy()[sure.numpy() >= threshold]
    return np.float32(len(chosen) / len(sure)), chosen.mean() if chosen.size else np.float64(1)


def by_one_text(answers):
    return "".join(a for a in sorted(answers) if answers[a].probabilities.max() >= 0.9)


def by_set_of_letters(answers):
    return {letter for letter, answer in answers.items() if not answer.probability <= 0.9}


VARIANTS = {
    "idle": (by_set, by_text, by_array),
    "bright_ink_always": (by_skew, by_the_farthest),
    "answered_and_right": (by_counting, by_tensors, by_numpy),
    "accepted": (by_one_text, by_set_of_letters),
}
EQUAL = {
    "bright_ink_always": {
        "return 255.0 - grey if -beside.min() >= beside.max() else grey": "they never are equal",
        **{
            f"beside = grey - ndimage.uniform_filter(grey, {n})": "any wide window will do"
            for n in (60, 62)
        },
    },
    "accepted": {
        "return [letter for letter, answer in answers.items() if answer.probability > 0.9]": (
            "no probability is 0.9 to the last digit"
        ),
    },
}
