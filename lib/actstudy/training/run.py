"""Runs from start to end: data, device, engine, loop, test scores, tables."""

import contextlib
import dataclasses
import os
import secrets
import shutil
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import torch

from actstudy.contract import host, schema, store
from actstudy.contract.spec import RunSpec
from actstudy.data import prepared
from actstudy.training import checkpoint, devices, leases, parity_file, tables
from actstudy.training.engine import Engine
from actstudy.training.job import Job
from actstudy.training.log import Log
from actstudy.training.loop import fit
from actstudy.training.outcome import NOT_THE_SPECS, Crowded, ending, is_memory
from actstudy.training.provenance import code_of_process, environment, provenance, timestamp
from actstudy.training.resume import resume, save
from actstudy.training.score import Result, score
from actstudy.training.settings import Settings
from actstudy.training.shares import Share
from actstudy.training.timeout import Limit, unlimited
from actstudy.training.warm import Warm
from actstudy.training.wiring import make_engine

WRITERS = min(8, host.cores())  # threads that write tables: most of their time is the disk's


@dataclasses.dataclass
class Training:
    """What is known of some runs so far: enough for their tables whenever they end.

    row: columns of `runs` that they share. slots: runs that may be on their GPU at a time. ending:
    status and reason of runs whose engine was never made.
    """

    specs: Sequence[RunSpec]
    folders: Sequence[Path]
    state: Path
    settings: Settings
    started: float
    row: dict[str, Any]
    share: Share
    slots: int = 1
    environment: dict[str, Any] = dataclasses.field(default_factory=dict)
    limit: Limit = dataclasses.field(default_factory=unlimited)
    engine: Engine | None = None
    ending: tuple[str, str | None] = ("completed", None)
    results: list[Result] = dataclasses.field(default_factory=list)


def train(runs: Mapping[Path, RunSpec], state: Path, data_folder: Path, settings: Settings) -> None:
    """Train runs, one or a pack, each into its folder; seals and publishes their tables.

    state: folder of their checkpoints, from whose newest they resume. Every ending is a row with
    its reason, failures too; only what can go on or succeed later is raised. An error of a pack is
    an error of all its runs.
    """
    by_activation = sorted(runs.items(), key=lambda item: str(item[1].activation))
    folders, specs = zip(*by_activation, strict=True)
    for folder, spec in runs.items():
        store.write_json(folder / "spec.json", dataclasses.asdict(spec))
    row = code_of_process()
    if specs[0].engine == "pack":
        store.write_json(state / store.MEMBERS, [folder.name for folder in folders])
        row["pack"] = f"{state.name}-{secrets.token_hex(3)}"
    started = settings.started or time.time()
    share = Share(settings.slots_per_gpu, specs[0], folders[0].parent)
    training = Training(specs, folders, state, settings, started, row, share)
    try:
        parity_file.check(specs[0])
        _fit_and_score(training, data_folder)
    except NOT_THE_SPECS:
        raise
    except Exception as error:
        if isinstance(error, Crowded) or (training.slots > 1 and is_memory(error)):
            raise _crowded(training, error) from None
        has_models = training.engine is not None
        end_all(training, *ending(error, specs, has_models, settings.stopping()))
        if training.ending[0] == "failed":
            _log_traceback(training)
    finally:
        training.limit.end()
    publish_all(training)
    _keep(training)
    checkpoint.drop(state)  # before the list of runs: whoever finds a checkpoint looks there
    if specs[0].engine == "pack":
        shutil.rmtree(state, ignore_errors=True)


def _keep(training: Training) -> None:
    """Hand the job of a run that completed or diverged, so no error ended it, to the next run."""
    warm = training.settings.warm
    is_well = training.ending == ("completed", None)
    if warm and training.settings.goes_on and is_well and isinstance(training.engine, Job):
        warm.keep(training.engine)


def _crowded(training: Training, error: Exception) -> Crowded:
    """What to raise if a shared GPU is full; noted for runs of this kind, and in the logs."""
    crowded = error if isinstance(error, Crowded) else Crowded(error)
    training.share.go_alone(str(crowded))
    for folder in training.folders:
        Log(folder, quiet=True, tensorboard=False).line(f"{crowded}, as runs like it will")
    if training.settings.warm:
        training.settings.warm.close()  # the new start sees all GPUs again
    return crowded


def _fit_and_score(training: Training, data_folder: Path) -> None:
    """Train to the end and score; what becomes known on the way is noted in `training`."""
    settings = training.settings
    share = training.share
    with contextlib.nullcontext(settings.warm) if settings.warm else Warm() as warm:
        # the data's checksums, while CUDA starts
        loading = ThreadPoolExecutor(1).submit(warm.data, data_folder)
        lease = warm.lease(settings.device, share, settings.stopping)
        training.slots = lease.slots
        training.row["leased"] = timestamp(time.time())
        in_use = devices.in_use(lease.device, lease.slots, settings.is_first)
        training.row["gpu_in_use"] = in_use
        engine = _engine(training, warm, loading.result(), lease)
        compiled = engine.clock.seconds["compile"]  # until now, of a pack's kernels
        with share.meter(lease) as meter:
            _fit(training, engine)
            with engine.clock("eval"):
                training.results = score(engine, training.folders)
        in_use = devices.in_use_still(in_use)
        training.row["gpu_in_use"] = in_use
        if engine.spec.engine != "pack":
            peak, kind = engine.peak_memory()
            training.row["peak_memory_kind"] = kind
            # of a later one a CPU says that of all
            if settings.is_first or lease.device.type == "cuda":
                training.row["peak_memory_bytes"] = peak
        is_whole = len(engine.completed) == len(engine.specs) and not engine.progress[0].n_resumes
        if meter and is_whole:
            idle = engine.clock.seconds["compile"] - compiled
            usage = None if in_use else meter.usage(idle)
            engine.logs[0].line(share.note(lease.gpu, usage))


def _engine(training: Training, warm: Warm, data: prepared.Prepared, lease: leases.Lease) -> Engine:
    """The engine of runs on a leased device, as their newest checkpoint left it."""
    settings = training.settings
    training.row |= _origin(data, lease.device)
    training.environment = environment(lease.device, training.specs[0].framework)
    for folder in training.folders:
        store.write_json(folder / "environment.json", training.environment)
    log = training.folders[0] / "log.txt"
    give_up = partial(_give_up, training)
    training.limit = Limit(settings.timeout_minutes, log, settings.stopping, give_up)
    before = None if settings.is_first else warm.take(training.specs[0], training.state)
    engine = make_engine(training.specs, training.folders, data, lease.device, settings, before)
    training.engine = engine
    resume(engine, training.state, [folder.name for folder in training.folders])
    engine.clock.seconds["start"] += time.time() - training.started - lease.waited
    return engine


def _fit(training: Training, engine: Engine) -> None:
    """Train runs to the end."""
    names = [folder.name for folder in training.folders]
    keep = partial(save, engine, training.state, names)
    fit(engine, training.limit.stopping, keep, training.settings.checkpoint_seconds)


def _origin(data: prepared.Prepared, device: torch.device) -> dict[str, Any]:
    """Columns of `runs` that say which data runs have and where they train."""
    return {
        "data_sha256": data.sha256,
        "data_subset": data.manifest.get("subset"),
        "device": devices.describe(device),
        "device_id": devices.identity(device),
    }


def end_all(training: Training, status: str, reason: str | None) -> None:
    """End all runs but those that diverged, from what the host knows: the device may be lost."""
    training.ending = (status, reason)
    training.results = []
    engine = training.engine
    if engine is None:
        return
    for run in engine.completed:
        steps = engine.progress[run].step if run in engine.ended else engine.step
        engine.end(run, status, reason, steps)


def _log_traceback(training: Training) -> None:
    """Write the present exception into the logs of all runs."""
    for folder in training.folders:
        with (folder / "log.txt").open("a", encoding="utf-8") as log:
            log.write(traceback.format_exc())


def _give_up(training: Training, reason: str) -> None:
    """Seal and publish what there is of runs that hang; the same command goes on with others."""
    end_all(training, "timeout", reason)
    publish_all(training)
    if training.settings.goes_on:
        os.execv(sys.executable, sys.orig_argv)


def publish_all(training: Training) -> None:
    """Seal and publish every run's tables; findings and ending are the last lines of its log."""
    shared = {**training.row, **provenance(training.started, training.specs[0].framework)}
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(partial(_publish_run, training, shared), range(len(training.specs))))


def _publish_run(training: Training, shared: dict[str, Any], run: int) -> None:
    """Seal and publish the tables of one run; shared: columns of all rows of `runs`."""
    engine = training.engine
    folder = training.folders[run]
    result = training.results[run] if training.results else Result()
    status, reason = training.ending
    if engine is not None:
        status, reason = engine.ended.get(run, ("completed", None))
    costs = {}
    if engine is not None:
        in_use = training.row.get("gpu_in_use")
        costs = tables.accounting(engine, run, training.slots, in_use)
    row = {
        **schema.spec_row(training.specs[run]),
        "status": status,
        "reason": reason,
        **costs,
        **shared,
        **result.row,
    }
    store.seal(folder, tables.run_tables(engine, run, folder.name, row, result))
    if engine is not None:
        tables.log_findings(engine, run, row)
        engine.logs[run].line(f"{status}: {reason}" if reason else status)
        engine.logs[run].close()
    store.publish(folder)
