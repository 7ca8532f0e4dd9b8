import inspect
import json
import subprocess
import sys

import pytest

from digitlab.models import MODELS, n_parameters
from digitlab.recipes import DOCUMENTS, RECIPES, Recipe, build_model, document_recipes

plain = RECIPES["plain-mlp"]
lenet = RECIPES["lenet-sgd"]


def is_partitioned(recipe: Recipe) -> bool:
    """Say whether each setting is either stated or assumed, once."""
    return sorted(recipe.states + recipe.assumed) == sorted(recipe.settings())


# --- The recipes ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECIPES)
def test_each_setting_is_either_stated_or_assumed(name):
    recipe = RECIPES[name]
    assert recipe.name == name
    assert is_partitioned(recipe)
    assert recipe.source in DOCUMENTS or (recipe.source == "house" and not recipe.states)
    assert list(recipe.options) == list(inspect.signature(MODELS[recipe.model]).parameters)
    assert recipe.epochs_for(50_000) == recipe.epochs
    assert recipe.replace(**recipe.settings()) == recipe
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_what_a_document_says_is_stated_and_nothing_else():
    stated = {
        recipe.name: {name: recipe.settings()[name] for name in recipe.states}
        for recipe in document_recipes()
    }
    adam = {"optimizer": "Adam", "loss": "cross-entropy"}
    assert stated == {
        "plain-mlp": adam | {"model": "MLP", "hidden": (256, 128, 64, 32), "mean": 0, "std": 1},
        "dropout-mlp": adam | {"model": "MLP", "mean": 0.5, "std": 0.5, "batch_size": 64},
        "lenet-sgd": {"optimizer": "SGD", "loss": "cross-entropy"},
        "two-conv": {"model": "TwoConv"},
        "three-conv": {"model": "ThreeConv"},
    }
    assert sorted(recipe.source for recipe in document_recipes()) == sorted(DOCUMENTS)


def test_a_recipe_shows_its_name_and_what_was_decided():
    shown = repr(plain)
    assert shown.startswith("Recipe('plain-mlp', model='MLP', hidden=(256, 128, 64, 32), ")
    assert "optimizer='Adam', lr=0.003" in shown
    assert "momentum" not in shown


def test_only_document_000_claims_a_number():
    claims = {name: r.claim for name, r in RECIPES.items() if r.claim is not None}
    assert claims == {"dropout-mlp": 0.97}


# --- Epochs -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_train", "epochs"), [(50_000, 10), (6400, 10), (6336, 11), (1197, 53), (1, 1000)]
)
def test_small_sets_get_more_epochs(n_train, epochs):
    recipe = plain.replace(epochs=10, least_steps=1000, batch_size=64)
    assert recipe.epochs_for(n_train) == epochs


def test_no_digits_at_all_are_left_to_the_trainer_to_refuse():
    assert plain.epochs_for(0) == 2000


# --- Replace ----------------------------------------------------------------------------------


def test_replaced_settings_are_assumed():
    recipe = plain.replace(name="mine", optimizer="SGD", lr=0.1)
    assert (recipe.name, recipe.optimizer, recipe.lr) == ("mine", "SGD", 0.1)
    assert "optimizer" in recipe.assumed
    assert recipe.parameters == plain.parameters
    wider = plain.replace(hidden=(8,))
    assert wider.options == plain.options | {"hidden": (8,)}
    assert wider.parameters is None
    assert "hidden" in wider.assumed
    free = plain.replace(dropout=0.1)  # we chose it before, too
    assert free.states == plain.states
    assert all(map(is_partitioned, (recipe, wider, free)))


@pytest.mark.parametrize(
    "recipe",
    [plain.replace(optimizer="SGD", momentum=0.9), lenet.replace(optimizer="Adam", momentum=None)],
)
def test_momentum_comes_and_goes(recipe):
    assert is_partitioned(recipe)


def test_replaced_model_brings_its_own_options():
    recipe = RECIPES["two-conv"].replace(model="LeNet5", hidden=(60, 42), lr=0.01)
    assert recipe.options == {"hidden": (60, 42)}
    assert recipe.parameters is None
    assert is_partitioned(recipe)
    assert n_parameters(build_model(recipe)) < lenet.parameters


def test_unknown_option_of_a_replaced_model_is_named_when_it_is_built():
    recipe = plain.replace(model="LeNet5", hiden=(60, 42))
    with pytest.raises(ValueError, match="unknown option of LeNet5 'hiden'"):
        build_model(recipe)


@pytest.mark.parametrize(
    ("setting", "nearest"),
    [("epoch", "epochs"), ("learning_rate", ""), ("droput", "dropout"), ("sdt", "std")],
)
def test_unknown_setting_is_answered_with_the_nearest_one(setting, nearest):
    with pytest.raises(ValueError, match=rf"unknown setting '{setting}'; .*{nearest}"):
        plain.replace(**{setting: 1})


@pytest.mark.parametrize("field", ["states", "assumed", "parameters", "options", "source"])
def test_what_follows_from_the_settings_cannot_be_replaced(field):
    with pytest.raises(ValueError, match=f"unknown setting '{field}'"):
        plain.replace(**{field: None})


def test_registered_recipes_stay_as_they_are_and_lists_become_tuples():
    before = plain.to_dict()
    assert plain.replace(hidden=[16, 8], lr=1.0).options["hidden"] == (16, 8)
    assert plain.to_dict() == before


# --- As data ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epoch": 3}, "unknown field of a recipe 'epoch'; did you mean 'epochs'"),
        ({"lr": ...}, "not a whole recipe: .*'lr'"),
    ],
)
def test_values_that_are_no_recipe(change, message):
    values = {k: v for k, v in (plain.to_dict() | change).items() if v is not ...}
    with pytest.raises(ValueError, match=message):
        Recipe.from_dict(values)
    with pytest.raises(ValueError, match=r"a recipe is a set of named values, not \[1\]"):
        Recipe.from_dict([1])


def test_recipe_shows_whose_decision_each_setting_is():
    html = plain._repr_html_()
    assert "<td>hidden</td><td>256-128-64-32</td><td>stated by document 002</td>" in html
    assert "<td>lr</td><td>0.003</td><td>chosen by us</td>" in html
    assert "244522 parameters" in html
    assert "unknown number of parameters" in plain.replace(hidden=(8,))._repr_html_()
    assert "<td>augment</td><td>shift 1.5, rotate 8, " in RECIPES["tiny"]._repr_html_()


def test_recipes_are_listed_without_torch():
    code = "import sys; from digitlab.cli import main; main(['recipes'])\n"
    code += "sys.exit(str({'torch', 'numpy', 'matplotlib'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "plain-mlp" in done.stdout
    assert done.stderr == "set()\n"


def test_a_weight_decay_of_0_is_shown_since_it_differs_from_that_of_pytorch() -> None:
    recipe = RECIPES["fast"].replace(weight_decay=0.0)
    assert "weight_decay=0.0" in repr(recipe)
    assert "weight_decay" not in repr(RECIPES["fast"])
