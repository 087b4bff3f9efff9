"""pyproject.toml, constraints.txt and environment.yaml agree."""

import itertools
import subprocess
import sys
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from runs import ROOT

import actstudy
from actstudy.contract import registry, store

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = {
    canonicalize_name(name): Version(version)
    for name, version in (
        line.split("==")
        for line in (ROOT / "envs/constraints.txt").read_text().splitlines()
        if line and not line.startswith("#")
    )
}
EXTRAS = PROJECT["optional-dependencies"]
ASKED = [
    requirement
    for text in itertools.chain(PROJECT["dependencies"], *EXTRAS.values())
    if (requirement := Requirement(text)).name != "actstudy"
]


@pytest.mark.parametrize("requirement", ASKED, ids=lambda r: r.name)
def test_every_requirement_is_pinned_within_its_range(requirement):
    assert PINS[canonicalize_name(requirement.name)] in requirement.specifier


def test_conda_environment_installs_the_same_set():
    environment = yaml.safe_load((ROOT / "envs/environment.yaml").read_text())
    python = next(
        d for d in environment["dependencies"] if isinstance(d, str) and d.startswith("python=")
    )
    assert Version(python.removeprefix("python=")) in SpecifierSet(PROJECT["requires-python"])
    (pip,) = (d["pip"] for d in environment["dependencies"] if isinstance(d, dict))
    assert pip == ["-c constraints.txt", "-e ..[study]"]


def test_version_is_told_once():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == actstudy.__version__
    assert f"## {actstudy.__version__}" in (ROOT / "CHANGELOG.md").read_text()
    assert PROJECT["dynamic"] == ["version"]


def test_config_reference_is_the_models(tmp_path):
    """To fix: python docs/config_reference.py > docs/config.md."""
    script = ROOT / "docs/config_reference.py"
    printed = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=True
    ).stdout
    assert printed == (ROOT / "docs/config.md").read_text()


def test_embedded_files_are_the_ones_described():
    """README, declared SHA-256 and files agree, and together they stay small."""
    files = sorted((ROOT / "data/embedded").glob("*.parquet"))
    assert "@@" not in (ROOT / "README.md").read_text()
    described = (ROOT / "data/embedded/README.md").read_text()
    assert all(store.sha256(path) in described for path in files)
    assert sum(path.stat().st_size for path in files) < 9e6
    declared = {registry.dataset(name).get("sha256") for name in registry.datasets()} - {None}
    assert declared <= {store.sha256(path) for path in files}
