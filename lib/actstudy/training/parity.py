"""The parity of a cell: torch and Keras train for a few steps, and are compared."""

import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
CHAINED = 3  # steps of one optimizer
STARTS = (0, 2, 4)  # the first batches of the sequences; after the last batch comes the first
LAST_DIGIT = 1e-15  # of a number in float64
MOVES = 3  # starts in float64 that are moved by it
EVALUATED = 8  # examples of val: of all layers of a ResNet-50 they are a quarter of a gigabyte
CPU = torch.device("cpu")
NO_ONEDNN = "no oneDNN"  # what `execution` says of a model that is computed without
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
    of_torch = torch_side(run, data)
    shared = warmed(of_torch)
    of_torch.restart(of_torch.start)
    of_keras = keras_side(run, data)
    with kernels_of(of_keras):
        torch32 = observe(of_torch, shared)
    keras32 = observe(of_keras, shared)
    torch64 = observe(exact, shared)
    checks = parity_checks.compare(torch32, keras32, torch64, shared)
    if cell.framework == FLOAT64:
        checks.append(compare_exactly(exact, keras_side(run, data, exact=True)))
    if cell.precision == parity.HALF:
        run = dataclasses.replace(run, precision=parity.HALF)
        with kernels_of(of_keras):
            torch16 = observe(torch_side(run, data), shared)
        keras16 = observe(keras_side(run, data), shared)
        checks += parity_checks.compare_half(torch32, torch16, keras16, shared)
    return checks


@contextmanager
def kernels_of(side: Side) -> Iterator[None]:
    """torch computes in the block with oneDNN only if a side does.

    keras-torch leaves it out of some models, and the kernels that it has then round more.
    """
    before = torch.backends.mkldnn.enabled
    if NO_ONEDNN in side.engine.execution:
        torch.backends.mkldnn.enabled = False  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.backends.mkldnn.enabled = before


def short_run(cell: RunSpec, n_train: int) -> RunSpec:
    """The run that is compared: few steps of few examples, with a warm-up and a falling rate.

    In fp32, as all cells are compared at first.
    """
    size = min(cell.batch_size, EXAMPLES if cell.accumulate == 1 else PER_PART * cell.accumulate)
    fields: dict[str, Any] = {
        "batch_size": size,
        "steps": STEPS,
        "epochs": None,
        "eval_every": None,
        "warmup": WARMUP_STEPS / (n_train // size),
        "lr": RATE,
        "eps": EPS,
        "precision": "fp32",
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
    after, losses = updated(side, shared)
    of_chains = chained(side, shared)
    return Record(side.trained(), side.start, steps, outputs, after, losses, of_chains)


def train(side: Side) -> list[Step]:
    """The first steps of a side's run."""
    return [side.step(step, rows) for step, rows in batches(side.engine, 0)]


def updated(side: Side, shared: Arrays) -> tuple[list[Arrays], list[float]]:
    """Per step of a run, weights and statistics after that step alone, from the shared ones.

    And its loss.
    """
    after = []
    losses = []
    for step, rows in batches(side.engine, 0):
        side.restart(shared)
        losses.append(side.step(step, rows).loss)
        after.append(side.weights())
    return after, losses


def chained(side: Side, shared: Arrays) -> list[Arrays]:
    """Per sequence of batches, weights and statistics after CHAINED steps from the shared ones."""
    steps = list(batches(side.engine, 0))
    after = []
    for start in STARTS:
        side.restart(shared)
        for place in range(start, start + CHAINED):
            side.step(*steps[place % len(steps)])
        after.append(side.weights())
    return after


def compare_exactly(of_torch: Side, of_keras: Side) -> Check:
    """The check of the weights after all steps, of sides that compute in float64."""
    rng = np.random.default_rng(0)
    moved = []
    for _ in range(MOVES):
        moved.append(trained_from(of_torch, moved_start(of_torch.start, rng)))
    after_torch = trained_from(of_torch, of_torch.start)
    after_keras = trained_from(of_keras, of_torch.start)
    return parity_checks.exact_steps(after_torch, after_keras, moved)


def moved_start(start: Arrays, rng: np.random.Generator) -> Arrays:
    """Weights in float64, each moved by about its last digit."""
    moved = {}
    for name, before in start.items():
        moved[name] = before * (1 + LAST_DIGIT * rng.standard_normal(before.shape))
    return moved


def trained_from(side: Side, start: Arrays) -> Arrays:
    """Weights and statistics after all steps of a side's run from a start."""
    side.restart(start)
    train(side)
    return side.weights()
