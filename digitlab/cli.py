"""The command line: recipes, data, train, evaluate, predict, draw, doctor."""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from digitlab import idx
from digitlab.recipes import DOCUMENTS, RECIPES, Recipe, document_recipes
from digitlab.tables import text_table

Answer = tuple[Any, str]  # what --json prints, and what is printed otherwise
Options = dict[str, dict[str, Any]]  # name of an argument -> what argparse takes
Commands = dict[Callable[[argparse.Namespace], Answer], Options]

SCORES = {"train_accuracy": "train", "valid_accuracy": "valid", "test_accuracy": "test"}


class FailedError(Exception):
    """A command did its work, and what it found is not well: the answer, and status 1."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer[1])
        self.answer = answer


def recipes(args: argparse.Namespace) -> Answer:
    """List the recipes, or one with all its settings."""
    if args.name:
        recipe = RECIPES[args.name]
        header: Sequence[str] = ("setting", "value", "whose decision")
        return _recipe(recipe), text_table(recipe.rows(), header=header)
    rows = [
        (r.name, r.source, r.model, r.parameters, DOCUMENTS.get(r.source, "our own"))
        for r in RECIPES.values()
    ]
    header = ("recipe", "source", "model", "parameters", "title")
    return [_recipe(recipe) for recipe in RECIPES.values()], text_table(rows, header=header)


def _recipe(recipe: Recipe) -> dict[str, Any]:
    return recipe.to_dict() | recipe.settings() | {"assumed": list(recipe.assumed)}


def data(args: argparse.Namespace) -> Answer:
    """Find or download a data set, verify it, and say where it comes from."""
    from digitlab.data import load

    digits = load(args.name, args.folder, by=args.by)
    facts = {
        "data": digits.name,
        "n_train": len(digits.train),
        "n_valid": len(digits.valid),
        "n_test": len(digits.test),
        "source": digits.source,
        "licence": digits.licence,
        "notes": digits.notes,
    }
    return facts, text_table(list(facts.items()))


def train(args: argparse.Namespace) -> Answer:
    """Train a recipe, or all five documents; with --test, judge the model at the end."""
    from digitlab.data import load
    from digitlab.runs import train as train_recipe
    from digitlab.trainer import Interrupted

    chosen = _chosen_recipes(args)
    options = {"seed": args.seed, "epochs": args.epochs}
    digits = None if args.resume and args.data == "auto" else load(args.data)
    out, summaries = args.out or args.resume, []
    for recipe in chosen:
        try:
            run = train_recipe(recipe, digits, out=out, resume=args.resume, **options)
            if args.test:
                run = run.judge(digits or load(run.data))
                if out:
                    run.save(out)
        except Interrupted as stop:
            if out and stop.history and Path(out).is_file():
                print(f"go on with: digitlab train --resume {shlex.quote(out)}", file=sys.stderr)
            raise
        summaries.append(run.summary() | {"file": out})
        if args.name == "all":
            by = "test" if args.test else "valid"
            read = f"{run.scores[f'{by}_accuracy']:.2%} on {by}"
            print(f"{run.recipe.name}: {read}", file=sys.stderr)
    return summaries if args.name == "all" else summaries[0], _summary_table(summaries)


def _chosen_recipes(args: argparse.Namespace) -> list[Recipe | str | None]:
    """Return what to train, and refuse what does not fit together before data are looked for."""
    if args.name == "all" and (args.out or args.resume):
        raise ValueError("--out and --resume take one recipe, not all; name the recipe")
    if args.name is None and not args.resume:
        raise ValueError(f"say which recipe to train: {', '.join(RECIPES)}, or all")
    if args.precision and args.resume:
        raise ValueError("a training that goes on keeps its precision; leave --precision out")
    if args.resume:
        return [args.name and RECIPES[args.name].name]  # the file holds its settings
    chosen = list(document_recipes()) if args.name == "all" else [RECIPES[args.name]]
    if args.precision:
        chosen = [recipe.replace(precision=args.precision) for recipe in chosen]
    return [*chosen]


def _summary_table(summaries: list[dict[str, Any]]) -> str:
    facts = ("recipe", "data", "parameters", "epochs")
    rows = [
        (
            *(s[key] for key in facts),
            f"{s['seconds']:.1f}",
            *(f"{s[key]:.2%}" if key in s else "-" for key in SCORES),
        )
        for s in summaries
    ]
    return text_table(rows, header=(*facts, "seconds", *SCORES.values()))


def evaluate(args: argparse.Namespace) -> Answer:
    """Judge a saved run on the test digits."""
    from digitlab.data import load
    from digitlab.inference import evaluate as evaluate_model
    from digitlab.runs import load_run

    run = load_run(args.file, weights=args.weights)
    digits = load(args.data if args.data != "auto" else run.data)
    result = evaluate_model(run.model, digits.test)
    facts = {
        "file": args.file,
        "recipe": run.recipe.name,
        "trained_on": run.data,
        "data": digits.name,
        "n_test": result.n_images,
        "test_accuracy": result.accuracy,
        "test_loss": result.loss,
    }
    text = (
        f"{run.recipe.name}, trained on {run.data}: {result.accuracy:.2%} of {result.n_images} "
        f"test digits of {digits.name} (mean loss {result.loss:.4f})"
    )
    return facts, text


def predict(args: argparse.Namespace) -> Answer:
    """Read the digit in each picture."""
    from digitlab.reading.predict import predict as read_digits
    from digitlab.runs import load_run

    predictions = read_digits(load_run(args.file).model, args.images)
    assert isinstance(predictions, list)
    facts = [
        {
            "image": image,
            "digit": p.digit,
            "probability": p.probability,
            "probabilities": p.probabilities.tolist(),
            **({"note": p.note} if p.note else {}),
        }
        for image, p in zip(args.images, predictions, strict=True)
    ]
    rows = [(f["image"], f["digit"], f"{f['probability']:.1%}") for f in facts]
    notes = (f"{f['image']}: {f['note']}" for f in facts if "note" in f)
    return facts, "\n".join([text_table(rows, header=("picture", "digit", "probability")), *notes])


def draw(args: argparse.Namespace) -> Answer:
    """Serve the drawing pad as a web page on this machine, until Ctrl-C."""
    from digitlab.widgets.serve import serve_pad

    serve_pad(port=args.port, open_browser=not args.no_browser)
    return {"port": args.port}, "the pad is closed"


def doctor(args: argparse.Namespace) -> Answer:
    """Check the installation, say how to mend it, and print a block for a bug report."""
    from digitlab import doctor as checks

    found = checks.run_checks()
    answer = checks.to_dict(found), checks.text(found)
    if not all(check.ok for check in found):
        raise FailedError(answer)
    return answer


# --- What each command takes, and how it is run -----------------------------------------------


def _one_of(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


KNOWN = f"{_one_of(idx.NAMES)}; auto is mnist, or optdigits where there is no network"
DATA: dict[str, Any] = {"default": "auto", "metavar": "NAME", "help": f"{KNOWN} (default: auto)"}
FILE: dict[str, Any] = {"metavar": "FILE", "type": os.path.expanduser}
RUN = FILE | {"help": "a run kept by train --out"}
COMMANDS: Commands = {
    recipes: {"name": {"nargs": "?", "metavar": "NAME", "help": "show this one whole"}},
    data: {
        "name": DATA | {"nargs": "?"},
        "--folder": {"help": "where the files lie"},
        "--by": {"default": "digit", "help": f"split by {_one_of(idx.SPLITS)} (default: digit)"},
    },
    train: {
        "name": {
            "nargs": "?",
            "metavar": "NAME",
            "help": f"{', '.join(RECIPES)}, or all for the five documents",
        },
        "--data": DATA,
        "--epochs": {"type": int, "metavar": "N", "help": "in place of the recipe's"},
        "--seed": {"type": int, "metavar": "S", "help": "of weights and order (default: 0)"},
        "--precision": {"metavar": "P", "help": "in place of the recipe's: float32 or bfloat16"},
        "--test": {"action": "store_true", "help": "read the test digits too, once, at the end"},
        "--out": FILE | {"help": "keep the run here, after each epoch"},
        "--resume": FILE | {"help": "go on with a training kept by --out"},
    },
    evaluate: {
        "file": RUN,
        "--data": DATA | {"help": f"{_one_of(idx.NAMES)} (default: as trained)"},
        "--weights": {"default": "last", "help": "last or best on validation (default: last)"},
    },
    predict: {
        "file": RUN,
        "images": FILE | {"nargs": "+", "metavar": "IMAGE", "help": "pictures, one digit each"},
    },
    draw: {
        "--port": {"type": int, "default": 8866, "metavar": "N", "help": "default 8866; 0 for any"},
        "--no-browser": {"action": "store_true", "help": "only print the address"},
    },
    doctor: {},
}


class Parser(argparse.ArgumentParser):
    """Raise what is wrong with a call, in place of leaving Python."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        raise ValueError(message)


def parser(prog: str, about: str, commands: Commands) -> argparse.ArgumentParser:
    """Return the parser of some commands, which explain themselves by their docstrings."""
    top = Parser(prog=prog, description=about)
    below = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    as_json = {"action": "store_true", "help": "print one JSON document and nothing else"}
    for work, options in commands.items():
        said = work.__doc__ or ""
        brief = said[:1].lower() + said[1:].rstrip(".")
        command = below.add_parser(work.__name__, help=brief, description=said)
        for name, settings in {"--json": as_json, **options}.items():
            command.add_argument(name, **settings)
        command.set_defaults(work=work)
    return top


def run(top: argparse.ArgumentParser, arguments: Sequence[str] | None) -> int:
    """Run one command; return 0, or 1 where a check failed or Ctrl-C came, or 2 for a mistake.

    Who reads the answer may close it half read. What a terminal cannot show is written as a number.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            return _answered(top, sys.argv[1:] if arguments is None else arguments)
        finally:
            print(end="", flush=True)  # what cannot be written is known here, and not at the end
    except BrokenPipeError:
        _close_unwritable()
        return 0
    except OSError as error:
        _close_unwritable()
        _tell(f"{top.prog}: the answer cannot be written ({error.strerror})")
        return 2


def _answered(top: argparse.ArgumentParser, words: Sequence[str]) -> int:
    """Do what the words ask for, and print what comes of it."""
    as_json = "--json" in words
    try:
        if any(re.fullmatch("(--[^=]*=)?", word) for word in words):
            raise ValueError(f"an argument is empty: {shlex.join(words)}; put a name there")
        args, status = top.parse_args(words), 0
        as_json = args.json
        answer, text = args.work(args)
    except FailedError as failed:
        (answer, text), status = failed.answer, 1
    except BrokenPipeError:
        raise
    except (ValueError, OSError, FloatingPointError) as error:
        answer, text, status = {"error": str(error)}, "", 2
    except KeyboardInterrupt:
        answer, text, status = {"error": "interrupted"}, "", 1
    if not text:
        _tell(f"{top.prog}: {answer['error']}")
    if as_json:
        print(json.dumps(_finite(answer), allow_nan=False))
    elif text:
        print(text)
    return status


def _finite(answer: Any) -> Any:
    """Return the answer without the numbers that JSON does not have."""
    if isinstance(answer, dict):
        return {key: _finite(value) for key, value in answer.items()}
    if isinstance(answer, list | tuple):
        return [_finite(value) for value in answer]
    return None if isinstance(answer, float) and not math.isfinite(answer) else answer


def _tell(mistake: str) -> None:
    with suppress(OSError):  # the status tells it, too
        print(mistake, file=sys.stderr)


def _close_unwritable() -> None:
    """Let what could not be written go nowhere, or Python would try again at its end."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command of `digitlab`; return its status, see `run`."""
    about = "Recognise handwritten digits with PyTorch: train, judge, use."
    return run(parser("digitlab", about, COMMANDS), arguments)
