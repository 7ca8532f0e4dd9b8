"""Exercises and quiz of notebook 01, Loading digits."""

from __future__ import annotations

import struct

import torch
from torch.utils.data import Dataset

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

SHAPE = "read the shape of a tensor"
CHANGE = "change a digit by arithmetic"
FILE = "take a data file apart byte by byte"
SPLITS = "say why digits come in three splits"
BATCHES = "hand them to a network in batches"

# --- A lucky reader -----------------------------------------------------------------------------

WHY_LUCKY = Open(
    name="why_lucky",
    task="Change how many readers guess, and explain what happens to the best of them.",
    objective=SPLITS,
    hints=(
        "Try 10, 100 and 10 000 readers in place of 1 000, and write both percentages down.",
        "Which of the two percentages grows with the number of readers, and which does not?",
        "Put the networks that you will try out in the place of the readers, and valid in the "
        "place of the digits that they were chosen by.",
    ),
    points=(
        "The more readers, the better the best of them on the digits that it was chosen by.",
        "On fresh digits it stays at about one in ten: nothing was learned.",
        "So a number that something was chosen by is too good, and the more so the more was tried.",
        "Hence a third split: nothing may be chosen by test.",
    ),
    model=(
        "With 10 readers the best is right on about 15 of the 100 digits that it was chosen by, "
        "with 1 000 on about 20 and with 10 000 on some more. On fresh digits the chosen one "
        "stays at about 10, because it only guesses: it was lucky, not good, and luck does not "
        "last. Whoever tries many networks and keeps the best by valid does the same, so the "
        "valid accuracy of the winner is a little too good. Test was not chosen by, and therefore "
        "it may be believed, as long as it is read only once."
    ),
)

# --- Shift without coming back ------------------------------------------------------------------


def shift_right(image, n):
    """Move a digit (..., 28, 28) by n columns to the right; zeros come in on the left."""
    moved = torch.zeros_like(image)
    moved[..., n:] = image[..., : image.shape[-1] - n]
    return moved


def _pictures():
    images, _ = real_digits(5)
    return {
        "a real digit, n = 3": (images[0], 3),
        "five real digits, n = 8": (images, 8),
        "random numbers, n = 1": (random_numbers(28, 28), 1),
        "n = 0": (images[1], 0),
        "n = 28": (images[2], 28),
    }


def _down(image, n):
    return shift_right(image.mT, n).mT


def _comes_back(image, n):
    return image.roll(n, -1)


def _left(image, n):
    return shift_right(image.flip(-1), n).flip(-1)


def _keeps_the_old(image, n):
    moved = image.clone()
    moved[..., n:] = image[..., : 28 - n]
    return moved


def _counted_from_the_end(image, n):
    moved = torch.zeros_like(image)
    moved[..., n:] = image[..., :-n]
    return moved


SHIFT_RIGHT = Exercise(
    reference=shift_right,
    task="Move a digit to the right and fill with zeros.",
    objective=CHANGE,
    cases=_pictures,
    wrong=(
        Wrong(_down, "You moved the rows: the last dimension counts columns, the one before rows."),
        Wrong(_comes_back, "What leaves on the right comes back on the left: that is `roll`."),
        Wrong(_left, "You moved the digit to the left: column 0 of the old one has to land at n."),
        Wrong(
            _keeps_the_old,
            "You began with a copy of the digit, so its first n columns are still the old ones; "
            "begin with zeros.",
        ),
        Wrong(
            _counted_from_the_end,
            "It works but for n = 0: then `:-n` is `:0`, which is empty. Count from the width.",
        ),
    ),
    hints=(
        "The first n columns of the new digit stay zero; which columns of the old one are kept?",
        "Two slices of the last dimension do it, and one of them begins at `n:`.",
        "All but one blank:\nmoved[..., n:] = image[..., : ____]",
    ),
    why=(
        "The columns that stay are the first 28 - n, and they begin at n. "
        "The slice is counted from the width and not as `:-n`, which would be empty for n = 0."
    ),
    start="""
    def shift_right(image, n):
        moved = torch.zeros_like(image)
        ...
        return moved
    """,
)

# --- A file of labels ---------------------------------------------------------------------------


def idx_of_labels(labels):
    """Return the bytes of an IDX file that holds these labels."""
    header = struct.pack(">4Bi", 0, 0, 8, 1, len(labels))
    return header + labels.byte().numpy().tobytes()


def _labels():
    _, labels = real_digits(300)
    return {
        "ten real labels": (labels[:10],),
        "300 labels, more than one byte can count": (labels,),
        "one label": (torch.tensor([7]),),
        "no label": (labels[:0],),
    }


def _eight_bytes_each(labels):
    return idx_of_labels(labels)[:8] + labels.numpy().tobytes()


def _header_of_pictures(labels):
    header = struct.pack(">4B3i", 0, 0, 8, 3, len(labels), 28, 28)
    return header + labels.byte().numpy().tobytes()


def _least_byte_first(labels):
    header = struct.pack("<4Bi", 0, 0, 8, 1, len(labels))
    return header + labels.byte().numpy().tobytes()


def _as_int32(labels):
    header = struct.pack(">4Bi", 0, 0, 12, 1, len(labels))
    return header + labels.byte().numpy().tobytes()


def _as_list(answer, labels):
    """Return the bytes as numbers: so differences are told by place, and a bytearray will do."""
    made = answer(labels)
    return made if made is None else list(made)


IDX_OF_LABELS = Exercise(
    reference=idx_of_labels,
    task="Write labels as the bytes of an IDX file.",
    objective=FILE,
    cases=_labels,
    use=_as_list,
    wrong=(
        Wrong(
            _eight_bytes_each,
            "You wrote 8 bytes for each label, since labels are int64 in the tensor. The header "
            "promises uint8: one byte each, by `byte()`.",
        ),
        Wrong(
            _header_of_pictures,
            "You kept the header of pictures. Labels have one dimension, so the header names one "
            "length, and has 8 bytes.",
        ),
        Wrong(
            _least_byte_first,
            "You wrote the length with its least significant byte first; IDX wants the most "
            "significant one first, which `>` asks for.",
        ),
        Wrong(
            _as_int32,
            "Your header says 12, int32, and then each label takes one byte. The type of one byte "
            "is 8.",
        ),
    ),
    hints=(
        "As with the pictures: first the header, then one byte for each label. How many "
        "dimensions do labels have?",
        'The header comes from `struct.pack(">4Bi", ...)`: four single bytes and one length.',
        "All but one blank:\n"
        'header = struct.pack(">4Bi", 0, 0, 8, ____, len(labels))\n'
        "return header + labels.byte().numpy().tobytes()",
    ),
    why=(
        "One dimension has one length, so the header has 4 + 4 = 8 bytes, and a file of n labels "
        "8 + n. `byte()` turns int64 into uint8, which is what the 8 in the header promises."
    ),
)

# --- How much arrived? --------------------------------------------------------------------------


def whole_digits(received):
    n_dims = received[3]
    first_pixel = 4 + 4 * n_dims
    return (len(received) - first_pixel) // (28 * 28)


def _cut(n, length):
    images, _ = real_digits(n)
    header = struct.pack(">4B3i", 0, 0, 8, 3, n, 28, 28)
    return ((header + images.numpy().tobytes())[:length],)


def _downloads():
    return {
        "775 bytes of the seventh digit": _cut(10, 16 + 6 * 784 + 775),
        "two digits, to the byte": _cut(5, 16 + 2 * 784),
        "a byte short of four": _cut(4, 16 + 4 * 784 - 1),
        "all": _cut(3, 16 + 3 * 784),
    }


def _without_header(received):
    return len(received) // 784


def _as_promised(received):
    return int.from_bytes(received[4:8], "big")


def _with_a_part(received):
    return (len(received) - 16) / 784


WHOLE_DIGITS = Exercise(
    reference=whole_digits,
    is_value=True,
    task="Say how many whole digits a file holds that was cut off.",
    objective=FILE,
    cases=_downloads,
    wrong=(
        Wrong(
            _as_promised,
            "That is what the header promises. The header came first and arrived whole; did all "
            "the pixels?",
        ),
        Wrong(
            _without_header,
            "That is one too many: the 16 bytes of the header are no pixels, so take them off "
            "before you divide, and a digit that came in part does not count.",
        ),
        Wrong(_with_a_part, "That counts a part of a digit; how many are there whole?"),
    ),
    hints=(
        "The header promises, but the length of the file tells what came: take the header off, "
        "and see how often the pixels of one digit fit.",
        "`len(received)` is the number of bytes, and `//` divides without a remainder.",
        "All but one blank:\nwhole_digits = (len(received) - ____) // (28 * 28)",
    ),
    why=(
        "A header of three dimensions has 16 bytes, and each digit has 784. Compare what a header "
        "promises with what there is: this one comparison finds most files that are broken."
    ),
)

# --- Accuracy over batches ----------------------------------------------------------------------


def accuracy_of_batches(batches):
    """Return the fraction of all digits that are read correctly.

    batches is a list of pairs: predictions (B,) and labels (B,) of one batch.
    """
    n_right, n = 0, 0
    for predictions, labels in batches:
        n_right += (predictions == labels).sum().item()
        n += len(labels)
    return n_right / n


def _in_batches(predictions, labels, size):
    return (list(zip(predictions.split(size), labels.split(size), strict=True)),)


def _batches():
    _, labels = real_digits(300)
    wrong = labels.clone()
    wrong[::7] = (wrong[::7] + 1) % 10
    wrong[-20:] = 0
    return {
        "300 real labels in batches of 64, the last one short": _in_batches(wrong, labels, 64),
        "batches of the same length": _in_batches(wrong[:120], labels[:120], 30),
        "one batch": _in_batches(wrong[:5], labels[:5], 64),
        "all wrong but one, which is alone in its batch": _in_batches(
            torch.tensor([1, 1, 1, 1, 4]), torch.tensor([2, 2, 2, 2, 4]), 4
        ),
    }


def _mean_of_means(batches):
    means = [(predictions == labels).float().mean() for predictions, labels in batches]
    return torch.stack(means).mean().item()


def _only_whole_ones(batches):
    size = len(batches[0][1])
    return accuracy_of_batches([batch for batch in batches if len(batch[1]) == size])


def _every_one_whole(batches):
    n_right = sum((predictions == labels).sum().item() for predictions, labels in batches)
    return n_right / (len(batches) * len(batches[0][1]))


def _only_the_last(batches):
    return accuracy_of_batches(batches[-1:])


def _by_batches(batches):
    n_right = sum((predictions == labels).sum().item() for predictions, labels in batches)
    return n_right / len(batches)


ACCURACY_OF_BATCHES = Exercise(
    reference=accuracy_of_batches,
    task="Write the accuracy over batches, the last of which may be short.",
    objective=BATCHES,
    cases=_batches,
    wrong=(
        Wrong(
            _mean_of_means,
            "You took the mean of the batches' accuracies, so each digit of a short last batch "
            "counts more than the others.",
        ),
        Wrong(_only_whole_ones, "You left the short last batch out; its digits count, too."),
        Wrong(
            _every_one_whole,
            "You divided as if every batch were as long as the first; the last one may be short.",
        ),
        Wrong(
            _only_the_last,
            "Only the last batch counted: the sums begin at 0 once, before the loop.",
        ),
        Wrong(
            _by_batches,
            "You divided by the number of batches; an accuracy is right digits by all digits.",
        ),
    ),
    hints=(
        "Two sums run through all batches: how many were right, and how many there were. When is "
        "the division?",
        "`(predictions == labels).sum()` counts in one batch, and `len(labels)` is its length.",
        "All but one blank:\n"
        "n_right, n = 0, 0\n"
        "for predictions, labels in batches:\n"
        "    n_right += (predictions == labels).sum().item()\n"
        "    n += ____\n"
        "return n_right / n",
    ),
    why=(
        "Sums over digits do not notice how the digits are cut into batches, and the division "
        "comes once, at the end. A mean of means is right only where all batches are equally long."
    ),
)

# --- A Dataset with a twist ---------------------------------------------------------------------


class WithInverted(Dataset):
    """Give each digit of a split twice: as it is, and inverted."""

    def __init__(self, split):
        self.split = split

    def __len__(self):
        """Return how many digits it gives."""
        return 2 * len(self.split)

    def __getitem__(self, place):
        """Return a digit (1, 28, 28) in [0, 1] and its label."""
        image, label = self.split[place // 2]
        if place % 2 == 1:
            image = 1 - image
        return image, label


def _splits():
    images, labels = real_digits(20)
    return {
        "three real digits": (dl.Split(images[:3], labels[:3]),),
        "one digit": (dl.Split(images[7:8], labels[7:8]),),
        "twenty real digits": (dl.Split(images, labels),),
    }


def _all_items(answer, split):
    data = answer(split)
    items = [data[i] for i in range(len(data))]
    return {
        "length": len(data),
        "pixels": torch.stack([torch.as_tensor(image) for image, _ in items]),
        "labels": [int(label) for _, label in items],
    }


class _From255(WithInverted):
    def __getitem__(self, place):
        image, label = self.split[place // 2]
        return (255 - image if place % 2 else image), label


class _OneAfterTheOther(WithInverted):
    def __getitem__(self, place):
        image, label = self.split[place % len(self.split)]
        return (1 - image if place >= len(self.split) else image), label


class _InvertedFirst(WithInverted):
    def __getitem__(self, place):
        image, label = self.split[place // 2]
        return (image if place % 2 else 1 - image), label


class _AsLongAsBefore(WithInverted):
    def __len__(self):
        return len(self.split)


class _Negative(WithInverted):
    def __getitem__(self, place):
        image, label = self.split[place // 2]
        return (-image if place % 2 else image), label


WITH_INVERTED = Exercise(
    reference=WithInverted,
    task="Write a Dataset that gives each digit twice, the second time inverted.",
    objective=BATCHES,
    cases=_splits,
    use=_all_items,
    wrong=(
        Wrong(
            _From255,
            "You took 255 - x, but a split gives pixels in [0, 1], where full ink is 1: inverted, "
            "they lie between 254 and 255.",
        ),
        Wrong(
            _OneAfterTheOther,
            "You gave all digits as they are, and then all inverted. The two of one digit stand "
            "side by side: `place // 2` says which digit it is.",
        ),
        Wrong(_InvertedFirst, "You exchanged them: as it is at even places, inverted at odd ones."),
        Wrong(
            _AsLongAsBefore,
            "It is as long as the split, so half of what it holds is never asked for: `__len__` "
            "is twice as much.",
        ),
        Wrong(_Negative, "You took -x; inverted is 1 - x, so that 0 becomes 1 and 1 becomes 0."),
    ),
    hints=(
        "A Dataset only has to say how long it is, and what stands at a place. Two places belong "
        "to each digit.",
        "`place // 2` is the digit's place in the split, and `place % 2` is 1 at odd places.",
        "All but one blank:\n"
        "def __len__(self):\n"
        "    return 2 * len(self.split)\n"
        "\n"
        "def __getitem__(self, place):\n"
        "    image, label = self.split[place // 2]\n"
        "    if place % 2 == 1:\n"
        "        image = ____ - image\n"
        "    return image, label",
    ),
    why=(
        "The split gives floats in [0, 1], so the inverse is 1 - x, and not 255 - x as for bytes. "
        "Nothing is stored twice: a Dataset may make what it gives at the moment it is asked."
    ),
    start='''
    class WithInverted(Dataset):
        def __init__(self, split):
            self.split = split

        def __len__(self):
            """Return how many digits it gives."""
            ...

        def __getitem__(self, place):
            """Return a digit (1, 28, 28) in [0, 1] and its label."""
            ...
    ''',
)

EXERCISES = (
    WHY_LUCKY,
    SHIFT_RIGHT,
    IDX_OF_LABELS,
    WHOLE_DIGITS,
    ACCURACY_OF_BATCHES,
    WITH_INVERTED,
)
# --- Quiz ---------------------------------------------------------------------------------------

SHAPES = ("(64, 28, 28)", "(28, 28)", "(64,)", "(64, 28)")

MEAN_SHAPE = Choice(
    name="01-mean-shape",
    text="Which shape has `average`?",
    objective=SHAPE,
    code="images = digits.train.images[:64]  # (64, 28, 28)\naverage = images.float().mean(dim=0)",
    options=(
        Option(
            SHAPES[0],
            "That is the shape of what goes in. A reduction takes away the dimension that `dim=` "
            "names.",
        ),
        Option(
            SHAPES[1],
            "Dimension 0 counts the digits, and it is gone: what is left is one picture, the "
            "average of 64.",
        ),
        Option(
            SHAPES[2],
            "One number for each digit would be left by `mean(dim=(1, 2))`. The dimension that is "
            "named is the one that goes.",
        ),
        Option(
            SHAPES[3],
            "That would be `mean(dim=2)`, over the columns. Dimension 0 counts the digits.",
        ),
    ),
    right=lambda: SHAPES.index(str(tuple(torch.zeros(64, 28, 28).mean(dim=0).shape))),
)


def _all_right_in_two_shapes():
    """Return the place of what two shapes print for 64 real labels, all read correctly."""
    _, labels = real_digits(64)
    printed = (labels[:, None] == labels).float().mean().item()
    return 2 if printed < 0.2 else 0


TWO_SHAPES = Choice(
    name="01-two-shapes",
    text=(
        "A network reads all 64 digits of a batch correctly. What does this print, where "
        "`predictions` has the shape `(64, 1)` and `labels` the shape `(64,)`?"
    ),
    objective=SHAPE,
    code="print((predictions == labels).float().mean())",
    options=(
        Option(
            "1, since all are right.",
            "It would, if each prediction met its own label. Line up the two shapes from the "
            "right: 64 meets 1.",
        ),
        Option(
            "Nothing: the two shapes do not fit, which is an error.",
            "They do fit, and that is the trouble: a length of 1 is used again and again.",
        ),
        Option(
            "About 0.1.",
            "Broadcasting makes `(64, 64)` of them: each prediction meets every label, and about "
            "one in ten is the same digit. No error, and a good network looks like a guesser.",
        ),
        Option(
            "1 / 64, since only one column is compared.",
            "The one column is compared with each of the 64 labels, so there are 64 x 64 answers; "
            "and the mean divides by all of them.",
        ),
    ),
    right=_all_right_in_two_shapes,
)

MIXED = Number(
    name="01-mixed",
    text=(
        "You mix two pictures, `(a + b) / 2`, both of them `uint8`. At one pixel `a` is 200 and "
        "`b` is 100. What stands there afterwards?"
    ),
    objective=CHANGE,
    answer=lambda: (torch.tensor([200], dtype=torch.uint8) + 100).div(2).item(),
    explanation=(
        "The sum comes first, in bytes: 300 - 256 = 44. Half of it is 22, nearly black, where 150 "
        "was meant. Make floats *before* you calculate: `(a.float() + b) / 2`."
    ),
    slips=(
        (150.0, "So it should be, but the sum is made first, in a type that ends at 255."),
        (127.5, "Bytes do not stop at 255; they begin again at 0, so the sum is 44."),
        (44.0, "That is the sum, 300 - 256; it is still divided by 2."),
    ),
)

LABEL_BYTES = Number(
    name="01-label-bytes",
    text="How many bytes has an IDX file of 60 000 labels, `uint8`, not compressed?",
    objective=FILE,
    answer=lambda: len(idx_of_labels(torch.zeros(60_000, dtype=torch.int64))),
    unit="bytes",
    explanation=(
        "Labels have one dimension, so the header has 4 + 4 = 8 bytes, and each label takes one: "
        "60 008."
    ),
    slips=(
        (60_000.0, "Those are the labels alone; a header stands before them."),
        (60_016.0, "16 bytes is the header of pictures, with three dimensions; labels have one."),
        (480_008.0, "8 bytes each is int64, as in the tensor; in the file each label takes one."),
    ),
)

TOO_GOOD = Choice(
    name="01-too-good",
    text="The number that this notebook tells at the end is too good. Which cell is to blame?",
    objective=SPLITS,
    code=(
        "# cell 1\n"
        "digits = dl.load()\n"
        "# cell 2\n"
        "runs = [dl.train(recipe, digits, seed=0) for recipe in recipes]\n"
        "# cell 3\n"
        'best = max(runs, key=lambda run: run.scores["test_accuracy"])\n'
        "# cell 4\n"
        "result = dl.evaluate(best.model, digits.test)\n"
        'print(f"{result.accuracy:.1%} of the test digits")'
    ),
    options=(
        Option(
            "Cell 1: the digits are not shuffled.",
            "The splits were drawn at random when the data were loaded, and a training shuffles "
            "its digits itself. Neither would make the number too good.",
        ),
        Option(
            "Cell 2: all runs have the same seed.",
            "With the same seed they start and shuffle alike, which is fair and far from test.",
        ),
        Option(
            "Cell 3: the best is chosen by test.",
            "The winner was lucky on just these digits, and then they flatter it. Choose by "
            '`"valid_accuracy"`, and cell 4 may be believed.',
        ),
        Option(
            "Cell 4: it reads the test split.",
            "That is what test is for: once, at the end, when everything is chosen. Was everything "
            "chosen without it?",
        ),
    ),
    right=2,
)

N_BATCHES = Number(
    name="01-n-batches",
    text="How many batches does a loader hand over in an epoch, of 1 000 digits in batches of 64?",
    objective=BATCHES,
    answer=lambda: len(torch.arange(1000).split(64)),
    explanation=(
        "15 whole batches hold 960 digits, and the other 40 are the last, short one: 16. Each of "
        "the 40 counts as much as any other digit only if you add up over digits."
    ),
    slips=(
        (15.0, "Those are the whole ones. 40 digits are left, and they are a batch, too."),
        (15.625, "A part of a batch is a batch, only a short one."),
    ),
)


def _best_of_guessers():
    """Draw how good the best of n guessers is on what it was chosen by, and on other digits."""
    generator = torch.Generator().manual_seed(0)
    _, labels = real_digits(200)
    readers = torch.randint(0, 10, (10, 1000, 200), generator=generator)
    right = (readers == labels).float()  # (tries, readers, digits)
    chosen_by, fresh = right[..., :100].mean(dim=2), right[..., 100:].mean(dim=2)
    lines: dict[str, dict[int, float]] = {"A": {}, "B": {}}
    for n in (1, 10, 100, 1000):
        best = chosen_by[:, :n].argmax(dim=1, keepdim=True)
        lines["A"][n] = chosen_by.gather(1, best).mean().item()
        lines["B"][n] = fresh.gather(1, best).mean().item()
    return dl.plot_lines(
        lines,
        title="The best of n readers, mean of 10 tries",
        x=dl.Axis("readers to choose from", log=True),
        y=dl.Axis("accuracy", percent=True, limits=(0, 0.3)),
    )


LUCK = Choice(
    name="01-luck",
    text=(
        "Of n readers that only guess, the best one on 100 digits is chosen. It is judged on "
        "these 100 digits, and on 100 fresh ones. Which curve is which?"
    ),
    objective=SPLITS,
    figure=_best_of_guessers,
    options=(
        Option(
            "A is on fresh digits, B on those that it was chosen by.",
            "It is the other way round: what grows with the number of readers is their luck, and "
            "luck shows only on the digits by which the luckiest was chosen.",
        ),
        Option(
            "A is on the digits that it was chosen by, B on fresh ones.",
            "The more readers, the luckier the luckiest, on the digits by which it was found. On "
            "fresh ones it is what all of them are, right one time in ten.",
        ),
        Option(
            "Both are on fresh digits; the best of many readers reads better.",
            "None of them reads. On fresh digits each is right one time in ten, the chosen one "
            "like all others.",
        ),
        Option(
            "It cannot be told: the two differ by chance alone.",
            "Each point is the mean of 10 tries, and one of the curves climbs steadily. Chance has "
            "no such direction; choosing has.",
        ),
    ),
    right=1,
)

QUIZ = (MEAN_SHAPE, TWO_SHAPES, MIXED, LABEL_BYTES, TOO_GOOD, N_BATCHES, LUCK)
