"""Exercises and quiz of notebook 12, Augment and transfer."""

from __future__ import annotations

import copy
from functools import cache

import torch
import torch.nn.functional as F

import digitlab as dl
from digitlab.exercises.records import (
    Choice,
    Exercise,
    Number,
    Open,
    Option,
    Wrong,
    real_digits,
)

# --- Noise ------------------------------------------------------------------------------------


def add_noise(images, most=0.1):
    """Return pixels of the same shape in [0, 1]: each has got a normal random number of its own.

    `most` is the standard deviation of these numbers.
    """
    return (images + most * torch.randn_like(images)).clamp(0, 1)


def _noise_seen(add, *arguments):
    """Return what can be seen of two calls: random pixels themselves never agree."""
    made, again = (add(*arguments) for _ in range(2))
    if made is None:
        return None
    made, again = torch.as_tensor(made), torch.as_tensor(again)
    seen = {"shape": tuple(made.shape)}
    if made.shape != arguments[0].shape:
        return seen
    inside = made.min() >= 0 and made.max() <= 1
    return seen | {
        "all pixels from 0 to 1": "yes" if inside else "no",
        "mean brightness": made.double().mean(),
        "spread within a picture": made.double().flatten(1).std(dim=1).mean(),
        "two equal pictures stay equal": "yes" if made[0].equal(made[1]) else "no",
        "a second call gives the same": "yes" if made.equal(again) else "no",
    }


def _brightness(level):
    return torch.full((40, 1, 28, 28), level)


def _for_noise():
    images, _ = real_digits(20)
    pixels = dl.as_pixels(images.repeat_interleave(2, dim=0))
    return {
        "grey pictures, most = 0.1": (_brightness(0.5), 0.1),
        "real digits, two of each": (pixels, 0.2),
        "black pictures, as much noise as is usual": (_brightness(0.0),),
        "white pictures": (_brightness(1.0), 0.3),
        "no noise: most = 0": (pixels, 0.0),
    }


def _not_clamped(images, most=0.1):
    return images + most * torch.randn_like(images)


def _clamped_before(images, most=0.1):
    return images + (most * torch.randn_like(images)).clamp(0, 1)


def _uniform(images, most=0.1):
    return (images + most * torch.rand_like(images)).clamp(0, 1)


def _multiplied(images, most=0.1):
    return (images * (1 + most * torch.randn_like(images))).clamp(0, 1)


def _one_for_all(images, most=0.1):
    return (images + most * torch.randn(images.shape[1:])).clamp(0, 1)


def _one_for_each_picture(images, most=0.1):
    return (images + most * torch.randn(len(images), 1, 1, 1)).clamp(0, 1)


def _seeded_inside(images, most=0.1):
    generator = torch.Generator().manual_seed(0)
    return (images + most * torch.randn(images.shape, generator=generator)).clamp(0, 1)


ADD_NOISE = Exercise(
    reference=add_noise,
    task="Add normal noise to pixels, and keep them within 0 and 1.",
    objective="make new training digits out of old ones",
    cases=_for_noise,
    use=_noise_seen,
    close=0.05,
    wrong=(
        Wrong(
            _not_clamped,
            "You did not keep the result within 0 and 1: a network has never met such pixels, "
            "and no picture on paper has any.",
        ),
        Wrong(
            _clamped_before,
            "You kept the noise within 0 and 1, not the sum: noise then never darkens a pixel, "
            "and the sum still goes beyond 1.",
        ),
        Wrong(
            _uniform,
            "`rand` gives numbers from 0 to 1, none of them negative: every pixel becomes "
            "brighter. Normal numbers around 0 come from `randn`.",
        ),
        Wrong(
            _multiplied,
            "You multiplied: a pixel that is 0 stays 0, so the paper around the digit stays "
            "perfectly clean. Noise is added.",
        ),
        Wrong(
            _one_for_all,
            "You drew noise for one picture and added it to all: within a batch the network can "
            "learn that pattern away.",
        ),
        Wrong(
            _one_for_each_picture,
            "You drew one number for a whole picture: that changes its brightness and is no noise.",
        ),
        Wrong(
            _seeded_inside,
            "Your generator begins anew at each call, so each epoch gets the same noise again, "
            "and it can be learnt by heart.",
        ),
    ),
    hints=(
        "A number for each pixel, drawn anew; then nothing may be below 0 or above 1.",
        "`torch.randn_like(images)` has standard deviation 1; `clamp` cuts off at both ends.",
        "All but one blank:\nreturn (images + ____ * torch.randn_like(images)).clamp(0, 1)",
    ),
    why=(
        "`most` times a normal number of standard deviation 1 has standard deviation `most`, and "
        "`randn_like` draws one for each pixel of each picture. The sum is clamped last, since it "
        "is the sum that has to be a picture."
    ),
)

# --- Which change was it? -----------------------------------------------------------------------


def surely_help(accuracies):
    usual = max(accuracies["as they are"])
    return [name for name, reached in accuracies.items() if min(reached) > usual]


def _accuracies():
    return {
        "like MNIST": (
            {
                "as they are": [0.953, 0.959, 0.956],
                "all five": [0.971, 0.975, 0.973],
                "shift": [0.967, 0.972],
                "rotate": [0.958, 0.966],
                "scale": [0.961, 0.957],
                "shear": [0.954, 0.957],
                "elastic": [0.955, 0.962],
            },
        ),
        "a tie, and a change that harms": (
            {
                "as they are": [0.90, 0.92],
                "all five": [0.93, 0.91],
                "shift": [0.92, 0.95],
                "rotate": [0.89, 0.90],
                "scale": [0.925, 0.926],
                "shear": [0.9, 0.93],
                "elastic": [0.94, 0.95],
            },
        ),
        "nothing to gain": (
            {
                "as they are": [0.99, 0.9967, 0.9933],
                "all five": [0.9967, 0.9933],
                "shift": [1.0, 0.9933],
                "rotate": [0.9967, 0.9967],
                "scale": [0.9967, 0.9967],
                "shear": [0.9933, 0.9967],
                "elastic": [0.9933, 0.9967],
            },
        ),
    }


def _names_in_order(names, accuracies):
    return [names] if isinstance(names, str) else sorted(names)


def _mean_is_higher(accuracies):
    def mean(name):
        return sum(accuracies[name]) / len(accuracies[name])

    return [name for name in accuracies if mean(name) > mean("as they are")]


def _best_seed(accuracies):
    usual = max(accuracies["as they are"])
    return [name for name, reached in accuracies.items() if max(reached) > usual]


def _worst_of_both(accuracies):
    usual = min(accuracies["as they are"])
    return [name for name, reached in accuracies.items() if min(reached) > usual]


def _the_best_alone(accuracies):
    return [max(accuracies, key=lambda name: sum(accuracies[name]) / len(accuracies[name]))]


SURELY_HELP = Exercise(
    reference=surely_help,
    is_value=True,
    task="Name the changes of which even the worst seed beats every seed without a change.",
    objective="say which changes are allowed and which ruin the labels",
    cases=_accuracies,
    use=_names_in_order,
    wrong=(
        Wrong(
            _mean_is_higher,
            "You compared means: of two runs of the same thing one mean is always the higher. "
            "Here each seed of the change has to beat each seed without.",
        ),
        Wrong(
            _best_seed,
            "You compared the best seeds: the best of several is lucky. Ask whether the *worst* "
            "seed of a change beats all without it.",
        ),
        Wrong(
            _worst_of_both,
            "You compared with the worst seed without a change; the best one has to be beaten, "
            "too.",
        ),
        Wrong(
            _the_best_alone,
            "That is the highest mean alone; asked are all changes that surely help, and there "
            "may be several or none.",
        ),
    ),
    hints=(
        "Two bands do not touch where the lowest of the one lies above the highest of the other.",
        "`max` of the seeds as they are, and `min` of the seeds of each change.",
        "All but one blank:\n"
        'usual = max(accuracies["as they are"])\n'
        "surely_help = [name for name, reached in accuracies.items() if ____ > usual]",
    ),
    why=(
        "A seed is luck, so one run above another says little; where the bands of all seeds lie "
        "apart, luck hardly did it. With more seeds this is ever harder to reach, so it errs on "
        "the careful side."
    ),
)

# --- Gains that do not add up -------------------------------------------------------------------


def counted_twice(accuracies):
    means = {name: sum(reached) / len(reached) for name, reached in accuracies.items()}
    gains = {name: mean - means["as they are"] for name, mean in means.items()}
    together = gains.pop("all five")
    return sum(gains.values()) - together


def _other_way(accuracies):
    return -counted_twice(accuracies)


def _all_in_the_sum(accuracies):
    means = {name: sum(reached) / len(reached) for name, reached in accuracies.items()}
    return sum(mean - means["as they are"] for mean in means.values())


def _best_seeds(accuracies):
    gains = {name: max(a) - max(accuracies["as they are"]) for name, a in accuracies.items()}
    together = gains.pop("all five")
    return sum(gains.values()) - together


def _accuracies_added(accuracies):
    means = {name: sum(reached) / len(reached) for name, reached in accuracies.items()}
    together, _ = means.pop("all five"), means.pop("as they are")
    return sum(means.values()) - together


COUNTED_TWICE = Exercise(
    reference=counted_twice,
    is_value=True,
    task="Add up the gains of the single changes, and take away the gain of all five together.",
    objective="say which changes are allowed and which ruin the labels",
    cases=_accuracies,
    wrong=(
        Wrong(
            _other_way,
            "You took the sum from the gain of all five; asked is the other way: how much more "
            "the sum promises.",
        ),
        Wrong(
            _all_in_the_sum,
            "The gain of all five stands in your sum; it has to be taken away from the sum of the "
            "single ones.",
        ),
        Wrong(
            _best_seeds,
            "You took the best seed of each: the best of several is lucky. Take the mean.",
        ),
        Wrong(
            _accuracies_added,
            "You added accuracies. A gain is a difference: take away the mean as they are from "
            "each one.",
        ),
    ),
    hints=(
        "The gain of a change is its mean over the seeds, minus the mean as they are.",
        "A dict of gains, `pop` the one of all five, and `sum` the others.",
        "All but one blank:\n"
        "means = {name: sum(reached) / len(reached) for name, reached in accuracies.items()}\n"
        "gains = {name: mean - ____ for name, mean in means.items()}\n"
        'together = gains.pop("all five")\n'
        "counted_twice = sum(gains.values()) - together",
    ),
    why=(
        "The gain of a change is what it repairs, and several changes repair the same mistakes, "
        "which can be repaired once only. So the sum promises more than all five together give, "
        "and what one change is worth depends on what is there already."
    ),
)

# --- Split, then change -------------------------------------------------------------------------


def split_then_change(images, labels, change, n_valid, copies=2):
    """Return (images, labels) for training, and (images, labels) for validation.

    The first `n_valid` digits are for validation. Of each other digit, training gets `copies`
    changed pictures; `change(images)` changes each picture, in another way at each call.
    """
    changed = torch.cat([change(images[n_valid:]) for _ in range(copies)])
    return (changed, labels[n_valid:].repeat(copies)), (images[:n_valid], labels[:n_valid])


def _parts_seen(answer, images, labels, change, *others):
    """Return what is in the two parts, in whatever order: who descends from which digit?"""
    parts = answer(images, labels, change, *others)
    if parts is None:
        return None
    (changed, train_labels), (valid, valid_labels) = (
        [torch.as_tensor(part) for part in pair] for pair in parts
    )
    from_train, from_valid = (_origins(part, images) for part in (changed, valid))
    untouched = len(valid) == len(from_valid) and valid.equal(images[from_valid])
    return {
        "pictures for training": len(changed),
        "labels for training": len(train_labels),
        "pictures for validation come from": sorted(from_valid.tolist()),
        "validation is as it was": "yes" if untouched else "no",
        "digits on both sides": len(set(from_train.tolist()) & set(from_valid.tolist())),
        "wrong labels": _n_wrong(train_labels, labels[from_train])
        + _n_wrong(valid_labels, labels[from_valid]),
        "different pictures for training": len({row.numpy().tobytes() for row in changed}),
    }


def _origins(pictures, images):
    """Return the place of the digit that each picture was made of, the one it is most like."""
    if not len(pictures):
        return torch.zeros(0, dtype=torch.int64)
    return torch.cdist(pictures.flatten(1).float(), images.flatten(1)).argmin(dim=1)


def _n_wrong(given, expected):
    return int((given != expected).sum()) if given.shape == expected.shape else -1


def _a_little_noise(images):
    return (images + 0.05 * torch.randn_like(images)).clamp(0, 1)


def _to_split():
    images, labels = real_digits(12)
    pixels = dl.as_pixels(images)
    return {
        "12 real digits, 4 for validation": (pixels, labels, _a_little_noise, 4, 3),
        "as many copies as is usual": (pixels[:7], labels[:7], _a_little_noise, 2),
        "one copy": (pixels, labels, _a_little_noise, 5, 1),
        "none for validation": (pixels[:5], labels[:5], _a_little_noise, 0, 2),
    }


def _change_then_split(images, labels, change, n_valid, copies=2):
    images = torch.cat([change(images) for _ in range(copies)])
    labels = labels.repeat(copies)
    return (images[n_valid:], labels[n_valid:]), (images[:n_valid], labels[:n_valid])


def _other_order(images, labels, change, n_valid, copies=2):
    changed = torch.cat([change(images[n_valid:]) for _ in range(copies)])
    labels_too = labels[n_valid:].repeat_interleave(copies)
    return (changed, labels_too), (images[:n_valid], labels[:n_valid])


def _validation_too(images, labels, change, n_valid, copies=2):
    training, (valid, of_valid) = split_then_change(images, labels, change, n_valid, copies)
    return training, (change(valid), of_valid)


def _once_and_copied(images, labels, change, n_valid, copies=2):
    changed = change(images[n_valid:]).repeat(copies, 1, 1, 1)
    return (changed, labels[n_valid:].repeat(copies)), (images[:n_valid], labels[:n_valid])


SPLIT_THEN_CHANGE = Exercise(
    reference=split_then_change,
    task="Split digits, and put changed copies of the training digits in the place of these.",
    objective="make new training digits out of old ones",
    cases=_to_split,
    use=_parts_seen,
    wrong=(
        Wrong(
            _change_then_split,
            "You changed first and split afterwards: a validation digit and a changed copy of it "
            "in training are the same handwriting. That is a leak, and no comparison of pixels "
            "finds it.",
        ),
        Wrong(
            _other_order,
            "Images and labels stand in different orders: `cat` puts one copy of all digits after "
            "the other, `repeat_interleave` all copies of one digit.",
        ),
        Wrong(
            _validation_too,
            "You changed the validation digits, too: they should say how well digits are read as "
            "people write them.",
        ),
        Wrong(
            _once_and_copied,
            "You changed each digit once and copied the result: copies of one picture hold no "
            "more variety than the picture.",
        ),
    ),
    hints=(
        "First the split, by slices; then the changes, and only to what is for training.",
        "`torch.cat` joins the results of several calls of `change`; `labels.repeat(n)` goes with "
        "it.",
        "All but one blank:\n"
        "changed = torch.cat([change(____) for _ in range(copies)])\n"
        "return (changed, labels[n_valid:].repeat(copies)), (images[:n_valid], labels[:n_valid])",
    ),
    why=(
        "Whatever is made of a digit stays on the digit's side, since the split comes first. Each "
        "call of `change` draws anew, and `repeat` brings the labels into the order of `cat`."
    ),
)

# --- What was forgotten -------------------------------------------------------------------------


def reads_old(source, tuned, old_valid):
    old_head = copy.deepcopy(tuned)
    head = list(source.modules())[-1].state_dict()
    list(old_head.modules())[-1].load_state_dict(head)
    models = {"before": source, "after": tuned, "old head": old_head}
    return {name: dl.evaluate(model, old_valid).accuracy for name, model in models.items()}


@cache
def _readers():
    """Return a network that learnt 0 to 4, one that went on with 5 to 9, and some of the old."""
    images, labels = real_digits(400)
    split = dl.Split(images, labels)
    source = _taught(dl.build_model("MLP", seed=0, hidden=(32,)), split.only(0, 1, 2, 3, 4), 30)
    tuned = copy.deepcopy(source)
    list(tuned.modules())[-1].reset_parameters()
    return source, _taught(tuned, split.only(5, 6, 7, 8, 9), 15), split.only(0, 1, 2, 3, 4)


def _taught(model, split, n_steps):
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(n_steps):
        optimizer.zero_grad()
        F.cross_entropy(model(dl.as_pixels(split.images)), split.labels).backward()
        optimizer.step()
    return model


def _to_remember():
    source, tuned, old = _readers()
    return {
        "a network that went on to 5 to 9": (source, tuned, old),
        "some of the digits": (source, tuned, old[:30]),
    }


def _whole_network_back(source, tuned, old_valid):
    right = reads_old(source, tuned, old_valid)
    return right | {"old head": right["before"]}


def _no_head_back(source, tuned, old_valid):
    right = reads_old(source, tuned, old_valid)
    return right | {"old head": right["after"]}


def _in_percent(source, tuned, old_valid):
    return {name: 100 * a for name, a in reads_old(source, tuned, old_valid).items()}


READS_OLD = Exercise(
    reference=reads_old,
    is_value=True,
    task="Measure what a fine-tuned network still reads of its old task, and with its old head.",
    objective="reuse a trained network for a new task: frozen, fine-tuned, or not at all",
    cases=_to_remember,
    wrong=(
        Wrong(
            _whole_network_back,
            "With the old head you get exactly the accuracy from before: did you put the whole old "
            "network back? Only its last layer belongs on the fine-tuned features.",
        ),
        Wrong(
            _no_head_back,
            "With the old head you get exactly what you get without: a deep copy alone still has "
            "the new head. (The new head on the *old* network reads nothing either.)",
        ),
        Wrong(_in_percent, "An accuracy is a fraction from 0 to 1 here; you gave percent."),
    ),
    hints=(
        "Three networks read the same old digits: the source, the tuned one, and a copy of the "
        "tuned one with the last layer of the source.",
        "`copy.deepcopy`, then `load_state_dict` of the last module; `with_fresh_head` above finds "
        "that module.",
        "All but one blank:\n"
        "old_head = copy.deepcopy(____)\n"
        "head = list(source.modules())[-1].state_dict()\n"
        "list(old_head.modules())[-1].load_state_dict(head)\n"
        'models = {"before": source, "after": tuned, "old head": old_head}\n'
        "reads_old = {name: dl.evaluate(m, old_valid).accuracy for name, m in models.items()}",
    ),
    why=(
        "The fresh head has only seen 5 to 9, so with it none of the old digits is read, whatever "
        "the features still know. Under the old head one sees how far the features themselves have "
        "moved."
    ),
)

WHAT_WAS_FORGOTTEN = Open(
    name="what_was_forgotten",
    task="Explain which part of the network forgot 0 to 4, and which did not.",
    objective="reuse a trained network for a new task: frozen, fine-tuned, or not at all",
    hints=(
        "Compare three numbers: before, after, and after with the old head. Which step lost most?",
        "A network is features and a head. Which of the two did fine-tuning replace, and which did "
        "it move a little?",
        "All but one blank:\n"
        "With the fresh head it reads none of 0 to 4, because ____; with the old head ...",
    ),
    points=(
        "With the fresh head nothing is left, since no old class was among its examples.",
        "With the old head a large part comes back, so the features still hold most of the task.",
        "What is missing to the accuracy before is how far fine-tuning moved the features.",
        "Accuracy on the new task alone would have shown none of this.",
    ),
    model=(
        "Fine-tuning itself forgot little. The head was replaced, and the fresh one has met no 0 "
        "to 4, so it never gives these answers: that is why the accuracy falls to about 0. With "
        "the old head on the same features most old digits are read again, so the features still "
        "tell them apart; only what is missing to the accuracy before was lost by moving them. "
        "Whoever needs both tasks keeps the old head, freezes the features, or trains on digits of "
        "both tasks."
    ),
)

EXERCISES = (
    ADD_NOISE,
    SURELY_HELP,
    COUNTED_TWICE,
    SPLIT_THEN_CHANGE,
    READS_OLD,
    WHAT_WAS_FORGOTTEN,
)

# --- Quiz -----------------------------------------------------------------------------------------


@cache
def _descents():
    """Return the training losses of three runs on 200 real digits, each changed in its own way."""
    images, labels = real_digits(200)
    pixels = dl.as_pixels(images)
    ways = {"A": dl.Augment(rotate=180), "B": dl.Augment(), "C": dl.Augment(shift=1, rotate=10)}
    losses: dict[str, list[float]] = {}
    with torch.random.fork_rng(devices=[]):
        for name, change in ways.items():
            torch.manual_seed(0)
            model = dl.build_model("MLP", seed=0, hidden=(64,))
            optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
            losses[name] = []
            for _ in range(40):
                optimizer.zero_grad()
                loss = F.cross_entropy(model(change(pixels.clone())), labels)
                loss.backward()
                optimizer.step()
                losses[name].append(loss.item())
    return losses


def _draw_descents():
    title = "Training loss of three runs on the same digits"
    return dl.plot_lines(_descents(), title=title, x="epoch", y="loss")


def _unchanged():
    losses = _descents()
    return "ABC".index(min(losses, key=lambda name: losses[name][-1]))


LEAK = """
# cell A
images, labels = dl.as_pixels(digits.train.images[:1000]), digits.train.labels[:1000]

# cell B
many = torch.cat([moderate(images) for _ in range(5)])
many_labels = labels.repeat(5)

# cell C
order = torch.randperm(5000)
for_training, for_validation = order[1000:], order[:1000]

# cell D
fit(model, many[for_training], many_labels[for_training])
judge(model, many[for_validation], many_labels[for_validation])
"""

QUIZ = (
    Choice(
        name="12-letters",
        text="You read small letters, a to z. Which change may you make to the training letters, "
        "and keep their labels?",
        objective="say which changes are allowed and which ruin the labels",
        options=(
            Option(
                "Mirror them from left to right.",
                "A mirrored b is a d, and a mirrored p is a q: you would teach wrong labels, and "
                "no error would tell.",
            ),
            Option(
                "Turn them by any angle.",
                "Upside down, an n is a u, a b is a q and a d is a p: their labels would be wrong.",
            ),
            Option(
                "Turn them by up to 10 degrees.",
                "You would still give each of them the same label. That is the only question: "
                "would a person who reads the changed picture say the same?",
            ),
            Option(
                "Draw them twice as tall.",
                "A tall n is close to an h, and a tall e to an l: height tells letters apart. A "
                "few percent would do no harm.",
            ),
        ),
        right=2,
    ),
    Choice(
        name="12-which-curve",
        text="Three runs learn from the same 200 digits: as they are, shifted and turned a little, "
        "or turned by any angle. This is the loss on what they learn from. Which curve is the run "
        "on the digits as they are?",
        objective="make new training digits out of old ones",
        figure=_draw_descents,
        options=(
            Option(
                "A",
                "A stays highest: its digits are turned by any angle, a harder task than any "
                "reader of digits has, and partly an impossible one, as for 6 and 9.",
            ),
            Option(
                "B",
                "B falls fastest: 200 pictures that come back unchanged can be learnt by heart. "
                "A low training loss says nothing about new digits.",
            ),
            Option(
                "C",
                "C lies in the middle: shifted and turned a little, anew in each epoch, the "
                "digits cannot be learnt by heart. Its loss is higher, and it reads new digits "
                "better.",
            ),
        ),
        right=_unchanged,
    ),
    Choice(
        name="12-which-cell",
        text="Validation says 99.5 %, and of really new digits the model reads 96 %. Which cell "
        "has the bug?",
        objective="make new training digits out of old ones",
        code=LEAK.strip(),
        options=(
            Option("A", "Taking the first 1 000 digits is harmless where they come shuffled."),
            Option(
                "B",
                "Each call of `moderate` draws anew, and `repeat` goes with `cat`: pictures and "
                "labels fit. What is wrong is what happens to them next.",
            ),
            Option(
                "C",
                "It splits what was made of 1 000 digits: nearly each validation picture has a "
                "sister in training, made of the same digit. Split the digits first, then change "
                "those for training.",
            ),
            Option(
                "D",
                "It trains on one part and judges on the other, as it should be. But the parts "
                "are related.",
            ),
        ),
        right=2,
    ),
    Number(
        name="12-larger-kernel",
        text="A convolution keeps its channels and its number of places, and its kernel becomes 7 "
        "x 7 in place of 3 x 3. How many times as much does it compute?",
        objective="compare architectures on a fixed budget",
        answer=lambda: 7**2 / 3**2,
        tolerance=0.06,
        unit="times",
        explanation="Each output adds up 49 products in place of 9, so 5.4 times. An equal number "
        "of batches is not an equal budget of work, and few parameters do not mean little work.",
        slips=(
            (7 / 3, "You compared sides. A kernel has as many weights as its area has places."),
            (7**2, "That is the number of weights in the new kernel; divide it by the old 9."),
            (4.0, "You subtracted the sides. Each of the 49 weights is multiplied once: 49 / 9."),
        ),
    ),
    Choice(
        name="12-fair",
        text="One network read 97.4 % of the validation digits after 100 batches, another 97.1 %. "
        "The learning rate was chosen for the first. What does that show?",
        objective="compare architectures on a fixed budget",
        options=(
            Option(
                "The first architecture is better.",
                "One seed each, and a learning rate that was chosen for one side only: both could "
                "make up for 0.3 %.",
            ),
            Option(
                "Hardly anything: choose the rate for both, and take several seeds of each.",
                "A comparison is fair when each side is treated equally well, and a difference "
                "has to exceed what seeds differ.",
            ),
            Option(
                "The second needs more batches, and then it is better.",
                "That is possible, and not shown. Whoever gives one side more must give it to the "
                "other, too.",
            ),
        ),
        right=1,
    ),
    Choice(
        name="12-frozen",
        text="Of a network with batch norm, every parameter but those of the new head has "
        "`requires_grad = False`. It learns in training mode, and afterwards the features of a "
        "digit are others than before. Why?",
        objective="reuse a trained network for a new task: frozen, fine-tuned, or not at all",
        options=(
            Option(
                "Batch norm went on moving its running averages.",
                "These are no parameters and need no gradient: in training mode each batch moves "
                "them. Frozen means `eval()` as well, or features that are computed once.",
            ),
            Option(
                "AdamW pulled the weights towards 0.",
                "Weight decay does that only to parameters that have a gradient; those without "
                "one are skipped.",
            ),
            Option(
                "The slopes of the head flow back into the features.",
                "They would, but nothing is stored for parameters with `requires_grad = False`, "
                "and the optimizer does not move them.",
            ),
            Option(
                "A new head always gives new features.",
                "Features are what comes out *before* the head, so the head alone cannot change "
                "them.",
            ),
        ),
        right=0,
    ),
    Choice(
        name="12-first-of-all",
        text="You have 50 labelled digits from a new scanner, and a network that learnt the same "
        "ten classes from MNIST. What comes first?",
        objective="reuse a trained network for a new task: frozen, fine-tuned, or not at all",
        options=(
            Option(
                "Fine-tune all of it on the 50 digits.",
                "That can make it worse, as in section 7, and without a measurement before it you "
                "would not notice.",
            ),
            Option(
                "Train a network of the same shape from scratch.",
                "Fifty digits are few: in section 7 a start from scratch was clearly the worst of "
                "all ways.",
            ),
            Option(
                "Replace the head, and train that.",
                "A fresh head is for new classes. Here the classes are the same, so the old one "
                "holds knowledge that you would throw away.",
            ),
            Option(
                "Measure what it reads as it is.",
                "It costs nothing, may be enough, and is what everything else has to beat.",
            ),
        ),
        right=3,
    ),
)
