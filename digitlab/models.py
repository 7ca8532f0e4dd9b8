"""The architectures of the five documents, and small ones of our own.

Every model takes pixels float (N, 1, 28, 28) in [0, 1] and returns logits (N, 10).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from digitlab.geometry import N_CLASSES
from digitlab.names import Registry

POOLINGS = Registry("pooling", {"max": nn.MaxPool2d, "average": nn.AvgPool2d})


class PixelInput(nn.Module):
    """Resize and normalise pixels inside the model, so that it cannot be fed in another way.

    Args:
        mean: subtracted from each pixel.
        std: each pixel is divided by it.
        size: pixels along each side of the output.
    """

    def __init__(self, mean: float = 0.0, std: float = 1.0, size: int = 28) -> None:
        super().__init__()
        self.mean, self.std, self.size = mean, std, size

    def forward(self, images: Tensor) -> Tensor:
        if images.shape[-1] != self.size:
            images = F.interpolate(images, self.size, mode="bilinear", antialias=True)
        as_it_is = (self.mean, self.std) == (0, 1)
        return images if as_it_is else (images - self.mean) / self.std  # (N, 1, size, size)

    def extra_repr(self) -> str:
        return f"mean={self.mean}, std={self.std}, size={self.size}"


class MLP(nn.Module):
    """Fully connected layers with ReLU and dropout between them.

    Args:
        hidden: neurons in each hidden layer.
        dropout: the probability that a hidden neuron is silenced in training.
        mean, std: normalisation of the pixels.

    Source: documents 000 and 002.
    """

    def __init__(
        self,
        hidden: tuple[int, ...] = (256, 128, 64, 32),
        dropout: float = 0.0,
        mean: float = 0.0,
        std: float = 1.0,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [PixelInput(mean, std), nn.Flatten()]  # (N, 784)
        for n_in, n_out in zip((784, *hidden), hidden, strict=False):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]  # (N, n_out)
            if dropout:
                layers.append(nn.Dropout(dropout))
        layers.append(nn.Linear(hidden[-1] if hidden else 784, N_CLASSES))  # (N, 10)
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


class TwoConv(nn.Module):
    """Two convolutions with pooling, dropout, two fully connected layers.

    Args:
        channels: of the two convolutions.
        pooling: "max" or "average", 2 x 2 after each convolution.
        hidden: neurons in the fully connected layer before the output.
        dropout: the probability that a value is silenced in training.

    Source: document 004.
    """

    def __init__(
        self,
        channels: tuple[int, int] = (16, 32),
        pooling: str = "max",
        hidden: int = 64,
        dropout: float = 0.25,
    ) -> None:
        super().__init__()
        first, second = channels
        self.layers = nn.Sequential(
            PixelInput(),  # (N, 1, 28, 28)
            nn.Conv2d(1, first, kernel_size=3, padding=1),  # (N, 16, 28, 28)
            nn.ReLU(),
            POOLINGS[pooling](2),  # (N, 16, 14, 14)
            nn.Conv2d(first, second, kernel_size=3, padding=1),  # (N, 32, 14, 14)
            nn.ReLU(),
            POOLINGS[pooling](2),  # (N, 32, 7, 7)
            nn.Dropout(dropout),
            nn.Flatten(),  # (N, 1568)
            nn.Linear(second * 7 * 7, hidden),  # (N, 64)
            nn.ReLU(),
            nn.Linear(hidden, N_CLASSES),  # (N, 10)
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


class ThreeConv(nn.Module):
    """Three times convolution, ReLU and max-pooling, then two fully connected layers.

    Args:
        channels: of the three convolutions.
        hidden: neurons in the fully connected layer before the output.

    Source: document 001. Its softmax stands in `predict`: the loss takes logits.
    """

    def __init__(self, channels: tuple[int, int, int] = (16, 32, 64), hidden: int = 64) -> None:
        super().__init__()
        first, second, third = channels
        self.layers = nn.Sequential(
            PixelInput(),  # (N, 1, 28, 28)
            nn.Conv2d(1, first, kernel_size=3, padding=1),  # (N, 16, 28, 28)
            nn.ReLU(),
            nn.MaxPool2d(2),  # (N, 16, 14, 14)
            nn.Conv2d(first, second, kernel_size=3, padding=1),  # (N, 32, 14, 14)
            nn.ReLU(),
            nn.MaxPool2d(2),  # (N, 32, 7, 7)
            nn.Conv2d(second, third, kernel_size=3, padding=1),  # (N, 64, 7, 7)
            nn.ReLU(),
            nn.MaxPool2d(2),  # (N, 64, 3, 3)
            nn.Flatten(),  # (N, 576)
            nn.Linear(third * 3 * 3, hidden),  # (N, 64)
            nn.ReLU(),
            nn.Linear(hidden, N_CLASSES),  # (N, 10)
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


class LeNet5(nn.Module):
    """Convolution and pooling twice, then three fully connected layers, on 32 x 32 pixels.

    Args:
        channels: of the two convolutions.
        pooling: "max" or "average", 2 x 2 after each convolution.
        hidden: neurons in the two fully connected layers before the output.
        mean, std: normalisation of the pixels.

    Source: document 003; LeCun et al. 1998, "Gradient-based learning applied to document
    recognition", with ReLU in place of tanh.
    """

    def __init__(
        self,
        channels: tuple[int, int] = (6, 16),
        pooling: str = "max",
        hidden: tuple[int, int] = (120, 84),
        mean: float = 0.1307,
        std: float = 0.3081,
    ) -> None:
        super().__init__()
        first, second = channels
        self.layers = nn.Sequential(
            PixelInput(mean, std, size=32),  # (N, 1, 32, 32)
            nn.Conv2d(1, first, kernel_size=5),  # (N, 6, 28, 28)
            nn.ReLU(),
            POOLINGS[pooling](2),  # (N, 6, 14, 14)
            nn.Conv2d(first, second, kernel_size=5),  # (N, 16, 10, 10)
            nn.ReLU(),
            POOLINGS[pooling](2),  # (N, 16, 5, 5)
            nn.Flatten(),  # (N, 400)
            nn.Linear(second * 5 * 5, hidden[0]),  # (N, 120)
            nn.ReLU(),
            nn.Linear(hidden[0], hidden[1]),  # (N, 84)
            nn.ReLU(),
            nn.Linear(hidden[1], N_CLASSES),  # (N, 10)
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


class Flatten(nn.Flatten):
    """Flatten; where the maps lie in memory as channels last, their gradient will, too."""

    def forward(self, maps: Tensor) -> Tensor:
        order = torch.channels_last
        if maps.requires_grad and maps.is_contiguous(memory_format=order):
            # else ReLU and batch norm would go through two orders at once
            maps.register_hook(lambda gradient: gradient.to(memory_format=order))
        return super().forward(maps)


class SmallCNN(nn.Module):
    """Convolutions with batch norm and pooling before ReLU, one linear layer: quick to train.

    Args:
        channels: of each convolution; the first looks at 5 x 5 pixels, the others at 3 x 3.
        pools: whether pooling follows each convolution and halves the picture's sides.
        unshuffle: first make one channel of each pixel in a square of this many pixels a side:
            the same pixels at fewer places, where all convolutions look at 3 x 3.
        first_norm: whether batch norm follows the first convolution, too.
    """

    def __init__(
        self,
        channels: tuple[int, ...] = (16, 32, 64),
        pools: tuple[bool, ...] = (True, True, True),
        unshuffle: int = 1,
        first_norm: bool = True,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [PixelInput()]  # (N, 1, 28, 28)
        n_in, kernel, size = unshuffle**2, 3 if unshuffle > 1 else 5, 28 // unshuffle
        layers += [nn.PixelUnshuffle(unshuffle)] if unshuffle > 1 else []  # (N, n_in, size, size)
        if len(channels) != len(pools):
            raise ValueError(f"{len(channels)} channels need as many pools, not {len(pools)}")
        for i, (n_out, pool) in enumerate(zip(channels, pools, strict=True)):
            norm = [nn.BatchNorm2d(n_out)] if first_norm or i > 0 else []
            layers.append(nn.Conv2d(n_in, n_out, kernel, padding=kernel // 2, bias=not norm))
            if pool:  # before norm and ReLU there is less to compute
                layers.append(nn.MaxPool2d(2))
                size //= 2
            layers += [*norm, nn.ReLU(inplace=True)]  # (N, n_out, size, size)
            n_in, kernel = n_out, 3
        layers += [Flatten(), nn.Linear(n_in * size * size, N_CLASSES)]  # (N, 10)
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


class Ensemble(nn.Module):
    """Average what several models say: they err on different digits.

    Its logits are the logarithms of the members' mean probabilities.

    Args:
        members: models that take pixels and return logits.
    """

    def __init__(self, members: Iterable[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, images: Tensor) -> Tensor:
        said = torch.stack([F.log_softmax(member(images), dim=1) for member in self.members])
        return said.logsumexp(dim=0) - math.log(len(said))  # (N, 10), of (members, N, 10)


MODELS: Registry[Callable[..., nn.Module]] = Registry(
    "model", {model.__name__: model for model in (MLP, TwoConv, ThreeConv, LeNet5, SmallCNN)}
)


def n_parameters(model: nn.Module) -> int:
    """Return how many numbers training may change."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
