"""figures/ and README: what they show is what the code and the stored results say."""

import re
from pathlib import Path
from statistics import mean

import pytest

from digitlab.measured import results, stored
from digitlab.recipes import RECIPES
from digitlab.show.graphs import graph_parts
from studies.apart import SECONDS
from studies.study import STUDENTS, summary_table
from tools.figures import draw_graphs

ROOT = Path(__file__).parent.parent
FIGURES = ROOT / "figures"
README = (ROOT / "README.md").read_text(encoding="utf-8")
GRAPHS = {name: figure for name, figure in draw_graphs() if name.endswith(".svg")}


@pytest.mark.parametrize("name", GRAPHS)
def test_stored_graph_has_the_nodes_labels_and_edges_of_the_model(name, svg_parts):
    stored = (FIGURES / name).read_text(encoding="utf-8")
    assert svg_parts(stored) == graph_parts(GRAPHS[name].source)


def test_readme_holds_the_table_made_from_the_stored_results():
    assert summary_table(results()) in README


@pytest.mark.parametrize(("alt", "path"), re.findall(r"!\[(.*?)\]\((.*?)\)", README, re.DOTALL))
def test_readme_figures_exist_and_say_what_they_show(alt, path):
    assert (ROOT / path).is_file()
    assert len(alt) >= 15


@pytest.mark.parametrize("path", re.findall(r"(?<!!)\[[^\]]*\]\(([^)#]+)\)", README))
def test_readme_links_lead_somewhere(path):
    assert (ROOT / path).exists()


def test_readme_tree_names_every_module():
    tree = README.split("What lies where")[1].split("## ")[0]
    modules = [path.name for path in (ROOT / "digitlab").glob("*.py") if path.name[0] != "_"]
    assert [name for name in modules if name not in tree] == []


@pytest.mark.parametrize(
    "path", [*(ROOT / "digitlab/results").glob("*.json")], ids=lambda p: p.stem
)
def test_a_stored_measurement_says_what_was_measured_and_where(path):
    facts = stored(path.stem)
    assert facts["bench"] == path.stem
    assert facts.keys() > {"machine", "versions", "date"}


def accuracies(study, key="test_accuracy"):
    """Return recipe -> what each of its seeds reached in a study."""
    found = {}
    for row in results(study=study):
        found.setdefault(row["recipe"], []).append(row[key])
    return found


def told_of_speed():
    fast = stored("fast")
    return (
        f"`fast` reads {fast['test_accuracy']:.2%} of MNIST's test digits after "
        f"{fast['seconds']:.1f} seconds of training (mean and median of {fast['seeds']} seeds). "
        f"The usual script, which fetches digit by digit and takes PyTorch's example network, "
        f"needs {fast['script_seconds']:.0f} seconds to reach 99 %: {fast['times_faster']:.0f} "
        f"times as long. Measured in one run by `python -m studies bench fast` on {fast['date']}, "
        f"{fast['machine']}"
    )


def told_of_five_together():
    together, taught = stored("ensemble"), accuracies("distilled")
    narrow, best = (taught[student.name] for student in STUDENTS)
    assert (together["members"], len(narrow), len(best)) == (5, 3, 3)
    return (
        f"Together, `best` and four networks of that narrower shape, which learned by AdamW, read "
        f"{together['test_accuracy']:.2%} of the test digits. When the first of the five was "
        f"narrow, too, they taught one network of its shape, which reads {mean(narrow):.2%} (mean "
        f"of 3 seeds), and one of the shape of `best`, which reads {mean(best):.2%}"
    )


def told_of_the_network_before_best():
    read = [row["test_accuracy"] for row in results(study="narrow") if row["data"] == "mnist"]
    assert len(read) == 5
    return (
        f"At first `best` was two thirds as wide and made 44 passes; that network reads "
        f"{mean(read):.3%} (mean of 5 seeds, `python -m studies study narrow`)"
    )


def told_of_what_was_tried():
    *alike, bent = map(mean, accuracies("choices", "valid_accuracy").values())
    assert len(alike) == 5
    return (
        f"two wider networks and 64 passes read alike: {min(alike):.2%} to {max(alike):.2%}; where "
        f"digits are bent twice as far, it reads {bent:.2%}"
    )


def told_of_the_width():
    misread, n_valid = {"narrow": 0.0, "best": 0.0}, 0
    for row in results(study="widths"):
        misread[row["recipe"]] += row["n_valid"] * (1 - row["valid_accuracy"])
        n_valid += row["n_valid"] / 2
    return (
        f"the narrow network misreads {misread['narrow']:.0f} and `best` {misread['best']:.0f} of "
        f"{n_valid:,.0f} (`python -m studies study widths`)".replace(",", " ")
    )


def told_of_faults():
    """All that was counted went well: whatever else was counted would make this fail."""
    facts = stored("stress")
    counts = {name: dict(counted) for name, counted in facts["parts"].items()}
    kills = sum(c.pop("kills") for name, c in counts.items() if name.startswith("kill"))
    rows = sum(c.pop("rows") for name, c in counts.items() if name.startswith("writers"))
    read = {name: sum(c.values()) for name, c in counts.items() if name.startswith("damaged")}
    pictures = read.pop("damaged: pictures")
    refused = sum(n for key, n in counts["no room"].items() if key.endswith("refused"))
    fine = ["half written", "downloads whole", "answered", "refused", "written"]
    assert not [
        (name, key)
        for name, counted in counts.items()
        for key, n in counted.items()
        if n and key.split(": ")[-1] not in fine
    ]
    return (
        f"Killed {kills} times at random moments, while it saved, went on with a training, ran a "
        f"study, downloaded or noted progress, it lost nothing and left nothing half. Without room "
        f"on the disk, {refused} writes were refused in one sentence, and what was there stayed. "
        f"Two and eight processes wrote {rows} rows into the same files: none is lacking, double "
        f"or torn. {pictures} damaged pictures and {sum(read.values())} damaged files of data, "
        "runs and results were read or refused in one sentence, each within "
        f"{SECONDS} seconds and 1 GB"
    )


TOLD = (told_of_speed, told_of_five_together, told_of_the_network_before_best)
TOLD += (told_of_what_was_tried, told_of_the_width, told_of_faults)


@pytest.mark.parametrize("told", TOLD)
def test_readme_tells_what_was_measured(told):
    assert told() in " ".join(README.split())


def test_recipes_reach_on_mnist_what_the_course_promises():
    promised = {
        "plain-mlp": 0.978,
        "dropout-mlp": 0.982,
        "lenet-sgd": 0.989,
        "two-conv": 0.990,
        "three-conv": 0.991,
        "tiny": 0.994,
        "dropout-mlp, varied digits": 0.990,
        "lenet-sgd, varied digits": 0.9935,
        "best": 0.997,
        "best, taught by an ensemble": 0.9972,
    }
    for recipe, least in promised.items():
        rows = [r for r in results() if (r["recipe"], r["data"]) == (recipe, "mnist")]
        assert len(rows) >= 3
        assert sum(row["test_accuracy"] for row in rows) / len(rows) >= least


def test_recipes_reach_96_percent_on_the_embedded_digits():
    rows = [row for row in results() if row["data"] == "optdigits"]
    for recipe in RECIPES:
        reached = [row["test_accuracy"] for row in rows if row["recipe"] == recipe]
        assert len(reached) >= 3
        assert sum(reached) / len(reached) >= 0.96
