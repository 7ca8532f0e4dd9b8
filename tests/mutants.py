"""Small changes to a function, one at a time: what a test of it has to notice."""

import ast
import copy
from collections.abc import Iterator

COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}
OPERATORS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Add,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
CALLS = {
    **{"argmax": "argmin", "argmin": "argmax", "max": "min", "min": "max", "mean": "sum"},
    **{"sum": "mean", "amax": "amin", "amin": "amax", "exp": "log", "log": "exp", "mT": "clone"},
    **{"floor": "ceil", "ceil": "floor", "softmax": "log_softmax", "median": "mode"},
}


def mutants(code: str) -> Iterator[tuple[str, str]]:
    """Give the changed line and the changed code, for each change to a function or class."""
    tree = ast.parse(code)
    for number, node in enumerate(ast.walk(tree)):
        for i in range(len(list(_changes(node)))):
            mutant = copy.deepcopy(tree)
            changed = list(ast.walk(mutant))[number]
            list(_changes(changed))[i]()
            yield _line_of(mutant, changed), ast.unparse(mutant)


def _changes(node: ast.AST) -> Iterator:
    """Give functions that change a node in place, one way each."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        yield lambda: node.ops.__setitem__(0, COMPARISONS[type(node.ops[0])]())
    if isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in OPERATORS:
        yield lambda: setattr(node, "op", OPERATORS[type(node.op)]())
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield lambda: setattr(node, "value", not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield lambda: setattr(node, "value", node.value + 1)
        yield lambda: setattr(node, "value", node.value - 1)
    elif isinstance(node, ast.Constant) and isinstance(node.value, float):
        yield lambda: setattr(node, "value", 2 * node.value + 0.1)
    if isinstance(node, ast.Attribute) and node.attr in CALLS:
        yield lambda: setattr(node, "attr", CALLS[node.attr])
    if isinstance(node, ast.Name) and node.id in {"min", "max", "sum"}:
        yield lambda: setattr(node, "id", {"min": "max", "max": "min", "sum": "max"}[node.id])
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield lambda: setattr(node, "op", ast.UAdd())


def _line_of(tree: ast.AST, node: ast.AST) -> str:
    """Return the smallest statement around a node, as one line."""
    around = [
        each
        for each in ast.walk(tree)
        if isinstance(each, ast.stmt) and any(inside is node for inside in ast.walk(each))
    ]
    text = ast.unparse(min(around, key=lambda each: len(list(ast.walk(each)))))
    return text.splitlines()[0]
