"""Exercises and quiz of notebook 10b, How sure."""

from __future__ import annotations

import math
from functools import cache

import torch
from scipy.stats import binomtest

import digitlab as dl
from digitlab.exercises.records import (
    Choice,
    Exercise,
    Number,
    Open,
    Option,
    Wrong,
    on_real_digits,
    random_numbers,
    result_of,
)

CALIBRATED = "measure whether a model is as right as it is sure and repair it by one number"
BETTER = "say whether one model is really better than another"


# --- Let them vote ----------------------------------------------------------------------------


def vote(results):
    """Return what several models read together, by the mean of their probabilities: int64 (N,)."""
    probabilities = torch.stack([result.probabilities for result in results.values()])  # (5, N, 10)
    return probabilities.mean(dim=0).argmax(dim=1)


def _guesser(scale, seed, n=200):
    """Return the result of a model that knows a little, the surer the larger `scale`."""
    labels = torch.arange(n) % 10
    known = 2 * torch.nn.functional.one_hot(labels, 10)
    return result_of(scale * (known + random_numbers(n, 10, seed=seed)), labels)


def _ensembles():
    names = ("plain-mlp", "dropout-mlp", "three-conv")
    return {
        "three trained models on real digits": ({n: on_real_digits(n) for n in names},),
        "one loud model and two quiet ones": (
            {"loud": _guesser(9, 0), "quiet": _guesser(1, 1), "quieter": _guesser(0.5, 2)},
        ),
        "five models": ({f"model {i}": _guesser(0.5 + i / 3, 10 + i) for i in range(5)},),
        "a single model": ({"alone": _guesser(1, 3)},),
    }


def _by_logits(results):
    return torch.stack([r.logits for r in results.values()]).sum(dim=0).argmax(dim=1)


def _by_heads(results):
    return torch.stack([r.predictions for r in results.values()]).mode(dim=0).values


def _by_product(results):
    logs = [r.logits.log_softmax(dim=1) for r in results.values()]
    return torch.stack(logs).sum(dim=0).argmax(dim=1)


def _by_the_surest(results):
    return torch.stack([r.probabilities for r in results.values()]).amax(dim=0).argmax(dim=1)


def _by_confidence(results):
    return torch.stack([r.probabilities for r in results.values()]).mean(dim=0).amax(dim=1)


def _for_each_model(results):
    return torch.stack([r.probabilities for r in results.values()]).mean(dim=1).argmax(dim=1)


VOTE = Exercise(
    reference=vote,
    task="Let models vote: average their probabilities for each digit, and read the largest.",
    objective=BETTER,
    cases=_ensembles,
    changes=True,  # results are compared by identity, and made anew
    wrong=(
        Wrong(
            _by_logits,
            "You averaged logits. They have no common scale: a model with large logits outvotes "
            "the others. After softmax each model has the same weight of 1.",
        ),
        Wrong(
            _by_heads,
            "You counted heads, so a model that is 51 % sure weighs as much as one that is 99 % "
            "sure. Average the probabilities.",
        ),
        Wrong(
            _by_the_surest,
            "You took the largest probability among the models: the surest one decides alone.",
        ),
        Wrong(_by_confidence, "You returned how sure the vote is, not what it reads."),
        Wrong(
            _for_each_model,
            "You averaged over the digits, so each model gave one answer for all of them.",
        ),
    ),
    hints=(
        "For each digit and class there are five probabilities; what remains are (N, 10) means.",
        "`torch.stack` makes one tensor of the models' `probabilities`; then `mean` and `argmax`, "
        "each along one dimension.",
        "All but one blank:\nreturn probabilities.mean(dim=____).argmax(dim=1)",
    ),
    why=(
        "Stacked, the models are dimension 0, so their mean is taken there; the classes are last. "
        "Probabilities add up to 1 for each model, so none speaks louder than another."
    ),
)

# --- Is the gain real? ------------------------------------------------------------------------


def by_luck(results):
    together = torch.stack([r.probabilities for r in results.values()]).mean(dim=0).argmax(dim=1)
    best = max(results.values(), key=lambda r: r.accuracy)
    vote_right, best_right = together == best.labels, best.predictions == best.labels
    only_vote = (vote_right & ~best_right).sum().item()
    only_best = (best_right & ~vote_right).sum().item()
    return binomtest(only_vote, only_vote + only_best).pvalue if only_vote + only_best else 1.0


def _alike(n, of):
    """Return the results of models that find the same digits hard, each in its own way a little."""
    labels = torch.arange(of) % 10
    shared = 2 * torch.nn.functional.one_hot(labels, 10) + random_numbers(of, 10, seed=40)
    return {
        f"model {i}": result_of(2 * shared + random_numbers(of, 10, seed=41 + i), labels)
        for i in range(n)
    }


def _against(choose):
    def luck(results):
        probabilities = [r.probabilities for r in results.values()]
        together = torch.stack(probabilities).mean(dim=0).argmax(dim=1)
        other = choose(results)
        a, b = together == other.labels, other.predictions == other.labels
        few, many = (a & ~b).sum().item(), (b & ~a).sum().item()
        return binomtest(few, few + many).pvalue if few + many else 1.0

    return luck


_weakest = _against(lambda results: min(results.values(), key=lambda r: r.accuracy))
_first = _against(lambda results: next(iter(results.values())))


def _one_side(results):
    return by_luck(results) / 2


def _as_if_other_digits(results):
    best = max(results.values(), key=lambda r: r.accuracy)
    share = (vote(results) == best.labels).double().mean().item()
    spread = (share * (1 - share) + best.accuracy * (1 - best.accuracy)) / best.n_images
    return math.erfc(abs(share - best.accuracy) / (2 * spread) ** 0.5)


def _gain(results):
    best = max(results.values(), key=lambda r: r.accuracy)
    return (vote(results) == best.labels).double().mean().item() - best.accuracy


BY_LUCK = Exercise(
    reference=by_luck,
    task=(
        "Compare your vote with the best of the five models: how probable is a split at least as "
        "uneven by chance?"
    ),
    objective=BETTER,
    cases=lambda: {
        "five models": (_alike(5, 400),),
        "three models": (_alike(3, 1000),),
        "a single model": (_alike(1, 100),),
    },
    is_value=True,
    close=0.05,
    wrong=(
        Wrong(
            _weakest,
            "You compared with the weakest model. A vote that is better than that is no gain: you "
            "could have taken the best one.",
        ),
        Wrong(_first, "You compared with the first model, not with the best."),
        Wrong(
            _one_side,
            "You counted splits in favour of one side. Before you looked, either could have won, "
            "so both sides count: twice as many.",
        ),
        Wrong(
            _as_if_other_digits,
            "You compared two accuracies as if each had been measured on other digits. Both read "
            "the same ones; what counts are the digits that only one of them reads.",
        ),
        Wrong(_gain, "That is the gain in accuracy. How probable is such a split by chance?"),
    ),
    hints=(
        "Only digits that one of the two reads and the other does not say which is better.",
        "Compare `vote(results)` and the predictions of the best model with `valid.labels`, count "
        "both kinds, and give the two counts to `by_chance`.",
        "All but one blank:\nonly_vote = (vote_right & ____).sum().item()",
    ),
    why=(
        "Equally good models share such digits like tosses of a coin. Unless the number is very "
        "small, the gain (or the loss) is not shown to be real, however it looks in percent."
    ),
)

# --- The error of a perfect model -------------------------------------------------------------


def error_by_luck(probabilities, bins):
    """Return the calibration error if each label were drawn by the model's own probabilities."""
    labels = torch.multinomial(probabilities, 1)[:, 0]
    return dl.calibration(probabilities, labels, bins=bins).error


def _forecasts():
    return {
        "300 digits, 200 bins": (random_numbers(300, 10).mul(2).softmax(dim=1), 200),
        "300 digits, 15 bins": (random_numbers(300, 10, seed=1).mul(2).softmax(dim=1), 15),
        "3 000 digits, 50 bins": (random_numbers(3000, 10, seed=2).mul(3).softmax(dim=1), 50),
        "100 real digits, 200 bins": (on_real_digits("dropout-mlp").probabilities, 200),
    }


def _many_draws(answer, probabilities, bins):
    """Return the mean of many draws."""
    first = answer(probabilities, bins)
    try:
        return sum([float(first), *(float(answer(probabilities, bins)) for _ in range(59))]) / 60
    except (TypeError, ValueError, RuntimeError):
        return first


def _always_right(probabilities, bins):
    return dl.calibration(probabilities, probabilities.argmax(dim=1), bins=bins).error


def _dice(probabilities, bins):
    labels = torch.randint(10, (len(probabilities),))
    return dl.calibration(probabilities, labels, bins=bins).error


def _usual_bins(probabilities, bins):
    labels = torch.multinomial(probabilities, 1)[:, 0]
    return dl.calibration(probabilities, labels).error


def _one_level(probabilities, bins):
    sure, read = probabilities.max(dim=1)
    right = torch.rand(len(sure)) < sure.mean()
    return dl.calibration(probabilities, torch.where(right, read, (read + 1) % 10), bins=bins).error


ERROR_BY_LUCK = Exercise(
    reference=error_by_luck,
    task="Compute the calibration error of a model whose probabilities are all true.",
    objective=CALIBRATED,
    cases=_forecasts,
    use=_many_draws,
    close=0.12,
    wrong=(
        Wrong(
            _always_right,
            "You made the model always right. That is not calibrated: of the digits of which it is "
            "80 % sure, it has to miss two in ten.",
        ),
        Wrong(
            _dice,
            "You threw a die for each label, so the model is right one time in ten, however sure.",
        ),
        Wrong(_usual_bins, "You forgot to hand on `bins`, so there are 15 of them always."),
        Wrong(
            _one_level,
            "You drew with the mean confidence for all digits. Each digit has its own: where the "
            "model is surer, it has to be right more often.",
        ),
    ),
    hints=(
        "If its probabilities are true, then chance draws each label by these probabilities.",
        "`torch.multinomial(..., 1)` draws one class for each row, as (N, 1); then "
        "`dl.calibration(...)` with these labels.",
        "All but one blank:\nlabels = torch.multinomial(probabilities, 1)[____]",
    ),
    why=(
        "Labels that are drawn by the probabilities agree with them in the long run, so whatever "
        "error is left comes from chance in the bins. With 200 bins and 300 digits most bins hold "
        "one or two, and a share of 0 or 1 is far from any confidence in between."
    ),
)

# --- One hand or many ------------------------------------------------------------------------

WHOSE_DIGITS = Open(
    name="whose_digits",
    task="1 000 digits of 1 000 people, or 100 digits of each of ten: which judges a model better?",
    objective=BETTER,
    hints=(
        "Suppose that one of the ten people writes a 1 that your model always misses.",
        "How many of the 1 000 digits change if one person is exchanged for another?",
        "Compare the two standard errors of section 4: which of them would `sqrt(p (1 - p) / n)` "
        "fit, and in which direction is it wrong for the other?",
    ),
    points=(
        "1 000 people: a strange hand spoils one digit, so digits are nearly independent.",
        "Ten people: a strange hand may spoil many digits at once; by chance there are none or "
        "two of them among the ten.",
        "The formula with n = 1 000 promises too much for the ten people.",
        "What counts is nearer to the number of writers than to that of digits, the more so the "
        "more each writer differs.",
    ),
    model=(
        "I would take the 1 000 people. With ten people, one hand that the model cannot read costs "
        "up to a tenth of all digits, and whether such a hand is among them is chance. The formula "
        "with n = 1 000 knows nothing of that and promises too narrow a range; resampling whole "
        "people would show it. With one digit from each person digits and people are the same."
    ),
)

EXERCISES = (VOTE, BY_LUCK, ERROR_BY_LUCK, WHOSE_DIGITS)

# --- Quiz -------------------------------------------------------------------------------------


@cache
def _at_temperatures():
    """Return how right plain-mlp is where it is this sure, for three temperatures, shuffled."""
    real = dl.evaluate(dl.pretrained("plain-mlp"), dl.load("optdigits").train)
    curves = {}
    for name, temperature in {"A": 1.0, "B": 4.0, "C": 0.4}.items():
        found = dl.calibration((real.logits / temperature).softmax(dim=1), real.labels, bins=5)
        many = found.counts >= 20
        curves[name] = dict(
            zip(found.confidence[many].tolist(), found.accuracy[many].tolist(), strict=True)
        )
    return curves


def _three_curves():
    title = "One model at three temperatures, right over sure"
    x, y = dl.Axis("mean confidence", percent=True), dl.Axis("right", percent=True)
    return dl.plot_lines(_at_temperatures(), title=title, x=x, y=y)


def _least_sure():
    """Return the place of the curve that is right more often than it is sure."""
    above = [
        sum(right - sure for sure, right in curve.items()) / len(curve)
        for curve in _at_temperatures().values()
    ]
    return above.index(max(above))


PRAISED = """# cell 1
result = dl.evaluate(model, digits.test)
# cell 2
best_t = min(temperatures, key=lambda t: dl.nll(result.logits / t, result.labels).mean())
# cell 3
probabilities = (result.logits / best_t).softmax(dim=1)
# cell 4
print("on new digits:", dl.calibration(probabilities, result.labels).error)"""

QUIZ = (
    Choice(
        name="10b-which-temperature",
        text=(
            "These are real curves of one model, `plain-mlp` on digits from elsewhere, its logits "
            "divided by T = 0.4, by 1 and by 4. Which one belongs to T = 4?"
        ),
        objective=CALIBRATED,
        figure=_three_curves,
        options=(
            Option(
                "A",
                "A lies a little below the diagonal: as trained, too sure. T = 4 would have moved "
                "it to lower confidences.",
            ),
            Option(
                "B",
                "A large T makes probabilities more even, so the model says 50 % where it is right "
                "far more often. The digits that it reads are the same.",
            ),
            Option(
                "C",
                "C is right least often for how sure it is: dividing by 0.4 makes logits larger, "
                "and the model surer still.",
            ),
        ),
        right=_least_sure,
    ),
    Choice(
        name="10b-which-cell",
        text="Somebody reports this number. Which cell makes it too good?",
        objective=CALIBRATED,
        code=PRAISED,
        options=(
            Option(
                "cell 1",
                "The temperature is chosen and praised on the same digits. Here it has to be "
                "digits.valid; the test digits come in cell 4, and only there.",
            ),
            Option(
                "cell 2",
                "To choose by the negative log likelihood is right; the question is on which "
                "digits, and that was decided above.",
            ),
            Option("cell 3", "So temperature scaling is done: divide the logits, then softmax."),
            Option(
                "cell 4",
                "The formula is right. That these are no *new* digits was decided earlier.",
            ),
        ),
        right=0,
    ),
    Choice(
        name="10b-many-bins",
        text=(
            "On 300 digits a model has a calibration error of 2 % with 15 bins and of 9 % with "
            "200. What follows?"
        ),
        objective=CALIBRATED,
        options=(
            Option(
                "it is badly calibrated; few bins hid it",
                "Too few bins can hide something, but first ask what a perfect model would get: "
                "with one or two digits in a bin, about as much.",
            ),
            Option(
                "200 bins measure more precisely, so 9 % is nearer to the truth",
                "Finer is not more precise: the share of right ones among two digits is 0, 50 or "
                "100 %, whatever the model is like.",
            ),
            Option(
                "most bins hold one or two digits, so chance makes the error large",
                "The distance is taken without its sign, so chance never cancels. "
                "The exercise with labels drawn by the model's own probabilities shows how much.",
            ),
        ),
        right=2,
    ),
    Number(
        name="10b-standard-error",
        text=(
            "A model reads 96 % of 300 test digits. Within how many percentage points of its true "
            "accuracy is that, 95 times of 100? (two standard errors)"
        ),
        objective=BETTER,
        answer=lambda: 100 * 2 * (0.96 * 0.04 / 300) ** 0.5,
        explanation=(
            "The square root of 0.96 · 0.04 / 300 is 1.13 %; twice that is 2.3 points. Models that "
            "differ by one point here need not differ at all."
        ),
        tolerance=0.05,
        slips=(
            (1.13, "That is one standard error; about 95 of 100 lie within two."),
            (0.0256, "The square root is missing."),
            (0.39, "That would be 10 000 digits. With 300 chance has more room."),
        ),
        unit="points",
    ),
    Choice(
        name="10b-which-is-better",
        text=(
            "On the same 10 000 digits A reads 98.0 % and B 97.9 %. 72 digits are read by A alone, "
            "59 by B alone; so uneven a split comes up by chance in 29 of 100 cases. What can you "
            "say?"
        ),
        objective=BETTER,
        options=(
            Option(
                "A is better: it reads more of the same digits",
                "It did so this time. Equally good models would differ as much in 29 of 100 cases.",
            ),
            Option(
                "with 71 % probability A is better",
                "29 % is not how probable it is that they are equal; it is how often equal models "
                "look like this.",
            ),
            Option(
                "they are equally good",
                "That is not shown either: a small true difference would look like this, too.",
            ),
            Option(
                "these digits do not show which one is better",
                "Count more digits, and other seeds of both recipes: what is compared here are two "
                "trainings, not two recipes.",
            ),
        ),
        right=3,
    ),
    Choice(
        name="10b-one-hand",
        text=(
            "Somebody tests a model on 5 000 digits from five colleagues and reports 97 % +- 0.5 "
            "points, by the formula. What is wrong with it?"
        ),
        objective=BETTER,
        options=(
            Option(
                "nothing: 5 000 digits are many",
                "They are many digits but only five hands. Five other colleagues could give a "
                "much larger difference than half a point.",
            ),
            Option(
                "the range is too narrow: digits of one hand are right or wrong together",
                "The formula takes each digit for a new toss of the coin. Exchange whole "
                "people, and the accuracy varies more.",
            ),
            Option(
                "the range is too wide: digits of one hand are alike",
                "Because they are alike, a further digit from the same hand tells less "
                "that is new, so the accuracy is known less well.",
            ),
        ),
        right=1,
    ),
)
