"""Exercises and quiz of notebook 05, Dropout."""

from __future__ import annotations

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

# --- Where to stop ----------------------------------------------------------------------------


def best_epoch(history):
    lowest = min(history.valid_loss)
    return history.valid_loss.index(lowest) + 1


def _history(train_loss, valid_loss, valid_accuracy):
    n = len(train_loss)
    accuracy = [1 - loss / 4 for loss in train_loss]
    return dl.History(train_loss, accuracy, valid_loss, valid_accuracy, [0.001] * n, [1.0] * n)


def _histories():
    rises = _history(
        [2.2, 1.1, 0.6, 0.3, 0.1, 0.05],
        [1.9, 1.0, 0.6, 0.5, 0.6, 0.8],
        [0.3, 0.7, 0.8, 0.83, 0.85, 0.8],
    )
    falls = _history([2.0, 1.0, 0.9], [1.8, 1.2, 0.8], [0.5, 0.7, 0.7])
    at_once = _history([0.9, 0.5, 0.4, 0.45], [0.7, 0.8, 0.9, 0.75], [0.8, 0.81, 0.79, 0.7])
    return {"rises": (rises,), "falls to the end": (falls,), "rises at once": (at_once,)}


BEST_EPOCH = Exercise(
    reference=best_epoch,
    is_value=True,
    task="Read off the epoch after which this network learns by heart.",
    objective="recognise overfitting in a loss graph",
    cases=_histories,
    wrong=(
        Wrong(
            lambda history: history.valid_loss.index(min(history.valid_loss)),
            "You counted from 0, as lists do; epochs are counted from 1.",
        ),
        Wrong(
            lambda history: history.train_loss.index(min(history.train_loss)) + 1,
            "There the *training* loss is lowest. It goes on falling while the network learns by "
            "heart; look at the validation loss.",
        ),
        Wrong(
            lambda history: history.best_epoch,
            "There the validation *accuracy* is highest. It counts right or wrong only; the loss "
            "sees earlier that the network has become sure of its mistakes.",
        ),
        Wrong(
            lambda history: min(history.valid_loss),
            "That is the loss; asked for is the number of its epoch.",
        ),
    ),
    hints=(
        "Learning by heart makes the training loss fall and the validation loss rise. Where does "
        "the latter turn round?",
        "`history.valid_loss` is a list with a number for each epoch: at which place does its "
        "smallest stand? Epochs begin at 1.",
        "All but one blank:\nbest_epoch = history.valid_loss.index(____) + 1",
    ),
    why=(
        "Up to the lowest validation loss, what the network learns holds for new digits; after it, "
        "more and more only for its own. The training loss cannot show this, for it falls in both "
        "cases."
    ),
)


# --- Centred without a trap -------------------------------------------------------------------


def centred(train_pixels, new_pixels):
    """Return the new pixels, normalised by mean and standard deviation of the training pixels."""
    return (new_pixels - train_pixels.mean()) / train_pixels.std()


def _pixel_pairs():
    images, _ = real_digits(60)
    pixels = images[:, None] / 255
    noise = random_numbers(20, 784)
    return {
        "real digits": (pixels[:50], pixels[50:]),
        "one new digit": (pixels[:50], pixels[50:51]),
        "new digits that are brighter": (pixels[:50], 0.5 + pixels[50:] / 2),
        "random numbers": (2 + 3 * noise, noise.flip(0)),
    }


def _of_the_new(train_pixels, new_pixels):
    return (new_pixels - new_pixels.mean()) / new_pixels.std()


def _by_halves(train_pixels, new_pixels):
    return (new_pixels - 0.5) / 0.5


def _of_each_place(train_pixels, new_pixels):
    return (new_pixels - train_pixels.mean(0)) / train_pixels.std(0)


def _by_variance(train_pixels, new_pixels):
    return (new_pixels - train_pixels.mean()) / train_pixels.var()


def _mean_only(train_pixels, new_pixels):
    return new_pixels - train_pixels.mean()


def _first_divided(train_pixels, new_pixels):
    return new_pixels / train_pixels.std() - train_pixels.mean()


def _of_the_training(train_pixels, new_pixels):
    return (train_pixels - train_pixels.mean()) / train_pixels.std()


CENTRED = Exercise(
    reference=centred,
    task="Normalise new pixels so that those of training have mean 0 and standard deviation 1.",
    objective="normalise pixels without a trap",
    cases=_pixel_pairs,
    close=0.001,
    wrong=(
        Wrong(
            _of_the_new,
            "You took mean and standard deviation of the new digits. Then a digit's pixels depend "
            "on which others come with it; both numbers belong to training, and stay.",
        ),
        Wrong(
            _by_halves,
            "0.5 and 0.5 bring the range to -1 to 1, but not the mean to 0: most are ground.",
        ),
        Wrong(
            _of_each_place,
            "You took a mean and a standard deviation for each place. In the corners no digit has "
            "ink, so there you divide by 0; one number for all pixels will do.",
        ),
        Wrong(_by_variance, "You divided by the variance; the standard deviation is its root."),
        Wrong(_mean_only, "The mean is right; the division by the standard deviation is missing."),
        Wrong(
            _first_divided,
            "You divided first and subtracted then; the mean has to go while it is in the units "
            "of the pixels.",
        ),
        Wrong(_of_the_training, "You return the training pixels; asked for are the new ones."),
    ),
    hints=(
        "Two numbers are measured on the training pixels, once. They are then used for all other "
        "pixels, however few or bright.",
        "`train_pixels.mean()` and `train_pixels.std()` are the two numbers.",
        "All but one blank:\nreturn (new_pixels - ____) / train_pixels.std()",
    ),
    why=(
        "What a model is fed must not depend on which digits happen to come together, so both "
        "numbers are fixed in training, and best kept in the model's first layer. And no test "
        "digit may have a say in them, for then it would take part in training."
    ),
)


# --- Dropout with two modes -------------------------------------------------------------------


class OwnDropout(nn.Module):
    """Silence each number with probability p in training; change nothing in evaluation."""

    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, h):
        """Return h with some numbers silenced and the others scaled, or h as it is."""
        if not self.training:
            return h
        speaks = torch.rand_like(h) >= self.p
        return h * speaks / (1 - self.p)


def _hidden():
    h = random_numbers(2000, 100).abs() + 0.5
    return {
        "p = 0.5": (0.5, h),
        "p = 0.2": (0.2, h),
        "p = 0.8": (0.8, h),
        "p = 0": (0.0, h),
    }


def _behaviour(answer, p, h):
    layer = answer(p)
    layer.train()
    first, second = layer(h.clone()), layer(h.clone())
    layer.eval()
    silent = first == 0
    return {
        "in training, the share that is silent": silent.float().mean().item(),
        "in training, by what the others are multiplied": (first / h)[~silent].mean().item(),
        "the same neurons are silent for all digits": (silent == silent[0]).all().item(),
        "whole digits are silent": (silent == silent[:, :1]).all().item(),
        "two passes in training are equal": first.equal(second),
        "in evaluation": layer(h.clone()),
    }


def _dropping(in_training, in_evaluation=lambda h, p: h):
    """Return a layer that does this in its two modes, for the wrong answers."""

    class Dropping(nn.Module):
        def __init__(self, p):
            super().__init__()
            self.p = p

        def forward(self, h):
            return in_training(h, self.p) if self.training else in_evaluation(h, self.p)

    return Dropping


def _drop(h, p):
    return h * (torch.rand_like(h) >= p) / (1 - p)


OWN_DROPOUT = Exercise(
    reference=OwnDropout,
    task="Write dropout as a layer that obeys train() and eval().",
    objective="write dropout by hand and say why it divides by $1 - p$",
    cases=_hidden,
    use=_behaviour,
    close=0.03,
    wrong=(
        Wrong(
            _dropping(lambda h, p: _drop(h, p) * (1 - p), lambda h, p: h * (1 - p)),
            "You scale in evaluation. On average that fits as well, and the first papers did so, "
            "but whoever uses the network then has to know p: divide in training instead.",
        ),
        Wrong(
            _dropping(lambda h, p: h * (torch.rand_like(h) < p) / (1 - p)),
            "p is the probability to be silent; you let that share speak.",
        ),
        Wrong(
            _dropping(lambda h, p: h * (torch.rand_like(h) >= p) / max(p, 1e-9)),
            "You divided by p. A share 1 - p speaks, so dividing by 1 - p makes up for the rest.",
        ),
        Wrong(
            _dropping(lambda h, p: _drop(h, p) * (1 - p)),
            "The numbers that remain are not scaled, so in training the next layer receives less "
            "than in evaluation: divide by 1 - p.",
        ),
        Wrong(
            _dropping(_drop, _drop),
            "It drops in evaluation, too. Ask `self.training`, which `train()` and `eval()` set.",
        ),
        Wrong(
            _dropping(_drop, lambda h, p: h / (1 - p)),
            "You divide in evaluation, too. There nothing is silent, so nothing has to be made up "
            "for: return h as it is.",
        ),
        Wrong(
            _dropping(lambda h, p: h * (torch.rand(h.shape[-1]) >= p) / (1 - p)),
            "You drew one mask for the whole batch, so the same neurons are silent for all digits; "
            "each digit needs its own.",
        ),
        Wrong(
            _dropping(lambda h, p: h, _drop),
            "The modes are exchanged: neurons are silent in training, and none in evaluation.",
        ),
    ),
    hints=(
        "`nn.Module` keeps the mode for you, in `self.training`. In evaluation nothing is to be "
        "done at all.",
        "`torch.rand_like(h)` draws a number from 0 to 1 for each place; compare it with `self.p`.",
        "All but one blank:\nif not self.training:\n    return h\n"
        "speaks = torch.rand_like(h) >= self.p\nreturn h * speaks / ____",
    ),
    why=(
        "A number from 0 to 1 lies below p with probability p, so a share 1 - p speaks, and the "
        "division keeps the mean as it was. Because of it evaluation needs neither p nor a random "
        "number."
    ),
    start='''
    class OwnDropout(nn.Module):
        """Silence each number with probability p in training; change nothing in evaluation."""

        def __init__(self, p):
            super().__init__()
            self.p = p

        def forward(self, h):
            """Return h with some numbers silenced and the others scaled, or h as it is."""
            ...
    ''',
)


# --- Patience ---------------------------------------------------------------------------------


def stops_after(losses, patience):
    """Return after how many epochs training stops: when so many in a row brought no new lowest."""
    lowest, waited = float("inf"), 0
    for epoch, loss in enumerate(losses, start=1):
        waited = 0 if loss < lowest else waited + 1
        lowest = min(lowest, loss)
        if waited == patience:
            return epoch
    return len(losses)


def _loss_lists():
    zigzag = [1.0, 0.8, 0.9, 0.85, 0.95, 0.88, 0.99, 0.7]
    return {
        "falls all the time": ([0.9, 0.5, 0.4, 0.3, 0.2], 2),
        "rises from the fourth on": ([0.9, 0.5, 0.4, 0.45, 0.5, 0.6, 0.7], 3),
        "to and fro above the lowest": (zigzag, 4),
        "a new lowest in time": ([0.9, 0.5, 0.6, 0.7, 0.4, 0.5, 0.6, 0.3, 0.2], 3),
        "the same loss again": ([0.5, 0.4, 0.4, 0.4, 0.3], 2),
        "patience 1": ([0.9, 0.8, 0.85, 0.1], 1),
        "the first is the lowest": ([0.3, 0.4, 0.5, 0.6, 0.7], 3),
        "too short to stop": ([0.3, 0.4], 5),
    }


def _beside_the_last(losses, patience):
    waited = 0
    for epoch in range(1, len(losses)):
        waited = 0 if losses[epoch] < losses[epoch - 1] else waited + 1
        if waited == patience:
            return epoch + 1
    return len(losses)


def _never_forgiven(losses, patience):
    waited = 0
    for epoch in range(1, len(losses)):
        waited += losses[epoch] >= min(losses[:epoch])
        if waited == patience:
            return epoch + 1
    return len(losses)


def _at_the_lowest(losses, patience):
    seen = losses[: stops_after(losses, patience)]
    return seen.index(min(seen)) + 1


def _one_too_many(losses, patience):
    return stops_after(losses, patience + 1)


def _from_zero(losses, patience):
    return stops_after(losses, patience) - 1


def _as_accuracy(losses, patience):
    return stops_after([-loss for loss in losses], patience)


STOPS_AFTER = Exercise(
    reference=stops_after,
    task="Write patience: stop when so many epochs in a row brought no new lowest validation loss.",
    objective="search for settings by validation",
    cases=_loss_lists,
    wrong=(
        Wrong(
            _beside_the_last,
            "You compare with the epoch before. A loss that zigzags above its lowest then never "
            "stops; compare with the lowest so far.",
        ),
        Wrong(
            _never_forgiven,
            "You count all epochs without a new lowest. A new lowest has to set the count to 0: "
            "patience is for epochs in a row.",
        ),
        Wrong(
            _at_the_lowest,
            "That is the best epoch. Training cannot know that it was the best before it has "
            "waited: it stops `patience` epochs later.",
        ),
        Wrong(
            _one_too_many,
            "You wait one epoch too many: it stops at the end of the last one that it waits for.",
        ),
        Wrong(_from_zero, "You counted epochs from 0; the first one has the number 1."),
        Wrong(
            _as_accuracy,
            "You wait for a new highest, which is right for accuracy. A loss is to be low.",
        ),
    ),
    hints=(
        "Keep two things from epoch to epoch: the lowest loss so far, and how many epochs have "
        "passed since it.",
        "`for epoch, loss in enumerate(losses, start=1)`: a new lowest sets the count to 0, "
        "another epoch adds 1, and `return epoch` when the count has reached `patience`. Where it "
        "never does, all epochs are trained.",
        "All but one blank:\n"
        'lowest, waited = float("inf"), 0\n'
        "for epoch, loss in enumerate(losses, start=1):\n"
        "    waited = 0 if loss < lowest else ____\n"
        "    lowest = min(lowest, loss)\n"
        "    if waited == patience:\n"
        "        return epoch\n"
        "return len(losses)",
    ),
    why=(
        "A loss that goes up once may come down again, so one waits, and measures against the "
        "lowest so far. `fit(patience=...)` does the same with validation accuracy; a schedule "
        "that wants to end at a fixed step no longer fits then."
    ),
)


# --- The best of fifty ------------------------------------------------------------------------


def honest_accuracy(on_validation, on_test):
    chosen = on_validation.argmax()
    return on_test[chosen].item()


def _fifty():
    def measured(seed, n_networks):
        generator = torch.Generator().manual_seed(seed)
        return (torch.rand(n_networks, 1000, generator=generator) < 0.95).float().mean(1)

    return {
        "fifty networks": (measured(2, 50), measured(3, 50)),
        "five networks": (torch.tensor([0.90, 0.95, 0.97, 0.92, 0.96]), measured(4, 5)),
    }


HONEST_ACCURACY = Exercise(
    reference=honest_accuracy,
    is_value=True,
    task="Choose one of fifty networks, and say what accuracy may be reported for it.",
    objective="search for settings by validation",
    cases=_fifty,
    wrong=(
        Wrong(
            lambda on_validation, on_test: on_test.max().item(),
            "That is the highest of fifty test accuracies: you chose by the test digits, so its "
            "luck is part of the number. Choose by validation, then look at test once.",
        ),
        Wrong(
            lambda on_validation, on_test: on_validation.max().item(),
            "That is the accuracy by which it was chosen, the highest of fifty, so luck is part of "
            "it. Digits that had no say in the choice tell how good it is.",
        ),
        Wrong(
            lambda on_validation, on_test: on_validation[on_test.argmax()].item(),
            "You chose by test and report validation; it is the other way round.",
        ),
        Wrong(
            lambda on_validation, on_test: on_test.mean().item(),
            "That is the mean of all fifty. It is free of luck, but it is not the accuracy of the "
            "network that was chosen.",
        ),
        Wrong(
            lambda on_validation, on_test: on_validation.argmax().item(),
            "That is the number of the network; asked for is its accuracy.",
        ),
    ),
    hints=(
        "One set of digits chooses, another one judges, and the one that judges is asked about the "
        "chosen network only.",
        "`on_validation.argmax()` says which network is chosen.",
        "All but one blank:\nchosen = on_validation.argmax()\nhonest_accuracy = on_test[____]",
    ),
    why=(
        "All fifty read 95 of 100 digits; what makes one the highest is luck, and luck does not "
        "come along to digits that had no say. So the highest of many accuracies promises too "
        "much, the more networks were tried the more."
    ),
)


# --- A result beside others -------------------------------------------------------------------

REPORT = Open(
    name="report",
    task="Train the whole recipe with a seed of your own and report it beside published results.",
    objective="set a result beside published ones",
    hints=(
        "What would a reader need to know in order to compare? And what must a writer not do with "
        "a test set?",
        '`dl.compare(dl.train("dropout-mlp", digits, seed=...).judge(digits))` says whether your '
        "run is usual. "
        "The standard error of section 8 says how much a measurement varies.",
        "Name the accuracy with its ____, the data, what was chosen by what, and what differs from "
        "the others.",
    ),
    points=(
        "The accuracy, on which test digits, and from how many trainings.",
        "How much of it is luck: the standard error, about 0.13 points of 100, or the range of "
        "several seeds.",
        "Settings were chosen by validation, and the test digits were read once.",
        "What makes the comparison uneven: 50 000 digits for training and not 60 000, and no "
        "changed digits.",
    ),
    model=(
        "One training of dropout-mlp with seed 7 reads 98.3 % of the 10 000 test digits of MNIST; "
        "ten stored runs lie between 98.2 and 98.4 %, so it is usual. The standard error of such "
        "a measurement is about 0.13 points. That is an error of 1.7 %, above the 97 % that "
        "document 000 claims, and about as good as the 1.6 % of Simard and others for one hidden "
        "layer of 800: a tenth of a point is less than one standard error. We trained on 50 000 "
        "digits, since 10 000 were kept for choosing settings, and changed none of them; the test "
        "digits were read once, at the end."
    ),
)

EXERCISES = (BEST_EPOCH, CENTRED, OWN_DROPOUT, STOPS_AFTER, HONEST_ACCURACY, REPORT)


# --- Quiz -------------------------------------------------------------------------------------


@cache
def _by_heart():
    """Return losses of a network that learns 60 digits: validation, training, and with dropout."""
    images, labels = real_digits(500)
    pixels = images.flatten(1) / 255
    alone, validation = _trained(pixels, labels, 0.0)
    with_dropout, _ = _trained(pixels, labels, 0.5)
    return {"A": with_dropout, "B": alone, "C": validation}


def _trained(pixels, labels, p, n=60):
    """Return training and validation loss of each of 50 steps on the first n digits."""
    training: list[float] = []
    validation: list[float] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Dropout(p), nn.Linear(64, 10))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(50):
            optimizer.zero_grad()
            loss = F.cross_entropy(model.train()(pixels[:n]), labels[:n])
            loss.backward()
            optimizer.step()
            training.append(loss.item())
            with torch.no_grad():
                later = F.cross_entropy(model.eval()(pixels[300:]), labels[300:])
            validation.append(later.item())
    return training, validation


def _draw_by_heart():
    return dl.plot_lines(
        {name: losses[::5] for name, losses in _by_heart().items()},
        at=range(1, 51, 5),
        title="Losses of a network that learns 60 digits",
        x="epoch",
        y="loss",
    )


def _rising():
    losses = _by_heart()
    return "ABC".index(max(losses, key=lambda name: losses[name][-1] - min(losses[name])))


THREE_JUDGES = """
def accuracy(model, split):                          # A
    pixels = dl.as_pixels(split.images)
    return (model.eval()(pixels).argmax(dim=1) == split.labels).float().mean()

def accuracy(model, split):                          # B
    with torch.no_grad():
        logits = model(dl.as_pixels(split.images))
    return (logits.argmax(dim=1) == split.labels).float().mean()

def accuracy(model, split):                          # C
    return dl.evaluate(model, split).accuracy
"""

QUIZ = (
    Choice(
        name="05-which-loss",
        text="A network learns 60 digits, once without dropout and once with p = 0.5. The figure "
        "shows three losses. Which one is the validation loss without dropout?",
        objective="recognise overfitting in a loss graph",
        figure=_draw_by_heart,
        options=(
            Option(
                "A",
                "A keeps falling and is not smooth: a training loss, measured with half of the "
                "neurons silent.",
            ),
            Option(
                "B",
                "B goes to 0: the network knows its 60 digits by heart. Only a training loss "
                "without dropout does that.",
            ),
            Option(
                "C",
                "C turns round and rises while a training loss goes on to 0: what is learnt from "
                "there on harms new digits. That is overfitting.",
            ),
        ),
        right=_rising,
    ),
    Choice(
        name="05-which-to-ship",
        text="Two networks are trained from the same digits. One ends with a training loss of 0.05 "
        "and a validation loss of 0.22; the other with 0.18 and 0.24. Which one do you take?",
        objective="recognise overfitting in a loss graph",
        options=(
            Option(
                "The first: its validation loss is lower.",
                "New digits are what counts. A gap says that there is room to do better, and not "
                "that the network is worse.",
            ),
            Option(
                "The second: its gap is smaller.",
                "It is small because its *training* loss is high. A network that has learnt "
                "nothing has no gap at all.",
            ),
            Option(
                "The first: its training loss is lower.",
                "The choice is right, the reason is not: anybody gets a low training loss by "
                "learning by heart.",
            ),
        ),
        right=0,
    ),
    Choice(
        name="05-random-labels",
        text="A network gives the right label for each of 500 digits whose labels were drawn at "
        "random. What accuracy do you expect on new digits with random labels?",
        objective="recognise overfitting in a loss graph",
        options=(
            Option(
                "About 100 %: it has learned to read them.",
                "There was nothing to read: the labels do not depend on the pictures. It remembers "
                "500 answers, and a new digit is none of them.",
            ),
            Option(
                "About 10 %: it can only guess.",
                "What it knows holds for its own 500 digits only. By chance one of ten labels is "
                "right.",
            ),
            Option(
                "About 50 %: some of what it learned carries over.",
                "With true labels something would carry over, the shapes of the digits. Random "
                "labels have nothing in common with them.",
            ),
        ),
        right=1,
    ),
    Choice(
        name="05-rising-loss",
        text="From epoch 8 to epoch 30 the validation loss rises by a third, while the validation "
        "accuracy stays at 88 %. What has happened?",
        objective="recognise overfitting in a loss graph",
        options=(
            Option(
                "The network misreads more digits than before.",
                "Then the accuracy would have fallen; it counts exactly that.",
            ),
            Option(
                "The learning rate is too high, and training diverges.",
                "Then the training loss would rise as well. It went on falling.",
            ),
            Option(
                "Loss and accuracy were measured on different digits.",
                "Both are of the validation digits. They differ in what they ask: which digit, and "
                "how sure.",
            ),
            Option(
                "It has become surer, and of its mistakes as well.",
                "About as many digits are misread, each with less probability for the truth, and "
                "the loss of a digit is minus the logarithm of that.",
            ),
        ),
        right=3,
    ),
    Number(
        name="05-scaled",
        text="In training, dropout with p = 0.8 lets a neuron with output 3 speak. Which number "
        "does the next layer receive?",
        objective="write dropout by hand and say why it divides by $1 - p$",
        answer=lambda: 3 / (1 - 0.8),
        tolerance=0.001,
        explanation="One of five speaks, so each is made five times as large, 3 / 0.2 = 15; then "
        "the mean over many draws is 3 again.",
        slips=(
            (3 / 0.8, "You divided by p; the share that speaks is 1 - p = 0.2."),
            (
                3.0,
                "Unscaled, the next layer would receive a fifth on average of what it gets in "
                "evaluation.",
            ),
            (3 * 0.2, "You multiplied by 1 - p, which makes the loss of four of five even worse."),
            (3 * 0.8, "You multiplied by p. To make up for the silent ones it has to grow."),
        ),
    ),
    Choice(
        name="05-forgot-eval",
        text="Three people measure the accuracy of a network that was just trained, with dropout. "
        "One gets a lower number, and another one at each call. Whose code has the bug?",
        objective="explain what `train()` and `eval()` switch",
        code=THREE_JUDGES.strip(),
        options=(
            Option(
                "A",
                "It switches to evaluation. It leaves the model there and writes down slopes that "
                "nobody needs, but its number is right.",
            ),
            Option(
                "B",
                "`no_grad` only stops the notes for slopes. The mode is still training, so neurons "
                "are silenced at random: `model.eval()` is missing.",
            ),
            Option("C", "`dl.evaluate` switches to evaluation, and puts the mode back."),
        ),
        right=1,
    ),
    Number(
        name="05-mean-afterwards",
        text="The pixels of some digits, from 0 to 1, have a mean of 0.13. Now they are normalised "
        "with mean 0.5 and standard deviation 0.5. What is their mean afterwards?",
        objective="normalise pixels without a trap",
        answer=lambda: (0.13 - 0.5) / 0.5,
        tolerance=0.005,
        explanation="(0.13 - 0.5) / 0.5 = -0.74. Normalising moves the mean to 0 only if the mean "
        "that is subtracted is the one that the pixels have.",
        slips=(
            (0.0, "That is so when 0.13 is subtracted. Here it is 0.5, the middle of the range."),
            (-0.37, "You subtracted; then it is divided by 0.5, which doubles it."),
            (0.74, "The sign is turned round: 0.13 lies below 0.5."),
        ),
    ),
    Choice(
        name="05-at-the-edge",
        text="A search over the weight decays 0.01, 0.1 and 1.0 ends with 0.01 as the best. What "
        "does it say?",
        objective="search for settings by validation",
        options=(
            Option(
                "0.01 is the best weight decay.",
                "It is the best of the three. It lies at the edge, so nobody knows whether a "
                "smaller one would be better still.",
            ),
            Option(
                "Nothing, since three values are too few.",
                "It says where to look: not above 0.01. Far apart, three are a good beginning.",
            ),
            Option(
                "One should look at the test digits for the three.",
                "Then the test digits choose, and none are left to judge the choice.",
            ),
            Option(
                "The best may lie below 0.01: search on, with 0.001 and 0.",
                "Where a search ends at its edge, the question is still open. It is settled when "
                "both neighbours of the best are worse, or when there is nothing beyond, as at 0.",
            ),
        ),
        right=3,
    ),
    Choice(
        name="05-a-tenth",
        text="A paper reports an error of 1.6 % on the 10 000 test digits, your network has 1.7 %. "
        "The standard error of such a number is about 0.13 points. What may you write?",
        objective="set a result beside published ones",
        options=(
            Option(
                "The paper's network is better.",
                "A tenth of a point is 10 digits of 10 000, less than one standard error: with "
                "other test digits it might well be the other way round.",
            ),
            Option(
                "The two read about equally well.",
                "The difference is smaller than what chance alone does to each number. One also "
                "says what differs: training digits, size, how settings were chosen.",
            ),
            Option(
                "Nothing: numbers of different papers cannot be compared.",
                "On the same test digits they can, if one says what differs and how exact they "
                "are.",
            ),
            Option(
                "Ours would be better with another seed, so we try until it is.",
                "The best of many tries is chosen by test, and its luck is part of the number.",
            ),
        ),
        right=1,
    ),
)
