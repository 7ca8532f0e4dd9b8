"""The command line: recipes, data, train, evaluate, predict, draw, study, bench, and so on."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from digitlab.recipes import DOCUMENTS, RECIPES, Recipe, document_recipes
from digitlab.tables import text_table

Answer = tuple[Any, str]  # what --json prints, and what is printed otherwise

SCORES = {"train_accuracy": "train", "valid_accuracy": "valid", "test_accuracy": "test"}


def recipes(args: argparse.Namespace) -> Answer:
    """List the recipes, or one with all its settings."""
    if args.name:
        recipe = RECIPES[args.name]
        return _recipe(recipe), text_table(
            recipe.rows(), header=("setting", "value", "whose decision")
        )
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
    """Train a recipe, or all five documents, and judge the model."""
    from digitlab.data import load
    from digitlab.runs import train as train_recipe

    if args.name not in (None, "all"):
        RECIPES[args.name]  # an unknown name is refused before data are looked for
    elif args.name is None and not args.resume:
        raise ValueError(f"say which recipe to train: {', '.join(RECIPES)}, or all")
    if args.name == "all" and (args.out or args.resume):
        raise ValueError("--out and --resume take one recipe, not all; name the recipe")
    options = {"seed": args.seed, "epochs": args.epochs, "precision": args.precision}
    digits = None if args.resume and args.data == "auto" else load(args.data)
    if args.name == "all":
        summaries = []
        for recipe in document_recipes():
            run = train_recipe(recipe, digits, **options)
            if not run.finished:
                raise KeyboardInterrupt
            summaries.append(run.summary() | {"file": None})
            print(f"{recipe.name}: {run.scores['test_accuracy']:.2%} on test", file=sys.stderr)
        return summaries, _summary_table(summaries)
    out = args.out or args.resume
    run = train_recipe(args.name, digits, out=out, resume=args.resume, **options)
    summary = run.summary() | {"file": out}
    args.failed = not run.finished
    if out and not run.finished:
        precision = "" if args.precision == "float32" else f" --precision {args.precision}"
        print(f"go on with: digitlab train --resume {shlex.quote(out)}{precision}", file=sys.stderr)
    return summary, _summary_table([summary])


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
    from digitlab.reading.predict import Prediction
    from digitlab.reading.predict import predict as read_digits
    from digitlab.runs import load_run

    predictions = read_digits(load_run(args.file).model, args.images)
    assert isinstance(predictions, list)

    def facts(image: str, p: Prediction) -> dict[str, Any]:
        return {
            "image": image,
            "digit": p.digit,
            "probability": p.probability,
            "probabilities": p.probabilities.tolist(),
        }

    pairs = list(zip(args.images, predictions, strict=True))
    rows = [(image, p.digit, f"{p.probability:.1%}") for image, p in pairs]
    table = text_table(rows, header=("picture", "digit", "probability"))
    return [facts(image, p) for image, p in pairs], table


def draw(args: argparse.Namespace) -> Answer:
    """Serve the drawing pad as a web page on this machine, until Ctrl-C."""
    from digitlab.widgets.serve import serve_pad

    serve_pad(port=args.port, open_browser=not args.no_browser)
    return {"port": args.port}, "the pad is closed"


def study(args: argparse.Namespace) -> Answer:
    """Train many seeds and keep the results; killed, it goes on when run again."""
    from digitlab.measured import results
    from studies.study import study as run_study
    from studies.study import summary_table, write_readme

    rows = []
    for row in run_study(args.name, n_seeds=args.seeds):
        rows.append(row)
        done = f"{row['recipe']} on {row['data']}, seed {row['seed']}"
        judged_by = "test_accuracy" if "test_accuracy" in row else "valid_accuracy"  # of tricks
        print(f"{done}: {row[judged_by]:.2%} in {row['seconds']:.1f} s", file=sys.stderr)
    table = summary_table(results())
    if args.readme:
        write_readme(Path(args.readme), table)
    return rows, table


def bench(args: argparse.Namespace) -> Answer:
    """Measure speeds, or how pictures of many kinds are read, each beside the usual way."""
    from studies.bench import BENCHES
    from studies.study import where_and_when

    if args.folder and args.name != "reading":
        raise ValueError(f"the bench {args.name!r} takes no folder of pictures; 'reading' does")
    options = [args.folder] if args.folder else []
    names = list(BENCHES) if args.name == "all" else [args.name]
    facts = {name: BENCHES[name](*options) | where_and_when() for name in names}
    text = "\n\n".join(_bench_table(facts[name], args.folder) for name in names)
    return (facts if args.name == "all" else facts[args.name]), text


def _bench_table(facts: dict[str, Any], folder: str | None) -> str:
    if "kinds" not in facts:
        return text_table(list(_flat(facts)))
    shares = facts["kinds"] | ({folder: facts["folder"]} if folder else {})
    ways = next(iter(shares.values()))
    rows = [(kind, *(f"{100 * row[way]:.1f}" for way in ways)) for kind, row in shares.items()]
    return text_table(rows, header=("percent of", *ways))


def _flat(facts: dict[str, Any], inside: str = "") -> Iterator[tuple[str, str]]:
    """Yield a line for each value; what lies in a dictionary, or in a list of them, says where."""
    for name, value in facts.items():
        if value and isinstance(value, list) and isinstance(value[0], dict):
            yield from _flat({f"{name} {i}": row for i, row in enumerate(value, 1)}, inside)
        elif isinstance(value, dict):
            yield from _flat(value, f"{inside}{name}: ")
        else:
            yield f"{inside}{name}", str(value)


def figures(args: argparse.Namespace) -> Answer:
    """Draw everything under figures/ from the trained models and the stored results."""
    from tools.figures import make_figures

    names = [path.name for path in make_figures(Path(args.out))]
    return names, f"{len(names)} figures in {args.out}"


def doctor(args: argparse.Namespace) -> Answer:
    """Check the installation, say how to mend it, and print a block for a bug report."""
    from digitlab import doctor as checks

    found = checks.run_checks()
    args.failed = not all(check.ok for check in found)
    return checks.to_dict(found), checks.text(found)


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(
        prog="digitlab", description="Recognise handwritten digits with PyTorch: train, judge, use."
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(work: Any) -> argparse.ArgumentParser:
        about = work.__doc__ or ""
        brief = about[:1].lower() + about[1:].rstrip(".")
        command = commands.add_parser(work.__name__, help=brief, description=about)
        command.add_argument(
            "--json", action="store_true", help="print one JSON document and nothing else"
        )
        command.set_defaults(work=work)
        return command

    def add_data(
        command: argparse.ArgumentParser, default: str = "MNIST, or optdigits without a network"
    ) -> None:
        names = f"mnist, optdigits, fashion or kmnist (default: {default})"
        command.add_argument("--data", default="auto", metavar="NAME", help=names)

    command = add(recipes)
    command.add_argument("name", nargs="?", metavar="NAME", help="show this one whole")

    command = add(data)
    command.add_argument("name", nargs="?", default="auto", metavar="NAME", help="of the data set")
    command.add_argument("--folder", help="where to look first")
    command.add_argument("--by", default="digit", help="split by digit (default) or by writer")

    command = add(train)
    command.add_argument(
        "name", nargs="?", metavar="NAME", help="a recipe, or all for the five documents"
    )
    add_data(command)
    command.add_argument("--epochs", type=int, metavar="N", help="in place of the recipe's")
    command.add_argument("--seed", type=int, metavar="S", help="of weights and order (default: 0)")
    command.add_argument(
        "--precision", default="float32", metavar="P", help="float32 or bfloat16 (default: float32)"
    )
    command.add_argument("--out", metavar="FILE", help="keep the run here, after each epoch")
    command.add_argument("--resume", metavar="FILE", help="go on with a training kept by --out")

    command = add(evaluate)
    command.add_argument("file", metavar="FILE", help="a run kept by train --out")
    add_data(command, "as trained")
    command.add_argument(
        "--weights", default="last", help="last or best on validation (default: last)"
    )

    command = add(predict)
    command.add_argument("file", metavar="FILE", help="a run kept by train --out")
    command.add_argument("images", nargs="+", metavar="IMAGE", help="picture files, one digit each")

    command = add(draw)
    command.add_argument(
        "--port", type=int, default=8866, metavar="N", help="default: 8866; 0 for any"
    )
    command.add_argument("--no-browser", action="store_true", help="only print the address")

    command = add(study)
    which = "documents, tiny, best, narrow, members, distilled, variations, tricks, choices, widths"
    command.add_argument("name", metavar="NAME", help=which)
    command.add_argument("--seeds", type=int, default=3, metavar="N", help="0 to N-1 (default: 3)")
    command.add_argument("--readme", metavar="FILE", help="put the table of results there")

    command = add(bench)
    command.add_argument(
        "name",
        metavar="NAME",
        help="which: data, train, fast, infer, ensemble, scaling, robust, draw, reading, or all",
    )
    command.add_argument("--folder", help="reading: your own pictures, labelled in manifest.csv")

    command = add(figures)
    command.add_argument("--out", default="figures", metavar="FOLDER", help="default: figures")

    add(doctor)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, or 1 where a check failed or Ctrl-C came, or 2 for a mistake."""
    args = parser().parse_args(arguments)
    args.failed = False
    try:
        answer, text = args.work(args)
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"digitlab: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("digitlab: interrupted", file=sys.stderr)
        return 1
    print(json.dumps(answer) if args.json else text)
    return int(args.failed)
