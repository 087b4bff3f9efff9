"""A wheel is built from the project and used where no clone is."""

import os
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from runs import ROOT

import actstudy

SOURCES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "lib", "data")
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
MONITOR = """
import sys, torch
from torch import nn
from actstudy.health import Monitor
net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
optimizer = torch.optim.SGD(net.parameters(), 0.1)
with Monitor(net, every=1) as health:
    for step in range(3):
        loss = net(torch.randn(16, 4)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        health.step(loss)
print(health)
print("modules:", *sorted({name.partition(".")[0] for name in sys.modules}))
"""
BATCH = """
import torch
torch.manual_seed(0)
torch.save((torch.randn(8, 4), torch.arange(8) % 2), "batch.pt")
"""
OWN_MODEL = """
import torch
def net():
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
"""


ONLY = """
import sys

class Only:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in ALLOWED | sys.stdlib_module_names or top.startswith("_sysconfigdata"):
            return self.finder.find_spec(name, path, target)

sys.meta_path[:] = map(Only, sys.meta_path)
"""  # a sitecustomize.py: packages outside of ALLOWED are as if they were not installed


def required(distribution):
    """The names of what a distribution requires here without an extra, transitively."""
    names = set()
    waiting = [distribution]
    while waiting:
        for text in waiting.pop().requires or ():
            requirement = Requirement(text)
            marker = requirement.marker
            name = canonicalize_name(requirement.name)
            if name not in names and (not marker or marker.evaluate({"extra": ""})):
                names.add(name)
                waiting.append(metadata.distribution(name))
    return names


def modules_of(names):
    """The top modules of installed distributions."""
    modules = set()
    for module, owners in metadata.packages_distributions().items():
        if not names.isdisjoint(map(canonicalize_name, owners)):
            modules.add(module)
    return modules


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built in a copy, so that the clone gets no build folder."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "copy"
    copy.mkdir()
    skipped = shutil.ignore_patterns("*.egg-info", "__pycache__", "raw")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=skipped)
        else:
            shutil.copy(ROOT / name, copy / name)
    (copy / "config").mkdir()
    shutil.copy(ROOT / "config/config.yaml", copy / "config")
    build = ["wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(copy)]
    subprocess.run([*PIP, *build], check=True, capture_output=True)
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The folder that the wheel is installed into."""
    target = tmp_path_factory.mktemp("site")
    install = ["install", "--no-deps", "--no-index", "--target", str(target), str(wheel)]
    subprocess.run([*PIP, *install], check=True, capture_output=True)
    return target


def call(*command, folder, paths, status=0):
    """What a command prints in a folder, with packages of `paths` before all others."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def use(installed, tmp_path):
    """Runs the script `actstudy` of the wheel in an empty folder."""

    def run(*words, status=0):
        script = [sys.executable, str(installed / "bin/actstudy")]
        return call(*script, *words, folder=tmp_path, paths=[installed], status=status)

    return run


def test_the_wheel_holds_what_the_package_reads_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    files = [path for path in (ROOT / "lib").rglob("*.*") if "egg-info" not in str(path)]
    sources = {
        path.relative_to(ROOT / "lib").as_posix()
        for path in files
        if path.is_file() and path.suffix != ".pyc"
    }
    shipped = {"config/config.yaml"}
    shipped |= {f"data/embedded/{path.name}" for path in (ROOT / "data/embedded").glob("*.parquet")}
    shipped.add("data/embedded/README.md")  # with the licences
    expected = sources | {f"actstudy/shipped/{name}" for name in shipped}
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert wheel.stat().st_size < 8e6


def test_monitor_and_doctor_need_the_core_alone(installed, tmp_path):
    """No package can be imported but those that the wheel requires, and what these require."""
    (wheels_own,) = metadata.distributions(path=[str(installed)])
    core = required(wheels_own)
    assert "torch" in core
    assert "pandas" not in core
    absent = tmp_path / "absent"
    absent.mkdir()
    allowed = {"actstudy", "mine", *modules_of(core)}
    (absent / "sitecustomize.py").write_text(f"ALLOWED = {allowed}\n{ONLY}")
    (tmp_path / "mine.py").write_text(OWN_MODEL)
    paths = [absent, installed]
    printed = call(sys.executable, "-c", MONITOR, folder=tmp_path, paths=paths)
    loaded = set(printed.rsplit("modules:", 1)[1].split())
    assert {"actstudy", "torch"} <= loaded
    assert not loaded & {"pandas", "scipy", "pydantic", "ruamel"}
    call(sys.executable, "-c", BATCH, folder=tmp_path, paths=paths)
    main = [sys.executable, "-m", "actstudy"]
    words = ["doctor", "--model", "mine:net", "--batch", "batch.pt"]
    assert "steps of Adam" in call(*main, *words, folder=tmp_path, paths=paths)
    run = ["train", "--task", "mlp", "--activation", "relu", "--epochs", "1"]
    refused = call(*main, *run, folder=tmp_path, paths=paths, status=2)
    assert "No module named 'mnist1d'; to fix: pip install 'actstudy[study]'" in refused
    assert "Traceback" not in refused


def test_the_script_trains_and_prints_templates_without_a_clone(use, tmp_path):
    assert use("--version") == f"actstudy {actstudy.__version__}\n"
    assert "activation: [tanh, relu, " in use("template", "--task", "lm")
    assert "squash.py: Squash" in use("template", "activation", "squash")
    printed = use("train", "--task", "mlp", "--activation", "relu", "--epochs", "1")
    assert ": completed, test accuracy" in printed
    assert len(list((tmp_path / "results/runs/mlp").glob("relu-s0-*/runs.parquet"))) == 1


def test_embedded_text_is_in_the_wheel(use):
    small = ["--vocabulary", "300", "--width", "8", "--steps", "2"]
    printed = use("train", "--task", "cls", "--activation", "gelu", *small)
    assert ": completed, test accuracy" in printed


@pytest.mark.parametrize(
    "words", [["status"], ["retry", "failed"], ["summary", "--partial"], ["export"]], ids=str
)
def test_what_needs_the_workflow_says_so_in_one_line(use, words):
    printed = use(*words, status=2)
    assert printed.startswith(f"actstudy: {words[0]}: goes with the workflow, which is not in the")
    assert printed.count("\n") == 1
