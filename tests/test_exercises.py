"""The exercises of the course: right answers pass, wrong ones are named, nothing is given away."""

import ast
import importlib
import re
from functools import cache, partial
from pathlib import Path

import nbformat
import pytest
import torch

from digitlab.exercises import course
from digitlab.exercises.checking import judge
from digitlab.exercises.guard import attempt
from digitlab.exercises.records import Choice, Exercise, Number, Open
from tests.mutants import mutants
from tools.overview import read_lesson

FOLDER = Path(__file__).parents[1] / "notebooks"
EXERCISES = [(n, e) for n, group in course.exercises().items() for e in group]
CHECKED = [pytest.param(e, id=e.name) for _, e in EXERCISES if isinstance(e, Exercise)]
QUESTIONS = [pytest.param(n, q, id=q.name) for n, qs in course.questions().items() for q in qs]
NUMBERS = list(course.MODULES)


@cache
def notebook(number):
    [path] = FOLDER.glob(f"{number}_*.ipynb")
    return nbformat.read(path, as_version=4)


@cache
def variants(number):
    return importlib.import_module(f"tests.variants.{course.MODULES[number]}")


def verdicts(exercise, answer):
    """Judge a function; or, where a value is asked for, those that it computes."""
    if not exercise.is_value:
        return [judge(exercise, answer)]
    values = [
        (attempt(partial(answer, *given), seconds=5).value, given)
        for given in exercise.cases().values()
    ]
    return [judge(exercise, value, given) for value, given in values]


@pytest.mark.parametrize("exercise", CHECKED)
def test_the_reference_is_right(exercise):
    for verdict in verdicts(exercise, exercise.reference):
        assert verdict.state == "right", verdict


@pytest.mark.parametrize("exercise", CHECKED)
def test_each_known_wrong_answer_hears_its_own_sentence(exercise):
    assert len(exercise.wrong) >= 3
    assert len({wrong.sentence for wrong in exercise.wrong}) == len(exercise.wrong)
    for wrong in exercise.wrong:
        assert (wrong.sentence,) in [v.words for v in verdicts(exercise, wrong.answer)], wrong


@pytest.mark.parametrize("exercise", CHECKED)
def test_other_right_answers_are_right(exercise):
    others = variants(course.number_of(exercise.name)).VARIANTS[exercise.name]
    assert len(others) >= 2
    for other in others:
        for verdict in verdicts(exercise, other):
            assert verdict.state == "right", (other, verdict)


@pytest.mark.parametrize("exercise", CHECKED)
def test_small_changes_to_the_reference_are_noticed(exercise):
    number = course.number_of(exercise.name)
    equal = variants(number).EQUAL.get(exercise.name, {})
    module = importlib.import_module(exercise.reference.__module__)
    code = ast.unparse(_without_docstrings(exercise.reference))
    missed, n = [], 0
    for line, changed in mutants(code):
        names = dict(vars(module))
        exec(changed, names)
        n += 1
        if line not in equal and _passes(exercise, names[exercise.name]):
            missed.append(line)
    assert len(missed) <= 0.05 * n, missed


def _without_docstrings(answer):
    from digitlab.exercises.records import source

    tree = ast.parse(source(answer))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    return tree


def _passes(exercise, answer):
    try:
        return all(verdict.state == "right" for verdict in verdicts(exercise, answer))
    except Exception:
        return False


def test_there_are_enough_changes_and_exercises():
    references = [e.reference for _, e in EXERCISES if isinstance(e, Exercise)]
    assert sum(len(list(mutants(ast.unparse(_without_docstrings(r))))) for r in references) >= 300
    assert len(EXERCISES) >= 45


@pytest.mark.parametrize("number", NUMBERS)
def test_each_notebook_has_a_function_a_decision_an_open_exercise_and_a_quiz(number):
    group = course.exercises()[number]
    assert len(group) >= 3
    assert any(isinstance(e, Exercise) and not e.is_value for e in group)
    assert any(isinstance(e, Exercise) and e.is_value for e in group)
    assert any(isinstance(e, Open) for e in group)
    assert len(course.questions()[number]) >= 5


def test_names_are_used_once():
    for names in ([e.name for _, e in EXERCISES], [q.values[1].name for q in QUESTIONS]):
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("number", NUMBERS)
def test_exercises_and_quiz_train_all_that_a_notebook_promises(number):
    [path] = FOLDER.glob(f"{number}_*.ipynb")
    goals = " ".join(read_lesson(path).opening["goals"].split())
    trained = {e.objective for e in (*course.exercises()[number], *course.questions()[number])}
    assert [goal for goal in trained if goal not in goals] == []
    for goal in sorted(trained, key=len, reverse=True):
        goals = goals.replace(goal, "")
    assert re.sub(r"[,.:;\s]|\band\b", "", goals) == ""


@pytest.mark.parametrize(
    ("number", "exercise"), [pytest.param(*e, id=e[1].name) for e in EXERCISES]
)
def test_a_notebook_holds_the_stub_and_a_check_below_it(number, exercise):
    cells = [cell.source for cell in notebook(number).cells]
    [at] = [i for i, cell in enumerate(cells) if exercise.stub in cell]
    assert re.fullmatch(rf"dl\.check\([^\n]*\b{exercise.name}\b[^\n]*\)", cells[at + 1])


@pytest.mark.parametrize("exercise", [pytest.param(e, id=e.name) for _, e in EXERCISES])
def test_three_hints_lead_to_an_answer_and_the_third_leaves_a_blank(exercise):
    assert len(exercise.hints) == 3
    assert all(exercise.hints)
    assert isinstance(exercise, Open) or "____" in exercise.hints[2]


@pytest.mark.parametrize(
    ("number", "exercise"), [pytest.param(*e, id=e[1].name) for e in EXERCISES]
)
def test_nothing_gives_a_solution_away(number, exercise):
    seen = [*exercise.hints[:2]]
    for cell in notebook(number).cells:
        seen.append(cell.source)
        seen += [str(output) for output in cell.get("outputs", [])]
    everything = _squeezed("\n".join(seen))
    for line in _telling_lines(exercise):
        assert _squeezed(line) not in everything, line


def _telling_lines(exercise):
    """Return the lines of a solution that are neither in its stub nor trivial."""
    if isinstance(exercise, Open):
        return [exercise.model]
    tree = ast.parse(exercise.solution)
    docstrings = {
        ast.get_docstring(n, clean=False) or ""
        for n in ast.walk(tree)
        if isinstance(n, ast.FunctionDef | ast.ClassDef)
    }
    lines = [line.strip() for line in exercise.solution.splitlines()]
    stub = exercise.stub
    return [
        line
        for line in lines
        if len(line) >= 25
        and line not in stub
        and not any(line.strip('"') in d for d in docstrings)
        and not line.startswith(("def ", "class ", "import ", "from ", "#", "super()"))
    ]


def _squeezed(text):
    return re.sub(r"\s+", "", text)


@pytest.mark.parametrize(("number", "question"), QUESTIONS)
def test_each_question_has_a_right_answer_and_explains_every_one(number, question):
    assert question.name.startswith(f"{number}-")
    if isinstance(question, Choice):
        assert 2 <= len(question.options) <= 6
        assert 0 <= question.key < len(question.options)
        assert len({o.text for o in question.options}) == len(question.options)
        assert all(len(o.explanation) >= 15 for o in question.options)
    else:
        assert isinstance(question, Number)
        assert float(question.answer()) == pytest.approx(float(question.answer()))
        assert all(abs(slip - question.answer()) > question.tolerance for slip, _ in question.slips)
        assert len(question.explanation) >= 15


@pytest.mark.parametrize("number", NUMBERS)
def test_the_right_option_does_not_always_stand_at_the_same_place(number):
    keys = [q.key for q in course.questions()[number] if isinstance(q, Choice)]
    assert len(keys) < 3 or len(set(keys)) > 1


def test_checks_do_not_disturb_random_numbers():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    exercise = next(e for _, e in EXERCISES if isinstance(e, Exercise) and not e.is_value)
    judge(exercise, exercise.reference)
    assert torch.rand(1) == expected
