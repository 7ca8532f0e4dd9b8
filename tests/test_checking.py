"""`dl.check`: whatever a learner writes, an answer comes, and it says what the difference is."""

import contextlib
import re
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import digitlab as dl
from digitlab.exercises import Between, Exercise, OneOf, Open, Wrong, course, guard
from digitlab.exercises.checking import judge
from digitlab.exercises.compare import difference, told
from digitlab.exercises.records import random_numbers

COUNT = 3
learnt = torch.ones(3)


def middle(values):
    """Return the mean of numbers (N,)."""
    return values.sum() / len(values)


MIDDLE = Exercise(
    reference=middle,
    task="Take the mean.",
    objective="judge",
    cases=lambda: {
        "five numbers": (random_numbers(5),),
        "seven numbers": (random_numbers(7, seed=1),),
        "one number": (torch.tensor([4.0]),),
    },
    wrong=(Wrong(lambda values: values.sum(), "You forgot to divide."),),
    hints=("Add.", "Divide by `len`.", "values.sum() / ____"),
    why="All are added. Then there are so many.",
)


def best(losses):
    """Return the rate with the lowest loss."""
    return min(losses, key=losses.get)


BEST = Exercise(
    reference=best,
    task="Choose.",
    objective="judge",
    cases=lambda: {"three rates": ({0.1: 0.5, 0.2: 0.3, 0.4: 0.9},)},
    wrong=(Wrong(lambda losses: max(losses), "You took the largest rate, not the best."),),
    hints=("Look.", "Use `min`.", "min(losses, key=____)"),
    why="The loss is lowest. That is best.",
    is_value=True,
)
REASON = Open(
    name="reason",
    task="Say why.",
    objective="judge",
    hints=("Think.", "Read.", "Because ____"),
    points=("one", "two"),
    model="It is because of the mean of all of them, and of nothing else that we saw.",
)


@pytest.fixture(autouse=True)
def bank(monkeypatch):
    monkeypatch.setattr(course, "exercises", lambda: {"01": (MIDDLE, BEST, REASON)})
    monkeypatch.setattr(course, "questions", lambda: {"01": ()})


# --- What is done to the kernel -----------------------------------------------------------------


def forever(values):
    while True:
        with contextlib.suppress(BaseException):  # it cannot be caught
            pass


def in_itself(values):
    return in_itself(values)


def much_text(values):
    while True:
        print(values)


def leaves(values):
    raise SystemExit


def uses_exit(values):
    exit()


def asks(values):
    return input("?")


def much_memory(values):
    return torch.zeros(10**12)


def more_memory(values):
    return [np.empty(10**8) for _ in range(1000)]


def sleeps(values):
    time.sleep(1000)


TROUBLE = {
    forever: "does a loop never end?",
    sleeps: "does a loop never end?",
    in_itself: "it calls itself without end",
    much_text: "print less",
    leaves: "return the answer instead",
    uses_exit: "return the answer instead",
    asks: "take what you need as an argument",
    much_memory: "is a shape far too large?",
    more_memory: "is a shape far too large?",
    lambda values: values.nothing: "AttributeError: 'Tensor' object has no attribute 'nothing'",
    lambda values: ____: "a blank ____ is not filled in yet",  # noqa: F821
    lambda: 3: "takes 0 positional arguments but 1 was given",
}


@pytest.mark.parametrize(("answer", "words"), TROUBLE.items(), ids=str)
def test_trouble_is_told_in_a_sentence_within_5_seconds(answer, words):
    dl.check(middle)  # what is imported by the first check is not the answer's
    start = time.perf_counter()
    note = dl.check(answer, "middle")
    assert time.perf_counter() - start < 5
    assert note.state == "not right yet"
    assert words in repr(note)


def test_without_signals_a_loop_without_end_is_stopped_too(monkeypatch):
    monkeypatch.delattr(guard.signal, "setitimer")
    outcome = guard.attempt(lambda: forever(0), seconds=0.3)
    assert "does a loop never end?" in outcome.problem
    assert guard.attempt(lambda: 6 * 7).value == 42


def test_ctrl_c_still_stops_a_check():
    def interrupted(values):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dl.check(interrupted, "middle")


# --- What is told -------------------------------------------------------------------------------


def changes_its_argument(values):
    values -= 1
    return middle(values) + 1


def reads_the_notebook(values):
    return middle(values) + learnt.sum() - 3


def helper(values):
    return learnt.sum()


def through_a_helper(values):
    return middle(values) + helper(values) - 3


def with_a_constant(values):
    return middle(values) + COUNT - 3


ANSWERS = {
    middle: "✓ middle: right: five numbers, seven numbers, one number",
    (lambda values: values.numpy().mean()): "right: five",
    (lambda values: values.mean().item()): "right: five",
    (lambda values: np.float64(values.mean())): "right: five",
    (lambda values: values.mean()[None]): "right: five",
    (lambda values: values.sum()): "You forgot to divide.",
    (lambda values: 2 * values.mean()): "Over all cases: every number is twice what it should be.",
    (lambda values: values.mean() + 1): "Over all cases: every number is 1 too large.",
    (
        lambda values: values.mean() if len(values) > 1 else 0.0
    ): "right but for one case: one number",
    (lambda values: print(end="")): "does it end in `return`?",
    (lambda values: "4"): "it is '4', not the number",
    changes_its_argument: "it changes its argument `values`",
    reads_the_notebook: "it reads `learnt` from the notebook",
    through_a_helper: "it reads `learnt` from the notebook",
    with_a_constant: "right: five",
    3: "a function is asked for",
}


@pytest.mark.parametrize(("answer", "words"), ANSWERS.items(), ids=str)
def test_an_answer_hears_what_it_does(answer, words):
    assert words in repr(dl.check(answer, "middle"))


def test_a_loop_is_told_where_none_is_wanted():
    from dataclasses import replace

    def loops(values):
        return sum(v for v in values) / len(values)

    assert "it holds a loop" in judge(replace(MIDDLE, loops=False), loops).words[0]
    assert judge(replace(MIDDLE, loops=False), middle).state == "right"


def test_a_value_is_judged_by_the_learners_own_objects():
    losses = {0.1: 0.5, 0.2: 0.6}
    assert dl.check(0.1, "best", losses=losses).state == "right"
    assert "the largest rate" in repr(dl.check(0.2, "best", losses=losses))
    assert dl.check(..., "best", losses=losses).state == "not done yet"
    assert "does not fit" in repr(dl.check(0.1, "best", losses=...))
    with pytest.raises(ValueError, match=r"dl\.check\(best, \"best\", losses=losses\)"):
        dl.check(0.1, "best")


def test_a_text_is_kept_and_compared_with_a_model_answer():
    assert dl.check(..., "reason").state == "not done yet"
    assert "in a sentence or two" in repr(dl.check("no", "reason"))
    text = "The mean is what counts here, since all of them are added."
    assert dl.check(text, "reason").state == "kept"
    assert "(1) one (2) two" in repr(dl.solution("reason"))
    assert "1 of 3 exercises done" in repr(dl.progress())


def test_an_untouched_stub_is_not_done_yet_however_it_is_written():
    def middle(values):
        """Another docstring."""
        ...

    def other(values):
        pass

    assert dl.check(middle).state == "not done yet"
    assert dl.check(other, "middle").state == "not done yet"


def test_hints_come_one_by_one_and_a_solution_after_an_attempt():
    assert "try it first" in repr(dl.solution("middle"))
    for number in (1, 2, 3, 3):
        assert f"Hint {number} of 3" in repr(dl.hint("middle"))
    dl.check(lambda values: 0, "middle")
    assert "return values.sum() / len(values)" in repr(dl.solution("middle"))
    assert "~ ○ ○" in repr(dl.progress())
    dl.solution("best", give_up=True)
    assert "~ x ○" in repr(dl.progress())
    dl.check(middle)
    assert "✓ x ○" in repr(dl.progress())


def test_a_solution_stands_beside_the_learners_code_with_the_differences_marked(monkeypatch):
    main = __import__("__main__")
    monkeypatch.setattr(main, "middle", changes_its_argument, raising=False)
    html = dl.solution("middle", give_up=True)._repr_html_()
    assert "▸     values -= 1" in html
    assert "▸     return values.sum() / len(values)" in html


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'middle'"):
        dl.hint("midle")
    with pytest.raises(ValueError, match="say which exercise"):
        dl.check(3)


# --- How things differ --------------------------------------------------------------------------

SQUARE = torch.arange(9.0).reshape(3, 3)
DIFFERENCES = [
    (SQUARE.T, SQUARE, "transposed"),
    (SQUARE.roll(1, 1), SQUARE, "shifted by one along dimension 1"),
    (SQUARE.flip(0), SQUARE, "turned round along dimension 0"),
    (-SQUARE, SQUARE, "the negative of"),
    (SQUARE / 9, SQUARE, "0.11111 times"),
    (SQUARE - 0.5, SQUARE, "0.5 too small"),
    (SQUARE * torch.nan, SQUARE, "all of its numbers are NaN"),
    (SQUARE[:2], SQUARE, r"its shape is \(2, 3\), not \(3, 3\)"),
    (SQUARE.long(), SQUARE, "int, not float"),
    (SQUARE.long(), SQUARE.to(torch.uint8), "int, not uint8"),
    (SQUARE > 3, SQUARE, "bool, not float"),
    (SQUARE.tolist(), SQUARE, r"it is \[\[0, 1, 2\], .*, not \[\[0"),
    (torch.where(SQUARE == 4, 9, SQUARE), SQUARE, r"1 of 9 .* \[1, 1\], is 9 and should be 4"),
    (3, Between(4, 5), "not from 4 to 5"),
    ("c", OneOf(("a", "b")), "not 'a' or 'b'"),
    ((1, 2), (1, 2, 3), "holds 2 values, not 3"),
    ((1, "b"), (1, "c"), r"at \[1\]: it is 'b', not 'c'"),
    ({"a": 1}, {"a": 1, "b": 2}, "'b' is missing"),
    ({"a": 1, "b": 3}, {"a": 1, "b": 2}, "at 'b': it is 3, not 2"),
    ({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 2}, "'c' is too much"),
    (True, False, "it is 1, not 0"),
    (b"ab", b"abc", "it is b'ab', not b'abc'"),
]


@pytest.mark.parametrize(("got", "expected", "words"), DIFFERENCES, ids=str)
def test_a_difference_is_told_in_words(got, expected, words):
    assert re.search(words, difference(got, expected))
    assert difference(expected, expected) == "" or isinstance(expected, Between | OneOf)


EQUAL = [
    (SQUARE.numpy(), SQUARE),
    (SQUARE.double(), SQUARE),
    (SQUARE + 1e-6, SQUARE),
    (SQUARE.requires_grad_(False), SQUARE),
    (torch.nn.Parameter(SQUARE), SQUARE),
    (SQUARE.bfloat16(), SQUARE),
    (torch.tensor(3), 3),
    (np.float32(0.1), 0.1),
    ([1, 2], (1, 2)),
    (torch.tensor([1, 2]), (1, 2)),
    (4.5, Between(4, 5)),
    ("b", OneOf(("a", "b"))),
    (float("nan"), float("nan")),
    (None, None),
]


@pytest.mark.parametrize(("got", "expected"), EQUAL, ids=str)
def test_what_is_as_good_is_equal(got, expected):
    assert difference(got, expected) == ""


def test_values_are_told_in_a_few_words():
    assert told(SQUARE) == (
        "[[0., 1., 2.], [3., 4., 5.], [6., 7., 8.]], a tensor (3, 3) of float32"
    )
    assert told(torch.zeros(4, 28, 28)) == "a tensor (4, 28, 28) of float32"
    assert told("x" * 100).endswith("...")
    assert told((0.123456789, "a")) == "(0.123457, 'a')"


def test_pixels_are_shown_as_pictures():
    from digitlab.exercises.views import Note

    html = Note("right", "x", shown={"got": torch.rand(6, 28, 28)})._repr_html_()
    assert html.count('<img alt="got: a tensor (6, 28, 28) of float32"') == 4
    assert "and 2 more" in html


def test_code_and_stress_are_marked_and_a_product_is_not():
    from digitlab.exercises.views import marked

    assert marked("`a * b` is *not* `b`") == "<code>a * b</code> is <em>not</em> <code>b</code>"
    assert marked("2 * 3 * 4 < 5 `") == "2 * 3 * 4 &lt; 5 `"


# --- A teacher's own ----------------------------------------------------------------------------

GUIDE = Path(__file__).parents[1] / "CONTRIBUTING.md"
OWN = re.search(r"```python\n(.+?)```", GUIDE.read_text("utf-8"), re.DOTALL)[1]


def test_a_teacher_can_add_exercises(tmp_path, monkeypatch):
    groups = {"01": (MIDDLE,)}
    monkeypatch.setattr(course, "exercises", lambda: groups)
    path = tmp_path / "my_exercises.py"
    path.write_text(OWN)
    assert dl.exercises.load(path) == ("darker",)
    assert dl.exercises.load(path) == ("darker",)  # again, after a change
    assert dl.check(lambda images: images * 0.5, "darker").state == "right"
    assert "You took 0.5 away" in repr(dl.check(lambda images: images - 1 / 2, "darker"))
    assert "return images / 2" in repr(dl.solution("darker"))
    (tmp_path / "other.py").write_text(OWN)
    with pytest.raises(ValueError, match="another exercise has the name 'darker'"):
        dl.exercises.load(tmp_path / "other.py")
    (tmp_path / "none.py").write_text("EXERCISES = 3")
    for name in ("none.py", "nothing.py", "a.txt"):
        with pytest.raises(ValueError, match=r"exercises|EXERCISES"):
            dl.exercises.load(tmp_path / name)
