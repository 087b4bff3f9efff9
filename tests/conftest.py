"""Shared fixtures: the prepared data set, and tiny runs trained on it."""

import functools
import gc
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")  # no further processes

import compiled
import hypothesis
import pytest
import torch
from runs import quiet, run, tiny
from xdist.scheduler import LoadScopeScheduling

from actstudy.commands import cli
from actstudy.contract import locks, own, own_data
from actstudy.contract.spec import RunSpec
from actstudy.data import prepared
from actstudy.training import provenance, seat
from actstudy.training import run as training_run

torch.set_num_threads(1)
hypothesis.settings.register_profile("untimed", deadline=None)  # a loaded machine is no fault
hypothesis.settings.load_profile("untimed")

MEMORY = Path("/dev/shm")  # for the thousands of small files that tests write
MIN_ROOM = 8 * 2**30  # bytes

# The files that take longest, the longest first, so that no worker is left with one at the end.
FIRST = (
    "tests/test_frameworks.py",  # before others import Keras
    "tests/test_workflow.py",
    "tests/test_explorer.py",
    "tests/test_storm.py",
    "tests/test_screens.py",
    "tests/test_packs.py",
    "tests/test_series.py",
    "tests/test_figures_measured.py",
    "tests/test_wheel.py",
    "tests/test_demos.py",
    "tests/test_hard_studies.py",
    "tests/test_training.py",
    "tests/test_bundle_workflow.py",
    "tests/test_looks.py",
    "tests/test_pages.py",
    "tests/test_own_activations.py",
    "tests/faults/test_endings.py",
    "tests/test_certificate.py",
    "tests/test_bundles.py",
    "tests/test_contrastive.py",
    "tests/test_choice.py",
    "tests/test_analysis.py",
    "tests/guards/test_guards.py",
    "tests/test_places.py",
    "tests/test_properties.py",
    "tests/test_data.py",
    "tests/test_any_n.py",
    "tests/test_hostile.py",
    "tests/faults/test_kills.py",
    "tests/test_own_models.py",
    "tests/test_code.py",
)


collect_ignore = ["keras"]  # run by test_frameworks.py, in a process per framework


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--framework`: of the tests in tests/keras, which are collected with it alone."""
    parser.addoption("--framework", help="keras-jax, keras-tensorflow or keras-torch")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("framework"):
        collect_ignore.clear()
    if has_room(MEMORY):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def has_room(folder: Path) -> bool:
    """Whether tests may keep their files in a folder, programs among them, some gigabytes."""
    if not folder.is_dir():
        return False
    system = os.statvfs(folder)
    runs_programs = not system.f_flag & os.ST_NOEXEC
    return runs_programs and system.f_bavail * system.f_frsize >= MIN_ROOM


def pytest_collection_finish() -> None:
    """The collected tests, which live as long as the process, are no garbage to look for."""
    compiled.end()
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: rank.get(file_of(item.nodeid), len(FIRST)))


def file_of(nodeid: str) -> str:
    """The file of a test, from the project's folder on."""
    return nodeid.partition("::")[0]


class WholeFiles(LoadScopeScheduling):
    """One worker has all tests of a file, so that what they share is made once."""

    def _split_scope(self, nodeid: str) -> str:
        return file_of(nodeid)


@pytest.hookimpl(optionalhook=True)  # tests of frameworks run without xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    config.option.loadscopereorder = False  # else the file of most tests would come first
    return WholeFiles(config, log)


@pytest.fixture(scope="session", autouse=True)
def brief() -> Iterator[None]:
    """No run waits for the disk, as no test cuts the power; the project's code is read once."""
    read_once = functools.cache(provenance.code)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        patch.setattr(training_run, "code_of_process", lambda: dict(read_once()))
        yield


@pytest.fixture(scope="session")
def prepared_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a prepared data set, by name: made once for all workers, not to be changed."""
    base = tmp_path_factory.getbasetemp()
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "prepared"

    def prepare(name: str) -> Path:
        with locks.locked(root / name):
            if not (root / name / "manifest.json").is_file():
                prepared.prepare(name, root / name)
        return root / name

    return prepare


@pytest.fixture(scope="session")
def data_folder(prepared_folder: Callable[[str], Path]) -> Path:
    return prepared_folder("mnist1d")


@pytest.fixture(scope="session")
def data(data_folder: Path) -> prepared.Prepared:
    return prepared.load(data_folder)


@pytest.fixture
def train(tmp_path: Path, data_folder: Path):
    """Train a tiny run into a folder named after `name`; returns the folder."""

    def go(name: str = "run", spec: RunSpec | None = None, **settings: Any) -> Path:
        run(spec or tiny(), tmp_path / name, data_folder, quiet(**settings))
        return tmp_path / name

    return go


@pytest.fixture
def seated(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seeds of runs that a job takes over."""
    seeds: list[int] = []
    real = seat.reseat

    def reseat(job: Any, model: Any, specs: Any, logs: Any) -> Any:
        seeds.append(specs[0].seed)
        return real(job, model, specs, logs)

    monkeypatch.setattr(seat, "reseat", reseat)
    return seeds


@pytest.fixture(autouse=True)
def python_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's path afterwards as before: folders of own code stay in it for a process's life.

    So do the folders that own code and data are looked for in: each would make later tests slower.
    """
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(own, "_folders", list(own._folders))
    monkeypatch.setattr(own_data, "_folders", list(own_data._folders))


@pytest.fixture
def refused(capsys, tmp_path, monkeypatch):
    """Runs a command, which must exit with 2, in an empty folder; returns what it prints."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        with pytest.raises(SystemExit) as leaving:
            cli.main(words)
        assert leaving.value.code == 2
        printed = capsys.readouterr()
        return printed.out + printed.err

    return run


@pytest.fixture
def sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of programs on PATH that say what a Slurm says on which nothing is wrong."""
    import fake_slurm

    return fake_slurm.planted(tmp_path, monkeypatch)
