"""A host that says it has GPUs, for tests of their lease."""

import types
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from actstudy.contract import host
from actstudy.training import devices, leases

PRETENDED = """
import os, pathlib, types, torch
from actstudy.contract import host
from actstudy.training import devices, leases
def pretend(n, folder):
    leases.LEASES, torch.version.cuda = pathlib.Path(folder, "leases"), "13.0"
    host.gpus = lambda: [f"GPU-{index}" for index in range(n)]
    torch.zeros = lambda size, device: types.SimpleNamespace(item=lambda: 0.0)
    devices.identity = lambda _: os.environ["CUDA_VISIBLE_DEVICES"].removeprefix("GPU-")
"""


def pretender(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """`pretend(n)`: this host has n GPUs, whose leases are under a folder."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for place, name in (
        (leases, "LEASES"),
        (torch.version, "cuda"),
        (host, "gpus"),
        (torch, "zeros"),
        (devices, "identity"),
    ):
        monkeypatch.setattr(place, name, getattr(place, name))
    module = types.ModuleType("pretended")
    exec(PRETENDED, module.__dict__)
    return lambda n: module.pretend(n, str(folder))
