"""Exercises and quiz of notebook 13, Fast and accurate."""

from __future__ import annotations

from itertools import chain, cycle, repeat
from statistics import mean, median

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

# --- A fair stopwatch ---------------------------------------------------------------------------


def fair_seconds(work, wait, clock, repeats):
    """Return the median seconds of `work()`, measured `repeats` times after one warm-up.

    `work()` may only begin something: `wait()` returns when all that was begun is done.
    `clock()` tells the time in seconds.
    """
    work()
    wait()
    seconds = []
    for _ in range(repeats):
        start = clock()
        work()
        wait()
        seconds.append(clock() - start)
    return median(seconds)


class _Machine:
    """A machine whose clock goes on only while it works or is waited for: 1, 2 or 50 seconds."""

    def __init__(self, first=30.0, hiccup=50.0, begins_only=True):
        steady = cycle([2.0, 2.0, hiccup, 2.0, 1.0])
        self.durations = chain([first], repeat(2.0, 4), steady)
        self.begins_only, self.now, self.begun = begins_only, 1000.0, 0.0

    def work(self):
        self.now += 0.1
        self.begun += next(self.durations)
        if not self.begins_only:
            self.wait()

    def wait(self):
        self.now += self.begun
        self.begun = 0.0

    def clock(self):
        return self.now


def _measured(answer, machine, repeats):
    return answer(machine.work, machine.wait, machine.clock, repeats)


def _machines():
    return {
        "an accelerator, 9 repeats": (_Machine(), 9),
        "a processor, which only returns when it is done": (_Machine(begins_only=False), 9),
        "a single repeat": (_Machine(), 1),
        "an accelerator that is busy with something else at times": (_Machine(hiccup=500.0), 15),
    }


def _no_warm_up(work, wait, clock, repeats):
    seconds = []
    for _ in range(repeats):
        start = clock()
        work()
        wait()
        seconds.append(clock() - start)
    return median(seconds)


def _not_waited(work, wait, clock, repeats):
    work()
    wait()
    seconds = []
    for _ in range(repeats):
        start = clock()
        work()
        seconds.append(clock() - start)
    return median(seconds)


def _warm_up_not_waited(work, wait, clock, repeats):
    work()
    seconds = []
    for _ in range(repeats):
        start = clock()
        work()
        wait()
        seconds.append(clock() - start)
    return median(seconds)


def _mean_of_all(work, wait, clock, repeats):
    work()
    wait()
    start = clock()
    for _ in range(repeats):
        work()
        wait()
    return (clock() - start) / repeats


def _luckiest(work, wait, clock, repeats):
    work()
    wait()
    seconds = []
    for _ in range(repeats):
        start = clock()
        work()
        wait()
        seconds.append(clock() - start)
    return min(seconds)


FAIR_SECONDS = Exercise(
    reference=fair_seconds,
    task="Write a stopwatch that is fair: a warm-up, waiting for the end, the median of several.",
    objective="say where the seconds of a training go",
    cases=_machines,
    use=_measured,
    changes=True,
    wrong=(
        Wrong(
            _no_warm_up,
            "Your first measurement counts. It pays for all that happens only once: memory is "
            "fetched, kernels are chosen or compiled.",
        ),
        Wrong(
            _not_waited,
            "You stop the clock when the work has *begun*: an accelerator goes on computing after "
            "the call has returned. Wait before you read the clock.",
        ),
        Wrong(
            _warm_up_not_waited,
            "You did not wait for the warm-up: its end falls into the first measurement.",
        ),
        Wrong(
            _mean_of_all,
            "You took the mean: a single hiccup, when the computer does something else, moves it. "
            "The median does not mind.",
        ),
        Wrong(
            _luckiest,
            "You took the shortest: that is the luckiest of several, and the more repeats, the "
            "luckier.",
        ),
    ),
    hints=(
        "What happens once only must not count, nothing may be half done when the clock is read, "
        "and one slow run must not decide.",
        "In the loop: `clock()`, `work()`, `wait()`, and `clock()` again. `median` of the list at "
        "the end.",
        "All but one blank:\n"
        "work()\n"
        "wait()\n"
        "seconds = []\n"
        "for _ in range(repeats):\n"
        "    start = clock()\n"
        "    work()\n"
        "    ____\n"
        "    seconds.append(clock() - start)\n"
        "return median(seconds)",
    ),
    why=(
        "The warm-up pays for what happens once, and waiting makes the clock tell the work instead "
        "of the order to do it. The median of several is what usually happens, whatever one "
        "hiccup cost."
    ),
)

# --- Parameters on paper ------------------------------------------------------------------------


def count_small(channels, pools):
    """Return how many parameters a network on squares of 2 x 2 pixels has, by counting.

    Like `small` in section 6: for each convolution of 3 x 3, without bias and with batch norm,
    `channels` has how many channels it gives, and `pools` whether the sides are halved after it.
    """
    n, n_in, side = 0, 4, 14
    for n_out, pool in zip(channels, pools, strict=True):
        n += 3 * 3 * n_in * n_out + 2 * n_out
        n_in = n_out
        if pool:
            side //= 2
    return n + (n_in * side * side + 1) * 10


def _networks():
    return {
        "the small network of section 6": ((10, 20, 20), (True, False, True)),
        "one convolution": ((6,), (True,)),
        "no pooling": ((3, 5), (False, False)),
        "pooling three times: 14, 7, 3, 1": ((8, 8, 16), (True, True, True)),
        "a list of eight convolutions": ([2, 3, 4, 5, 6, 7, 8, 9], [False, True] * 4),
    }


def _off_by(of_convolution, of_head):
    """Return a count with so much more for each convolution and for the last layer."""

    def wrong(channels, pools):
        n, n_in, side = count_small(channels, pools), 4, 14
        for n_out, pool in zip(channels, pools, strict=True):
            n += of_convolution(n_in, n_out)
            n_in, side = n_out, side // 2 if pool else side
        return n + of_head(n_in, side)

    return wrong


def _grey_pixels(channels, pools):
    return count_small(channels, pools) - 9 * 3 * channels[0]


_biases_too = _off_by(lambda n_in, n_out: n_out, lambda n_in, side: 0)
_one_number_a_norm = _off_by(lambda n_in, n_out: -n_out, lambda n_in, side: 0)
_no_kernel = _off_by(lambda n_in, n_out: -8 * n_in * n_out, lambda n_in, side: 0)
_one_place = _off_by(lambda n_in, n_out: 0, lambda n_in, side: -10 * n_in * (side * side - 1))
_no_bias_at_the_end = _off_by(lambda n_in, n_out: 0, lambda n_in, side: -10)


COUNT_SMALL = Exercise(
    reference=count_small,
    task="Count the parameters of a small network before you build it.",
    objective="judge a record: how fast, how accurate, how small, and how honest",
    cases=_networks,
    wrong=(
        Wrong(
            _biases_too,
            "You gave the convolutions a bias. Batch norm follows each of them and has one of its "
            "own, so they need none.",
        ),
        Wrong(
            _one_number_a_norm,
            "Batch norm has two numbers that learn for each channel, a factor and an addend; you "
            "counted one.",
        ),
        Wrong(
            _no_kernel,
            "You counted one weight for each pair of channels; a kernel of 3 x 3 has nine.",
        ),
        Wrong(
            _one_place,
            "The linear layer has a weight for each channel *at each place* that pooling leaves; "
            "you counted each channel once.",
        ),
        Wrong(_no_bias_at_the_end, "The last layer has ten biases, one for each class."),
        Wrong(
            _grey_pixels,
            "The first convolution gets four channels, one for each pixel of a square of 2 x 2; "
            "you gave it one.",
        ),
    ),
    hints=(
        "Walk through the layers and keep three numbers: the sum so far, how many channels come "
        "in, and how many places a side has.",
        "`zip(channels, pools)` gives both for each convolution; `side // 2` halves and rounds "
        "down.",
        "All but one blank:\n"
        "n, n_in, side = 0, 4, 14\n"
        "for n_out, pool in zip(channels, pools, strict=True):\n"
        "    n += ____\n"
        "    n_in = n_out\n"
        "    if pool:\n"
        "        side //= 2\n"
        "return n + (n_in * side * side + 1) * 10",
    ),
    why=(
        "Each pair of channels has a kernel of nine weights, each channel two numbers of batch "
        "norm, and the last layer a weight for each channel at each place and ten biases. The "
        "number of places a convolution visits costs time, never parameters; it counts in the "
        "linear layer only."
    ),
)

# --- Does it pay? -------------------------------------------------------------------------------


def worth_it(tried):
    usual = tried["fast: as it is"]
    time_limit = 0.9 * median(row["seconds"] for row in usual)
    lowest = min(row["valid_accuracy"] for row in usual)
    return [
        name
        for name, seeds in tried.items()
        if median(row["seconds"] for row in seeds) < time_limit
        and mean(row["valid_accuracy"] for row in seeds) >= lowest
    ]


def _tries(seconds, accuracies):
    return [{"seconds": s, "valid_accuracy": a} for s, a in zip(seconds, accuracies, strict=True)]


def _logs():
    log: dict[str, list[dict[str, float]]] = {}
    for row in dl.results(study="tricks"):
        log.setdefault(row["recipe"], []).append(row)
    usual = _tries([2.0, 2.2, 9.0], [0.98, 0.984, 0.981])
    return {
        "the log of section 3": (log,),
        "quick and bad, slow and good": (
            {
                "fast: as it is": usual,
                "fast: quick and bad": _tries([1.0, 1.0, 1.1], [0.979, 0.979, 0.9799]),
                "fast: slow and good": _tries([4.0, 4.0, 4.1], [0.99, 0.99, 0.99]),
                "fast: quick with one hiccup": _tries([1.0, 1.1, 30.0], [0.979, 0.984, 0.982]),
                "fast: quick, once lucky": _tries([1.0, 1.1, 1.0], [0.97, 0.99, 0.975]),
                "fast: hardly quicker": _tries([2.0, 1.99, 2.1], [0.99, 0.99, 0.99]),
                "fast: the mean is quick": _tries([0.1, 2.2, 2.2], [0.98, 0.98, 0.98]),
            },
        ),
        "exactly at both limits": (
            {
                "fast: as it is": _tries([10.0], [0.75]),
                "fast: as good, a tenth quicker": _tries([9.0], [0.9]),
                "fast: a little quicker still": _tries([8.9], [0.75]),
            },
        ),
    }


def _short_names(names, tried):
    names = [names] if isinstance(names, str) else names
    return sorted(str(name).removeprefix("fast: ") for name in names)


def _chosen(tried, quick, good):
    usual = tried["fast: as it is"]
    return [name for name, tries in tried.items() if quick(tries, usual) and good(tries, usual)]


def _column(rows, name):
    return [row[name] for row in rows]


def _is_quick(tries, usual):
    return median(_column(tries, "seconds")) < 0.9 * median(_column(usual, "seconds"))


def _is_good(tries, usual):
    return mean(_column(tries, "valid_accuracy")) >= min(_column(usual, "valid_accuracy"))


def _only_quick(tried):
    return _chosen(tried, _is_quick, lambda tries, usual: True)


def _only_good(tried):
    return _chosen(tried, lambda tries, usual: True, _is_good)


def _above_the_mean(tried):
    def good(tries, usual):
        return mean(_column(tries, "valid_accuracy")) > mean(_column(usual, "valid_accuracy"))

    return _chosen(tried, _is_quick, good)


def _mean_seconds(tried):
    def quick(tries, usual):
        return mean(_column(tries, "seconds")) < 0.9 * mean(_column(usual, "seconds"))

    return _chosen(tried, quick, _is_good)


def _best_seed(tried):
    def good(tries, usual):
        return max(_column(tries, "valid_accuracy")) >= min(_column(usual, "valid_accuracy"))

    return _chosen(tried, _is_quick, good)


WORTH_IT = Exercise(
    reference=worth_it,
    is_value=True,
    task="Name the tricks that save more than a tenth of the time and lose nothing that shows.",
    objective="measure whether a trick pays on your own computer",
    cases=_logs,
    use=_short_names,
    wrong=(
        Wrong(
            _only_quick,
            "You looked at the time alone. A trick that is quick because it learns less is no "
            "bargain.",
        ),
        Wrong(
            _only_good,
            "You looked at accuracy alone; asked are those that save more than a tenth of the "
            "time as well.",
        ),
        Wrong(
            _above_the_mean,
            "You asked for a higher mean than `as it is`. Its own seeds differ, so a mean within "
            "what they reach has lost nothing that shows.",
        ),
        Wrong(
            _mean_seconds,
            "You took the mean of the seconds: one training that was disturbed decides it. Take "
            "the median.",
        ),
        Wrong(
            _best_seed,
            "You compared the best seed of a trick: the best of several is lucky. Take the mean.",
        ),
    ),
    hints=(
        "Two conditions on each row of the log, both measured against the row `as it is`.",
        "`median` of the seconds against 0.9 times that of `as it is`; `mean` of the accuracies "
        "against the lowest seed of `as it is`.",
        "All but one blank:\n"
        'usual = tried["fast: as it is"]\n'
        'time_limit = 0.9 * median(row["seconds"] for row in usual)\n'
        "lowest = ____\n"
        "worth_it = [\n"
        "    name\n"
        "    for name, seeds in tried.items()\n"
        '    if median(row["seconds"] for row in seeds) < time_limit\n'
        '    and mean(row["valid_accuracy"] for row in seeds) >= lowest\n'
        "]",
    ),
    why=(
        "A trick pays if both columns say so, and each is compared with how much the usual runs "
        "differ among themselves. The median keeps one disturbed training from deciding."
    ),
)

# --- A step with a teacher ----------------------------------------------------------------------


def step_with_teacher(student, teachers, optimizer, images):
    """Let a student learn from what its teachers say together, without labels; return the loss.

    What they say together is the mean of their probabilities.
    """
    with torch.no_grad():
        said = torch.stack([teacher(images).softmax(dim=1) for teacher in teachers])
    optimizer.zero_grad()
    loss = F.cross_entropy(student(images), said.mean(dim=0))
    loss.backward()
    optimizer.step()
    return loss.item()


def _linear(seed, strength=1.0):
    last = nn.Linear(28 * 28, 10)
    last.weight.data = strength * 0.1 * random_numbers(10, 28 * 28, seed=seed)
    last.bias.data = random_numbers(10, seed=seed + 100)
    return nn.Sequential(nn.Flatten(), last)


def _lesson(student, teachers, pixels):
    return student, teachers, torch.optim.SGD(student.parameters(), lr=0.5), pixels


def _lessons():
    images, _ = real_digits(20)
    pixels = dl.as_pixels(images)
    very_sure = [_linear(6, 5.0), *(_linear(seed, 0.3) for seed in range(7, 11))]
    return {
        "two teachers": _lesson(_linear(0), [_linear(1), _linear(2)], pixels),
        "one teacher": _lesson(_linear(3), [_linear(4, 0.2)], pixels[:7]),
        "five teachers, one of them very sure": _lesson(_linear(5), very_sure, pixels[3:]),
        "a student that says the same as its teacher": _lesson(
            _linear(2), [_linear(2)], pixels[:5]
        ),
    }


def _two_steps(answer, student, teachers, optimizer, images):
    """Return what two steps give: old slopes only show in the second."""
    losses = [answer(student, teachers, optimizer, images) for _ in range(2)]
    if losses[0] is None:
        return None
    return {"losses": losses, "weights after": student[1].weight, "biases": student[1].bias}


def _learn(student, optimizer, images, target):
    optimizer.zero_grad()
    loss = F.cross_entropy(student(images), target)
    loss.backward()
    optimizer.step()
    return loss.item()


@torch.no_grad()
def _said(teachers, images):
    return torch.stack([teacher(images) for teacher in teachers])


def _hard(student, teachers, optimizer, images):
    target = _said(teachers, images).softmax(dim=2).mean(dim=0).argmax(dim=1)
    return _learn(student, optimizer, images, target)


def _votes(student, teachers, optimizer, images):
    votes = F.one_hot(_said(teachers, images).argmax(dim=2), 10).float().mean(dim=0)
    return _learn(student, optimizer, images, votes)


def _mean_logits(student, teachers, optimizer, images):
    return _learn(student, optimizer, images, _said(teachers, images).mean(dim=0).softmax(dim=1))


def _logits_as_target(student, teachers, optimizer, images):
    return _learn(student, optimizer, images, _said(teachers, images).mean(dim=0))


def _softmax_twice(student, teachers, optimizer, images):
    target = _said(teachers, images).softmax(dim=2).mean(dim=0)
    return _learn(lambda x: student(x).softmax(dim=1), optimizer, images, target)


def _old_slopes(student, teachers, optimizer, images):
    target = _said(teachers, images).softmax(dim=2).mean(dim=0)
    loss = F.cross_entropy(student(images), target)
    loss.backward()
    optimizer.step()
    return loss.item()


def _summed(student, teachers, optimizer, images):
    return _learn(student, optimizer, images, _said(teachers, images).softmax(dim=2).sum(dim=0))


STEP_WITH_TEACHER = Exercise(
    reference=step_with_teacher,
    task="Let one network learn from the probabilities of an ensemble, without labels.",
    objective="judge a record: how fast, how accurate, how small, and how honest",
    cases=_lessons,
    use=_two_steps,
    changes=True,
    wrong=(
        Wrong(
            _hard,
            "You gave the student the class that the teachers find most probable: that is a label "
            "again. What they know besides, that this 4 looks a little like a 9, is in their "
            "probabilities.",
        ),
        Wrong(
            _votes,
            "You let each teacher vote for one class. How sure each of them is gets lost; average "
            "their probabilities.",
        ),
        Wrong(
            _mean_logits,
            "You averaged logits, then took softmax: a teacher with large logits outvotes all "
            "others. Softmax first, then the mean.",
        ),
        Wrong(
            _logits_as_target,
            "You gave logits as the target; `F.cross_entropy` wants probabilities there, and "
            "logits only of the student.",
        ),
        Wrong(
            _softmax_twice,
            "You took softmax of the student, and `F.cross_entropy` takes it again: it wants the "
            "student's logits.",
        ),
        Wrong(
            _old_slopes,
            "You never reset the gradients: each step repeats all steps before it.",
        ),
        Wrong(
            _summed,
            "You added the probabilities of the teachers, so they do not add up to 1; take the "
            "mean.",
        ),
    ),
    hints=(
        "It is the step of notebook 03, with the mean probabilities of the teachers in the place "
        "of the labels. The teachers must not learn.",
        "Under `torch.no_grad()`, `torch.stack` what `softmax(dim=1)` gives for each teacher, and "
        "take the mean over dimension 0.",
        "All but one blank:\n"
        "with torch.no_grad():\n"
        "    said = torch.stack([teacher(images).softmax(dim=1) for teacher in teachers])\n"
        "optimizer.zero_grad()\n"
        "loss = F.cross_entropy(student(images), ____)\n"
        "loss.backward()\n"
        "optimizer.step()\n"
        "return loss.item()",
    ),
    why=(
        "`F.cross_entropy` takes logits on the left and, of shape (N, 10), probabilities on the "
        "right. Mean probabilities are what the ensemble says, with all its doubts, and these tell "
        "more about a digit than its label does."
    ),
)

MY_TRICK = Open(
    name="my_trick",
    task="Change one thing in `fast`; say what you expected, what you measured, and your verdict.",
    objective="measure whether a trick pays on your own computer",
    hints=(
        "Write your expectation first, as a number; then nobody can fool you afterwards, not even "
        "you.",
        "Time by `race`, with a turn for each; accuracy by `learned` with seeds 0 to 4 of both, on "
        "validation. Everything else stays the same.",
        "All but one blank:\nI changed ____ and expected ...; five seeds of each read ... and ...",
    ),
    points=(
        "One thing was changed, and the expectation was written down before.",
        "Time is a ratio of medians, both ways taking turns.",
        "Accuracy is a mean of five seeds of each, with their spread, on validation digits.",
        "The verdict follows from whether the difference exceeds the spread, also if it says no.",
    ),
    model=(
        "I changed the channels from (24, 64) to (16, 64), and expected a step to take four fifths "
        "of the time, since both convolutions do a third less, and the accuracy to stay. Nine "
        "turns of each gave a ratio of medians of 0.8. Five seeds of each differ in their mean by "
        "less than the seeds of one differ among themselves, on validation. So the trick pays "
        "where seconds count, and I cannot say that it harms; for a smaller harm I would need more "
        "digits or more seeds."
    ),
)

EXERCISES = (FAIR_SECONDS, COUNT_SMALL, WORTH_IT, STEP_WITH_TEACHER, MY_TRICK)

# --- Quiz -----------------------------------------------------------------------------------------

LETTERS = {"A": "one thread", "B": "as it is", "C": "stride in place of pooling"}


def _three_rows():
    """Return what the seeds of three rows of the log read, by letter."""
    log = dl.results(study="tricks")
    return {
        letter: [row["valid_accuracy"] for row in log if row["recipe"] == f"fast: {name}"]
        for letter, name in LETTERS.items()
    }


def _draw_rows():
    title = "Three rows of the log, five seeds each"
    return dl.plot_dots(_three_rows(), title=title, x=dl.Axis("validation accuracy", percent=True))


def _worst_row():
    rows = _three_rows()
    return list(rows).index(min(rows, key=lambda letter: mean(rows[letter])))


def _widest_below(limit):
    """Return the largest w such that channels (w, 2 w, 2 w) have fewer parameters than this."""
    pools = (True, False, True)
    return max(w for w in range(1, 30) if count_small((w, 2 * w, 2 * w), pools) < limit)


QUIZ = (
    Number(
        name="13-twice-as-quick",
        text="In an epoch, fetching the digits takes 1 second and learning takes 2. You make "
        "learning twice as quick. How many times as quick is the epoch?",
        objective="say where the seconds of a training go",
        answer=lambda: (1 + 2) / (1 + 1),
        tolerance=0.01,
        unit="times",
        explanation="Before 1 + 2 seconds, now 1 + 1: 1.5 times. What you did not touch stays, and "
        "its share grows: half of the epoch is fetching now.",
        slips=(
            (2.0, "Twice is true of learning alone; fetching still takes its second."),
            (3.0, "The epoch takes 2 seconds now, not 1: fetching has not become quicker."),
            (
                2 / 3,
                "That is the share of the time that is left; asked is how many times as quick.",
            ),
        ),
    ),
    Number(
        name="13-multiply-adds",
        text="A convolution of 3 x 3, without bias, makes 32 channels out of 16, at 14 x 14 "
        "places. How many multiply-adds does it do for a digit?",
        objective="say where the seconds of a training go",
        answer=lambda: 14 * 14 * 16 * 32 * 3 * 3,
        tolerance=0.5,
        explanation="At each of 196 places, for each of 16 times 32 pairs of channels, nine "
        "products: 903 168.",
        slips=(
            (
                16 * 32 * 9,
                "That is the number of its weights. Each of them is used at every place: times "
                "14 x 14.",
            ),
            (14 * 14 * 32 * 9, "Each of the 32 adds up over all 16 channels that come in."),
            (14 * 14 * 16 * 32, "A kernel of 3 x 3 has nine weights for each pair of channels."),
            (14 * 14 * 16 * 32 * 3, "A kernel of 3 x 3 has nine weights, not three."),
        ),
    ),
    Choice(
        name="13-which-row",
        text="Each row is one setting of `fast` from the log: as it is, computed by one thread, "
        "and with a stride in place of pooling. Which row is the one with the stride?",
        objective="measure whether a trick pays on your own computer",
        figure=_draw_rows,
        options=(
            Option(
                "A",
                "A and B overlap, so they may well be the same network on other days: one thread "
                "changes the seconds, not what is learnt.",
            ),
            Option(
                "B",
                "B and A overlap. Only a row that lies clear of the others, seed by seed, can be "
                "another network.",
            ),
            Option(
                "C",
                "All its seeds lie below all of the others: a stride skips places that pooling "
                "still looks at. It saves a quarter of the time, and sells accuracy for it.",
            ),
        ),
        right=_worst_row,
    ),
    Choice(
        name="13-pays",
        text="A race with three repeats gives your trick 0.95 of the time. The same code raced "
        "against itself gave 0.94 a minute ago. What do you conclude?",
        objective="measure whether a trick pays on your own computer",
        options=(
            Option(
                "Nothing yet: a race against itself shows how far a ratio is to be trusted.",
                "Here it can be wrong by six percent, so five percent may be nothing. More "
                "repeats, a calmer computer, or a larger trick.",
            ),
            Option(
                "The trick saves five percent.",
                'The same code against itself "saved" six. What is no larger than that is not '
                "a finding.",
            ),
            Option(
                "The trick makes it slower by one percent.",
                "Two ratios that are both uncertain by several percent say nothing about one.",
            ),
            Option(
                "The clock is broken.",
                "It is not: other programs and the heat of the processor change how long things "
                "take. Therefore turns and medians.",
            ),
        ),
        right=0,
    ),
    Number(
        name="13-widest",
        text="Channels (w, 2w, 2w) on squares, with batch norm, pooling after the first and the "
        "third: what is the largest w with fewer than 8 000 parameters?",
        objective="judge a record: how fast, how accurate, how small, and how honest",
        answer=lambda: float(_widest_below(8000)),
        explanation="With 10 it has 7 670 parameters, with 11 already 9 030. The widths count in "
        "pairs, so twice the width means about four times the weights.",
        slips=(
            (
                11.0,
                "With 11 there are 9 030: most weights come from pairs of channels, and grow "
                "with the square.",
            ),
            (9.0, "With 9 it fits, and with 10 as well: 7 670."),
        ),
    ),
    Number(
        name="13-how-sure",
        text="A network reads 99.5 % of 2 000 test digits. How wide are two standard errors, in "
        "percent?",
        objective="judge a record: how fast, how accurate, how small, and how honest",
        answer=lambda: 100 * 2 * (0.995 * 0.005 / 2000) ** 0.5,
        tolerance=0.01,
        unit="%",
        explanation="2 times the root of 0.995 x 0.005 / 2 000 is 0.32 %. So it is 99.2 to 99.8 %, "
        "and a record of 99.6 % on as many digits is no better.",
        slips=(
            (100 * (0.995 * 0.005 / 2000) ** 0.5, "That is one standard error; twice that."),
            (
                100 * 2 * 0.995 * 0.005 / 2000,
                "You forgot the root: without it the number has no meaning as a share of digits.",
            ),
            (0.5, "That is the share that was misread, not how well it is known."),
        ),
    ),
    Choice(
        name="13-record",
        text='Page A: "99.81 % of the test digits, the best of 1 500 networks." Page B: "99.64 '
        '% of the test digits, the mean of 1 500." Which recipe is the better one?',
        objective="judge a record: how fast, how accurate, how small, and how honest",
        options=(
            Option(
                "A's: its number is higher.",
                "The highest of 1 500 numbers that vary by chance is high by chance, too. Take the "
                "same of both.",
            ),
            Option(
                "B's: a mean is more than a best.",
                "A mean is the more honest number, which does not make the recipe better.",
            ),
            Option(
                "Neither: 0.17 % is too little to mean anything.",
                "It is 17 digits of 10 000, much for two numbers of the same kind near the "
                "ceiling. But these two are of different kinds.",
            ),
            Option(
                "Nobody can tell: it may even be the same recipe.",
                "And it is: both numbers come from one page, on 1 500 networks of one kind. The "
                "mean tells what to expect of the next one, the best does not.",
            ),
        ),
        right=3,
    ),
)
