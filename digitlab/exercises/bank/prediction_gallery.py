"""Exercises and quiz of notebook 10, Prediction gallery."""

from __future__ import annotations

import torch

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

CONFUSION = "read a confusion matrix by recall and precision"
LABELS = "tell a model's mistake from a wrong label"
COST = "choose a threshold by what mistakes cost"


def _guesser(scale, seed, n=600):
    """Return the result of a model that knows a little, the surer the larger `scale`."""
    labels = torch.arange(n) % 10
    known = 4 * torch.nn.functional.one_hot(labels, 10)
    return result_of(scale * (known + random_numbers(n, 10, seed=seed)), labels)


# --- Refuse when in doubt ---------------------------------------------------------------------


def lowest_threshold(result, most_wrong=0.001):
    """Return the lowest confidence from which on at most a share `most_wrong` is wrong.

    Counted are all digits of which the model is at least as sure.
    """
    sure, read = result.probabilities.double().max(dim=1)
    wrong = (read != result.labels).double()
    for threshold in sure.sort().values:
        if wrong[sure >= threshold].mean() <= most_wrong:
            return threshold.item()


def _sure(confidences, mistakes):
    """Return the result of a model that is so sure, and wrong at these places."""
    sure = torch.tensor(confidences, dtype=torch.float64)
    probabilities = ((1 - sure) / 9)[:, None].repeat(1, 10)
    places = torch.arange(len(sure)) % 10
    probabilities[torch.arange(len(sure)), places] = sure
    labels = places.clone()
    labels[list(mistakes)] = (labels[list(mistakes)] + 1) % 10
    return result_of(probabilities.log(), labels)


def _doubtful():
    real = on_real_digits("plain-mlp")
    ten = (0.913, 0.317, 0.833, 0.971, 0.523, 0.627, 0.953, 0.763, 0.463, 0.687)
    many = [0.3 + 0.0169 * i for i in range(41)]
    return {
        "ten digits, none may be wrong": (_sure(ten, (1, 4, 7)), 0.0),
        "ten digits, a quarter may be wrong": (_sure(ten, (0, 4, 8)), 0.25),
        "the surest but one is wrong": (_sure(ten, (6,)), 0.2),
        "exactly the share that is allowed": (_sure(ten, (0, 8)), 0.2),
        "no mistake at all": (_sure(ten, ()), 0.1),
        "41 digits, 1 of 1000": (_sure(many, (2, 5, 11)),),
        "300 real digits": (result_of(real.logits / 4, real.labels), 0.02),
    }


def _accepted(answer, result, most_wrong=0.001):
    """Return how many digits a threshold accepts, so that it may lie between two digits."""
    threshold = answer(result) if most_wrong == 0.001 else answer(result, most_wrong)
    try:
        threshold = float(threshold)
    except (TypeError, ValueError, RuntimeError):
        return threshold
    sure = result.logits.double().softmax(dim=1).amax(dim=1)
    return {"digits that your threshold accepts": (sure >= threshold - 1e-6).sum().item()}


def _each_threshold(holds):
    """Return an answer that takes the lowest threshold at which something holds."""

    def lowest(result, most_wrong=0.001):
        sure, read = result.logits.double().softmax(dim=1).max(dim=1)
        wrong = (read != result.labels).double()
        good = [t.item() for t in sure.sort().values if holds(wrong, sure, t, most_wrong)]
        return min(good, default=1.0)

    return lowest


_of_all = _each_threshold(lambda wrong, sure, t, most: wrong[sure >= t].sum() <= most * len(wrong))
_without_itself = _each_threshold(
    lambda wrong, sure, t, most: wrong[sure > t].sum() <= most * (sure > t).sum()
)
_of_refused = _each_threshold(
    lambda wrong, sure, t, most: wrong[sure < t].sum() <= most * (sure < t).sum()
)


def _first_break(result, most_wrong=0.001):
    sure, read = result.logits.double().softmax(dim=1).max(dim=1)
    order = sure.argsort(descending=True)
    wrong = (read != result.labels)[order].double()
    found, n_wrong = 1.0, 0.0
    for n, (confidence, is_wrong) in enumerate(zip(sure[order], wrong, strict=True), 1):
        n_wrong += is_wrong.item()
        if n_wrong / n > most_wrong:
            break
        found = confidence.item()
    return found


def _surest_mistake(result, most_wrong=0.001):
    sure, read = result.logits.double().softmax(dim=1).max(dim=1)
    missed = sure[read != result.labels]
    return missed.max().item() + 1e-5 if len(missed) else 0.0


def _believed(result, most_wrong=0.001):
    return 1 - most_wrong


LOWEST_THRESHOLD = Exercise(
    reference=lowest_threshold,
    task="Find the lowest threshold at which at most 1 of 1 000 accepted digits is wrong.",
    objective=COST,
    cases=_doubtful,
    changes=True,
    use=_accepted,
    wrong=(
        Wrong(
            _of_all,
            "You divided the mistakes by all digits. Promised is a share of those that are "
            "*accepted*: whoever refuses nearly all would keep your promise with any mistakes.",
        ),
        Wrong(
            _first_break,
            "You went down from the surest digit and stopped at the first break. One mistake among "
            "few digits breaks the promise, but after more right ones it holds again.",
        ),
        Wrong(
            _without_itself,
            "You left out the digit at the threshold when you counted: a confidence *equal* to the "
            "threshold is accepted.",
        ),
        Wrong(
            _surest_mistake,
            "You went above the surest mistake, so that none is left. Some are allowed.",
        ),
        Wrong(
            _believed,
            "You believed the model: 99.9 % sure need not be right 999 times of 1 000. Count.",
        ),
        Wrong(_of_refused, "You counted the mistakes among the digits that are refused."),
    ),
    hints=(
        "Only the confidences that occur have to be tried, and the lowest that passes wins.",
        "For one threshold: `accepted = sure >= threshold`, and then the mean of what is wrong "
        "among `accepted`. Confidence and class come from `probabilities` by `max(dim=1)`.",
        "All but one blank:\nif wrong[____].mean() <= most_wrong:",
    ),
    why=(
        "From the least sure digit upwards, the first threshold that keeps the promise is the "
        "lowest. The share is not a falling line: a sure mistake can break the promise above a "
        "threshold that keeps it, which is why it is not enough to walk down from the top."
    ),
)

# --- The cheapest threshold --------------------------------------------------------------------


def cheapest(result):
    sure, read = result.probabilities.double().max(dim=1)
    wrong = read != result.labels
    costs = {}
    for t in range(101):
        refused = sure < t / 100
        costs[t / 100] = (refused.sum() + 50 * (wrong & ~refused).sum()).item()
    return min(costs, key=lambda threshold: costs[threshold])


def _bill(sure, wrong, threshold, mistake=50, refusal=1):
    refused = sure < threshold
    return (refusal * refused.sum() + mistake * (wrong & ~refused).sum()).item()


def _certain_but_one(n=80):
    """Return the result of a model that is 100 % sure of all but one digit, and misreads that."""
    labels = torch.arange(n) % 10
    logits = 1000.0 * torch.nn.functional.one_hot(labels, 10).double()
    logits[0, 0] = 8.0  # confidence 0.997
    labels[0] = 1
    return result_of(logits, labels)


def _sure_and_wrong(result):
    sure, read = result.probabilities.double().max(dim=1)  # as the answer sees them, rounding too
    return sure, read != result.labels


def _what_it_costs(value, result):
    """Return the bill of a threshold, so that any of the cheapest ones is right."""
    try:
        threshold = float(value)
    except (TypeError, ValueError, RuntimeError):
        return value
    sure, wrong = _sure_and_wrong(result)
    return {"cost of your threshold": _bill(sure, wrong, threshold)}


def _grid_best(bill):
    def best(result):
        sure, wrong = _sure_and_wrong(result)
        return min((t / 100 for t in range(101)), key=lambda t: bill(sure, wrong, t))

    return best


_turned_round = _grid_best(lambda sure, wrong, t: _bill(sure, wrong, t, mistake=1, refusal=50))


def _mistakes_alone(result):
    return 1.01


def _as_it_says(result):
    return 1 - 1 / 50


CHEAPEST = Exercise(
    reference=cheapest,
    task="Find the threshold of `dropout-mlp` with the lowest cost.",
    objective=COST,
    cases=lambda: {
        "600 digits": (_guesser(1.2, 20),),
        "a model that is hardly ever sure": (_guesser(0.6, 21),),
        "a model that is often sure": (_guesser(3, 22),),
        "1 000 digits": (_guesser(1, 23, n=1000),),
        "two mistakes among 101 doubtful digits": (_sure([0.605] * 101 + [0.905] * 40, (3, 70)),),
        "two mistakes among 99 doubtful digits": (_sure([0.605] * 99 + [0.905] * 40, (3, 70)),),
        "one mistake, all others as sure as can be": (_certain_but_one(),),
    },
    is_value=True,
    use=_what_it_costs,
    wrong=(
        Wrong(
            _as_it_says,
            "You believed the model: where it is exactly 98 % sure, a mistake would cost as much "
            "as a person. That holds only if it is as right as it is sure. Count on digits.",
        ),
        Wrong(
            _mistakes_alone,
            "You counted the mistakes alone. Whoever refuses every digit makes none, and pays for "
            "each of them.",
        ),
        Wrong(
            _turned_round,
            "You exchanged the prices: 50 is for a digit that is accepted and wrong, 1 for one "
            "that a person reads.",
        ),
    ),
    hints=(
        "A threshold has one bill: what is refused, and what is accepted and wrong.",
        "Write the bill of one threshold first; then take the threshold with the lowest bill among "
        "`[t / 100 for t in range(101)]`.",
        "All but one blank:\ncost = (refused.sum() + 50 * (wrong & ____).sum()).item()",
    ),
    why=(
        "Smoothed labels keep `dropout-mlp` from ever being as sure as 98 %, so a threshold "
        "reckoned from the prices alone would refuse every digit. The bill is counted on digits, "
        "and needs no promise about what the probabilities mean."
    ),
)

# --- Kept on other digits? --------------------------------------------------------------------

KEPT_PROMISE = Open(
    name="kept_promise",
    task="Does the promise of your threshold, 1 wrong of 1 000, hold on the test digits?",
    objective=COST,
    hints=(
        "Choose with validation digits, count with test digits: what must not change in between?",
        "`sure >= lowest_threshold(results[name])` on `tests[name]`; count the accepted and those "
        "among them that are wrong. Do it for `plain-mlp` and `three-conv`.",
        "How many mistakes does the promise allow, and by how many may chance move such a number? "
        "Its standard error is about its square root.",
    ),
    points=(
        "The threshold stays that of the validation digits; on these the promise holds because it "
        "was chosen so.",
        "On other digits the share is another number, larger or smaller.",
        "It is a matter of a few mistakes, so chance alone moves it by a third or more.",
        "`plain-mlp` has to refuse far more digits than `three-conv` for the same promise.",
    ),
    model=(
        "On validation digits the promise holds by construction: the threshold is the lowest that "
        "just keeps it there. On MNIST's test digits `plain-mlp` misreads 10 of 8 346 accepted "
        "ones, a little more than promised, and `three-conv` 6 of 9 619, less. Neither is a "
        "surprise: the promise allows 8 and 9 mistakes, and chance moves such a number by about 3 "
        "either way. `plain-mlp` pays for its promise with 17 of 100 digits that it refuses, "
        "`three-conv` with 4. To a bank I would promise 2 in 1 000, or measure on many more digits."
    ),
)

EXERCISES = (LOWEST_THRESHOLD, CHEAPEST, KEPT_PROMISE)

# --- Quiz -------------------------------------------------------------------------------------


def _precision_of_4():
    truth = torch.tensor([4] * 50 + [9] * 50)
    read = torch.tensor([4] * 40 + [9] * 10 + [4] * 8 + [9] * 42)
    return 100 * dl.recall(truth, read)[4].item()


QUIZ = (
    Number(
        name="10-precision",
        text=(
            "Of 50 fours, 40 were read as 4 and 10 as 9. Of 50 nines, 42 were read as 9 and 8 as "
            "4. What is the precision of the 4?"
        ),
        objective=CONFUSION,
        answer=_precision_of_4,
        explanation="48 digits were read as 4, and 40 of them are a 4: 83.3 %.",
        tolerance=0.1,
        slips=(
            (80, "That is its recall: of the digits that *are* a 4. Begin with what was *read*."),
            (84, "That is the recall of the 9."),
            (82, "That is the accuracy: 82 of 100 digits were read correctly."),
        ),
        unit="%",
    ),
    Choice(
        name="10-two-ways",
        text="A model's recall of the 8 is 99 %, its precision only 80 %. What does it do?",
        objective=CONFUSION,
        options=(
            Option(
                "it misses many eights",
                "Then its recall would be low: of the digits that are an 8, it reads nearly all.",
            ),
            Option(
                "it says 8 too often",
                "It catches nearly all eights, and with them other digits: one in five of what it "
                "calls an 8 is none. In the matrix, the column of the 8 is too full.",
            ),
            Option(
                "it is too sure of its eights",
                "Recall and precision only know what was read, not how sure the model was.",
            ),
        ),
        right=1,
    ),
    Choice(
        name="10-whose-fault",
        text=(
            "Under a digit stands the label 5; the model reads 3 with 99.9 %. What do you do with "
            "this test digit?"
        ),
        objective=LABELS,
        options=(
            Option(
                "change its label to 3: the model is surer than any person",
                "Then the model marks its own work. A calibrated model is wrong in one of a "
                "thousand such cases, and an overconfident one more often.",
            ),
            Option(
                "take it out of the test split",
                "Whoever takes out what the model misses, and leaves what it happens to get right "
                "by a wrong label, makes the accuracy look better than it is.",
            ),
            Option(
                "nothing to ask: the label is the truth, so the model is wrong",
                "About 15 of MNIST's 10 000 test labels are wrong, and they are found just here: "
                "among the mistakes of which a good model is sure.",
            ),
            Option(
                "look at it, best without seeing what the model says",
                "Only the picture can tell whose fault it is. And to repair labels honestly you "
                "would have to look at those that agree with the model, too.",
            ),
        ),
        right=3,
    ),
    Number(
        name="10-break-even",
        text=(
            "A misread digit costs 40, a digit that a person reads costs 1. Of the digits of which "
            "your model is 90 % sure, it reads 99 % correctly. What does one of them cost on "
            "average, if you accept them all?"
        ),
        objective=COST,
        answer=lambda: 40 * (1 - 0.99),
        explanation="One in a hundred is wrong and costs 40: 0.4 for each digit, less than 1.",
        tolerance=0.005,
        slips=(
            (4, "You counted with how sure the model is. What you pay for is how often it errs."),
            (1, "That is the price of a digit that is refused."),
            (40, "That is the price of each mistake; but only one digit in a hundred is one."),
        ),
    ),
    Choice(
        name="10-dearer-mistakes",
        text="Misread digits become twice as expensive. What happens to the cheapest threshold?",
        objective=COST,
        options=(
            Option(
                "it rises, or stays where it is",
                "A mistake that is avoided is worth more, so more digits are handed to a person.",
            ),
            Option(
                "it falls",
                "A lower threshold accepts more digits, and more mistakes among them.",
            ),
            Option(
                "it does not depend on the price: the model is as sure as before",
                "The model is the same, but what one wants of it is not: at a price of 0 "
                "nobody would refuse a digit.",
            ),
        ),
        right=0,
    ),
)
