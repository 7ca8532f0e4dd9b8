"""Exercises in a real kernel: it lives on, and cells may be renamed, copied, split and moved."""

from nbformat.v4 import new_code_cell, new_notebook

from tools import notebooks

START = "import torch\nimport digitlab as dl"
RIGHT = (
    "moved = torch.zeros_like(image)\n    moved[..., n:] = image[..., :28 - n]\n    return moved"
)
TROUBLE = [
    "def shift_right(image, n): exit()",
    "def shift_right(image, n): quit()",
    "def shift_right(image, n):\n    import sys\n    sys.exit(1)",
    "def shift_right(image, n): return input()",
    "def shift_right(image, n): return shift_right(image, n)",
    "def shift_right(image, n):\n    while True: print('again')",
    "def shift_right(image, n): return torch.zeros(10**13)",
]


def run(folder, *cells):
    """Run cells after the imports; the last one must hold."""
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in (START, *cells)])
    return notebooks.execute(notebook, folder, notebooks.environment("optdigits"))


def state(check, expected):
    return f"note = {check}\nassert note.state == '{expected}', repr(note)"


def test_the_kernel_lives_whatever_an_answer_does(tmp_path):
    tries = [f"{code}\n{state('dl.check(shift_right)', 'not right yet')}" for code in TROUBLE]
    after = "print('still here')\nassert torch.zeros(10**6).sum() == 0\nexit, quit"
    assert run(tmp_path, *tries, after) == ""


def test_cells_may_be_renamed_copied_split_moved_and_deleted(tmp_path):
    right = f"def shift_right(image, n):\n    {RIGHT}"
    renamed = right.replace("shift_right", "moved_to_the_right")
    helper = f"def helper(image, n):\n    {RIGHT}"
    calls_it = "def shift_right(image, n): return helper(image, n)"
    check = state("dl.check(shift_right)", "right")
    by_name = state("dl.check(moved_to_the_right, 'shift_right')", "right")
    copies = ["shift_right = ...", state("dl.check(shift_right, 'shift_right')", "not done yet")]
    other = f"f = lambda image, n: image.roll(n, -1)\n{right}"
    cells = [*copies, right, check, check, calls_it, helper, check, renamed, by_name, other, check]
    assert run(tmp_path, *cells) == ""
