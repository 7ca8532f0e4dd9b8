"""Exercises and quiz of notebook 00, First look."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from digitlab.exercises.records import (
    Choice,
    Exercise,
    Number,
    Open,
    Option,
    Wrong,
    real_digits,
)

LOAD = "load digits"
TRAIN = "train a network on them"
JUDGE = "say honestly how good it is"
USE = "have it read a digit that you made"

# --- Fewer examples ---------------------------------------------------------------------------


def lost_accuracy(run, few_run):
    return run.scores["valid_accuracy"] - few_run.scores["valid_accuracy"]


def _of_train(run, few_run):
    return run.scores["train_accuracy"] - few_run.scores["train_accuracy"]


def _in_percent(run, few_run):
    return 100 * lost_accuracy(run, few_run)


def _all_mistakes(run, few_run):
    return 1 - few_run.scores["valid_accuracy"]


def _in_proportion(run, few_run):
    fraction = few_run.sizes["train"] / run.sizes["train"]
    return run.scores["valid_accuracy"] * (1 - fraction)


def _run(n, train, valid):
    """Return what a run says of n training digits."""
    scores = {"train_accuracy": train, "valid_accuracy": valid}
    return SimpleNamespace(sizes={"train": n}, scores=scores)


def _runs():
    return {
        "a fiftieth": (_run(50_000, 0.993, 0.988), _run(1000, 1.0, 0.952)),
        "of 1 200": (_run(1200, 1.0, 0.993), _run(24, 1.0, 0.76)),
    }


LOST_ACCURACY = Exercise(
    reference=lost_accuracy,
    is_value=True,
    close=0.1,
    task="Say how much accuracy is lost with a fiftieth of the digits.",
    objective=TRAIN,
    cases=_runs,
    wrong=(
        Wrong(
            _of_train,
            "You compared the accuracies on train. A network can know its few training digits by "
            "heart; the digits of valid are new to both.",
        ),
        Wrong(_in_percent, "That is in percent; an accuracy is a fraction here, 0.98 for 98 %."),
        Wrong(
            _all_mistakes,
            "That is the fraction which the second network misreads; how much *more* is it than "
            "what the first one misreads?",
        ),
        Wrong(
            _in_proportion,
            "Accuracy does not fall in proportion: a fiftieth of the examples teaches far more "
            "than a fiftieth of the reading. Take both accuracies from the runs.",
        ),
    ),
    hints=(
        "Both networks have to be judged by the same digits, and by none that either learned from.",
        'A run keeps its numbers: `few_run.scores["valid_accuracy"]` is one of the two.',
        'All but one blank:\nlost_accuracy = run.scores["valid_accuracy"] - ____',
    ),
    why=(
        "Both accuracies are of the same new digits, so their difference is what the missing "
        "examples cost. It is small: the first thousand examples teach most, and the others "
        "repair what is rare."
    ),
)

# --- Accuracy by hand ---------------------------------------------------------------------------


def fraction_right(predictions, labels):
    """Return which fraction of the predictions agrees with the labels."""
    n_right = 0
    for prediction, label in zip(predictions, labels, strict=True):
        if prediction == label:
            n_right += 1
    return n_right / len(labels)


def _readings():
    _, labels = real_digits(200)
    return {
        "3 of 4 are right": (torch.tensor([7, 2, 1, 9]), torch.tensor([7, 2, 1, 4])),
        "the right digits at wrong places": (torch.tensor([1, 2, 7]), torch.tensor([7, 1, 2])),
        "all are right": (torch.tensor([0, 5]), torch.tensor([0, 5])),
        "always 1, of 200 real digits": (torch.ones_like(labels), labels),
    }


def _count(predictions, labels):
    return (predictions == labels).sum().item()


def _percent(predictions, labels):
    return 100 * fraction_right(predictions, labels)


def _misread(predictions, labels):
    return (predictions != labels).float().mean().item()


def _same_amounts(predictions, labels):
    read, there = (values.bincount(minlength=10) for values in (predictions, labels))
    return torch.minimum(read, there).sum().item() / len(labels)


FRACTION_RIGHT = Exercise(
    reference=fraction_right,
    task="Write the accuracy yourself.",
    objective=JUDGE,
    cases=_readings,
    wrong=(
        Wrong(_count, "You returned *how many* are right; divide by how many digits there are."),
        Wrong(_percent, "You returned percent; an accuracy is a fraction here, from 0 to 1."),
        Wrong(_misread, "You counted the digits that are misread, not those that are right."),
        Wrong(
            _same_amounts,
            "You compared how often each digit was read with how often it is there. Each "
            "prediction has to agree with the label at its own place.",
        ),
    ),
    hints=(
        "Go through both side by side, count where they agree, and divide by how many there are.",
        "`zip(predictions, labels)` gives them in pairs; `==` on whole tensors compares all pairs.",
        "All but one blank, without a loop:\nreturn (predictions == labels).sum().item() / ____",
    ),
    why=(
        "Accuracy is nothing but counting: right answers, divided by all answers. "
        "Without a loop it is `(predictions == labels).float().mean()`, as notebook 02 shows."
    ),
)

# --- The wrong ground ---------------------------------------------------------------------------


def read_most(inverted_result):
    return inverted_result.predictions.bincount().argmax().item()


def _most_frequent_label(inverted_result):
    return inverted_result.labels.bincount().argmax().item()


def _most_often_right(inverted_result):
    right = inverted_result.predictions == inverted_result.labels
    return inverted_result.labels[right].bincount(minlength=10).argmax().item()


def _how_often(inverted_result):
    return inverted_result.predictions.bincount().max().item()


def _results():
    _, labels = real_digits(300)
    read = torch.where(labels > 4, torch.tensor(8), torch.tensor(4))
    read[::3] = 8
    few = SimpleNamespace(
        predictions=torch.tensor([8, 8, 8, 8, 2, 2, 3]), labels=torch.tensor([1, 1, 1, 8, 2, 2, 3])
    )
    return {
        "300 real digits": (SimpleNamespace(predictions=read, labels=labels),),
        "read as 8 without being one": (few,),
    }


READ_MOST = Exercise(
    reference=read_most,
    is_value=True,
    task="Find the digit that the network reads most often on the wrong ground.",
    objective=JUDGE,
    cases=_results,
    wrong=(
        Wrong(
            _most_frequent_label,
            "That is the digit that is *there* most often, the fullest row. What was read stands "
            "in the columns.",
        ),
        Wrong(
            _most_often_right,
            "That is the digit read *correctly* most often. Add up its whole column, mistakes too.",
        ),
        Wrong(_how_often, "That is how often it was read; which digit is it?"),
    ),
    hints=(
        "What the network read stands in the columns of the matrix. Which column is the fullest?",
        "`inverted_result.predictions` holds what was read; `bincount()` counts each digit in it.",
        "All but one blank:\nread_most = inverted_result.predictions.bincount().____().item()",
    ),
    why=(
        "A network answers with one of ten digits whatever it is shown, and never says that it "
        "does not know such pictures. The shapes are the same as before, so no error tells you: "
        "only looking at what goes in does."
    ),
)

# --- Your own digit -----------------------------------------------------------------------------

WHY_WRONG = Open(
    name="why_wrong",
    task="Find a digit of your own that is misread, and explain why.",
    objective=USE,
    hints=(
        "Look at the last of the steps, the 28 x 28 pixels: that is all that the network saw.",
        "Put it beside `dl.plot_digits(digits.train.only(7))`: what does none of them have?",
        "Then test your reason: change this one thing in the strokes, and let it be read again.",
    ),
    points=(
        "It says what was drawn, what was read, and how sure the network was.",
        "It names something that can be seen in the 28 x 28 pixels, not in the drawing.",
        "It compares with digits of the training split: they do not look like this.",
        "It tells how the reason was tested: one thing changed, and read again.",
    ),
    model=(
        "I drew a seven whose upper bar slopes down to the right. It was read as a 1, with a "
        "probability of 0.9. In the 28 x 28 pixels the bar and the stem make one nearly straight "
        "line, and no seven that I found in the training split has so little of a corner, while "
        "many a 1 has a small flag. To test this I changed only the bar, to a level one: then it "
        "was read as a 7. So the corner decided, and 99 % on digits like those of the training "
        "split says little about digits that are drawn in another way."
    ),
)

EXERCISES = (LOST_ACCURACY, FRACTION_RIGHT, READ_MOST, WHY_WRONG)

# --- Quiz ---------------------------------------------------------------------------------------

EXCHANGED = Choice(
    name="00-exchanged",
    text=(
        "Somebody mixes up the labels of the training split: each picture gets the label of "
        "another one, drawn at random. The pictures stay, the training runs without an error. "
        "How many of 100 test digits will the network read?"
    ),
    objective=LOAD,
    options=(
        Option(
            "About 99: the pictures are as good as before.",
            "The pictures are, but what they are called is all that the network learns from. A "
            "wrong label teaches a wrong name.",
        ),
        Option(
            "None: it learned everything wrongly.",
            "To be wrong every time, it would have to know the right answer and avoid it. Random "
            "labels teach neither right nor wrong.",
        ),
        Option(
            "About 10.",
            "The labels no longer say anything about the pictures, so all that is left is "
            "guessing: one in ten. And no message tells you. That is why we look at digits "
            "*with* their labels before anything else.",
        ),
        Option(
            "About 50: half is pictures, half is labels.",
            "The two do not add up. It is the tie between picture and label that is learned, and "
            "this tie is cut.",
        ),
    ),
    right=2,
)

WHICH_SPLIT = Choice(
    name="00-which-split",
    text="You have trained three recipes and want to keep the best one. Which digits decide?",
    objective=JUDGE,
    options=(
        Option(
            "Those of `digits.train`: there are most of them.",
            "Each network has seen these, and may know them by heart. The one that remembers best "
            "would win, not the one that reads best.",
        ),
        Option(
            "Those of `digits.valid`.",
            "They are new to all three, and they are there to choose by. The test digits stay "
            "unseen until one network is left.",
        ),
        Option(
            "Those of `digits.test`: only they are honest.",
            "They stay honest only as long as nothing is chosen by them. The best of three on "
            "test was picked for its luck there, too, and test flatters it.",
        ),
        Option(
            "Any split: accuracy is accuracy.",
            "The same network has another accuracy on each of them. On digits that it learned "
            "from, the number says how well it remembers.",
        ),
    ),
    right=1,
)

UNTRAINED = Choice(
    name="00-untrained",
    text="This notebook prints an accuracy of 9 % at the end. Which cell has the bug?",
    objective=TRAIN,
    code=(
        "# cell 1\n"
        "digits = dl.load()\n"
        "# cell 2\n"
        'recipe = dl.RECIPES["fast"]\n'
        "model = dl.build_model(recipe, seed=0)\n"
        "# cell 3\n"
        "run = dl.train(recipe, digits, seed=0)\n"
        "# cell 4\n"
        "result = dl.evaluate(model, digits.test)\n"
        "result.accuracy"
    ),
    options=(
        Option(
            "Cell 1: it loads no labels.",
            "Each of the three splits that `dl.load` returns has its labels with it; without them "
            "nothing could be trained.",
        ),
        Option(
            "Cell 2: a model must not be built before the training.",
            "Building it does no harm; it shows how many parameters there are. But what is it "
            "used for later?",
        ),
        Option(
            "Cell 3: one run is not enough.",
            "One run of this recipe is enough for about 99 %. Which network has learned in it?",
        ),
        Option(
            "Cell 4: it judges the wrong network.",
            "`dl.train` builds a network of its own, and that one has learned: `run.model`. "
            "`model` is still as random as in cell 2, so it is right about one time in ten.",
        ),
    ),
    right=3,
)

MISREAD = Number(
    name="00-misread",
    text=(
        "Of 10 000 test digits a network misreads 87. What is its accuracy, as this course "
        "writes accuracies in code?"
    ),
    objective=JUDGE,
    answer=lambda: (10_000 - 87) / 10_000,
    tolerance=0.00005,
    explanation=(
        "9 913 of 10 000 are right, and an accuracy is a fraction from 0 to 1: 0.9913. In a text "
        "you may write 99.13 %."
    ),
    slips=(
        (0.0087, "That is the fraction that is *misread*; accuracy counts what is right."),
        (99.13, "That is in percent; in code an accuracy is a fraction from 0 to 1."),
        (9913.0, "That is how many are right; divide by how many there are."),
    ),
)

A_TENTH_BETTER = Choice(
    name="00-a-tenth-better",
    text=(
        "Ten runs of your recipe, with ten seeds, reached 98.85 % to 99.18 % on test. A friend "
        "runs another recipe once and gets 99.10 %; yours, once, gets 99.01 %. What can you say?"
    ),
    objective=JUDGE,
    options=(
        Option(
            "Nothing yet about which recipe is better.",
            "Your own recipe gave 99.10 % with some seeds, too. To compare the recipes, each has "
            "to run with several seeds; then compare the two bands.",
        ),
        Option(
            "The friend's recipe is better: 99.10 is more than 99.01.",
            "It was better *this once*. Your own recipe, run again with another seed, may well "
            "give 99.10 %: that lies inside its band.",
        ),
        Option(
            "Yours is better: its best run had 99.18 %.",
            "That is the luckiest of ten runs against the only one of the friend. Compare the "
            "luckiest of ten with the luckiest of ten, or better, band with band.",
        ),
        Option(
            "One of the two must have made a mistake.",
            "No: another seed gives other random numbers at the start, another order of the "
            "digits, and so a slightly different network. That is no mistake.",
        ),
    ),
    right=0,
)

ON_PAPER = Choice(
    name="00-on-paper",
    text=(
        "You scan a 4 written in black on white paper, make it 28 x 28 pixels, and give it to a "
        "network that reads 99 % of the test digits, without `dl.predict`. What will happen?"
    ),
    objective=USE,
    options=(
        Option(
            "It reads a 4 in 99 of 100 such cases.",
            "The 99 % hold for digits *like those of the test split*: bright ink on dark ground. "
            "Exercise 3 shows what is left on the other ground.",
        ),
        Option(
            "An error: the picture has the wrong colours.",
            "The shape is right, and the numbers are allowed ones. Nothing in the network checks "
            "what they mean.",
        ),
        Option(
            "It says that it does not know.",
            "It has no such answer. Whatever goes in, one of ten digits comes out.",
        ),
        Option(
            "It names some digit, perhaps a wrong one with a high probability.",
            "Dark ink on bright ground is something that it has never seen, and it answers all "
            "the same. `dl.predict` turns the picture round first.",
        ),
    ),
    right=3,
)

QUIZ = (EXCHANGED, WHICH_SPLIT, UNTRAINED, MISREAD, A_TENTH_BETTER, ON_PAPER)
