"""Small runs of every kind for tests, and what is read back of their folders."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import small_tables
import torch
from torch import nn

from actstudy.contract import schema, store
from actstudy.contract.layers import layered
from actstudy.contract.spec import RunSpec, run_id
from actstudy.data import prepared
from actstudy.nets.activations import ACTIVATIONS, RANDOM
from actstudy.study.planning import run_spec
from actstudy.training.run import train
from actstudy.training.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
TINY = {"depth": 2, "width": 16, "epochs": 3, "batch_size": 500, "warmup": 1, "dropout": 0.1}
STEEP = {
    "activation": "relu",
    "depth": 4,
    "init": "normal",
    "init_args": {"std": 0.5},
    "lr": 0.01,
    "clip": "adaptive",
}
SMALL = {
    "mlp": {"width": 8, "batch_size": 50},
    "vision": {"width": 2, "batch_size": 20},
    "cls": {"vocabulary": 400, "width": 8, "batch_size": 20, "dropout": 0.1},
    "lm": {"vocabulary": 400, "width": 8, "batch_size": 4, "dropout": 0.1},
    "contrastive": {"width": 2, "batch_size": 10},
    "tabular": {"dataset": small_tables.CLASSES, "width": 16, "lr": 0.01},
    "tabular_regression": {"dataset": small_tables.NUMBERS, "width": 16, "lr": 0.01},
}
PACK_WIDTH = 6
PACKABLE = [name for name in ACTIVATIONS if name not in RANDOM]


def tiny(activation: str | dict = "gelu", seed: int = 0, **fields: Any) -> RunSpec:
    """A run of the task mlp that takes a fraction of a second."""
    return run_spec("mlp", seed, layered(TINY, {"activation": activation}, fields))


def small(task: str, activation: str = "gelu", seed: int = 0, **fields: Any) -> RunSpec:
    """A run of six steps of any task; of a table it takes `small_tables.there`."""
    length = {"steps": 6, "eval_every": 4, "warmup": 0}
    return run_spec(task, seed, {**length, **SMALL[task], "activation": activation, **fields})


def packed_spec(activation: str | dict = "relu", seed: int = 0, **fields: Any) -> RunSpec:
    """A tiny run that is trained in a pack."""
    pack = {"dropout": 0.0, "engine": "pack", "pack_width": PACK_WIDTH}
    return tiny(activation, seed, **{**pack, **fields})


def company() -> list[RunSpec]:
    """Six runs that differ in all that may differ within a pack."""
    args = {"activation_args": {"negative_slope": 0.2}}
    return [
        packed_spec("relu", lr=0.007),
        packed_spec("tanh", seed=1, init="orthogonal"),
        packed_spec("leaky_relu", seed=2, init="normal", init_args={"std": 0.3}, **args),
        packed_spec("leaky_relu", weight_decay=0.5),
        packed_spec("gelu", seed=3),
        packed_spec({"layers.0": "tanh", "*": "relu"}, seed=1),
    ]


@contextmanager
def few_examples(n_train: int = 200, n_scored: int = 64) -> Iterator[None]:
    """In the block runs have about so many examples of a data set, drawn evenly."""
    whole = prepared.Prepared.on

    def cut(self: prepared.Prepared, device: torch.device, split: str) -> dict[str, torch.Tensor]:
        n = n_train if split == "train" else n_scored
        arrays = whole(self, device, split)
        return {name: part[:: max(1, len(part) // n)] for name, part in arrays.items()}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepared.Prepared, "on", cut)
        yield


def quiet(**settings: Any) -> Settings:
    """Settings of a run on the CPU that prints nothing and is probed every five steps."""
    return Settings(**{"quiet": True, "device": "cpu", "probe_every": 5, **settings})


def train_together(
    specs: Sequence[RunSpec], folder: Path, data_folder: Path, **settings: Any
) -> list[Path]:
    """Train runs as one pack, those that have ended left out; returns the folders of all."""
    folders = {folder / run_id(spec): spec for spec in specs}
    todo = {}
    for path, spec in folders.items():
        if not store.verifies(path / "checkpoints" / "final"):
            todo[path] = spec
    train(todo, folder / "state", data_folder, quiet(**settings))
    return list(folders)


def run(spec: RunSpec, folder: Path, data_folder: Path, settings: Settings) -> str:
    """Train one run into a folder and publish it; returns its status."""
    train({folder: spec}, folder / "checkpoints", data_folder, settings)
    return store.summary_row(folder)["status"]


def stop_after(steps: int) -> Callable[[], bool]:
    """A `stopping` that is true from its call number `steps` on."""
    calls = 0

    def stopping() -> bool:
        nonlocal calls
        calls += 1
        return calls >= steps

    return stopping


def run_row(folder: Path) -> dict[str, Any]:
    """The row of the table `runs` of a run's folder."""
    return store.summary_row(folder / "checkpoints" / "final")


def run_tables(folder: Path) -> dict[str, pa.Table]:
    """The tables of a run's folder without the columns that a clock decides."""
    tables = store.read(folder / "checkpoints" / "final", *schema.SCHEMAS)
    return dict(zip(schema.SCHEMAS, map(schema.reproducible, tables), strict=True))


def same_tables(a: Path, b: Path, names: Sequence[str] = tuple(schema.SCHEMAS)) -> bool:
    """True if two run folders hold equal tables in every bit but the run's name and times."""
    first, second = run_tables(a), run_tables(b)
    for name in names:
        left = as_bits(first[name].drop_columns("run_id"))
        if not left.equals(as_bits(second[name].drop_columns("run_id"))):
            return False
    return True


def as_bits(table: pa.Table) -> pa.Table:
    """A table with its floats as the integers of the same bits, so that NaN equals NaN."""
    columns = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        if pa.types.is_floating(column.type):
            column = column.view(pa.int64() if column.type.bit_width == 64 else pa.int32())
        columns[name] = column
    return pa.table(columns)


def clipped_shares(folder: Path, limit: float) -> tuple[list[float], list[float]]:
    """Logged shares of clipped steps per window of 7, and those of the probed gradient norms.

    The run must have been probed at every step.
    """
    tables = run_tables(folder)
    curves = tables["curves"].to_pandas()
    health = tables["health"].to_pandas()
    logged = curves[curves["metric"] == "clipped"].set_index("step")["value"]
    of_model = (health["kind"] == "model") & (health["probe"] == "gradient_norm")
    norms = health[of_model].set_index("step")["value"]
    expected = []
    for end in logged.index:
        window = norms[(norms.index >= end - 7) & (norms.index < end)]
        expected.append((window > limit).mean())
    return list(logged), expected


def plain_mlp(activation: Callable = nn.ReLU, depth: int = 3, width: int = 32) -> nn.Sequential:
    """An MLP of 10 inputs and 4 classes as a user of the Monitor may have one."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for layer in range(depth):
        inputs = width if layer else 10
        layers += [nn.Linear(inputs, width), activation()]
    return nn.Sequential(*layers, nn.Linear(width, 4))
