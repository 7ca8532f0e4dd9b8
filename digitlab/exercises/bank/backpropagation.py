"""Exercises and quiz of notebook 03b, Backpropagation."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

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

# --- Back through ReLU ------------------------------------------------------------------------


def through_relu(inputs, slope):
    """Return the slope of the loss at the inputs of ReLU."""
    return slope * (inputs > 0)


def _bends():
    return {
        "positive and negative inputs, all slopes 1": (
            torch.tensor([-2.0, -0.5, 0.5, 2.0]),
            torch.ones(4),
        ),
        "slopes of both signs": (random_numbers(4, 6), random_numbers(4, 6, seed=1)),
        "an input of exactly 0": (torch.tensor([0.0, 3.0, -3.0]), torch.tensor([5.0, 5.0, 5.0])),
    }


THROUGH_RELU = Exercise(
    reference=through_relu,
    task="Take a slope back through ReLU.",
    objective="say what a partial derivative and the chain rule are",
    cases=_bends,
    wrong=(
        Wrong(
            lambda inputs, slope: slope.relu(),
            "You made negative slopes 0. What decides is the sign of the *input*: where it was "
            "positive, every slope passes, a negative one, too.",
        ),
        Wrong(
            lambda inputs, slope: slope * inputs.relu(),
            "You multiplied by the output of ReLU. The chain rule wants its slope, which is 1 "
            "wherever the input is positive, however large it is.",
        ),
        Wrong(
            lambda inputs, slope: (inputs > 0).float(),
            "That is the slope of ReLU itself. The chain rule multiplies it by the slope that "
            "arrives from the loss.",
        ),
        Wrong(
            lambda inputs, slope: slope,
            "You let every slope pass. Where the input is negative, a small change of it changes "
            "nothing, so there the slope is 0.",
        ),
        Wrong(
            lambda inputs, slope: slope * (inputs >= 0),
            "At an input of exactly 0 there is a corner; like PyTorch, take the slope 0 there.",
        ),
        Wrong(
            lambda inputs, slope: slope * (inputs < 0),
            "The other way round: ReLU keeps what is positive, so slopes pass where inputs are "
            "positive.",
        ),
    ),
    hints=(
        "ReLU has the slope 1 for a positive input and 0 for any other; the chain rule multiplies.",
        "`inputs > 0` is a tensor of yes and no, which count as 1 and 0 in a product.",
        "All but one blank:\nreturn slope * (____)",
    ),
    why=(
        "Where the input is positive, ReLU changes nothing, so the slope passes as it is. Where "
        "it is negative, the output stays 0 whatever the input does, so no slope passes."
    ),
)


# --- Back through notes -----------------------------------------------------------------------


def all_slopes(notes):
    """Return the slope of the last result for every name in the notes, as a dictionary."""
    slopes = {notes[-1][0]: 1.0}
    for result, inputs in reversed(notes):
        at_result = slopes.setdefault(result, 0.0)
        for name, local in inputs:
            slopes[name] = slopes.get(name, 0.0) + at_result * local
    return slopes


def _notes():
    return {
        "a chain: c = 3 a, L = 2 c": ([("c", [("a", 3.0)]), ("L", [("c", 2.0)])],),
        "two ways: L = a b + a": (
            [("c", [("a", 5.0), ("b", 2.0)]), ("L", [("c", 1.0), ("a", 1.0)])],
        ),
        "twice in one step: L = a a": ([("L", [("a", 3.0), ("a", 3.0)])],),
        "a result used twice: c = a b, L = c c": (
            [("c", [("a", -2.0), ("b", 3.0)]), ("L", [("c", -6.0), ("c", -6.0)])],
        ),
        "a result that the loss does not need": (
            [("c", [("a", 4.0)]), ("d", [("a", 7.0), ("b", 1.0)]), ("L", [("c", -0.5)])],
        ),
    }


def _walk(notes, *, add=True, multiply=True, backwards=True, start=1.0):
    """Walk with something changed, for the wrong answers."""
    slopes = {notes[-1][0]: start}
    for result, inputs in reversed(notes) if backwards else notes:
        at_result = slopes.setdefault(result, 0.0)
        for name, local in inputs:
            new = at_result * local if multiply else at_result + local
            slopes[name] = slopes.get(name, 0.0) + new if add else new
    return slopes


def _no_loss(notes):
    return {name: slope for name, slope in all_slopes(notes).items() if name != notes[-1][0]}


ALL_SLOPES = Exercise(
    reference=all_slopes,
    task="Walk back through the notes of a computation and find every slope.",
    objective="write a small engine that differentiates any formula",
    cases=_notes,
    wrong=(
        Wrong(
            lambda notes: _walk(notes, add=False),
            "You overwrite the slope of a value that is used twice, so only one of its ways to the "
            "loss counts. Every way changes the loss: add.",
        ),
        Wrong(
            lambda notes: _walk(notes, multiply=False),
            "You added the local slope to the slope that arrives. Along a chain, slopes are "
            "multiplied; adding is for ways that meet.",
        ),
        Wrong(
            lambda notes: _walk(notes, backwards=False),
            "You walk forwards. A slope can be passed on only after it has arrived, and slopes "
            "arrive from the loss: begin with the last step.",
        ),
        Wrong(
            lambda notes: _walk(notes, start=0.0),
            "You begin with the slope 0, and every product with it is 0. For itself the loss has "
            "the slope 1.",
        ),
        Wrong(
            _no_loss,
            "The loss itself is missing from the dictionary; its slope is 1.",
        ),
    ),
    hints=(
        "Keep a dictionary of slopes. It begins with the last result, whose slope is 1, and the "
        "steps are gone through from the end.",
        "`reversed(notes)` gives the steps from the end; `slopes.get(name, 0.0)` is the slope that "
        "has arrived so far, or 0.",
        "All but one blank:\n"
        "slopes = {notes[-1][0]: 1.0}\n"
        "for result, inputs in reversed(notes):\n"
        "    at_result = slopes.setdefault(result, 0.0)\n"
        "    for name, local in inputs:\n"
        "        slopes[name] = ____\n"
        "return slopes",
    ),
    why=(
        "`at_result * local` is the chain rule, and adding it to what is there is the rule for "
        "several ways. Going from the end makes sure that a slope is complete before it is passed "
        "on. This is `backward` of section 8, with names instead of objects."
    ),
)


# --- Two layers by hand -----------------------------------------------------------------------


def two_slopes(pixels, labels, first, second):
    """Return the slopes of the mean loss for first and for second, in their shapes."""
    sums = pixels @ first
    hidden = sums.relu()
    logits = hidden @ second
    at_logits = (logits.softmax(dim=1) - F.one_hot(labels, 10)) / len(labels)
    at_sums = (at_logits @ second.T) * (sums > 0)
    return pixels.T @ at_sums, hidden.T @ at_logits


def _layers():
    images, labels = real_digits(10)
    pixels = images.flatten(1) / 255
    small = random_numbers(6, 20), labels[:6]
    first, second = random_numbers(20, 8, seed=1), random_numbers(8, 10, seed=2)
    return {
        "six digits, 8 hidden numbers": (*small, first, second),
        "one digit": (small[0][:1], labels[:1], first, second),
        "a hidden number that is exactly 0": (*small, first * (torch.arange(8) > 0), second),
        "real digits": (
            pixels,
            labels,
            0.1 * random_numbers(784, 16, seed=3),
            random_numbers(16, 10, seed=4),
        ),
        "square layers": (
            random_numbers(4, 10, seed=5),
            labels[:4],
            random_numbers(10, 10, seed=6),
            random_numbers(10, 10, seed=7),
        ),
    }


def _slopes(layers, due=None, factor=1.0, bend=True):
    """Compute both slopes with something changed, for the wrong answers."""
    pixels, labels, first, second = layers
    sums = pixels @ first
    hidden = sums.relu()
    due = F.one_hot(labels, 10) if due is None else due
    at_logits = ((hidden @ second).softmax(1) - due) * factor / len(labels)
    at_sums = at_logits @ second.T
    return pixels.T @ (at_sums * (sums > 0) if bend else at_sums), hidden.T @ at_logits


def _sums(*layers):
    return _slopes(layers, factor=len(layers[1]))


def _turned(*layers):
    return _slopes(layers, factor=-1.0)


def _without_truth(*layers):
    return _slopes(layers, due=0.0)


def _no_bend(*layers):
    return _slopes(layers, bend=False)


def _bend_of_the_slope(*layers):
    pixels, labels, first, second = layers
    hidden = (pixels @ first).relu()
    at_logits = ((hidden @ second).softmax(1) - F.one_hot(labels, 10)) / len(labels)
    return pixels.T @ (at_logits @ second.T).relu(), hidden.T @ at_logits


def _from_pixels(*layers):
    pixels, labels, first, second = layers
    logits = (pixels @ first).relu() @ second
    at_logits = (logits.softmax(1) - F.one_hot(labels, 10)) / len(labels)
    return _slopes(layers)[0], pixels.T @ at_logits


def _swapped(*layers):
    return _slopes(layers)[::-1]


def _divided_twice(*layers):
    at_first, at_second = _slopes(layers)
    return at_first / len(layers[1]), at_second


def _lying(*layers):
    return tuple(slope.T for slope in _slopes(layers))


TWO_SLOPES = Exercise(
    reference=two_slopes,
    task="Work out the slopes of two layers with ReLU between them, for a batch of digits.",
    objective="work out the slopes of two layers by hand",
    cases=_layers,
    wrong=(
        Wrong(
            _sums,
            "You forgot the mean: the loss is a mean over the digits, so each slope has to be "
            "divided by their number.",
        ),
        Wrong(
            _turned,
            "The signs are turned round: the slope is the probability given minus the one due.",
        ),
        Wrong(
            _without_truth,
            "The truth is missing: from the probability of the true class, 1 has to be taken away.",
        ),
        Wrong(
            _no_bend,
            "On the way to `first` you went past ReLU without noticing it: its slope is 1 where "
            "its input was positive, and 0 where it was negative.",
        ),
        Wrong(
            _bend_of_the_slope,
            "You applied ReLU to the slope. What decides is whether ReLU's *input* was positive on "
            "the way forwards; a slope may well be negative.",
        ),
        Wrong(
            _from_pixels,
            "For `second` you took the pixels as inputs. What comes into the second layer are the "
            "hidden numbers.",
        ),
        Wrong(_swapped, "They stand in the wrong order: first the slopes for `first`."),
        Wrong(
            _divided_twice,
            "You divided by the number of digits twice on the way to `first`; the mean is taken "
            "once, in the loss.",
        ),
        Wrong(
            _lying,
            "They lie on their side: a slope has the shape of its weights, so the transpose "
            "belongs to the inputs, `inputs.T @ s`.",
        ),
    ),
    hints=(
        "Do what section 7 does, in the same order; section 6 says which product adds up over the "
        "digits.",
        "For a layer `outputs = inputs @ W`: `inputs.T @ s` for its weights and `s @ W.T` for its "
        "inputs. The mean divides the slope at the logits by the number of digits. Look at the "
        "shapes.",
        "All but one blank:\n"
        "sums = pixels @ first\n"
        "hidden = sums.relu()\n"
        "logits = hidden @ second\n"
        "at_logits = (logits.softmax(dim=1) - F.one_hot(labels, 10)) / len(labels)\n"
        "at_sums = ____\n"
        "return pixels.T @ at_sums, hidden.T @ at_logits",
    ),
    why=(
        "Each hidden number acts on the loss through ten logits, so its slope is the sum over "
        "them, weight times slope: that is `at_logits @ second.T`. ReLU then lets through what "
        "belongs to positive sums, and `pixels.T @` adds up over the digits."
    ),
)


# --- A steady start ---------------------------------------------------------------------------


def steadiest(first_and_last):
    uneven = {f: abs(math.log(first / last)) for f, (first, last) in first_and_last.items()}
    return min(uneven, key=lambda factor: uneven[factor])


def _starts():
    return {
        "of the notebook": (
            {
                0.5: (1.9e-9, 1.0e-3),
                0.9: (1.3e-4, 1.0e-3),
                1.0: (1.0e-3, 1.0e-3),
                1.3: (0.15, 1.1e-3),
                2.0: (780.0, 1.3e-3),
            },
        ),
        "a third is less even than twice": (
            {0.9: (1e-3, 3e-3), 1.1: (6e-3, 3e-3), 2.0: (5.0, 1e-3)},
        ),
        "differences would mislead": (
            {0.5: (1e-9, 1e-3), 0.9: (1e-4, 5e-4), 1.0: (0.02, 0.03), 1.5: (9.0, 0.01)},
        ),
        "large slopes, but even ones": ({0.8: (0.02, 0.1), 1.0: (30.0, 25.0), 1.5: (9.0, 0.01)},),
    }


STEADIEST = Exercise(
    reference=steadiest,
    is_value=True,
    task="Find the start whose slopes at the first and the last layer are most nearly equal.",
    objective="explain why gradients fade or explode",
    cases=_starts,
    wrong=(
        Wrong(
            lambda first_and_last: max(first_and_last, key=lambda f: first_and_last[f][0]),
            "That start has the *largest* slope at layer 1. It is not a good sign: it has exploded "
            "on the way back.",
        ),
        Wrong(
            lambda first_and_last: min(
                first_and_last, key=lambda f: first_and_last[f][0] / first_and_last[f][1]
            ),
            "That start has the smallest ratio of the two, so at layer 1 nearly nothing is left.",
        ),
        Wrong(
            lambda first_and_last: first_and_last[steadiest(first_and_last)],
            "Those are the two slopes; asked for is the factor that they belong to.",
        ),
        Wrong(
            lambda first_and_last: min(
                first_and_last, key=lambda f: abs(first_and_last[f][0] - first_and_last[f][1])
            ),
            "You compared by difference. Two tiny numbers differ by little even if one is a "
            "million times the other: compare by ratio.",
        ),
    ),
    hints=(
        "Divide the first number by the last one; you look for a ratio near 1.",
        "A tenth is as bad as ten times: the logarithm of the ratio treats both alike, -2.3 and "
        "2.3; its size, `abs`, should be small.",
        "All but one blank:\n"
        "uneven = {f: abs(math.log(____)) for f, (first, last) in first_and_last.items()}\n"
        "steadiest = min(uneven, key=uneven.get)",
    ),
    why=(
        "With the right spread each layer keeps the size of a slope on average, so that twenty "
        "layers do, too. A factor of 0.9 in every layer leaves 0.9 to the power of 20, about an "
        "eighth; small deviations are multiplied twenty times."
    ),
)


# --- Momentum by hand -------------------------------------------------------------------------


def momentum(slope, w, lr, mu, n_steps):
    """Return the list of w after each step; slope(w) is the slope at w."""
    speed, path = 0.0, []
    for _ in range(n_steps):
        speed = mu * speed + slope(w)
        w = w - lr * speed
        path.append(w)
    return path


def _valley(w):
    return 2 * (w - 1)


def _gentle(w):
    return 0.1 * (w + 2) ** 3


def _rolls():
    return {
        "slope 2 (w - 1), one step": (_valley, 3.0, 0.05, 0.9, 1),
        "slope 2 (w - 1), 20 steps": (_valley, 3.0, 0.05, 0.9, 20),
        "without momentum": (_valley, 3.0, 0.3, 0.0, 6),
        "slope 0.1 (w + 2)³, half of the speed stays": (_gentle, 0.5, 0.2, 0.5, 9),
        "no step": (_valley, 3.0, 0.05, 0.9, 0),
    }


def _plain(slope, w, lr, mu, n_steps):
    return momentum(slope, w, lr, 0.0, n_steps)


def _as_mean(slope, w, lr, mu, n_steps):
    return momentum(lambda w: (1 - mu) * slope(w), w, lr, mu, n_steps)


def _slope_once(slope, w, lr, mu, n_steps):
    first = slope(w)
    return momentum(lambda _: first, w, lr, mu, n_steps)


def _with_start(slope, w, lr, mu, n_steps):
    return [w, *momentum(slope, w, lr, mu, n_steps)]


def _of_the_weight(slope, w, lr, mu, n_steps):
    path = []
    for _ in range(n_steps):
        w = mu * w - lr * slope(w)
        path.append(w)
    return path


def _only_the_last(slope, w, lr, mu, n_steps):
    path = momentum(slope, w, lr, mu, n_steps)
    return path[-1] if path else w


MOMENTUM = Exercise(
    reference=momentum,
    task="Let w roll: in each step v becomes mu v + slope, and w becomes w - lr v.",
    objective="train with momentum",
    cases=_rolls,
    wrong=(
        Wrong(
            _plain,
            "The speed begins anew in each step, so this is plain descent: `speed` has to be kept "
            "from step to step.",
        ),
        Wrong(
            _as_mean,
            "You took 1 - mu of the slope, as in a running mean. Here the whole slope is added, "
            "so on a long slope the steps grow to 1 / (1 - mu) times their length.",
        ),
        Wrong(
            _slope_once,
            "You asked for the slope once, where w began; it has to be asked for where w is now.",
        ),
        Wrong(_with_start, "Your list begins with the w before the first step."),
        Wrong(
            _of_the_weight,
            "You kept a share of the weight. What a ball keeps is its speed; the weight stays "
            "whole.",
        ),
        Wrong(_only_the_last, "That is the last w only; keep the one after each step in a list."),
    ),
    hints=(
        "Two numbers go from step to step: where w is, and how fast it moves. At first the speed "
        "is 0.",
        "In each step: the new speed from the old one and `slope(w)`, then the new w, then "
        "`path.append(w)`.",
        "All but one blank:\nspeed = ____ + slope(w)\nw = w - lr * speed\npath.append(w)",
    ),
    why=(
        "Slopes that agree add up, so a long gentle valley is crossed up to 1 / (1 - mu) times as "
        "fast; those that change sign cancel. The price: w runs past the lowest point and comes "
        "back."
    ),
)


# --- Why backwards ----------------------------------------------------------------------------

WHY_BACKWARDS = Open(
    name="why_backwards",
    task="Say why slopes are computed from the loss backwards, and what the price is.",
    objective="write a small engine that differentiates any formula",
    hints=(
        "How many weights are there, and how many losses? What does one walk in each direction "
        "find?",
        "A walk forwards begins with one weight and finds its slope for everything after it. A "
        "walk backwards begins with one result and finds the slope of everything before it.",
        "Forwards needs one walk for each ____; backwards needs one for each ____. The price is "
        "what has to be kept until the way back.",
    ),
    points=(
        "A walk forwards finds the slope for one weight only: there would be one for each weight.",
        "There is a single loss, so one walk backwards finds the slopes of all weights.",
        "The walk backwards needs the intermediate results of the forward pass, so they have to be "
        "kept in memory.",
    ),
    model=(
        "A network has many weights and one loss. If we multiply from a weight forwards, one walk "
        "finds the slope of the loss for this weight only, and we need as many walks as weights: "
        "no better than nudging. If we begin at the loss, what is multiplied so far is shared by "
        "all weights further back, so one walk finds all slopes. The price is memory: the local "
        "slopes depend on the numbers of the forward pass, which must be kept until the way back "
        "has used them."
    ),
)

EXERCISES = (
    THROUGH_RELU,
    ALL_SLOPES,
    TWO_SLOPES,
    STEADIEST,
    MOMENTUM,
    WHY_BACKWARDS,
)


# --- Quiz -------------------------------------------------------------------------------------

QUIZ = (
    Number(
        name="03b-chain",
        text="u = 3x, v = -2u, L = v + x. What is the slope of L for x?",
        objective="say what a partial derivative and the chain rule are",
        answer=lambda: 3.0 * -2.0 + 1.0,
        explanation="Along the chain x, u, v, L the slopes are multiplied: 3 times -2 times 1 is "
        "-6. The direct way from x to L adds 1: together -5.",
        slips=(
            (-6.0, "That is the way through u and v. x also goes into L directly; add this way."),
            (2.0, "You added the slopes 3, -2 and 1. Along a chain they are multiplied."),
            (7.0, "The slope of v for u is -2, with its sign."),
        ),
    ),
    Choice(
        name="03b-transpose",
        text="A layer computes outputs = inputs @ W, with inputs (64, 784) and W (784, 10). s is "
        "the slope at the outputs, (64, 10). What is the slope of W?",
        objective="work out the slopes of two layers by hand",
        options=(
            Option(
                "inputs @ s",
                "(64, 784) @ (64, 10) does not fit: the inner numbers are 784 and 64.",
            ),
            Option(
                "s.T @ inputs",
                "The numbers are right, but they lie on their side, (10, 784). The slope of W has "
                "the shape of W.",
            ),
            Option(
                "s @ W.T",
                "That is the slope of the inputs, (64, 784): each input collects from its ten "
                "outputs.",
            ),
            Option(
                "inputs.T @ s",
                "(784, 64) @ (64, 10) is (784, 10), the shape of W. The product adds up input "
                "times slope over the 64 digits.",
            ),
        ),
        right=3,
    ),
    Choice(
        name="03b-given-due",
        text="The truth is class 2, and the network gives the classes 0, 1 and 2 the "
        "probabilities 0.2, 0.5 and 0.3. What are the slopes of the loss for the three logits?",
        objective="work out the slopes of two layers by hand",
        options=(
            Option(
                "-0.2, -0.5, 0.7",
                "The signs are turned round. With these a step of gradient descent would make the "
                "logit of the truth smaller.",
            ),
            Option(
                "0.2, 0.5, -0.7",
                "Probability given minus probability due. Only the true class has a negative "
                "slope, so only its logit grows.",
            ),
            Option(
                "0, 0, -0.7",
                "The wrong classes count, too: their logits are part of the sum S in softmax.",
            ),
            Option(
                "0.2, 0.5, 0.3",
                "These are the probabilities; from that of the truth, 1 has to be taken away.",
            ),
        ),
        right=1,
    ),
    Choice(
        name="03b-overwritten",
        text="In our engine somebody writes = in place of += in the last line of `backward`. What "
        "goes wrong?",
        objective="write a small engine that differentiates any formula",
        options=(
            Option(
                "Nothing: the slopes begin at 0.",
                "That holds for values that are used once. Others receive several slopes.",
            ),
            Option(
                "All slopes are 0.",
                "No: each value still gets a slope from one of the steps in which it was used.",
            ),
            Option(
                "A value that is used more than once keeps only the slope that arrived last.",
                "Every use is a way to the loss, and ways add up. In a network each weight is used "
                "once for every point, so nearly everything is lost.",
            ),
            Option(
                "It raises an error where a value is used twice.",
                "It runs without any error. That is what makes this mistake dangerous.",
            ),
        ),
        right=2,
    ),
    Number(
        name="03b-faded",
        text="On the way back, each of 10 layers makes the slope half as large. Which share of it "
        "is left after the ten, in percent?",
        objective="explain why gradients fade or explode",
        answer=lambda: 100 * 0.5**10,
        tolerance=0.01,
        unit="%",
        explanation="0.5 to the power of 10 is 1/1024, about 0.098 %.",
        slips=(
            (5.0, "You divided by 20, as if the halves were added up. They are multiplied."),
            (0.5**10, "That is the share as a fraction; in percent it is 100 times as much."),
            (50.0, "That is after one layer."),
        ),
    ),
    Choice(
        name="03b-no-division",
        text="Somebody forgets to divide by the batch size of 64 when writing the slopes by hand. "
        "What happens in plain SGD?",
        objective="work out the slopes of two layers by hand",
        options=(
            Option(
                "The steps are 64 times as long: as with a learning rate 64 times as large.",
                "The directions are right, the lengths are not, so that a learning rate of 0.1 "
                "acts like 6.4 and training probably diverges.",
            ),
            Option(
                "The steps point in another direction.",
                "Every slope is multiplied by the same number, so the direction stays.",
            ),
            Option(
                "Nothing: only the sign of a slope matters.",
                "The size matters as well: the step is the learning rate times the slope.",
            ),
        ),
        right=0,
    ),
    Number(
        name="03b-full-speed",
        text="The slope is 2 in every step, the learning rate 0.01 and the momentum 0.9. How far "
        "does w move in each step, in the end?",
        objective="train with momentum",
        answer=lambda: 0.01 * 2 / (1 - 0.9),
        tolerance=0.001,
        explanation="The speed grows to 2 / (1 - 0.9) = 20, and 0.01 times 20 is 0.2: ten times a "
        "step of plain SGD.",
        slips=(
            (0.02, "That is the first step, and every step of plain SGD; then speed builds up."),
            (0.018, "You multiplied the step by 0.9; the old speed is kept *beside* the slope."),
            (20.0, "That is the speed; a step is the learning rate times the speed."),
            (0.038, "That is the second step; the speed keeps growing after it."),
        ),
    ),
)
