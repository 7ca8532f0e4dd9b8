"""pyproject.toml, constraints.txt and environment.yml say the same."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import torch
import torchvision
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
CONDA_NAMES = {
    "pytorch-cpu": "torch",
    "matplotlib-base": "matplotlib",
    "python-graphviz": "graphviz",
}


def ranges(lines) -> dict[str, str]:
    """Return name -> version range, in the names of the package index."""
    requirements = [Requirement(re.sub(r"\s+", "", line)) for line in lines]
    names = [canonicalize_name(CONDA_NAMES.get(r.name, r.name)) for r in requirements]
    return {name: str(r.specifier) for name, r in zip(names, requirements, strict=True)}


def project_ranges() -> dict[str, str]:
    extras = PROJECT["optional-dependencies"]
    return ranges(PROJECT["dependencies"] + extras["course"] + extras["test"])


def conda_ranges() -> dict[str, str]:
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))["dependencies"]
    pip = dependencies.pop()["pip"]
    assert pip.pop() == "-e ."
    found = ranges(dependencies + pip)
    assert found.pop("python") == PROJECT["requires-python"]
    assert found.pop("pip") == ""
    return found


def pins() -> list[Requirement]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def pinned(name: str) -> list[str]:
    return [
        next(iter(pin.specifier)).version for pin in pins() if canonicalize_name(pin.name) == name
    ]


def test_conda_gets_the_same_packages_in_the_same_ranges():
    assert conda_ranges() == project_ranges()


def test_each_dependency_is_pinned_within_its_range():
    wanted = {name: Requirement(name + versions) for name, versions in project_ranges().items()}
    pins_of = {name: pinned(name) for name in wanted}
    assert all(pins_of.values())
    outside = {
        name: versions
        for name, versions in pins_of.items()
        if not all(wanted[name].specifier.contains(version) for version in versions)
    }
    assert outside == {}


def test_every_constraint_is_an_exact_pin():
    operators = {(pin.name, s.operator) for pin in pins() for s in pin.specifier}
    assert {operator for _, operator in operators} == {"=="}
    assert len(operators) == len({pin.name for pin in pins()})


def test_torch_and_torchvision_are_pinned_as_a_pair():
    assert (pinned("torch"), pinned("torchvision")) == (["2.15.0"], ["0.29.2"])


def test_the_installed_torch_and_torchvision_belong_together():
    kept = torchvision.ops.nms(torch.tensor([[0.0, 0, 9, 9], [0, 0, 9, 8]]), torch.ones(2), 0.5)
    assert kept.tolist() == [0]


def test_the_installed_distribution_is_this_version():
    assert metadata.version("digitlab") == PROJECT["version"]
