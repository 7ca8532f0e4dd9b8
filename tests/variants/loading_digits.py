"""Other right answers to the exercises of notebook 01, and changes that change nothing."""

import struct

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import Dataset


def by_columns(image, n):
    moved = torch.zeros_like(image)
    for column in range(28 - n):
        moved[..., column + n] = image[..., column]
    return moved


def by_padding(image, n):
    return F.pad(image, (n, 0))[..., :28]


def by_roll(image, n):
    moved = image.roll(n, dims=-1)
    moved[..., :n] = 0
    return moved


def by_numpy(image, n):
    return np.pad(image.numpy(), [(0, 0)] * (image.ndim - 1) + [(n, 0)])[..., :28]


def byte_by_byte(labels):
    content = bytearray([0, 0, 8, 1])
    content += len(labels).to_bytes(4, "big")
    for label in labels.tolist():
        content.append(label)
    return content


def by_struct_alone(labels):
    n = len(labels)
    return struct.pack(f">4Bi{n}B", 0, 0, 8, 1, n, *labels.tolist())


def by_arrays(labels):
    length = np.array([len(labels)], dtype=">i4").tobytes()
    return b"\x00\x00\x08\x01" + length + labels.numpy().astype(np.uint8).tobytes()


def by_flooring(received):
    return int((len(received) - 16) / 784)


def by_pixels(received):
    return torch.frombuffer(bytearray(received[16:]), dtype=torch.uint8).numel() // 784


def as_array(received):
    return np.int64(len(received[16:]) // 28 // 28)


def all_at_once(batches):
    predictions = torch.cat([batch[0] for batch in batches])
    labels = torch.cat([batch[1] for batch in batches])
    return (predictions == labels).float().mean()


def weighted(batches):
    sizes = np.array([len(labels) for _, labels in batches])
    accuracies = [np.mean((p == y).numpy()) for p, y in batches]
    return np.average(accuracies, weights=sizes)


def digit_by_digit(batches):
    right = [int(p) == int(y) for ps, ys in batches for p, y in zip(ps, ys, strict=True)]
    return sum(right) / len(right)


class Prepared(Dataset):
    def __init__(self, split):
        images = split.images.unsqueeze(1)
        both = torch.stack([images, 255 - images], dim=1).flatten(0, 1)
        self.images, self.labels = both.float() / 255, split.labels.repeat_interleave(2)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, place):
        return self.images[place], self.labels[place]


class ByArithmetic:
    def __init__(self, split):
        self.split = split

    def __len__(self):
        return len(self.split) + len(self.split)

    def __getitem__(self, place):
        which, odd = divmod(place, 2)
        image = self.split.images[which][None].double() / 255
        return abs(odd - image), int(self.split.labels[which])


class ByNumpy(Prepared):
    def __getitem__(self, place):
        return self.images[place].numpy(), self.labels[place].numpy()


VARIANTS = {
    "shift_right": (by_columns, by_padding, by_roll, by_numpy),
    "idx_of_labels": (byte_by_byte, by_struct_alone, by_arrays),
    "whole_digits": (by_flooring, by_pixels, as_array),
    "accuracy_of_batches": (all_at_once, weighted, digit_by_digit),
    "WithInverted": (Prepared, ByArithmetic, ByNumpy),
}
# name of the exercise -> a changed line, as ast.unparse writes it -> why it is as right
EQUAL = {
    "shift_right": {
        "moved[..., n:] = image[..., :image.shape[-2] - n]": "the pictures are square",
        "moved[..., n:] = image[..., :image.shape[+1] - n]": "the pictures are square",
    },
}
