"""Shared fixtures: the prepared data set and a tiny run that takes a fraction of a second."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import pytest
import torch

from actstudy.contract import locks, store
from actstudy.contract.spec import RunSpec, layered
from actstudy.data import prepared
from actstudy.study.planning import run_spec
from actstudy.training.run import train as train_runs
from actstudy.training.settings import Settings

torch.set_num_threads(1)
hypothesis.settings.register_profile("untimed", deadline=None)  # a loaded machine is no fault
hypothesis.settings.load_profile("untimed")
ROOT = Path(__file__).resolve().parents[1]
TINY = {"depth": 2, "width": 16, "epochs": 3, "batch_size": 500, "warmup": 1, "dropout": 0.1}


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


def tiny(activation: str = "gelu", seed: int = 0, **fields: Any) -> RunSpec:
    return run_spec("mlp", seed, layered(TINY, {"activation": activation}, fields))


def quiet(**settings: Any) -> Settings:
    return Settings(quiet=True, **{"device": "cpu", "probe_every": 5, **settings})


def run(spec: RunSpec, folder: Path, data_folder: Path, settings: Settings) -> str:
    """Train one run into a folder and publish it; returns its status."""
    train_runs({folder: spec}, folder / "checkpoints", data_folder, settings)
    return store.summary_row(folder)["status"]


@pytest.fixture
def train(tmp_path: Path, data_folder: Path):
    """Train a tiny run into a folder named after `name`; returns the folder."""

    def go(name: str = "run", spec: RunSpec | None = None, **settings: Any) -> Path:
        run(spec or tiny(), tmp_path / name, data_folder, quiet(**settings))
        return tmp_path / name

    return go
