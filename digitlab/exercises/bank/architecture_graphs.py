"""Exercises and quiz of notebook 09, Architecture graphs."""

from __future__ import annotations

from dataclasses import replace
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

DRAW = "draw a network as a table, as a graph of its layers and as a graph of its gradients"
HIDES = "say what each of them hides"
COUNT = "count parameters and multiplications by hand"
INSIDE = "show filters and feature maps"
TRUST = "test whether a map of important pixels can be trusted"
COMPARE = "compare architectures by what they cost and what they reach"

# --- Half the work ----------------------------------------------------------------------------


def smaller(lenet):
    return dl.build_model("lenet-sgd", channels=(3, 8))


def _two_lenets():
    return {"the trained one": (dl.pretrained("lenet-sgd"),)}


def _costs(model, kind):
    return sum(row.mult_adds for row in dl.layer_table(model).layers if row.type == kind)


def _what_was_saved(value, lenet):
    """Say in words whether a model does half the work of another, and where it saves."""
    if not isinstance(value, nn.Module):
        return value
    if type(value) is not type(lenet):
        return f"it is a {type(value).__name__}, not a {type(lenet).__name__}"
    convolutions, linear = ((_costs(value, k), _costs(lenet, k)) for k in ("Conv2d", "Linear"))
    if 2 * (convolutions[0] + linear[0]) <= convolutions[1] + linear[1]:
        return "at most half of the work"
    if convolutions[0] < convolutions[1]:
        return "less work in the convolutions, but more than half in all"
    if linear[0] < linear[1]:
        return "less work in the fully connected layers alone"
    return "no less work"


def _fewer_hidden(lenet):
    return dl.build_model("lenet-sgd", hidden=(20, 10))


def _a_little(lenet):
    return dl.build_model("lenet-sgd", channels=(5, 14))


def _average(lenet):
    return dl.build_model("lenet-sgd", pooling="average")


SMALLER = Exercise(
    reference=smaller,
    task="Change the options of `LeNet5` until it needs at most half the multiply-adds.",
    objective=COMPARE,
    cases=_two_lenets,
    is_value=True,
    use=_what_was_saved,
    wrong=(
        Wrong(
            _fewer_hidden,
            "The fully connected layers hold 59 000 of the 62 000 weights, but do only a seventh "
            "of the work. You made the file smaller; the multiply-adds are in the convolutions.",
        ),
        Wrong(
            _a_little,
            "The convolutions are the right place, but in all it is still more than half. In the "
            "second one, the work is proportional to the product of both numbers of channels.",
        ),
        Wrong(
            _average,
            "It does as much as before. Pooling has no weights and counts as no multiplication; "
            "make a layer with weights smaller.",
        ),
    ),
    hints=(
        "Look at the column of multiply-adds in the table: which two layers make up most of it?",
        "`channels=` takes two numbers, as in the table; `dl.layer_table(smaller)` counts anew.",
        'All but one blank:\nsmaller = dl.build_model("lenet-sgd", channels=(3, ____))',
    ),
    why=(
        "Half of the channels in both convolutions make a quarter of the work in the second, for "
        "that is proportional to the product. To halve the hidden neurons would halve the weights, "
        "but each of those is used only once for a digit."
    ),
)

# --- Count all --------------------------------------------------------------------------------


def count_parameters(model):
    """Return the parameters of all convolutions and fully connected layers, by formula.

    A layer without a bias has `layer.bias` None.
    """
    n = 0
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            inputs = layer.in_channels * layer.kernel_size[0] ** 2
            n += layer.out_channels * (inputs + (layer.bias is not None))
        elif isinstance(layer, nn.Linear):
            n += layer.out_features * (layer.in_features + (layer.bias is not None))
    return n


class _Sides(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(784, 12), nn.Linear(784, 12)
        self.last = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Linear(12, 10)))

    def forward(self, images):
        pixels = images.flatten(1)
        return self.last(self.left(pixels) - self.right(pixels))


def _models():
    names = [recipe.name for recipe in dl.document_recipes()]
    return {name: (dl.build_model(name),) for name in names} | {
        "layers in layers": (_Sides(),),
        "a convolution without bias": (
            nn.Sequential(
                nn.Conv2d(1, 4, 3, bias=False),
                nn.BatchNorm2d(4),
                nn.Conv2d(4, 3, 5),
                nn.Flatten(),
                nn.Linear(3 * 22 * 22, 10, bias=False),
            ),
        ),
    }


def _counted(conv, linear):
    def count(model):
        return sum(
            conv(layer.in_channels, layer.out_channels, layer.kernel_size[0], layer.bias is None)
            if isinstance(layer, nn.Conv2d)
            else linear(layer.in_features, layer.out_features, layer.bias is None)
            for layer in model.modules()
            if isinstance(layer, nn.Conv2d | nn.Linear)
        )

    return count


_no_bias = _counted(lambda c, m, k, _: m * c * k**2, lambda n, m, _: n * m)
_one_bias = _counted(
    lambda c, m, k, bare: m * c * k**2 + (not bare), lambda n, m, bare: n * m + (not bare)
)
_bias_for_all = _counted(lambda c, m, k, _: m * (c * k**2 + 1), lambda n, m, _: m * (n + 1))
_no_square = _counted(
    lambda c, m, k, bare: m * (c * k + (not bare)), lambda n, m, bare: m * (n + (not bare))
)
_no_inputs = _counted(
    lambda c, m, k, bare: m * (k**2 + (not bare)), lambda n, m, bare: m * (n + (not bare))
)


def _places(model):
    return sum(row.mult_adds for row in dl.layer_table(model).layers if row.type != "BatchNorm2d")


def _outermost(model):
    return sum(
        sum(p.numel() for p in layer.parameters())
        for layer in model.children()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    )


def _every_tensor(model):
    return sum(p.numel() for p in model.parameters())


COUNT_PARAMETERS = Exercise(
    reference=count_parameters,
    task="Count the parameters of a network from its layers, with the two formulas.",
    objective=COUNT,
    cases=_models,
    close=1e-9,
    wrong=(
        Wrong(_no_bias, "You forgot the bias: each filter and each neuron has one more number."),
        Wrong(_one_bias, "A layer has not one bias but one for each filter or neuron."),
        Wrong(_bias_for_all, "You counted a bias where a layer has none: there `bias` is None."),
        Wrong(
            _places,
            "You counted the places of the output, too: that is the work. The weights of a filter "
            "are the same at every place, and are stored once.",
        ),
        Wrong(_no_square, "A filter is k x k weights for each input channel, not k."),
        Wrong(
            _no_inputs,
            "A filter has k x k weights for *each* of its input channels; you counted one channel.",
        ),
        Wrong(
            _outermost,
            "You looked only at the outermost layers. What lies in an `nn.Sequential` comes with "
            "`model.modules()`, not with `model.children()`.",
        ),
        Wrong(
            _every_tensor,
            "You counted all that learns, batch norm as well. Asked for are convolutions and fully "
            "connected layers, from their sizes.",
        ),
    ),
    hints=(
        "Go through all layers, also those inside others; each kind has its own formula.",
        "`model.modules()` gives them, `isinstance(layer, nn.Conv2d)` says which kind one is, and "
        "its sizes are `in_channels`, `out_channels`, `kernel_size[0]`.",
        "All but one blank, for a convolution:\n"
        "n += layer.out_channels * (inputs + (layer.bias is not None))"
        "  # inputs = layer.in_channels * ____",
    ),
    why=(
        "Each filter has k x k weights for each input channel and at most one bias, at however "
        "many places it looks. A fully connected layer is the same with one place."
    ),
)

# --- A branch ---------------------------------------------------------------------------------


class WithSkip(nn.Module):
    """Read digits with two convolutions; the second adds to what the first found."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.last = nn.Linear(8 * 28 * 28, 10)

    def forward(self, images):
        """Return logits (N, 10)."""
        hidden = F.relu(self.first(images))
        both = F.relu(hidden + self.second(hidden))
        return self.last(both.flatten(1))


def _digits_for_a_model():
    images, _ = real_digits(3)
    return {
        "two real digits": (dl.as_pixels(images[:2]),),
        "one real digit": (dl.as_pixels(images[2:]),),
        "random numbers": (random_numbers(4, 1, 28, 28),),
    }


def _read_and_learn(model_class, images):
    """Return the logits of a model whose weights depend on their shapes alone, and a gradient."""
    model, images = model_class(), images.clone().requires_grad_()
    for p in model.parameters():
        p.data = random_numbers(*p.shape, seed=p.numel()) / max(1, p[0].numel()) ** 0.5
    logits = model(images)
    logits.square().sum().backward()
    return {"logits": logits.detach(), "gradient of the pixels": images.grad}


def _skipping(forward):
    class Model(WithSkip):
        def forward(self, images):
            return self.last(forward(self, images).flatten(1))

    return Model


_chain = _skipping(lambda self, x: F.relu(self.second(F.relu(self.first(x)))))
_pixels_added = _skipping(lambda self, x: F.relu(x + self.second(F.relu(self.first(x)))))


@_skipping
def _relu_first(self, x):
    hidden = F.relu(self.first(x))
    return hidden + F.relu(self.second(hidden))


@_skipping
def _no_relu_before(self, x):
    hidden = self.first(x)
    return F.relu(hidden + self.second(F.relu(hidden)))


@_skipping
def _no_relu_behind(self, x):
    hidden = F.relu(self.first(x))
    return hidden + self.second(hidden)


@_skipping
def _no_relu(self, x):
    hidden = self.first(x)
    return hidden + self.second(hidden)


@_skipping
def _detached(self, x):
    hidden = F.relu(self.first(x))
    return F.relu(hidden.detach() + self.second(hidden))


WITH_SKIP = Exercise(
    reference=WithSkip,
    task="Build a network whose second convolution adds to the output of the first.",
    objective=DRAW,
    cases=_digits_for_a_model,
    use=_read_and_learn,
    close=1e-3,
    wrong=(
        Wrong(_chain, "There is no skip: the output of the first convolution is not added."),
        Wrong(
            _pixels_added,
            "You added the pixels themselves; asked for is what the first convolution made of them "
            "(its one channel was repeated for all eight without a word).",
        ),
        Wrong(
            _relu_first,
            "You added behind the second ReLU. It belongs behind the sum, so that the second "
            "convolution can also take something away.",
        ),
        Wrong(
            _no_relu_before,
            "What you added comes from before the first ReLU: the skip begins behind it.",
        ),
        Wrong(_no_relu_behind, "The ReLU behind the sum is missing."),
        Wrong(
            _no_relu,
            "No ReLU is left, so the whole network is one linear function of the pixels.",
        ),
        Wrong(
            _detached,
            "The logits are right, but `detach` cuts the skip for the gradient, as in `Puzzle`.",
        ),
    ),
    hints=(
        "Keep what comes out of the first ReLU under a name: it is needed twice.",
        "`F.relu`, `+` between two tensors of one shape, and `flatten(1)` before the last layer.",
        "All but one blank:\nboth = F.relu(____ + self.second(hidden))",
    ),
    why=(
        "Both convolutions have 8 channels and padding 1, so their outputs have one shape and can "
        "be added. The plus is a function and no layer, which is why `print` cannot know of it."
    ),
    start="""
    class WithSkip(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv2d(1, 8, 3, padding=1)
            self.second = nn.Conv2d(8, 8, 3, padding=1)
            self.last = nn.Linear(8 * 28 * 28, 10)

        def forward(self, images):
            \"\"\"Return logits (N, 10).\"\"\"
            ...
    """,
)

SKIP_SEEN = Open(
    name="skip_seen",
    task="Draw your network in all three ways, and print it: what shows the skip, what hides it?",
    objective=HIDES,
    hints=(
        "A skip is a second way through the network; which of the drawings have ways?",
        '`dl.layer_table(WithSkip())`, `dl.draw_graph(WithSkip(), "layers")` and `"autograd"`.',
        "Then take the skip out of `forward`: which of the four changes, and which stays the same?",
    ),
    points=(
        "`print` and the table are the same with and without the skip.",
        "The graph of the layers shows two arrows out of the first ReLU, and a sum.",
        "The graph of the gradients shows the sum, too, as AddBackward0.",
        "Neither parameters nor counted multiply-adds change, for a plus has no weights.",
    ),
    model=(
        "`print` and the table say the same with and without the skip: they know layers, and a "
        "plus is none; the counts do not change either. The graph of the layers shows it best: two "
        "arrows leave the first ReLU, and both end in an addition. In the graph of the gradients "
        "the addition stands as AddBackward0, and it proves that the gradient goes both ways."
    ),
)

EXERCISES = (SMALLER, COUNT_PARAMETERS, WITH_SKIP, SKIP_SEEN)

# --- Quiz -------------------------------------------------------------------------------------


def _work_by_hand():
    row = nn.Conv2d(8, 16, 5)
    return 10 * 10 * sum(p.numel() for p in row.parameters())


class _Guarded(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(784, 32)
        self.second = nn.Linear(32, 32)
        self.last = nn.Linear(32, 10)

    def forward(self, images):
        hidden = F.relu(self.first(images.flatten(1)))
        with torch.no_grad():
            hidden = F.relu(self.second(hidden))
        return self.last(hidden)


GUARDED = """def forward(self, images):
    hidden = F.relu(self.first(images.flatten(1)))
    with torch.no_grad():
        hidden = F.relu(self.second(hidden))
    return self.last(hidden)"""


def _which_learn():
    """Return the place of the right option: all, first and last, only last, none."""
    model = _Guarded()
    model(random_numbers(2, 1, 28, 28)).sum().backward()
    learn = tuple(
        name for name, layer in model.named_children() if next(layer.parameters()).grad is not None
    )
    return (("first", "second", "last"), ("first", "last"), ("last",), ()).index(learn)


@cache
def _heaviest():
    """Return the place of the layer of two-conv with the most weights, among those with weights."""
    layers = [row for row in dl.layer_table(dl.build_model("two-conv")).layers if row.parameters]
    return max(range(len(layers)), key=lambda i: layers[i].parameters)


FILTERS = (
    ((-1, -1, -1), (0, 0, 0), (1, 1, 1)),
    ((0, 0, 0), (0, 1, 0), (0, 0, 0)),
    ((-1, 0, 1), (-1, 0, 1), (-1, 0, 1)),
    ((1, 1, 1), (1, 1, 1), (1, 1, 1)),
)
ASKED = 2


def _a_bar():
    """Draw an upright bar and what a filter makes of it."""
    picture = torch.zeros(1, 1, 14, 14)
    picture[..., 2:12, 5:9] = 1
    found = F.conv2d(picture, torch.tensor(FILTERS[ASKED])[None, None].float(), padding=1)
    figure = dl.plot_features(torch.cat([picture, found], dim=1), columns=2)
    alt = (
        "Left, the picture: an upright bar, bright on dark. Right, the feature map: a positive "
        "stripe along the left edge of the bar, a negative one along its right edge, and 0 inside "
        "the bar and around it."
    )
    return replace(figure, title="A bar and a feature map of it", alt=alt)


QUIZ = (
    Number(
        name="09-work-by-hand",
        text=(
            "A convolution takes 8 channels and has 16 filters of 5 x 5 weights, each with a bias. "
            "Its output is 16 x 10 x 10. How many multiply-adds are that for one digit, counted "
            "as in the table?"
        ),
        objective=COUNT,
        answer=_work_by_hand,
        explanation=(
            "16 (8 · 25 + 1) = 3 216 parameters, and each is used at all 10 x 10 places: 321 600."
        ),
        slips=(
            (3216, "These are the parameters. The filters look at 10 x 10 places."),
            (320_000, "The bias is missing: this table counts it as one more multiply-add."),
            (40_200, "You counted one input channel of 25 weights and 8 filters too few: 8 · 25."),
        ),
    ),
    Number(
        name="09-twice-the-side",
        text=(
            "Digits come as 56 x 56 pixels in place of 28 x 28. How many times the multiply-adds "
            "does a convolution (with padding) need for one?"
        ),
        objective=COUNT,
        answer=lambda: (56 * 56) / (28 * 28),
        explanation="Four times as many places, each with the same filters.",
        slips=(
            (2, "Twice as high *and* twice as wide: count the places."),
            (1, "That is true of its parameters: they do not know how large the picture is."),
            (16, "The filters themselves do not grow; only the places become more."),
        ),
        unit="times",
    ),
    Choice(
        name="09-which-learn",
        text="Three fully connected layers and this `forward`: which of the three will learn?",
        objective=HIDES,
        code=GUARDED,
        options=(
            Option(
                "all three: each is used in the forward pass",
                "To be used is not to learn. What is computed under `no_grad` leaves no trace for "
                "`backward` to follow.",
            ),
            Option(
                "`first` and `last`: only `second` stands under `no_grad`",
                "The way back to `first` leads through `second`, and there it is cut. In the graph "
                "of the gradients neither appears.",
            ),
            Option(
                "only `last`",
                "From the logits the gradient reaches `last`, then the way ends: what `no_grad` "
                "computed has no `grad_fn`. So `first` is cut off, too.",
            ),
            Option(
                "none",
                "The weights of `last` are used outside of `no_grad`, so they get their gradient.",
            ),
        ),
        right=_which_learn,
    ),
    Choice(
        name="09-what-to-draw",
        text=(
            "A network with two branches trains, but one of its branches seems to stay as it was "
            "made. What do you draw first?"
        ),
        objective=DRAW,
        options=(
            Option(
                "the graph of its gradients",
                "Yes: it shows by name which weights a gradient reaches. A branch that is used but "
                "cut off is in every other drawing.",
            ),
            Option(
                "the graph of its layers",
                "It shows that the branch is there and where it joins, also where no gradient "
                "comes back. `side` of the puzzle stands in it like any other layer.",
            ),
            Option(
                "its table",
                "The table counts the weights of the branch whether they learn or not.",
            ),
            Option(
                "nothing: `print` is enough",
                "`print` shows what was defined. It does not even show whether it is used.",
            ),
        ),
        right=0,
    ),
    Choice(
        name="09-which-filter",
        text=(
            "Left a picture, right what one filter makes of it: yellow is positive, blue negative. "
            "Which filter is it? (Its three rows are divided by a slash.)"
        ),
        objective=INSIDE,
        figure=_a_bar,
        options=(
            Option(
                "-1 -1 -1 / 0 0 0 / 1 1 1",
                "This one compares below with above, so it would answer at the top and the bottom "
                "of the bar and not along its sides.",
            ),
            Option("0 0 0 / 0 1 0 / 0 0 0", "This one copies the picture: the bar would be full."),
            Option(
                "-1 0 1 / -1 0 1 / -1 0 1",
                "Right minus left: positive where it becomes bright to the right, negative where "
                "it becomes dark, and 0 where both sides are alike, inside the bar as well.",
            ),
            Option(
                "1 1 1 / 1 1 1 / 1 1 1",
                "This one adds up, so it blurs: brightest inside the bar, and never negative.",
            ),
        ),
        right=ASKED,
    ),
    Choice(
        name="09-fair-opponent",
        text=(
            "A map names 40 pixels of a digit. Made black, they lower the probability of its class "
            "to 70 %. With 40 pixels drawn at random from the whole picture it stays at 98 %. What "
            "does this show?"
        ),
        objective=TRUST,
        options=(
            Option(
                "the map is right: it beats chance by far",
                "Most random pixels are black already, so chance had no part in this. Nearly any "
                "map that names ink would win.",
            ),
            Option(
                "little: the 40 random pixels should be drawn from the ink",
                "Only ink can be made black. Against random ink the map has an opponent that "
                "could win.",
            ),
            Option(
                "the network looks where a person would look",
                "The test only asks what matters to the network; no person took part in it.",
            ),
            Option(
                "the map is wrong: the probability should fall to 0",
                "40 pixels need not be all that matters. The question is whether others matter "
                "less.",
            ),
        ),
        right=1,
    ),
    Choice(
        name="09-smaller-file",
        text=(
            "The file of `two-conv` is too large, and you may halve the size of one layer. Which "
            "one helps most?"
        ),
        objective=COMPARE,
        options=(
            Option(
                "the first convolution",
                "It has a few hundred weights. It looks at every place of the picture, and "
                "work is not size.",
            ),
            Option(
                "the second convolution",
                "Here is most of the *work*: fewer filters would make the network faster, but "
                "the file hardly smaller by themselves.",
            ),
            Option(
                "the first fully connected layer",
                "Nearly all weights are here, one for each pair of an input and a neuron. The "
                "network would be hardly any faster, though.",
            ),
            Option("the last layer", "Ten neurons: about a hundredth of the weights."),
        ),
        right=_heaviest,
    ),
)
