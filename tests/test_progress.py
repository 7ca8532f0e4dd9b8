"""What a learner has done is kept: whole or not at all, by several at once, through a kill."""

import json
import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import time

import pytest

import digitlab as dl
from digitlab.exercises import course, memory
from digitlab.exercises.records import Choice, Exercise, Number, Option
from digitlab.widgets import quiz

WRITE = """
import sys
from digitlab.exercises import memory
def more(record):
    record.exercise(f"{sys.argv[1]}-{len(record.exercises)}")["tries"] += 1
for _ in range(int(sys.argv[2])):
    assert memory.change(more) == ""
"""


def entries():
    return memory.read().exercises


def do(name):
    return memory.change(lambda record: record.exercise(name).update(tries=1))


def test_nothing_is_kept_that_says_who_or_where(own_progress):
    [exercise] = [e for e in course.exercises()["01"] if e.name == "shift_right"]
    assert isinstance(exercise, Exercise)
    dl.check(exercise.reference)
    kept = json.loads(own_progress.read_text())
    assert set(kept) == {"format", *memory.KINDS}
    assert kept["exercises"]["shift_right"] == {
        "tries": 1,
        "hints": 0,
        "done": memory.today(),
        "given_up": False,
    }


@pytest.mark.parametrize("damage", ["", "{", "3", '{"format": 1}', '{"format": 9}', "[" * 9999])
def test_a_damaged_file_is_set_aside_and_a_new_one_begins(own_progress, damage):
    do("a")
    own_progress.write_text(damage)
    said = do("b")
    assert said.startswith("The file of your progress was damaged; it is kept") == bool(damage)
    assert set(entries()) == {"b"}
    aside = list(own_progress.parent.glob("*.damaged-*"))
    assert [path.read_text() for path in aside] == ([damage] if damage else [])


@pytest.mark.parametrize("kind", memory.KINDS)
def test_an_entry_of_another_form_is_damage(own_progress, kind):
    do("a")
    kept = json.loads(own_progress.read_text())
    kept[kind]["x"] = {"tries": "many"}
    own_progress.write_text(json.dumps(kept))
    assert entries() == {}
    do("b")
    assert len(list(own_progress.parent.glob("*.damaged-*"))) == 1


def test_two_notebooks_at_once_lose_nothing():
    command = [sys.executable, "-c", WRITE]
    running = [subprocess.Popen([*command, name, "40"]) for name in "ab"]
    assert [process.wait(timeout=120) for process in running] == [0, 0]
    assert len(entries()) == 80


def _forever():
    for i in range(10**9):
        do(f"x-{i}")


def test_a_kill_in_the_middle_leaves_a_whole_file():
    do("first")
    for i in range(25):
        process = multiprocessing.get_context("fork").Process(target=_forever)
        process.start()
        time.sleep(0.03 + 0.001 * i)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert "first" in entries()
    assert do("last") == ""
    assert len(entries()) > 2, "nothing was written"
    left = {path.name for path in memory.place().parent.iterdir()}
    assert left == {"progress.json", "progress.json.lock"}


FULL = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20, 20))
from digitlab.exercises import memory
print(memory.change(lambda record: record.exercise("b")))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the system has no such limit")
def test_a_full_disk_leaves_what_was_kept(own_progress):
    do("a")
    done = subprocess.run([sys.executable, "-c", FULL], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Your progress could not be kept: ")
    assert set(entries()) == {"a"}
    assert not list(own_progress.parent.glob("*.part"))


def test_where_nothing_can_be_written_a_check_says_so_and_goes_on(own_progress):
    do("a")
    own_progress.chmod(stat.S_IREAD)
    said = do("b")
    assert said.startswith("Your progress could not be kept: ")
    assert "write-protected" in said
    assert set(json.loads(own_progress.read_text())["exercises"]) == {"a"}
    assert set(entries()) == {"a", "b"}  # as long as this notebook runs
    own_progress.chmod(stat.S_IREAD | stat.S_IWRITE)
    assert do("c") == ""
    assert set(json.loads(own_progress.read_text())["exercises"]) == {"a", "b", "c"}


@pytest.mark.parametrize("why", ["off", "write-protected"])
def test_hints_go_on_where_nothing_can_be_kept(own_progress, monkeypatch, why):
    do("a")
    own_progress.chmod(stat.S_IREAD)
    if why == "off":
        monkeypatch.setenv("DIGITLAB_PROGRESS", "off")
    heads = [dl.hint("shift_right").head for _ in range(3)]
    assert [head[:11] for head in heads] == ["Hint 1 of 3", "Hint 2 of 3", "Hint 3 of 3"]


def test_off_means_that_nothing_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("DIGITLAB_PROGRESS", "off")
    monkeypatch.chdir(tmp_path)
    assert do("a") == ""
    assert set(entries()) == {"a"}  # as long as this notebook runs
    assert list(tmp_path.iterdir()) == []


# --- Quizzes and guesses ------------------------------------------------------------------------

WHICH = Choice(
    name="01-which",
    text="Which?",
    objective="x",
    options=(Option("this", "It is this."), Option("that", "No, it is the other.")),
    right=lambda: 0,
)
HOW_MANY = Number(
    name="01-many",
    text="How many `digits`?",
    objective="x",
    answer=lambda: 10,
    explanation="There are ten.",
    slips=((9, "You forgot the 0."),),
    unit="digits",
    code="len(range(10))",
)


@pytest.fixture
def two_questions(monkeypatch):
    asked = {"01": (WHICH, HOW_MANY), "02": ()}
    monkeypatch.setattr(course, "questions", lambda: asked)


def answer(asked, text):
    asked.answer = text
    asked.asked += 1
    return asked.reply


@pytest.mark.usefixtures("two_questions")
def test_each_answer_is_explained_at_once_and_wrong_ones_come_back():
    mine = dl.quiz("01")
    assert answer(mine.asked[0], "1") == "<b>✗ Not quite.</b> No, it is the other."
    assert answer(mine.asked[1], "9") == "<b>✗ Not quite.</b> You forgot the 0."
    assert answer(mine.asked[1], "ten") == "Type a number, such as 0.5 or 12."
    assert answer(mine.asked[1], "10") == "<b>✓ Right.</b> There are ten."
    assert "1 of 2 right" in mine._score.value
    assert [q.name for q in dl.quiz("02").questions] == ["01-which"]
    answer(dl.quiz("02").asked[0], "0")
    assert dl.quiz("02").questions == ()


@pytest.mark.usefixtures("two_questions")
def test_where_no_kernel_runs_the_answers_are_folded():
    html = dl.quiz("01")._repr_mimebundle_()["text/html"]
    assert html.count("<details>") == 3
    assert "<summary>this</summary><p>✓ Right. It is this.</p>" in html
    assert "<code>digits</code>" in html
    assert "<pre>len(range(10))</pre>" in html


def test_numbers_are_read_as_people_write_them():
    numbers = {"0,5": 0.5, "12 %": 12, "1 000": 1000, "-3": -3, "x": None, "": None}
    assert {text: quiz._number(text) for text in numbers} == numbers


GUESSES = [
    ("5", 4, "It is 4; you guessed 5, 25 % above."),
    ("1", 4, "It is 4; you guessed 1, 4 times less."),
    ("4", 4, "It is 4; you guessed 4, and that is it."),
    ("many", 4, "It is 4; you guessed many."),
]


@pytest.mark.parametrize(("typed", "value", "words"), GUESSES)
def test_a_guess_is_kept_and_stands_beside_the_truth(typed, value, words):
    assert dl.truth("03-x", value).head == "It is 4."
    guess = dl.guess("03-x", "How many?")
    assert guess._repr_mimebundle_()["text/html"].endswith("How many?</p>")
    answer(guess.asked, typed)
    assert dl.truth("03-x", value).head == words
    assert "You guessed" in dl.guess("03-x", "How many?").asked.reply


def test_a_guess_can_be_one_of_a_few_words():
    guess = dl.guess("03-y", "Up or down?", options=("up", "down"))
    answer(guess.asked, "1")
    assert dl.truth("03-y", "down").head == "Answer: down; you guessed down, and that is it."
    assert "1 of 1 right" in repr(dl.progress())
