"""The lists of dependencies agree with one another."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CONSTRAINTS = (ROOT / "constraints.txt").read_text(encoding="utf-8")
CONDA_NAMES = {"pytorch": "torch"}


def pins(python: str) -> dict[str, str]:
    """Read the pinned versions for a version of Python, by normalized name."""
    found: dict[str, str] = {}
    for line in CONSTRAINTS.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        pin = Requirement(line)
        if pin.marker is None or pin.marker.evaluate({"python_version": python}):
            name = canonicalize_name(pin.name)
            assert name not in found, f"{name} is pinned twice for Python {python}"
            (exact,) = pin.specifier
            assert exact.operator == "=="
            found[name] = exact.version
    return found


def requirements() -> list[Requirement]:
    """Read the dependencies from pyproject.toml, extras included (Python 3.10 has no tomllib)."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lists = re.findall(r"^(?:dependencies|lab|dev) = \[(.*?)\]$", text, re.M | re.S)
    names = [name for part in lists for name in re.findall(r'"([^"]+)"', part)]
    return [Requirement(name) for name in names if not name.startswith("autograder[")]


def test_conda_and_pip_install_the_same_versions() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    pinned = [line for line in environment["dependencies"] if isinstance(line, str) and "=" in line]
    found = dict(line.split("=") for line in pinned)
    pinned_here = pins(found.pop("python"))
    assert len(found) >= 5
    for name, version in found.items():
        assert pinned_here[CONDA_NAMES.get(name, name)] == version


def test_the_conda_environment_installs_the_package_with_the_constraints() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    (pip,) = [part["pip"] for part in environment["dependencies"] if isinstance(part, dict)]
    assert "--constraint constraints.txt" in pip
    assert "--editable ." in pip


def test_pyproject_is_read_as_it_should_be() -> None:
    names = {requirement.name for requirement in requirements()}
    assert {"torch", "nbgrader", "typer", "jupyterlab", "hypothesis", "types-pyyaml"} <= names


@pytest.mark.parametrize("python", ["3.10", "3.11"])
@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_every_dependency_has_a_pin_that_satisfies_it(
    requirement: Requirement, python: str
) -> None:
    assert requirement.specifier.contains(pins(python)[canonicalize_name(requirement.name)])


def test_constraints_name_versions_and_no_places() -> None:
    assert not re.search(r"https?:|@|file:|^-", CONSTRAINTS, re.M)


def test_no_local_path_is_named() -> None:
    for name in ("constraints.txt", "environment.yml", "pyproject.toml", "Makefile"):
        assert str(Path.home()) not in (ROOT / name).read_text(encoding="utf-8")
