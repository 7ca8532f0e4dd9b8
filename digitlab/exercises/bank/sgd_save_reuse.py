"""Exercises and quiz of notebook 08, SGD, save, reuse."""

from __future__ import annotations

import io
import pickle
from dataclasses import replace
from functools import cache
from typing import Any

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

PIXELS = "resize and normalise pixels and say where that belongs"
SGD = "write SGD with momentum by hand"
SAVE = "save a model and load it in a fresh object"
REFUSE = "refuse files that could run code"
ELSEWHERE = "hand a model to programs without PyTorch"
FINE_TUNE = "fine-tune a trained model on other digits"
OWN = "have it read a picture of your own"

# --- A fair race ------------------------------------------------------------------------------


def fair_advantage(plain, with_momentum):
    return max(with_momentum.values()) - max(plain.values())


def _as_exact(value, plain, with_momentum):
    """Return a value; where it is right when rounded to a tenth of a percent, the exact one."""
    exact = fair_advantage(plain, with_momentum)
    return exact if abs(float(value) - exact) <= 0.0006 else float(value)


def _races():
    plain = {0.02: 0.2, 0.05: 0.65, 0.2: 0.915, 0.4: 0.4}
    return {
        "momentum ahead": (plain, {0.02: 0.9, 0.05: 0.935, 0.2: 0.34, 0.4: 0.1}),
        "momentum behind": (plain, {0.02: 0.5, 0.05: 0.85, 0.2: 0.3, 0.4: 0.2}),
        "nearly alike": (
            {0.02: 0.2, 0.05: 0.65, 0.2: 0.8, 0.4: 0.915},
            {0.02: 0.3, 0.05: 0.9, 0.2: 0.92, 0.4: 0.1},
        ),
    }


def _of_their_own_best(plain, with_momentum):
    best = max(with_momentum, key=with_momentum.get)
    return with_momentum[best] - plain[best]


FAIR_ADVANTAGE = Exercise(
    reference=fair_advantage,
    task="Compute how much more momentum reads than plain SGD in a fair race.",
    objective=SGD,
    cases=_races,
    is_value=True,
    use=_as_exact,
    wrong=(
        Wrong(
            lambda plain, with_momentum: with_momentum[0.02] - plain[0.02],
            "That is the race at 0.02 again, in which plain SGD makes steps a tenth as long: each "
            "may choose the learning rate that suits it.",
        ),
        Wrong(
            _of_their_own_best,
            "You let both run at the learning rate that suits momentum. It is fair only where "
            "plain SGD may choose as well.",
        ),
        Wrong(
            lambda plain, with_momentum: max(with_momentum[lr] - plain[lr] for lr in plain),
            "You took the learning rate where momentum's lead is largest: that is the race that "
            "suits momentum best, not a fair one.",
        ),
        Wrong(
            lambda plain, with_momentum: (
                sum(with_momentum.values()) / len(with_momentum) - sum(plain.values()) / len(plain)
            ),
            "You averaged over all learning rates. Nobody would train with the bad ones; what "
            "counts is the best that each can do.",
        ),
        Wrong(
            lambda plain, with_momentum: max(plain.values()) - max(with_momentum.values()),
            "The right two numbers, subtracted the other way round: the advantage is momentum's.",
        ),
        Wrong(
            lambda plain, with_momentum: 100 * (max(with_momentum.values()) - max(plain.values())),
            "The right two numbers, but in percent: accuracies are fractions, 1 % is 0.01.",
        ),
    ),
    hints=(
        "Let each choose its own learning rate, by validation. What does each read at its best?",
        "`max(plain.values())` is the best of plain SGD; the same for the other, and subtract.",
        "All but one blank:\nfair_advantage = max(with_momentum.values()) - max(plain.____())",
    ),
    why=(
        "Each runs at the learning rate that suits it, so what is left is not only the length of "
        "the steps. Of a lead of most of the digits at 0.02, a few of 100 remain on MNIST."
    ),
)

# --- Freeze -----------------------------------------------------------------------------------


def fine_tune_last_layer(model, split, lr):
    """Train the last layer alone for one epoch; return how many parameters learn."""
    last = list(model.parameters())[-2:]
    for weights in model.parameters():
        weights.requires_grad = False
    for weights in last:
        weights.requires_grad = True
    optimizer = torch.optim.SGD(last, lr=lr)
    dl.Trainer(model, optimizer).fit(split, epochs=1)
    return sum(weights.numel() for weights in last)


def _fine_tuned(answer, model, split, lr):
    """Return how many parameters learn, by the answer, and which weights have changed."""
    before = {name: weights.detach().clone() for name, weights in model.named_parameters()}
    n_learning = answer(model, split, lr)
    if n_learning is None:
        return None
    changed = [n for n, weights in model.named_parameters() if not torch.equal(before[n], weights)]
    names = list(before)
    kinds = {
        "those of the last layer": names[-2:],
        "all": names,
        "none": [],
        "all but the last layer": names[:-2],
    }
    kind = next((kind for kind, wanted in kinds.items() if wanted == changed), ", ".join(changed))
    return {"parameters that learn": n_learning, "weights that change": kind}


def _models():
    torch.optim.SGD([torch.zeros(1)], lr=0.1)  # the first one imports for seconds: not on the clock
    images, labels = real_digits(64)
    digits = dl.Split(images, labels)
    lenet = dl.build_model("lenet-sgd", seed=0, channels=(2, 3), hidden=(10, 8))
    two_conv = dl.build_model("two-conv", seed=0, channels=(2, 3), hidden=6)
    return {"a small LeNet-5": (lenet, digits, 0.05), "two convolutions": (two_conv, digits, 0.1)}


def _all_learn(model, split, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    dl.Trainer(model, optimizer).fit(split, epochs=1)
    return dl.n_parameters(model)


def _too_late(model, split, lr):
    _all_learn(model, split, lr)
    return sum(weights.numel() for weights in list(model.parameters())[-2:])


def _none_learns(model, split, lr):
    for weights in model.parameters():
        weights.requires_grad = False
    return _all_learn(model, split, lr)


def _without_bias(model, split, lr):
    weights = list(model.parameters())[-2]
    dl.Trainer(model, torch.optim.SGD([weights], lr=lr)).fit(split, epochs=1)
    return weights.numel()


def _counts_all(model, split, lr):
    fine_tune_last_layer(model, split, lr)
    return sum(weights.numel() for weights in model.parameters())


def _always_850(model, split, lr):
    fine_tune_last_layer(model, split, lr)
    return 850


def _other_way_round(model, split, lr):
    first = list(model.parameters())[:-2]
    dl.Trainer(model, torch.optim.SGD(first, lr=lr)).fit(split, epochs=1)
    return sum(weights.numel() for weights in first)


FINE_TUNE_LAST_LAYER = Exercise(
    reference=fine_tune_last_layer,
    task="Fine-tune the last layer alone, and return how many parameters learn.",
    objective=FINE_TUNE,
    cases=_models,
    use=_fine_tuned,
    changes=True,
    wrong=(
        Wrong(
            _all_learn,
            "Nothing is frozen: all weights change. A frozen weight has `requires_grad = False`, "
            "before the training.",
        ),
        Wrong(
            _too_late,
            "You count the last layer alone, but all weights have changed: freeze before the "
            "training, not after it.",
        ),
        Wrong(
            _none_learns,
            "You froze the last layer, too, so `backward()` finds nothing that could learn. Thaw "
            "it: `requires_grad = True` for its weights.",
        ),
        Wrong(
            _without_bias,
            "The last layer has two tensors of weights: you forgot its ten biases.",
        ),
        Wrong(
            _counts_all,
            "The right weights change; but you count the frozen ones as well. They are parameters "
            "still, and do not learn.",
        ),
        Wrong(
            _always_850,
            "The right weights change; but 850 is the number of LeNet-5 alone. Count the weights "
            "of the model that is given, `numel()` by `numel()`.",
        ),
        Wrong(
            _other_way_round,
            "The other way round: you froze the last layer and trained all before it.",
        ),
    ),
    hints=(
        "Freeze all weights, thaw the last two tensors (`weight` and `bias`), then train.",
        "`list(model.parameters())` has them in order; the optimizer needs only those that learn; "
        "`dl.Trainer` does the rest, as in section 8.",
        "All but one blank:\n"
        "for weights in model.parameters():\n    weights.requires_grad = False\n"
        "for weights in list(model.parameters())[-2:]:\n    weights.____ = True",
    ),
    why=(
        "A weight with `requires_grad = False` gets no slope, and the optimizer leaves it as it is "
        "to the last bit. 850 of LeNet's 61 706 parameters learn: the features stay, only what "
        "is made of them changes."
    ),
)

# --- Go on after a restart --------------------------------------------------------------------


def checkpoint(model, optimizer):
    """Return a dict with the keys "model" and "optimizer": data, no objects of classes."""
    return {"model": model.state_dict(), "optimizer": optimizer.state_dict()}


class _Small(nn.Sequential):
    """A small network that knows in which case it stands."""

    case = ""


KINDS: dict[str, tuple[Any, Any]] = {  # case -> its optimizer, and the layer in the middle
    "SGD with momentum": (lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9), nn.ReLU),
    "Adam and batch norm": (lambda p: torch.optim.Adam(p, lr=0.02), lambda: nn.BatchNorm1d(5)),
    "plain SGD": (lambda p: torch.optim.SGD(p, lr=0.1), nn.ReLU),
}


def _fresh(case, seed):
    make_optimizer, make_layer = KINDS[case]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _Small(nn.Linear(6, 5), make_layer(), nn.Linear(5, 3))
    model.case = case
    return model, make_optimizer(model.parameters())


def _train(both, seed):
    model, optimizer = both
    for step in range(4):
        optimizer.zero_grad()
        output = model(random_numbers(8, 6, seed=10 * seed + step))
        F.cross_entropy(output, torch.arange(8) % 3).backward()
        optimizer.step()
    return both


def _trainings():
    return {case: _train(_fresh(case, 0), 0) for case in KINDS}


def _restarted(answer, model, optimizer):
    """Save, load into fresh objects, train both on, and say whether they still agree."""
    kept = answer(model, optimizer)
    if not isinstance(kept, dict):
        return None if kept is None else "no dict"
    if "model" not in kept:
        return 'a dict without the key "model"'
    file = io.BytesIO()
    torch.save(kept, file)
    file.seek(0)
    try:
        loaded = torch.load(file, weights_only=True)
    except pickle.UnpicklingError:
        return "refused by weights_only=True"
    fresh, again = _fresh(model.case, 1)
    fresh.load_state_dict(loaded["model"])
    if "optimizer" in loaded:
        again.load_state_dict(loaded["optimizer"])
    _train((model, optimizer), 1)
    _train((fresh, again), 1)
    pairs = zip(model.parameters(), fresh.parameters(), strict=True)
    same = all(torch.allclose(mine, theirs, atol=1e-5) for mine, theirs in pairs)
    return "goes on the same" if same else "goes on in another way"


CHECKPOINT = Exercise(
    reference=checkpoint,
    task="Return all that is needed to go on with a training after a restart, as data.",
    objective=SAVE,
    cases=_trainings,
    use=_restarted,
    wrong=(
        Wrong(
            lambda model, optimizer: {"model": model.state_dict()},
            "Weights do not suffice: the optimizer has a memory of its own, the speeds of "
            "momentum, the means of Adam. Without it they begin at 0 again, and the training goes "
            "another way.",
        ),
        Wrong(
            lambda model, optimizer: {"model": model, "optimizer": optimizer},
            "You keep the objects themselves, so the file holds pickled classes, and "
            "`weights_only=True` refuses it. Keep their `state_dict()`.",
        ),
        Wrong(
            lambda model, optimizer: {
                "model": dict(model.named_parameters()),
                "optimizer": optimizer.state_dict(),
            },
            "Parameters are not all: batch norm has collected means and variances, which learn "
            "from no slope and are in the `state_dict` alone.",
        ),
        Wrong(
            lambda model, optimizer: {
                "model": model.state_dict(),
                "optimizer": optimizer.param_groups[0]["lr"],
            },
            "The learning rate is a setting; the optimizer's memory is in its own `state_dict()`.",
        ),
    ),
    hints=(
        "What changes in a step, besides the weights? Look at `HandSGD`: what does it remember?",
        "Models and optimizers both have a `state_dict()`, which holds numbers and no classes.",
        'All but one blank:\nreturn {"model": model.state_dict(), "optimizer": ____.state_dict()}',
    ),
    why=(
        "The next step of momentum depends on the weights and on the speeds, and both are in the "
        "two state dicts. With plain SGD the weights would suffice: it remembers nothing."
    ),
)

# --- A stranger's file ------------------------------------------------------------------------

STRANGERS_FILE = Open(
    name="strangers_file",
    task="A friend found `best_model.pt` on a forum, to be loaded without `weights_only`. Answer.",
    objective=REFUSE,
    hints=(
        "Section 6 has such a file: when did its line run?",
        "What does `weights_only=True` read, and what does it refuse? What else could be in it?",
        "Three parts: the danger, what to try, what to ask the stranger for.",
    ),
    points=(
        "Loading a pickle runs what it says, before anything can be looked at.",
        "`weights_only=True` reads numbers and plain values; where it refuses, do not go on.",
        "Ask for the weights as a state_dict and the architecture as readable code or data.",
        "Prove it by the accuracy on digits of one's own: harmless is not yet good.",
    ),
    model=(
        "Do not load it that way: the file is a pickle, and to load a pickle means to run what it "
        "says, with all that you may do on your computer, before you have seen any weight. Try "
        "torch.load with weights_only=True: it reads numbers and plain values only. Where it "
        "refuses, the file holds something else, perhaps only the class of a whole model, perhaps "
        "worse; ask for the state_dict and for the architecture as code that you can read, or as "
        "data such as a recipe. Then build the network yourself, load the weights, and judge it "
        "on digits that you know."
    ),
)

EXERCISES = (FAIR_ADVANTAGE, FINE_TUNE_LAST_LAYER, CHECKPOINT, STRANGERS_FILE)

# --- Quiz -------------------------------------------------------------------------------------


@cache
def _losses():
    """Return the loss of each batch of three short trainings by SGD."""
    images, labels = real_digits(1000)
    losses: dict[str, list[float]] = {}
    for name, rate, momentum in (("A", 0.02, 0.9), ("B", 0.02, 0.0), ("C", 2.0, 0.9)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            model = nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))
        optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=momentum)
        losses[name] = []
        for start in range(0, 3000, 50):
            batch = torch.arange(start, start + 50) % len(images)
            loss = F.cross_entropy(model(images[batch].float() / 255), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses[name].append(min(loss.item(), 10.0))
    return losses


def _three_trainings():
    figure = dl.plot_lines(
        _losses(), title="Three trainings", x="batch", y=dl.Axis("loss", limits=(0, 5))
    )
    ends = ", ".join(f"{name} ends near {sum(x[-10:]) / 10:.2f}" for name, x in _losses().items())
    return replace(figure, alt=f"The loss of three trainings begins near 2.3; {ends}.")


def _two_steps():
    weight = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=0.1, momentum=0.5)
    for _ in range(2):
        optimizer.zero_grad()
        weight.sum().backward()
        optimizer.step()
    return weight.item()


QUIZ = (
    Choice(
        name="08-which-curve",
        text=(
            "Three trainings of one network by SGD: plain at 0.02, momentum 0.9 at 0.02, momentum "
            "0.9 at 2. Which curve is plain SGD?"
        ),
        objective=SGD,
        options=(
            Option(
                "A",
                "A falls fastest: with momentum 0.9 slopes that agree add up to steps ten times as "
                "long, at the same learning rate.",
            ),
            Option(
                "B",
                "Yes: it falls, steadily and slowly. At the same learning rate its steps are up to "
                "ten times shorter than those of momentum.",
            ),
            Option(
                "C",
                "C jumps up and does not learn: a learning rate of 2, which momentum makes longer "
                "still. Plain SGD at 0.02 makes far too short steps for that.",
            ),
        ),
        right=lambda: max(range(2), key=lambda i: list(_losses().values())[i][-1]),
        figure=_three_trainings,
    ),
    Number(
        name="08-two-steps",
        text=(
            "A weight begins at 0, and its slope is 1 at every place. Where is it after two steps "
            "with learning rate 0.1 and momentum 0.5?"
        ),
        objective=SGD,
        answer=_two_steps,
        tolerance=0.001,
        explanation=(
            "v is 1 after the first step and 0.5 x 1 + 1 = 1.5 after the second, so w = -0.1 x 1 - "
            "0.1 x 1.5 = -0.25."
        ),
        slips=(
            (-0.2, "That is plain SGD: in the second step v still has half of the first slope."),
            (-0.15, "That is the second step alone; the first one, -0.1, was made before."),
            (0.25, "The right length, uphill: a step goes against the slope."),
            (-0.3, "v is 1.5 in the second step only; in the first there is nothing to remember."),
        ),
    ),
    Number(
        name="08-normalise",
        text=(
            "A pixel of full ink is 255 in the file. What is it after `ToTensor` and "
            "`Normalize((0.1307,), (0.3081,))`?"
        ),
        objective=PIXELS,
        answer=lambda: (255 / 255 - 0.1307) / 0.3081,
        tolerance=0.02,
        explanation=(
            "`ToTensor` divides by 255, so it is 1; less the mean, divided by the deviation: "
            "(1 - 0.1307) / 0.3081 = 2.82."
        ),
        slips=(
            (827.2, "`ToTensor` has divided by 255 already, so 1 goes into `Normalize`, not 255."),
            (827, "`ToTensor` has divided by 255 already, so 1 goes into `Normalize`, not 255."),
            (0.8693, "That is less the mean; the division by 0.3081 is still to come."),
            (3.25, "You divided by 0.3081, and forgot to subtract the mean before."),
            (3.11, "First the mean is subtracted, then it is divided, not the other way round."),
        ),
    ),
    Choice(
        name="08-where",
        text="Where does the preparation of pixels, size, mean and deviation, belong?",
        objective=PIXELS,
        options=(
            Option(
                "Into the loader of each program: it knows its pictures.",
                "Then whoever loads the weights has to know the chain as well, and nothing says so "
                "when it is another one: accuracy may look fine and probabilities mean nothing.",
            ),
            Option(
                "Into the notebook's text, so that all can read it.",
                "Texts are not run. What is only written down gets lost or changed, and no error "
                "tells.",
            ),
            Option(
                "Into the model, as its first layer: it is saved and loaded with the weights.",
                "Yes: then it cannot be got wrong later. What is left is one rule, bright ink in "
                "[0, 1].",
            ),
            Option(
                "Nowhere: with enough training every network learns it.",
                "In training it may. Once trained it expects the pixels that it was trained on, "
                "and other pixels make other logits.",
            ),
        ),
        right=2,
    ),
    Choice(
        name="08-which-cell",
        text="No cell raises an error, and yet the loaded model reads badly. Where is the bug?",
        objective=SAVE,
        code=(
            "# cell 1\n"
            'model = dl.train("lenet-sgd", digits).model\n\n'
            "# cell 2\n"
            'torch.save(model.state_dict(), "weights.pt")\n\n'
            "# cell 3\n"
            'fresh = dl.build_model("lenet-sgd", pooling="average")\n\n'
            "# cell 4\n"
            'fresh.load_state_dict(torch.load("weights.pt", weights_only=True))'
        ),
        options=(
            Option(
                "Cell 2: the architecture is not saved.",
                "It is not, and that is usual: whoever builds the same network needs the weights "
                "alone. The question is whether the same one was built.",
            ),
            Option(
                "Cell 3: another pooling, which has no weights that could fail to fit.",
                "Yes: the weights fit, since pooling has none, and the maps that reach the last "
                "layers are others. Equal logits would have shown it.",
            ),
            Option(
                "Cell 4: `weights_only=True` leaves something out.",
                "It refuses what is no data and leaves nothing out: all weights arrive.",
            ),
            Option(
                "Nowhere: without an error the model is the same.",
                "No error means that names and sizes fit. The proof is equal logits for the same "
                "digits.",
            ),
        ),
        right=1,
    ),
    Choice(
        name="08-when",
        text="When does the code in a stranger's pickle run?",
        objective=REFUSE,
        options=(
            Option(
                "While it is loaded with `weights_only=False`, before you have seen anything.",
                "Yes: loading means running what the pickle says. Looking at the result comes too "
                "late.",
            ),
            Option(
                "When the model is called for the first time.",
                "Long before: `Stranger` in section 6 is no model at all, and its line ran during "
                "`torch.load`.",
            ),
            Option(
                "Never, as long as the file ends in `.pt`.",
                "The ending says nothing: `.pt`, `.pkl` and `.bin` can hold the same pickle.",
            ),
            Option(
                "Only if you confirm it.",
                "Nothing asks. The only question is the one that you answer beforehand, with "
                "`weights_only=True`.",
            ),
        ),
        right=0,
    ),
    Choice(
        name="08-formats",
        text=(
            "An app on a phone has no PyTorch and none of your code, and is to read digits given "
            "as pixels in [0, 1]. Which file do you give it?"
        ),
        objective=ELSEWHERE,
        options=(
            Option(
                "The `state_dict`, saved by `torch.save`.",
                "It holds weights by name and no architecture, and it takes PyTorch to read it.",
            ),
            Option(
                "The weights as safetensors.",
                "That is safe and easy to read, but it is weights alone: the app would have to "
                "build the network itself.",
            ),
            Option(
                "An ONNX file of the model, whose first layer normalises and resizes.",
                "Yes: the graph of operations goes along, and with it the preparation of pixels, "
                "since it is a layer of the model.",
            ),
            Option(
                "An ONNX file of the layers after the first one; the app can prepare pixels.",
                "Then the app must do exactly what your loader does, and no error tells where it "
                "does not.",
            ),
        ),
        right=2,
    ),
    Choice(
        name="08-choose",
        text=(
            "You need both old and new digits. On validation, before: new 91 %, old 98 %. "
            "Fine-tuned at 0.05: new 98 %, old 92 %. At 0.005: new 98 %, old 97 %. At 0.00005: new "
            "92 %, old 98 %. Which one?"
        ),
        objective=FINE_TUNE,
        options=(
            Option(
                "0.05: it learns fastest.",
                "It also forgets fastest: 6 of 100 old digits are lost for the same gain on new "
                "ones.",
            ),
            Option(
                "0.00005: it forgets nothing.",
                "And learns next to nothing: of the 7 that the others gain, it gains 1.",
            ),
            Option(
                "None: the old digits become worse in most cases.",
                "For 1 old digit of 100 you get 7 new ones. Looking at one of the two numbers is "
                "the mistake, on either side.",
            ),
            Option(
                "0.005: it learns the new and keeps nearly all of the old.",
                "Yes: both numbers were looked at. A tenth of the recipe's own rate is a good "
                "first try.",
            ),
        ),
        right=3,
    ),
    Choice(
        name="08-own",
        text="You make a photo of dark ink on white paper 28 x 28 and call `model(pixels)` on it.",
        objective=OWN,
        options=(
            Option(
                "It is read like any other digit: shape and range are right.",
                "Shape and range are, the content is not: the network has seen bright ink on dark, "
                "centred, and takes the paper for ink.",
            ),
            Option(
                "An error: the network knows dark on bright only from training.",
                "A network takes any numbers of the right shape. Nothing tells it that they mean "
                "something else.",
            ),
            Option(
                "It is read badly without an error; `dl.predict` cleans it up first.",
                "Yes: `dl.predict` finds the ink, turns it bright on dark, and centres it as the "
                "training digits are.",
            ),
        ),
        right=2,
    ),
)
