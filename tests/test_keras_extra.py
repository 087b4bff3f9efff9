"""The extra `keras`: what it brings is pinned, and nothing else asks for it or imports it."""

import ast
import tomllib
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from runs import ROOT

from actstudy.contract.frameworks import FRAMEWORKS, INSTALL

PACKAGES = ("keras", "jax", "tensorflow")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def names_of(requirements):
    """The names of the distributions that are asked for."""
    return {Requirement(text).name for text in requirements}


def pins():
    """Distribution -> the version in envs/constraints.txt."""
    lines = (ROOT / "envs/constraints.txt").read_text(encoding="utf-8").splitlines()
    versions = {}
    for line in lines:
        name, is_pin, version = line.partition("==")
        if is_pin:
            versions[canonicalize_name(name)] = version
    return versions


def needed_by(names):
    """All that some distributions need here, transitively, themselves among them."""
    waiting = list(names)
    seen = set()
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in seen:
            continue
        seen.add(name)
        for text in metadata.requires(name) or ():
            needed = Requirement(text)
            if not needed.marker or needed.marker.evaluate({"extra": ""}):
                waiting.append(needed.name)
    return seen


def imported_in(path):
    """The top names of the packages that a file imports anywhere in it."""
    tops = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        tops.update(name.partition(".")[0] for name in names)
    return tops


def test_nothing_else_asks_for_it():
    keras = names_of(EXTRAS["keras"])
    assert keras == {"keras", "jax", "tensorflow-cpu"}
    others = [*PROJECT["dependencies"], *EXTRAS["study"], *EXTRAS["health"]]
    assert not keras & names_of(others)
    assert "actstudy[study,keras,notebook,site]" in EXTRAS["dev"]


def test_it_brings_what_the_frameworks_ask_for():
    packages = set()
    for framework in FRAMEWORKS.values():
        packages.update(framework.packages)
    assert packages == set(PACKAGES)
    assert INSTALL == "pip install 'actstudy[keras]'"


def test_all_that_it_needs_is_pinned_as_installed():
    versions = pins()
    needed = needed_by(names_of(EXTRAS["keras"]))
    assert {"jaxlib", "ml-dtypes", "h5py", "optree", "protobuf"} <= needed
    installed = {name: metadata.version(name) for name in sorted(needed)}
    assert {name: versions.get(name) for name in installed} == installed


def test_one_room_and_what_is_named_after_it_import_it():
    importing = []
    for path in sorted((ROOT / "lib").rglob("*.py")):
        if not imported_in(path).isdisjoint(PACKAGES):
            importing.append(path.relative_to(ROOT / "lib/actstudy").as_posix())
    assert len(importing) > 3
    others = [name for name in importing if not name.startswith("frameworks/")]
    assert all("keras" in name for name in others), others
