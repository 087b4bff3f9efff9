"""Processes forked from one that has imported everything: hundreds of kills take minutes, not
hours.
"""

import contextlib
import io
import json
import math
import os
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from actstudy.contract import faults, locks, schema, spec, store
from actstudy.contract.spec import RunSpec
from actstudy.data import prepared
from actstudy.study import packs
from actstudy.study.planning import run_spec
from actstudy.training import attempt, in_turn, loop
from actstudy.training.run import train as train_runs
from actstudy.training.settings import Settings

os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")  # its workers outlive no fork
torch.set_num_threads(1)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
loop.MAX_CHECKPOINT_SHARE = math.inf  # so that kills find checkpoints of every step
WILD = 1e30  # a learning rate
SHORT = {"steps": 40, "warmup": 0, "eval_every": 10}
MODELS = {
    "mlp": {"depth": 2, "width": 16, "norm": "batch", "dropout": 0.1, "batch_size": 64},
    "vision": {"width": 2, "batch_size": 4},
}
PACKED = {
    "depth": 2,
    "width": 16,
    "dropout": 0.0,
    "batch_size": 64,
    "engine": "pack",
    "pack_width": 6,
}
ROWS = {
    "train": 80,
    "val": 24,
    "test": 24,
}  # of the images, so that a step, not an evaluation, takes the time


def alone(task: str, activation: str) -> RunSpec:
    """A run of 40 steps: an MLP with BatchNorm and dropout, or a ResNet, with BatchNorm too."""
    return run_spec(task, 0, {"activation": activation, **MODELS[task], **SHORT})


def pack(activations: tuple[str, ...]) -> list[RunSpec]:
    """Runs of 40 steps that train as one: each activation with two seeds; the last one diverges."""
    fields = [(name, seed, 0.01) for name in activations for seed in (0, 1)]
    fields[-1] = (*fields[-1][:2], WILD)
    return [
        run_spec("mlp", seed, {"activation": name, "lr": lr, **PACKED, **SHORT})
        for name, seed, lr in fields
    ]


def diverging() -> RunSpec:
    """A run of at most 40 steps whose loss is soon not finite."""
    return run_spec(
        "mlp", 0, {"activation": "tanh", **MODELS["mlp"], **SHORT, "norm": "none", "lr": WILD}
    )


def series() -> list[RunSpec]:
    """Compiled runs of 40 steps that one process trains: of one code, and one of another."""
    fields = [("gelu", 0, 0.003), ("gelu", 1, 0.003), ("gelu", 0, 0.01), ("tanh", 0, 0.003)]
    return [
        run_spec(
            "mlp",
            seed,
            {"activation": name, "lr": lr, **MODELS["mlp"], **SHORT, "engine": "compiled"},
        )
        for name, seed, lr in fields
    ]


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder in memory where there is one: a killed process's writes survive it there as well as
    on a disk.
    """
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as name:
        yield Path(name)


def prepare(root: Path, specs: list[RunSpec]) -> None:
    """Prepared data of the runs, images cut down to ROWS, under root/data."""
    for one in {spec.data_name(one): one for one in specs}.values():
        folder = root / "data" / spec.data_name(one)
        prepared.prepare(spec.data_name(one), folder)
        if one.task == "vision":
            cut(folder)


def cut(folder: Path) -> None:
    """Leave ROWS of each split of prepared data."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    for name in manifest["sha256"]:
        if not name.endswith(".npy"):  # a tokenizer
            continue
        split = name.partition("_")[0]
        array = np.load(folder / name)[: ROWS[split]].copy()
        np.save(folder / name, array)
        manifest["counts"][split], manifest["sha256"][name] = (
            len(array),
            store.sha256(folder / name),
        )
    path.write_text(json.dumps(manifest))


def train(specs: list[RunSpec], root: Path, **settings: object) -> None:
    """What the command line does for a run, or for the runs of a pack: locks, publishing what is
    sealed, training.
    """
    folders = {root / spec.run_id(one): one for one in specs}
    data = root.parents[1] / "data" / spec.data_name(specs[0])
    host = Settings(device="cpu", quiet=True, **{"probe_every": 10, **settings})  # type: ignore[arg-type]
    if specs[0].engine == "compiled" and len(specs) > 1:
        attempt.Signals.stopping = lambda _: host.stopping()  # type: ignore[method-assign]
        with contextlib.redirect_stdout(io.StringIO()):
            in_turn.complete_each(folders, host, data.parent)
        return
    with contextlib.ExitStack() as held:
        for folder in sorted(folders):
            held.enter_context(locks.locked(folder, wait=False))
        todo = {
            f: one for f, one in folders.items() if not store.verifies(f / "checkpoints" / "final")
        }
        for folder in folders.keys() - todo.keys():
            if not store.verifies(folder):
                store.publish(folder)
        packed = specs[0].engine == "pack"
        state = root / ".packs" / packs.name(specs)
        if packed and not todo:  # killed at the very end
            shutil.rmtree(state, ignore_errors=True)
        elif packed:
            with locks.locked(state, wait=False):
                train_runs(todo, state, data, host)
        elif todo:
            train_runs(todo, next(iter(todo)) / "checkpoints", data, host)


def tables(folder: Path) -> dict[str, pa.Table]:
    """A published run's tables less what a clock or the host decides."""
    return {name: schema.reproducible(store.read(folder, name)[0]) for name in schema.SCHEMAS}


def difference(folder: Path, undisturbed: Path) -> str:
    """Where a run differs from the undisturbed one, in any bit of its tables.

    Empty if it does not.
    """
    for name, theirs in tables(undisturbed).items():
        mine = tables(folder)[name]
        if not bits(mine).equals(bits(theirs)):
            return f"{folder.name}: {name} differs"
    left = [
        str(path)
        for path in folder.rglob("*")
        if path.name.endswith(".tmp") or path.name.startswith("step-")
    ]
    return f"{folder.name}: left behind {left}" if left else ""


def bits(table: pa.Table) -> pa.Table:
    """The table with floats as the integers of their bits, so that NaN equals NaN and 0 does not
    equal -0.
    """
    columns = [
        pa.array(np.asarray(column.fill_null(0)).view(np.int64))
        if pa.types.is_float64(column.type)
        else column
        for column in table.columns
    ]
    nulls = [column.is_null() for column in table.columns]
    return pa.table(
        [*columns, *nulls],
        names=[*table.column_names, *(f"{name}?" for name in table.column_names)],
    )


def forked(work: Callable[[], object]) -> int:
    """Do `work` in a child; its exit status, 0 where it returned, below 0 the number of the signal
    that ended it.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        faults._passed.clear()
        work()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def fault(point: str) -> None:
    """From here on, in this process: the named fault."""
    os.environ["ACTSTUDY_FAULT"] = point


def killing(step: int) -> Callable[[], bool]:
    """`stopping` of a run that is killed as it ends so many steps of its process, before what it
    would save there.
    """
    steps = [0]

    def stopping() -> bool:
        steps[0] += 1
        if steps[0] == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return False

    return stopping
