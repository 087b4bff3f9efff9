"""envs/Dockerfile, as far as it can be tried without a daemon: what it copies is enough to plan."""

import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest
import yaml
from runs import ROOT

TEXT = (ROOT / "envs/Dockerfile").read_text()
STEPS = re.sub(r"\\\n\s*", "", TEXT).splitlines()
COPIES = [line.split()[1:] for line in STEPS if line.startswith("COPY ")]
ARGUMENTS = dict(line.split(maxsplit=1)[1].split("=") for line in STEPS if line.startswith("ARG "))


def copied():
    """Pairs of a source and its place, both from the project's folder on."""
    for *sources, place in COPIES:
        for source in sources:
            is_folder = place.endswith("/")
            name = source.rpartition("/")[2]
            yield source, f"{place}{name}" if is_folder else place


@pytest.mark.parametrize("source", [source for source, _ in copied()])
def test_what_is_copied_is_there_and_under_version_control(source):
    assert (ROOT / source).exists()
    words = ["git", "ls-files", "--", source]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        assert done.stdout


def test_every_version_is_one_of_the_constraints():
    installs = [line for line in STEPS if "pip install" in line and not line.startswith("#")]
    assert len(installs) == 2
    assert all("-c envs/constraints.txt" in line for line in installs)
    assert not re.search(r"[=<>~]=\s*\d", TEXT)


def test_its_extras_are_those_of_the_project():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(ARGUMENTS["EXTRAS"].split(",")) <= set(extras["optional-dependencies"])


def test_its_python_is_that_of_the_tested_install():
    environment = yaml.safe_load((ROOT / "envs/environment.yaml").read_text())
    version = re.search(r"python:(3[.][0-9]+)", ARGUMENTS["BASE"])[1]
    assert f"python={version}" in environment["dependencies"]


def test_the_base_is_an_argument_before_the_first_step():
    assert [line.split("=")[0] for line in STEPS if re.match("ARG|FROM", line)] == [
        "ARG BASE",
        "FROM ${BASE}",
        "ARG TORCH_INDEX",
        "ARG EXTRAS",
    ]


def test_what_is_copied_is_enough_to_plan_the_default_study(tmp_path):
    for source, place in copied():
        target = tmp_path / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, target)
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    others = [place for place in inherited if not place.endswith("/lib")]
    path = os.pathsep.join(["lib", *others])  # as the image has it
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "--quiet", "rules"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "train" in done.stdout + done.stderr


def test_results_and_caches_are_not_sent_to_the_builder():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {".git", ".snakemake", "results", "**/__pycache__"} <= set(ignored)
    sources = [source for source, _ in copied()]
    assert not set(sources) & set(ignored)
