"""Exercises and quiz of notebook 14, Silent bugs."""

from __future__ import annotations

import math
from functools import cache, partial

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

# --- Caught by one batch --------------------------------------------------------------------------


def caught(one_batch):
    return [name for name, losses in one_batch.items() if not losses[-1] < 0.1 * losses[0]]


def _runs_of_one_batch():
    return {
        "as in the notebook": (
            {
                "learned by heart": [2.3, 0.8, 0.01],
                "stuck": [2.3, 2.0, 1.7],
                "not a number": [math.nan, math.nan, math.nan],
                "another loss": [0.14, 0.08, 0.06],
            },
        ),
        "low for a while": (
            {
                "healthy, on a large scale": [50.0, 9.0, 0.4],
                "low, then up again": [2.4, 0.1, 3.0],
                "not a number in the end": [2.3, 0.9, math.nan],
            },
        ),
        "all learned by heart": ({"A": [2.3, 0.1], "B": [1.0, 0.02]},),
        "at the limit, and a little above": ({"A": [10.0, 1.0], "B": [2.0, 0.25]},),
    }


def _sorted_names(names, one_batch):
    return sorted([names] if isinstance(names, str) else map(str, names))


def _blind_for_nan(one_batch):
    return [name for name, losses in one_batch.items() if losses[-1] >= 0.1 * losses[0]]


def _fixed_limit(one_batch):
    return [name for name, losses in one_batch.items() if not losses[-1] < 0.1]


def _lowest_loss(one_batch):
    return [name for name, losses in one_batch.items() if not min(losses) < 0.1 * losses[0]]


def _those_that_pass(one_batch):
    return [name for name, losses in one_batch.items() if losses[-1] < 0.1 * losses[0]]


def _only_nan(one_batch):
    return [name for name, losses in one_batch.items() if math.isnan(losses[-1])]


CAUGHT = Exercise(
    reference=caught,
    is_value=True,
    task="Decide which runs did not learn their one batch by heart.",
    objective="read from a curve, a matrix or a number that something is wrong",
    cases=_runs_of_one_batch,
    use=_sorted_names,
    wrong=(
        Wrong(
            _blind_for_nan,
            "A run that ends in `nan` passed your check. Every comparison with `nan` is false, so "
            "`nan >= limit` says no. Ask whether the loss *is* low, and take all others.",
        ),
        Wrong(
            _fixed_limit,
            "You used a fixed limit. Losses of different kinds have different scales: compare the "
            "last loss of each run with its own first.",
        ),
        Wrong(
            _lowest_loss,
            "You looked at the lowest loss on the way. What counts is where the run ends.",
        ),
        Wrong(
            _those_that_pass,
            "These are the runs that did learn their batch by heart; asked are the others.",
        ),
        Wrong(
            _only_nan,
            "You found only those that end in `nan`. A loss that stays up is a symptom too.",
        ),
    ),
    hints=(
        "For each run compare its last loss with a tenth of its first. What does Python say of "
        "`math.nan < 1`, and of `math.nan > 1`?",
        "`one_batch.items()` gives names and lists; the first loss is `losses[0]`, the last "
        "`losses[-1]`. `not` turns a yes into a no.",
        "All but one blank:\n"
        "caught = [\n"
        "    name for name, losses in one_batch.items() if not ____\n"
        "]",
    ),
    why=(
        "A healthy run ends far below where it began, whatever the scale of its loss. Asking for "
        "what is *not* low catches `nan` as well, since every comparison with it is false."
    ),
)

# --- A column against a row -----------------------------------------------------------------------


def squared_error(outputs, targets):
    """Return the mean squared error of outputs (N, 1) and targets (N,), digit by digit."""
    return ((outputs.squeeze(1) - targets) ** 2).mean()


def _columns():
    _, labels = real_digits(12)
    truth = (labels == 0).float()
    return {
        "three outputs, all of them right": (
            torch.tensor([[1.0], [2.0], [3.0]]),
            torch.arange(1.0, 4.0),
        ),
        "random outputs": (random_numbers(7, 1), random_numbers(7, seed=1)),
        "is it a 0? 12 real digits": (truth[:, None] + random_numbers(12, 1, seed=2), truth),
        "a batch of one": (torch.tensor([[0.5]]), torch.tensor([2.0])),
    }


def _broadcast(outputs, targets):
    return ((outputs - targets) ** 2).mean()


def _summed(outputs, targets):
    return ((outputs.squeeze(1) - targets) ** 2).sum()


def _root(outputs, targets):
    return squared_error(outputs, targets).sqrt()


def _absolute(outputs, targets):
    return (outputs.squeeze(1) - targets).abs().mean()


def _means_apart(outputs, targets):
    return (outputs.mean() - targets.mean()) ** 2


SQUARED_ERROR = Exercise(
    reference=squared_error,
    task="Compare a column of outputs with a row of targets, digit by digit.",
    objective="repair it",
    cases=_columns,
    loops=False,
    wrong=(
        Wrong(
            _broadcast,
            "(N, 1) minus (N,) is (N, N): every output was compared with *every* target, and no "
            "error was raised. The best a network can do then is to give the mean of all targets.",
        ),
        Wrong(_summed, "You added the squares; the mean does not grow with the batch."),
        Wrong(_root, "You took the square root; asked is the mean of the squares itself."),
        Wrong(_absolute, "You took distances without squaring them."),
        Wrong(
            _means_apart,
            "You compared the two means: errors up and errors down cancel out. Square first.",
        ),
    ),
    hints=(
        "What is the shape of `outputs - targets`? It should be (N,).",
        "`squeeze(1)` takes away the dimension of size 1; then subtract, square, take the mean.",
        "All but one blank:\nreturn ((outputs.____ - targets) ** 2).mean()",
    ),
    why=(
        "With equal shapes the subtraction goes digit by digit; with (N, 1) and (N,) PyTorch "
        "stretches both to (N, N). One dimension is named, since a bare `squeeze()` would drop "
        "more where the batch holds a single digit."
    ),
)

# --- Left out by the optimizer --------------------------------------------------------------------


def n_left_out(optimizer, model):
    """Return how many of the model's parameters (tensors) the optimizer does not hold."""
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    return sum(id(p) not in held for p in model.parameters())


def _network():
    return dl.build_model("MLP", seed=0, hidden=(8,))


def _held(*groups, model=None):
    """Return an optimizer and a model of which it holds these layers, group by group."""
    model = model or _network()
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    parameters = [{"params": list(layers[place].parameters())} for place in groups]
    return torch.optim.SGD(parameters, lr=0.1), model


def _optimizers():
    twin, _ = _held(0, 1)
    return {
        "all parameters, in one group": (
            torch.optim.SGD((one := _network()).parameters(), lr=0.1),
            one,
        ),
        "all parameters, in two groups": _held(0, 1),
        "the last layer only": _held(1),
        "another model": (twin, dl.build_model("MLP", seed=1, hidden=(8,))),
        "another model with the same numbers": (twin, _network()),
    }


def _by_number(optimizer, model):
    n_held = sum(len(group["params"]) for group in optimizer.param_groups)
    return len(list(model.parameters())) - n_held


def _by_value(optimizer, model):
    held = [p for group in optimizer.param_groups for p in group["params"]]
    return sum(not any(torch.equal(p, q) for q in held) for p in model.parameters())


def _first_group(optimizer, model):
    held = {id(p) for p in optimizer.param_groups[0]["params"]}
    return sum(id(p) not in held for p in model.parameters())


def _single_numbers(optimizer, model):
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    return sum(p.numel() for p in model.parameters() if id(p) not in held)


def _those_held(optimizer, model):
    return len(list(model.parameters())) - n_left_out(optimizer, model)


N_LEFT_OUT = Exercise(
    reference=n_left_out,
    task="Count the parameters of a model that an optimizer does not hold.",
    objective="test your suspicion with two or three lines",
    cases=_optimizers,
    wrong=(
        Wrong(
            _by_number,
            "You compared how many there are. Another model of the same kind has as many, and it "
            "is another model all the same.",
        ),
        Wrong(
            _by_value,
            "You compared the numbers in the tensors. A second model with the same seed has the "
            "same numbers, yet moving it does not move yours. Ask whether they are the same "
            "object: `id`, or `is`.",
        ),
        Wrong(
            _first_group,
            "You looked into the first group only. An optimizer may hold several groups, each "
            "with a learning rate of its own.",
        ),
        Wrong(
            _single_numbers,
            "You counted single numbers. Here each tensor counts as one.",
        ),
        Wrong(
            _those_held,
            "You counted those that the optimizer holds. Asked are the others.",
        ),
    ),
    hints=(
        "Not the same numbers, but the very same tensors: what tells two objects apart?",
        '`optimizer.param_groups` is a list; the tensors of each group are in `group["params"]`. '
        "`id(p)` is different for different objects.",
        "All but one blank:\n"
        'held = {id(p) for group in optimizer.param_groups for p in group["params"]}\n'
        "return sum(____ for p in model.parameters())",
    ),
    why=(
        "An optimizer moves the tensors that it was given and knows nothing of the model. So the "
        "question is whether they are the same objects; equal numbers or equal counts prove "
        "nothing."
    ),
)

# --- A check for steps ----------------------------------------------------------------------------


def has_bug(step, new_model, images, labels):
    """Return whether two steps move a model otherwise than the five lines of notebook 03 do.

    Each call of `new_model()` gives a fresh model, with the same weights each time.
    """
    moved, twin = new_model(), new_model()
    optimizer = torch.optim.SGD(moved.parameters(), lr=0.1)
    by_hand = torch.optim.SGD(twin.parameters(), lr=0.1)
    for _ in range(2):
        step(moved, optimizer, images, labels)
        by_hand.zero_grad()
        F.cross_entropy(twin(images), labels).backward()
        by_hand.step()
    pairs = zip(moved.parameters(), twin.parameters(), strict=True)
    return not all(torch.allclose(a, b) for a, b in pairs)


def _healthy(model, optimizer, images, labels):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(images), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


def _written_otherwise(model, optimizer, images, labels):
    outputs = model(images)
    error = nn.NLLLoss()(outputs.log_softmax(dim=1), labels)
    model.zero_grad()
    error.backward()
    optimizer.step()
    return error.item()


def _never_reset(model, optimizer, images, labels):
    loss = F.cross_entropy(model(images), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


def _reset_too_late(model, optimizer, images, labels):
    loss = F.cross_entropy(model(images), labels)
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
    return loss.item()


def _softmax_first(model, optimizer, images, labels):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(images).softmax(dim=1), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


def _uphill(model, optimizer, images, labels):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(images), labels)
    (-loss).backward()
    optimizer.step()
    return loss.item()


def _other_labels(model, optimizer, images, labels):
    return _healthy(model, optimizer, images, labels.roll(1))


def _half_the_batch(model, optimizer, images, labels):
    half = len(images) // 2
    return _healthy(model, optimizer, images[:half], labels[:half])


def _case(step, seed):
    images, labels = real_digits(24)
    new_model = partial(dl.build_model, "MLP", seed=seed, hidden=(16,))
    torch.optim.SGD(new_model().parameters(), lr=0.1)  # the first one loads much of PyTorch
    return step, new_model, dl.as_pixels(images), labels


def _steps():
    return {
        "a healthy step": _case(_healthy, 0),
        "gradients that are never reset": _case(_never_reset, 1),
        "a reset between backward and step": _case(_reset_too_late, 2),
        "softmax before the loss": _case(_softmax_first, 3),
        "a step uphill": _case(_uphill, 4),
        "labels that belong to other digits": _case(_other_labels, 5),
        "half of the batch left out": _case(_half_the_batch, 6),
        "a healthy step, written otherwise": _case(_written_otherwise, 7),
    }


def _marked(answer, step, new_model, images, labels):
    """Return yes or no; whatever else Python takes for true or false will do."""
    says = answer(step, new_model, images, labels)
    return says if says is None else ("it has a bug" if says else "it is healthy")


def _after_one_step(step, new_model, images, labels):
    model, twin = new_model(), new_model()
    step(model, torch.optim.SGD(model.parameters(), lr=0.1), images, labels)
    _healthy(twin, torch.optim.SGD(twin.parameters(), lr=0.1), images, labels)
    pairs = zip(model.parameters(), twin.parameters(), strict=True)
    return not all(torch.allclose(moved, expected) for moved, expected in pairs)


def _loss_falls(step, new_model, images, labels):
    model = new_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = [step(model, optimizer, images, labels) for _ in range(20)]
    return losses[-1] >= losses[0]


def _gradient_grows(step, new_model, images, labels):
    model = new_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    sizes = []
    for _ in range(2):
        step(model, optimizer, images, labels)
        sizes.append(sum(p.grad.abs().sum() for p in model.parameters() if p.grad is not None))
    return bool(sizes[1] > 1.5 * sizes[0])


def _does_not_move(step, new_model, images, labels):
    model = new_model()
    before = [p.detach().clone() for p in model.parameters()]
    step(model, torch.optim.SGD(model.parameters(), lr=0.1), images, labels)
    return all(old.equal(new) for old, new in zip(before, model.parameters(), strict=True))


def _first_loss(step, new_model, images, labels):
    model = new_model()
    expected = F.cross_entropy(model(images), labels).item()
    loss = step(model, torch.optim.SGD(model.parameters(), lr=0.1), images, labels)
    return abs(loss - expected) > 1e-4


def _always(step, new_model, images, labels):
    return True


HAS_BUG = Exercise(
    reference=has_bug,
    task="Write a check that tells training steps with a bug from healthy ones.",
    objective="test your suspicion with two or three lines",
    cases=_steps,
    use=_marked,
    changes=True,
    wrong=(
        Wrong(
            _after_one_step,
            "You compare after one step only: there are no old gradients yet that could have been "
            "kept. Bugs of memory show from the second step on.",
        ),
        Wrong(
            _loss_falls,
            "You only ask whether the loss falls. It falls with most bugs as well: that is what "
            "makes them silent.",
        ),
        Wrong(
            _gradient_grows,
            "You only look for gradients that are never reset, case 1; other bugs leave gradients "
            "as large as they were.",
        ),
        Wrong(
            _does_not_move,
            "You only ask whether anything moves; most bugs move the model, but to another place.",
        ),
        Wrong(
            _first_loss,
            "You only compare the first loss. What happens after it, going backward and stepping, "
            "goes unseen.",
        ),
        Wrong(
            _always,
            "You call every step broken, the healthy ones, too. A check that cannot be passed "
            "says as little as one that cannot be failed.",
        ),
    ),
    hints=(
        "Do by hand, with a second model, what a step should do. If both end at the same weights, "
        "the step did the same.",
        "Two models, an SGD for each, two steps of both, and `torch.allclose` for each pair of "
        "their parameters.",
        "All but one blank:\n"
        "moved, twin = new_model(), new_model()\n"
        "optimizer = torch.optim.SGD(moved.parameters(), lr=0.1)\n"
        "by_hand = torch.optim.SGD(twin.parameters(), lr=0.1)\n"
        "for _ in range(2):\n"
        "    step(moved, optimizer, images, labels)\n"
        "    by_hand.zero_grad()\n"
        "    F.cross_entropy(twin(images), labels).backward()\n"
        "    ____\n"
        "pairs = zip(moved.parameters(), twin.parameters(), strict=True)\n"
        "return not all(torch.allclose(a, b) for a, b in pairs)",
    ),
    why=(
        "A twin that is moved by hand knows where two right steps lead, so it does not matter "
        "which bug leads elsewhere. Two steps are needed, since what is wrongly kept from one step "
        "shows in the next."
    ),
)

# --- For a classmate ------------------------------------------------------------------------------

MY_SILENT_BUG = Open(
    name="my_silent_bug",
    task="Invent a thirteenth bug: its code, its symptom, and the check that finds it.",
    objective="read from a curve, a matrix or a number that something is wrong",
    hints=(
        "What could be exchanged, forgotten or done twice without an error? Shapes that fit by "
        "luck are a rich source.",
        "Try `step`, `fit` or `prepare_3` with one line changed, and look at the curve first.",
        "All but one blank:\nThe line ____ is changed. One sees ..., and the check is ...",
    ),
    points=(
        "It runs to its end, without an error and without a warning.",
        "The symptom is a curve, a matrix or a number, compared with a healthy run.",
        "The check takes two or three lines and is failed by this bug, not by a healthy run.",
    ),
    model=(
        "Half of the images of each batch are mirrored, because somebody took an augmentation for "
        "photos: images[::2] = images[::2].flip(3). Letters and digits have a left and a right, so "
        "the network must learn two shapes for most classes, and a mirrored 2 looks a little like "
        "a 5. Every line of the loop is right. Symptom: the training loss stays above the healthy "
        "one, and nothing else is strange. Check: dl.plot_digits on ten digits of a batch, taken "
        "where they enter the model. One sees mirrored digits at once, and none in a healthy run."
    ),
)

EXERCISES = (CAUGHT, SQUARED_ERROR, N_LEFT_OUT, HAS_BUG, MY_SILENT_BUG)

# --- Quiz -----------------------------------------------------------------------------------------


def _shuffled_labels(model, optimizer, images, labels):
    return _healthy(model, optimizer, images, labels[torch.randperm(len(labels))])


RUNS = {"A": _softmax_first, "B": _never_reset, "C": _shuffled_labels, "D": _healthy}


@cache
def _curves():
    """Return the loss of each step of four short runs on 320 real digits, by letter."""
    images, labels = real_digits(320)
    batches = list(zip(dl.as_pixels(images).split(32), labels.split(32), strict=True))
    losses: dict[str, list[float]] = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for letter, step in RUNS.items():
            model = dl.build_model("MLP", seed=0, hidden=(64,))
            moved_by = torch.optim.SGD(model.parameters(), lr=0.3)
            losses[letter] = [step(model, moved_by, *batch) for _ in range(25) for batch in batches]
    return losses


def _draw_curves():
    smooth = {
        letter: torch.tensor(run).unfold(0, 10, 10).mean(dim=1) for letter, run in _curves().items()
    }
    return dl.plot_lines(
        smooth,
        at=range(5, 250, 10),
        title="Four runs: the same digits, model and rate",
        x="step",
        y=dl.Axis("loss", limits=(0, 4), marks={"log 10": math.log(10)}),
    )


def _of_run(step):
    return lambda: list(RUNS.values()).index(step)


def _mean_of_means(right, batch_size=64):
    accuracies = [batch.double().mean() for batch in right.split(batch_size)]
    return sum(accuracies) / len(accuracies)


def _largest_error():
    """Return how far the mean of means of 65 digits, in batches of 64, can be off."""
    right = torch.arange(65) < 64
    return 100 * abs(float(_mean_of_means(right)) - float(right.double().mean()))


COLUMN = """
# cell A
logits = dl.evaluate(model, valid).logits           # (2000, 10)
labels = valid.labels.unsqueeze(1)                  # (2000, 1)

# cell B
predictions = logits.argmax(dim=1)                  # (2000,)

# cell C
right = predictions == labels

# cell D
right.float().mean()
"""

QUIZ = (
    Choice(
        name="14-which-curve",
        text="Four runs on the same digits: a healthy one, one that never resets its gradients, "
        "one with softmax before the cross-entropy, and one whose labels belong to other digits. "
        "Which curve has softmax before the cross-entropy?",
        objective="read from a curve, a matrix or a number that something is wrong",
        figure=_draw_curves,
        options=(
            Option(
                "A",
                "It falls evenly, as if it learnt well, and cannot come below 1.46: probabilities "
                "lie between 0 and 1, so as logits they can never be sure.",
            ),
            Option(
                "B",
                "B goes up and down without rest: each step repeats all steps before it, so its "
                "gradients are never reset.",
            ),
            Option(
                "C",
                "C stays near log 10: there is nothing to learn from labels that belong to other "
                "digits.",
            ),
            Option("D", "D comes close to 0: this is the healthy run."),
        ),
        right=_of_run(_softmax_first),
    ),
    Choice(
        name="14-which-cell",
        text="A healthy model reads 90 % of 2 000 digits. These cells say 10 %. Which cell has the "
        "bug?",
        objective="read from a curve, a matrix or a number that something is wrong",
        code=COLUMN.strip(),
        options=(
            Option(
                "B: it should be `argmax(dim=0)`.",
                "Over dimension 0 one would ask which *digit* fits a class best. The classes lie "
                "in dimension 1.",
            ),
            Option(
                "D: a mean of yes and no is no accuracy.",
                "As numbers they are 1 and 0, so their mean is the share that is right. But look "
                "at how many there are.",
            ),
            Option(
                "C: (2000,) against (2000, 1) compares every digit with every label.",
                "`right` has 2 000 x 2 000 values, and by chance a tenth of them is true. Print "
                "its shape, and it is found.",
            ),
            Option(
                "A: `evaluate` has to run in training mode.",
                "Judging wants evaluation mode, and `dl.evaluate` sets it. But what is done to the "
                "labels in this cell will matter later.",
            ),
        ),
        right=2,
    ),
    Number(
        name="14-one-digit-too-many",
        text="65 digits are judged in batches of 64, and the mean of the two batches' accuracies "
        "is taken. By how much can it differ from the accuracy, at most? In percent.",
        objective="read from a curve, a matrix or a number that something is wrong",
        answer=_largest_error,
        tolerance=0.6,
        unit="%",
        explanation="All 64 right and the last one wrong: the mean of means is 50 %, the accuracy "
        "64/65, so 48.5 % lie between. One digit counts as much as 64.",
        slips=(
            (50.0, "50 % is the mean of means; the accuracy is then 64 of 65, which is not 100 %."),
            (100 / 65, "That is what the last digit should count. Here it counts for one half."),
            (1.0, "The last digit should count little, and here it counts as much as 64 others."),
        ),
    ),
    Choice(
        name="14-three-suspects",
        text="A loss ends near 2.3. You suspect that images and labels were shuffled apart. Which "
        "check speaks for that, and not for another of the twelve cases?",
        objective="test your suspicion with two or three lines",
        options=(
            Option(
                "Count the parameters.",
                "That finds layers that the model does not know, case 10. With shuffled labels the "
                "number is right.",
            ),
            Option(
                "Look for the highest loss on the way.",
                "A peak speaks for a learning rate that is far too large, case 7. With shuffled "
                "labels the loss never leaves 2.3.",
            ),
            Option(
                "Count the classes in each batch.",
                "That finds sorted digits, case 4. Shuffled labels are well mixed.",
            ),
            Option(
                "Look at ten digits with their labels, taken from a batch.",
                "A person sees at once that the labels belong to other digits. Take them where "
                "they enter the model: before that they may still have been right.",
            ),
        ),
        right=3,
    ),
    Choice(
        name="14-twice-the-same",
        text="A model with dropout gives another accuracy each time. Which line in the judging "
        "function repairs it?",
        objective="repair it",
        options=(
            Option(
                "`with torch.no_grad():`",
                "It saves memory and time, since no gradients are kept. Dropout goes on: that is "
                "the business of the mode.",
            ),
            Option(
                "`model.eval()`",
                "Evaluation mode switches dropout off and makes batch norm use its running "
                "averages. The function should also put the old mode back.",
            ),
            Option(
                "`torch.manual_seed(0)`",
                "Then it silences the same neurons each time. The number no longer changes, and "
                "is still wrong.",
            ),
            Option(
                "The mean over ten evaluations.",
                "Every one of them is too low, so their mean is too low as well.",
            ),
        ),
        right=1,
    ),
    Choice(
        name="14-too-good",
        text="After one epoch on 800 digits, validation reads 99.5 %, and you had hoped for 90. "
        "What is the first check?",
        objective="test your suspicion with two or three lines",
        options=(
            Option(
                "Does the model have too many parameters?",
                "Then it would learn the training digits by heart, and validation would be worse, "
                "not better.",
            ),
            Option(
                "Is the learning rate too large?",
                "A rate that is too large makes results worse. No rate makes validation too good.",
            ),
            Option(
                "Are there validation digits among the training digits, as they are or changed?",
                "A result that is too good is a symptom: first of a leak. Equal pictures are found "
                "by comparing pixels; changed ones only by going back to where both came from.",
            ),
            Option(
                "None: stop while it is good.",
                "Nobody looks for a bug in a good result, which is why this one lives longest.",
            ),
        ),
        right=2,
    ),
    Choice(
        name="14-one-batch",
        text="You train a new model on one batch of 64 digits, again and again. After 500 steps "
        "the loss still is 1.6. What do you do?",
        objective="read from a curve, a matrix or a number that something is wrong",
        options=(
            Option(
                "Train on all digits: 64 are too few to learn from.",
                "Too few to learn *reading* from, but few are easy to learn by heart. Where that "
                "fails, more digits will not help.",
            ),
            Option(
                "Look for a mistake in model, loss or optimizer.",
                "A network with more weights than the batch has digits can learn it by heart, "
                "unless something keeps it from doing so.",
            ),
            Option(
                "Add dropout.",
                "Dropout makes learning by heart harder, and here it should be easy.",
            ),
            Option(
                "Nothing: 1.6 is below 2.3, so it learns.",
                "It learns, and something still keeps it back: softmax before the cross-entropy, "
                "for example.",
            ),
        ),
        right=1,
    ),
    Choice(
        name="14-first-nan",
        text="The loss is `nan` from step 200 on, and all weights are `nan` too. Where do you "
        "look?",
        objective="test your suspicion with two or three lines",
        options=(
            Option(
                "At the weights of the last layer.",
                "All weights became `nan` in one step, by the gradients. They tell nothing of "
                "where it began.",
            ),
            Option(
                "At the accuracy of step 200.",
                "`argmax` gives an answer for `nan` as well, so the accuracy tells nothing.",
            ),
            Option(
                "At the batch and the model just before step 200, stage by stage, for the first "
                "`nan`.",
                "Everything after the first `nan` is `nan`, so only the first one tells. Keep the "
                "weights from before, and send that batch through.",
            ),
        ),
        right=2,
    ),
)
