"""Exercises and quiz of notebook 07, Three convolutions."""

from __future__ import annotations

import math
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

SEES = "compute how many pixels one number of a network sees"
PROBABILITIES = "turn logits into probabilities and say what temperature does"
TWICE = "recognise a softmax in the wrong place from the loss alone"
GRAPH = "draw the graph of a network"
NORM = "compute batch norm by hand"

# --- See further ------------------------------------------------------------------------------


def n_layers_needed(side):
    n_missing = side - 1
    return (n_missing + 1) // 2


def _with_pooling(side):
    seen, jump, n_layers = 1, 1, 0
    while seen < side:
        seen, jump, n_layers = seen + 3 * jump, 2 * jump, n_layers + 1
    return n_layers


N_LAYERS_NEEDED = Exercise(
    reference=n_layers_needed,
    task="How many layers of 3 x 3, without pooling, until one number sees a whole digit?",
    objective=SEES,
    cases=lambda: {"28 pixels": (28,), "15 pixels": (15,), "8 pixels": (8,)},
    is_value=True,
    wrong=(
        Wrong(
            lambda side: math.ceil(side / 3),
            "You laid the kernels side by side, three pixels each. They overlap: a layer adds one "
            "pixel on each side of what was seen before.",
        ),
        Wrong(
            lambda side: side - 1,
            "You let each layer add one pixel. A kernel of 3 x 3 adds one on *each* side, "
            "k - 1 = 2 in all.",
        ),
        Wrong(
            lambda side: (side - 1) // 2,
            "Rounded down, so one row and column are not seen: a layer more is needed.",
        ),
        Wrong(
            _with_pooling,
            "That is with a pooling after each layer: there the jump doubles each time. Without "
            "pooling it stays 1.",
        ),
    ),
    hints=(
        "Without pooling the jump j stays 1. How many pixels does each layer add then?",
        "One number sees r = 1 + 2n pixels a side after n layers; it has to be 28 or more.",
        "All but one blank:\nn_layers_needed = math.ceil((28 - 1) / ____)",
    ),
    why=(
        "Each layer adds k - 1 = 2 pixels to the one that sees itself, so half of the 27 missing "
        "ones is needed, rounded up: 14. With pooling after each, four layers are enough."
    ),
)

# --- The lowest loss --------------------------------------------------------------------------


def lowest_loss(n_classes):
    """Return the lowest loss that is possible with softmax twice, for this many classes."""
    perfect = F.one_hot(torch.tensor([0]), n_classes).float()
    return -perfect.log_softmax(dim=1)[0, 0].item()


LOWEST_LOSS = Exercise(
    reference=lowest_loss,
    task="Write a function that gives the lowest loss with softmax twice, for k classes.",
    objective=TWICE,
    cases=lambda: {"10 classes": (10,), "2 classes": (2,), "1000 classes": (1000,)},
    wrong=(
        Wrong(
            lambda n_classes: 0.0,
            "0 is the lowest loss with *one* softmax. The second one gets a 1 and zeros for "
            "logits, and makes no probability of 1 of them.",
        ),
        Wrong(
            lambda n_classes: math.log((math.e + 9) / math.e),
            "1.46 is right for ten classes only: with k classes there are k - 1 zeros.",
        ),
        Wrong(
            lambda n_classes: math.log(n_classes),
            "That is the loss of a network that knows nothing, 1/k for each class; a perfect one "
            "gives the true class a logit of 1.",
        ),
        Wrong(
            lambda n_classes: math.log((math.e + n_classes) / math.e),
            "You counted k zeros: the true class is one of the k, so k - 1 others are left.",
        ),
        Wrong(
            lambda n_classes: math.e / (math.e + n_classes - 1),
            "That is the probability of the true class; the loss is minus its logarithm.",
        ),
    ),
    hints=(
        "Section 6 has it for ten classes: a perfect model gives 1 for the truth, 0 for all else.",
        "Which probability does the second softmax make of a logit of 1 among k - 1 logits of 0? "
        "The loss is minus its logarithm.",
        "All but one blank:\n"
        "return -torch.tensor(math.e / (math.e + ____)).log().item()  # import math",
    ),
    why=(
        "The second softmax makes e / (e + k - 1) of a perfect answer, and the loss is minus the "
        "logarithm of that: 0.31 for 2 classes, 1.46 for 10, 5.91 for 1000. With 1000 classes that "
        "is nearly log 1000 = 6.91 less 1: the whole way from knowing nothing to perfect is 1."
    ),
)

# --- Probabilities into another loss ----------------------------------------------------------


def loss_of_probabilities(probabilities, labels):
    """Return the mean loss of probabilities (N, 10), finite where one of them is 0."""
    return F.nll_loss(probabilities.clamp(min=1e-12).log(), labels)


def _probabilities():
    _, labels = real_digits(64)
    doubtful = random_numbers(64, 10).mul(3).softmax(dim=1)
    sure = F.one_hot(torch.tensor([3, 7]), 10).float()
    return {
        "64 digits": (doubtful, labels),
        "one digit": (random_numbers(1, 10, seed=1).softmax(dim=1), torch.tensor([4])),
        "sure and right": (sure, torch.tensor([3, 7])),
        "probability 0 for a true class": (sure, torch.tensor([3, 8])),
    }


def _loss_or_finite(answer, probabilities, labels):
    """Return the loss; where a true class has probability 0, whether it is finite and large."""
    loss = answer(probabilities, labels)
    if loss is None or probabilities.gather(1, labels[:, None]).min() > 0:
        return loss
    if not math.isfinite(float(loss)):
        return "not finite"
    return "finite and large" if float(loss) > 1 else f"{float(loss):.4g}, far too small"


LOSS_OF_PROBABILITIES = Exercise(
    reference=loss_of_probabilities,
    task="Write the loss of a model that ends in softmax; it stays finite where one of them is 0.",
    objective=PROBABILITIES,
    cases=_probabilities,
    use=_loss_or_finite,
    wrong=(
        Wrong(
            lambda probabilities, labels: F.nll_loss(probabilities, labels),
            "`F.nll_loss` takes *logarithms* of probabilities; it takes no logarithm itself, "
            "whatever its name says, so your loss is below 0.",
        ),
        Wrong(
            lambda probabilities, labels: F.cross_entropy(probabilities, labels),
            "`F.cross_entropy` applies softmax itself: that is the softmax in the wrong place.",
        ),
        Wrong(
            lambda probabilities, labels: F.nll_loss(probabilities.log(), labels),
            "Right until a true class has probability 0: log 0 is minus infinity, and one such "
            "digit makes the loss of its whole batch infinite. Keep probabilities above 0.",
        ),
        Wrong(
            lambda probabilities, labels: F.nll_loss(
                probabilities.clamp(min=1e-12).log(), labels, reduction="sum"
            ),
            "You add the losses up; `F.cross_entropy` gives their mean over the digits.",
        ),
        Wrong(
            lambda probabilities, labels: -probabilities.clamp(min=1e-12).log().mean(),
            "You average over all ten classes; only the probability of the true class counts.",
        ),
    ),
    hints=(
        "Cross-entropy is minus the logarithm of the true class's probability, averaged.",
        "`F.nll_loss` picks the true class and takes the mean, of logarithms; `clamp(min=...)` "
        "keeps a number above something tiny.",
        "All but one blank:\nreturn F.nll_loss(probabilities.clamp(min=1e-12).____(), labels)",
    ),
    why=(
        "The logarithm of the softmax is what `F.cross_entropy` computes from logits in one go, as "
        "z minus log-sum-exp, so no probability is ever rounded to 0. From probabilities that is "
        "past mending: for logits of 200 and -200 the true class may have got exactly 0."
    ),
)

# --- A batch of one ---------------------------------------------------------------------------

BATCH_OF_ONE = Open(
    name="batch_of_one",
    task="Find out what batch norm in training mode makes of a batch with one digit, and why.",
    objective=NORM,
    hints=(
        "Give `nn.BatchNorm2d(16)` the maps of one digit, then `nn.BatchNorm1d(64)` a row (1, 64).",
        "How many numbers does each of them average for a channel? Put a single number x into the "
        "formula: what are m and v?",
        "Three parts: what happens with maps, what with a row, what happens after `eval()`.",
    ),
    points=(
        "With maps it works: each channel is averaged over the places of the one digit.",
        "With a row there is one number a channel: m is that number, v is 0, the output is beta "
        "for every digit, so PyTorch raises an error.",
        "In evaluation both work, with the collected means and variances.",
        "A last batch that holds one digit is where this happens.",
    ),
    model=(
        "nn.BatchNorm2d takes mean and variance of a channel over the digits and all places of "
        "the map, so with one digit it still averages 28 x 28 numbers and works, though each digit "
        "is then measured by itself alone. nn.BatchNorm1d on a row has a single number for each "
        "channel: the mean is that number and the variance 0, so (x - m) would be 0 whatever the "
        "digit shows, and only beta would be left; PyTorch raises 'Expected more than 1 value per "
        "channel when training'. After eval() both use what they have collected and a single digit "
        "can be read. It happens by accident where the last, short batch of an epoch holds one "
        "digit."
    ),
)

EXERCISES = (N_LAYERS_NEEDED, LOWEST_LOSS, LOSS_OF_PROBABILITIES, BATCH_OF_ONE)

# --- Quiz -------------------------------------------------------------------------------------


@cache
def _losses():
    """Return the loss of each batch of three short trainings, and which has softmax twice."""
    images, labels = real_digits(1000)
    losses: dict[str, list[float]] = {}
    for name, rate, twice in (("A", 0.02, False), ("B", 0.0008, False), ("C", 0.02, True)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            model = nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))
        optimizer = torch.optim.Adam(model.parameters(), lr=rate)
        losses[name] = []
        for start in range(0, 6000, 50):
            batch = torch.arange(start, start + 50) % len(images)
            output = model(images[batch].float() / 255)
            output = output.softmax(dim=1) if twice else output
            loss = F.cross_entropy(output, labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses[name].append(loss.item())
    return losses


def _three_trainings():
    figure = dl.plot_lines(
        _losses(), title="Three trainings", x="batch", y=dl.Axis("loss", limits=(0, 2.5))
    )
    ends = ", ".join(f"{name} ends near {sum(x[-10:]) / 10:.2f}" for name, x in _losses().items())
    return replace(figure, alt=f"The loss of three trainings begins near 2.3; {ends}.")


QUIZ = (
    Choice(
        name="07-which-curve",
        text="One of these networks ends in softmax and is trained with `F.cross_entropy`. Which?",
        objective=TWICE,
        options=(
            Option(
                "A",
                "A falls far below 1.46. With softmax twice and ten classes no loss can do that, "
                "whatever the network has learnt.",
            ),
            Option(
                "B",
                "B falls slowly and steadily, as it has a small learning rate, and nothing holds "
                "it at 1.46: after half of the batches it is below.",
            ),
            Option(
                "C",
                "Yes: it falls fast at first, then it is stuck just above 1.46, the lowest loss "
                "that ten classes allow with softmax twice.",
            ),
        ),
        right=lambda: min(range(3), key=lambda i: abs(min(list(_losses().values())[i]) - 1.47)),
        figure=_three_trainings,
    ),
    Number(
        name="07-field",
        text=(
            "A convolution of 5 x 5, a pooling of 2 x 2, then a convolution of 3 x 3, strides 1, 2 "
            "and 1: how many pixels a side does one number of the last map see?"
        ),
        objective=SEES,
        answer=lambda: 1 + 4 + 1 + 2 * 2,
        explanation=(
            "1 + 4 = 5 after the first, + 1 = 6 after the pooling, which doubles the jump, "
            "and + 2 x 2 = 10 after the last."
        ),
        slips=(
            (8, "After the pooling the jump is 2, so the last kernel adds 2 x 2 pixels, not 2."),
            (9, "The pooling sees something, too: it adds one pixel, as k - 1 = 1."),
            (12, "The pooling itself still has jump 1: it adds 1, and only then the jump doubles."),
            (15, "Kernels do not stand side by side: sizes are not multiplied."),
        ),
        unit="pixels",
    ),
    Choice(
        name="07-temperature",
        text="You divide all logits of a trained network by T = 4. What changes?",
        objective=PROBABILITIES,
        options=(
            Option(
                "The network reads fewer digits correctly.",
                "Dividing by 4 keeps the order of the logits, so the largest stays the largest: "
                "every digit is read as before.",
            ),
            Option(
                "It is less sure of what it reads, and reads the same.",
                "Yes: smaller distances between logits make probabilities more alike, and the "
                "order stays.",
            ),
            Option(
                "It becomes surer of what it reads.",
                "The other way: T below 1 makes it surer. T = 4 brings the logits nearer to each "
                "other, and equal logits mean 1/10 each.",
            ),
            Option(
                "Nothing: softmax divides by the sum anyway.",
                "Softmax cancels what is *added* to all logits, since it becomes a factor of every "
                "e^z. What they are divided by becomes a power, and stays.",
            ),
        ),
        right=1,
    ),
    Choice(
        name="07-which-cell",
        text="All four cells run without an error. Which one has a softmax in the wrong place?",
        objective=TWICE,
        code=(
            "# cell 1\n"
            "probabilities = model(images).softmax(dim=1)\n"
            "sure = probabilities.amax(dim=1)\n\n"
            "# cell 2\n"
            "loss = F.nll_loss(model(images).log_softmax(dim=1), labels)\n\n"
            "# cell 3\n"
            "predictions = model(images).argmax(dim=1)\n\n"
            "# cell 4\n"
            "output = torch.softmax(model(images), dim=1)\n"
            "loss = nn.CrossEntropyLoss()(output, labels)"
        ),
        options=(
            Option(
                "Cell 4",
                "Yes: `nn.CrossEntropyLoss` is `F.cross_entropy` as an object, and applies softmax "
                "itself. The first line has to go.",
            ),
            Option(
                "Cell 1",
                "Here softmax is in its place: the model gives logits, and somebody wants to know "
                "how sure it is. No loss is computed from them.",
            ),
            Option(
                "Cell 2",
                "`F.nll_loss` takes logarithms of probabilities and has no softmax of its own, so "
                "this is `F.cross_entropy` in two steps.",
            ),
            Option(
                "Cell 3",
                "No softmax is missing: it keeps the order, so the largest logit is the largest "
                "probability.",
            ),
        ),
        right=0,
    ),
    Choice(
        name="07-graph",
        text=(
            "A class creates `self.conv3` in `__init__`, and `forward` forgets to call it. What "
            "does the graph of `backward()` show?"
        ),
        objective=GRAPH,
        options=(
            Option(
                "An error: a layer must be used.",
                "PyTorch does not mind: the training runs, and a layer is carried along that does "
                "nothing. That is why one looks at the graph.",
            ),
            Option(
                "`self.conv3` as a box of its own, without arrows.",
                "The graph holds what was written down during the forward pass; what was not "
                "called is not written down at all.",
            ),
            Option(
                "No trace of it: its weights are missing, and they will not learn.",
                "Yes: what is not in the graph gets no slope. `dl.n_parameters` counts it all the "
                "same, so a right number of parameters proves nothing here.",
            ),
            Option(
                "The same as if it were called, since it belongs to the model.",
                "Belonging to the model puts its weights into `parameters()`. The graph shows what "
                "the logits were computed from.",
            ),
        ),
        right=2,
    ),
    Number(
        name="07-norm",
        text=(
            "In one channel a batch has only the two values 1 and 3. What does batch norm in "
            "training make of the 3, with gamma = 2, beta = 1, and nothing else?"
        ),
        objective=NORM,
        answer=lambda: 2 * (3 - 2) / math.sqrt(((1 - 2) ** 2 + (3 - 2) ** 2) / 2) + 1,
        tolerance=0.01,
        explanation=(
            "The mean is 2, the variance ((1 - 2)² + (3 - 2)²) / 2 = 1, so (3 - 2) / 1 = 1, and "
            "2 x 1 + 1 = 3."
        ),
        slips=(
            (1, "That is before gamma and beta: 2 x 1 + 1 is still to be done."),
            (2.41, "You divided by n - 1 in the variance; batch norm divides by n, here by 2."),
            (2.42, "You divided by n - 1 in the variance; batch norm divides by n, here by 2."),
            (-1, "That is what becomes of the 1."),
            (4, "First times gamma, then plus beta: (1 + 1) x 2 does it the other way round."),
        ),
    ),
    Choice(
        name="07-rates",
        text=(
            "Somebody trains a network once with and once without batch norm, both at the learning "
            "rate 0.0003, and finds that batch norm reads twice as many digits. What follows?"
        ),
        objective=NORM,
        options=(
            Option(
                "Networks with batch norm read about twice as many digits.",
                "At this rate and after this short training. A larger rate may help the other "
                "network much more.",
            ),
            Option(
                "Nothing yet about which is better: each should choose its own rate, from "
                "several seeds.",
                "Yes: section 9 does so. At a rate ten times as large the lead is a few digits of "
                "100.",
            ),
            Option(
                "Batch norm was the wrong choice, since it depends on other digits in the batch.",
                "That matters in training alone. It is no reason to read fewer digits.",
            ),
        ),
        right=1,
    ),
    Choice(
        name="07-eval",
        text=(
            "A network with batch norm is judged, and somebody forgot `model.eval()`. The same "
            "digits are judged again in another order. What happens?"
        ),
        objective=NORM,
        options=(
            Option(
                "The accuracy may change, since other digits are together in a batch.",
                "Yes: in training mode mean and variance come from the batch, so what is read "
                "depends on the company that a digit keeps.",
            ),
            Option(
                "The accuracy stays: the same digits, the same weights.",
                "The weights are the same; but in training mode each batch is normalised by its "
                "own mean and variance, and the batches are others now.",
            ),
            Option(
                "PyTorch raises an error, since no loss is computed.",
                "A forward pass is allowed in either mode. The two modes differ without a word.",
            ),
        ),
        right=0,
    ),
)
