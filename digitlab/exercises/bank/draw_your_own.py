"""Exercises and quiz of notebook 11, Draw your own."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

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

DRAW = "draw digits for a network"
APART = "say what separates a photo of paper from the pixels of MNIST"
AWAY = "take the differences away one by one with a few lines of NumPy"
WORTH = "tell what each step is worth"
TRUST = "say where a network must not be trusted"

# --- Which steps are idle? --------------------------------------------------------------------


def idle(reading):
    ways = [way for way in reading["MNIST"] if way.startswith("without ")]
    lowest = {way: min(shares[way] for shares in reading.values()) for way in ways}
    return [way.removeprefix("without ") for way in ways if lowest[way] >= 0.9]


def _kinds():
    made = {
        "MNIST": {"usual": 1.0, "digitize": 1.0, "without grey": 1.0, "without clean": 1.0},
        "photo": {"usual": 0.1, "digitize": 0.9, "without grey": 0.9, "without clean": 0.89},
        "coloured": {"usual": 0.5, "digitize": 1.0, "without grey": 0.95, "without clean": 0.99},
    }
    return {"the stored kinds": (dl.stored("reading")["kinds"],), "two steps": (made,)}


def _names(value, reading):
    """Return the names of steps in order, whether they came as a list, a set or one text."""
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list | tuple | set | frozenset | dict | np.ndarray):
        return value
    return sorted({str(name).strip().removeprefix("without ") for name in value})


def _steps_where(holds):
    def steps(reading):
        ways = [way for way in next(iter(reading.values())) if way.startswith("without ")]
        return [way for way in ways if holds([shares[way] for shares in reading.values()])]

    return steps


_by_mean = _steps_where(lambda shares: sum(shares) / len(shares) >= 0.9)
_by_best = _steps_where(lambda shares: max(shares) >= 0.9)
_needed = _steps_where(lambda shares: min(shares) < 0.9)
_without_loss = _steps_where(lambda shares: min(shares) == 1)

IDLE = Exercise(
    reference=idle,
    task="Which steps can be left out so that each of the 24 kinds is still read at 90 % or more?",
    objective=WORTH,
    cases=_kinds,
    is_value=True,
    use=_names,
    wrong=(
        Wrong(
            _by_mean,
            "You looked at the mean over all kinds. It hides a kind that falls: without “sheet "
            "only” nearly all are read, but of the photos on a desk only a third.",
        ),
        Wrong(
            _by_best,
            "You asked whether there is a kind that is still read. Each of them has to be.",
        ),
        Wrong(_needed, "These are the steps without which some kind falls below 90 %."),
        Wrong(
            _without_loss,
            "You asked for steps without any loss. With 40 pictures of a kind, one more misread is "
            "2.5 %, and 90 % was asked for.",
        ),
    ),
    hints=(
        "One kind that falls is enough to need a step, so the *lowest* share counts.",
        '`reading["photo, squared"]["without grey"]` is one share; go through all kinds.',
        "All but one blank:\nlowest = {way: ____(shares[way] for shares in reading.values()) "
        "for way in ways}",
    ),
    why=(
        "A step is worth what the kind that needs it most loses without it, not what all lose on "
        "average. That “no lines” is among the idle ones shows that 24 kinds are not all: with "
        "this network and these pens, “clean” and “digit only” stand in for it."
    ),
)

# --- Which way round? -------------------------------------------------------------------------


def bright_ink_always(photo):
    """Ink bright, paper dark, also of a blackboard or in bad light: float (H, W) from 0 to 255."""
    grey = np.asarray(photo.convert("L"), dtype=float)
    beside = grey - ndimage.uniform_filter(grey, 61)  # how much brighter than its surroundings
    return 255.0 - grey if -beside.min() > beside.max() else grey


@cache
def _photos():
    images, _ = real_digits(6)
    papers = {"blank": "blue", "squared": "pencil", "ruled": "red", "blackboard": "chalk"}
    return {
        f"a photo, {pen} on {paper} paper" if pen != "chalk" else "a photo of a blackboard": (
            dl.photograph(images[i].numpy(), paper=paper, pen=pen, size=(160, 120), seed=i)
        )
        for i, (paper, pen) in enumerate(papers.items())
    }


def _flat(paper, ink):
    """Return a picture without light and shadow: a digit in the middle of a sheet."""
    images, _ = real_digits(1)
    digit = np.zeros((84, 84))
    digit[28:56, 28:56] = images[0].numpy() / 255
    return Image.fromarray((paper + (ink - paper) * digit).round().astype(np.uint8))


def _lit_from_the_left():
    """Return a picture whose paper is 240 in the light at its left and 90 in a shadow."""
    light = 90 + 150 / (1 + np.exp((np.arange(168) - 34) / 14))
    ink = np.asarray(_flat(0, 255).resize((168, 168))) / 255
    return Image.fromarray((light * (1 - 0.9 * ink)).round().astype(np.uint8))


def _pictures():
    return {title: (photo.copy(),) for title, photo in _photos().items()} | {
        "black on white": (_flat(255, 0),),
        "white on black": (_flat(0, 255),),
        "paper in dim light: 110, ink 20": (_flat(110, 20),),
        "paper that is mostly in a shadow": (_lit_from_the_left(),),
        "chalk 250 on a bright grey board: 150": (_flat(150, 250),),
    }


def _never(photo):
    return np.asarray(photo.convert("L"), dtype=float)


def _always(photo):
    return 255.0 - np.asarray(photo.convert("L"))


def _above_half(photo):
    grey = np.asarray(photo.convert("L"), dtype=float)
    return 255.0 - grey if np.median(grey) > 127 else grey


def _nearer_to_bright(photo):
    grey = np.asarray(photo.convert("L"), dtype=float)
    return 255.0 - grey if np.median(grey) > (grey.min() + grey.max()) / 2 else grey


def _other_way(photo):
    return 255.0 - bright_ink_always(photo)


def _each_pixel(photo):
    grey = np.asarray(photo.convert("L"), dtype=float)
    return np.where(grey > 127, 255.0 - grey, grey)


BRIGHT_INK_ALWAYS = Exercise(
    reference=bright_ink_always,
    task="Write `bright_ink` anew so that it decides by itself whether to turn light and dark.",
    objective=AWAY,
    cases=_pictures,
    wrong=(
        Wrong(
            _always,
            "You turn every picture around. On a blackboard the ink is bright already: dark ink is "
            "true of paper, not of every picture.",
        ),
        Wrong(_never, "You turn no picture around, so on paper the ink stays dark."),
        Wrong(
            _above_half,
            "127 is no law. A sheet in dim light is darker than that, a board can be brighter; "
            "compare with other values *of this picture*.",
        ),
        Wrong(
            _nearer_to_bright,
            "You compared the paper with the middle between darkest and brightest. A lamp at one "
            "side and a shadow move that middle: compare each place with what lies *around* it.",
        ),
        Wrong(
            _other_way,
            "You decide well, and then turn round the wrong ones: ink has to come out bright.",
        ),
        Wrong(
            _each_pixel,
            "You decided for each pixel. Then ink and paper both end up dark; a picture is turned "
            "around as a whole.",
        ),
    ),
    hints=(
        "Ink is thin and paper is wide. So ink differs from what lies around it, in one direction.",
        "`ndimage.uniform_filter(grey, 61)` is the mean of the surroundings. Subtract it: do the "
        "dark or the bright places stand out more?",
        "All but one blank:\nreturn 255.0 - grey if -beside.min() > ____ else grey",
    ),
    why=(
        "A stroke is narrower than the window, so it stands out from its surroundings: dark ink "
        "below, chalk above. Paper in a shadow is dark as well, but so is all that lies around it."
    ),
)

# --- Say nothing rather than something wrong --------------------------------------------------


def answered_and_right(sure, right, threshold):
    """Return which share is answered, and which share of these answers is right.

    Answered is what is at least as sure as the threshold. If nothing is answered, nothing wrong
    was said: the second share is 1.0.
    """
    answered = sure >= threshold
    if not answered.any():
        return 0.0, 1.0
    return answered.double().mean().item(), right[answered].double().mean().item()


@cache
def _on_digits():
    """Return how sure a trained model is of real digits, and whether it is right."""
    images, labels = real_digits(200)
    found = dl.evaluate(dl.pretrained("plain-mlp"), dl.Split(images, labels))
    return found.probabilities.amax(dim=1), found.predictions == labels


def _readings():
    sure = torch.tensor([0.99, 0.42, 0.75, 0.5, 0.97, 0.8, 0.61, 0.93])
    right = torch.tensor([True, False, True, False, True, False, True, True])
    many = random_numbers(200).sigmoid()
    luck = random_numbers(200, seed=1).sigmoid() < many
    return {
        "eight photos, 0.7": (sure, right, 0.7),
        "one of them exactly at 0.75": (sure, right, 0.75),
        "everything is answered": (sure, right, 0.0),
        "nothing is answered": (sure, right, 1.0),
        "200 photos": (many, luck, 0.6),
        "200 real digits": (*_on_digits(), 0.9),
    }


def _right_of_all(sure, right, threshold):
    answered = sure >= threshold
    return answered.double().mean().item(), (answered & right).double().mean().item()


def _right_of_all_but_none(sure, right, threshold):
    answered = sure >= threshold
    if not answered.any():
        return 0.0, 1.0
    return answered.double().mean().item(), (answered & right).double().mean().item()


def _not_a_number(sure, right, threshold):
    answered = sure >= threshold
    return answered.double().mean().item(), right[answered].double().mean().item()


def _none_wrong(sure, right, threshold):
    answered = sure >= threshold
    return answered.double().mean().item(), right[answered].sum().item() / max(1, answered.sum())


def _strictly(sure, right, threshold):
    answered = sure > threshold
    if not answered.any():
        return 0.0, 1.0
    return answered.double().mean().item(), right[answered].double().mean().item()


def _exchanged(sure, right, threshold):
    return answered_and_right(sure, right, threshold)[::-1]


def _refused(sure, right, threshold):
    share, good = answered_and_right(sure, right, threshold)
    return 1 - share, good


def _how_sure(sure, right, threshold):
    share, _ = answered_and_right(sure, right, threshold)
    answered = sure >= threshold
    return share, sure[answered].double().mean().item() if answered.any() else 1.0


ANSWERED_AND_RIGHT = Exercise(
    reference=answered_and_right,
    task="Compute which share of the photos is answered, and which share of the answers is right.",
    objective=TRUST,
    cases=_readings,
    wrong=(
        Wrong(
            _right_of_all_but_none,
            "You divided what is right by all photos. What is refused is not an answer; divide by "
            "those that are answered.",
        ),
        Wrong(
            _right_of_all,
            "You divided what is right by all photos, also by those that were refused; and where "
            "none is answered, nothing wrong was said: 1.0.",
        ),
        Wrong(
            _not_a_number,
            "The mean of nothing is not a number. Treat the case that no photo is answered.",
        ),
        Wrong(
            _none_wrong,
            "Where none is answered, you say that none is right; but none is wrong: 1.0 is asked.",
        ),
        Wrong(_strictly, "What is exactly as sure as the threshold is answered: `>=`, not `>`."),
        Wrong(_exchanged, "You returned the two shares in the other order."),
        Wrong(_refused, "You returned the share that is refused in place of what is answered."),
        Wrong(
            _how_sure,
            "You returned how sure the answers are. How many are *right* is another question: a "
            "network can be sure and wrong.",
        ),
    ),
    hints=(
        "Two shares with two denominators: all photos, and those that are answered.",
        "`sure >= threshold` is a mask: its mean is the first share, and `right[...]` with this "
        "mask are the answers.",
        "All but one blank:\nreturn answered.double().mean().item(), "
        "right[____].double().mean().item()",
    ),
    why=(
        "A threshold buys a larger share of right answers with a smaller share of answers, so one "
        "number without the other says nothing. Where the mask is empty there is no mean, and the "
        "function has to say what that means."
    ),
)

# --- Is it a digit at all? --------------------------------------------------------------------


def accepted(answers):
    return [letter for letter, answer in answers.items() if answer.probability >= 0.9]


@cache
def _answer(letter):
    picture = Image.new("L", (200, 200), "white")
    font = ImageFont.load_default(150)
    ImageDraw.Draw(picture).text((100, 100), letter, fill="black", font=font, anchor="mm")
    return dl.predict(dl.pretrained("best"), picture)


def _alphabets():
    return {
        "twelve letters": ({letter: _answer(letter) for letter in "ABFHJKMOSTVW"},),
        "four letters": ({letter: _answer(letter) for letter in "GLXZ"},),
    }


def _letters(value, answers):
    """Return letters in order, whether they came as a list, a set or one text."""
    if not isinstance(value, str | list | tuple | set | frozenset | dict | np.ndarray):
        return value
    return sorted({str(letter) for letter in value if str(letter).strip(" ,")})


def _letters_where(holds):
    return lambda answers: [letter for letter, answer in answers.items() if holds(answer)]


_like_digits = _letters_where(lambda answer: answer.probability >= 0.9 and answer.digit in (0, 1))
_not_accepted = _letters_where(lambda answer: answer.probability < 0.9)
_over_half = _letters_where(lambda answer: answer.probability > 0.5)
_none_at_all = _letters_where(lambda answer: False)


ACCEPTED = Exercise(
    reference=accepted,
    task="Which letters would be taken for a digit, if 90 % sure is enough for an answer?",
    objective=TRUST,
    cases=_alphabets,
    is_value=True,
    use=_letters,
    wrong=(
        Wrong(
            _none_at_all,
            "You trust that no letter gets 90 %. A probability compares the ten digits with each "
            "other; “no digit” is not among the answers. Ask the network.",
        ),
        Wrong(
            _like_digits,
            "You took only letters that look like 0 or 1. The network is as sure of others.",
        ),
        Wrong(_not_accepted, "These are the letters that would be refused."),
        Wrong(_over_half, "You asked for more than 50 %; the reader asks for 90 %."),
    ),
    hints=(
        "Each letter was read as if it were a digit; look only at how sure the network was.",
        '`answers["A"].probability` is one of them; keep the letters where it is high.',
        "All but one blank:\n[letter for letter, answer in answers.items() if ____ >= 0.9]",
    ),
    why=(
        "Softmax shares 100 % among ten digits, whatever the picture shows, so one of them often "
        "gets nearly all. A threshold refuses digits that are hard; it does not find what is none."
    ),
)

# --- Your hand --------------------------------------------------------------------------------

OWN_HAND = Open(
    name="own_hand",
    task="Write ten digits by hand and have them read. Where one is misread, which step failed?",
    objective=DRAW,
    hints=(
        "On paper and by photo with `dl.read_page(...)`, or on `dl.DigitPad(model)`.",
        "Look at the 28 x 28 pixels first: could *you* read the digit there? Then go back step by "
        "step until the picture is still right.",
        "If the pixels look like MNIST and the answer is wrong, no step failed: the network did.",
    ),
    points=(
        "Which digits were misread, or that none was.",
        "The last step at which the picture still looked right, and the first at which it did not.",
        "Whether the pixels were readable to a person: that parts the steps from the network.",
    ),
    model=(
        "Nine of my ten digits were read. My 9 was taken for a 5: its loop was open in the pixels, "
        "though not on paper. Going back through the steps, it was still closed after “even light” "
        "and open after “clean”: the pencil was so thin there that it fell below the threshold. So "
        "it was a step and not the network, and a darker pen mended it. My 7 with a bar was read "
        "at once."
    ),
)

EXERCISES = (IDLE, BRIGHT_INK_ALWAYS, ANSWERED_AND_RIGHT, ACCEPTED, OWN_HAND)

# --- Quiz -------------------------------------------------------------------------------------


@cache
def _turned():
    """Return how well two networks read digits at some angles; A has seen them as they are."""
    images, labels = real_digits(200)
    curves: dict[str, dict[int, float]] = {}
    for name, model in {"A": dl.pretrained("lenet-sgd"), "B": dl.pretrained("best")}.items():
        curves[name] = {}
        for degrees in (0, 15, 30, 45):
            pictures = [Image.fromarray(image.numpy()).rotate(degrees) for image in images]
            turned = [np.asarray(picture) for picture in pictures]
            split = dl.Split(torch.from_numpy(np.stack(turned)), labels)
            curves[name][degrees] = dl.evaluate(model, split).accuracy
    return curves


def _two_curves():
    title, y = "200 digits that were turned", dl.Axis("accuracy", percent=True)
    return dl.plot_lines(_turned(), title=title, x="degrees", y=y)


def _steadier():
    falls = [curve[0] - curve[30] for curve in _turned().values()]
    return falls.index(min(falls))


SHADOW = """# cell 1
ink = 255.0 - np.asarray(photo.convert("L"))
# cell 2
ink = ink / np.percentile(ink, 99.8)
ink = np.where(ink > 0.4, ink, 0.0)
# cell 3
ink = ink - ndimage.uniform_filter(ndimage.grey_opening(ink, size=61), 31)
# cell 4
pixels = shrink(255 * ink)"""


def _mass():
    rows = torch.tensor([10.0, 20.0])
    ink = torch.tensor([1.0, 3.0])
    return (rows * ink).sum().item() / ink.sum().item()


QUIZ = (
    Choice(
        name="11-which-cell",
        text=(
            "On photos with a shadow, the whole shadow comes out as ink. Each cell is right by "
            "itself, but one stands at the wrong place. Which?"
        ),
        objective=AWAY,
        code=SHADOW,
        options=(
            Option(
                "cell 1",
                "Light and dark come first: what follows takes ink to be bright.",
            ),
            Option(
                "cell 2",
                "It keeps what is above 40 % of the strongest ink. In a shadow the paper itself "
                "is, until cell 3 has taken it away: even light comes before clean.",
            ),
            Option(
                "cell 3",
                "It stands too late, but only because of what was done before it: steps do not "
                "commute. Nothing behind it has to change its place.",
            ),
            Option("cell 4", "What is shrunk cannot be cleaned any more; it stands well."),
        ),
        right=1,
    ),
    Number(
        name="11-centre-of-mass",
        text=(
            "A picture has two bright pixels: one of brightness 1 in row 10, one of brightness 3 "
            "in row 20. In which row is its centre of mass?"
        ),
        objective=AWAY,
        answer=_mass,
        explanation="(1 · 10 + 3 · 20) / (1 + 3) = 17.5: nearer to the brighter pixel.",
        tolerance=0.01,
        slips=(
            (15, "That is the middle of the box; here the brighter pixel weighs three times."),
            (35, "You divided by the number of pixels. Divide by the sum of the brightness."),
            (70, "Divide by the sum of the brightness, 1 + 3."),
        ),
    ),
    Choice(
        name="11-opening",
        text=(
            "`even_light` takes the smallest value in a window, then the largest of those. What "
            "happens if the window is *narrower* than a thick stroke?"
        ),
        objective=AWAY,
        options=(
            Option(
                "the paper stays brighter at one side",
                "A smaller window follows the light better, not worse. What it no longer does is "
                "to leave the ink out.",
            ),
            Option(
                "the inside of the stroke is taken for paper and subtracted",
                "Inside a thick stroke the smallest value of a narrow window is ink. It comes back "
                "as paper, and of the stroke only the edge remains.",
            ),
            Option(
                "nothing: an opening gives the picture back",
                "Only what is wider than the window comes back. That is the point, and here the "
                "stroke is wider.",
            ),
        ),
        right=1,
    ),
    Choice(
        name="11-apart",
        text=(
            "The strokes of a photo are as crisp as those of MNIST, but it is shrunk to 28 x 28 as "
            "it is. Which difference alone is enough to make a network guess?"
        ),
        objective=APART,
        options=(
            Option(
                "the digit covers a small part of the picture, at any place",
                "After shrinking, it is a few pixels in a corner. In the notebook no step helped "
                "until “in a box”; then nearly all digits were read.",
            ),
            Option(
                "a photo has more pixels",
                "Both come to the network as 28 x 28. What is lost on the way is the question.",
            ),
            Option(
                "a photo has colours",
                "Grey is mixed from them before anything else, and blue ink is as dark in it as "
                "black ink, or nearly.",
            ),
        ),
        right=0,
    ),
    Choice(
        name="11-cause",
        text=(
            "Photos of squared paper are misread, and you suspect the printed lines. What tells "
            "best whether they are the cause?"
        ),
        objective=WORTH,
        options=(
            Option(
                "look whether misread photos have lines",
                "They all have, and so have those that are read. What is always there explains no "
                "difference.",
            ),
            Option(
                "take away the lines, keep everything else, and count anew",
                "If the lines are the cause, the count must rise. In the notebook it stayed where "
                "it was: the box was to blame, drawn around the crumbs of the lines.",
            ),
            Option(
                "train the network on squared paper",
                "It may help, whatever the cause is, so it would not tell you the cause.",
            ),
        ),
        right=1,
    ),
    Choice(
        name="11-idle-step",
        text=(
            "Forty photos are read as well without the step “centred” as with it. What have you "
            "found out?"
        ),
        objective=WORTH,
        options=(
            Option(
                "the step is useless and can go",
                "It is useless for these photos and this network. Digits cut out by somebody else, "
                "or a network that never saw shifted digits, may need it.",
            ),
            Option(
                "digits in photos are always in the middle",
                "They were at many places. But “20 x 20 box” cuts them out and puts them into the "
                "middle, all but a pixel or two.",
            ),
            Option(
                "that these photos and this network do not need it, beside the other steps",
                "The box brings them near the middle already, and the network was trained on "
                "digits that were shifted at random. With other kinds or networks, measure anew.",
            ),
        ),
        right=2,
    ),
    Choice(
        name="11-which-curve",
        text=(
            "Two real networks read the same digits, turned by some degrees. One was trained on "
            "digits that were turned, bent and moved. Which one?"
        ),
        objective=WORTH,
        figure=_two_curves,
        options=(
            Option(
                "A",
                "A falls faster: at 30 degrees it misreads more of them. It saw only digits as "
                "they were written.",
            ),
            Option(
                "B",
                "It loses less with every turn, for turned digits are nothing new to it. Beyond "
                "the angles of its training it falls, too.",
            ),
            Option(
                "it cannot be seen",
                "Compare how much each loses from 0 to 30 degrees: that is what the training "
                "on turned digits was for.",
            ),
        ),
        right=_steadier,
    ),
    Choice(
        name="11-sure",
        text="The network answers “4, 100 %” to a letter A. What is the 100 %?",
        objective=TRUST,
        options=(
            Option(
                "a bug: no letter may get 100 %",
                "Softmax does what it should: ten numbers that add up to 1. None of them stands "
                "for “no digit”.",
            ),
            Option(
                "the probability that the picture shows a 4",
                "It would be that for pictures like those of the training, if the network is "
                "calibrated. An A is not like those.",
            ),
            Option(
                "how much rather it is a 4 than another digit",
                "So a threshold cannot find what is no digit; what a reader is shown is for you "
                "to look after.",
            ),
        ),
        right=2,
    ),
)
