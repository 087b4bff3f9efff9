"""The parity of a cell: torch and Keras train for a few steps, and are compared."""

import dataclasses
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from actstudy.contract import parity
from actstudy.contract.errors import StudyError
from actstudy.contract.parity import Check
from actstudy.contract.spec import RunSpec
from actstudy.contract.store import Damaged
from actstudy.data import prepared
from actstudy.data.prepared import Prepared
from actstudy.frameworks import parity_checks
from actstudy.frameworks.neutral import Arrays
from actstudy.frameworks.record import Record, Step
from actstudy.training.batches import batches
from actstudy.training.parity_sides import Side, TorchSide
from actstudy.training.settings import Settings
from actstudy.training.wiring import make_engine

STEPS = 6
WARMUP_STEPS = 3
EXAMPLES = 8  # of a batch: with few, a variance over n is far from one over n - 1
PER_PART = 4  # examples of each part, if gradients are accumulated
RATE = 0.01
EPS = 1e-3  # of Adam: with 1e-8 its first update is the sign of a gradient, which may be rounding
SMALL_SCALE = 1e-3  # a weight that begins smaller, as ConvNeXt's layer scale, hides its block
LAYER_SCALE = 0.1
EVALUATED = 32  # examples of val
CPU = torch.device("cpu")
FLOAT64 = "keras-tensorflow"  # the framework all of whose operations compute in float64


def content(spec: RunSpec, data_folder: Path) -> dict[str, Any]:
    """What the file of a run's cell says, from its prepared data."""
    return content_of(spec, partial(prepared.load, data_folder))


def content_of(spec: RunSpec, load: Callable[[], Prepared]) -> dict[str, Any]:
    """What a cell's file says: its name, its run, the checks, and why there are none, if so."""
    cell = parity.cell(spec)
    checks: list[Check] = []
    error = None
    try:
        checks = check(cell, load())
    except (Damaged, OSError, ImportError):
        raise  # not the cell's fault
    except Exception as fault:
        is_plain = isinstance(fault, StudyError | ValueError)
        error = str(fault) if is_plain else f"{type(fault).__name__}: {fault}".splitlines()[0]
    return {
        "name": parity.name(spec),
        "spec": dataclasses.asdict(cell),
        "checks": [dataclasses.asdict(check) for check in checks],
        "error": error,
    }


def check(cell: RunSpec, data: Prepared) -> list[Check]:
    """All checks of a cell on prepared data, on a CPU."""
    run = short_run(cell, data.n("train"))
    exact = torch_side(run, data, exact=True)
    checks = compare(torch_side(run, data), keras_side(run, data), exact)
    if cell.framework == FLOAT64:
        exact.restart(exact.start)
        checks.append(compare_exactly(exact, keras_side(run, data, exact=True)))
    return checks


def short_run(cell: RunSpec, n_train: int) -> RunSpec:
    """The run that is compared: few steps of few examples, with a warm-up and a falling rate."""
    size = min(cell.batch_size, EXAMPLES if cell.accumulate == 1 else PER_PART * cell.accumulate)
    fields: dict[str, Any] = {
        "batch_size": size,
        "steps": STEPS,
        "epochs": None,
        "eval_every": None,
        "warmup": WARMUP_STEPS / (n_train // size),
        "lr": RATE,
        "eps": EPS,
    }
    return dataclasses.replace(cell, **fields)


def torch_side(run: RunSpec, data: Prepared, exact: bool = False) -> TorchSide:
    """torch's side of a run on a CPU, in float64 if `exact`."""
    return TorchSide(engine(dataclasses.replace(run, framework="torch"), data), exact)


def keras_side(run: RunSpec, data: Prepared, exact: bool = False) -> Side:
    """The side of a run's framework on a CPU, in float64 if `exact`."""
    job = engine(run, data)
    from actstudy.training.parity_keras import KerasSide  # Keras is imported now

    return KerasSide(job, exact)


def engine(run: RunSpec, data: Prepared) -> Any:
    """The engine of a run on a CPU; it leaves no files."""
    with tempfile.TemporaryDirectory() as folder:
        return make_engine([run], [Path(folder)], data, CPU, Settings(device="cpu", quiet=True))


def compare(of_torch: TorchSide, of_keras: Side, exact: Side) -> list[Check]:
    """The checks of torch's side against another one; exact: torch's in float64."""
    shared = warmed(of_torch)
    of_torch.restart(of_torch.start)
    exact_updates = updated(exact, shared)
    records = observe(of_torch, shared), observe(of_keras, shared)
    return parity_checks.compare(*records, exact_updates, shared)


def warmed(side: TorchSide) -> Arrays:
    """Initial weights with running statistics that fit them, and all blocks with a say.

    The statistics are means over some batches.
    """
    weights = dict(side.start)
    for name, before in weights.items():
        if 0 < np.abs(before).max() <= SMALL_SCALE:
            weights[name] = np.full_like(before, LAYER_SCALE)
    side.restart(weights)
    side.warm_up()
    return side.weights()


def observe(side: Side, shared: Arrays) -> Record:
    """What a side computes: steps from its own start, and all that begins at shared weights."""
    steps = train(side)
    side.restart(shared)
    outputs = side.outputs(side.engine.splits["val"]["x"][:EVALUATED])
    return Record(side.trained(), side.start, steps, outputs, updated(side, shared))


def train(side: Side) -> list[Step]:
    """The first steps of a side's run."""
    return [side.step(step, rows) for step, rows in batches(side.engine, 0)]


def updated(side: Side, shared: Arrays) -> list[Arrays]:
    """Per step of a run, weights and statistics after that step alone, from the shared ones."""
    after = []
    for step, rows in batches(side.engine, 0):
        side.restart(shared)
        side.step(step, rows)
        after.append(side.weights())
    return after


def compare_exactly(of_torch: Side, of_keras: Side) -> Check:
    """The check of the weights after all steps, of sides that compute in float64."""
    for side in (of_torch, of_keras):
        train(side)
    return parity_checks.exact_steps(of_torch.weights(), of_keras.weights())
