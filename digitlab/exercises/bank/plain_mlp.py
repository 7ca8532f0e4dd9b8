"""Exercises and quiz of notebook 04, A plain MLP."""

from __future__ import annotations

from functools import cache

import torch

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

# --- Adam with its memory switched off --------------------------------------------------------


def adam_without_memory(w, slope, lr):
    """Return the weights after one step with both betas 0; where the slope is 0, they stay."""
    return w - lr * slope.sign()


def _steps():
    mixed = torch.tensor([0.001, -1.0, 40.0, -1e6, 0.5])
    return {
        "slopes of all sizes": (random_numbers(5), mixed, 0.1),
        "one slope is 0": (torch.tensor([3.0, 3.0, 3.0]), torch.tensor([4.0, 0.0, -4.0]), 0.3),
        "the weights of a layer": (random_numbers(4, 3), random_numbers(4, 3, seed=1), 0.01),
        "one weight": (torch.tensor([3.0]), torch.tensor([4000.0]), 0.1),
    }


def _sgd(w, slope, lr):
    return w - lr * slope


def _always_down(w, slope, lr):
    return w - lr


def _uphill(w, slope, lr):
    return w + lr * slope.sign()


def _zero_by_zero(w, slope, lr):
    return w - lr * slope / slope.abs()


def _by_the_norm(w, slope, lr):
    return w - lr * slope / slope.norm()


def _without_root(w, slope, lr):
    return w - lr * slope / (slope**2 + 1e-8)


ADAM_WITHOUT_MEMORY = Exercise(
    reference=adam_without_memory,
    task="What becomes of Adam's step when both betas are 0? Write it.",
    objective="explain every line of Adam",
    cases=_steps,
    wrong=(
        Wrong(
            _sgd,
            "That is SGD. Without memory m is the slope and v its square, but the division by the "
            "root of v stays, and it takes the size of the slope away.",
        ),
        Wrong(
            _always_down,
            "The length of the step is right, and every weight gets smaller; it has to go against "
            "the sign of its own slope.",
        ),
        Wrong(_uphill, "You go uphill: the step is taken away from w."),
        Wrong(
            _zero_by_zero,
            "Where the slope is 0 you divide 0 by 0. That is what the tiny eps is for: there the "
            "weight stays.",
        ),
        Wrong(
            _by_the_norm,
            "You divided by the length of the whole gradient. Adam divides each weight's slope by "
            "its own size.",
        ),
        Wrong(_without_root, "You forgot the root: m is divided by the root of v, not by v."),
    ),
    hints=(
        "Put 0 for both betas into the formulas: what is m then, and what is the root of v?",
        "A number divided by its own size leaves its sign: `sign()` does that for a whole tensor, "
        "and gives 0 for 0.",
        "All but one blank:\nreturn w - lr * ____",
    ),
    why=(
        "m is the slope and v its square, so m divided by the root of v is the slope divided by "
        "its size: its sign. Every step is as long as the learning rate, so w cannot rest: in the "
        "valley of section 6 it jumps to and fro over the lowest point for ever."
    ),
)


# --- Another rule for the first weights -------------------------------------------------------


def glorot(n, m, generator):
    """Return weights (m, n), drawn evenly between minus and plus the root of 6 / (n + m)."""
    bound = (6 / (n + m)) ** 0.5
    return (2 * torch.rand(m, n, generator=generator) - 1) * bound


def _sizes():
    return {
        "784 inputs, 256 neurons": (784, 256, torch.Generator().manual_seed(0)),
        "100 inputs, 1000 neurons": (100, 1000, torch.Generator().manual_seed(1)),
        "400 inputs, 400 neurons": (400, 400, torch.Generator().manual_seed(2)),
    }


def _measured(answer, n, m, generator):
    weights = answer(n, m, generator)
    again = answer(n, m, generator.manual_seed(generator.initial_seed()))
    return {
        "the shape": tuple(weights.shape),
        "the smallest weight": round(weights.min().item(), 3),
        "the largest weight": round(weights.max().item(), 3),
        "the standard deviation": weights.std().item(),
        "the share below 0": (weights < 0).float().mean().item(),
        "the same again from a generator with the same seed": (weights == again).all().item(),
    }


def _normal(n, m, generator):
    return (2 / (n + m)) ** 0.5 * torch.randn(m, n, generator=generator)


def _bound_as_spread(n, m, generator):
    return (6 / (n + m)) ** 0.5 * torch.randn(m, n, generator=generator)


def _one_sided(n, m, generator):
    return glorot(n, m, generator).abs()


def _on_its_side(n, m, generator):
    return glorot(m, n, generator)


def _half_as_wide(n, m, generator):
    return glorot(n, m, generator) / 2


def _inputs_only(n, m, generator):
    return glorot(n, m, generator) * ((n + m) / n) ** 0.5


def _as_drawn(n, m, generator):
    return torch.rand(m, n, generator=generator)


def _own_dice(n, m, generator):
    return (2 * torch.rand(m, n) - 1) * (6 / (n + m)) ** 0.5


GLOROT = Exercise(
    reference=glorot,
    task="Draw the first weights of a layer as Glorot and Bengio proposed.",
    objective="choose the weights that it starts from",
    cases=_sizes,
    use=_measured,
    close=0.02,
    wrong=(
        Wrong(
            _normal,
            "The standard deviation is right, but these are normal numbers: some lie far outside. "
            "Asked for are even ones, between two bounds.",
        ),
        Wrong(
            _bound_as_spread,
            "You took the bound for a standard deviation. Even numbers up to a bound have a "
            "standard deviation of the bound divided by the root of 3.",
        ),
        Wrong(
            _one_sided,
            "`torch.rand` gives numbers from 0 to 1, so yours are all positive: stretch them from "
            "-1 to 1 first.",
        ),
        Wrong(
            _as_drawn,
            "These are numbers from 0 to 1, as `torch.rand` draws them; the bound is not in them "
            "yet.",
        ),
        Wrong(
            _on_its_side,
            "They lie on their side: `nn.Linear` keeps a row for each neuron, (m, n).",
        ),
        Wrong(
            _half_as_wide,
            "They reach half as far: from minus to plus the bound is a width of two bounds.",
        ),
        Wrong(
            _inputs_only,
            "You divided by the inputs only; this rule takes n + m, to keep the slopes level on "
            "their way back, too.",
        ),
        Wrong(
            _own_dice,
            "The generator is not used, so nobody can draw the same weights again: "
            "`generator=generator`.",
        ),
    ),
    hints=(
        "Even random numbers come from 0 to 1. Stretch and shift them so that they run from -1 to "
        "1, then make them as large as the bound.",
        "`torch.rand(m, n, generator=generator)` draws them; the bound is a root, and a root is "
        "`** 0.5`.",
        "All but one blank:\nbound = (6 / (n + m)) ** 0.5\n"
        "return (____ * torch.rand(m, n, generator=generator) - 1) * bound",
    ),
    why=(
        "Even numbers up to a bound have the variance bound² / 3, here 2 / (n + m): between 1/n, "
        "which keeps the spread level on the way forward, and 1/m, which does so for the slopes "
        "on their way back. ReLU is not in it, so with ReLU the numbers fade a little; He's rule "
        "came five years later."
    ),
)


# --- A budget of parameters -------------------------------------------------------------------


def widest_hidden(budget):
    """Return the most neurons that a single hidden layer, 784 - h - 10, can have for a budget."""
    return (budget - 10) // 795


def _budgets():
    return {
        "as many as document 002": (244_522,),
        "exactly 128 neurons": (101_770,),
        "one parameter too few for 128": (101_769,),
        "a million": (1_000_000,),
        "one neuron": (805,),
        "not even one": (804,),
    }


def _no_biases(budget):
    return budget // 794


def _no_output(budget):
    return budget // 785


def _to_the_next(budget):
    return -(-(budget - 10) // 795)


def _of_weights_only(budget):
    return budget // 784


def _split(budget):
    return (budget - 10) / 795


WIDEST_HIDDEN = Exercise(
    reference=widest_hidden,
    task="Find how wide one hidden layer can be when the whole network has a budget of parameters.",
    objective="build a network with several layers and count its parameters",
    cases=_budgets,
    wrong=(
        Wrong(
            _no_biases,
            "You forgot the biases: each hidden neuron has one, and each of the ten outputs.",
        ),
        Wrong(
            _no_output,
            "You counted the hidden layer only. Each of its neurons also has a weight to each of "
            "the ten outputs, and these have a bias each.",
        ),
        Wrong(
            _of_weights_only,
            "You counted the weights from the pixels only; the biases and the output layer have "
            "parameters, too.",
        ),
        Wrong(
            _to_the_next,
            "Rounded up, the network has more parameters than the budget: round down.",
        ),
        Wrong(_split, "A neuron cannot be split: round down with `//`."),
    ),
    hints=(
        "What does one more hidden neuron cost, on both sides? And what does the network cost "
        "that has none?",
        "A neuron has 784 weights, one bias, and 10 weights to the outputs; the outputs have "
        "biases of their own. Whole numbers are divided by `//`.",
        "All but one blank:\nreturn (budget - 10) // ____",
    ),
    why=(
        "The network has (784 + 1) h + (h + 1) 10 = 795 h + 10 parameters, so each neuron costs "
        "795. With the budget of document 002 that is one layer of 307 neurons in place of four."
    ),
)


# --- As good with fewer -----------------------------------------------------------------------


def smallest_good(found):
    best = max(accuracy for _, accuracy in found.values())
    good = {sizes: n for sizes, (n, accuracy) in found.items() if accuracy > best - 0.015}
    return min(good, key=lambda sizes: good[sizes])


def _found():
    mnist = {
        (256, 128, 64, 32): (244522, 0.9466),
        (128,): (101770, 0.9435),
        (32,): (25450, 0.9214),
        (32, 32, 32, 32): (28618, 0.9213),
    }
    wide_is_best = {(512,): (407050, 0.95), (64, 64): (55050, 0.94), (16,): (12730, 0.88)}
    return {
        "of MNIST": (mnist,),
        "in another order": (dict(reversed(mnist.items())),),
        "the widest is best": (wide_is_best,),
        "the smallest is best": ({(256, 256): (269322, 0.90), (32, 16): (25818, 0.94)},),
        "only the best is good": ({(300,): (238510, 0.97), (8,): (6370, 0.85)},),
        "just on this side": ({(300,): (238510, 0.9401), (64,): (50890, 0.93), (8,): (6370, 0.6)},),
    }


def _as_sizes(value, found):
    """Return hidden sizes as a tuple; one number stands for one layer."""
    return tuple(value) if hasattr(value, "__len__") and len(value) else (value,)


SMALLEST_GOOD = Exercise(
    reference=smallest_good,
    is_value=True,
    use=_as_sizes,
    task="Choose the network with the fewest parameters that is less than 1.5 points of 100 below "
    "the best.",
    objective="build a network with several layers and count its parameters",
    cases=_found,
    wrong=(
        Wrong(
            lambda found: max(found, key=lambda sizes: found[sizes][1]),
            "That is the most accurate one. The question is which one is nearly as good with the "
            "fewest parameters.",
        ),
        Wrong(
            lambda found: min(found, key=lambda sizes: found[sizes][0]),
            "That one has the fewest parameters of all, and is 1.5 points of 100 or more below "
            "the best.",
        ),
        Wrong(
            lambda found: max(found, key=lambda sizes: found[sizes][0]),
            "That is the largest of all. More parameters are not better by themselves; look at "
            "validation.",
        ),
        Wrong(
            lambda found: found[smallest_good(found)],
            "These are its numbers; asked for are its hidden sizes, such as `(128,)`.",
        ),
    ),
    hints=(
        "First the best accuracy of all. Which networks are less than 0.015 below it?",
        "`found` holds (parameters, accuracy) for each network; of those that are good enough take "
        "the one with the smallest first number.",
        "All but one blank:\nbest = max(accuracy for _, accuracy in found.values())\n"
        "good = [s for s in found if ____]\n"
        "smallest_good = min(good, key=lambda s: found[s][0])",
    ),
    why=(
        "Where two networks read about as well, the smaller one is the better choice: it is "
        "quicker, and has less room to learn by heart. Most parameters of a fully connected "
        "network sit in its first layer, so its width decides the count, and depth costs little."
    ),
)


# --- All zeros --------------------------------------------------------------------------------

WHY_ZEROS_FAIL = Open(
    name="why_zeros_fail",
    task="Train from weights that are all 0, and explain what you see.",
    objective="choose the weights that it starts from",
    hints=(
        "Look at the accuracy, then at which digit the network says, and then at which of its "
        "tensors have moved.",
        "`dl.evaluate(model, digits.valid).predictions` says what it reads. A weight's slope is "
        "its input times the slope at its output: what are the inputs of the layers here?",
        "The only parameters that have a slope other than 0 are ____, because all else is "
        "multiplied by a hidden output or a weight of 0.",
    ),
    points=(
        "It says the same digit for every picture, so about one in ten is right.",
        "All hidden outputs are 0, so the weights behind them have slope 0.",
        "All weights are 0, and the slope of ReLU at 0 is 0, so nothing goes back to the layers "
        "before.",
        "Only the ten biases of the output learn: how frequent each digit is.",
    ),
    model=(
        "It reads about 11 of 100 digits of MNIST and says 1 each time, the most frequent digit. "
        "With weights 0 every hidden output is 0, so the slope of each weight behind it, input "
        "times slope, is 0. And going backwards the slope is multiplied by weights of 0 and by "
        "the slope of ReLU at 0, which is 0: nothing reaches the layers in front. Only the ten "
        "biases of the output move, and they learn how frequent each class is. Equal weights "
        "other than 0 are hardly better: all neurons of a layer then get the same slope and stay "
        "equal, 256 of them worth one. Random numbers make them differ."
    ),
)

EXERCISES = (ADAM_WITHOUT_MEMORY, GLOROT, WIDEST_HIDDEN, SMALLEST_GOOD, WHY_ZEROS_FAIL)


# --- Quiz -------------------------------------------------------------------------------------

STARTS = {"A": 2.0, "B": 1.0, "C": 4.0}  # n times the variance of the weights


@cache
def _spreads():
    """Return the spread after each of six layers with ReLU, for each of STARTS."""
    images, _ = real_digits(200)
    spreads: dict[str, list[float]] = {name: [] for name in STARTS}
    for name, factor in STARTS.items():
        x = images.flatten(1) / 255
        for layer in range(6):
            n = x.shape[1]
            x = x @ ((factor / n) ** 0.5 * random_numbers(n, 256, seed=layer))
            spreads[name].append(x.std().item())
            x = x.relu()
    return spreads


def _draw_spreads():
    return dl.plot_lines(
        _spreads(),
        at=range(1, 7),
        title="Spread of the outputs after each layer",
        x="layer",
        y=dl.Axis("standard deviation", log=True),
    )


def _fading():
    spreads = _spreads()
    return list(spreads).index(min(spreads, key=lambda name: spreads[name][-1]))


THREE_FORWARDS = """
def forward(self, images):                    # A
    x = torch.relu(self.hidden(images.flatten(1)))
    return self.output(x)

def forward(self, images):                    # B
    x = self.hidden(images.flatten(1)).relu()
    return self.output(x).softmax(dim=1)

def forward(self, images):                    # C
    x = self.hidden(images.flatten(1)).clamp(min=0)
    logits = self.output(x)
    return logits
"""

QUIZ = (
    Choice(
        name="04-three-without-relu",
        text="A network has three linear layers, 784 - 500 - 500 - 10, and nothing between them. "
        "What can it do that one layer, 784 - 10, cannot?",
        objective="say what a hidden layer adds and why it needs ReLU",
        options=(
            Option(
                "Tell apart what no straight border separates, such as exactly one of two pixels.",
                "That needs a bend, and there is none: sums of sums are sums.",
            ),
            Option(
                "Learn 1000 features, one in each hidden neuron.",
                "It has 1000 hidden numbers, and each is a plain sum of pixels; the logits are "
                "again plain sums of pixels.",
            ),
            Option(
                "Nothing: for any such network there is one layer with the same logits.",
                "The product of the three matrices is one matrix of 10 x 784. The detour changes "
                "how it trains, not what it can be.",
            ),
            Option(
                "Anything, if it has enough neurons.",
                "With a bend such as ReLU after the hidden layers that is nearly so. Without it no "
                "number of neurons helps.",
            ),
        ),
        right=2,
    ),
    Choice(
        name="04-silent-layer",
        text="After some steps with too high a rate, all neurons of the last hidden layer are "
        "silent for every digit. Which parameters can still learn?",
        objective="say what a hidden layer adds and why it needs ReLU",
        options=(
            Option(
                "The biases of the output layer only.",
                "They are added after the silent layer. The output's weights have inputs of 0, and "
                "to all layers in front no slope gets through ReLU.",
            ),
            Option(
                "All, but slowly.",
                "A silent neuron passes a slope of exactly 0, not a small one, so waiting does not "
                "help.",
            ),
            Option(
                "Those of the layers in front of the silent one.",
                "Slopes come from the loss, backwards. They have to pass the silent layer, and it "
                "multiplies them by 0.",
            ),
            Option(
                "Weights and biases of the output layer.",
                "The slope of an output weight is its input times a slope, and its input, a silent "
                "neuron, is 0.",
            ),
        ),
        right=0,
    ),
    Number(
        name="04-count",
        text="How many parameters does the network 784 - 100 - 10 have?",
        objective="build a network with several layers and count its parameters",
        answer=lambda: (784 + 1) * 100 + (100 + 1) * 10,
        tolerance=0.5,
        explanation="(784 + 1) 100 = 78 500 and (100 + 1) 10 = 1 010, together 79 510.",
        slips=(
            (79_400, "You forgot the biases: one for each of the 100 + 10 neurons."),
            (
                78_500,
                "That is the hidden layer; the output layer has parameters of its own.",
            ),
            (79_500, "You forgot the ten biases of the output layer."),
            (79_410, "You forgot the hundred biases of the hidden layer."),
        ),
    ),
    Choice(
        name="04-forgot-relu",
        text="Three networks of six layers with ReLU start from random weights whose "
        "standard deviation is the root of 1/n, of 2/n and of 4/n. Whoever took 1/n forgot that "
        "ReLU makes half of the values 0. Which line is theirs?",
        objective="choose the weights that it starts from",
        figure=_draw_spreads,
        options=(
            Option(
                "A",
                "A stays about level: each layer halves the mean square by ReLU and doubles it by "
                "its weights. That is 2/n, He's rule.",
            ),
            Option(
                "B",
                "B shrinks from layer to layer, by about the root of 1/2: nothing makes up for "
                "what ReLU removes.",
            ),
            Option(
                "C",
                "C grows from layer to layer, by about the root of 2: 4/n is more than ReLU takes "
                "away.",
            ),
        ),
        right=_fading,
    ),
    Number(
        name="04-first-step",
        text="At its first step with learning rate 0.001 and the usual betas 0.9 and 0.999, Adam "
        "meets a slope of 250. How far does the weight move?",
        objective="explain every line of Adam",
        answer=lambda: 0.001 * (0.1 * 250 / (1 - 0.9)) / (0.001 * 250**2 / (1 - 0.999)) ** 0.5,
        tolerance=0.00005,
        explanation="Both means are corrected for having started at 0, so m is 250 and the root of "
        "v is 250: the step is as long as the learning rate, 0.001.",
        slips=(
            (0.25, "That is SGD's step, rate times slope. Adam divides by the size of the slope."),
            (
                0.001 * 25 / 62.5**0.5,
                "You left out the division by 1 - beta to the power of t: both means start at 0 "
                "and are too small at first, v much more so.",
            ),
            (0.0001, "You corrected v and not m; both start at 0."),
            (0.000004, "You divided by v in place of its root."),
        ),
    ),
    Choice(
        name="04-three-forwards",
        text="Three descriptions of the same network were turned into code and trained with "
        "`F.cross_entropy`. None raises an error, and one learns badly. Which?",
        objective="read a description of a network critically",
        code=THREE_FORWARDS.strip(),
        options=(
            Option("A", "ReLU between the layers and logits at the end, as it should be."),
            Option(
                "B",
                "It ends in probabilities, and the loss applies softmax once more: even a perfect "
                "answer costs 1.46. That is the slip of document 002.",
            ),
            Option(
                "C",
                "`clamp(min=0)` makes the negative numbers 0: that is ReLU in other words, and the "
                "end are logits.",
            ),
        ),
        right=1,
    ),
    Choice(
        name="04-what-is-doubtful",
        text="A report says: “784 inputs, three hidden layers of 128 with ReLU, Adam with rate "
        "0.001, batches of 64, 20 epochs. We trained ten seeds; the best reads 98.4 % of the test "
        "digits.” What makes the number doubtful?",
        objective="read a description of a network critically",
        options=(
            Option(
                "It does not say how many parameters the network has.",
                "They follow from the sizes: 134 794. One can count them.",
            ),
            Option(
                "Twenty epochs are too few for three hidden layers.",
                "Documents need not train for long; in this notebook seven were enough for 98 of "
                "100.",
            ),
            Option(
                "It does not say which loss was used.",
                "That is a gap, though for ten classes nearly everybody takes cross-entropy. The "
                "number itself has a worse fault.",
            ),
            Option(
                "The best of ten was chosen by the test digits, so part of it is luck.",
                "Whoever takes the highest of ten test accuracies reports the luck of that seed, "
                "too. Choose by validation, or give the mean and the range of all ten.",
            ),
        ),
        right=3,
    ),
)
