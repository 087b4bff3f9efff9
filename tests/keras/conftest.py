"""Keras, started on the back end that the command line names, before any test imports it."""

import pytest
import torch

from actstudy.contract.spec import RunSpec
from actstudy.frameworks import backend

CPU = torch.device("cpu")


def pytest_configure(config: pytest.Config) -> None:
    backend.start(make_spec(config.getoption("framework")), CPU)


def make_spec(framework: str, **fields) -> RunSpec:
    """A run of three steps that a framework trains."""
    own = {"activation": "gelu", "optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "width": 4}
    own |= {"task": "vision", "dataset": "mnist1d", "seed": 0, "batch_size": 8, "steps": 3}
    return RunSpec(**{**own, "framework": framework, **fields})


@pytest.fixture(scope="session")
def framework(request: pytest.FixtureRequest) -> str:
    return request.config.getoption("framework")


@pytest.fixture(scope="session")
def spec(framework: str):
    """Makes specs of the framework under test."""
    return lambda **fields: make_spec(framework, **fields)
