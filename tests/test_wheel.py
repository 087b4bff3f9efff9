"""A wheel is built from the project and used where no clone is."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata

import pytest
import snakes
from commands import command
from made_up import build, study_of
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from project import provide
from runs import ROOT

import actstudy
from actstudy.commands import run
from actstudy.contract.errors import StudyError

SOURCES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "Snakefile")
FOLDERS = ("lib", "data", "config", "workflow", "profiles", "benchmarks", "docs/notebooks")
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
DOCS = (ROOT / "docs/health.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)
LOADED = 'import sys\nprint("modules:", *{name.partition(".")[0] for name in sys.modules})\n'
MONITOR = """
import torch
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
"""
BATCH = """
import torch
torch.manual_seed(0)
torch.save((torch.randn(8, 4), torch.arange(8) % 2), "batch.pt")
"""
DOCTOR = """
from actstudy.commands import cli
cli.main(["doctor", "--model", "mine:MODEL", "--batch", "batch.pt"])
"""
OWN_MODEL = """
import torch
def net():
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
def vision():
    import torchvision
    return torchvision.ops.MLP(4, [8, 2], activation_layer=torch.nn.GELU)
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

    def find_distributions(self, *context):
        for distribution in getattr(self.finder, "find_distributions", lambda *_: ())(*context):
            if distribution.name.lower().replace("_", "-") in DISTRIBUTIONS:
                yield distribution

sys.meta_path[:] = map(Only, sys.meta_path)
"""  # a sitecustomize.py: packages outside of ALLOWED are as if they were not installed


def required(distribution, extra=""):
    """The names of what a distribution requires here under one of its extras, transitively.

    An extra may name others of the same distribution.
    """
    names = set()
    waiting = [(distribution, extra)]
    while waiting:
        package, of_package = waiting.pop()
        for text in package.requires or ():
            requirement = Requirement(text)
            marker = requirement.marker
            name = canonicalize_name(requirement.name)
            if marker and not marker.evaluate({"extra": of_package}):
                continue
            if name == canonicalize_name(distribution.name):
                waiting += [(distribution, other) for other in requirement.extras]
            elif name not in names:
                names.add(name)
                waiting.append((metadata.distribution(name), ""))
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
    """The wheel, built from a source archive, in a copy: the clone gets no build folder."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "copy"
    copy.mkdir()
    skipped = shutil.ignore_patterns("*.egg-info", "__pycache__", "raw")
    for name in SOURCES:
        shutil.copy(ROOT / name, copy / name)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, copy / name, ignore=skipped)
    archive = f"from setuptools import build_meta; build_meta.build_sdist({str(folder)!r})"
    subprocess.run([sys.executable, "-c", archive], cwd=copy, check=True, capture_output=True)
    (source,) = folder.glob("*.tar.gz")
    build = ["wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(source)]
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


def with_packages_of(*paths):
    """This process's environment, with packages of paths before all others."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}


def printed_by(done, status):
    """What a program has printed that must have ended with a status."""
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def use(installed, tmp_path):
    """Runs the script `actstudy` of the wheel in an empty folder, in a forked child."""

    def run(*words, status=0):
        script = installed / "bin/actstudy"
        done = snakes.script(tmp_path, script, words, with_packages_of(installed))
        return printed_by(done, status)

    return run


def test_the_wheel_holds_what_the_package_reads_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    files = [path for path in (ROOT / "lib").rglob("*.*") if "egg-info" not in str(path)]
    sources = {
        path.relative_to(ROOT / "lib").as_posix()
        for path in files
        if path.is_file() and path.suffix != ".pyc"
    }
    shipped = {
        "Snakefile",
        *(f"profiles/{name}/config.yaml" for name in ("default", "s3", "slurm")),
    }
    shipped.add("data/embedded/README.md")  # with the licences
    read = ("data/embedded/*.parquet", "benchmarks/results/activations_*.parquet")
    for pattern in (*read, "config/**/*.yaml", "workflow/**/*.[prs]*", "docs/notebooks/*.py"):
        shipped |= {path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern)}
    assert {"workflow/rules/train.smk", "workflow/scripts/study.py", "config/depth.yaml"} <= shipped
    expected = sources | {f"actstudy/shipped/{name}" for name in shipped}
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert wheel.stat().st_size < 8e6


def test_the_wheel_offers_keras_and_asks_for_it_nowhere_else(installed):
    (wheels_own,) = metadata.distributions(path=[str(installed)])
    assert "keras" in wheels_own.metadata.get_all("Provides-Extra")
    keras = {"keras", "jax", "tensorflow-cpu"}
    assert keras <= required(wheels_own, "keras")
    for extra in ("", "health", "study"):
        assert not keras & required(wheels_own, extra)


@pytest.fixture
def core(installed, tmp_path):
    """Runs Python where no package can be imported but those of the wheel's core.

    extra: one of the wheel's, such as `health`. more: distributions that can be imported too, with
    what they require.
    """
    (wheels_own,) = metadata.distributions(path=[str(installed)])
    (tmp_path / "mine.py").write_text(OWN_MODEL)
    absent = tmp_path / "absent"
    absent.mkdir()

    def run(*words, extra="", more=(), status=0):
        names = required(wheels_own, extra)
        names |= set(more).union(*[required(metadata.distribution(name)) for name in more])
        allowed = {"actstudy", "mine", *modules_of(names)}
        lists = f"ALLOWED = {allowed}\nDISTRIBUTIONS = {names}\n"
        (absent / "sitecustomize.py").write_text(lists + ONLY)
        done = subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path,
            env=with_packages_of(absent, installed),
            capture_output=True,
            text=True,
            check=False,
        )
        return printed_by(done, status)

    return run


def modules_in(printed):
    """The modules that a script ending with LOADED has printed."""
    return set(printed.rsplit("modules:", 1)[1].splitlines()[0].split())


def test_the_core_has_no_torch_and_each_extra_what_it_says(installed):
    (wheels_own,) = metadata.distributions(path=[str(installed)])
    bare = required(wheels_own)
    assert {"pandas", "pyarrow", "scipy", "matplotlib"} <= bare
    assert not bare & {"torch", "snakemake", "torchvision", "scikit-learn", "jinja2"}
    assert {"torch"} <= required(wheels_own, "health") - bare
    assert not required(wheels_own, "health") & {"snakemake", "torchvision"}
    assert "torch" in required(wheels_own, "train")
    workflow = required(wheels_own, "workflow")
    assert "snakemake" in workflow
    assert "torch" not in workflow
    assert required(wheels_own, "study") == workflow | required(wheels_own, "train")


JUDGED = """
import sys, time
start = time.perf_counter()
import actstudy
seconds = time.perf_counter() - start
assert seconds < 1, seconds
assert not {"pandas", "numpy", "pyarrow"} & set(sys.modules)
import pandas as pd
values = {"a": [1.0, 1.1, 0.9, 1.2, 1.05, 0.95, 1.0, 1.1]}
values["b"] = [value**2 + 1 for value in values["a"]]
runs = pd.DataFrame(values).rename_axis("seed").reset_index().melt("seed", var_name="level")
table = actstudy.verdicts(runs, baseline="a", margin=0.1)
assert list(table["verdict"]) == ["better"]
assert list(actstudy.ranks(runs, margin=0.1)["level"]) == ["b", "a"]
runs.to_csv("runs.csv", index=False)
results = actstudy.load("study")
assert len(results.runs) and results.contrasts.attrs["units"] is not None
results.figure("forest", task="mlp").savefig("forest.png")
assert "torch" not in sys.modules
from actstudy.commands import cli
cli.main(["judge", "runs.csv", "--baseline", "a", "--margin", "0.1", "--figure", "f.pdf"])
"""


def test_anyones_runs_are_judged_where_no_torch_is(core, tmp_path):
    """`import actstudy`, load, verdicts, ranks, a figure, and `judge`."""
    axes = {"activation": ["relu", "gelu"]}
    mlp = {"seeds": 8, "epochs": 1, "depth": 1, "width": 16, "warmup": 0}
    study = study_of(tmp_path, {"axes": axes, "tasks": {"mlp": mlp}})
    build(study, tmp_path / "study", lambda run: "completed")
    printed = core("-c", JUDGED)
    assert printed.startswith("b (+1.0")
    assert "is better than a" in printed
    assert (tmp_path / "f.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "forest.png").stat().st_size > 1_000
    refused = core("-m", "actstudy", "doctor", "--model", "mine:net", "--batch", "x.pt", status=2)
    assert "the package torch is missing; to fix: pip install 'actstudy[health]'" in refused
    assert "Traceback" not in refused


def test_monitor_and_doctor_need_torch_beside_the_core(core):
    doctor = DOCTOR.replace("MODEL", "net")
    printed = core("-c", f"{MONITOR}{BATCH}{LOADED}{doctor}", extra="health")
    assert "steps of Adam" in printed
    loaded = modules_in(printed)
    assert {"actstudy", "torch"} <= loaded
    assert not loaded & {"pandas", "scipy", "pydantic", "ruamel"}
    run = ["train", "--task", "mlp", "--activation", "relu", "--epochs", "1"]
    refused = core("-m", "actstudy", *run, extra="health", status=2)
    assert "No module named 'mnist1d'; to fix: pip install 'actstudy[study]'" in refused
    assert "Traceback" not in refused


def test_the_ten_lines_of_the_docs_watch_a_torchvision_model(core):
    """Beside the core there is torchvision, which brings pillow, and no other package."""
    (block,) = [text for text in BLOCKS if "torchvision" in text]
    loop = block[block.index("model = ") : block.index("print(health)")]
    assert len(loop.splitlines()) <= 10
    doctor = DOCTOR.replace("MODEL", "vision")
    more = {"extra": "health", "more": ["torchvision"]}
    printed = core("-c", f"{BATCH}{block}{LOADED}{doctor}", **more)
    assert "coverage: steps: 4 seen, 2 read; calls of activations: 17 of 17 read" in printed
    assert "torchvision" in modules_in(printed)
    assert not modules_in(printed) & {"pandas", "scipy", "pydantic", "ruamel", "snakemake"}
    assert "steps of Adam" in printed
    assert "(GELU)" in printed


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


STUDY = """
axes: {activation: [relu]}
tasks: {mlp: {seeds: 1, epochs: 1, depth: 1, width: 16, warmup: 0}}
"""


def test_a_study_runs_in_an_empty_folder(use, tmp_path, data_folder):
    """Of a file there, of the project's files and of none: the default study."""
    shutil.copytree(data_folder, tmp_path / "results/data/mnist1d")
    provide(tmp_path, "mine", ["relu"])
    (tmp_path / "mine.yaml").write_text(STUDY)
    page = "results/mine/summary.md"
    printed = use("run", "mine.yaml", page, "--cores", "2")
    assert "mlp relu, seed 0: test accuracy " in printed
    assert f"Summary: {page} " in printed
    assert (tmp_path / page).read_text().startswith("# Study mine: 1 of 1 runs completed")
    assert "1 of 1 runs completed" in use("status", "--config", "mine.yaml")
    assert "0 of 160 runs completed" in use("status")
    printed = use("run", "config/smoke.yaml", "-n", "--set", "runs_per_job=1")
    assert re.search(r"^train +8$", printed, re.M)
    assert "shipped/profiles/default" in printed
    own = {"mine.yaml", "results", ".snakemake"}
    assert {path.name for path in tmp_path.iterdir()} == own


def test_a_study_without_snakemake_says_what_to_install(monkeypatch):
    monkeypatch.setattr(run.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(StudyError, match=r"run: the package snakemake is missing; to fix: pip ins"):
        run.run(argparse.Namespace(words=["-n"]))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["none.yaml"], "none.yaml: no such file or directory; did you mean 'a.yaml'? allowed: "),
        (
            ["a.yaml", "-n", "--configfile", "b.yaml"],
            "allowed: one study file, which follows `run`",
        ),
        (["a.yaml", "--config", "seeds"], "--config: got 'seeds'; allowed: KEY=VALUE"),
    ],
)
def test_a_start_that_cannot_be_is_one_line(tmp_path, words, line):
    (tmp_path / "a.yaml").write_text(STUDY)
    done = command(tmp_path, "run", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert line in done.stderr
    assert done.stderr.count("\n") == 1
