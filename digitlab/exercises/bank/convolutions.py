"""Exercises and quiz of notebook 06, Convolutions."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import torch
import torch.nn.functional as F
from torch import nn

import digitlab as dl
from digitlab.exercises.records import (
    Choice,
    Exercise,
    Number,
    Open,
    Option,
    Wrong,
    random_numbers,
    real_digits,
)

STRANGE = "say why a fully connected network is a strange choice for pictures"
BY_HAND = "compute a convolution and a pooling by hand"
PREDICT = "predict the size and the parameters of a layer"
OTHERS = "load MNIST as other programs do"
BUILD = "build document 004's network"
FILTERS = "look at what its filters have learnt"

# --- Count before you build -------------------------------------------------------------------


def counts(convolutions):
    n_inputs = convolutions(torch.zeros(1, 1, 28, 28)).shape[1]
    n_of_convolutions = sum(weights.numel() for weights in convolutions.parameters())
    return n_inputs, n_of_convolutions + (n_inputs + 1) * 10


def _two_convolutions(first, second, kernel):
    return nn.Sequential(
        *(nn.Conv2d(1, first, kernel), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(first, second, kernel), nn.ReLU(), nn.MaxPool2d(2)),
        nn.Flatten(),
    )


def _without_end():
    return {
        "8 and 16 filters of 5 x 5": (_two_convolutions(8, 16, 5),),
        "4 and 6 filters of 4 x 4": (_two_convolutions(4, 6, 4),),
    }


def _of_kind(convolutions):
    return [layer for layer in convolutions if isinstance(layer, nn.Conv2d)]


def _as_if_padded(convolutions):
    n_inputs = _of_kind(convolutions)[-1].out_channels * 7 * 7
    return n_inputs, dl.n_parameters(convolutions) + (n_inputs + 1) * 10


def _without_bias(convolutions):
    n_inputs, n_all = counts(convolutions)
    return n_inputs, n_all - 10 - sum(layer.out_channels for layer in _of_kind(convolutions))


def _one_channel(convolutions):
    n_inputs, n_all = counts(convolutions)
    second = _of_kind(convolutions)[1]
    return n_inputs, n_all - second.weight.numel() + second.weight[:, :1].numel()


def _without_linear(convolutions):
    n_inputs, _ = counts(convolutions)
    return n_inputs, dl.n_parameters(convolutions)


def _never_pooled(convolutions):
    images = torch.zeros(1, 1, 28, 28)
    for layer in convolutions:
        images = images if isinstance(layer, nn.MaxPool2d) else layer(images)
    n_inputs = images.shape[1]
    return n_inputs, dl.n_parameters(convolutions) + (n_inputs + 1) * 10


COUNTS = Exercise(
    reference=counts,
    task="Say how many inputs the last layer has, and how many parameters the network.",
    objective=PREDICT,
    cases=_without_end,
    is_value=True,
    wrong=(
        Wrong(
            _as_if_padded,
            "You count as if the convolutions had padding: without it each takes kernel - 1 off "
            "the side, 28 -> 24 -> 12 -> 8 -> 4.",
        ),
        Wrong(
            _never_pooled,
            "You left out the poolings: each halves the side that the convolution leaves.",
        ),
        Wrong(
            _without_bias,
            "The inputs are right; in the parameters the biases are missing: one for each filter, "
            "and ten in the last layer.",
        ),
        Wrong(
            _one_channel,
            "The inputs are right; but a filter of the second convolution has a table of its own "
            "for each of the channels that come in, not one for all.",
        ),
        Wrong(
            _without_linear,
            "The inputs are right; the parameters are those of the convolutions alone: the last "
            "layer has ten weights for each input, and ten biases.",
        ),
    ),
    hints=(
        "Follow the side of the map, layer by layer: `size_after` of section 3 does a step.",
        "The last map has 16 channels; `Flatten` makes one row of all its numbers. A layer has "
        "filters x (channels x kernel x kernel + 1) parameters.",
        "All but one blank:\ncounts = (16 * 4 * 4, 8 * (1 * 25 + 1) + 16 * ____ + 10 * (256 + 1))",
    ),
    why=(
        "The side goes 28, 24, 12, 8, 4, so 16 x 4 x 4 = 256 numbers reach the last layer; the "
        "three layers have 208, 3216 and 2570 parameters. A convolution is counted without asking "
        "how large its maps are, since all places share the same weights."
    ),
)

# --- A kernel of your own ---------------------------------------------------------------------


def slash_kernel():
    return torch.eye(3).flip(0) - torch.eye(3)


def _answer(kernel):
    """Say which of two strokes a kernel answers to, by its largest answers to both."""
    kernel = torch.as_tensor(kernel).float().squeeze()
    if kernel.shape != (3, 3):
        raise ValueError(f"the kernel's shape is {tuple(kernel.shape)}, not (3, 3)")
    backslash = torch.eye(9)
    strokes = torch.stack([backslash.flip(0), backslash])[:, None]
    largest = F.conv2d(strokes, kernel[None, None]).amax(dim=(1, 2, 3)).clamp(min=0)
    slash, other = largest.tolist()
    if slash >= 1.95 * other and slash > 0:
        return "strong on the slash, weak on the backslash"
    if other >= 1.95 * slash and other > 0:
        return "strong on the backslash, weak on the slash"
    return "no answer above 0" if slash == 0 else "not twice as strong on the slash"


SLASH_KERNEL = Exercise(
    reference=slash_kernel,
    task="Find a kernel whose largest answer to a slash is twice that to a backslash, or more.",
    objective=BY_HAND,
    cases=lambda: {"a slash and a backslash": ()},
    is_value=True,
    use=_answer,
    wrong=(
        Wrong(
            lambda: torch.eye(3),
            "It is the other way round: rows count downwards, so the diagonal from the upper left "
            "to the lower right is a backslash. Mirror the kernel, or turn its signs.",
        ),
        Wrong(
            lambda: torch.ones(3, 3),
            "It answers to both strokes nearly alike: a kernel that is the same when it is "
            "mirrored cannot tell a slash from its mirror picture.",
        ),
        Wrong(
            lambda: -torch.ones(3, 3),
            "Its answers are never above 0: a stroke is bright, so the weights that lie on it have "
            "to be positive. ReLU, which comes next, makes 0 of all else.",
        ),
    ),
    hints=(
        "A kernel answers most to what looks like itself: draw a small slash with its weights.",
        "Positive weights from the lower left to the upper right; weights below 0 elsewhere make "
        "the answer to other strokes weaker.",
        "All but one blank:\n"
        "slash_kernel = torch.tensor([[0.0, -1.0, 1.0], [-1.0, ____, -1.0], [1.0, -1.0, 0.0]])",
    ),
    why=(
        "Three positive weights lie on the slash, so all its pixels add up; a backslash meets one "
        "of them at most, and negative weights beside it. Many other kernels do it as well."
    ),
)

# --- Average pooling --------------------------------------------------------------------------


def average_pool(maps):
    """Return the mean of each square of 2 x 2: (N, channels, height / 2, width / 2)."""
    upper = maps[..., 0::2, 0::2] + maps[..., 0::2, 1::2]
    lower = maps[..., 1::2, 0::2] + maps[..., 1::2, 1::2]
    return (upper + lower) / 4


def _maps():
    images, _ = real_digits(3)
    return {
        "one map of 2 x 4": (
            torch.tensor([[1.0, 2.0, 0.0, 0.0], [3.0, 0.0, 0.0, 5.0]])[None, None],
        ),
        "three real digits": (images[:, None] / 255,),
        "two digits with five maps each, higher than wide": (random_numbers(2, 5, 8, 6),),
        "numbers below 0 only": (-random_numbers(1, 2, 4, 4, seed=1).abs(),),
    }


def _far_apart(maps):
    n_images, channels, height, width = maps.shape
    return maps.reshape(n_images, channels, 2, height // 2, 2, width // 2).mean(dim=(2, 4))


AVERAGE_POOL = Exercise(
    reference=average_pool,
    task="Write `average_pool`, like `max_pool` with the mean of each square.",
    objective=BY_HAND,
    cases=_maps,
    wrong=(
        Wrong(
            lambda maps: F.max_pool2d(maps, 2),
            "That is max-pooling still: the largest of each square, not the mean of all four.",
        ),
        Wrong(
            lambda maps: 4 * F.avg_pool2d(maps, 2),
            "You add the four numbers of each square and do not divide by 4.",
        ),
        Wrong(
            _far_apart,
            "The four numbers that you average are not neighbours: after `reshape` the 2 has to "
            "stand behind height // 2, so that it counts within a square.",
        ),
        Wrong(
            lambda maps: maps[..., ::2, ::2],
            "You keep the upper left number of each square and forget the three others.",
        ),
        Wrong(
            lambda maps: F.avg_pool2d(maps, 2, stride=1),
            "Your squares overlap: the next one begins 2 further on, not 1.",
        ),
    ),
    hints=(
        "Which line of `max_pool` says what is done with the four numbers of a square?",
        "Either `mean(dim=...)` over the two dimensions of length 2, or four slices with step 2, "
        "`maps[..., 0::2, 0::2]` and so on.",
        "All but one blank, in `max_pool`:\nreturn squares.____(dim=(3, 5))",
    ),
    why=(
        "Each of the four slices takes one corner of every square, so their sum divided by 4 is "
        "the mean; `max_pool` with `mean` in place of `amax` does the same. The mean keeps how "
        "much ink there is, the largest keeps whether there is any."
    ),
)

# --- Stride or pooling ------------------------------------------------------------------------

STRIDE_OR_POOL = Open(
    name="stride_or_pool",
    task="Find out whether a convolution with stride 2 can stand in for convolution and pooling.",
    objective=BUILD,
    hints=(
        "Change only that: `stride=2` in both convolutions of section 7, and no `nn.MaxPool2d`.",
        "Train both as `train_on` does, from several seeds, and set the accuracies beside each "
        "other; then `dl.n_parameters`, the seconds, and digits moved by two pixels.",
        "A sentence for each: sizes and parameters; work; accuracy, and how sure you are of it.",
    ),
    points=(
        "The sizes of the maps and the number of parameters stay the same.",
        "A convolution with stride 2 computes a quarter of the numbers, so it is quicker.",
        "It reads a little less well, as it skips places where pooling looks for the best answer.",
        "One training of each is not enough to tell a small difference.",
    ),
    model=(
        "Nothing changes in the sizes, 14 x 14 and 7 x 7, nor in the 105 866 parameters: pooling "
        "has none, and a kernel has as many weights whatever its stride. The convolutions compute "
        "a quarter of the numbers, so each epoch takes about half the time. After two epochs on 5 "
        "000 digits of MNIST it reads about 92 of 100, with pooling about 94, from two seeds alike "
        "(91.6 and 91.8 against 93.5 and 94.1 %); moved by two pixels it loses more as well. So it "
        "can stand in where time counts. Pooling looks at every place and keeps the strongest "
        "answer, and stride 2 never looks at three of four places. Two seeds and one short "
        "training are a hint, no proof."
    ),
)

EXERCISES = (COUNTS, SLASH_KERNEL, AVERAGE_POOL, STRIDE_OR_POOL)

# --- Quiz -------------------------------------------------------------------------------------

PICTURE = torch.tensor([[0.0, 1.0, 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
KERNEL = torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, -1.0], [0.0, 0.0, -3.0]])
KERNELS = (
    torch.tensor([[1.0, 0.0, -1.0], [1.0, 0.0, -1.0], [1.0, 0.0, -1.0]]),
    torch.full((3, 3), 1 / 9),
    torch.tensor([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [-1.0, -1.0, -1.0]]),
)


def _a_digit(label):
    images, labels = real_digits(60)
    return images[labels == label][0].float() / 255


def _an_answer():
    digit = _a_digit(7)
    answer = F.conv2d(digit[None, None], KERNELS[2][None, None])
    figure = dl.plot_features(answer)
    figure.mpl.set_size_inches(3.6, 3.6)
    alt = (
        "One feature map of a 7. Level parts of the stroke have strongly negative numbers above "
        "them and strongly positive ones below them; upright parts answer weakly."
    )
    return replace(figure, alt=alt)


@cache
def _moved():
    """Return how many digits two shipped networks read when they are moved by 0 to 4 pixels."""
    valid = dl.load("optdigits").valid
    read = {}
    for name, model in {"A": "two-conv", "B": "plain-mlp"}.items():
        splits = [dl.Split(valid.images.roll(n, 2), valid.labels) for n in range(5)]
        read[name] = [dl.evaluate(dl.pretrained(model), split).accuracy for split in splits]
    return read


def _two_curves():
    figure = dl.plot_lines(
        _moved(),
        title="Moved digits, two networks",
        x="pixels moved to the right",
        y=dl.Axis("read correctly", percent=True, limits=(0, 1.02)),
    )
    ends = ", ".join(f"{name} from {x[0]:.0%} to {x[-1]:.0%}" for name, x in _moved().items())
    return replace(figure, alt=f"Two curves over 0 to 4 pixels fall: {ends}.")


QUIZ = (
    Choice(
        name="06-shuffled",
        text=(
            "The pixels of all digits are brought into one and the same random order, in training "
            "and in judging. Who reads fewer digits then?"
        ),
        objective=STRANGE,
        options=(
            Option(
                "Both networks, fully connected and with convolutions.",
                "The fully connected one does not know which pixels are neighbours, so it loses "
                "nothing: shuffle its first weights in the same way, and it answers the same.",
            ),
            Option(
                "The one with convolutions alone.",
                "Yes: its kernels look at neighbours, and shuffled neighbours have nothing to do "
                "with each other. The other network has a twin that does not notice.",
            ),
            Option(
                "The fully connected one alone.",
                "It is the other way round: what a network does not use, it cannot miss.",
            ),
            Option(
                "Neither: all pixels are still there.",
                "They are, and that is enough for the fully connected one. A convolution also "
                "needs them to lie beside each other.",
            ),
        ),
        right=1,
    ),
    Choice(
        name="06-which-curve",
        text=(
            "Digits are moved to the right. One curve belongs to a network with convolutions, one "
            "to a fully connected network. Which one has convolutions?"
        ),
        objective=STRANGE,
        options=(
            Option(
                "A",
                "Yes: its feature maps move along with the digit, so it holds out longer. It falls "
                "too, as the layers after `Flatten` have weights for each place again.",
            ),
            Option(
                "B",
                "B falls faster: each pixel has weights of its own, and a moved digit lies under "
                "weights that learnt something else.",
            ),
        ),
        right=lambda: max(range(2), key=lambda i: list(_moved().values())[i][3]),
        figure=_two_curves,
    ),
    Choice(
        name="06-equivariant",
        text="A digit is moved down by two pixels. What happens to a feature map of the digit?",
        objective=STRANGE,
        options=(
            Option(
                "It stays as it is: a convolution finds a digit anywhere.",
                "It finds the same edges, but at another place: the map says where they are. A map "
                "that stayed as it is would be *invariant*.",
            ),
            Option(
                "It moves down by two pixels as well.",
                "Yes: the same kernel meets the same pixels, two rows further down. This is "
                "equivariance.",
            ),
            Option(
                "All its numbers change, and the kernel has to be learnt again.",
                "That is the fully connected network, where each pixel has weights of its own. "
                "Here the same kernel is used at every place.",
            ),
            Option(
                "It moves up by two pixels.",
                "The kernel moves over the picture in either case; what it finds lies where the "
                "picture has it.",
            ),
        ),
        right=1,
    ),
    Choice(
        name="06-other-programs",
        text=(
            "A program has `datasets.MNIST(root, train=True)`, `datasets.MNIST(root, train=False)` "
            "and chooses its learning rate by accuracy on the second. What is wrong?"
        ),
        objective=OTHERS,
        options=(
            Option(
                "Nothing: the second part is for that.",
                "It is the test part. What has chosen something on it can no longer be judged by "
                "it.",
            ),
            Option(
                "`ToTensor` is missing, so the accuracy means nothing.",
                "Without it the loader would raise an error. The trouble lies in which digits "
                "choose.",
            ),
            Option(
                "The test digits choose; validation digits must be set aside from the first part.",
                "Yes: torchvision knows two parts only. `torch.utils.data.random_split` can divide "
                "the first one; `dl.load` has done so for us.",
            ),
            Option(
                "It should choose by accuracy on the first part.",
                "Those digits were learnt, so they cannot show how well new ones are read.",
            ),
        ),
        right=2,
    ),
    Number(
        name="06-first-output",
        text="The one output of this picture and this kernel, by hand, as `F.conv2d` computes it?",
        objective=BY_HAND,
        code=(
            "picture = [[0, 1, 1],     kernel = [[1, 2,  0],\n"
            "           [0, 1, 0],               [0, 1, -1],\n"
            "           [0, 0, 0]]               [0, 0, -3]]"
        ),
        answer=lambda: F.conv2d(PICTURE[None, None], KERNEL[None, None]).item(),
        explanation="Multiply place by place and add up: 1 x 2 + 1 x 0 + 1 x 1 = 3.",
        slips=(
            (1, "You flipped the kernel, as mathematicians do; PyTorch lays it on as it is."),
            (0, "That is the sum of the kernel's weights: only those that lie on ink count."),
            (2, "That is the first row alone; all nine places are added."),
        ),
    ),
    Choice(
        name="06-which-kernel",
        text="Which kernel made this feature map of a 7? Positive is yellow, negative is blue.",
        objective=FILTERS,
        options=(
            Option(
                "[[1, 0, -1], [1, 0, -1], [1, 0, -1]]",
                "It answers where left and right differ, along upright strokes. Here level parts "
                "of the stroke stand out.",
            ),
            Option(
                "1/9 everywhere",
                "The mean of nine pixels is nowhere below 0, and it would show the whole digit, "
                "blurred.",
            ),
            Option(
                "[[1, 1, 1], [0, 0, 0], [-1, -1, -1]]",
                "Yes: the row above minus the row below. Over a level part that is nothing minus "
                "ink, so below 0; under it, ink minus nothing.",
            ),
        ),
        right=2,
        figure=_an_answer,
    ),
    Number(
        name="06-size",
        text="28 x 28 pixels, kernel 5, padding 1, stride 2: how many numbers a side come out?",
        objective=PREDICT,
        answer=lambda: nn.Conv2d(1, 1, 5, stride=2, padding=1)(torch.zeros(1, 1, 28, 28)).shape[-1],
        explanation="(28 + 2 x 1 - 5) / 2 = 12.5, rounded down 12, and + 1: 13.",
        slips=(
            (14, "Rounded up: the last place would lie half outside. Round down, then add 1."),
            (13.5, "Half a place is none: round down before you add 1."),
            (12, "The place where the kernel begins counts as well: + 1."),
            (12.5, "Round down, then add 1 for the place where the kernel begins."),
            (26, "That is with stride 1; with 2 only every other place is used."),
        ),
    ),
    Number(
        name="06-parameters",
        text="How many parameters has `nn.Conv2d(16, 32, kernel_size=3)`?",
        objective=PREDICT,
        answer=lambda: dl.n_parameters(nn.Conv2d(16, 32, kernel_size=3)),
        explanation="32 filters, each with 3 x 3 weights for each of 16 channels, and a bias.",
        slips=(
            (320, "Each filter looks at all 16 channels, with a table of its own for each."),
            (4608, "The biases are missing: one for each of the 32 filters."),
            (5120, "One bias for each filter, not one for each channel of each filter."),
            (288, "A filter looks at all 16 channels; and it has a bias."),
        ),
    ),
    Choice(
        name="06-which-line",
        text="The network of document 004, without padding. Which line has to change?",
        objective=BUILD,
        code=(
            "nn.Conv2d(1, 16, kernel_size=3),   # line 1\n"
            "nn.ReLU(),\n"
            "nn.MaxPool2d(2),                   # line 2\n"
            "nn.Conv2d(16, 32, kernel_size=3),  # line 3\n"
            "nn.ReLU(),\n"
            "nn.MaxPool2d(2),\n"
            "nn.Flatten(),\n"
            "nn.Linear(32 * 7 * 7, 64),         # line 4\n"
            "nn.ReLU(),\n"
            "nn.Linear(64, 10),"
        ),
        options=(
            Option(
                "Line 1: without padding a convolution loses the digit's edge.",
                "It makes 26 x 26 of 28 x 28, which is allowed. Something further on counts on "
                "another size.",
            ),
            Option(
                "Line 2: 26 cannot be halved.",
                "26 / 2 = 13. Odd sizes would work as well: pooling rounds down.",
            ),
            Option(
                "Line 3: it has to take 16 x 13 x 13 numbers.",
                "A convolution is told the channels only, 16; it takes maps of any size.",
            ),
            Option(
                "Line 4: 5 x 5 is left, so it takes 32 * 5 * 5 numbers.",
                "Yes: 28 -> 26 -> 13 -> 11 -> 5. The first linear layer is the one that knows the "
                "size, and PyTorch would raise an error there.",
            ),
        ),
        right=3,
    ),
)
