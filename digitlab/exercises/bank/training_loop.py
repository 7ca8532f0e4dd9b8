"""Exercises and quiz of notebook 03, The training loop."""

from __future__ import annotations

import math
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

# --- The first loss ---------------------------------------------------------------------------


def largest_spread(first_losses):
    near = [spread for spread, loss in first_losses.items() if abs(loss - 2.303) < 0.2]
    return max(near)


def _first_losses():
    growing = {0.001: 2.305, 0.01: 2.33, 0.03: 2.42, 0.1: 3.05, 0.3: 6.1, 1.0: 18.9}
    return {
        "of MNIST": (growing,),
        "in another order": (dict(sorted(growing.items(), reverse=True)),),
        "a loss below log 10": ({0.02: 2.31, 0.04: 2.12, 0.05: 2.08, 2.0: 35.0},),
        "just on this side, just on that": ({0.05: 2.49, 0.06: 2.51, 0.5: 9.0},),
        "the smallest only": ({0.001: 2.3, 0.5: 9.0},),
    }


LARGEST_SPREAD = Exercise(
    reference=largest_spread,
    is_value=True,
    task="Find the largest spread of the first weights whose first loss is still near log 10.",
    objective="compute softmax and cross-entropy by hand",
    cases=_first_losses,
    wrong=(
        Wrong(
            lambda first_losses: max(first_losses),
            "You hold the first loss for log 10 whatever the weights are. That is so only for "
            "weights near 0: large ones make the network sure, and sure of the wrong class.",
        ),
        Wrong(
            lambda first_losses: min(first_losses),
            "With the smallest weights the loss is near log 10, and with some larger ones, too.",
        ),
        Wrong(
            lambda first_losses: first_losses[largest_spread(first_losses)],
            "That is the loss; asked for is the spread of the weights that it belongs to.",
        ),
        Wrong(
            lambda first_losses: min(
                (spread for spread, loss in first_losses.items() if abs(loss - 2.303) >= 0.2),
                default=None,
            ),
            "That is the first spread whose loss is no longer near; asked for is the last that is.",
        ),
    ),
    hints=(
        "Near is from 2.1 to 2.5; go through the losses and see which of them are.",
        "`first_losses` holds a loss for each spread; among the spreads with a near loss take the "
        "largest.",
        "All but one blank:\nlargest_spread = max(s for s, loss in first_losses.items() if ____)",
    ),
    why=(
        "Small weights give nearly equal logits, so each class gets about a tenth, and "
        "-log(1/10) is 2.303. Large ones make some logit far larger than the others, nearly "
        "always that of a wrong class, and being sure and wrong is what cross-entropy punishes."
    ),
)


# --- Log-probabilities that stay finite -------------------------------------------------------


def log_probabilities(logits):
    """Return the logarithms of softmax, (N, 10), finite for all finite logits."""
    highest = logits.amax(dim=1, keepdim=True)
    total = (logits - highest).exp().sum(dim=1, keepdim=True)
    return logits - highest - total.log()


def _logits():
    return {
        "random logits": (random_numbers(5, 10),),
        "sure: one logit is 200 above the others": (200.0 * torch.eye(10)[:4],),
        "logits around 1000": (1000 + random_numbers(3, 10, seed=1) / 4,),
        "logits around -1000": (random_numbers(3, 10, seed=2) / 4 - 1000,),
        "one digit's logits far below another's": (
            torch.tensor([[300.0], [-300.0]]).expand(2, 10),
        ),
        "one digit, all logits 0": (torch.zeros(1, 10),),
        "as many digits as classes": (3 * random_numbers(10, 10, seed=3),),
    }


def _log_of_softmax(logits):
    return logits.softmax(1).log()


def _log_of_unshifted(logits):
    powers = logits.exp()
    return (powers / powers.sum(1, keepdim=True)).log()


def _log_shifted_at_once(logits):
    shifted = logits - logits.max()
    return shifted - shifted.exp().sum(1, keepdim=True).log()


def _log_unshifted(logits):
    return logits - logits.exp().sum(1, keepdim=True).log()


def _log_over_digits(logits):
    return logits.log_softmax(0)


def _log_half_shifted(logits):
    shifted = logits - logits.amax(1, keepdim=True)
    return logits - shifted.exp().sum(1, keepdim=True).log()


def _log_negative(logits):
    return -logits.log_softmax(1)


def _log_forgotten(logits):
    return logits.softmax(1)


LOG_PROBABILITIES = Exercise(
    reference=log_probabilities,
    task="Write the logarithm of softmax so that it stays finite for all finite logits.",
    objective="compute softmax and cross-entropy by hand",
    cases=_logits,
    close=0.001,
    wrong=(
        Wrong(
            _log_of_softmax,
            "You took the logarithm of finished probabilities. A small one is rounded to 0, and "
            "log 0 is -inf: take the logarithm of the fraction on paper first.",
        ),
        Wrong(
            _log_of_unshifted,
            "You divide powers of e as they are. Of a large logit the power is infinite, and "
            "infinite by infinite is nan; small probabilities are rounded to 0. Both go away when "
            "the logarithm of the fraction is taken on paper, and the largest logit subtracted.",
        ),
        Wrong(
            _log_shifted_at_once,
            "You subtracted the largest logit of the whole batch. A digit whose logits lie far "
            "below it has powers of 0 then: each digit needs its own largest logit.",
        ),
        Wrong(
            _log_unshifted,
            "The formula is right, but e to the power of 1000 is infinite and e to the power of "
            "-1000 is 0 for a computer. Subtract the largest logit before the powers.",
        ),
        Wrong(
            _log_over_digits,
            "You added up over the digits of the batch, dimension 0; a digit's ten classes are "
            "dimension 1.",
        ),
        Wrong(
            _log_half_shifted,
            "You subtracted the largest logit inside the sum only; the logit in front of it has "
            "to be shifted, too.",
        ),
        Wrong(
            _log_negative,
            "The sign is turned round: a probability is at most 1, so its logarithm is at most 0.",
        ),
        Wrong(_log_forgotten, "These are the probabilities; asked for are their logarithms."),
    ),
    hints=(
        "The logarithm of a fraction is a difference: of `a / b` it is log a minus log b, and the "
        "logarithm of a power of e is its exponent. No probability needs to be computed.",
        "Subtract each digit's largest logit with `keepdim=True`, then the logarithm of the sum of "
        "the powers, over `dim=1`.",
        "All but one blank:\nhighest = logits.amax(dim=1, keepdim=True)\n"
        "total = (logits - highest).exp().sum(dim=1, keepdim=True)\n"
        "return logits - highest - ____",
    ),
    why=(
        "log(e^z / sum) is z - log(sum), so nothing small is ever rounded to 0; with the largest "
        "logit subtracted the sum lies between 1 and 10. That is what `F.log_softmax` computes, "
        "and why `F.cross_entropy` takes logits."
    ),
)


# --- The loop from memory ---------------------------------------------------------------------


def loop_from_memory(model, optimizer, batches):
    """Train for one epoch; return the loss, averaged over the digits."""
    model.train()
    losses = []
    for images, labels in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        losses += [loss.item()] * len(labels)
    return sum(losses) / len(losses)


def _ten_digits(*sizes, mode=True, stale=False):
    """Return a model with its optimizer, and batches of so many real digits."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10)).train(mode)
    images, labels = real_digits(sum(sizes))
    pixels = images[:, None] / 255
    if stale:
        F.cross_entropy(model(pixels.flip(0)), labels).backward()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    return model, optimizer, list(zip(pixels.split(sizes), labels.split(sizes), strict=True))


def _epochs():
    return {
        "batches of 4, 4 and 2 digits": _ten_digits(4, 4, 2),
        "one batch": _ten_digits(5),
        "a model that was judged before": _ten_digits(3, 3, mode=False),
        "slopes are left over from before": _ten_digits(4, 1, stale=True),
    }


def _after_epoch(answer, model, optimizer, loader):
    modes = []
    model.register_forward_pre_hook(lambda module, _: modes.append(module.training))
    loss = answer(model, optimizer, loader)
    weights = torch.cat([values.detach().flatten() for values in model.parameters()])
    return {
        "what it returns": loss,
        "the weights afterwards": weights,
        "the mode in which it trains": "train" if all(modes) else "eval",
    }


def _loop(learner, *, mode=True, zero="before", by_batch=False, twice=False):
    """Train with something changed, for the wrong answers."""
    model, optimizer, loader = learner
    if mode:
        model.train()
    losses = []
    if zero == "once":
        optimizer.zero_grad()
    for images, labels in loader:
        if zero == "before":
            optimizer.zero_grad()
        logits = model(images)
        loss = F.cross_entropy(logits.softmax(1) if twice else logits, labels)
        loss.backward()
        if zero == "late":
            optimizer.zero_grad()
        optimizer.step()
        losses += [loss.item()] * (1 if by_batch else len(labels))
    return sum(losses) / len(losses)


def _no_zero(*learner):
    return _loop(learner, zero="never")


def _zero_once(*learner):
    return _loop(learner, zero="once")


def _zero_late(*learner):
    return _loop(learner, zero="late")


def _mean_of_means(*learner):
    return _loop(learner, by_batch=True)


def _softmax_twice(*learner):
    return _loop(learner, twice=True)


def _no_mode(*learner):
    return _loop(learner, mode=False)


LOOP_FROM_MEMORY = Exercise(
    reference=loop_from_memory,
    task="Close section 7 and write the training loop from memory.",
    objective="write PyTorch's training loop from memory",
    cases=_epochs,
    use=_after_epoch,
    wrong=(
        Wrong(
            _no_zero,
            "`zero_grad` is missing: `backward` adds to the slopes that are there, so each step "
            "goes along the sum of all slopes so far.",
        ),
        Wrong(
            _zero_once,
            "You forget the old slopes once, before the loop; that is due before every batch.",
        ),
        Wrong(
            _zero_late,
            "The weights never move. Either `optimizer.step()` is missing, or `zero_grad` stands "
            "in front of it and throws the slopes away before they are used.",
        ),
        Wrong(
            _mean_of_means,
            "You divided by the number of batches, so the short last batch counts as much as a "
            "full one.",
        ),
        Wrong(
            _softmax_twice,
            "You apply softmax twice: `F.cross_entropy` takes logits and contains it.",
        ),
        Wrong(
            _no_mode,
            "The model stays in the mode in which it comes. Where it was judged before, that is "
            "evaluation, and its dropout would sleep: call `model.train()` first.",
        ),
    ),
    hints=(
        "Five lines for each batch: forget, forward, loss, backward, step. Before them the mode; "
        "after them some bookkeeping, so that each digit counts once.",
        "`model.train()`, then `optimizer.zero_grad()`, `model(images)`, `F.cross_entropy`, "
        "`backward()`, `step()`. A batch's loss counts `len(labels)` times.",
        "All but one blank:\n"
        "model.train()\n"
        "losses = []\n"
        "for images, labels in batches:\n"
        "    optimizer.zero_grad()\n"
        "    loss = F.cross_entropy(model(images), labels)\n"
        "    loss.backward()\n"
        "    ____\n"
        "    losses += [loss.item()] * len(labels)\n"
        "return sum(losses) / len(losses)",
    ),
    why=(
        "The order matters: slopes are forgotten before new ones are computed, and used before "
        "they are forgotten. Counting each loss once for each digit gives the mean over digits, "
        "also where the last batch is short."
    ),
)


# --- The forgotten line -----------------------------------------------------------------------

FORGOTTEN_ZERO_GRAD = Open(
    name="forgotten_zero_grad",
    task="Train without zero_grad, and say how one would notice it from the numbers.",
    objective="explain each of its lines",
    hints=(
        "Look at the training loss of each epoch and at the size of the weights, beside those of "
        "section 7.",
        "`model.layers[-1].weight.norm()` says how large the weights have become. What does a step "
        "do when it is the sum of all slopes so far?",
        "No error is raised. Say ____ about the training loss, and why old slopes cause it.",
    ),
    points=(
        "The training loss rises from epoch to epoch, or swings, while it should fall.",
        "The weights grow far larger than with `zero_grad`.",
        "Accuracy gives it away least.",
        "Each step goes along the sum of all slopes so far; nothing brakes it.",
    ),
    model=(
        "On MNIST the training loss is about 5 in the first epoch and above 20 in the third, "
        "instead of 0.5 and 0.3: it rises while it should fall. The weights get some two hundred "
        "times as large. Accuracy hides it, 86 instead of 91 of 100. A step goes along the sum of "
        "all slopes so far, like a ball that nothing ever brakes, so the weights fly past "
        "every valley. In the first few dozen batches this even speeds things up, so on a small "
        "data set one may not notice at all."
    ),
)

EXERCISES = (
    LARGEST_SPREAD,
    LOG_PROBABILITIES,
    LOOP_FROM_MEMORY,
    FORGOTTEN_ZERO_GRAD,
)


# --- Quiz -------------------------------------------------------------------------------------

RUNS = {"A": 3.0, "B": 0.003, "C": 0.1}


@cache
def _descents():
    """Return the loss of one layer after each epoch, for each learning rate of RUNS."""
    images, labels = real_digits(400)
    batches = list(zip((images.flatten(1) / 255).split(50), labels.split(50), strict=True))
    losses: dict[str, list[float]] = {name: [] for name in RUNS}
    for name, lr in RUNS.items():
        weights = torch.zeros(784, 10)
        for _ in range(8):
            total = 0.0
            for pixels, truth in batches:
                logits = pixels @ weights
                total += F.cross_entropy(logits, truth).item() / len(batches)
                slope = (logits.softmax(1) - F.one_hot(truth, 10)) / len(truth)
                weights -= lr * pixels.T @ slope
            losses[name].append(total)
    return losses


def _draw_descents():
    return dl.plot_lines(
        _descents(),
        at=range(1, 9),
        title="Training loss of one layer, with three learning rates",
        x="epoch",
        y=dl.Axis("loss", log=True),
    )


def _slowest():
    losses = _descents()
    return "ABC".index(max(losses, key=lambda name: losses[name][-1]))


WRONG_PLACE = """
for images, labels in loader:
    logits = model(images)
    loss = F.cross_entropy(logits, labels)  # 1
    loss.backward()                         # 2
    optimizer.zero_grad()                   # 3
    optimizer.step()                        # 4
"""

QUIZ = (
    Choice(
        name="03-which-way",
        text="At the present weight w the slope of the loss is -2.5. What does a step of gradient "
        "descent do?",
        objective="say what a gradient is",
        options=(
            Option(
                "It makes w smaller, because the slope is negative.",
                "A negative slope says that the loss falls as w grows. Making w smaller would go "
                "uphill: the step is *minus* the learning rate times the slope.",
            ),
            Option(
                "It makes w larger, because the loss falls as w grows.",
                "The step is -lr times -2.5, so upwards: against the slope, which is the way on "
                "which the loss falls.",
            ),
            Option(
                "It leaves w, because the loss falls already.",
                "It falls only if w moves. A weight rests where the slope is 0.",
            ),
            Option(
                "It sets w to where the loss is lowest.",
                "The slope says which way is down, and not how far the ground is: therefore many "
                "small steps.",
            ),
        ),
        right=1,
    ),
    Number(
        name="03-letters",
        text="A network for the 26 letters starts from weights that are all 0. What is its first "
        "loss?",
        objective="compute softmax and cross-entropy by hand",
        answer=lambda: math.log(26),
        tolerance=0.02,
        explanation="All logits are 0, so each letter gets the probability 1/26, and the loss is "
        "-log(1/26) = log 26, whatever the letter.",
        slips=(
            (
                math.log(10),
                "That is log 10, for ten classes. Here each of 26 gets the same probability.",
            ),
            (
                math.log10(26),
                "You took the logarithm to the base 10; cross-entropy takes the natural one.",
            ),
            (
                math.log2(26),
                "You took the logarithm to the base 2; cross-entropy takes the natural one.",
            ),
            (
                1 / 26,
                "That is the probability of the true letter; the loss is its negative logarithm.",
            ),
            (0.0, "A loss of 0 would mean that it is sure and right, before it has seen a letter."),
        ),
    ),
    Number(
        name="03-slope-of-a-logit",
        text="A digit is a 3, and the network gives the 3 a probability of 0.7. What is the slope "
        "of this digit's loss for the logit of the 3?",
        objective="check one",
        answer=lambda: 0.7 - 1,
        tolerance=0.001,
        explanation="Probability given minus probability due: 0.7 - 1 = -0.3. It is negative, so a "
        "step makes this logit larger, the more the further 0.7 is from 1.",
        slips=(
            (0.3, "The size is right and the sign is not: it is given minus due, 0.7 - 1."),
            (0.7, "That would be the slope for a class that is not the truth: there 0 is due."),
            (-math.log(0.7), "That is the loss of this digit; asked for is its slope."),
        ),
    ),
    Choice(
        name="03-wrong-place",
        text="This loop raises no error, and the accuracy stays where it began. Which line stands "
        "at the wrong place?",
        objective="write PyTorch's training loop from memory",
        code=WRONG_PLACE.strip(),
        options=(
            Option(
                "1: the loss has to come after `backward`.",
                "`backward` starts from the loss, so the loss is needed first.",
            ),
            Option(
                "2: `backward` has to come before the forward pass.",
                "Without a forward pass nothing is written down that one could go through "
                "backwards.",
            ),
            Option(
                "4: `step` has to come before `backward`.",
                "Then each step would use the slopes of the batch before. Late by one batch, but "
                "it would learn.",
            ),
            Option(
                "3: `zero_grad` has to come before `backward`.",
                "Between `backward` and `step` it throws the fresh slopes away, so `step` moves by "
                "0 and the weights stay.",
            ),
        ),
        right=3,
    ),
    Choice(
        name="03-which-curve",
        text="One layer learns from the same digits with the learning rates 0.003, 0.1 and 3. "
        "Which curve belongs to 0.003?",
        objective="explain each of its lines",
        figure=_draw_descents,
        options=(
            Option(
                "A",
                "A begins far above log 10: its steps are so long, lr 3, that they first jump "
                "across the valley. On few and regular digits it comes down in the end.",
            ),
            Option(
                "B",
                "B is still high after eight epochs and falls evenly: the steps are too short for "
                "the time it has, lr 0.003.",
            ),
            Option(
                "C",
                "C falls quickly and then evenly: lr 0.1. With 0.003 the same way would take "
                "about thirty times as many steps.",
            ),
        ),
        right=_slowest,
    ),
    Number(
        name="03-short-batch",
        text="An epoch has two batches: 64 digits with a mean loss of 0.5, and the last 16 with a "
        "mean loss of 1. What is the loss of the epoch, averaged over its digits?",
        objective="explain each of its lines",
        answer=lambda: (64 * 0.5 + 16 * 1.0) / (64 + 16),
        tolerance=0.001,
        explanation="Add up over digits, 64 times 0.5 and 16 times 1, and divide by all 80: 0.6.",
        slips=(
            (
                0.75,
                "That is the mean of the two means: each of the 16 digits then counts four times "
                "as much as one of the 64.",
            ),
            (48.0, "That is the sum of the losses; divide it by the 80 digits."),
            (1.5, "You added up the means; a mean over digits lies between 0.5 and 1."),
        ),
    ),
)
