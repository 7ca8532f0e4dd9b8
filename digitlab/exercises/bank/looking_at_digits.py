"""Exercises and quiz of notebook 02, Looking at digits."""

from __future__ import annotations

from types import SimpleNamespace

import torch
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

LOOK = "look at a data set in an orderly way"
DESCRIBE = "describe it by counts, averages and variances"
BUILD = "build a first reader by hand"
JUDGE = "judge it"
TELL = "tell an unusual digit from a wrong label"

# --- Ninety-five of a hundred -------------------------------------------------------------------


def balanced(rare_result):
    labels = rare_result.labels
    right = (rare_result.predictions == labels).float()
    of_zeros = right[labels == 0].mean()
    of_sixes = right[labels == 6].mean()
    return (of_zeros + of_sixes).item() / 2


def _rare(n_zeros, zeros_right, n_sixes, sixes_right):
    """Return what a reader says of zeros and sixes; what is no right zero is read as a 6."""
    labels = torch.tensor([0] * n_zeros + [6] * n_sixes)
    predictions = torch.tensor(
        [0] * zeros_right
        + [6] * (n_zeros - zeros_right)
        + [6] * sixes_right
        + [2] * (n_sixes - sixes_right)
    )
    right = (predictions == labels).float().mean().item()
    return (SimpleNamespace(predictions=predictions, labels=labels, accuracy=right),)


def _rare_results():
    return {
        "as on MNIST": _rare(988, 868, 52, 45),
        "as on the embedded digits": _rare(30, 29, 1, 1),
        "no six is found": _rare(95, 95, 5, 0),
    }


def _accuracy(rare_result):
    return rare_result.accuracy


def _of_sixes_alone(rare_result):
    found = rare_result.predictions[rare_result.labels == 6] == 6
    return found.float().mean().item()


def _of_what_was_read(rare_result):
    fractions = [
        (rare_result.labels[rare_result.predictions == k] == k).float().mean() for k in (0, 6)
    ]
    return sum(fractions).item() / 2


def _over_ten_classes(rare_result):
    return balanced(rare_result) / 5


BALANCED = Exercise(
    reference=balanced,
    is_value=True,
    close=0.01,
    task="Judge a reader where 95 of 100 digits are zeros.",
    objective=JUDGE,
    cases=_rare_results,
    wrong=(
        Wrong(
            _accuracy,
            "That is the accuracy over all digits, and the zeros alone decide it: always saying 0 "
            "beats it. Take the fraction of each class first, then their mean.",
        ),
        Wrong(
            _of_sixes_alone,
            "That is the fraction of the sixes that are found. Always saying 6 would find them "
            "all; the zeros have to count as much as they do.",
        ),
        Wrong(
            _of_what_was_read,
            "You divided by how often each digit was *read*, a column; divide by how many of it "
            "there are, a row.",
        ),
        Wrong(_over_ten_classes, "You divided by ten classes; only two of them are here."),
    ),
    hints=(
        "Two fractions: of the zeros, how many are read as 0, and of the sixes, as 6? Neither may "
        "weigh more because there are more of its kind.",
        "`rare_result.predictions[rare_result.labels == 6] == 6` says of each six whether it is "
        "right; `.float().mean()` makes a fraction of it.",
        "All but one blank:\n"
        "labels = rare_result.labels\n"
        "right = (rare_result.predictions == labels).float()\n"
        "balanced = (right[labels == 0].mean() + right[____].mean()).item() / 2",
    ),
    why=(
        "Always saying 0 has 95 % accuracy and a balanced accuracy of 50 %: all zeros, no six. "
        "Ask what an accuracy would be without reading at all, before you admire it."
    ),
)

# --- Another distance ---------------------------------------------------------------------------


class NearestByAbsoluteValue(nn.Module):
    """Read a digit as the class whose centre is nearest, by absolute differences."""

    def __init__(self, centres):
        super().__init__()
        self.centres = nn.Parameter(centres)  # (10, 28, 28)

    def forward(self, images):
        """Return minus the distances, (B, 10)."""
        return -(images - self.centres).abs().sum(dim=(2, 3))


def _distances(answer, centres, images):
    return answer(centres)(images)


def _digits_and_centres():
    images, labels = real_digits(200)
    pixels = dl.as_pixels(images)
    averages = torch.stack([pixels[labels == k].mean(dim=(0, 1)) for k in range(10)])
    return {
        "20 real digits": (averages, pixels[:20]),
        "one digit": (averages, pixels[7:8]),
        "ten digits": (averages, pixels[50:60]),
        "random numbers": (random_numbers(10, 28, 28), random_numbers(4, 1, 28, 28, seed=1)),
    }


class _Positive(NearestByAbsoluteValue):
    def forward(self, images):
        return (images - self.centres).abs().sum(dim=(2, 3))


class _Squared(NearestByAbsoluteValue):
    def forward(self, images):
        return -(images - self.centres).square().sum(dim=(2, 3))


class _Cancelling(NearestByAbsoluteValue):
    def forward(self, images):
        return -(images - self.centres).sum(dim=(2, 3)).abs()


class _OverClasses(NearestByAbsoluteValue):
    def forward(self, images):
        return -(images - self.centres).abs().sum(dim=(1, 2))


class _OneByOne(NearestByAbsoluteValue):
    def forward(self, images):
        return -(images[:, 0] - self.centres).abs().sum(dim=(1, 2))


NEAREST = Exercise(
    reference=NearestByAbsoluteValue,
    task="Read by absolute differences, as a model.",
    objective=BUILD,
    cases=_digits_and_centres,
    use=_distances,
    wrong=(
        Wrong(
            _Positive,
            "You returned the distances. The largest logit wins, so this reads each digit as the "
            "*farthest* class; a minus is missing.",
        ),
        Wrong(_Squared, "You still square the differences; `abs()` takes the place of `square()`."),
        Wrong(
            _Cancelling,
            "You added up first and took the absolute value then, so too much ink here cancels "
            "missing ink there. Each pixel's difference needs its own `abs()`.",
        ),
        Wrong(
            _OverClasses,
            "You summed over classes and rows. The difference is (B, 10, 28, 28), and the last two "
            "dimensions have to go.",
        ),
        Wrong(
            _OneByOne,
            "You took the dimension of length 1 out of the images, so digits and classes are "
            "lined up one by one. It has to stay, to fit all ten.",
        ),
    ),
    hints=(
        "It is `NearestMean` with another distance: absolute values in the place of squares.",
        "`(images - self.centres)` is (B, 10, 28, 28); then `abs()`, a sum over the pixels, and a "
        "minus.",
        "All but one blank:\nreturn -(images - self.centres).abs().sum(dim=____)",
    ),
    why=(
        "The sum of absolute differences is smallest at the median of the pictures, the sum of "
        "squares at their mean: so medians belong to this distance and averages to the other one. "
        "On MNIST this reader is worse with averages than with medians, and worse than squares "
        "with averages."
    ),
    start='''
    class NearestByAbsoluteValue(nn.Module):
        def __init__(self, centres):
            super().__init__()
            self.centres = nn.Parameter(centres)  # (10, 28, 28)

        def forward(self, images):
            """Return minus the distances, (B, 10)."""
            ...
    ''',
)

# --- Two averages for each class ----------------------------------------------------------------


def two_averages(split):
    """Return for each class two averages, (20, 28, 28): of its thin and of its bold digits."""
    averages = []
    for k in range(10):
        pixels = dl.as_pixels(split.only(k).images)  # (N, 1, 28, 28)
        ink = pixels.sum(dim=(1, 2, 3))
        thin = ink <= ink.median()
        averages += [pixels[thin].mean(dim=(0, 1)), pixels[~thin].mean(dim=(0, 1))]
    return torch.stack(averages)


def _some_of_each(n):
    """Return n real digits of each class, in an order of their own."""
    images, labels = real_digits(600)
    places = torch.cat([torch.nonzero(labels == k)[:n, 0] for k in range(10)])
    places = places[torch.randperm(len(places), generator=torch.Generator().manual_seed(n))]
    return (dl.Split(images[places], labels[places]),)


def _splits():
    return {"four digits of each class": _some_of_each(4), "30 of each class": _some_of_each(30)}


def _cut(split, bold, *, scale=255):
    """Return two averages for each class, cut by `bold(ink of the class, ink of all)`."""
    every = split.images.sum(dim=(1, 2))
    averages = []
    for k in range(10):
        images, ink = split.only(k).images.float(), every[split.labels == k]
        chosen = bold(ink, every)
        averages += [images[~chosen].mean(dim=0) / scale, images[chosen].mean(dim=0) / scale]
    return torch.stack(averages)


def _one_median_for_all(split):
    return _cut(split, lambda ink, every: ink > every.median())


def _all_thin_first(split):
    averages = two_averages(split)
    return torch.cat([averages[::2], averages[1::2]])


def _bold_first(split):
    return two_averages(split).reshape(10, 2, 28, 28).flip(1).flatten(0, 1)


def _in_bytes(split):
    return _cut(split, lambda ink, every: ink > ink.median(), scale=1)


def _median_is_bold(split):
    return _cut(split, lambda ink, every: ink >= ink.median())


def _by_place(split):
    def second_half(ink, every):
        return torch.arange(len(ink)) >= len(ink) // 2

    return _cut(split, second_half)


TWO_AVERAGES = Exercise(
    reference=two_averages,
    task="Average the thin and the bold digits of each class apart.",
    objective=DESCRIBE,
    cases=_splits,
    wrong=(
        Wrong(
            _one_median_for_all,
            "You cut all classes at the median of all digits. A bold 1 has less ink than a thin 0: "
            "each class needs a median of its own.",
        ),
        Wrong(
            _all_thin_first,
            "You put the ten thin averages first and the ten bold ones after them. `argmin // 2` "
            "needs the two averages of a class side by side.",
        ),
        Wrong(_bold_first, "You exchanged them: of each class, first the thin and then the bold."),
        Wrong(
            _in_bytes,
            "Your averages go from 0 to 255, and the pixels that they are compared with from 0 to "
            "1. `dl.as_pixels` divides.",
        ),
        Wrong(
            _median_is_bold,
            "The digit that has exactly the median of ink belongs to the thin ones here, so that "
            "both halves are equally large: `<=`.",
        ),
        Wrong(
            _by_place,
            "You cut each class in the middle of its list. Their order says nothing about their "
            "ink: sort by ink first, or compare with its median.",
        ),
    ),
    hints=(
        "For each class: how much ink has each of its digits, and which have at most the median?",
        "`ink.median()` is the median, `pixels[ink <= ...]` takes the thin digits, and `~` turns "
        "a mask round. `torch.stack` makes one tensor of twenty.",
        "All but one blank:\n"
        "averages = []\n"
        "for k in range(10):\n"
        "    pixels = dl.as_pixels(split.only(k).images)\n"
        "    ink = pixels.sum(dim=(1, 2, 3))\n"
        "    thin = ____\n"
        "    averages += [pixels[thin].mean(dim=(0, 1)), pixels[~thin].mean(dim=(0, 1))]\n"
        "return torch.stack(averages)",
    ),
    why=(
        "A class is not one cloud of digits, and two averages follow its shape better than one. "
        "With more and better chosen ones, this leads to the nearest single digit, exercise 4."
    ),
)

# --- The nearest digit --------------------------------------------------------------------------


def label_of_nearest(image, split):
    """Return the label of the digit in the split that is nearest to this one."""
    distances = (image - dl.as_pixels(split.images)).square().sum(dim=(1, 2, 3))
    return split.labels[distances.argmin()].item()


def _digit_and_split():
    images, labels = real_digits(400)
    known = dl.Split(images[:300], labels[:300])
    few = dl.Split(images[:12], labels[:12])
    new = dl.as_pixels(images[300:])
    cases = {f"digit {i} against 300 digits": (new[i], known) for i in (3, 20, 41, 77)}
    return cases | {
        "a digit against 12": (new[5], few),
        "a digit that the split holds": (dl.as_pixels(images[8]), known),
    }


def _its_place(image, split):
    return (image - dl.as_pixels(split.images)).square().sum(dim=(1, 2, 3)).argmin().item()


def _summed_over_digits(image, split):
    distances = (image - dl.as_pixels(split.images)).square().sum(dim=(0, 2, 3))
    return split.labels[distances.argmin()].item()


def _wrapped_round(image, split):
    distances = ((255 * image).byte() - split.images).square().sum(dim=(1, 2))
    return split.labels[distances.argmin()].item()


def _other_scale(image, split):
    distances = (image - split.images).square().sum(dim=(1, 2))
    return split.labels[distances.argmin()].item()


def _cancelled(image, split):
    distances = (image - dl.as_pixels(split.images)).sum(dim=(1, 2, 3))
    return split.labels[distances.argmin()].item()


def _farthest(image, split):
    distances = (image - dl.as_pixels(split.images)).square().sum(dim=(1, 2, 3))
    return split.labels[distances.argmax()].item()


LABEL_OF_NEAREST = Exercise(
    reference=label_of_nearest,
    task="Read a digit as the nearest of many single digits.",
    objective=BUILD,
    cases=_digit_and_split,
    wrong=(
        Wrong(_its_place, "You returned the place of the nearest digit; its label is asked for."),
        Wrong(
            _summed_over_digits,
            "You summed over the digits, too: one number is left, its place is 0, and the answer "
            "is always the first label. One distance for each digit has to stay.",
        ),
        Wrong(
            _wrapped_round,
            "You subtracted bytes. In uint8, 3 - 5 is 254, so two nearly equal pixels lie far "
            "apart: calculate in floats.",
        ),
        Wrong(
            _other_scale,
            "You compared pixels from 0 to 1 with bytes from 0 to 255: beside these the image is "
            "black, and the nearest digit is the one with the least ink. `dl.as_pixels` divides.",
        ),
        Wrong(
            _cancelled,
            "You added up plain differences, which cancel: the smallest sum belongs to the digit "
            "with the most ink. Square each difference first.",
        ),
        Wrong(_farthest, "You took the largest distance; the nearest digit has the smallest."),
    ),
    hints=(
        "As with the averages: a difference by broadcasting, squared and summed over all but the "
        "digits. Then the place of the smallest, and at last the label at this place.",
        "`dl.as_pixels(split.images)` is (N, 1, 28, 28); a sum with `dim=` leaves (N,), "
        "`argmin()` gives the place, and `split.labels` the label.",
        "All but one blank:\n"
        "distances = (image - dl.as_pixels(split.images)).square().sum(dim=____)\n"
        "return split.labels[distances.argmin()].item()",
    ),
    why=(
        "No average has to be anybody's handwriting now: somebody wrote each of these digits. The "
        "price is memory and time, since every digit has to be kept and compared with, each time. "
        "With 5 000 digits of MNIST to compare with, about 93 of 100 digits of valid are read, "
        "where the averages read 81; a vote of the five nearest adds hardly anything."
    ),
)

# --- Unusual or wrong? --------------------------------------------------------------------------

UNUSUAL_OR_WRONG = Open(
    name="unusual_or_wrong",
    task="Judge suspects: unusual, doubtful or wrongly labelled, and what to do with each.",
    objective=TELL,
    hints=(
        "Look at the digit before you look at its label. What would you have called it?",
        "Ask three things of each: could its writer have meant the label? Would others agree? Or "
        "did something go wrong when the data were prepared, such as a speck or a cut?",
        "End with what you would do: keep it, ask several people, or write it down as wrong. When "
        "would you remove a digit from train, and when from test?",
    ),
    points=(
        "For each digit a reason that can be seen in the picture, not the distance alone.",
        "At least one that is unusual and rightly labelled: it is kept, networks will meet more.",
        "Whether a label is wrong is for several people to say, and the reader's answer counts "
        "for nothing here: it errs far more often than the labels do.",
        "Nothing is dropped from test because a program reads it wrongly.",
    ),
    model=(
        "The first suspect is a bold, slanted 9, surely a 9: it is far from the average because "
        "few people write as boldly. It is unusual, its label is right, and it stays. The second "
        "has a line at the border that is no part of the digit and pulled it out of the middle; "
        "the label is right, the preparation went wrong, and I note it down. The third could be a "
        "4 or a 9, and I would ask three people, who do not see the label, and mark it as "
        "doubtful if they disagree. None of them leaves the test split for being read wrongly: "
        "that would make the number better and the reader no better."
    ),
)

EXERCISES = (BALANCED, NEAREST, TWO_AVERAGES, LABEL_OF_NEAREST, UNUSUAL_OR_WRONG)
# --- Quiz ---------------------------------------------------------------------------------------


def _without_nines():
    images, labels = real_digits(600)
    return dl.plot_counts(dl.Split(images[labels < 9], labels[labels < 9]))


COUNTS = Choice(
    name="02-counts",
    text=(
        "Somebody has prepared a training split, and these are its counts. Valid holds equally "
        "many of all ten classes. What is the best accuracy on valid that a network trained on it "
        "can hope for?"
    ),
    objective=LOOK,
    figure=_without_nines,
    options=(
        Option(
            "About 100 %: a good network works out the rest.",
            "It cannot work out a class that it was never shown: nothing ever told it that there "
            "is a 9.",
        ),
        Option(
            "About 50 %.",
            "Nine of ten classes are there and can be learned well. What happens to the digits of "
            "the tenth?",
        ),
        Option(
            "It cannot be said before the training.",
            "The number itself cannot, but a limit can: whatever the network does, every 9 of "
            "valid is read as something else.",
        ),
        Option(
            "About 90 %.",
            "No 9 can be read, so one digit in ten is lost before the training begins. A look at "
            "the counts took a second; a larger network would never have helped.",
        ),
    ),
    right=3,
)

ALWAYS = Number(
    name="02-always",
    text=(
        "A valid split holds 600 zeros and 50 digits of each other class. How many percent has a "
        "reader that always says 0?"
    ),
    objective=JUDGE,
    answer=lambda: 100 * 600 / (600 + 9 * 50),
    tolerance=0.2,
    unit="%",
    explanation=(
        "600 of 1 050 digits, 57 %, without looking at one of them. Only what lies above this "
        "baseline is worth anything there."
    ),
    slips=(
        (10.0, "One in ten holds only where all classes are equally frequent."),
        (60.0, "There are 600 + 9 x 50 = 1 050 digits, not 1 000."),
        (92.3, "You divided by 650; there are nine other classes with 50 digits each."),
    ),
)

QUARTER = Number(
    name="02-quarter",
    text=(
        "In a quarter of the pictures of a class, one pixel is 1, and in the others it is 0. What "
        "is its variance?"
    ),
    objective=DESCRIBE,
    answer=lambda: torch.tensor([1.0, 0.0, 0.0, 0.0]).var(unbiased=False).item(),
    tolerance=0.0006,
    explanation=(
        "The average is 0.25. A quarter lies 0.75 from it and three quarters 0.25: "
        "0.25 x 0.75 x 0.75 + 0.75 x 0.25 x 0.25 = 0.1875."
    ),
    slips=(
        (
            0.25,
            "That is the average, and the variance where it is 0.5. How far from it do they lie?",
        ),
        (0.433, "That is its square root, the standard deviation."),
        (0.375, "That is the mean distance; the variance squares each distance first."),
    ),
)

NUMBERS = (0.0, 0.0, 1.0, 2.0, 7.0)
CENTRES = (2.0, 0.0, 3.5, 1.0)

CENTRE = Choice(
    name="02-centre",
    text=(
        "One pixel is 0, 0, 1, 2 and 7 in five pictures. Which number has the smallest sum of "
        "*absolute* differences to the five?"
    ),
    objective=DESCRIBE,
    options=(
        Option(
            "2, their mean.",
            "The mean has the smallest sum of *squares*, since the 7 far away counts much there. "
            "By absolute values, its sum is 10.",
        ),
        Option(
            "0, the most frequent one.",
            "Three of the five lie above it: each step up from 0 takes more away from the sum than "
            "it adds, at first. Its sum is 10.",
        ),
        Option(
            "3.5, half-way between the lowest and the highest.",
            "Four of the five lie below it, so going down makes the sum smaller. It is 14.5 here.",
        ),
        Option(
            "1, their median.",
            "As many lie above as below, so no step helps: the sum is 9. Medians belong to this "
            "distance, and means to that of squares.",
        ),
    ),
    right=lambda: min(range(4), key=lambda i: sum(abs(x - CENTRES[i]) for x in NUMBERS)),
)


def _apart(left, right):
    """Return all distances; not by the quick way, which rounds a digit's distance to itself."""
    return torch.cdist(left, right, compute_mode="donot_use_mm_for_euclid_dist")


def _reader_curves():
    """Draw how good readers by average and by single digits are, over the digits they know."""
    images, labels = real_digits(900)
    digits = dl.Split(images[:600], labels[:600])
    new, answers = images[600:].flatten(1) / 255, labels[600:]
    lines: dict[str, dict[int, float]] = {"A": {}, "B": {}, "C": {}}
    for n in (1, 2, 5, 10, 20, 50):
        known = torch.stack([digits.only(k).images[:n].flatten(1) for k in range(10)]) / 255
        every, theirs = known.flatten(0, 1), torch.arange(10).repeat_interleave(n)
        by_single = theirs[_apart(new, every).argmin(dim=1)]
        on_its_own = theirs[_apart(every, every).argmin(dim=1)]
        by_average = _apart(new, known.mean(dim=1)).argmin(dim=1)
        lines["A"][n] = (by_average == answers).float().mean().item()
        lines["B"][n] = (on_its_own == theirs).float().mean().item()
        lines["C"][n] = (by_single == answers).float().mean().item()
    return dl.plot_lines(
        lines,
        title="Two readers, and the digits that they know",
        x=dl.Axis("known digits of each class", log=True),
        y=dl.Axis("accuracy", percent=True, limits=(0.5, 1.02)),
    )


CURVES = Choice(
    name="02-curves",
    text=(
        "One reader names the nearest of ten averages, another one the label of the nearest single "
        "digit. Both are judged on valid; the second one also on the very digits that it knows. "
        "Which curve is which?"
    ),
    objective=BUILD,
    figure=_reader_curves,
    options=(
        Option(
            "A is the nearest average, C the nearest digit, and B the nearest digit on the digits "
            "that it knows.",
            "The nearest of the digits that it knows is the digit itself, so B is perfect and says "
            "nothing. With more digits the average hardly changes any more, while another single "
            "digit can always lie nearer.",
        ),
        Option(
            "B is the nearest digit on valid, since it is the best reader; C is the same on the "
            "digits that it knows.",
            "No reader is perfect on new digits, least of all with one digit of each class. But "
            "what is the nearest of the known digits to a known digit?",
        ),
        Option(
            "C is the nearest average, A the nearest digit, and B the nearest digit on the digits "
            "that it knows.",
            "B is right. But an average soon stops changing, so its curve goes flat first, and "
            "single digits go on gaining.",
        ),
        Option(
            "B is the nearest average, which has seen the most digits.",
            "It has seen no more than the other one, and mixed them. Which reader can be right "
            "every time, even with one digit of each class?",
        ),
    ),
    right=0,
)

ALL_THE_SAME = Choice(
    name="02-all-the-same",
    text="This reader calls nearly every digit the same. Which cell has the bug?",
    objective=BUILD,
    code=(
        "# cell 1\n"
        "digits = dl.load()\n"
        "# cell 2\n"
        "averages = torch.stack(\n"
        "    [digits.train.only(k).images.float().mean(dim=0) for k in range(10)]\n"
        ")\n"
        "# cell 3\n"
        "images, labels = next(iter(dl.batches(digits.valid, 100)))\n"
        "# cell 4\n"
        "distances = (images - averages).square().sum(dim=(2, 3))\n"
        "distances.argmin(dim=1)"
    ),
    options=(
        Option(
            "Cell 1: the digits are sorted by class.",
            "They are not, and it would not matter to averages of one class each.",
        ),
        Option(
            "Cell 2: these averages go from 0 to 255.",
            "The batches go from 0 to 1. Beside the averages every image is nearly black, so the "
            "class with the least ink is always the nearest. Divide by 255, or use "
            "`dl.as_pixels`.",
        ),
        Option(
            "Cell 3: a batch of 100 is too small.",
            "Each digit is read for itself; the other ones in its batch do not touch it.",
        ),
        Option(
            "Cell 4: the sum runs over the wrong dimensions.",
            "The difference is (100, 10, 28, 28), and dimensions 2 and 3 are rows and columns: 10 "
            "distances for each digit are left, as they should be.",
        ),
    ),
    right=1,
)

SUSPECT = Choice(
    name="02-suspect",
    text=(
        "A digit of the *test* split is labelled 9, and your reader finds it much nearer to the "
        "average 4. What do you do?"
    ),
    objective=TELL,
    options=(
        Option(
            "Change the label to 4: the distances are clear.",
            "The reader is wrong on one digit in five, the labels in one or two of a thousand. A "
            "distance says where to look, not who is right.",
        ),
        Option(
            "Remove it: a doubtful digit makes the number worse than it should be.",
            "If whatever your program misreads leaves the test, its accuracy can only rise, and "
            "means nothing.",
        ),
        Option(
            "Show it to several people who do not see the label, and write down what they say.",
            "Unusual digits and wrong labels look alike from afar; only people can tell them "
            "apart, and best without knowing what stands there.",
        ),
        Option(
            "Nothing: labels are the truth by definition.",
            "Labels are made by people, and a few are wrong. Close to 100 %, those few decide "
            "which of two programs seems better.",
        ),
    ),
    right=2,
)

QUIZ = (COUNTS, ALWAYS, QUARTER, CENTRE, CURVES, ALL_THE_SAME, SUSPECT)
